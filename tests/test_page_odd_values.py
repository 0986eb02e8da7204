"""What tables hold that nobody foresaw does not spoil the page: endless texts, HTML, letters that turn the direction."""

from __future__ import annotations

import json

import pytest
from pages import answered, opened, until

pytestmark = pytest.mark.timeout(180)
ENDLESS = "Langnameω " * 1000
HTML = "<img src=x onerror=alert(1)>"
TURNED = "\u202eObserver"


def with_odd_values(page):
    """Put odd values into the first hits of what the server answers."""

    def answer(route):
        response = route.fetch()
        told = response.json()
        for hit in told["hits"][:3]:
            hit |= {"common_name": HTML, "rights_holder": TURNED, "license": "CC BY-NC 4.0"}
        told["hits"][1] |= {
            "scientific_name": ENDLESS,
            "common_name": ENDLESS,
            "rights_holder": ENDLESS,
        }
        told["hits"][2] |= {"scientific_name": None, "common_name": ENDLESS.replace(" ", "")}
        route.fulfill(response=response, body=json.dumps(told))

    page.route("**/api/v1/searches", answer)


@pytest.mark.parametrize("wide", [1280, 390])
def test_endless_texts_are_cut_and_the_licence_stands_behind_them(plain_browser, shown, wide):
    with opened(plain_browser, shown, wide=wide) as (page, _):
        with_odd_values(page)
        page.goto(shown.url + "/?place=10,10&target=image")
        answered(page)
        cards = page.locator(".results .card")
        tall = page.eval_on_selector_all(".results .card", "all => all.map((c) => c.offsetHeight)")

        assert max(tall) < 700
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for n in (1, 2):
            said = cards.nth(n).locator(".facts").inner_text()
            assert "…" in said and "CC BY-NC 4.0" in said
        cards.nth(1).locator(".open").evaluate("button => button.click()")
        page.wait_for_selector("dialog.lightbox")
        assert page.locator("dialog.lightbox .rights").bounding_box()["height"] < 150


def test_html_is_text_and_a_turned_name_turns_nothing_else(plain_browser, shown):
    with opened(plain_browser, shown) as (page, _):
        with_odd_values(page)
        page.goto(shown.url + "/?place=10,10&target=image")
        answered(page)
        first = page.locator(".results .card").first
        ends = first.locator(".rights").evaluate(
            """(p) => {
                const text = document.createTreeWalker(p, NodeFilter.SHOW_TEXT).nextNode();
                const at = (word) => {
                    const range = document.createRange();
                    const from = text.data.indexOf(word);
                    range.setStart(text, from);
                    range.setEnd(text, from + 1);
                    return range.getBoundingClientRect().left;
                };
                return [at("O"), at("r"), at("CC")];
            }"""
        )

        assert HTML in first.inner_text()
        assert page.locator("img[src='x']").count() == 0
        assert ends[0] > ends[1]  # the name itself is turned
        assert ends[2] > ends[0]


def test_what_a_picture_shows_instead_is_not_covered_on_a_phone(plain_browser, shown):
    with opened(plain_browser, shown, "/?place=10,10&target=audio", wide=390) as (page, _):
        answered(page)
        until(page, "document.querySelector('.card .instead') !== null")
        card = page.locator(".card", has=page.locator(".instead")).first
        a, b = (card.locator(s).bounding_box() for s in (".instead", ".state"))

        assert a["y"] + a["height"] <= b["y"] or a["x"] >= b["x"] + b["width"]


def test_hits_on_both_sides_of_the_date_line_are_on_one_small_map(plain_browser, shown):
    def over_the_date_line(route):
        told = {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"row": row, "rank": row + 1},
                    "geometry": {"type": "Point", "coordinates": [longitude, 10.0]},
                }
                for row, longitude in enumerate((179.0, -179.0))
            ],
        }
        route.fulfill(body=json.dumps(told), content_type="application/geo+json")

    with opened(plain_browser, shown) as (page, _):
        page.route("**/api/v1/searches/*/map*", over_the_date_line)
        page.goto(shown.url + "/?like=0&target=image")
        answered(page)
        until(
            page,
            "/bbox=17\\d/.test(document.querySelector('.flat img')?.src.replaceAll('%2C', ','))",
        )
        source = page.locator(".flat img").get_attribute("src").replace("%2C", ",")
        west, south, east, north = (
            float(v) for v in source.split("bbox=")[1].split("&")[0].split(",")
        )

        assert 170 < west < 179 and -179 < east < -170 and south < 10 < north
        until(page, "document.querySelector('.flat img').naturalWidth > 0")
        picture = page.locator(".flat img").bounding_box()
        letters = 10 * picture["width"] / page.locator(".flat img").evaluate("i => i.naturalWidth")
        assert letters > 8  # pixels of the degrees at its edge
