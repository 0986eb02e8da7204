"""The page by keyboard, pointer and ear: no search by a stray click, one sound at a time, small screens, no WebGL 2, three languages."""

from __future__ import annotations

import json
import re

import pytest
from pages import PAGE, answered, faults_of, opened, until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def heard(bundle):
    """Rows that can be heard."""
    found = [r for (r,) in bundle.sql("SELECT row FROM observations WHERE has_audio ORDER BY row")]
    assert len(found) >= 2
    return found


def test_a_search_by_keyboard_alone(browser, shown, bundle):
    with opened(browser, shown) as (page, _):
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.dataset.field") == "text"
        ((name,),) = bundle.sql(
            "SELECT min(scientific_name) FROM observations WHERE taxon_species IS NOT NULL"
        )
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        rows = answered(page)
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.classList.contains('open')"):
                break
        page.keyboard.press("ArrowRight")
        assert (
            page.evaluate("Number(document.activeElement.closest('.card').dataset.row)") == rows[1]
        )
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog.lightbox[open]")
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('dialog .bar .soft').textContent.startsWith('3 of')")
        until(page, f"new URLSearchParams(location.search).get('open') === '{rows[2]}'")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        assert (
            page.evaluate("Number(document.activeElement.closest('.card').dataset.row)") == rows[1]
        )
        page.keyboard.press("?")
        page.wait_for_selector("dialog.help[open]")
        page.keyboard.press("Escape")
        page.locator(".chip .away").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".start")
        assert page.evaluate("document.activeElement.dataset.field") == "text"
        assert page.url == shown.url + "/"


def test_the_map_asks_only_with_its_tools(browser, shown):
    with opened(browser, shown, wide=1400, tall=900) as (page, seen):
        until(page, "document.querySelectorAll('.zooms button').length === 3")
        box = page.locator(".gl").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        taken = "document.querySelector('.maplibregl-canvas').style.cursor === 'crosshair'"

        def drag(dx, dy):
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + dx / 2, y + dy / 2)
            page.mouse.move(x + dx, y + dy)
            page.mouse.up()

        page.mouse.click(x, y)
        drag(60, 20)
        page.mouse.dblclick(x, y)
        page.wait_for_timeout(300)
        assert seen.posts == [] and page.locator(".chip").count() == 0

        page.get_by_role("button", name="Ask here").click()
        page.keyboard.press("Escape")
        page.mouse.click(x, y)
        assert seen.posts == []

        page.get_by_role("button", name="Ask here").click()
        until(page, taken)
        page.mouse.click(x, y)
        rows = answered(page)
        assert rows and re.search(r"place=-?\d+(\.\d+)?%2C-?\d+(\.\d+)?", page.url)
        asked = len(seen.posts)
        page.locator(".toolbar").get_by_role("button", name="Box").click()
        until(page, taken)
        drag(120, 90)
        page.wait_for_selector(".limit")
        page.wait_for_selector(".results[aria-busy=false]", state="attached")  # it may hold no hit
        until(page, "/^\\d+ eligible/.test(document.querySelector('#results-title').innerText)")
        assert len(seen.posts) == asked + 1 and "bbox=" in page.url
        eligible = int(page.locator("#results-title").inner_text().split()[0])
        assert 0 <= eligible < shown.service.bundle.rows
        assert page.locator(".toolbar [aria-pressed=true]").inner_text() == "Move"


def test_one_sound_at_a_time_and_the_line_stands_where_it_is_heard(browser, shown, heard):
    with opened(browser, shown, f"/?like={heard[0]}&target=audio") as (page, _):
        answered(page)
        buttons = page.locator(".card .playing")
        page.evaluate("""() => {
            window.sounds = [];
            const play = HTMLMediaElement.prototype.play;
            HTMLMediaElement.prototype.play = function () { window.sounds.push(this); return play.call(this); };
        }""")
        buttons.nth(0).click()
        until(page, "window.sounds.length && window.sounds[0].currentTime > 0.3")
        buttons.nth(1).click()
        until(
            page,
            "window.sounds.length > 1 && document.querySelectorAll('.plot .head').length === 1",
        )
        assert page.evaluate("new Set(window.sounds).size") == 1
        page.locator(".card:has(.plot .head) .open, .card .open:has(.plot .head)").first.click()
        page.wait_for_selector("dialog .khz span")
        page.get_by_label("Speed").select_option("0.5")
        assert page.evaluate("window.sounds[0].playbackRate") == 0.5
        plot = page.locator("dialog .plot")
        box = plot.bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
        page.locator("dialog").get_by_role("button", name="Pause").click()
        page.wait_for_timeout(150)
        told = page.evaluate(
            """() => {
              const plot = document.querySelector("dialog .plot"), head = plot.querySelector(".head");
              const share = (parseFloat(head.style.left)) / 100;
              return [share * Number(plot.getAttribute("aria-valuemax")), window.sounds[0].currentTime];
            }"""
        )
        assert abs(told[0] - told[1]) < 0.05
        axis = page.locator(".khz").inner_text().split()
        assert axis[-1] == "kHz" and float(axis[0]) == 0


