"""The map in both palettes, at load and when they change: as the server draws it and as the browser does."""

from __future__ import annotations

import io
import re
from dataclasses import fields

import numpy as np
import pytest
from pages import PAGE, answered, faults_of, opened, until
from PIL import Image

from prom3e_index.server.drawn_map import DARK, LIGHT

pytestmark = pytest.mark.timeout(240)
CSS = (PAGE / "src/css/colours.css").read_text("utf-8")


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of `#rrggbb`."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("colours", "nth"), [(LIGHT, 0), (DARK, 2)])
def test_marks_are_those_of_the_legend_and_can_be_seen(colours, nth):
    sheet = dict(re.findall(r"--([\w-]+): (#\w+)", CSS.split("{")[[1, 3, 4][nth]]))
    legend = {"observed": "leaf", "guessed": "guess", "asked": "ask"}
    assert {n: getattr(colours, n) for n in legend} == {n: sheet[c] for n, c in legend.items()}
    for ground in (colours.sea, colours.land):
        assert contrast(colours.text, ground) >= 4.5
        assert all(contrast(getattr(colours, n), ground) >= 3 for n in legend)
    assert min(contrast(colours.on, getattr(colours, n)) for n in ("observed", "guessed")) >= 4.5


def test_the_picture_has_the_palette_that_is_asked_for_and_nothing_else_changes(served):
    said = served.ask({"location": [10, 20]}, target="image", k=60).json()
    light, dark = (served.client.get("/map.svg", params={"search": said["id"], "palette": p}).text for p in ("light", "dark"))  # fmt: skip
    assert served.client.get("/map.svg", params={"search": said["id"]}).text == light
    own = {f.name: (getattr(LIGHT, f.name), getattr(DARK, f.name)) for f in fields(LIGHT)}
    assert {*re.findall(r"#\w{6}", light)} == {a for a, _ in own.values()}
    assert {*re.findall(r"#\w{6}", dark)} == {b for _, b in own.values()}
    for a, b in own.values():
        light = light.replace(a, b)
    assert light == dark
    assert served.client.get("/map.svg?palette=blue").json()["parameter"] == "palette"


def ground(page):
    """The mean brightness of the map, from 0 to 255."""
    picture = page.locator(".map .sheet :is(img, canvas)").first.screenshot()
    return float(np.asarray(Image.open(io.BytesIO(picture)).convert("L")).mean())


def becomes(page, dark):
    for _ in range(60):
        if (ground(page) < 100) == dark:
            return
        page.wait_for_timeout(200)
    raise AssertionError(
        f"the map is {ground(page):.0f} bright; it should be {'dark' if dark else 'light'}"
    )


@pytest.mark.parametrize("drawn_by", ["browser", "plain_browser"])
@pytest.mark.parametrize("first", ["dark", "light"])
def test_the_map_follows_the_palette_of_the_system_and_of_the_page(request, shown, axe, drawn_by, first):  # fmt: skip
    started = request.getfixturevalue(drawn_by)
    with opened(started, shown, "/?place=10,20&target=image", color_scheme=first, bypass_csp=True) as (page, _):  # fmt: skip
        answered(page)
        page.wait_for_selector(".map .sheet :is(img, canvas)")
        becomes(page, first == "dark")
        other = "light" if first == "dark" else "dark"
        page.emulate_media(color_scheme=other)
        becomes(page, other == "dark")
        page.evaluate(axe)
        assert faults_of(page) == []
        button = page.locator("header .tools button").first
        for palette in ("dark", "light"):  # the button goes on from what the system has
            button.click()
            until(page, f"document.documentElement.dataset.palette === '{palette}'")
            becomes(page, palette == "dark")
        assert faults_of(page) == []
        button.click()
        becomes(page, other == "dark")


def test_a_picture_without_counts_has_no_legend_of_them(plain_browser, shown):
    with opened(plain_browser, shown) as (page, _):
        until(page, "document.querySelector('.flat img')?.naturalWidth > 0")
        page.wait_for_selector(".start img")
        assert page.locator(".legend rect").count() == 0


def test_counts_and_their_legend_follow_it_too(browser, shown):
    with opened(browser, shown, color_scheme="dark") as (page, _):
        page.wait_for_selector(".legend rect")

        def scale():
            rects = page.locator(".legend rect")
            return [r.get_attribute("fill") for r in rects.all()]

        dark = scale()
        assert [luminance(c) for c in dark] == sorted(luminance(c) for c in dark)  # many is bright
        page.emulate_media(color_scheme="light")
        until(page, f"document.querySelector('.legend rect').getAttribute('fill') === '{dark[-1]}'")
        assert scale() == dark[::-1]
