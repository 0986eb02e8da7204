"""Segments: adding keeps them few, rows keep their numbers, and few open files are enough to write them anew."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from changes import Heard, answers, ids_of, manifest_of, places, quiet, sound

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer import merge
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import strays
from prom3e_index.indexer.merge import MOST, join_from
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


def grown(first: int, added: list[int]) -> tuple[list[int], int]:
    """Segments after some additions, and the rows that were copied on the way."""
    rows, copied = [first], 0
    for n in added:
        rows.append(n)
        start = join_from(rows)
        if start is not None:
            copied += sum(rows[start:])
            rows = [*rows[:start], sum(rows[start:])]
        assert len(rows) <= MOST and rows[0] == first
    return rows, copied


@pytest.mark.parametrize("first", [1, 1_000_000])
@pytest.mark.parametrize("sizes", [
    [1] * 5_000,
    [1000, 1] * 2_000,
    [2**n for n in range(14, -1, -1)] + [1] * 2_000,
    [4**n for n in range(9, -1, -1)] * 5,
    list(range(1, 1_500)),
    np.random.default_rng(0).zipf(1.3, 3_000).clip(1, 10**6).tolist(),
], ids=["ones", "alternating", "halving", "quartering", "growing", "random"])  # fmt: skip
def test_segments_stay_few_and_rows_are_copied_seldom(first, sizes):
    rows, copied = grown(first, sizes)
    assert sum(rows) == first + sum(sizes)
    assert copied <= (np.log2(sum(sizes)) + 2) * sum(sizes)


@pytest.mark.parametrize("rows, start", [
    ([9] * 16, None),
    ([9] * 17, 1),
    ([1] * 17, 1),
    ([10**6] + [2**n for n in range(15, -1, -1)], 15),
    ([10**6, 900] + [1] * 15, 2),
    ([10**6, 15] + [1] * 15, 1),
])  # fmt: skip
def test_what_is_joined(rows, start):
    assert join_from(rows) == start


def table(folder, name, ids, **kwargs):
    return BuildConfig(
        table=places(folder / name, ids, **kwargs), out=folder, workers=1, model="mini"
    )


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(merge, "MOST", 3)


def test_joined_segments_answer_as_one_build(index, tmp_path, fast, few, base):
    """Rows added one by one, some updated and removed in between: the same as without joining."""
    apart, said = tmp_path / "apart.p3i", Heard()
    subprocess.run(["cp", "-r", str(base), str(apart)], check=True)
    seen = {}
    for which in (index, apart):
        if which == apart:
            merge.MOST = 100
        for n in range(7):
            add(which, table(tmp_path, f"{n}.csv", [f"n{n}", f"m{n}"], shift=n / 3), said)
            if n == 3:
                remove(which, None, ["a4", "n1"], said)
            if n == 4:
                add(which, table(tmp_path, "u.csv", ["n0", "n3", "a2"], shift=9), said, update=True)
        seen[which] = Bundle.open(which)
    one, other = seen[index], seen[apart]
    assert len(one.segments) <= 3 < len(other.segments) == 9
    assert (
        one.places == other.places
        and one.rows == other.rows
        and np.array_equal(one.live, other.live)
    )
    query = "SELECT * FROM observations ORDER BY row"
    assert one.sql(query) == other.sql(query)
    assert one.sql("SELECT * FROM lost ORDER BY ALL") == other.sql(
        "SELECT * FROM lost ORDER BY ALL"
    )
    assert one.manifest["counts"] == other.manifest["counts"]
    assert np.array_equal(one.present, other.present)
    for m in one.modalities:
        assert np.array_equal(np.asarray(one.vectors(m)), np.asarray(other.vectors(m)))
        assert np.array_equal(np.asarray(one.embeddings(m)), np.asarray(other.embeddings(m)))
    assert answers(one) == answers(other)
    assert sound(one) and not strays(index)
    for generation in range(
        1, one.manifest["generation"] + 1
    ):  # segments joined since are still there
        old = Bundle.open(index, at=generation)
        assert ids_of(old) == ids_of(Bundle.open(apart, at=generation))
        assert answers(old, ["loc"]) == answers(Bundle.open(apart, at=generation), ["loc"])
    compact(index, quiet)
    assert sorted(p.name for p in index.iterdir()) == ["manifest.json", "segments"]
    assert len(list((index / "segments").iterdir())) == 1 and answers(
        Bundle.open(index)
    ) == answers(one)


def test_a_damaged_segment_is_not_joined_but_said(index, tmp_path, fast, few):
    for n in range(2):
        add(index, table(tmp_path, f"{n}.csv", [f"n{n}"]), quiet)
    (damaged, _) = sorted((index / "segments").iterdir())
    data = bytearray((damaged / "embeddings" / "loc.npy").read_bytes())
    data[-1] ^= 1
    (damaged / "embeddings" / "loc.npy").write_bytes(data)
    said = Heard()
    assert add(index, table(tmp_path, "3.csv", ["n3"]), said).added == 1
    assert [s for s in said if s.startswith("segments are not joined: ") and str(damaged) in s]
    assert len(manifest_of(index)["segments"]) == 4 and "n3" in ids_of(Bundle.open(index))


def test_an_index_of_many_segments_is_compacted_with_few_open_files(
    index, tmp_path, fast, monkeypatch
):
    monkeypatch.setattr(merge, "MOST", 100)
    for n in range(12):
        add(index, table(tmp_path, f"{n}.csv", [f"n{n}"], shift=n / 7), quiet)
    remove(index, Filter(where="id = 'n5'"), None, quiet)
    expected = answers(Bundle.open(index), ["loc", "image"])
    code = (
        "import sys, os, resource\nfrom pathlib import Path\n"
        "from prom3e_index.indexer import certify, compact, rewrite\n"
        "compact.certified = lambda folder, manifest, *_: manifest\n"
        "rewrite.write_statistics = lambda m, stage, *_: (stage / 'statistics.json').write_text('{}')\n"
        "import duckdb, faiss, torch, prom3e_index.models.folder as f\nf.Model.open('mini').mvae\n"
        "held = len(os.listdir('/dev/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (held + 60, held + 60))\n"
        "compact.compact(Path(sys.argv[1]), lambda *_: None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(index)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    bundle = Bundle.open(index)
    assert len(bundle.segments) == 1 and answers(bundle, ["loc", "image"]) == expected


def test_a_joined_segment_with_lists_is_tuned(tmp_path, few, monkeypatch, mini):
    """Rows that were exact apart become lists together; lists have an operating point that was measured."""
    from prom3e_index.bundle.faiss.kinds import Wish
    from prom3e_index.indexer import as_built, change

    monkeypatch.setattr(as_built, "model_of", lambda *_: mini)
    index = tmp_path / "i.p3i"
    table_of = places(tmp_path / "t.csv", [f"a{i}" for i in range(8)])
    build(
        BuildConfig(table=table_of, out=index, wish=Wish(recall=0.9, kind="ivf-sq8"), model="mini")
    )
    monkeypatch.setattr(change, "is_stale", lambda *_: False)
    for n in range(3):
        add(index, table(tmp_path, f"{n}.csv", [f"{n}-{i}" for i in range(900)], shift=n), quiet)
    last = manifest_of(index)["segments"][-1]
    assert last["rows"] == 2_700 and last["name"].endswith("-joined")
    assert {p["kind"] for p in last["index"].values()} == {"ivf-sq8"}
    assert all(p["tuned"] and p["probes"] >= 1 for p in last["index"].values())
