"""The page in its states and languages: hours and months with what tells none, English marked as English, names that hold what is seen."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from pages import PAGE, answered, faults_of, opened, unmark, until

from prom3e_index.search.meaning import MEANINGLESS

pytestmark = pytest.mark.timeout(240)
WORDS = {name: json.loads((PAGE / f"strings/{name}.json").read_text("utf-8")) for name in ("en", "de", "es")}  # fmt: skip


def test_hours_are_counted_as_stated_and_so_is_what_tells_none(plain_browser, timed):
    hours = Counter({4: 10, 23: 5, 12: 5})  # of `pages.DATES`, by hand: an interval has none
    months = Counter({6: 15, 7: 5, 5: 10})
    with opened(plain_browser, timed, "/?text=Pica%20pica&target=text") as (page, _):
        answered(page)
        page.wait_for_selector(".columns >> nth=1")

        def said(nth):
            chart = page.locator(".columns").nth(nth)
            texts = chart.locator("li .hidden").all_text_contents()
            return [t.rsplit(": ", 1) for t in texts]

        assert [int(n) for _, n in said(0)] == [months[m] for m in range(1, 13)]
        assert said(1) == [[f"{h:02}:00–{h:02}:59", str(hours[h])] for h in range(24)]
        assert page.get_by_text("20 without a time").count() == 1
        assert page.get_by_text("10 without a month").count() == 1
        heights = page.locator(".columns").nth(1).locator("li i").evaluate_all("all => all.map((i) => i.getBoundingClientRect().height)")  # fmt: skip
        assert (
            heights[4] == pytest.approx(2 * heights[23], rel=0.05) and heights[23] > 5 > heights[1]
        )


def test_without_times_no_hours_are_shown(plain_browser, shown, bundle):
    assert not bundle.sql("SELECT 1 FROM observations WHERE event_date LIKE '%:%' LIMIT 1")
    with opened(plain_browser, shown, "/?like=0&target=image") as (page, _):
        answered(page)
        page.wait_for_selector(".columns")
        assert page.locator(".columns").count() == 1


@pytest.mark.parametrize("language", ["de", "es"])
def test_what_the_library_says_is_marked_as_english_or_said_in_the_language(
    plain_browser, timed, language
):
    """Notes, refusals, why nothing is known; and a refusal that the page has no words for."""
    words = WORDS[language]
    with opened(plain_browser, timed, "/?text=Pica%20pica&target=text&near=40,7.5,60km", locale=language) as (page, seen):  # fmt: skip
        answered(page)
        notes = page.locator(".notes li")
        texts = notes.all_inner_texts()
        eligible = int(page.locator("#results-title").inner_text().split()[0])
        assert words["said.meaningless"].replace("{model}", "mini") in texts
        fewer = words["said.fewer"].replace("{n}", str(eligible)).replace("{k}", "200")
        assert fewer in texts
        for note in notes.all():  # each is a sentence of the language, or English from end to end
            english = note.locator("[lang=en]")
            assert english.count() == 0 or english.inner_text() == note.inner_text()
        assert not any(t == MEANINGLESS or "no more are eligible" in t for t in texts)
        reason = page.locator(".sure .soft").first
        assert reason.locator("[lang=en]").count() == 0
        why = words["said.unsure.all"]
        assert reason.inner_text() == words["sure.unknown"].replace("{reason}", why)

        taxon = page.get_by_role("combobox", name=words["only.taxon"])
        taxon.fill("Pica pcia")
        taxon.press("Enter")
        page.wait_for_selector(".refusal")
        seen.errors.clear()  # the browser writes every refusal into its console
        none = words["said.taxon"].replace("{name}", "Pica pcia")
        assert page.locator(".refusal p").first.inner_text() == none
        assert page.locator(".refusal h2").inner_text() == words["refused.title"]
        status = page.locator("body > div > .hidden[role=status]")
        assert status.inner_text() == none and page.locator(".refusal [lang=en]").count() == 0

        body = json.dumps({"type": "/problems/input", "status": 422, "detail": "Nobody has words for this."})  # fmt: skip
        page.route("**/api/v1/searches", lambda r: r.fulfill(status=422, body=body))
        taxon.fill("Pica")
        taxon.press("Enter")
        english = page.locator(".refusal p [lang=en]")
        english.wait_for()
        seen.errors.clear()
        assert english.inner_text() == "Nobody has words for this."
        assert page.locator(".refusal p").first.inner_text().startswith(words["problem.input"])
        told = page.locator(".hidden[role=status] [lang=en]")  # told after what is shown
        told.wait_for(state="attached")
        assert told.count() == 1


def test_every_form_of_a_note_is_one_that_the_library_says(plain_browser, timed):
    """Notes by their codes, and that of the page itself on a link of another generation."""
    query = {"text": "Pica pica"}
    only = {"near": [40, 7.5, 60], "since": "2024-06-25"}
    few = timed.ask(query, target="text", filter=only).json()
    link = "/?text=Pica%20pica&target=text&near=40,7.5,60km&since=2024-06-25&generation=0"
    with opened(plain_browser, timed, link, locale="es") as (page, seen):
        answered(page)
        assert ["409" in e for e in seen.errors] == [True]  # there is no generation 0
        seen.errors.clear()
        shown = page.locator(".notes li").all_inner_texts()
        n = few["numberMatched"]

        def said(key, **values):
            text = re.sub(r"\{n\|([^|}]*)\|([^}]*)\}", r"\2", WORDS["es"][key])
            return text.format(**values)

        assert {*few["notes"]} == {
            MEANINGLESS,
            "'Pica pica' is in this index (40 observations); asked as 'Pica pica'",
            f"{n} of 200 hits: no more are eligible",
            "5 of 40 observations have no date and are left out",
        }
        assert {*shown} == {
            said("said.meaningless", model="mini"),
            said("said.name.here", typed="Pica pica", n=40, asked="Pica pica"),
            said("said.fewer", n=n, k=200),
            said("said.out.date", n=5, all=40),
            said("note.generation", asked=0, n=1),
        }


LONG = "Pseudocalliergonopsislongissima subspeciesnomineelongata var. quaeadhuclongiorest"


def enlarge(page):
    """Make what the server says large: thousands of rows, names that are long, chances and sets that are known."""

    def index(route):
        answer = route.fetch()
        said = answer.json()
        said |= {"rows": 1_234_567, "notes": ["a note of the library"]}
        said["licences"] = [{"license": f"BY-{i}.0", "rows": 98_765 + i, "url": None} for i in range(4)]  # fmt: skip
        for m in said["modalities"]:
            m["rows"] = 765_432
        route.fulfill(response=answer, body=json.dumps(said))

    def search(route):
        answer = route.fetch()
        said = answer.json()
        if "hits" not in said:
            route.fulfill(response=answer)
            return
        said |= {"numberMatched": 123_456, "rows": 1_234_567}
        said["confidence"] |= {
            "p_right": 0.71, "interval": [0.6, 0.8], "right": 12_345, "rows": 23_456, "rule": "species", "source": "index", "hit": 1, "reason": None,
        }  # fmt: skip
        said["species_set"] = {"level": 0.9, "names": [f"{LONG} {i}" for i in range(10)], "reason": None}  # fmt: skip
        said["add_next"] = {"modality": "loc", "failure_change": -0.2, "interval": [-0.3, -0.1], "rows": 99, "no_help": []}  # fmt: skip
        for hit in said["hits"]:
            hit |= {"scientific_name": LONG, "common_name": f"The very {'long ' * 12}name", "rights_holder": LONG, "p_right": 0.66}  # fmt: skip
            if hit["rank"] % 3 == 0:  # nothing of it is to be seen
                hit["links"] |= dict.fromkeys(("thumbnail", "image", "sat", "audio", "spectrogram"))
        route.fulfill(response=answer, body=json.dumps(said))

    page.route("**/api/v1/index", index)
    page.route("**/api/v1/searches", search)
    page.route("**/api/v1/searches/*?*", search)


@pytest.mark.parametrize(("language", "palette"), [("en", "dark"), ("de", "light"), ("es", "dark")])
def test_axe_finds_nothing_in_any_state(plain_browser, shown, axe, language, palette):
    words = WORDS[language]
    unmark(shown)
    given = {"color_scheme": palette, "locale": language, "reduced_motion": "reduce", "bypass_csp": True}  # fmt: skip
    with opened(plain_browser, shown, **given) as (page, seen):
        enlarge(page)
        row = shown.service.bundle.sql("SELECT min(row) FROM observations WHERE has_audio AND has_image")[0][0]  # fmt: skip
        page.goto(f"{shown.url}/?like={row}&target=image&wrong=1")
        page.evaluate(axe)
        answered(page)
        page.wait_for_selector(".among", state="attached")

        def clean(state, below=False):
            """`below`: what an open menu covers in part, is no target while it is open."""
            faults = [f for f in faults_of(page) if not (below and f[0] == "target-size")]
            assert (state, faults) == (state, [])

        assert page.locator(".card .none").count() > 0  # cards of no file have words to be seen
        clean("hits, and a link that was not understood")
        page.locator(".card .yes").nth(0).click()
        page.locator(".card .no").nth(1).click()
        page.wait_for_selector(".markbar")
        page.locator(".licences summary").click()
        page.locator(".licences input").first.check()
        answered(page)
        page.locator(".sure summary").click()
        page.locator(".toolbar button").nth(2).click()
        clean("marks, licences open, a tool taken")
        page.keyboard.press("Escape")
        page.locator(".results .head .menu summary").click()
        clean("exports open", below=True)
        page.locator(".card .menu summary").first.click()
        clean("choices of a card open", below=True)
        page.keyboard.press("Escape")
        page.locator("[data-field=text]").fill("Fi")
        page.wait_for_selector("[role=option]")
        clean("completion open", below=True)
        page.keyboard.press("Escape")
        page.get_by_role("button", name=words["target.text"], exact=True).click()
        page.wait_for_selector(".cards.text")
        answered(page)
        clean("names found")
        page.locator(".card .open").first.click()
        page.wait_for_selector("dialog .fields")
        clean("an observation open")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        page.keyboard.press("?")
        page.wait_for_selector("dialog.help")
        clean("keys shown")
        page.keyboard.press("Escape")
        page.goto(f"{shown.url}/?text=Nothing&taxon=Nothing")
        page.evaluate(axe)
        page.wait_for_selector(".refusal")
        seen.errors.clear()
        clean("refused")


def test_a_name_that_lacks_what_is_seen_is_found(plain_browser, shown, axe):
    """The rule is on: without it the test above could not fail."""
    with opened(plain_browser, shown, bypass_csp=True) as (page, _):
        page.evaluate(axe)
        page.wait_for_selector(".start")
        page.evaluate("document.querySelector('.drop .choose').setAttribute('aria-label', 'Other words')")  # fmt: skip
        until(page, "document.querySelector('[aria-label=\"Other words\"]')")
        assert [f[0] for f in faults_of(page)] == ["label-content-name-mismatch"]
