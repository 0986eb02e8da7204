"""What a column holds tells what it is, where its name does not: media, places, ids, and what could be mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prom3e_index.errors import InputError, TableError
from prom3e_index.tables import read_observations


def read(
    folder: Path, text: str, files: tuple[str, ...] = (), **options: Any
) -> tuple[list[dict[str, Any]], Any]:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "t.csv").write_text(text)
    table = read_observations(folder / "t.csv", **options)
    return [r for b in table.batches() for r in b.to_pylist()], table


def test_a_column_of_files_is_found_by_its_cells(tmp_path: Path) -> None:
    files = ("m/a.wav", "m/b.WAV")
    rows, table = read(
        tmp_path, "name,Aufnahme\nPica pica,m/a.wav\nPica pica,m/b.WAV\nPica pica,\n", files
    )

    assert [r["audio"] for r in rows] == ["m/a.wav", "m/b.WAV", None]
    assert table.fields["audio"] == ("Aufnahme",) and table.unused == {}
    assert "'Aufnahme' is read as the column of recordings, for what its cells hold" in table.said


def test_photos_and_recordings_of_one_column_go_where_they_belong(tmp_path: Path) -> None:
    files = ("a.wav", "b.jpg", "c.mp4")
    rows, _ = read(
        tmp_path, "name,file\nPica pica,a.wav\nPica pica,b.jpg\nPica pica,c.mp4\n", files
    )

    assert [(r["image"], r["audio"]) for r in rows] == [
        (None, "a.wav"),
        ("b.jpg", None),
        ("c.mp4", None),
    ]


def test_files_that_are_not_there_and_second_columns_are_said_not_read(tmp_path: Path) -> None:
    (row,), table = read(
        tmp_path, "name,image,scan,file\nPica pica,a.jpg,b.jpg,gone.wav\n", ("a.jpg", "b.jpg")
    )

    assert (row["image"], row["audio"], row["scan"], row["file"]) == (
        "a.jpg",
        None,
        "b.jpg",
        "gone.wav",
    )
    assert table.unused == {"scan": "image", "file": "audio"}


def test_addresses_are_media_but_not_icons(tmp_path: Path) -> None:
    text = "name,user.icon,link\nPica pica,https://e.org/me.png,https://e.org/p/1.jpeg?size=big\n"
    (row,), table = read(tmp_path, text)

    assert table.fields["image"] == ("link",) and row["user.icon"] == "https://e.org/me.png"
    assert [p["modality"] for p in row["problems"]] == ["image"]
    assert "'https://e.org/p/1.jpeg?size=big' is remote" in row["problems"][0]["reason"]


def test_several_media_of_a_cell_are_all_kept(tmp_path: Path) -> None:
    files = ("a.jpg", "b.jpg", "c.wav", "d;e.jpg")
    text = (
        "id,name,associatedMedia\n1,Pica pica,a.jpg | b.jpg|c.wav\n2,Pica pica,d;e.jpg\n"
        "3,Pica pica,gone.jpg; b.jpg\n4,Pica pica,\"['a.jpg', 'c.wav']\"\n"
    )
    rows, _ = read(tmp_path, text, files)

    assert [(r["image"], r["audio"]) for r in rows] == [
        ("a.jpg", "c.wav"), ("d;e.jpg", None), ("b.jpg", None), ("a.jpg", "c.wav"),
    ]  # fmt: skip
    assert [r["more"] for r in rows] == [[{"modality": "image", "path": "b.jpg"}], [], [], []]
    assert [len(r["problems"]) for r in rows] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("cells", "place"),
    [(("51.5, 4.25", "50,4"), (51.5, 4.25)), (("POINT (4.25 51.5)", "POINT(4 50)"), (51.5, 4.25))],
)
def test_a_location_is_a_place_where_its_cells_are(
    tmp_path: Path, cells: tuple[str, str], place: Any
) -> None:
    rows, table = read(tmp_path, "name,location\n" + "".join(f'Pica pica,"{c}"\n' for c in cells))

    assert (rows[0]["latitude"], rows[0]["longitude"]) == place and "latlon" in table.fields


def test_a_location_that_is_an_address_or_a_site_stays_as_it_is(tmp_path: Path) -> None:
    (row,), table = read(tmp_path, "name,location\nPica pica,https://e.org/photo/12\n")

    assert row["location"] == "https://e.org/photo/12" and row["latitude"] is None
    assert row["problems"] == [] and "latlon" not in table.fields


def test_the_id_is_one_that_tells_rows_apart(tmp_path: Path) -> None:
    text = "gbifID,datasetKey,occurrenceID,species\n91,d-1,1,Pica pica\n92,d-2,1,Parus major\n"
    rows, table = read(tmp_path, text)

    assert [r["id"] for r in rows] == ["91", "92"] and [r["occurrenceID"] for r in rows] == [
        "1",
        "1",
    ]
    assert any("'gbifID' is the id, not 'occurrenceID'" in s for s in table.said)
    one = text.replace("d-2,1", "d-1,2")
    assert [r["id"] for r in read(tmp_path, one)[0]] == ["1", "2"]


def test_codes_stay_as_they_are_written(tmp_path: Path) -> None:
    codes = ["007", "1e5", "12345678901234567890", "-0", "1.50"]
    rows, _ = read(tmp_path, "id,name\n" + "".join(f"{c},Pica pica\n" for c in codes))

    assert [r["id"] for r in rows] == codes


def test_ids_that_a_file_types_as_numbers_have_no_decimals(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for kind, ids in ((pa.float64(), [123.0, 4.0]), (pa.int64(), [9007199254740993, 4])):
        table = pa.table({"id": pa.array(ids, kind), "name": ["Pica pica"] * 2})
        parquet.write_table(table, tmp_path / "t.parquet")
        rows = [
            r for b in read_observations(tmp_path / "t.parquet").batches() for r in b.to_pylist()
        ]
        assert [r["id"] for r in rows] == [str(int(i)) for i in ids]


def test_columns_that_look_like_a_field_are_named_with_it(tmp_path: Path) -> None:
    text = (
        "lat,lon,Terms,Field day,Artnaam\n"
        "51.5,4.2,https://creativecommons.org/licenses/by/4.0/,2023-05-01,Vulpes vulpes\n"
        "51.6,4.3,CC BY 4.0,2023-05-02,Parus major\n"
    )
    rows, table = read(tmp_path, text)

    assert table.unused == {"Terms": "license", "Artnaam": "scientific_name"}
    assert [str(r["event_start"]) for r in rows] == ["2023-05-01", "2023-05-02"]


def test_elevation_alone_is_a_column(tmp_path: Path) -> None:
    (row,), table = read(tmp_path, "name,elevation\nPica pica,120\n")

    assert row["elevation"] == "120" and row["env"] is None and "env" not in table.fields


def test_rows_that_were_looked_at_first_are_not_read_twice(tmp_path: Path) -> None:
    n = 10_001 + 4096
    rows, table = read(tmp_path, "id,name\n" + "".join(f"{i},Pica pica\n" for i in range(n)))
    again = [r["id"] for b in table.batches() for r in b.to_pylist()]

    assert [r["id"] for r in rows] == again == [str(i) for i in range(n)]
    assert [r["row_in"] for r in rows] == list(range(n))


def test_an_order_of_days_is_dmy_or_mdy(tmp_path: Path) -> None:
    text = "name,date\nPica pica,04/05/2023\n"
    for order, month in (("dmy", 5), ("mdy", 4)):
        (row,), _ = read(tmp_path, text, date_order=order)
        assert row["event_start"].month == month
    (row,), table = read(tmp_path, text)
    assert row["event_start"] is None and any("--date-order" in s for s in table.said)
    with pytest.raises(InputError, match="'ymd'"):
        read(tmp_path, text, date_order="ymd")


def test_a_column_that_is_named_for_places_is_read_whatever_share_are(tmp_path: Path) -> None:
    text = 'name,coordinates\nPica pica,"51.5, 4.25"\nPica pica,by the pond\nPica pica,unclear\n'
    rows, _ = read(tmp_path, text)

    assert [r["latitude"] for r in rows] == [51.5, None, None]
    assert ["'by the pond'" in p["reason"] for p in rows[1]["problems"]] == [True]


def test_a_date_called_datum_is_a_date_and_a_datum_is_none(tmp_path: Path) -> None:
    rows, table = read(tmp_path, "name,lat,lon,Datum\nPica pica,52,13,3.5.2021\nPica pica,52,13,\n")
    assert [str(r["event_start"]) for r in rows] == ["2021-05-03", "None"]
    assert [r["latitude"] for r in rows] == [52.0, 52.0]
    assert table.said == ["'Datum' is read as the column of dates, for what its cells hold"]

    for datum in ("WGS84", "EPSG:4326", "WGS 84"):
        rows, table = read(tmp_path, f"name,lat,lon,Datum\nPica pica,52,13,{datum}\n")
        assert table.fields["datum"] == ("Datum",) and "event_date" not in table.fields


def test_a_date_called_datum_beside_another_date_is_kept_as_it_is(tmp_path: Path) -> None:
    rows, table = read(
        tmp_path, "name,lat,lon,datum,eventDate\nPica pica,52,13,2020-01-01,2021-05-03\n"
    )
    assert str(rows[0]["event_start"]) == "2021-05-03" and rows[0]["datum"] == "2020-01-01"


def test_what_is_no_advice(tmp_path: Path) -> None:
    _, table = read(
        tmp_path,
        "name,image,photo_file,Number of Observers\nPica pica,a.jpg,a.jpg,2\n",
        ("a.jpg",),
    )
    assert table.unused == {}


def test_a_label_may_be_a_name(tmp_path: Path) -> None:
    _, table = read(tmp_path, "image,label\na.jpg,Pica pica\nb.jpg,Turdus merula\n")
    assert table.fields["scientific_name"] == ("label",) and not table.unused
    assert any("'label' is read as the column of names" in s for s in table.said)


def test_a_table_without_the_names_of_its_columns_is_refused_for_that(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no line with the names of its columns.*51.5, -0.1"):
        read(tmp_path, "a,Pica pica,51.5,-0.1\nb,Turdus merula,52,1\n")
