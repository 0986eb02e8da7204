"""The page's tools in a browser: a map of one's own, the range, the circle, the microphone, a bat's call, and large type."""

from __future__ import annotations

import io
import math
import re
import wave

import numpy as np
import pytest
import shapely
from pages import answered, opened, unmark, until
from served import serving

from prom3e_index.bundle.filters import Filter

pytestmark = pytest.mark.timeout(180)
SEA, LAND = (0xDF, 0xE8, 0xEC), (0xF7, 0xF7, 0xF2)
"""Of `colours.css`, light."""
DARK_SEA = (0x16, 0x20, 0x1F)


def colour(page, x, y):
    """What is drawn in the middle of 5 × 5 pixels of the map."""
    from PIL import Image

    box = page.locator(".gl").bounding_box()
    clip = {"x": box["x"] + x * box["width"] - 2, "y": box["y"] + y * box["height"] - 2, "width": 5, "height": 5}  # fmt: skip
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB").getpixel((2, 2))


def near(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 3


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Vector tiles of one lake over the Alps, as GDAL writes them."""
    from pyogrio.raw import write

    path = tmp_path_factory.mktemp("tiles") / "lake.pmtiles"
    shape = np.array([shapely.to_wkb(shapely.box(5, 45, 11, 49))], dtype=object)
    name = np.array(["Great Lake"], dtype=object)
    write(
        path, shape, [name], ["name"], layer="water", driver="PMTiles", geometry_type="Polygon", crs="EPSG:4326",
        dataset_options={"MINZOOM": "0", "MAXZOOM": "6"},
    )  # fmt: skip
    return path


def test_a_map_of_ones_own_lies_below_the_hits(browser, timed, lake, tmp_path):
    at = "/?view=8.000,47.000,5.00"
    index = timed.service.settings.index
    with opened(browser, timed, at, color_scheme="light") as (page, _):
        page.wait_for_selector(".zooms button")
        until(page, "document.querySelector('.legend').textContent.includes('Natural Earth')")
        page.wait_for_timeout(1500)
        assert near(colour(page, 0.5, 0.5), LAND)
    with (
        serving(index, warm=False, basemap=lake) as server,
        opened(browser, server, at, color_scheme="light") as (page, _),
    ):
        until(page, "document.querySelector('.legend').textContent.includes('Natural Earth · basemap.pmtiles')")  # fmt: skip
        for _ in range(50):
            if near(colour(page, 0.5, 0.5), SEA):
                break
            page.wait_for_timeout(200)
        assert near(colour(page, 0.5, 0.5), SEA)  # the lake, in the colours of the page
        page.emulate_media(color_scheme="dark")
        for _ in range(50):
            if near(colour(page, 0.5, 0.5), DARK_SEA):
                break
            page.wait_for_timeout(200)
        assert near(colour(page, 0.5, 0.5), DARK_SEA)  # and it follows them
        assert any("GET /basemap.pmtiles 206" in line for line in server.log)
        assert page.locator(".toast").is_hidden()
    (tmp_path / "no.pmtiles").write_bytes(b"PMTiles\x03" + bytes(range(256)) * 80)
    with (
        serving(index, warm=False, basemap=tmp_path / "no.pmtiles") as server,
        opened(browser, server, at) as (page, seen),
    ):
        until(page, "document.querySelector('.toast').textContent.startsWith('The map below the hits cannot be read:')")  # fmt: skip
        assert page.locator(".maplibregl-canvas").count() == 1  # the Earth's own outline stays
        seen.errors.clear()


def test_the_range_is_laid_under_the_hits_and_taken_away(browser, shown):
    with opened(browser, shown, "/?like=0&target=image") as (page, _):
        answered(page)
        page.wait_for_selector(".zooms button")
        with page.expect_response(lambda r: "/range" in r.url, timeout=60_000) as told:
            page.get_by_role("button", name="Range", exact=True).click()
        got = told.value.json()
        values = [c[got["columns"].index("similarity")] for c in got["cells"]]
        known = [v for v in values if v is not None]
        page.wait_for_selector(".scale")

        low, high = (float(t) for t in page.locator(".scale > span").all_inner_texts()[:2])
        assert (low, high) == pytest.approx((min(known), max(known)), abs=0.0051)
        assert f"similarity of {len(known):,} cells" in page.locator(".scale").inner_text()
        for sentence in got["sentences"]:
            assert page.locator(".scale .soft", has_text=sentence).count() == 1
        button = page.locator(".toolbar button[aria-pressed]", has_text="Range")
        assert button.get_attribute("aria-pressed") == "true"
        button.click()
        assert page.locator(".scale").count() == 0


def test_a_circle_that_is_drawn_is_the_circle_that_is_asked(browser, shown, bundle):
    latitude, longitude = bundle.sql("SELECT latitude, longitude FROM observations WHERE latitude BETWEEN -40 AND 40 ORDER BY row LIMIT 1")[0]  # fmt: skip
    zoom = 3.0
    view = f"{longitude:.3f},{latitude:.3f},{zoom:.2f}"
    with opened(browser, shown, f"/?like=0&target=image&view={view}") as (page, _):
        answered(page)
        page.wait_for_selector(".zooms button")
        page.locator(".toolbar").get_by_role("button", name="Circle").click()
        until(page, "document.querySelector('.maplibregl-canvas').style.cursor === 'crosshair'")
        box = page.locator(".gl").bounding_box()
        x, y, across = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 90
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + across / 2, y)
        page.mouse.move(x + across, y)
        page.mouse.up()
        until(page, "location.search.includes('near=')")
        page.wait_for_selector(".results[aria-busy=false]", state="attached")
        south, west, km = (float(v) for v in re.search(r"near=([^&]+)", page.url)[1].split("%2C"))

        turned = math.radians(
            across * 360 / (512 * 2**zoom)
        )  # of Mercator's sheet, 512 pixels wide
        half = math.cos(math.radians(latitude)) * math.sin(turned / 2)
        assert km == pytest.approx(2 * 6371.0088 * math.asin(half), rel=0.02)
        assert (south, west) == pytest.approx((latitude, longitude), abs=0.15)
        inside = bundle.eligible(Filter(near=(south, west, km)))
        wanted = len([r for r in inside if r != 0])
        assert 0 < wanted < bundle.rows
        until(page, f"/^{wanted} eligible/.test(document.querySelector('#results-title').innerText)")  # fmt: skip
        assert page.locator(".toolbar [aria-pressed=true]").inner_text() == "Move"


@pytest.fixture(scope="module")
def with_microphone(chromium):
    started = chromium("--disable-3d-apis", "--use-fake-device-for-media-stream")
    yield started
    started.close()


def test_a_recording_is_asked_with(with_microphone, shown):
    with opened(with_microphone, shown, permissions=["microphone"]) as (page, _):
        record = page.locator(".record")
        assert record.get_attribute("aria-pressed") == "false"
        record.click()
        until(page, "document.querySelector('.record').getAttribute('aria-pressed') === 'true'")
        page.wait_for_timeout(2000)
        record.click()
        rows = answered(page)

        assert rows and page.locator(".chip").inner_text().startswith("recording.webm")
        id = re.search(r"audio=(sha256-[0-9a-f]{64})", page.url)[1]
        sent = shown.client.get(f"/api/v1/uploads/{id}").json()
        assert sent["modality"] == "audio" and 1.5 < sent["seconds"] < 6
        sound = shown.client.get(f"/api/v1/uploads/{id}/audio").content
        assert len(sound) > 1000
        assert record.get_attribute("aria-pressed") == "false"


def test_a_microphone_that_is_refused_is_said(with_microphone, shown):
    with opened(with_microphone, shown) as (page, seen):
        page.locator(".record").click()
        until(page, "document.querySelector('.toast').textContent === 'The browser gave no microphone.'")  # fmt: skip
        assert "no microphone" in page.locator(".hidden[role=status]").text_content()
        assert page.locator(".record").get_attribute("aria-pressed") == "false"
        assert seen.posts == [] and page.locator(".chip").count() == 0


def test_a_bat_is_heard_ten_times_slower(plain_browser, shown, tmp_path):
    rate, hertz = 384_000, 40_000
    tone = (12_000 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)).astype("<i2")
    with wave.open(str(tmp_path / "bat.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(tone.tobytes())
    with opened(plain_browser, shown) as (page, _):
        page.evaluate("""() => {
            const play = HTMLMediaElement.prototype.play;
            HTMLMediaElement.prototype.play = function () { window.sound = this; return play.call(this); };
        }""")
        page.set_input_files("input[type=file]", tmp_path / "bat.wav")
        answered(page)
        page.get_by_role("button", name="choose seconds").click()
        page.wait_for_selector(".cutter .khz span")
        axis = [float(t) for t in page.locator(".cutter .khz span").all_inner_texts()]
        assert axis[-1] >= 100  # kHz: what is beyond hearing is drawn
        page.get_by_label("Speed").select_option(label="1/10, for bats")
        page.locator(".cutter").get_by_role("button", name="Play").click()
        until(page, "window.sound && window.sound.currentTime > 1.5")
        page.locator(".cutter").get_by_role("button", name="Pause").click()
        page.wait_for_timeout(150)
        at, long, source, told = page.evaluate(
            """() => [window.sound.currentTime, window.sound.duration, window.sound.currentSrc,
                Number(document.querySelector(".cutter .plot").getAttribute("aria-valuenow"))]"""
        )

        assert long == pytest.approx(10, abs=0.2)  # a second of the file
        assert told == pytest.approx(at / 10, abs=0.02)
        heard = wave.open(io.BytesIO(shown.client.get(source.removeprefix(shown.url)).content))
        samples = np.frombuffer(heard.readframes(heard.getframerate()), "<i2").astype(float)
        samples = samples.reshape(-1, heard.getnchannels())[:, 0]
        loudest = np.abs(np.fft.rfft(samples))[1:].argmax() + 1
        assert loudest * heard.getframerate() / len(samples) == pytest.approx(hertz / 10, rel=0.01)
        page.get_by_label("Speed").select_option("1")  # the browser keeps it


LOST = """() => {
    const all = [...(document.querySelector("dialog[open]") ?? document.body).querySelectorAll("button, summary, select, a[href], input:not([type=file])")];
    const lost = [];
    for (const e of all) {
        if (!e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}) || e.closest(".hidden, .skip")) continue;
        e.scrollIntoView({block: "center", inline: "nearest"});
        const b = e.getClientRects()[0];
        const on = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
        const seen = on && (e.contains(on) || on.closest("label")?.contains(e));
        if (b.left < -0.5 || b.right > innerWidth + 0.5 || !seen) lost.push(`${e.outerHTML.slice(0, 160)} ${Math.round(b.left)}..${Math.round(b.right)} ${on?.outerHTML.slice(0, 80)}`);
    }
    return [all.length, lost];
}"""


@pytest.mark.parametrize("zoom", [2, 4])
def test_no_control_is_lost_when_the_page_is_enlarged(browser, shown, zoom):
    """Of a window of 1280 × 1024 an enlarged page has a half or a quarter each way (WCAG 1.4.4 and 1.4.10)."""
    wide, tall = 1280 // zoom, 1024 // zoom
    unmark(shown)

    def whole(page, least):
        page.wait_for_timeout(100)
        count, lost = page.evaluate(LOST)
        assert lost == [] and count > least
        assert page.evaluate("document.documentElement.scrollWidth") <= wide

    with opened(browser, shown, "/?like=0&target=audio&wrong=1", wide, tall, device_scale_factor=zoom, locale="de") as (page, _):  # fmt: skip
        answered(page)
        page.locator(".card .yes").first.click()
        page.wait_for_selector(".markbar")
        page.wait_for_timeout(300)
        whole(page, 60)
        for pane, least in (("Karte", 15), ("Filter", 15)):
            page.locator(".tabs button", has_text=pane).click()
            if pane == "Karte":
                page.wait_for_selector(".zooms button")
            whole(page, least)
        page.locator(".tabs button", has_text="Liste").click()
        page.locator(".card .open").first.click()
        page.wait_for_selector("dialog .fields")
        whole(page, 5)
        page.keyboard.press("Escape")
