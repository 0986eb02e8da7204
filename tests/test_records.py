"""What a record says is what is indexed: absences, unknown places, words for no taxon, common names, parts of a date."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from prom3e_index.tables import read_observations
from prom3e_index.tables.records import seconds


def read(folder: Path, text: str) -> tuple[list[dict[str, Any]], Any]:
    (folder / "t.csv").write_text(text)
    table = read_observations(folder / "t.csv")
    return [r for b in table.batches() for r in b.to_pylist()], table


def told(row: dict[str, Any], field: str) -> list[str]:
    return [p["reason"] for p in row["problems"] if p["modality"] == field]


def test_an_absence_is_refused_with_what_says_so(tmp_path: Path) -> None:
    cells = (
        "PRESENT,1",
        "ABSENT,",
        "absent,0",
        ",0",
        "PRESENT,0",
        ",",
        ",X",
        "Absent ,3",
        ",0.0",
        ",10",
    )
    rows, _ = read(
        tmp_path,
        "species,occurrenceStatus,individualCount\n" + "".join(f"Pica pica,{c}\n" for c in cells),
    )

    refused = [r["refused"] for r in rows]
    assert [i for i, r in enumerate(refused) if r] == [1, 2, 3, 7, 8]
    assert refused[1] == "'ABSENT' in occurrenceStatus: the taxon was not there"
    assert refused[3] == "'0' in individualCount: none of the taxon was counted"


def test_a_photo_of_nothing_is_no_absence(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "species,count,lat,lon\nBlank,0,51.5,4.5\nVulpes vulpes,0,51.5,4.5\n")

    assert [r["refused"] is None for r in rows] == [True, False]


@pytest.mark.parametrize(
    "word", ["Blank", "empty", "No CV Result", "unknown", "human", "vehicle", "Unidentified"]
)
def test_words_for_no_taxon_are_kept_and_are_no_names(tmp_path: Path, word: str) -> None:
    rows, _ = read(tmp_path, f"species,lat,lon\n{word},51.5,4.5\nVulpes vulpes,51.5,4.5\n")

    assert (rows[0]["text"], rows[0]["scientific_name"], rows[0]["species"]) == (None, None, None)
    assert [r["source_species"] for r in rows] == [word, "Vulpes vulpes"]
    assert told(rows[0], "text") == [f"{word!r} names no taxon"]
    assert rows[1]["text"] == "Vulpes vulpes" and rows[1]["problems"] == []


def test_a_common_name_is_one_as_it_is_written(tmp_path: Path) -> None:
    rows, table = read(
        tmp_path, "species,lat,lon\nRed Fox,1,2\nLeopard Cat,1,2\nVulpes vulpes,1,2\n"
    )

    assert [r["common_name"] for r in rows] == ["Red Fox", "Leopard Cat", None]
    assert [r["text"] for r in rows] == ["Red Fox", "Leopard Cat", "Vulpes vulpes"]
    assert [r["scientific_name"] for r in rows] == [None, None, "Vulpes vulpes"]
    assert any(
        s.startswith("2 rows have no scientific name") and "'Red Fox'" in s for s in table.said
    )
    list(table.batches())
    assert sum("no scientific name" in s for s in table.said) == 1


@pytest.mark.parametrize(
    ("header", "line", "species", "scientific"),
    [
        ("genus,species", "Vulpes,vulpes", "Vulpes vulpes", "Vulpes vulpes"),
        ("genus,specificEpithet", "Rosa,canina", "Rosa canina", "Rosa canina"),
        (
            "genus,specificEpithet,infraspecificEpithet",
            "Rosa,canina,alba",
            "Rosa canina",
            "Rosa canina alba",
        ),
        ("genus,species", "Vulpes,Vulpes vulpes", "Vulpes vulpes", "Vulpes vulpes"),
        (
            "scientificName,genus,species",
            '"Rosa canina L.",Rosa,canina',
            "Rosa canina",
            "Rosa canina L.",
        ),
    ],
)
def test_an_epithet_beside_its_genus_is_a_name(
    tmp_path: Path, header: str, line: str, species: str, scientific: str
) -> None:
    (row,), _ = read(tmp_path, f"{header}\n{line}\n")

    assert (row["species"], row["scientific_name"], row["text"]) == (species, scientific, species)


@pytest.mark.parametrize(
    "lat, lon", [("0", "0"), ("0.0", "-0"), ("-9999", "-9999"), ("999", "4"), ("51", "-999.0")]
)
def test_places_that_stand_for_none_are_none(tmp_path: Path, lat: str, lon: str) -> None:
    (row,), _ = read(tmp_path, f"name,lat,lon\nPica pica,{lat},{lon}\n")

    assert (row["latitude"], row["longitude"]) == (None, None)
    assert len(told(row, "loc")) == 1 and "stands for an unknown place" in told(row, "loc")[0]


def test_a_place_on_the_equator_is_one(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "name,lat,lon\nPica pica,0,4.5\nPica pica,51.5,0.0\n")

    assert [(r["latitude"], r["longitude"]) for r in rows] == [(0, 4.5), (51.5, 0)]


def test_another_way_of_writing_a_place_is_read_where_the_first_gives_none(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path,
        "name,decimalLatitude,decimalLongitude,verbatimLatitude,verbatimLongitude,footprintWKT\n"
        "Pica pica,51.5,4.25,1,1,\n"
        "Pica pica,x,4,51°30'N,4°15'E,\n"
        "Pica pica,,,,,POINT (4.25 51.5)\n"
        "Pica pica,y,4,z,4,\n",
    )

    assert [(r["latitude"], r["longitude"]) for r in rows] == [(51.5, 4.25)] * 3 + [(None, None)]
    assert [len(told(r, "loc")) for r in rows] == [0, 0, 0, 1] and "'y'" in told(rows[3], "loc")[0]


def test_decimal_commas_are_read_as_their_column_has_them(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path, 'name,lat,lon,coordinateUncertaintyInMeters\nPica pica,"51,5","4,25","12,5"\n'
    )

    found = [rows[0][k] for k in ("latitude", "longitude", "coordinate_uncertainty_m")]
    assert found == [51.5, 4.25, 12.5] and rows[0]["problems"] == []


def test_what_a_date_leaves_open_other_columns_say(tmp_path: Path) -> None:
    lines = (
        "soon,2023,5,4,,",
        "04/05/2023,2023,5,4,,",
        "2023-06,2023,5,4,,",
        ",,,,,3 July 2021",
        ",2023,,,32,",
        "soon,,,,,",
    )
    rows, _ = read(
        tmp_path,
        "name,eventDate,year,month,day,startDayOfYear,verbatimEventDate\n"
        + "".join(f"Pica pica,{x}\n" for x in lines),
    )

    days = [(str(r["event_start"]), str(r["event_end"])) for r in rows]
    assert days == [
        ("2023-05-04", "2023-05-04"), ("2023-05-04", "2023-05-04"), ("2023-06-01", "2023-06-30"),
        ("2021-07-03", "2021-07-03"), ("2023-01-01", "2023-12-31"), ("None", "None"),
    ]  # fmt: skip
    assert [len(told(r, "event_date")) for r in rows] == [0, 0, 0, 0, 0, 1]
    assert (
        rows[0]["source_eventDate"] == "soon"
        if "source_eventDate" in rows[0]
        else rows[0]["eventDate"] == "soon"
    )


def test_the_day_order_of_late_rows_counts_for_the_first(tmp_path: Path) -> None:
    early = "".join(f"Pica pica,0{1 + i % 9}/05/2023\n" for i in range(15_000))
    rows, _ = read(tmp_path, "name,date\n" + early + "Pica pica,23/05/2023\n")

    assert len(rows) == 15_001 and str(rows[0]["event_start"]) == "2023-05-01"


@pytest.mark.parametrize(
    "text, wanted", [("3", 3.0), ("2.5", 2.5), ("1:02", 62.0), ("01:00:03.5", 3603.5)]
)
def test_seconds_may_be_written_as_a_clock_does(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


def test_spans_that_are_none_are_said(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path,
        "Start (s),End (s),Scientific name,Confidence\nx,3,Pica pica,1\n-1,3,Pica pica,1\n",
    )

    assert [told(r, "start_s") for r in rows] == [
        ["'x' is no number of seconds"],
        ["'-1' is no number of seconds"],
    ]
    # an end alone would be the first three seconds, which no row says: the whole recording is heard
    assert [r["end_s"] for r in rows] == [None, None]


def test_an_end_that_cannot_be_told_from_the_files_begin_is_none(tmp_path: Path) -> None:
    rows, _ = read(
        tmp_path,
        "Selection,File Offset (s),Begin Time (s),End Time (s),Begin File,Species\n"
        "1,5,605,608,a.wav,Pica pica\n2,5,x,608,a.wav,Pica pica\n",
    )

    assert [(r["start_s"], r["end_s"]) for r in rows] == [(5, 8), (5, None)]


def test_an_absence_is_no_second_row_of_its_id_and_trains_nothing(tmp_path):
    from prom3e_index.indexer.look import look
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.training.stage_one.observations import read_rows

    table = tmp_path / "t.csv"
    table.write_text(
        "id,species,lat,lon,occurrenceStatus\n"
        "a,Parus major,1,2,ABSENT\na,Parus major,3,4,PRESENT\nb,Pica pica,5,6,PRESENT\n"
    )
    found = look(BuildConfig(table=str(table), out=tmp_path / "none"))
    rows = read_rows(str(table))

    assert (found.kept, found.refused) == (2, 1)
    assert rows.place.tolist() == [[3, 4], [5, 6]]


def test_training_reads_a_table_in_the_encoding_that_is_named(tmp_path):
    from prom3e_index.training.stage_one.observations import read_rows

    table = tmp_path / "t.csv"
    table.write_bytes("id,text,lat,lon\na,Жук,1,2\nb,Жаба,3,4\n".encode("cp866"))

    assert read_rows(str(table), encoding="cp866").text == ["Жук", "Жаба"]


@pytest.mark.parametrize(
    "text, found",
    [("2,5", 2.5), ("0,25", 0.25), ("1.5", 1.5), ("1:30", 90.0), ("12,0000", 12.0)],
)
def test_seconds_with_a_decimal_comma(text, found):
    assert seconds(text) == found


def test_a_comma_before_three_digits_may_be_of_thousands():
    assert math.isnan(seconds("1,500")) and math.isnan(seconds("1,5,2"))


@pytest.mark.parametrize(
    "column, text, hidden",
    [
        ("dataGeneralizations", "Coordinates rounded to 0.1 degree", True),
        ("dataGeneralizations", "names of the collectors shortened", False),
        ("informationWithheld", "precise location withheld", True),
        ("informationWithheld", "the photographer's name is replaced", False),
    ],
)
def test_a_place_that_a_remark_calls_coarse_or_withheld_is_obscured(tmp_path, column, text, hidden):
    rows, _ = read(tmp_path, f"species,lat,lon,{column}\nPica pica,1,2,{text}\n")

    assert [r["obscured"] for r in rows] == [hidden]
