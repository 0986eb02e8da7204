"""Tables that come through a pipe are read as any other: text, compressed text, Parquet, JSON."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import content, piped, read_observations

TEXT = b"id,lat,lon,image\na,1.5,2.5,photos/a.jpg\nb,3.5,4.5,\n"


class Standard:
    """Standard input that gives some bytes once."""

    def __init__(self, data: bytes, terminal: bool = False) -> None:
        self.buffer, self.terminal = io.BytesIO(data), terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def nothing_copied(monkeypatch):
    monkeypatch.setattr(piped, "_copies", {})


def parquet(folder: Path) -> bytes:
    duckdb.read_csv(io.BytesIO(TEXT)).write_parquet(str(folder / "t.parquet"))
    return (folder / "t.parquet").read_bytes()


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("form", ["csv", "gzip", "parquet", "json"])
def test_standard_input_of_every_form(tmp_path, monkeypatch, name, form):
    data = {
        "csv": lambda: TEXT,
        "gzip": lambda: gzip.compress(TEXT),
        "parquet": lambda: parquet(tmp_path),
        "json": lambda: (
            b'[{"id": "a", "lat": 1.5, "lon": 2.5}, {"id": "b", "lat": 3.5, "lon": 4.5}]'
        ),
    }[form]()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Standard(data))
    table = read_observations(name)
    rows = [r for b in table.batches() for r in b.to_pylist()]

    assert [(r["id"], r["latitude"]) for r in rows] == [("a", 1.5), ("b", 3.5)]
    assert form == "json" or rows[0]["image"] == "photos/a.jpg"
    assert f"{name} was copied to a temporary file ({len(data):,} bytes)." in table.said
    assert content(Path(name))[0].startswith("stdin ")


def test_a_named_pipe_is_read_once_and_then_again_from_its_copy(tmp_path):
    def sent(data):
        os.mkfifo(tmp_path / "pipe")
        sender = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
        sender.start()
        table = read_observations(tmp_path / "pipe", media=tmp_path)
        twice = [[r["id"] for b in table.batches() for r in b.to_pylist()] for _ in range(2)]
        sender.join()
        lines = content(tmp_path / "pipe")
        (tmp_path / "pipe").unlink()
        piped._copies.clear()
        return twice, lines

    first, lines = sent(TEXT)
    assert first == [["a", "b"]] * 2
    assert sent(TEXT)[1] == lines != sent(TEXT + b"c,1,1,\n")[1]


def test_what_cannot_be_copied_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Standard(TEXT, terminal=True))
    with pytest.raises(TableError, match="is the terminal"):
        read_observations("-")
    monkeypatch.setattr(sys, "stdin", Standard(b""))
    with pytest.raises(TableError, match="Nothing came through - "):
        read_observations("-")
    monkeypatch.setattr(sys, "stdin", Standard(TEXT))
    monkeypatch.setattr(piped, "_KEPT_FREE", 1 << 62)
    with pytest.raises(TableError, match="longer than 0 bytes.*TMPDIR=FOLDER"):
        read_observations("-")


def test_an_unfinished_build_of_the_same_bytes_is_continued(tmp_path, monkeypatch):
    from prom3e_index.indexer.work import BuildConfig, identity
    from prom3e_index.models.folder import Model

    model = Model.open("mini")
    found = []
    for data in (TEXT, TEXT, TEXT[:-10]):
        piped._copies.clear()
        monkeypatch.setattr(sys, "stdin", Standard(data))
        config = BuildConfig(table="-", out=tmp_path / "i.p3i", model="mini")
        found.append(identity(config, model))
    assert found[0] == found[1] != found[2]
