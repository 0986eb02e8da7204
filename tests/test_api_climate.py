"""The climate of a hit beside that of what was asked: values of the table or the raster, or why there are none."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from pages import answered, opened
from served import serving

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.schema import CLIMATE_COLUMNS

pytestmark = pytest.mark.timeout(180)
NOTHING = {"values": None, "source": None}


@pytest.fixture(scope="module")
def table(world):
    """The rows of the tiny world's table, by id: their 20 values as they stand there, or None."""
    with (world / "observations.csv").open() as f:
        rows = {r["occurrenceID"]: r for r in csv.DictReader(f)}
    return {
        i: [float(r[c]) for c in CLIMATE_COLUMNS] if r["bio_1"] else None for i, r in rows.items()
    }


@pytest.fixture(scope="module")
def values():
    """A raster of 5 degrees."""
    made = np.random.default_rng(1).normal(size=(36, 72, 20)).astype(np.float32)
    made[4, 19] = np.nan
    made[6, 20, 3] = np.nan
    return made


@pytest.fixture(scope="module")
def rasters(values, tmp_path_factory):
    """An index whose climates are the raster's, served; the raster lies beside."""
    folder = tmp_path_factory.mktemp("rasters")
    np.save(folder / "c.npy", values)
    rows = [
        "land,62.5,-87.5,",
        "partly,57.5,-77.5,",
        "sea,67.5,-82.5,",
        "hidden,62.4,-87.4,true",
    ]
    (folder / "t.csv").write_text(
        "\n".join(["id,latitude,longitude,coordinates_obscured", *rows]) + "\n"
    )
    build(BuildConfig(table=str(folder / "t.csv"), out=folder / "i.p3i", climate=folder / "c.npy", model="mini"))  # fmt: skip
    with serving(folder / "i.p3i") as server:
        yield server, folder


def climate(server, query, row):
    asked = server.ask(query, target="loc")
    assert asked.status_code == 201, asked.text
    got = server.client.get(f"/api/v1/searches/{asked.json()['id']}/climate", params={"row": row})
    assert got.status_code == 200, got.text
    return got.json()


def test_values_of_the_table_stand_beside_those_that_are_given(served, bundle, table):
    given = [round(0.1 * i - 1, 4) for i in range(20)]
    of = dict(bundle.sql("SELECT id, row FROM observations WHERE NOT obscured"))
    with_values = next(i for i, v in table.items() if v and i in of)
    without = next(i for i, v in table.items() if v is None and i in of)
    got = climate(served, {"env": given}, of[with_values])

    assert got["variables"] == list(CLIMATE_COLUMNS)
    assert got["hit"] == {"values": pytest.approx(table[with_values], abs=1e-4), "source": "table", "reason": None}  # fmt: skip
    assert got["query"] == {"values": given, "source": "given", "reason": None}
    assert climate(served, {"env": given}, of[without])["hit"] == NOTHING | {"reason": "none"}

    like = climate(served, {"like": {"row": of[with_values]}}, of[without])
    assert like["query"]["values"] == pytest.approx(table[with_values], abs=1e-4)
    several = {"like": [{"row": of[with_values]}, {"row": of[without]}]}
    assert climate(served, several, of[without])["query"] == NOTHING | {"reason": "several"}
    assert climate(served, {"text": "a"}, of[without])["query"] == NOTHING | {"reason": "unasked"}
    place = climate(served, {"location": [1.0, 2.0]}, of[with_values])
    assert place["query"] == NOTHING | {"reason": "gone"}  # built without a raster


def test_an_obscured_place_is_not_told_by_its_climate(served, bundle, table):
    hidden = [
        (i, r) for i, r in bundle.sql("SELECT id, row FROM observations WHERE obscured") if table[i]
    ]
    assert hidden
    got = climate(served, {"like": {"row": 0}}, hidden[0][1])
    assert got["hit"] == NOTHING | {"reason": "obscured"}


def test_a_place_has_the_climate_of_the_raster(rasters, values):
    server, folder = rasters
    rows = dict(server.service.bundle.sql("SELECT id, row FROM observations"))
    got = climate(server, {"location": [62.5, -87.5]}, rows["partly"])
    partly = [None if i == 3 else pytest.approx(float(v), abs=1e-4) for i, v in enumerate(values[6, 20])]  # fmt: skip

    assert got["query"] == {"values": pytest.approx(values[5, 18].tolist(), abs=1e-4), "source": "raster", "reason": None}  # fmt: skip
    assert got["hit"] == {"values": partly, "source": "raster", "reason": None}
    sea = climate(server, {"location": [67.5, -82.5]}, rows["sea"])
    assert sea == got | {"hit": NOTHING | {"reason": "none"}, "query": NOTHING | {"reason": "outside"}}  # fmt: skip
    assert climate(server, {"text": "a"}, rows["hidden"])["hit"] == NOTHING | {"reason": "obscured"}

    (folder / "c.npy").rename(folder / "away.npy")
    try:
        with serving(folder / "i.p3i") as other:
            gone = climate(other, {"location": [62.5, -87.5]}, rows["land"])
    finally:
        (folder / "away.npy").rename(folder / "c.npy")
    assert gone["hit"] == gone["query"] == NOTHING | {"reason": "gone"}


