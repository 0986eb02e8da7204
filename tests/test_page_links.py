"""Links into the page: what they ask is asked, what is not understood is said; and an index that grows meanwhile says so once."""

from __future__ import annotations

import shutil

import pytest
from pages import answered, opened, until
from served import serving

import prom3e_index
from prom3e_index import Query
from prom3e_index.bundle.filters import Filter, parse_near
from prom3e_index.world import write_world

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def centre(bundle):
    """A place of the tiny world, and its row."""
    return bundle.sql("SELECT latitude, longitude, row FROM observations WHERE latitude IS NOT NULL ORDER BY row LIMIT 1")[0]  # fmt: skip


@pytest.mark.parametrize("radius", ["3000km", " 3000 km", "3000000m", "3000"])
def test_a_circle_in_a_link_is_read_as_the_command_line_reads_it(
    plain_browser, shown, bundle, centre, radius
):
    latitude, longitude, row = centre
    unit = radius if radius.strip()[-1] == "m" else radius + "km"  # what the page writes has none
    near = parse_near(f"{latitude},{longitude},{unit}")
    wanted = bundle.search(Query(like=(row,), target="image", k=200, filter=Filter(near=near)))
    assert 0 < wanted.search["eligible"] < bundle.rows - 1
    link = f"/?like={row}&target=image&near={latitude},{longitude},{radius}"
    with opened(plain_browser, shown, link) as (page, _):
        rows = answered(page)

        assert rows == [h.row for h in wanted.hits][:24]
        assert page.locator("[name=km]").input_value() == "3000"
        assert page.locator(".banner").count() == 0


def test_what_a_link_says_in_vain_is_named(plain_browser, shown, bundle, centre):
    row = centre[2]
    vain = [
        "near=46.8,7.1,50 miles", "bbox=1,2,3", "bbox=5,45,11,480", "place=north", "env=1,,2", "like=first", "sort=size",
        "open=x", "observed=maybe", "audio=dawn.wav", "more=1;2", "view=here", "generation=new", "nearr=1,2,3km",
        "constructor=1", "__proto__=1",
    ]  # fmt: skip
    again = ["target=audio", "taxon=Aves"]  # once each is understood, not twice
    given = ["target=image", "taxon=Fictanimalia", f"like={row}", "text="]
    link = "/?" + "&".join(p.replace(" ", "%20") for p in [*given, *vain, *again])
    with opened(plain_browser, shown, link) as (page, _):
        answered(page)
        alert = page.get_by_role("alert")

        assert alert.locator("code").all_inner_texts() == [*vain, *again]
        assert page.get_by_role("combobox", name="Taxon").input_value() == "Fictanimalia"
        alert.get_by_role("button", name="Close").click()
        assert alert.count() == 0

    with opened(plain_browser, shown, f"/?like={row}&nearr=1", locale="de") as (page, _):
        assert (
            page.locator(".banner")
            .inner_text()
            .startswith("Von diesem Link versteht die Seite nicht")
        )
        answered(page)
        page.get_by_role("checkbox").first.check()
        until(
            page, "document.querySelector('.banner') === null"
        )  # the address bar has only what is asked
        assert "nearr" not in page.url


def test_no_own_link_is_left_out(plain_browser, shown, centre):
    latitude, longitude, row = centre
    parts = [
        f"like={row},image", f"place={latitude},{longitude}", "text=Fictanimalia", "target=image", "taxon=Fictanimalia",
        "bbox=-180,-90,180,90", "since=2001", "until=2030-12", "license=CC0-1.0", "license=BY-4.0", "observed=1",
        "species=1", f"more={row}", "less=3,4", "sort=date", f"open={row}", "view=1.500,2.000,3.00",
    ]  # fmt: skip
    with opened(plain_browser, shown, "/?" + "&".join(parts)) as (page, seen):
        page.wait_for_selector(".lightbox .fields")
        until(page, "document.querySelector('.results[aria-busy=false], .refusal')")
        seen.errors.clear()  # whether there is an answer to all of it does not matter here
        assert page.locator(".banner").count() == 0
        kept = page.evaluate("[...new URLSearchParams(location.search)].map((p) => p.join('='))")
        assert sorted(p for p in kept if not p.startswith("generation=")) == sorted(parts)


def test_a_grown_index_is_said_once_and_found_when_asked_again(
    plain_browser, bundle_path, tmp_path
):
    shutil.copytree(bundle_path, tmp_path / "index.p3i")
    write_world(tmp_path / "more", 6, seed=23)
    with serving(tmp_path / "index.p3i") as server:
        name = server.service.bundle.sql("SELECT min(scientific_name) FROM observations")[0][0]
        with opened(plain_browser, server, f"/?text={name}&target=image") as (page, _):
            page.evaluate("""() => {
                window.heard = [];
                new MutationObserver((all) => { for (const m of all) for (const n of m.addedNodes) window.heard.push(n.textContent); })
                    .observe(document.querySelector("[role=status]"), {childList: true, subtree: true});
            }""")
            before = answered(page)
            count = page.locator("#results-title").inner_text()
            old = server.service.bundle.rows
            added = prom3e_index.add(
                index=tmp_path / "index.p3i", table=tmp_path / "more/observations.csv"
            )
            assert added is not None
            for _ in range(300):
                if server.service.generation == 2:
                    break
                page.wait_for_timeout(100)
            rows = server.service.bundle.rows
            assert rows == old + 6
            for _ in range(3):  # as when somebody comes back to the page
                page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
                page.wait_for_timeout(200)
            notice = page.get_by_role("status").filter(
                has_text="The index has changed since this answer."
            )

            assert notice.count() == 1 and notice.get_attribute("aria-live") == "polite"
            assert len([h for h in page.evaluate("window.heard") if "has changed" in h]) == 1
            assert answered(page) == before and page.locator("#results-title").inner_text() == count
            page.locator(".card .open").first.click()  # and what it opens is of the same state
            page.wait_for_selector("dialog .fields")
            page.keyboard.press("Escape")
            page.wait_for_selector("dialog", state="detached")

            until(page, "document.activeElement.matches('.card .open')")  # the focus is back
            page.locator(".skip").focus()
            for _ in range(8):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.closest('.banner') !== null"):
                    break
            assert page.evaluate("document.activeElement.textContent") == "Ask again"
            page.keyboard.press("Enter")
            until(
                page,
                f"document.querySelector('#results-title').innerText.startsWith('{rows} eligible')",
            )
            until(page, "document.querySelector('.banner') === null")
            fresh = server.service.bundle.search(Query(text=name, target="image", k=200))
            assert answered(page) == [h.row for h in fresh.hits][:24]
            assert any(h.row >= old for h in fresh.hits)
            assert "generation=2" in page.url
