"""Files that are lost while encoding: each is noted once, before its rows are marked, and many at a time."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from changes import quiet

from prom3e_index.indexer import embed as embed_module
from prom3e_index.indexer import losses as module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.losses import LOST, Losses, looked_at, lost_tables, read_lost
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


@pytest.fixture
def state(tmp_path):
    return np.lib.format.open_memmap(tmp_path / "s.npy", mode="w+", dtype=np.uint8, shape=(9_000,))


def test_losses_are_written_together_and_before_their_rows_are_marked(tmp_path, state, monkeypatch):
    synced = []
    monkeypatch.setattr(module.os, "fsync", lambda f: synced.append(int((state == LOST).sum())))
    losses = Losses(tmp_path, "image", state, tmp_path / "media")
    for row in range(9_000):
        losses.add(np.array([row]), f"{tmp_path}/media/{row}.jpg does not exist")
    assert synced == [0, 4096] and (state == LOST).sum() == 8_192
    losses.write()
    losses.write()
    assert synced == [0, 4096, 8192] and (state == LOST).all()
    expected = [(row, "image", f"{row}.jpg does not exist") for row in range(9_000)]
    assert list(read_lost(tmp_path)) == expected
    tables = list(lost_tables(tmp_path))
    assert [tuple(r.values()) for t in tables for r in t.to_pylist()] == expected


def test_losses_do_not_wait_for_others_for_long(tmp_path, state, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    losses = Losses(tmp_path, "sat", state)
    for seconds, written in ((0, 0), (4, 0), (6, 3), (7, 3), (13, 5)):
        now[0] = seconds
        losses.add(np.array([seconds]), "gone")
        assert len(list(read_lost(tmp_path))) == written


def test_a_note_of_a_part_marks_no_row_and_is_written_at_once(tmp_path, state):
    losses = Losses(tmp_path, "audio", state, tmp_path)
    losses.add(np.array([1]), f"{tmp_path}/a.wav does not exist")
    losses.note(np.array([2, 3]), f"{tmp_path}/b.wav: its end is lost")
    assert list(read_lost(tmp_path)) == [
        (1, "audio", "a.wav does not exist"),
        (2, "audio", "b.wav: its end is lost"),
        (3, "audio", "b.wav: its end is lost"),
    ]
    assert np.flatnonzero(state == LOST).tolist() == [1]


def test_a_line_that_a_crash_cut_off_takes_no_other_along(tmp_path, state):
    (tmp_path / "lost.jsonl").write_text('{"modality": "image", "seqs": [1')
    Losses(tmp_path, "image", state).note(np.array([5]), "gone")
    assert list(read_lost(tmp_path)) == [(5, "image", "gone")]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_tables_of_losses_of_every_size(tmp_path, state, monkeypatch, size):
    monkeypatch.setattr(module, "_BATCH", 2)
    for row in range(size):
        Losses(tmp_path, "image", state).note(np.array([row]), "gone")
    assert [t.num_rows for t in lost_tables(tmp_path)] == [2] * (size // 2) + [1] * (size % 2)


def test_what_counts_as_missing(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    there, _ = found = looked_at(tmp_path / "file")
    assert there > 0 and looked_at(tmp_path / "link") == found == (there, None)
    assert looked_at(tmp_path)[1] is None
    for name in ("nothing", "dangling", "file/below", "no/such/folder"):
        assert looked_at(tmp_path / name) == (0, f"{tmp_path / name} does not exist")
    assert looked_at(tmp_path / ("x" * 5_000)) == (0, None)  # for the decoder to say


def test_missing_files_are_not_sent_to_a_decoder_and_are_in_the_index_with_their_reason(
    tmp_path, world, monkeypatch
):
    photo = sorted(os.listdir(world / "photos"))[0]
    shutil.copy(world / "photos" / photo, tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    lines = ["id,image,lat,lon", "a,good.jpg,1,1", "b,bad.jpg,2,2"]
    lines += [f"m{i},photos/{i % 150}.jpg,3,{i % 90}" for i in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    asked = []

    class Watched(embed_module.DecodePool):
        def map(self, tasks, ahead=64):
            def seen():
                for key, task in tasks:
                    asked.append(task.path.name)
                    yield key, task

            return super().map(seen(), ahead)

    monkeypatch.setattr(embed_module, "DecodePool", Watched)
    manifest = build(
        BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i.p3i", workers=1, model="mini"),
        quiet,
    )
    assert asked == ["good.jpg", "bad.jpg"]
    bundle = Bundle.open(tmp_path / "i.p3i")
    lost = dict(bundle.sql("SELECT o.id, l.reason FROM lost l JOIN observations o USING (row)"))
    assert manifest["counts"]["files_lost"] == len(lost) == 201 and "a" not in lost
    assert "bad.jpg" in lost.pop("b")
    begin = {f"m{i}": f"'photos/{i % 150}.jpg' does not exist under " for i in range(200)}
    assert lost.keys() == begin.keys()
    assert all(lost[i].startswith(begin[i]) and "no folder 'photos'" in lost[i] for i in lost)
    assert bundle.present[:, 0].tolist() == [True] + [False] * 201
    assert json.loads((tmp_path / "i.p3i" / "manifest.json").read_text())["observed"]["image"] == 1
