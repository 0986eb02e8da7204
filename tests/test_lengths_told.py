"""A recording whose length could not be told is measured once more, and never one row in silence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from recordings import noise, write

from prom3e_index.errors import MediaError
from prom3e_index.indexer import expand
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.media.pool import DecodePool
from prom3e_index.search.run import Bundle

RATE = 16_000
REASON = (
    "the length of 'long.flac' could not be told, so that it is one row however long it is "
    "(long.flac: decoding took longer than 1 s)"
)


@pytest.fixture
def table(tmp_path):
    """Two recordings of a minute, and one that is none."""
    write(tmp_path / "long.flac", noise(RATE, 62), RATE)
    shutil.copy(tmp_path / "long.flac", tmp_path / "other.flac")
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    path = tmp_path / "t.csv"
    path.write_text(
        "id,audio,lat,lon\nlong,long.flac,47,8\nother,other.flac,47,9\nbroken,broken.wav,48,9\n"
    )
    return path


def _slow(times: int, asked: list[str], named: str = "long.flac") -> type[DecodePool]:
    """A pool in which telling the length of one recording takes too long, so many times."""

    class Slow(DecodePool):
        def map(self, tasks, ahead=64):
            for path, result in super().map(tasks, ahead):
                asked.append(path)
                if path == named and asked.count(path) <= times:
                    yield path, MediaError(f"{tasks_of[path]}: decoding took longer than 1 s")
                else:
                    yield path, result

    tasks_of: dict[str, str] = {}

    class Noted(Slow):
        def map(self, tasks, ahead=64):
            def noted():
                for path, task in tasks:
                    tasks_of[path] = str(task.path)
                    yield path, task

            return super().map(noted(), ahead)

    return Noted


def _rows(path) -> list[tuple[str, int]]:
    with Bundle.open(path) as bundle:
        return bundle.sql(
            "SELECT observation, count(start_s) FROM observations GROUP BY 1 ORDER BY 1"
        )


def _lost(path) -> list[tuple[str, str, str]]:
    with Bundle.open(path) as bundle:
        return bundle.sql(
            "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o ON o.row = l.row ORDER BY 1, 3"
        )


@pytest.mark.parametrize(("times", "windows"), [(0, 12), (1, 12), (2, 0)])
def test_a_length_is_asked_for_twice_and_then_said_to_be_unknown(
    table, tmp_path, monkeypatch, times, windows
):
    asked: list[str] = []
    monkeypatch.setattr(expand, "DecodePool", _slow(times, asked))
    build(BuildConfig(table=str(table), out=tmp_path / "i", model="mini"))

    assert _rows(tmp_path / "i") == [("broken", 0), ("long", windows), ("other", 12)]
    lost = _lost(tmp_path / "i")
    assert [r for i, _, r in lost if i == "long"] == ([REASON] if times == 2 else [])
    assert [i for i, _, _ in lost].count("broken") == 1  # lost as a file, not for its length too
    assert not any("length" in r for i, _, r in lost if i != "long")
    assert asked.count("other.flac") == 1
    assert asked.count("long.flac") == (1 if times == 0 else 2)
    assert asked.count("broken.wav") == 2
    with Bundle.open(tmp_path / "i") as bundle:
        counts = bundle.manifest["counts"]
    assert (counts["rows_in"], counts["rows_indexed"]) == (3, 3)
    assert counts["files_lost"] == (2 if times == 2 else 1)


def test_without_windows_no_length_is_missed(table, tmp_path, monkeypatch):
    monkeypatch.setattr(expand, "DecodePool", _slow(2, []))
    build(BuildConfig(table=str(table), out=tmp_path / "i", model="mini", windows="none"))

    assert _rows(tmp_path / "i") == [("broken", 0), ("long", 0), ("other", 0)]
    assert [i for i, _, _ in _lost(tmp_path / "i")] == ["broken"]


def test_what_had_no_length_is_measured_by_the_next_run(table, tmp_path, monkeypatch):
    """A run that is cut off after measuring leaves no recording unmeasured for ever."""
    from prom3e_index.indexer import encode

    def cut_off(*_, **__):
        raise KeyboardInterrupt

    config = BuildConfig(table=str(table), out=tmp_path / "i", model="mini")
    asked: list[str] = []
    with monkeypatch.context() as m:
        m.setattr(expand, "DecodePool", _slow(2, asked))
        m.setattr(expand, "_cut", cut_off)
        with pytest.raises(KeyboardInterrupt):
            build(config)
    assert encode and asked.count("other.flac") == 1
    asked.clear()
    monkeypatch.setattr(expand, "DecodePool", _slow(0, asked))
    build(config)

    assert "other.flac" not in asked and asked.count("long.flac") == 1
    assert dict(_rows(tmp_path / "i"))["long"] == 12
    assert np.all([i == "broken" for i, _, _ in _lost(tmp_path / "i")])
