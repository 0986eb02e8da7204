"""Columns that no list of names has are read by name and cells together, or said; nothing is left out unsaid."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import read_observations
from prom3e_index.tables.two_lines import joined


def read(folder: Path, text: str, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    table = read_observations(folder / "t.csv", **options)
    return [r for b in table.batches() for r in b.to_pylist()], table


@pytest.mark.parametrize(
    "header",
    [
        "Art;Breite;Länge;Datum",
        "Art;geogr. Breite;geogr. Länge;Funddatum",
        "Gatunek;Szerokość;Długość;Data obserwacji",
        "Вид;Широта;Долгота;Дата",
        "学名;纬度;经度;日期",
        "Soort;Breedte;Lengte;Datum",
        "Espèce;Lat_WGS84;Lon_WGS84;Date d'observation",
        "Especie;lat_dd;lon_dd;Fecha de observación",
        "Species;Latitude_DD;Longitude_DD;When",
        "Especie;Latitud;Longitud;dia",
    ],
)
def test_names_places_and_dates_of_many_languages(tmp_path: Path, header: str) -> None:
    rows, table = read(
        tmp_path, f"{header}\nParus major;48,21;16,37;13.05.2024\nPica pica;47,8;13,04;1.6.2024\n"
    )

    assert [(r["text"], r["latitude"], r["longitude"], r["event_start"]) for r in rows] == [
        ("Parus major", 48.21, 16.37, date(2024, 5, 13)),
        ("Pica pica", 47.8, 13.04, date(2024, 6, 1)),
    ]
    assert table.unused == {}


def test_what_is_read_by_its_cells_is_said(tmp_path: Path) -> None:
    _, table = read(tmp_path, "Art;Breite;Länge\nParus major;48,21;16,37\n")

    assert any(
        s.startswith("'Breite' and 'Länge' are read as latitude and longitude") and "(mm)" in s
        for s in table.said
    )


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Breite (mm);Länge (mm)", "12,25;16,42"),
        ("Breite;Länge;Gewicht", "12,25;16,42;3"),
        ("Breite;Länge", "12,5;16,4"),
        ("Breite;Länge", "112,55;216,45"),
        ("Breite;Länge", "4,25;6,31"),  # no body is wider than long
    ],
)
def test_breadth_and_length_of_a_body_are_no_place_and_said(
    tmp_path: Path, header: str, cells: str
) -> None:
    (row,), table = read(tmp_path, f"Art;{header}\nParus major;{cells}\n")

    assert row["latitude"] is None and row["problems"] == []
    assert list(table.unused.values()) == ["latitude", "longitude"]


def test_degrees_with_three_decimals_are_a_place_wherever_it_is(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "Art;Breite;Länge\nParus major;41,012;28,976\n")
    (fewer,), table = read(tmp_path, "Art;Breite;Länge\nParus major;28,97;41,01\n")

    assert (row["latitude"], row["longitude"]) == (41.012, 28.976)
    assert fewer["latitude"] is None and table.unused == {
        "Breite": "latitude",
        "Länge": "longitude",
    }


@pytest.mark.parametrize(
    ("name", "there", "gone"),
    [("status", "present", "Absent"), ("detected", "1", "0"), ("vorhanden", "ja", "nein"), ("Found?", "yes", "no")],
)  # fmt: skip
def test_a_column_that_says_whether_a_taxon_was_there(tmp_path: Path, name: str, there: str, gone: str) -> None:  # fmt: skip
    text = f"species,lat,lon,{name}\nParus major,48.2,16.3,{there}\nPica pica,48.3,16.4,{gone}\n"
    first, second = read(tmp_path, text)[0]

    assert first["refused"] is None and "the taxon was not there" in second["refused"]
    others = [text.replace(there + "\n", "adult\n"), text.replace(there + "\n", gone + "\n")]
    for other in (*others, text.replace(name, "nest"), text.replace(name, "seen")):
        assert all(row["refused"] is None for row in read(tmp_path, other)[0])


def test_a_status_of_yes_and_no_is_not_presumed_to_be_of_the_taxon(tmp_path: Path) -> None:
    rows, table = read(tmp_path, "species,lat,lon,status\nParus major,48.2,16.3,1\nPica pica,48.3,16.4,0\n")  # fmt: skip

    assert all(row["refused"] is None for row in rows) and "status" not in table.fields


def test_a_place_that_is_stated_goes_before_one_by_cells(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "Art;lat;lon;Breite;Länge\nParus major;1,25;2,25;48,21;16,37\n")

    assert (row["latitude"], row["longitude"], row["Breite"]) == (1.25, 2.25, "48,21")


def test_one_column_of_fine_pairs_is_a_place(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, 'Art,wo\nParus major,"48.2123, 16.2323"\n')
    (other,), table = read(tmp_path, 'Art,Zahl\nParus major,"3, 4"\n')

    assert (row["latitude"], row["longitude"]) == (48.2123, 16.2323)
    assert other["latitude"] is None and "latlon" not in table.fields


def test_axes_of_a_map_are_said(tmp_path: Path) -> None:
    _, metres = read(tmp_path, "Art;Rechtswert;Hochwert\nParus major;4468503;5332996\n")
    _, degrees = read(tmp_path, "species,x,y\nParus major,16.37,48.21\n")
    _, counts = read(tmp_path, "species,n,e\nParus major,16,48\n")

    assert any("'Rechtswert' and 'Hochwert' look like metres" in s for s in metres.said)
    assert degrees.unused == {"y": "latitude", "x": "longitude"} and counts.unused == {}
    named = "Art;easting;northing;epsg\nParus major;4468503;5332996;31468\n"
    (row,), _ = read(tmp_path, named)  # the way that is told
    assert (row["latitude"], row["longitude"]) == pytest.approx((48.13, 11.58), abs=0.02)


def test_days_of_other_work_are_said_not_read(tmp_path: Path) -> None:
    (row,), table = read(
        tmp_path, "species,date_entered,identified on\nParus major,2024-05-12,2024-05-13\n"
    )

    assert row["event_start"] is None and table.unused == {"date_entered": "event_date"}


def test_two_columns_of_dates_are_said_where_none_is_the_first(tmp_path: Path) -> None:
    (row,), table = read(tmp_path, "species,Datum A,Datum B\nParus major,2024-05-12,2024-06-13\n")

    assert row["event_start"] is None
    assert table.unused == {"Datum A": "event_date", "Datum B": "event_date"}


@pytest.mark.parametrize(
    ("header", "cells", "first", "last"),
    [
        ("Startdatum;Slutdatum", "2024-05-12;2024-05-14", date(2024, 5, 12), date(2024, 5, 14)),
        ("Fundjahr;Fundmonat;Fundtag", "1999;5;1", date(1999, 5, 1), date(1999, 5, 1)),
        ("dia;mes;año", "12;mayo;2024", date(2024, 5, 12), date(2024, 5, 12)),
        ("obs_year;obs_month;obs_day", "2024;5;12", date(2024, 5, 12), date(2024, 5, 12)),
    ],
)
def test_spans_and_parts_of_dates(
    tmp_path: Path, header: str, cells: str, first: date, last: date
) -> None:
    (row,), _ = read(tmp_path, f"Art;{header}\nParus major;{cells}\n")

    assert (row["event_start"], row["event_end"]) == (first, last)


def test_a_year_alone_is_said(tmp_path: Path) -> None:
    _, table = read(tmp_path, "species,year\nParus major,2020\n")

    assert table.unused == {"year": "event_date"}


@pytest.mark.parametrize(
    "header", ["Gattung;Art", "Genus;Art", "Gattung;Artepitheton", "Genre;Espèce"]
)
def test_genus_and_epithet_apart_are_one_name(tmp_path: Path, header: str) -> None:
    rows, _ = read(tmp_path, f"{header};lat;lon\nParus;major;48;16\nPica;pica;48;16\n")

    assert [(r["text"], r["species"]) for r in rows] == [("Parus major",) * 2, ("Pica pica",) * 2]


def test_a_gender_is_no_genus(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "especie;género;lat;lon\nParus major;macho;48;16\n")

    assert (row["text"], row["genus"]) == ("Parus major", "Parus") or row["genus"] is None


@pytest.mark.parametrize(
    ("header", "cells", "place"),
    [
        ("Latitude (S),Longitude (W)", "41.2,71.4", (-41.2, -71.4)),
        ("Latitude,Longitude (°W)", "41.2,71.4", (41.2, -71.4)),
        ("Latitude,Longitude (W)", "41.2,71 24 00", (41.2, -71.4)),
        ("Latitude,Longitude (W)", "41.2,-71.4", (41.2, -71.4)),
        ("Latitude,Longitude (W)", "41.2,71.4 W", (41.2, -71.4)),
        ("Latitude (N/S),Longitude (E/W)", "41.2,71.4", (41.2, 71.4)),
        ("Latitud,Longitud (O)", '"40,5","3,7"', (40.5, -3.7)),
        ("Latitud,Longitud", '"40,5","3,7 O"', (40.5, -3.7)),
        ("Breitengrad,Längengrad (O)", '"48,5","16,4"', (48.5, 16.4)),
        ("Latitude (N),Longitude (E)", "41.2,71.4", (41.2, 71.4)),
    ],
)
def test_the_side_that_a_columns_name_tells(
    tmp_path: Path, header: str, cells: str, place: tuple[float, float]
) -> None:
    (row,), _ = read(tmp_path, f"species,{header}\nParus major,{cells}\n")

    assert (row["latitude"], row["longitude"]) == pytest.approx(place)


def test_a_side_that_is_told_is_said_and_one_that_is_not_is_a_loss(tmp_path: Path) -> None:
    _, told = read(tmp_path, "species,Latitude,Longitude (W)\nParus major,41.2,71.4\n")
    (row,), _ = read(tmp_path, "species,Latitude,Longitude (O)\nParus major,41.2,71.4\n")
    mixed = "species,Latitude,Longitude (W)\nParus major,41.2,71.4\nPica pica,41.2,-70\n"
    (first, second), _ = read(tmp_path, mixed)
    _, letters = read(tmp_path, "species,lat,lon\nParus major,48,16 O\nPica pica,48,17 E\n")

    assert "'Longitude (W)': degrees without a sign are west" in " ".join(told.said)
    for lost in (row, first):
        assert (
            lost["latitude"] is None and "does not tell its side" in lost["problems"][0]["reason"]
        )
    assert second["longitude"] == -70
    assert "'lon': the letter O is read as west" in " ".join(letters.said)


def test_a_header_of_two_lines(tmp_path: Path) -> None:
    text = "Art;Koordinaten;;Datum;Zahl\n;Breite;Länge;;\nParus major;48,2123;16,31;13.05.2024;3\n"
    (row,), table = read(tmp_path, text)

    assert (row["latitude"], row["longitude"], row["text"]) == (48.2123, 16.31, "Parus major")
    assert row["event_start"] == date(2024, 5, 13) and row["Zahl"] == "3"
    assert (
        "The names of the columns stand in two lines: Art, Breite, Länge, Datum, Zahl."
        in table.said
    )


@pytest.mark.parametrize(
    ("above", "below", "names"),
    [
        (["Art", "Ort", "", "Zahl"], ["", "lat", "lon", ""], ["Art", "lat", "lon", "Zahl"]),
        (["Art", "2023", "", "2024", ""], ["", "M", "W", "M", "W"], ["Art", "2023 M", "2023 W", "2024 M", "2024 W"]),
        (["Art", "Ort", "", ""], ["", "48", "16", ""], None),
        (["Art", "Ort", "Zahl"], ["Parus major", "", "x"], None),
        (["Art", "Ort", ""], ["Parus major", "Wien", "nass"], None),
        (["", "lat", "lon"], ["1", "48", "16"], None),
        (["Survey 2023", "", ""], ["species", "lat", "lon"], None),
    ],
)  # fmt: skip
def test_which_second_lines_are_names(
    above: list[str], below: list[str], names: list[str] | None
) -> None:
    assert joined(above, below) == names


def test_columns_of_a_convention_are_not_guessed_at(tmp_path: Path) -> None:
    text = "gen,sp,en,Breite,Länge\nParus,major,Great Tit,48.21,16.37\n"
    (row,), table = read(tmp_path, text)

    assert row["latitude"] is None and table.unused == {"Breite": "latitude", "Länge": "longitude"}


def test_a_table_without_a_name_or_place_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has no column for a photo"):
        read(tmp_path, "Nr;Zahl\n1;2\n")


@pytest.mark.parametrize("name", ["Latin", "Taxon (lat.)", "Wiss. Bezeichnung"])
def test_scientific_names_beside_common_ones_are_read(tmp_path: Path, name: str) -> None:
    rows, _ = read(
        tmp_path,
        f"Common name;{name};lat;lon\nGreat Tit;Parus major;48;16\nMagpie;Pica pica;48;16\n",
    )

    assert [(r["text"], r["common_name"]) for r in rows] == [
        ("Parus major", "Great Tit"),
        ("Pica pica", "Magpie"),
    ]


@pytest.mark.parametrize(
    ("column", "zero"),
    [
        ("Abondance", "0"),
        ("Abundanz", "0"),
        ("Anzahl Individuen", "0"),
        ("Nombre d'individus", "0"),
        ("Nombre", "0"),
        ("Nb", "0"),
        ("presence", "nein"),
        ("Presencia", "no"),
        ("Präsenz", "abwesend"),
    ],
)
def test_an_absence_in_another_language_is_refused(tmp_path: Path, column: str, zero: str) -> None:
    some = "2" if zero == "0" else "ja"
    rows, _ = read(tmp_path, f"species,{column}\nParus major,{zero}\nPica pica,{some}\n")

    assert zero in rows[0]["refused"] and rows[1]["refused"] is None


def test_a_spanish_name_is_no_count(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "Nombre,lat,lon\nParus major,48,16\n")

    assert (row["text"], row["refused"]) == ("Parus major", None)


@pytest.mark.parametrize(
    "text",
    [
        "Parus major, Pica pica", "Parus major; Pica pica", "Parus major und Pica pica", "Parus major et Corvus corax",
        "Total", "Summe", "keine", "unbestimmt", "indet.", "no identificado", "Gesamt",
    ],
)  # fmt: skip
def test_two_species_or_none_are_no_name_of_one(tmp_path: Path, text: str) -> None:
    lines = "".join(f"{i}\tTurdus merula\n" for i in range(9))
    rows, _ = read(tmp_path, f"id\tspecies\nx\t{text}\n{lines}")

    assert rows[0]["text"] is None and text.rstrip(".")[:5] in rows[0]["problems"][0]["reason"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Abies alba Mill., Gard. Dict.", "Abies alba"),
        ("Parus major Linnaeus, 1758", "Parus major"),
        ("Poa annua L. & al.", "Poa annua"),
        ("Quercus pyrenaica Boiss. & Reut.", "Quercus pyrenaica"),
        ("Parus major, adult male", "Parus major"),
        ("Rubus idaeus, Linnaeus", "Rubus idaeus"),
        ("Parus major; Parus ater", "Parus"),
    ],
)
def test_authors_and_remarks_are_no_second_species(tmp_path: Path, text: str, name: str) -> None:
    (row,), _ = read(tmp_path, f"species\tlat\n{text}\t48\n")

    assert row["text"] == name
