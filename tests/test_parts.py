"""A table in parts is one table: folders and zips of Parquet, CSV, JSON and Arrow, in the order of their names."""

from __future__ import annotations

import json
import zipfile

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from prom3e_index.errors import TableError
from prom3e_index.tables import content, recognise, source_files
from prom3e_index.tables.sources import open_source

KINDS = ("parquet", "csv", "csv.gz", "json", "arrow")


def put(path, rows: list[dict], kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "arrow":
        feather.write_feather(pa.Table.from_pylist(rows), str(path))
    elif kind == "json":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        import gzip

        text = (
            ",".join(rows[0])
            + "\n"
            + "".join(
                ",".join("" if v is None else str(v) for v in r.values()) + "\n" for r in rows
            )
        )
        path.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())


def rows(path, table=None, size: int = 3):
    source = open_source(path, None, table)
    found = [r for batch in source.batches(size) for r in batch.to_pylist()]
    return [{k: None if v is None else str(v) for k, v in r.items()} for r in found], source


@pytest.mark.parametrize("kind", KINDS)
def test_parts_follow_one_another_and_what_accompanies_them_is_passed_over(tmp_path, kind):
    folder = tmp_path / "occurrence.parquet"
    written = [{"id": f"r{i}", "latitude": i + 0.5} for i in range(7)]
    put(folder / "000001", written[3:], kind)
    put(folder / "000000", written[:3], kind)
    for name in ("_SUCCESS", ".part.crc", "README.md", "_metadata"):
        (folder / name).write_bytes(b"x")
    (folder / "empty-part").write_bytes(b"")

    found, source = rows(folder)

    assert recognise(folder) == source.format == "parts"
    assert found == [{k: str(v) for k, v in r.items()} for r in written]
    assert source.facts["rows"] == 7 and source.facts["parts"] == 2


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_folders_of_a_partition_are_columns_and_columns_are_matched_by_name(tmp_path, kind):
    put(tmp_path / "t/year=2022/p0", [{"id": "a", "latitude": 1.5}], kind)
    put(tmp_path / "t/year=2023/p0", [{"latitude": 2.5, "id": "b", "note": "n"}], kind)
    put(tmp_path / "t/year=__HIVE_DEFAULT_PARTITION__/p0", [{"id": "c", "latitude": 3.5}], kind)

    found, source = rows(tmp_path / "t")

    assert [(r["id"], r["latitude"], r["note"], r["year"]) for r in found] == [
        ("a", "1.5", None, "2022"), ("b", "2.5", "n", "2023"), ("c", "3.5", None, None)]  # fmt: skip
    assert source.said == [
        "1 columns are not in every part; their cells are empty there: note (2 of 3 parts)."
    ]


def test_different_tables_in_one_folder_are_not_mixed(tmp_path):
    put(tmp_path / "a.csv", [{"id": "a", "latitude": 1.5}], "csv")
    put(tmp_path / "b.csv", [{"code": "a", "meaning": "x"}], "csv")

    with pytest.raises(TableError, match="different tables: b.csv and a.csv share 0 of 2 columns"):
        rows(tmp_path)
    assert rows(tmp_path, "a.csv")[0] == [{"id": "a", "latitude": "1.5"}]


def test_a_part_more_is_another_table(tmp_path):
    put(tmp_path / "a.csv", [{"id": "a", "latitude": 1.5}], "csv")
    before = content(tmp_path)
    put(tmp_path / "b.csv", [{"id": "b", "latitude": 1.5}], "csv")

    assert [p.name for p in source_files(tmp_path)] == ["a.csv", "b.csv"] and content(
        tmp_path
    ) != before


def test_a_line_that_is_lost_is_named_with_its_part(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 3}\nbroken\n')

    found, source = rows(tmp_path)

    assert [r["id"] for r in found] == ["1", "2", "3"] and source.facts["rows"] == 4
    assert [(line, reason.partition(":")[0]) for line, reason in source.rejected] == [
        (2, "b.jsonl")
    ]


@pytest.mark.parametrize("kind", ["parquet", "json", "csv", "arrow"])
def test_a_zip_of_one_table_of_any_kind(tmp_path, kind):
    written = [{"id": "a", "latitude": 1.5}, {"id": "b", "latitude": 2.5}]
    ending = {"json": "jsonl"}.get(kind, kind)
    put(tmp_path / f"t.{ending}", written, kind)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as z:
        z.write(tmp_path / f"t.{ending}", f"deep/er/t.{ending}")
        z.writestr("__MACOSX/._t.csv", "x")
        z.writestr("photos/a.jpg", "x")

    found, source = rows(tmp_path / "t.zip")

    assert found == [{k: str(v) for k, v in r.items()} for r in written]
    assert source.media == tmp_path / "t" or source.media == tmp_path
    assert any("1 photos and recordings lie inside t.zip" in s for s in source.said)


def test_a_zip_of_parts_of_members_by_name_and_of_nothing(tmp_path):
    put(tmp_path / "p/0.parquet", [{"id": "a", "latitude": 1.5}], "parquet")
    put(tmp_path / "p/1.parquet", [{"id": "b", "latitude": 2.5}], "parquet")
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as z:
        for p in sorted((tmp_path / "p").iterdir()):
            z.write(p, p.name)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as z:
        z.writestr("a.jpg", "x")
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as z:
        z.write(tmp_path / "p/0.parquet", "../0.parquet")

    assert [r["id"] for r in rows(tmp_path / "parts.zip")[0]] == ["a", "b"]
    assert [r["id"] for r in rows(tmp_path / "parts.zip", "1.parquet")[0]] == ["b"]
    with pytest.raises(
        TableError, match="zip of 1 photos and recordings without a table; unpack it"
    ):
        rows(tmp_path / "photos.zip")
    with pytest.raises(TableError, match="outside the archive"):
        rows(tmp_path / "slip.zip")


