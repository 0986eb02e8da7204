"""Which rows and columns leave an index, in which order; whose they are stands beside; answers leave as layers too."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys

import duckdb
import numpy as np
import pyogrio
import pytest
from exported import KEY, ROWS, SECRET, index_of, table
from plain_index import made, quiet, rows, write
from pyarrow import parquet

import prom3e_index
from prom3e_index import Bundle, Filter, Query
from prom3e_index.errors import InputError
from prom3e_index.exports.answers import write_hits
from prom3e_index.exports.attribution import Attribution
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.write import FORMATS, write_export
from prom3e_index.indexer.change import remove
from prom3e_index.licences import code_of

ENDING = {
    "parquet": "parquet",
    "csv": "csv",
    "geojson": "geojson",
    "gpkg": "gpkg",
    "geoparquet": "geoparquet",
    "h3": "h3.parquet",
    "dwca": "zip",
}


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """Thirty rows in three segments, of which five were removed: row n has id o{n} and note n."""
    folder = tmp_path_factory.mktemp("segments")
    x, present = rows(30)
    parts = [
        write(folder / f"{i}.npz", x[at : at + 10], present[at : at + 10], at, note=np.arange(at, at + 10).astype(str))
        for i, at in enumerate((0, 10, 20))
    ]  # fmt: skip
    made(folder, parts).close()
    remove(folder / "i.p3i", Filter(where="note IN (0, 9, 10, 11, 29)"), None, quiet)
    return folder / "i.p3i"


def notes(found):
    return [
        v for batch in found for v in batch.column(batch.schema.names.index("note")).to_pylist()
    ]


@pytest.mark.parametrize("size", [1, 7, 24, 25, 26, 8192])
def test_rows_come_in_order_whatever_the_batches(segments, size):
    live = [n for n in range(30) if n not in (0, 9, 10, 11, 29)]
    with Bundle.open(segments) as bundle:
        every = Rows.chosen(bundle)
        assert len(every) == 25 and notes(every.batches(size)) == live
        for where, wanted in (
            ("note % 3 = 0", [n for n in live if n % 3 == 0]),
            ("note = 28", [28]),
            ("note > 99", []),
            ("note BETWEEN 8 AND 21", [n for n in live if 8 <= n <= 21]),
        ):
            chosen = Rows.chosen(bundle, Filter(where=where))
            assert notes(chosen.batches(size)) == wanted, where
        turned = Rows(bundle, np.array([28, 1, 20, 12, 2], np.int64))
        assert notes(turned.batches(size)) == [28, 1, 20, 12, 2]
        few = turned.only({"note", "row"})
        assert [b.schema.names for b in few.batches(size)][0] == ["row", "note"]


def test_an_export_of_a_filter_has_the_rows_of_a_query(segments, tmp_path):
    with Bundle.open(segments) as bundle:
        wanted = [
            r[0] for r in bundle.sql("SELECT id FROM observations WHERE note > 15 ORDER BY row")
        ]
        assert bundle.export(tmp_path / "a.csv", where="note > 15") == len(wanted) == 13
        assert bundle.export(tmp_path / "v.parquet", what="embeddings", where="note > 15") == 13
        image = [
            None
            if not bundle.present[int(i[1:]), 0]
            else np.asarray(bundle.embeddings("image")[int(i[1:])], np.float32)
            for i in wanted
        ]
    with (tmp_path / "a.csv").open() as f:
        assert [r["id"] for r in csv.DictReader(f)] == wanted
    vectors = parquet.read_table(tmp_path / "v.parquet")
    assert vectors["id"].to_pylist() == wanted
    for mine, theirs in zip(vectors["image"].to_pylist(), image, strict=True):
        assert (mine is None) == (theirs is None) and (
            mine is None or np.array_equal(np.float32(mine), theirs)
        )


@pytest.mark.parametrize("format", FORMATS)
def test_private_places_leave_in_no_format(older_index, tmp_path, format):
    """The column of an older index is not written and named; in the obscured row nothing tells the place."""
    opened = Bundle.open(older_index)
    told = opened.sql("SELECT private_latitude, locality FROM observations WHERE id = 'urn:a:2'")
    assert told == [(SECRET, "the nest")]
    file = tmp_path / f"a.{ENDING[format]}"
    done = write_export(opened, file)
    assert any("private_latitude" in n for n in done.notes)
    read = {
        "csv": lambda: list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))),
        "geojson": lambda: [f["properties"] for f in json.loads(file.read_text())["features"]],
        "gpkg": lambda: pyogrio.read_arrow(file)[1].to_pylist(),
        "dwca": lambda: (
            duckdb.sql(f"SELECT 1 AS id WHERE '{file}' = ''").to_arrow_table().to_pylist()
        ),
    }.get(format, lambda: parquet.read_table(file).to_pylist())
    rows_ = {r.get("id"): r for r in read()}
    assert SECRET not in repr(rows_) and not any("private_latitude" in r for r in rows_.values())
    assert SECRET.encode() not in file.read_bytes()
    if format in ("csv", "geojson", "gpkg", "parquet", "geoparquet"):
        assert rows_["urn:a:1"]["locality"] == "the pond" and not rows_["urn:a:2"]["locality"]


def test_whose_the_rows_are_stands_beside_and_adds_up(opened, tmp_path):
    done = write_export(opened, tmp_path / "a.csv")
    assert [f.name for f in done.beside] == [
        "a.csv.ATTRIBUTION.csv",
        "a.csv.CITATION.txt",
        "a.csv.derived_dataset.csv",
    ]
    with done.beside[0].open(newline="", encoding="utf-8") as f:
        lines = list(csv.DictReader(f))
    assert sum(int(r["rows"]) for r in lines) == done == len(ROWS)
    counted = {}
    for r in ROWS:
        key = (r.get("rightsHolder", ""), code_of(r.get("license")))
        counted[key] = counted.get(key, 0) + 1
    told = {}
    for r in lines:
        key = (r["rights_holder"].removeprefix("'"), r["licence"])
        told[key] = told.get(key, 0) + int(r["rows"])
    assert told == counted
    cited = done.beside[1].read_text(encoding="utf-8")
    assert (
        "Licence of the whole: ARR, all rights reserved" in cited
        and f"https://www.gbif.org/dataset/{KEY} (2 rows)" in cited
    )
    assert done.beside[2].read_text() == f"datasetKey,count\n{KEY},2\n"
    write_export(opened, tmp_path / "a.csv", chosen=Filter(where="source IS NULL"))
    assert sorted(os.listdir(tmp_path)) == [
        "a.csv",
        "a.csv.ATTRIBUTION.csv",
        "a.csv.CITATION.txt",
    ]  # no old count stays


def test_nothing_stands_beside_what_is_no_file(opened):
    from pathlib import Path

    assert write_export(opened, Path("/dev/null"), format="csv").beside == ()


def test_the_licence_of_the_whole_is_in_the_file(opened, tmp_path):
    free = Filter(licence_allow="cc0,by-nc")
    for name in ("a.parquet", "a.geoparquet", "a.h3.parquet"):
        write_export(opened, tmp_path / name, chosen=free)
        assert (
            json.loads(parquet.read_schema(tmp_path / name).metadata[b"prom3e"])["licence"]
            == "BY-NC"
        )
    write_export(opened, tmp_path / "a.geojson", chosen=free)
    assert json.loads((tmp_path / "a.geojson").read_text())["license"] == "BY-NC"
    write_export(opened, tmp_path / "a.gpkg", chosen=free)
    assert pyogrio.read_info(tmp_path / "a.gpkg")["layer_metadata"]["LICENCE"] == "BY-NC"


def test_the_photos_licence_counts_where_the_row_has_a_photo(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "p.png")
    head = ("id", "scientificName", "license", "photo", "photo_license")
    cells = [
        ("a", "CC0", "p.png", "CC BY-SA"),
        ("b", "CC0", "", "all rights reserved"),
        ("c", "CC BY-NC", "", ""),
    ]
    source = table(
        tmp_path / "t.csv",
        [dict(zip(head, (i, "Pica pica", *r), strict=True)) for i, *r in cells],
        head,
    )
    with Bundle.open(index_of(source, tmp_path / "i.p3i")) as bundle:
        held = Attribution.of(Rows.chosen(bundle), "x")
    assert held.licences == {"CC0": 1, "BY-SA": 1, "BY-NC": 1} and held.licence == "BY-NC-SA"


def test_an_answer_is_a_layer_of_its_hits(opened, tmp_path):
    answer = opened.search(Query(location=(1, 2), target="loc", k=11))
    ids = [h.fields["id"] for h in answer]
    assert len(ids) == 11 and ids != [r["occurrenceID"] for r in ROWS]
    done = write_hits(answer, opened, tmp_path / "a.gpkg", "gpkg")
    layer = pyogrio.read_arrow(tmp_path / "a.gpkg")[1].to_pylist()
    assert [(r["id"], r["rank"]) for r in layer] == [
        (i, n + 1) for n, i in enumerate(ids)
    ] and done == 11
    assert [r["score"] for r in layer] == [h.score for h in answer] and [
        bool(r["completed"]) for r in layer
    ] == [h.completed for h in answer]
    assert [r["geom"] is None for r in layer] == [
        h.fields["latitude"] is None for h in answer
    ]  # completed places are none
    write_hits(answer, opened, tmp_path / "a.geoparquet", "geoparquet")
    found = duckdb.sql(
        f"SELECT id, geometry IS NULL FROM read_parquet('{tmp_path / 'a.geoparquet'}')"
    ).fetchall()
    assert found == [(h.fields["id"], h.fields["latitude"] is None) for h in answer]
    done = write_hits(answer, opened, tmp_path / "a.zip", "dwca")
    from dwca.read import DwCAReader

    with DwCAReader(str(tmp_path / "a.zip")) as read:
        assert [r.id for r in read] == [
            i for i in ids if i in {"urn:a:1", "urn:a:2", "urn:a:3", "urn:a:4", "urn:a:11"}
        ]
    empty = opened.search(Query(location=(1, 2), k=3, filter=Filter(where="false")))
    assert (
        write_hits(empty, opened, tmp_path / "b.gpkg", "gpkg") == 0
        and pyogrio.read_info(tmp_path / "b.gpkg")["features"] == 0
    )


def test_the_command_line_writes_them_and_says_what_it_wrote(
    exported_index, tmp_path, monkeypatch, capsys
):
    from prom3e_index.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROM3E_INDEX", str(exported_index))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *words])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    code, out, _ = call("export", "a.gpkg", "--licence-allow", "cc0,by", "--bbox", "0,0,20,50")
    assert code == 0 and "5 rows in a.gpkg" in out and "licence of the whole: BY\n" in out
    assert (
        "beside it: a.gpkg.ATTRIBUTION.csv, a.gpkg.CITATION.txt, a.gpkg.derived_dataset.csv" in out
    )
    code, out, err = call("export", "a.zip", "--title", "Birds")
    assert (
        code == 0
        and "5 rows in a.zip" in out
        and "left out: 1 without a date" in out
        and "--publisher, --contact" in err
    )
    code, out, _ = call("export", "c.parquet", "-f", "h3", "--resolution", "3")
    assert code == 0 and "cells in c.parquet" in out and "in no cell: 1 without a place" in out
    code, out, err = call(
        "query", "--place", "1,2", "-k", "3", "-o", "hits.gpkg", "--licence-allow", "cc0"
    )
    assert (
        code == 0
        and not out
        and "3 hits in hits.gpkg" in err
        and pyogrio.read_info("hits.gpkg")["features"] == 3
    )
    assert call("query", "--place", "1,2", "-f", "dwca")[0] == 2
    assert call("export", "x.gpkg", "-f", "dwca")[2].count("is not what x.gpkg says") == 1
    code, _, err = call("export", "a.csv", "--licence-allow", "by-cn")
    assert code == 2 and "nearest" in err


def test_python_takes_the_same_filters(exported_index, tmp_path):
    done = prom3e_index.export(
        tmp_path / "a.csv",
        exported_index,
        taxon="Pica pica",
        licence_allow=["cc0"],
        bbox=(0, 0, 20, 50),
    )
    assert done == 3 and done.licence == "CC0" and done.format == "csv"
    assert (
        prom3e_index.export(
            tmp_path / "b.csv",
            exported_index,
            where=Filter(taxon="Pica pica", licence_allow="cc0", bbox=(0, 0, 20, 50)),
        )
        == 3
    )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with pytest.raises(InputError, match="where is a Filter"):
        prom3e_index.export(
            tmp_path / "c.csv", exported_index, where=Filter(taxon="Pica"), taxon="Pica"
        )
    with pytest.raises(InputError, match="Name a file"):
        prom3e_index.export(index=exported_index)
    shutil.rmtree(tmp_path)


def test_few_rows_are_read_as_many_are_and_hide_as_much(bundle, monkeypatch):
    """Of rows whose place is not obscured the conditions are left out; nothing that leaves may differ by that."""
    numbers = bundle.live
    hidden = {int(r) for (r,) in bundle.sql("SELECT row FROM observations WHERE obscured")}
    assert 0 < len(hidden) < len(numbers)
    few = [Rows(bundle, np.array([n])).records()[0] for n in numbers]
    batched = [next(Rows(bundle, np.array([n])).batches()).to_pylist()[0] for n in numbers]
    monkeypatch.setattr("prom3e_index.exports.rows._FEW", 0)
    right = [r for batch in Rows(bundle, numbers).batches() for r in batch.to_pylist()]
    assert [r["row"] for r in right] == numbers.tolist()
    for one, other, whole in zip(few, batched, right, strict=True):
        assert list(one) == list(whole) == list(other)
        for name, value in whole.items():
            assert repr(one[name]) == repr(value) or one[name] == pytest.approx(
                value, nan_ok=True
            ), name
            assert repr(other[name]) == repr(value), name
    assert all(r["sat"] is None for r in right if r["row"] in hidden)
    turned = Rows(bundle, numbers[::-1].copy()).records()
    assert [r["row"] for r in turned] == numbers[::-1].tolist()
