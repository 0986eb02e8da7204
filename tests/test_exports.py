"""Exports: whole or not there, readable by what they are made for, also without a row."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from test_output import FORMULA, HOSTILE, index  # noqa: F401 - a fixture
from test_output import strict as read_strictly

from prom3e_index import Bundle
from prom3e_index.errors import InputError
from prom3e_index.exports import tables
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.write import TABLES, write_rows
from prom3e_index.show import export
from prom3e_index.show.files import replacing, write_text


def written(bundle, path, format):
    return write_rows(Rows.chosen(bundle), path, format)


@pytest.fixture
def nothing(bundle_path, tmp_path):
    """An index all of whose rows were removed."""
    import shutil

    from prom3e_index.bundle.filters import Filter
    from prom3e_index.indexer.change import remove

    shutil.copytree(bundle_path, tmp_path / "none.p3i")
    remove(tmp_path / "none.p3i", Filter(where="1 = 1"), None, lambda *a: None)
    return Bundle.open(tmp_path / "none.p3i")


def test_an_export_of_nothing_has_columns_and_no_rows(nothing, tmp_path):
    for kind in TABLES:
        assert written(nothing, tmp_path / f"m.{kind}", kind) == 0
    tables.write_embeddings(Rows.chosen(nothing), tmp_path / "e.parquet")
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as f:
        lines = list(csv.reader(f))
    assert lines == [nothing.columns]
    table = parquet.read_table(tmp_path / "m.parquet")
    assert table.num_rows == 0 and table.column_names == nothing.columns
    assert read_strictly((tmp_path / "m.geojson").read_text()) == {
        "type": "FeatureCollection",
        "features": [],
    }
    assert parquet.read_table(tmp_path / "e.parquet").column_names == ["id", *nothing.modalities]


def test_an_answer_without_hits_has_columns_too(bundle, tmp_path):
    columns = export.hit_columns(bundle)
    assert export.csv_text([], columns) == ",".join(columns) + "\n"
    export.write_parquet([], columns, tmp_path / "h.parquet")
    assert parquet.read_table(tmp_path / "h.parquet").column_names == columns
    from prom3e_index import Query

    hits = export.records(bundle.search(Query(location=(1, 2), k=2)).hits)
    assert [list(h) for h in hits] == [columns, columns]


@pytest.mark.usefixtures("index")
def test_csv_keeps_every_text_and_runs_none(index, tmp_path):  # noqa: F811
    bundle = Bundle.open(index)
    written(bundle, tmp_path / "m.csv", "csv")
    stored = bundle.sql(
        "SELECT id, scientific_name, rights_holder, note FROM observations ORDER BY row"
    )
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))

    assert len(rows) == len(stored) == 40 and "'+column" in rows[0]
    for row, (key, name, holder, note) in zip(rows, stored, strict=True):
        assert row["id"] == f"'{key}" and name == row["scientific_name"] == HOSTILE
        assert row["rights_holder"] == f"'{FORMULA}" == f"'{holder}"
        assert row["note"] in (note, f"'{note}") and (
            row["note"][:1] not in "=+@＝" and row["note"] != "-2+3"
        )
    assert [r["note"][:2] for r in rows[:4]] == ["'-", "-2", "'＝", "sa"]
    assert [float(r["latitude"]) for r in rows] == list(range(1, 41))


def test_geojson_lines_are_those_of_the_table(index, tmp_path):  # noqa: F811
    bundle = Bundle.open(index)
    written(bundle, tmp_path / "m.geojson", "geojson")
    found = read_strictly((tmp_path / "m.geojson").read_text(encoding="utf-8"))["features"]
    places = bundle.sql("SELECT longitude, latitude, id FROM observations ORDER BY row")
    assert [(*f["geometry"]["coordinates"], f["properties"]["id"]) for f in found] == places


def test_records_of_a_file_without_places_are_json(tmp_path):
    """Embeddings with unknown places: NaN in, null out, in every format."""
    rows = [
        {"id": "a", "latitude": float("nan"), "longitude": float("nan"), "x": np.float32("inf")}
    ]
    made = read_strictly(export.geojson(rows))["features"][0]
    assert made == {"type": "Feature", "geometry": None, "properties": {"id": "a", "x": None}}
    assert export.csv_text(rows, list(rows[0])) == "id,latitude,longitude,x\na,,,\n"


def test_a_file_is_whole_or_as_it_was(bundle, tmp_path, monkeypatch):
    old = tmp_path / "old.csv"
    old.write_text("precious")
    old.chmod(0o640)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "cells", full)
    with pytest.raises(OSError):
        written(bundle, old, "csv")
    assert old.read_text() == "precious" and os.listdir(tmp_path) == ["old.csv"]
    with pytest.raises(OSError):
        written(bundle, tmp_path / "new.csv", "csv")
    assert os.listdir(tmp_path) == ["old.csv"]
    monkeypatch.undo()
    written(bundle, old, "csv")
    assert old.read_text().startswith("row,") or "id" in old.read_text().splitlines()[0]
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == [
        "old.csv",
        "old.csv.ATTRIBUTION.csv",
        "old.csv.CITATION.txt",
    ]


def test_links_are_followed_pipes_written_and_folders_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real/file")
    write_text(tmp_path / "link", "→")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/file").read_text("utf-8") == "→"
    before = Path("/dev/null").stat()
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "no/x", "there is no folder"),
        (tmp_path / "real/file/x", "no folder"),
    ):
        with pytest.raises(InputError, match=said), replacing(path):
            raise AssertionError("nothing is written")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="cannot be written"), replacing(tmp_path / "loop"):
        pass


def test_a_query_written_to_a_file_replaces_it_whole(index, tmp_path, monkeypatch):  # noqa: F811
    from prom3e_index import Query
    from prom3e_index.cli import render

    bundle = Bundle.open(index)
    answer = bundle.search(Query(location=(1, 1), target="image", k=3))
    columns = export.hit_columns(bundle)
    for kind in render.FORMATS:
        path = tmp_path / f"a.{kind}"
        path.write_text("old " * 10_000)
        render.write_answer(answer, kind, path, columns)
        if kind == "json":
            assert [h["id"] for h in json.loads(path.read_text())["hits"]] == [
                h.fields["id"] for h in answer.hits
            ]
        elif kind == "parquet":
            assert parquet.read_table(path)["id"].to_pylist() == [
                h.fields["id"] for h in answer.hits
            ]
        assert b"old old" not in path.read_bytes()
    beside = {
        f"a.{k}.{b}"
        for k in ("csv", "geojson", "parquet", "gpkg", "geoparquet", "h3")
        for b in ("ATTRIBUTION.csv", "CITATION.txt")
    }
    assert set(os.listdir(tmp_path)) == {f"a.{k}" for k in render.FORMATS} | beside


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_index_of_an_earlier_format_is_exported(version, tmp_path):
    """It lacks columns that later ones have; ids, places and names are those that it holds."""
    from conftest import ROOT

    from prom3e_index.exports.check import faults
    from prom3e_index.exports.write import FORMATS

    with Bundle.open(ROOT / "tests/bundles" / version) as bundle:
        held = bundle.sql("SELECT id, longitude, latitude FROM observations ORDER BY row")
        for kind in FORMATS:
            done = write_rows(Rows.chosen(bundle), tmp_path / kind, kind)
            assert done == (0 if kind == "dwca" else 3)  # no row of them has a date and a licence
        assert {f.what for f in faults(Rows.chosen(bundle))} >= {"without a date"}
    table = parquet.read_table(tmp_path / "geoparquet")
    assert (
        list(zip(*(table[c].to_pylist() for c in ("id", "longitude", "latitude")), strict=True))
        == held
    )


def test_an_export_needs_no_network_of_a_model(bundle_path, tmp_path):
    """Opening an index and writing it loads no torch, which alone takes more memory than a million rows."""
    import subprocess
    import sys

    code = (
        f"import sys, prom3e_index as p\np.export({str(tmp_path / 'a.csv')!r}, {str(bundle_path)!r})\n"
        "print([m for m in ('torch', 'faiss', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