@pytest.mark.parametrize("place", ["zip", "folder", "gbif"])
def test_the_part_that_is_named_is_read_in_the_encoding_that_is_named(tmp_path, place):
    key = "gbifID" if place == "gbif" else "id"
    (tmp_path / "t").mkdir()
    for name, text in (("occurrence.csv", "Бук"), ("other.csv", "Сосна")):
        line = f"{key},vernacularName,latitude\n{name[:2]},{text},1.5\n"
        (tmp_path / "t" / name).write_bytes(line.encode("koi8-r"))
    given = tmp_path / "t"
    if place != "folder":
        given = tmp_path / "t.zip"
        with zipfile.ZipFile(given, "w") as z:
            for p in sorted((tmp_path / "t").iterdir()):
                z.write(p, p.name)

    source = open_source(given, "gbif" if place == "gbif" else None, "other.csv", "koi8-r")

    found = [r for b in source.batches() for r in b.to_pylist()]
    assert [(r[key], r["vernacularName"]) for r in found] == [("ot", "Сосна")]


@pytest.mark.parametrize("place", ["zip", "folder", "media"])
def test_an_encoding_is_never_passed_over(tmp_path, place):
    (tmp_path / "t").mkdir()
    if place == "media":
        (tmp_path / "t/a.jpg").write_bytes(b"x")
    else:
        put(tmp_path / "t/a.parquet", [{"id": "a", "latitude": 1.5}], "parquet")
        put(tmp_path / "t/b.parquet", [{"id": "b", "latitude": 1.5}], "parquet")
    given = tmp_path / "t"
    if place == "zip":
        given = tmp_path / "t.zip"
        with zipfile.ZipFile(given, "w") as z:
            z.write(tmp_path / "t/a.parquet", "a.parquet")

    with pytest.raises(TableError, match="says its own encoding; leave encoding out"):
        open_source(given, None, None, "koi8-r")


def test_an_arrow_file_gives_categories_as_values_in_small_batches(tmp_path):
    table = pa.table(
        {"id": [f"r{i}" for i in range(10)], "name": pa.array(["a", "b"] * 5).dictionary_encode()}
    )
    with pa.OSFile(str(tmp_path / "t.arrows"), "wb") as f, pa.ipc.new_stream(f, table.schema) as w:
        w.write_table(table, max_chunksize=4)
    feather.write_feather(table, str(tmp_path / "t.feather"), compression="zstd")

    for name in ("t.arrows", "t.feather"):
        found, source = rows(tmp_path / name)

        assert [(r["id"], r["name"]) for r in found] == [(f"r{i}", "ab"[i % 2]) for i in range(10)]
        assert source.format == "arrow" and source.facts["rows"] == 10


def test_a_cut_parquet_part_is_named(tmp_path):
    put(tmp_path / "a.parquet", [{"id": "a", "latitude": 1.5}], "parquet")
    put(tmp_path / "b.parquet", [{"id": "b", "latitude": 1.5}], "parquet")
    data = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[: len(data) // 2])

    with pytest.raises(TableError, match=r"b\.parquet"):
        rows(tmp_path)


@pytest.mark.parametrize("parts", [False, True])
def test_pictures_within_a_parquet_file_stand_as_their_names_and_that_is_said(tmp_path, parts):
    for i in range(1 + parts):
        table = pa.table({"image": [{"bytes": b"\xff\xd8", "path": f"{i}.jpg"}], "label": [i]})
        (tmp_path / "t").mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / f"t/{i}.parquet")

    found, source = rows(tmp_path / "t" if parts else tmp_path / "t/0.parquet")

    assert [r["image"] for r in found] == [f"{i}.jpg" for i in range(1 + parts)]
    assert any("lie in the table itself" in s for s in source.said)


def test_the_encoding_that_a_user_names_holds_for_every_part(tmp_path):
    for name, text in (("a.csv", "id,locality\n1,Ré\n"), ("b.csv", "id,locality\n2,Ül\n")):
        (tmp_path / "t").mkdir(exist_ok=True)
        (tmp_path / "t" / name).write_bytes(text.encode("mac_roman"))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as z:
        for p in sorted((tmp_path / "t").iterdir()):
            z.write(p, p.name)

    for path in (tmp_path / "t", tmp_path / "t.zip"):
        source = open_source(path, None, None, "mac_roman")

        assert [r["locality"] for b in source.batches() for r in b.to_pylist()] == ["Ré", "Ül"]


@pytest.mark.parametrize("name", ["t.feather", "t.arrows"])
def test_a_damaged_arrow_file_is_refused_in_a_line(tmp_path, name):
    table = pa.table({"id": ["aé"] * 20, "latitude": [1.5] * 20})
    if name == "t.feather":
        feather.write_feather(table, str(tmp_path / name), compression="uncompressed")
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as f, pa.ipc.new_stream(f, table.schema) as w:
            w.write_table(table)
    whole = (tmp_path / name).read_bytes()

    for data in (
        whole[: len(whole) // 2],
        whole[:-30] + b"\xff" * 30,
        whole.replace("aé".encode(), b"a\xff\xff"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TableError, match="cannot be read") as caught:
            rows(tmp_path / name)
        assert "\n" not in str(caught.value)
