"""A file is written in the format that its ending says; a contradiction is refused, and what was written is said."""

from __future__ import annotations

import csv
import json
import sys

import pytest

from prom3e_index.errors import InputError
from prom3e_index.show.endings import format_of, not_the_table, told

HITS = ("table", "json", "jsonl", "csv", "geojson", "parquet")


@pytest.fixture
def ask(bundle_path, monkeypatch, capsys, tmp_path):
    """Run a command in this process, in a folder of its own: (exit code, stdout, stderr)."""
    from prom3e_index.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROM3E_INDEX", str(bundle_path))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return call


@pytest.mark.parametrize("name, asked, format", [
    ("a.json", None, "json"), ("a.JSONL", None, "jsonl"), ("a.ndjson", None, "jsonl"), ("a.csv", None, "csv"), ("a.geojson", None, "geojson"),
    ("a.parquet", None, "parquet"), ("a.txt", None, "table"), ("a", None, "table"), ("a.json", "geojson", "geojson"), ("a.txt", "csv", "csv"),
    ("a", "csv", "csv"), ("a.csv", "csv", "csv"), ("a.b.csv", None, "csv"), ("a.dat", "jsonl", "jsonl"),
])  # fmt: skip
def test_the_ending_says_the_format(tmp_path, name, asked, format):
    assert format_of(asked, tmp_path / name, HITS, "table") == format


@pytest.mark.parametrize("name, asked, words", [
    ("a.csv", "json", "format json is not what .*a.csv says"), ("a.json", "csv", "end in .csv"), ("a.json", "jsonl", "end in .jsonl"),
    ("a.csv", "table", "end in .txt"), ("a.tsv", "csv", "is not what"), ("a.xlsx", None, "does not say in which format"),
    ("a.csv.gz", None, "does not say"), ("a.dat", None, "does not say"), ("a.npz", None, "does not say"), ("a.csv", "cvs", "nearest: csv"),
])  # fmt: skip
def test_a_contradiction_and_an_ending_that_says_nothing_are_refused(tmp_path, name, asked, words):
    with pytest.raises(InputError, match=words):
        format_of(asked, tmp_path / name, HITS, "table")


def test_what_is_no_file_has_no_ending(tmp_path):
    from pathlib import Path

    assert format_of(None, None, HITS, "table") == "table"
    assert format_of("csv", Path("/dev/stdout"), HITS, "table") == "csv"
    assert format_of(None, Path("/dev/null"), HITS, "table") == "table"
    with pytest.raises(InputError, match="does not say"):
        format_of(None, tmp_path / "a", ("parquet", "csv"), None)


def test_a_query_writes_what_its_file_is_called_and_says_so(ask, tmp_path):
    here = ("query", "--place", "10,20", "-t", "image", "-k", "3")
    code, out, err = ask(*here, "-o", "x.csv")
    assert code == 0 and not out and "3 hits in x.csv" in err
    with (tmp_path / "x.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    ask(*here, "-o", "x.json")
    hits = json.loads((tmp_path / "x.json").read_text())["hits"]
    assert [r["id"] for r in rows] == [h["id"] for h in hits] and len(hits) == 3
    ask(*here, "-o", "x.geojson")
    shapes = json.loads((tmp_path / "x.geojson").read_text())["features"]
    assert [f["properties"]["id"] for f in shapes] == [h["id"] for h in hits]
    code, out, err = ask(*here, "-k", "1", "-o", "-")
    assert code == 2 and "-k is given 2 times" in err
    code, out, _ = ask("query", "--place", "10,20", "-t", "image", "-k", "1", "-o", "-")
    assert code == 0 and hits[0]["id"] in out and not (tmp_path / "-").exists()
    code, out, err = ask(*here, "-o", "y.csv", "-f", "json")
    assert code == 2 and "y.csv says" in err and not (tmp_path / "y.csv").exists()


def test_exports_are_named_either_way_and_told_by_their_ending(ask, tmp_path):
    assert ask("export", "a.csv")[0] == 0
    code, out, _ = ask("export", "-o", "b.csv")
    assert code == 0 and "60 rows in b.csv" in out
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    for words, said in {
        ("export",): "Name one file",
        ("export", "a.csv", "-o", "b.csv"): "Name one file",
        ("export", "c.csv", "-f", "parquet"): "c.csv says",
        ("export", "c.xlsx"): ".parquet",
        ("export", "c.csv", "--what", "embeddings"): "end in .parquet",
    }.items():
        code, _, err = ask(*words)
        assert code == 2 and said in err, (words, err)


@pytest.mark.parametrize("name, kind, fine", [
    ("e.npz", "npz", True), ("e", "npz", True), ("run.2", "", True), ("own", "", True), ("e.csv", "npz", False), ("e.parquet", "npz", False),
    ("results.csv", "", False), ("report.html", "", False), ("own.npz", "", False),
])  # fmt: skip
def test_other_outputs_are_what_their_ending_says(tmp_path, name, kind, fine):
    if fine:
        told(tmp_path / name, kind)
    else:
        with pytest.raises(InputError, match="its ending does not say"):
            told(tmp_path / name, kind)


def test_commands_refuse_an_output_of_another_kind(ask):
    for words in (
        ("encode", "t.csv", "-o", "e.csv"),
        ("infer", "e.npz", "-o", "e.parquet"),
        ("train", "mvae", "e.npz", "-o", "own.npz"),
        ("evaluate", "retrieval", "e.npz", "-o", "results.csv"),
    ):
        code, _, err = ask(*words)
        assert code == 2 and "its ending does not say" in err, words


def test_the_table_of_an_index_is_not_written_over(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id")
    for stated, media in ((str(table), "/none"), ("/elsewhere/t.csv::Sheet1", str(tmp_path))):
        manifest = {"source": {"table": stated, "media": media}}
        with pytest.raises(InputError, match="is the table that the index was built from"):
            not_the_table(table, manifest)
        not_the_table(tmp_path / "other.csv", manifest)
        not_the_table(None, manifest)
    assert table.read_text() == "id"
