"""A line of labels or units under a header is no observation; observations that look a little like one stay."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from test_sheets import workbook

from prom3e_index.tables import read_observations
from prom3e_index.tables.two_lines import is_labels

ORNITHO = """ID\tSpecies ID\tCommon name\tSpecies name\tDate\tLat (WGS84)\tLon (WGS84)\tNumber
ID_SIGHTING\tID_SPECIES\tNAME_SPECIES\tLATIN_SPECIES\tDATE\tCOORD_LAT\tCOORD_LON\tTOTAL_COUNT
123\t45\tGraureiher\tArdea cinerea\t12.05.2024\t48.21\t16.37\t2
124\t46\tElster\tPica pica\t13.05.2024\t48.22\t16.38\t1
"""
GERMAN = ORNITHO.replace(
    "ID_SIGHTING\tID_SPECIES\tNAME_SPECIES\tLATIN_SPECIES\tDATE\tCOORD_LAT\tCOORD_LON\tTOTAL_COUNT",
    "Ref\tID Art\tArt\tLateinischer Name\tDatum\tBreitengrad (WGS84)\tLängengrad (WGS84)\tAnzahl",
)
UNITS = """id,species,latitude,longitude,date,elevation
,,degrees,degrees,YYYY-MM-DD,m
a,Ardea cinerea,48.2,16.3,2024-05-01,170
b,Pica pica,48.3,16.4,2024-05-02,171
"""


def read(path: Path, text: str) -> tuple[list[str], list[str]]:
    path.write_text(text, encoding="utf-8")
    table = read_observations(path)
    return [str(r["id"]) for b in table.batches() for r in b.to_pylist()], table.said


@pytest.mark.parametrize(
    "text, ids", [(ORNITHO, ["123", "124"]), (GERMAN, ["123", "124"]), (UNITS, ["a", "b"])]
)
def test_labels_and_units_are_passed_over_and_said(
    tmp_path: Path, text: str, ids: list[str]
) -> None:
    found, said = read(tmp_path / ("t.tsv" if "\t" in text else "t.csv"), text)

    assert found == ids
    assert sum("holds labels or units; passed over" in s for s in said) == 1


def test_in_sheets_too(tmp_path: Path) -> None:
    cells = [*csv.reader(ORNITHO.splitlines(), delimiter="\t")]
    values = [[float(c) if c.replace(".", "", 1).isdigit() else c for c in r] for r in cells[2:]]
    workbook(tmp_path / "t.xlsx", {"A": [*cells[:2], *values]})
    table = read_observations(tmp_path / "t.xlsx")

    assert [r["latitude"] for b in table.batches() for r in b.to_pylist()] == [48.21, 48.22]
    assert sum("holds labels or units; passed over" in s for s in table.said) == 1


@pytest.mark.parametrize(
    "first",
    [
        "a,Ardea cinerea,unknown,unknown,2024-05-01",  # a day, so an observation
        "a,Ardea cinerea,unbekannt,na,",  # nothing is known of the place
        "a,Ardea cinerea,near the pond,near the pond,",  # twice the same, no labels
        "a,Ardea cinerea,,,in spring",  # words in one column
        "a,Ardea cinerea,,,",
    ],
)
def test_an_observation_without_values_stays(tmp_path: Path, first: str) -> None:
    later = "b,Pica pica,48.2,16.3,2024-05-02\nc,Corvus corax,48.3,16.4,2024-05-03\n"
    found, said = read(tmp_path / "t.csv", f"id,species,lat,lon,date\n{first}\n{later}")

    assert found == ["a", "b", "c"] and not any("labels" in s for s in said)


def test_one_record_below_tells_nothing() -> None:
    label, below = ["BREITE", "LAENGE"], ["48.2", "16.3"]

    assert not is_labels(label, [below]) and is_labels(label, [below, below])


@pytest.mark.parametrize("column, is_said", [("", True), (",File", False)])
def test_spans_of_no_recording_are_said(tmp_path: Path, column: str, is_said: bool) -> None:
    cell = ",a.wav" if column else ""
    text = f"Start (s),End (s),Scientific name,Common name,Confidence{column}\n0,3,Ardea cinerea,Grey Heron,0.9{cell}\n"
    (tmp_path / "t.csv").write_text(text)
    table: Any = read_observations(tmp_path / "t.csv")

    assert any("no column names the recording" in s for s in table.said) is is_said


def test_a_folder_that_is_a_link_to_elsewhere_is_said(tmp_path: Path) -> None:
    """As photos of a disk that a link leads to: not that they do not exist, but why they are not read."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.jpg").write_bytes(b"x")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "photos").symlink_to(tmp_path / "disk")
    (tmp_path / "own" / "t.csv").write_text("id,species,image\na,Pica pica,photos/a.jpg\n")
    lost = [
        r for b in read_observations(tmp_path / "own" / "t.csv").batches() for r in b.to_pylist()
    ]

    assert "'photos' is a link to what lies outside" in str(lost[0]["problems"])
    assert "pass --allow-outside" in str(lost[0]["problems"])