@pytest.mark.parametrize(
    "names",
    [
        ("elevation", *(f"bio{i:02d}" for i in range(1, 20))),
        tuple(f"env_{i}" for i in range(20)),
        ("Elevation", *(f"BIO{i}" for i in range(1, 20))),
    ],
)
def test_values_are_told_by_any_naming_that_a_build_reads(tmp_path, names):
    values = np.random.default_rng(3).normal(size=(4, 20)).round(4)
    lines = [",".join(("id", *names))]
    lines += [f"r{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i.p3i", model="mini"))
    with serving(tmp_path / "i.p3i") as server:
        rows = dict(server.service.bundle.sql("SELECT id, row FROM observations"))
        got = climate(server, {"env": [0.0] * 20}, rows["r2"])["hit"]
    assert got == {"values": values[2].tolist(), "source": "table", "reason": None}


def test_columns_that_the_build_did_not_read_since_they_are_not_scaled_tell_nothing(tmp_path, values):  # fmt: skip
    """One row of such a table may look scaled: it was embedded by the raster's values."""
    raw = np.full((4, 20), 300.0)
    raw[2] = 1.0
    lines = [",".join(("id", "latitude", "longitude", *CLIMATE_COLUMNS))]
    lines += [f"r{i},62.5,-87.5," + ",".join(map(str, row)) for i, row in enumerate(raw)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "c.npy", values)
    config = {"climate": tmp_path / "c.npy", "model": "mini"}
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i.p3i", **config))
    with serving(tmp_path / "i.p3i") as server:
        rows = dict(server.service.bundle.sql("SELECT id, row FROM observations"))
        got = climate(server, {"text": "a"}, rows["r2"])["hit"]
    assert got == {"values": pytest.approx(values[5, 18].tolist(), abs=1e-4), "source": "raster", "reason": None}  # fmt: skip


def test_a_row_that_is_none_is_refused(served):
    id = served.ask({"text": "a"}).json()["id"]
    for row, status in ((10**6, 404), (-1, 422), ("x", 422)):
        got = served.client.get(f"/api/v1/searches/{id}/climate", params={"row": row})
        assert got.status_code == status
    assert served.client.get("/api/v1/searches/none/climate?row=0").status_code == 404


def test_the_page_shows_both_and_says_why_not(plain_browser, shown, bundle, table):
    of = dict(bundle.sql("SELECT id, row FROM observations WHERE NOT obscured"))
    row, other = [of[i] for i, v in table.items() if v and i in of][:2]
    lacking = next(of[i] for i, v in table.items() if v is None and i in of)
    by_row = {r: table[i] for i, r in of.items()}

    def said(page):
        return page.locator(".climate tbody tr").evaluate_all(
            "all => all.map((r) => [...r.querySelectorAll('.value')].map((c) => Number(c.textContent)))"
        )

    with opened(plain_browser, shown, f"/?like={other}&target=image&open={row}") as (page, _):
        answered(page)
        page.wait_for_selector(".climate tbody")
        wanted = [
            [round(a, 2), round(b, 2)] for a, b in zip(by_row[row], by_row[other], strict=True)
        ]
        assert np.allclose(said(page), wanted, atol=0.0051)
        apart = np.abs(np.array(by_row[row]) - by_row[other])
        words = page.locator(".climate p").inner_text()
        farthest = page.locator(".climate tbody th").nth(int(apart.argmax())).inner_text()
        assert words.startswith(f"Farthest apart: {farthest}, by {apart.max():.2f}.")
        assert page.locator(".fields th", has_text="bio").count() == 0  # once is enough
        left = page.locator(".track .mark.hit").evaluate_all(
            "all => all.map((m) => parseFloat(m.style.left))"
        )
        assert left == pytest.approx([50 + 50 * max(-3, min(3, v)) / 3 for v in by_row[row]], abs=0.01)  # fmt: skip

    with opened(plain_browser, shown, f"/?place=1,2&target=image&open={row}") as (page, _):
        answered(page)
        page.wait_for_selector(".climate tbody")
        assert {len(r) for r in said(page)} == {1}
        assert "the index knows no climate of a place" in page.locator(".climate").inner_text()
    with opened(plain_browser, shown, f"/?like={row}&target=image&open={lacking}") as (page, _):
        answered(page)
        page.wait_for_selector(".climate p")
        assert "No climate was observed here" in page.locator(".climate").inner_text()
        assert page.locator(".climate table").count() == 0