@pytest.mark.parametrize(("wide", "tall"), [(1280, 800), (390, 844)])
@pytest.mark.parametrize("palette", ["light", "dark"])
def test_axe_finds_nothing(browser, shown, axe, heard, wide, tall, palette):
    with opened(
        browser,
        shown,
        wide=wide,
        tall=tall,
        color_scheme=palette,
        reduced_motion="reduce",
        bypass_csp=True,
    ) as (page, _):
        page.evaluate(axe)
        page.wait_for_selector(".start .some img")
        assert faults_of(page) == []
        page.locator(".some button").first.click()
        answered(page)
        page.wait_for_selector(".among", state="attached")
        if wide < 1000:
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert faults_of(page) == []
        page.locator(".card .open").first.click()
        page.wait_for_selector("dialog .fields")
        assert faults_of(page) == []


def test_a_phone_has_tabs_and_nothing_runs_over(browser, shown, heard):
    with opened(
        browser, shown, f"/?like={heard[0]}&target=image", 390, 844, has_touch=True, is_mobile=True
    ) as (page, _):
        answered(page)
        assert page.locator(".map").is_hidden() and page.locator(".maplibregl-canvas").count() == 0
        page.get_by_role("button", name="Map", exact=True).tap()
        page.wait_for_selector(".maplibregl-canvas")
        page.get_by_role("button", name="Filters").tap()
        assert page.locator(".filters").is_visible()
        page.get_by_label("observed only, nothing completed").check()
        page.get_by_role("button", name="List").tap()
        answered(page)
        assert page.locator(".state.completed").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_webgl_the_server_draws_the_map(plain_browser, shown, heard):
    with opened(plain_browser, shown, f"/?like={heard[0]}&target=image") as (page, _):
        answered(page)
        picture = page.locator(".flat img")
        until(page, "document.querySelector('.flat img')?.naturalWidth > 0")
        assert page.locator(".maplibregl-canvas").count() == 0
        page.get_by_role("button", name="Ask here").click()
        box = picture.bounding_box()
        west, south, east, north = (
            float(v)
            for v in re.search(r"bbox=([^&]+)", picture.get_attribute("src"))[1]
            .replace("%2C", ",")
            .split(",")
        )
        page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
        page.wait_for_selector(".chip:nth-child(2)")
        latitude, longitude = (
            float(v)
            for v in re.search(r"place=([^&]+)", page.url)[1].replace("%2C", ",").split(",")
        )
        assert latitude == pytest.approx(north - (north - south) * 0.25, abs=(north - south) / 50)
        wide = (east - west) % 360 or 360  # it may reach over the date line
        away = (longitude - west - wide * 0.25 + 180) % 360 - 180
        assert abs(away) <= wide / 50


@pytest.mark.parametrize("language", ["de", "es"])
def test_a_language_is_spoken_wholly(browser, shown, heard, language):
    english, words = (
        json.loads((PAGE / f"strings/{name}.json").read_text("utf-8")) for name in ("en", language)
    )
    same = {v for k, v in words.items() if english[k] == v}
    with opened(browser, shown, f"/?like={heard[0]}&target=image", locale=language) as (page, _):
        answered(page)
        page.wait_for_selector(".among")
        assert page.evaluate("document.documentElement.lang") == language
        said = {
            t.strip()
            for t in page.locator("button, h2, h3, h4, label, legend, summary").all_inner_texts()
        }
        assert {t for t in said if t in english.values() and t not in same} == set()
        assert words["only.title"] in said
        page.locator(".language select").select_option("en")
        assert page.locator("#only-title").inner_text() == "Only"
