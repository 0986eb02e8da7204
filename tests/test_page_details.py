"""What an eye trips over: on a phone of 390 pixels and a laptop of 1366, in the languages of the page."""

from __future__ import annotations

import json

import pytest
from pages import PAGE, answered, opened, until

pytestmark = pytest.mark.timeout(180)
WORDS = {name: json.loads((PAGE / f"strings/{name}.json").read_text("utf-8")) for name in ("en", "de", "es")}  # fmt: skip
PHONE = {"wide": 390, "tall": 844, "has_touch": True, "is_mobile": True}
LAPTOP = {"wide": 1366, "tall": 768}


@pytest.fixture(scope="module")
def row(bundle):
    """A row with all of photo, sound and climate."""
    return bundle.sql("SELECT min(row) FROM observations WHERE has_audio AND has_image AND has_env")[0][0]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["photos", "sounds", "places", "satellite tiles", "climates", "names"]),
        ("de", ["Fotos", "Töne", "Orte", "Satellitenkacheln", "Klimaangaben", "Namen"]),
        ("es", ["fotos", "sonidos", "lugares", "teselas de satélite", "datos climáticos", "nombres"]),
    ],
)  # fmt: skip
def test_what_the_index_holds_is_counted_in_the_plural(plain_browser, shown, bundle, language, words):  # fmt: skip
    with opened(plain_browser, shown, locale=language) as (page, _):
        page.wait_for_selector(".contents")
        counts = [bundle.manifest["observed"][m] for m in ("image", "audio", "loc", "sat", "env", "text")]  # fmt: skip
        said = [" ".join(t.split()) for t in page.locator(".contents li").all_inner_texts()]
        assert said == [f"{n} {w}" for n, w in zip(counts, words, strict=True)]


def test_on_a_phone_the_map_and_its_legend_fill_what_is_below_the_tabs(browser, shown):
    with opened(browser, shown, "/?text=Ormavus&target=image", **PHONE) as (page, _):
        answered(page)
        page.locator(".tabs button").nth(1).tap()
        page.wait_for_selector(".zooms button")
        until(page, "document.querySelector('.tabs').getBoundingClientRect().top <= 20")
        assert page.evaluate("document.querySelector('.legend').getBoundingClientRect().bottom <= innerHeight")  # fmt: skip


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("target", ["image", "text"])
def test_on_a_phone_what_is_looked_for_is_seen_to_be_chosen(plain_browser, shown, target, language):
    with opened(plain_browser, shown, f"/?text=Ormavus&target={target}", locale=language, **PHONE) as (page, _):  # fmt: skip
        answered(page)
        chosen = page.locator(".find [aria-pressed=true]")
        assert chosen.inner_text().strip() == WORDS[language][f"target.{target}"]
        until(page, """(({left, right}) => left >= 0 && right <= innerWidth)
            (document.querySelector(".find [aria-pressed=true]").getBoundingClientRect())""")  # fmt: skip
        assert page.evaluate("scrollX === 0 && scrollY === 0")


@pytest.mark.parametrize("screen", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_no_second_of_a_recording_is_written_beyond_it(plain_browser, shown, row, screen):
    with opened(plain_browser, shown, f"/?like={row}&open={row}", **screen) as (page, _):
        page.wait_for_selector(".seconds span >> nth=1")
        right, edge = page.evaluate("""[
            Math.max(...[...document.querySelectorAll(".seconds span")].map((s) => s.getBoundingClientRect().right)),
            document.querySelector(".axes .plot").getBoundingClientRect().right]""")  # fmt: skip
        assert right <= edge + 14  # half a label may stand beside its line, but within the dialog
        assert right <= page.evaluate("document.querySelector('dialog').getBoundingClientRect().right") - 5  # fmt: skip


def test_a_name_is_broken_between_words_alone(plain_browser, shown):
    with opened(plain_browser, shown, "/?text=Whispering%20Sprindle%2051&target=image", **LAPTOP) as (page, _):  # fmt: skip
        answered(page)
        names = page.locator(".card h3 > span:first-child")
        assert page.locator(".card .score b").count() > 0  # the first has its chance beside it
        for name in names.all():
            lines = name.evaluate("(e) => { const r = document.createRange(); r.selectNodeContents(e); return new Set([...r.getClientRects()].map((c) => c.top)).size; }")  # fmt: skip
            assert lines <= len(name.inner_text().split()), name.inner_text()
        menu = page.locator(".card .menu > summary").first
        assert menu.bounding_box()["height"] < 36  # in one line


def test_equal_climates_are_not_said_to_be_apart(plain_browser, shown, row):
    far = WORDS["en"]["climate.farthest"].split(":")[0]
    with opened(plain_browser, shown, f"/?like={row}&open={row}") as (page, _):
        said = page.locator(".climate .small").first
        said.wait_for()
        assert said.inner_text() == WORDS["en"]["climate.unit"]
        other = shown.service.bundle.sql(f"SELECT min(row) FROM observations WHERE has_env AND row > {row}")[0][0]  # fmt: skip
        page.goto(f"{shown.url}/?like={row}&open={other}")
        said.wait_for()
        assert said.inner_text().startswith(far)


def test_that_nothing_was_found_is_said_once(plain_browser, shown):
    with opened(plain_browser, shown, "/?text=Ormavus&near=50,50,10") as (page, _):
        page.wait_for_selector(".notes button")
        notes = page.locator(".notes").inner_text()
        assert notes.count(WORDS["en"]["said.none"]) == 1 and WORDS["en"]["results.none"] not in notes  # fmt: skip
        page.get_by_role("button", name=WORDS["en"]["only.clear"]).first.click()
        assert len(answered(page)) == 24
