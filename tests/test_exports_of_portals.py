"""Exports of portals and offices: whose name a column has, which grid, dates in two columns, several addresses."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import read_observations


def read(folder: Path, text: str, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    table = read_observations(folder / "t.csv", **options)
    return [r for b in table.batches() for r in b.to_pylist()], table


def test_the_name_of_an_observer_is_no_taxon_where_another_column_has_them(tmp_path: Path) -> None:
    text = (
        "ID_SIGHTING\tBEST_SPECIES\tDATE\tNAME\tSURNAME\n"
        "1\tParus major\t12.05.2024\tHuber\tAnna\n2\tPica pica\t13.05.2024\tMaier\tEva\n"
    )
    rows, table = read(tmp_path, text)

    assert [r["text"] for r in rows] == ["Parus major", "Pica pica"]
    assert [r["NAME"] for r in rows] == ["Huber", "Maier"]
    assert any("'NAME' is read as no name of a taxon" in s for s in table.said)


def test_a_name_beside_a_first_name_is_a_persons(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "lat,lon,Name,Vorname\n48,16,Huber,Anna\n")

    assert row["text"] is None and row["Name"] == "Huber"


@pytest.mark.parametrize(
    "names", [("Red Fox", "Great Tit"), ("Parus major", "Pica pica"), ("Rotfuchs", "Elster")]
)
def test_a_column_of_names_alone_is_still_of_taxa(tmp_path: Path, names: tuple[str, str]) -> None:
    rows, _ = read(tmp_path, f"name,lat,lon,observer\n{names[0]},48,16,Ada\n{names[1]},48,16,Eva\n")

    assert [r["text"] for r in rows] == list(names)


def test_scientific_names_in_a_column_called_like_two_words(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "Art deutsch;Art lateinisch\nKohlmeise;Parus major\n")

    assert row["text"] == "Parus major"


@pytest.mark.parametrize(
    ("header", "cells", "place"),
    [
        ("Koordinate X;Koordinate Y;EPSG", "4468503;5332996;31468", (48.1342, 11.5754)),
        ("Rechtswert;Hochwert;epsg", "4468503;5332996;31468", (48.1342, 11.5754)),
        ("UTM X;UTM Y;huso", "440000;4474000;30T", (40.4145, -3.7072)),
        ("Ost;Nord;epsg", "674032;6580822;3006", (59.33, 18.06)),
    ],
)
def test_metres_of_a_grid_that_is_stated_are_a_place(
    tmp_path: Path, header: str, cells: str, place: tuple[float, float]
) -> None:
    (row,), _ = read(tmp_path, f"Art;{header}\nParus major;{cells}\n")

    assert (row["latitude"], row["longitude"]) == pytest.approx(place, abs=0.01)


def test_x_and_y_that_may_be_turned_are_said_not_read(tmp_path: Path) -> None:
    (row,), table = read(tmp_path, "Art;X;Y;EPSG\nParus major;5332996;4468503;31468\n")

    assert row["latitude"] is None and any("'X' and 'Y' look like metres" in s for s in table.said)


@pytest.mark.parametrize(
    ("column", "cell"),
    [("Output map ref", "SU123456"), ("Grid Ref", "TQ38"), ("MTB", "7836/3"), ("gridref", "J 12")],
)
def test_squares_of_national_maps_are_said(tmp_path: Path, column: str, cell: str) -> None:
    _, table = read(tmp_path, f"species,{column}\nParus major,{cell}\n")

    assert any(f"{column!r} looks like squares of a national map" in s for s in table.said)


def test_first_and_last_day_tell_their_order_together(tmp_path: Path) -> None:
    text = "Nom scientifique;Date début;Date fin\nParus major;12/05/2024;13/05/2024\nPica pica;01/06/2024;01/06/2024\n"
    rows, table = read(tmp_path, text)

    assert [(r["event_start"], r["event_end"]) for r in rows] == [
        (date(2024, 5, 12), date(2024, 5, 13)),
        (date(2024, 6, 1), date(2024, 6, 1)),
    ]
    assert any("the day first" in s for s in table.said)


def test_addresses_with_blanks_between_are_several(tmp_path: Path) -> None:
    text = "species,photos\nParus major,https://e.org/1.jpg https://e.org/2.jpg\n"
    (row,), _ = read(tmp_path, text)

    assert [p["reason"].partition(" is")[0] for p in row["problems"]] == [
        "'https://e.org/1.jpg'",
        "'https://e.org/2.jpg'",
    ]


def test_a_refusal_says_that_columns_are_taxa(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="3 columns are named like taxa, such as 'Parus major'"):
        read(tmp_path, "Site,Date,Parus major,Pica pica,Turdus merula\nA,2024-05-12,3,0,1\n")
