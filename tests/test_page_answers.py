"""The page in a browser: what is asked, what is shown, and that list, map, counts and files are of one ranking."""

from __future__ import annotations

import csv
import io
import json

import pytest
from pages import answered, opened, unmark, until

from prom3e_index import Query
from prom3e_index.bundle.filters import Filter

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def photo(world):
    return next(iter(sorted(world.glob("photos/*"))))


@pytest.fixture(scope="module")
def name(bundle):
    ((found,),) = bundle.sql(
        "SELECT scientific_name FROM observations WHERE has_text AND has_image AND taxon_species IS NOT NULL "
        "GROUP BY ALL ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    return found


def test_a_token_goes_from_the_address_and_nothing_foreign_is_asked(browser, shown):
    with opened(browser, shown) as (page, seen):
        page.wait_for_selector(".start .some img")
        page.wait_for_selector(".maplibregl-canvas")
        until(page, "document.querySelectorAll('.zooms button').length === 3")

        assert page.url == shown.url + "/"
        assert (
            page.locator(".about").inner_text().split("\n")[1]
            == f"{shown.service.bundle.rows} observations"
        )
        assert seen.posts == []  # opening a page asks nothing


def test_a_photo_is_answered_as_the_library_answers_it(plain_browser, shown, bundle, photo):
    with opened(plain_browser, shown) as (page, _):
        page.set_input_files("input[type=file]", photo)
        rows = answered(page)
        exact = bundle.search(Query(image=photo, k=200))
        wanted = [h.row for h in exact.hits]

        assert rows == wanted[:24]
        first = page.locator(".results .card").first
        state = "completed" if exact.hits[0].completed else "observed"
        assert first.locator(".state").inner_text() == state
        assert first.locator(".score span").inner_text() == f"{exact.hits[0].score:.3f}"
        assert (
            page.locator("#results-title")
            .inner_text()
            .startswith(f"{exact.search['eligible']} eligible")
        )

        id = page.get_by_role("group", name="Find").evaluate(
            "() => document.querySelector('.choices a').href.split('/')[6]"
        )
        on_map = shown.client.get(f"/api/v1/searches/{id}/map").json()["features"]
        table = shown.client.get(
            f"/api/v1/searches/{id}/export", params={"format": "csv", "alone": True}
        ).text
        counts = shown.client.get(f"/api/v1/searches/{id}/facets").json()
        assert [f["properties"]["row"] for f in on_map] == wanted
        assert [r["id"] for r in csv.DictReader(io.StringIO(table))] == [
            str(h.fields["id"]) for h in exact.hits
        ]
        assert counts["window"] == len(wanted)
        shown = page.eval_on_selector_all(
            ".among .bars .count", "all => all.map((c) => Number(c.textContent))"
        )
        assert shown and max(shown) <= len(wanted)


def test_a_filter_keeps_what_is_eligible_and_a_wrong_name_is_mended(
    plain_browser, shown, bundle, name
):
    with opened(plain_browser, shown, f"/?text={name}&target=image") as (page, seen):
        answered(page)
        taxon = page.get_by_role("combobox", name="Taxon")
        taxon.fill(name.split()[0][:-1] + "q")
        taxon.press("Enter")
        page.wait_for_selector(".refusal button")
        seen.errors.clear()  # the browser writes every refusal into its console
        page.locator(".refusal button", has_text=name.split()[0]).first.click()
        until(page, "document.querySelectorAll('.results .card').length > 0")
        chosen = taxon.input_value()
        wanted = len(bundle.eligible(Filter(taxon=chosen)))

        assert (
            page.locator("#results-title")
            .inner_text()
            .startswith(f"{wanted} eligible of {bundle.rows}")
        )
        assert len(answered(page)) == min(24, wanted)
        assert page.locator(".refusal").count() == 0


def test_a_link_gives_the_same_answer_and_back_the_one_before(plain_browser, shown, bundle, name):
    with opened(plain_browser, shown) as (page, _):
        field = page.get_by_role("combobox", name="Name")
        field.type(name[:-1])
        page.wait_for_selector("[role=option]")
        field.press("ArrowDown")
        field.press("Enter")
        first = answered(page)
        page.get_by_role("group", name="Find").get_by_role("button", name="Sound").click()
        until(page, "document.querySelector('.cards.audio') !== null")
        second = answered(page)
        link = page.url
        page.go_back()
        until(page, "document.querySelector('.cards.text') !== null")
        assert answered(page) == first

    with opened(plain_browser, shown, link.removeprefix(shown.url)) as (page, _):
        assert answered(page) == second
        assert page.locator(".chip .latin").inner_text() == name


def test_more_like_this_leaves_the_row_out_and_says_so(plain_browser, shown, bundle):
    ((row,),) = bundle.sql("SELECT min(row) FROM observations WHERE has_image AND has_audio")
    with opened(plain_browser, shown, f"/?like={row},audio&target=image") as (page, _):
        rows = answered(page)
        exact = bundle.search(Query(like=(row,), like_by=("audio",), target="image", k=200))

        assert rows == [h.row for h in exact.hits][:24] and row not in rows
        assert "by sound" in page.locator(".chip").inner_text()
        ((id,),) = bundle.sql(f"SELECT id FROM observations WHERE row = {row}")
        assert page.locator(".notes li").all_inner_texts() == [
            f"Asked with sound of {id}, as the index holds them; what is asked with is left out of the hits.",
            f"{len(exact.hits)} of 200 hits: no more are eligible.",
        ]


def test_marks_are_kept_and_ask_again(plain_browser, shown, name):
    unmark(shown)
    with opened(plain_browser, shown, f"/?text={name}&target=image") as (page, seen):
        rows = answered(page)
        cards = page.locator(".results .card")
        cards.nth(0).get_by_role("button", name="Mark as right").click()
        cards.nth(2).get_by_role("button", name="Mark as wrong").click()
        until(page, "document.querySelectorAll('.card .marks [aria-pressed=true]').length === 2")
        page.get_by_role("button", name="Ask again with the marks").click()
        page.wait_for_selector(".chip:nth-child(2)")
        answered(page)
        kept = {m["row"]: m["mark"] for m in shown.client.get("/api/v1/marks").json()["marks"]}

        assert kept == {rows[0]: "relevant", rows[2]: "irrelevant"}
        assert f"more={rows[0]}" in page.url and f"less={rows[2]}" in page.url
        assert page.locator(".chip > span").nth(1).inner_text() == "your marks: 1 right, 1 wrong"
        link = page.locator(".markbar .choices a", has_text="GeoJSON").get_attribute("href")
        marked = shown.client.get(link, params=None)
        assert marked.status_code == 200
        shown.client.delete("/api/v1/marks")


def test_names_of_others_are_text_and_addresses_are_looked_at(plain_browser, shown, name):
    evil = "<img src=x onerror=\"document.title='run'\">"

    def hostile(route):
        answer = route.fetch()
        said = answer.json()
        for hit in said["hits"]:
            hit |= {
                "scientific_name": evil,
                "rights_holder": evil,
                "license": evil,
                "license_url": "javascript:document.title='run'",
            }
        said["notes"] = [evil]
        route.fulfill(response=answer, body=json.dumps(said))

    with opened(plain_browser, shown) as (page, _):
        page.route("**/api/v1/searches", hostile)
        page.get_by_role("combobox", name="Name").fill(name)
        page.get_by_role("combobox", name="Name").press("Enter")
        answered(page)
        first = page.locator(".results .card").first

        assert first.locator("h3 .latin").inner_text() == evil
        assert (
            evil in first.locator(".rights").inner_text()
            and first.locator(".rights a").count() == 0
        )
        assert page.get_by_text(evil, exact=True).count() > 1
        assert page.title() != "run"


def test_what_cannot_be_sent_is_said_and_the_next_query_works(
    plain_browser, shown, photo, tmp_path
):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "page.jpg").write_bytes(b"<!doctype html><script>alert(1)</script>" * 20)
    with opened(plain_browser, shown) as (page, seen):
        page.set_input_files("input[type=file]", tmp_path / "empty.wav")
        assert page.locator(".drop .refused").inner_text().strip().startswith("empty.wav is empty.")
        page.set_input_files("input[type=file]", tmp_path / "page.jpg")
        until(
            page, "document.querySelector('.drop .refused')?.textContent.startsWith('page.jpg: ')"
        )
        seen.errors.clear()  # the browser writes every refusal into its console
        page.set_input_files("input[type=file]", photo)
        assert len(answered(page)) == 24
        assert page.locator(".drop .refused").count() == 0


def test_files_of_the_page_are_kept_by_their_hash_and_sent_small(shown):
    text = shown.client.get("/").text
    address = next(part for part in text.split('"') if part.startswith("/static/app.js?v="))
    small = shown.client.get(address, headers={"accept-encoding": "gzip"})
    plain = shown.client.get(address, headers={"accept-encoding": "identity"})
    old = shown.client.get("/static/app.js?v=0")

    assert (
        small.headers["content-encoding"] == "gzip" and small.content == plain.content
    )  # as the client unpacked it
    assert "content-encoding" not in plain.headers and int(
        small.headers["content-length"]
    ) * 3 < len(plain.content)
    assert (
        "immutable" in plain.headers["cache-control"]
        and "immutable" not in old.headers["cache-control"]
    )
    assert shown.client.get("/static/../app.py").status_code == 404
