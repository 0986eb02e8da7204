"""Records into cells: what counts, what is left out and why, each against plain Python; hidden places count nowhere."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import shared

from prom3e_index.diversity.counting import tally
from prom3e_index.diversity.cube import write_cube
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.occurrences import read_occurrences
from prom3e_index.maps.placed import place

COLUMNS = (
    "occurrenceID,scientificName,family,decimalLatitude,decimalLongitude,coordinateUncertaintyInMeters,eventDate,"
    "recordedBy,informationWithheld,dataGeneralizations,occurrenceStatus,speciesKey"
).split(",")
GRID = Grid.of("0,0,10,10", "1deg")


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "records.csv"
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(
    i: int, name: str = "Pica pica", lat: float = 5.5, lon: float = 5.5, **more: object
) -> dict[str, object]:
    given = {
        "occurrenceID": f"o{i}",
        "scientificName": name,
        "decimalLatitude": lat,
        "decimalLongitude": lon,
    }
    return given | {"eventDate": "2020-05-01", "recordedBy": "Ann Bee", "family": "Corvidae"} | more


LEFT = [
    (row(1), None),
    (row(2, coordinateUncertaintyInMeters="5000"), None),
    (row(3, coordinateUncertaintyInMeters="90000"), "the place is less certain than half a cell's diagonal"),
    (row(4, "Pica"), "no species is named"),
    (row(5, lat=50.5), "outside the region"),
    (row(6, lat=0.5, lon=0.5), "outside the mask"),
    (row(7, decimalLatitude="", decimalLongitude=""), "no place"),
    (row(8, informationWithheld="Coordinate uncertainty increased to 27661m to protect threatened taxon"),
     "the place is obscured or generalised"),
    (row(9, informationWithheld="Coordinates hidden at the request of the observer"),
     "the place is obscured or generalised"),
    (row(1, "Corvus corax"), "its id stands in an earlier row"),
    (row(11, occurrenceStatus="absent"), "the row says that the species was not there"),
]  # fmt: skip


def test_every_row_counts_or_says_why_not(tmp_path):
    inside = np.ones(len(GRID), bool)
    inside[GRID.cell_of(np.array([0.5]), np.array([0.5]))] = False
    found = read_occurrences(table(tmp_path, [r for r, _ in LEFT]))
    placed = place(found, GRID, inside)

    assert placed.left_out == dict(Counter(why for _, why in LEFT if why))
    assert len(placed.row) + sum(placed.left_out.values()) == found.rows == len(LEFT)
    assert placed.cell.tolist() == [GRID.cell_of(np.array([5.5]), np.array([5.5]))[0]] * 2


def test_what_the_paper_counts_is_never_hidden(tmp_path):
    found = read_occurrences(table(tmp_path, [r for r, _ in LEFT]))
    placed = place(found, GRID, np.ones(len(GRID), bool), coarse_too=True)

    assert placed.left_out["the place is obscured or generalised"] == 2
    assert "the place is less certain than half a cell's diagonal" not in placed.left_out


def scattered(n: int = 600) -> list[dict[str, object]]:
    rng = np.random.default_rng(5)
    names = ["Pica pica", "Corvus corax", "Corvus corone", "Falco tinnunculus"]
    out = []
    for i in range(n):
        who = rng.choice(["Ann Bee", "Carl Dee", "anonymous", ""])
        when = rng.choice(["2020-05-01", "2020-05-02", "2020-05", "2021-07-09", ""])
        lat, lon = rng.uniform(4, 7, 2)
        name = str(rng.choice(names, p=[0.5, 0.3, 0.15, 0.05]))
        family = "Falconidae" if name.startswith("Falco") else "Corvidae"
        out.append(row(i, name, lat, lon, recordedBy=who, eventDate=when, family=family,
                       speciesKey=str(len(name)), coordinateUncertaintyInMeters=rng.choice(["", "30", "800"])))  # fmt: skip
    return out


@pytest.mark.parametrize("unit", ["record", "observer-day"])
def test_counts_are_those_of_plain_python(tmp_path, unit):
    rows = scattered()
    found = read_occurrences(table(tmp_path, rows))
    made = tally(found, place(found, GRID, np.ones(len(GRID), bool)), unit)

    individuals, records, watched = set(), Counter(), set()
    for i, r in enumerate(rows):
        cell = int(
            GRID.cell_of(np.array([r["decimalLatitude"]]), np.array([r["decimalLongitude"]]))[0]
        )
        who, when = r["recordedBy"], r["eventDate"]
        known = who in ("Ann Bee", "Carl Dee") and len(str(when)) == 10
        own = (who, when) if known and unit == "observer-day" else i
        individuals.add((cell, r["scientificName"], own))
        records[cell] += 1
        if who in ("Ann Bee", "Carl Dee"):
            watched.add((cell, who))
    wanted = Counter((cell, name) for cell, name, _ in individuals)
    have = {
        (int(made.cells[c]), found.names[s]): int(n)
        for c, s, n in zip(made.counts.cell, made.species, made.counts.count, strict=True)
    }
    assert have == wanted
    assert dict(zip(made.cells.tolist(), made.records.tolist(), strict=True)) == records
    seen = Counter(cell for cell, _ in watched)
    assert dict(zip(made.cells.tolist(), made.observers.tolist(), strict=True)) == {
        c: seen[c] for c in records
    }
    alone = sum(
        r["recordedBy"] not in ("Ann Bee", "Carl Dee") or len(str(r["eventDate"])) != 10
        for r in rows
    )
    assert made.alone == (alone if unit == "observer-day" else 0)


def test_the_cube_holds_every_record(tmp_path):
    rows = scattered(300)
    found = read_occurrences(table(tmp_path, rows))
    placed = place(found, GRID, np.ones(len(GRID), bool))
    cells = np.unique(placed.cell)
    codes = dict(zip(cells.tolist(), GRID.codes(cells), strict=True))
    written = write_cube(tmp_path / "cube.parquet", found, placed, codes, "deg")
    cube = pq.read_table(tmp_path / "cube.parquet").to_pylist()

    assert list(cube[0]) == (
        "yearmonth degcellcode specieskey kingdom phylum class order family genus species occurrences "
        "mincoordinateuncertaintyinmeters mintemporaluncertainty familycount distinctobservers"
    ).split()  # fmt: skip
    assert written == len(rows) == sum(r["occurrences"] for r in cube)
    wanted: dict[tuple[object, ...], list[int]] = {}
    for i, r in enumerate(rows):
        cell = int(
            GRID.cell_of(np.array([r["decimalLatitude"]]), np.array([r["decimalLongitude"]]))[0]
        )
        month = str(r["eventDate"])[:7] if r["eventDate"] else None
        wanted.setdefault((month, codes[cell], r["scientificName"]), []).append(i)
    assert {(r["yearmonth"], r["degcellcode"], r["species"]) for r in cube} == set(wanted)
    for r in cube:
        own = [rows[i] for i in wanted[r["yearmonth"], r["degcellcode"], r["species"]]]
        assert r["occurrences"] == len(own)
        unsure = min(float(o["coordinateUncertaintyInMeters"] or 1000) for o in own)
        assert r["mincoordinateuncertaintyinmeters"] == unsure
        assert r["distinctobservers"] == len({o["recordedBy"] for o in own} - {"", "anonymous"})
        family = [k for k in wanted if k[:2] == (r["yearmonth"], r["degcellcode"])
                  and rows[wanted[k][0]]["family"] == r["family"]]  # fmt: skip
        assert r["familycount"] == sum(len(wanted[k]) for k in family)
        assert r["specieskey"] == str(len(r["species"]))
        spans = {10: 86_400, 7: 31 * 86_400}
        days = [spans[len(str(o["eventDate"]))] for o in own if o["eventDate"]]
        assert r["mintemporaluncertainty"] == (min(days) if days else None)


def test_an_index_counts_as_its_table(world, bundle_path):
    of_table, of_index = read_occurrences(world / "observations.csv"), read_occurrences(bundle_path)

    def told(found) -> Counter:
        names = [*found.names, None]
        return Counter(
            (round(float(lat), 6), round(float(lon), 6), names[s], bool(h))
            for lat, lon, s, h in zip(found.latitude, found.longitude, found.species, found.hidden, strict=True)
            if np.isfinite(lat) and not h
        )  # fmt: skip

    assert told(of_table) == told(of_index) and len(told(of_table)) > 20
    assert of_index.rows == of_table.rows == 60


def test_nothing_that_counts(tmp_path):
    found = read_occurrences(table(tmp_path, [LEFT[7][0], LEFT[3][0]]))
    placed = place(found, GRID, np.ones(len(GRID), bool))

    with pytest.raises(
        InputError, match="counts .1: the place is obscured or generalised; 1: no species is named"
    ):
        tally(found, placed)
    with pytest.raises(InputError, match="known: observer-day, record; nearest: record"):
        tally(found, placed, "records")


def test_options_of_a_table_go_with_no_index(bundle_path):
    with pytest.raises(InputError, match="is an index; encoding goes with a table"):
        read_occurrences(bundle_path, encoding="gbk")


def test_real_exports_hide_what_they_hide():
    """iNaturalist's export of Linz: three obscured rows, users as observers."""
    found = read_occurrences(shared("data/tables/linz.csv"))

    with shared("data/tables/linz.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert found.rows == len(rows) == 1140
    assert found.hidden.sum() == sum(r["coordinates_obscured"] == "true" for r in rows)
    assert found.observed_by == "user_id"
    assert len(set(found.observer.tolist())) == len({r["user_id"] for r in rows})
