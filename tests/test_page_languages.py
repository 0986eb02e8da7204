"""The page in three languages: whatever it shows in any state is of its language, of the data, or marked as English."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
from pages import PAGE, answered, opened, unmark, until
from playwright.sync_api import Error
from policies import RULE, birds, built
from served import serving

import prom3e_index
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.server.problems import Problem, disk_full, over, unreached

pytestmark = pytest.mark.timeout(420)
WORDS = {name: json.loads((PAGE / f"strings/{name}.json").read_text("utf-8")) for name in ("en", "de", "es")}  # fmt: skip
NAMES = {
    "prom3e", "index", "p3i", "mini", "demo", "gbif", "obis", "qgis", "ogc", "openapi", "json", "natural", "earth", "token", "usb", "latin",
    "jpeg", "png", "heic", "wav", "mp3", "flac", "geotiff", "tiff", "webp", "avif", "webm", "khz", "km", "esc", "bio", "ms", "mb", "db", "cc", "by", "nc",
}  # fmt: skip
"""Names, units and licences: they are the same in every language."""
ENGLISH = {
    "Nobody foresaw this.", "No words are known of this.", "No such page.", "it is a text; give the photo or recording itself",
    "it is a damaged zip; unpack it first", "'Truncated File Read'", "rule 2 of the policy 'own'",
    "Input should be 'image', 'sat', 'loc', 'env', 'text' or 'audio'.",
}  # fmt: skip
"""What stays English, and is marked as that: what a decoder says, and what has no code."""
TYPED = "Ormavus foo Nothing else Ormavis soon Nix m.jsonl"
"""What the walk itself asks and names."""
SEEN = (Path(__file__).parent / "seen_words.js").read_text("utf-8")


def words_of(text: str) -> set[str]:
    return {w.lower() for w in re.findall(r"[^\W\d_]{2,}", text)}


class Walk:
    """A page that is taken from state to state; each is read."""

    def __init__(self, page, seen, server, language, data):
        self.page, self.seen, self.server = page, seen, server
        self.words = WORDS[language]
        said = re.sub(r"\{(\w+)\|([^|}]*)\|([^}]*)\}", r" \2 \3 ", " ".join(self.words.values()))
        said = re.sub(r"\{\w+\}", " ", said)
        intl = page.evaluate("""(l) => Array.from({length: 12}, (_, m) => ["long", "short", "narrow"].map((s) =>
            new Intl.DateTimeFormat(l, {month: s, day: "numeric", year: "numeric"}).format(new Date(2024, m, 5)))).flat().join(" ")
            + new Intl.ListFormat(l).format(["", "", ""])""", language)  # fmt: skip
        self.known = words_of(said) | words_of(intl) | data | NAMES | words_of(TYPED)
        self.known |= words_of(" ".join(ENGLISH)) if language == "en" else set()
        self.states: dict[str, list[str]] = {}
        self.english: set[str] = set()
        self.foreign: dict[str, str] = {}

    def look(self, state):
        """Read what stands on the page now."""
        texts = self.page.evaluate(SEEN)
        self.states[state] = texts
        marked = self.page.locator("[lang=en]:not(html, option)").all_inner_texts()
        self.english |= {t.strip() for t in marked if t.strip()}
        for text in texts:
            if wrong := words_of(text) - self.known:
                self.foreign.setdefault(text, f"{state}: {sorted(wrong)}")

    def go(self, search, wait=".results[aria-busy=false]"):
        self.page.goto(self.server.url + search)
        self.page.wait_for_selector(wait)

    def refused(self, path, problem, act, state, wait=".refusal"):
        """Let the server refuse an address once, as it really does."""
        body = problem.body()
        self.page.route(path, lambda r: r.fulfill(status=problem.status, body=body, content_type="application/problem+json"))  # fmt: skip
        act()
        self.page.wait_for_selector(wait)
        self.look(state)
        self.page.unroute(path)
        self.seen.errors.clear()


def sent(page, name, content, type):
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": type, "buffer": content})  # fmt: skip


def silence(seconds=3, rate=22_050):
    import numpy as np

    wave = (np.sin(np.arange(seconds * rate) / 5) * 9_000).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(wave), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", len(wave))  # fmt: skip
    return head + wave


def answers(w, photo, row):
    """Questions of each kind, what is found, and what is said of them."""
    page = w.page
    w.go("/", ".start")
    page.wait_for_selector(".some img")
    w.look("start")
    page.locator("[data-field=text]").fill("Or")
    page.wait_for_selector("[role=option]")
    w.look("completion")
    page.locator(".place input").fill("north")
    page.locator(".place input").press("Enter")
    page.wait_for_selector(".place .refused")
    w.look("no place")
    page.locator(".place input").fill("")
    sent(page, "a.jpg", photo, "image/jpeg")
    answered(page)
    page.wait_for_selector(".among", state="attached")
    w.look("a photo")
    page.locator(".sure summary").click()
    w.look("uncertainty open")
    w.go("/", ".start")
    sent(page, "a.wav", silence(), "audio/wav")
    answered(page)
    page.locator(".chip [aria-expanded]").click()
    page.wait_for_selector(".cutter .seconds")
    w.look("a sound, cut")
    for state, search in {
        "place": "/?place=7,46&target=image", "climate": "/?env=" + ",".join(["0.1"] * 20),
        "common name": "/?text=Whispering%20Sprindle%2051&target=audio", "genus": "/?text=Ormavus&target=sat",
        "no such species": "/?text=Ormavus%20foo&target=loc", "no such name": "/?text=Nothing%20else&target=env",
        "two names": "/?text=Ormavus&text=Lumorus&target=text", "family": "/?text=Rasploidae",
        "like": f"/?like={row}", "like, by": f"/?like={row},image&target=audio", "two like": "/?like=2&like=3",
        "dates": f"/?like={row}&since=2025&until=2025-06", "licence": f"/?like={row}&license=BY&observed=1&species=1",
        "box": f"/?like={row}&bbox=-90,-60,90,60&taxon=Ormavus", "few": f"/?like={row}&taxon=Lumorus",
        "a link in part": f"/?like={row}&nearr=2&sort=size",
    }.items():  # fmt: skip
        w.go(search)
        w.look(state)
    for state, search in {
        "nothing found": "/?text=Ormavus&near=50,50,10&since=2024-01-01&license=BY", "turned": "/?text=Ormavus&bbox=170,50,171,51",
    }.items():  # fmt: skip
        w.go(search)
        page.wait_for_selector(".notes li")
        w.look(state)


def refusals(w, row):
    """What cannot be asked, or not now."""
    page = w.page
    gone = "sha256-" + "0" * 64
    for state, search in {
        "no such taxon": "/?text=Ormavus&taxon=Ormavis", "no date": "/?text=Ormavus&since=soon", "no day": "/?text=Ormavus&since=2024-13-01",
        "turned dates": "/?text=Ormavus&since=2025&until=2024", "no target": "/?text=Ormavus&target=smell", "no row": "/?like=99999",
        "lacks it": "/?like=0,sat", "gone": f"/?image={gone}", "few numbers": "/?env=1,2", "far": "/?text=Ormavus&near=80,50,0.00001&taxon=Nix",
        "box": "/?text=Ormavus&bbox=5,50,6,40",
    }.items():  # fmt: skip
        w.go(search, ".refusal")
        w.look(f"refused: {state}")
    w.seen.errors.clear()
    for state, problem in {
        "busy": Problem(503, "busy", "Too many searches at once", "64 searches wait already. Ask again in 3 s."),
        "rate": Problem(429, "rate", "Too many requests", "Ask again in 2 s."), "disk": disk_full(), "ending": over(), "store": unreached(),
        "deadline": Problem(503, "deadline", "The search took too long", "It was stopped after 30 s. Ask for fewer hits, or with a narrower filter."),
        "unforeseen": Problem(500, "error", "It cannot be done", "Nobody foresaw this."), "other": Problem(418, "tea", "Tea", "No words are known of this."),
        "token": Problem(401, "token", "No token", "Open the address."), "lost": Problem(404, "not-here", "Not here", "No such page."),
    }.items():  # fmt: skip
        again = w.server.url + f"/?like={row}"
        w.refused(
            "**/api/v1/searches", problem, lambda at=again: page.goto(at), f"refused: {state}"
        )
        w.refused(
            "**/api/v1/index", problem, lambda at=again: page.goto(at), f"not opened: {state}"
        )
    page.route("**/api/v1/searches", lambda r: r.abort())
    w.go(f"/?like={row}", ".refusal")
    w.look("unreachable")
    page.unroute("**/api/v1/searches")
    w.go("/", ".start")
    for name, type, content in (
        ("t.jpg", "image/jpeg", b"only a text, no photo"), ("d.png", "image/png", b"\x89PNG\r\n\x1a\n" + b"0" * 99), ("e.jpg", "image/jpeg", b""),
        ("d.jpg", "image/jpeg", b"\xff\xd8\xff" + b"0" * 200), ("z.jpg", "image/jpeg", b"PK\x03\x04" + b"0" * 99), ("s.wav", "audio/wav", silence(0)),
    ):  # fmt: skip
        sent(page, name, content, type)
        page.wait_for_selector(f".drop .refused:has-text('{name}')")
        w.look(f"file refused: {name}")
    w.seen.errors.clear()


def tools(w, row):
    """Marks, exports, an observation enlarged, the map and its tools, the keys."""
    page = w.page
    unmark(w.server)
    w.go(f"/?like={row}&target=audio")
    page.locator(".card .yes").nth(0).click()
    page.locator(".card .no").nth(1).click()
    page.wait_for_selector(".markbar")
    w.look("marks, and their toast")
    page.locator(".markbar .main").click()
    until(page, "location.search.includes('more=')")
    answered(page)
    w.look("asked with marks")
    for menu in page.locator(".menu summary").all()[:3]:
        menu.click()
        w.look("a menu open")
        page.keyboard.press("Escape")
    full = Problem(507, "marks-full", "The file of marks is full", "m.jsonl has 64 MB; 64 MB are the most. Move it away, and a new one is begun.")  # fmt: skip
    w.refused("**/api/v1/marks**", full, lambda: page.locator(".card .no").nth(2).click(), "mark refused", ".toast:not([hidden])")  # fmt: skip
    unmark(w.server)
    w.go(f"/?like={row}&target=audio&open={row}", "dialog .climate")
    page.wait_for_selector("dialog .fields")
    w.look("enlarged")
    w.go("/?text=Ormavus&target=image&open=0", "dialog .fields")
    w.look("enlarged, completed")
    page.goto(f"{w.server.url}/?like={row}&open=99999")
    page.wait_for_selector("dialog .refused")
    w.look("enlarged, none")
    w.seen.errors.clear()
    w.go(f"/?like={row}")
    for i in range(1, 4):
        page.locator(".toolbar button").nth(i).click()
        w.look(f"tool {i}")
    page.keyboard.press("Escape")
    page.locator(".toolbar button").nth(4).click()
    page.wait_for_selector(".legend .scale")
    w.look("range")
    page.locator(".toolbar button").nth(4).click()
    withheld = Problem(422, "input", "x", "No map of it is made: its places are withheld by rule 2 of the policy 'own'. A map of other taxa may be.")  # fmt: skip
    w.refused("**/range**", withheld, lambda: page.locator(".toolbar button").nth(4).click(), "range refused", ".toast:not([hidden])")  # fmt: skip
    page.locator(".record").click()
    w.look("a microphone")
    page.locator("header .tools button").first.click()
    w.look("palette")
    page.locator("header .tools button").last.click()
    page.wait_for_selector("dialog.help")
    w.look("keys")


@pytest.fixture(scope="module")
def photo(world):
    return next(iter(sorted((world / "photos").iterdir()))).read_bytes()


@pytest.fixture(scope="module")
def data(world):
    """Words of the table, which are nobody's to translate."""
    return words_of((world / "observations.csv").read_text("utf-8").split("\n", 1)[1])


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """Photos of the Earth, of which one lies outside of the index's folders and one is moved; in its third generation, served."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("lost")
    (folder / "table").mkdir()
    rows = []
    for i in range(6):
        file = f"{'../' if i == 1 else ''}p{i}.jpg"
        pixels = np.random.default_rng(i).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "table" / file)
        rows.append(f"r-{i},{file},Pica pica,{40 + i},7.5,2024-05-0{i + 1}T1{i}:30:00")
    table = folder / "table/t.csv"
    table.write_text("\n".join(["id,photo,species,latitude,longitude,eventDate", *rows]) + "\n")
    build(BuildConfig(table=str(table), out=folder / "i.p3i", model="mini", allow_outside=True))
    for i in (4, 5):
        prom3e_index.remove(index=folder / "i.p3i", ids=[f"r-{i}"], yes=True)
    (folder / "table/p2.jpg").rename(folder / "table/elsewhere.jpg")
    with serving(folder / "i.p3i") as server:
        yield server


@pytest.mark.parametrize("language", ["de", "es", "en"])
def test_an_index_that_lacks_files_and_has_changed_is_told_in_the_language(browser, lost, language):
    """Drawn with WebGL, whose map has names of its own; the link is of a generation that is no longer open."""
    own = words_of(
        "r p0 p1 p2 p3 jpg elsewhere Pica pica photo id species table ORDNER FOLDER CARPETA"
    )
    with opened(browser, lost, locale=language) as (page, seen):
        w = Walk(page, seen, lost, language, own)
        w.go("/", ".legend .soft")
        page.wait_for_selector(".zooms button")
        w.look("start, with a map")
        w.go("/?text=Pica%20pica&target=image&generation=1")
        assert {page.locator(".notes li").last.inner_text()} == {
            WORDS[language]["note.generation"].replace("{asked}", "1").replace("{n}", "3")
        }
        assert "generation=3" in page.url and page.locator(".card").count() == 4
        page.wait_for_selector(".columns >> nth=1")
        w.look("hits whose files are gone")
        assert sum(t.startswith(WORDS[language]["card.unshown.moved"][:20]) for t in w.states["hits whose files are gone"]) == 1  # fmt: skip
        page.locator(".card .open").last.click()
        page.wait_for_selector("dialog .fields")
        w.look("enlarged")
        seen.errors.clear()
    assert w.english == set()
    assert w.foreign == {}, json.dumps(w.foreign, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("language", ["de", "es", "en"])
def test_what_a_policy_hides_is_told_in_the_language(plain_browser, tmp_path, language):
    policy = RULE + '[[rule]]\ntaxon = "Parus major"\nlevel = "withhold"\n'
    own = words_of("f p Falco rusticolus Parus major Observer data index own")
    with serving(built(tmp_path, birds(), policy)) as server, opened(plain_browser, server, locale=language) as (page, seen):  # fmt: skip
        w = Walk(page, seen, server, language, own)
        w.go("/?text=Parus%20major&target=text")
        w.look("hits")
        facts = page.locator(".card .facts").all_inner_texts()
        assert sum(w.words["card.withheld"] in f for f in facts) == 3
        assert sum(w.words["card.obscured"] in f for f in facts) == 3
        page.locator(".card .open").first.click()
        page.wait_for_selector("dialog .fields")
        w.look("withheld")
        fields = page.locator(".fields")
        assert w.words["level.withhold"] in fields.inner_text()
        assert fields.locator("[lang=en]").inner_text().startswith("Coordinates withheld")
        page.keyboard.press("Escape")
        page.locator(".toolbar button").nth(4).click()
        page.wait_for_selector(".toast:not([hidden])")
        w.look("range refused")
        said = w.words["said.map.withheld"].split("{")[0]
        assert said in page.locator(".toast").inner_text()
        w.go("/?text=Falco%20rusticolus&bbox=13.3,52.2,13.35,52.25&target=text")
        page.wait_for_selector(".notes li")
        w.look("nothing in the box")
        w.go("/?text=Falco%20rusticolus&target=text&open=0")
        page.wait_for_selector("dialog .fields")
        assert "0.1°" in page.locator(".fields").inner_text()
        w.look("coarsened")
        seen.errors.clear()
    w.foreign = {t: why for t, why in w.foreign.items() if t not in w.english}
    assert w.foreign == {}, json.dumps(w.foreign, ensure_ascii=False, indent=1)
    assert all(t.startswith(("Coordinates ", "rule 2 (Parus major)")) for t in w.english)


@pytest.mark.parametrize("language", ["de", "es", "en"])
def test_no_state_has_a_word_of_another_language(plain_browser, shown, bundle, photo, data, language):  # fmt: skip
    row = bundle.sql("SELECT min(row) FROM observations WHERE has_audio AND has_image AND has_env")[0][0]  # fmt: skip
    with opened(plain_browser, shown, locale=language) as (page, seen):
        w = Walk(page, seen, shown, language, data)
        try:
            answers(w, photo, row)
            refusals(w, row)
            tools(w, row)
        except Error as e:
            raise AssertionError(f"after {[*w.states][-1:]}: {e}; {w.foreign}") from e
        seen.errors.clear()
    assert len(w.states) > 60
    if language != "en":
        assert w.english == ENGLISH
    assert w.foreign == {}, json.dumps(w.foreign, ensure_ascii=False, indent=1)
