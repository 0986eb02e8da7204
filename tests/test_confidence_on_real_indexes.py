"""Confidence on approximate indexes, asked by their lists and graphs, and on an index of windows: no hit moves for it."""

from __future__ import annotations

import numpy as np
import pytest
from plain_calibration import put_into
from plain_index import made, without_measuring, write
from recordings import chirp, noise, with_calls
from recordings import write as recorded

import prom3e_index.bundle.faiss.search as faiss_search
from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import Filter
from prom3e_index.confidence.signals import FIRST
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.groups import OBSERVATION, group_codes
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

N, SPECIES, RATE = 2600, 12, 16_000


def crowd(n, seed=0):
    """Embeddings of `SPECIES` species, every modality observed, and the species of each."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, SPECIES, n)
    x = np.random.default_rng(1).normal(size=(SPECIES, 6, 512))[label] + rng.normal(
        size=(n, 6, 512)
    )
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)
    return x, np.ones((n, 6), bool), np.array([f"Genus species{c}" for c in "abcdefghijkl"])[label]


@pytest.fixture(scope="module", params=["ivf-sq8", "hnsw-sq8"])
def approximate(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    x, present, names = crowd(N)
    table = write(folder / "t.npz", x, present, scientific_name=names)
    return made(folder, [table], wish=Wish(kind=request.param)).path, request.param


def bytes_of(answer):
    return [(h.row, np.float32(h.score).tobytes(), h.completed) for h in answer.hits]


def ask(index, row, of="loc", target="image", **more):
    v = np.asarray(index.embeddings(of)[row], np.float32)
    return index.search(Query(embedding=v, embedding_of=of, target=target, **more))


@pytest.mark.parametrize("asked", [
    {"k": 1}, {"k": 10}, {"k": FIRST}, {"k": FIRST + 1}, {"k": 10, "filter": Filter(where="row % 2 = 0")},
    {"k": 5, "exact": True}, {"k": 3, "group_by": "species"},
], ids=str)  # fmt: skip
def test_no_hit_of_an_approximate_index_moves(approximate, monkeypatch, asked):
    path, kind = approximate
    monkeypatch.setattr(faiss_search, "SCAN_BYTES", 0)
    index = put_into(Bundle.open(path))
    paths = []
    for row in range(0, N, N // 8):
        with_it, without = (ask(index, row, confidence=c, **asked) for c in (True, False))
        assert bytes_of(with_it) == bytes_of(without)
        told = with_it.query["confidence"]
        assert told["p_right"] is not None and told["hit"] in (1, None)
        paths.append(without.search["path"])
    assert all(kind in p for p in paths) or "exact" in asked or "filter" in asked, paths


def test_p_is_told_from_the_rows_that_the_index_finds(approximate, monkeypatch):
    """Of the same 200 rows as `nearest` gives: recomputed from those and the species of the table."""
    path, _ = approximate
    monkeypatch.setattr(faiss_search, "SCAN_BYTES", 0)
    index = put_into(Bundle.open(path))
    names = dict(index.sql("SELECT row, taxon_species FROM observations"))
    for row in range(5, N, N // 5):
        answer = ask(index, row, k=FIRST)
        rows = [h.row for h in answer]
        assert answer.query["species_set"]["names"][0] == names[rows[0]]
        votes = np.mean([names[r] == names[rows[0]] for r in rows[:10]])
        few = ask(index, row, k=3).query["confidence"]["p_right"]
        assert few == pytest.approx(answer.query["confidence"]["p_right"], abs=0.05)
        assert answer.query["confidence"]["p_right"] > 0.5 or votes < 1


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Four recordings of a minute, each of twelve windows."""
    folder = tmp_path_factory.mktemp("windows")
    lines = ["id,audio,lat,lon,name"]
    for i, name in enumerate(("Pica pica", "Parus major", "Parus major", "Corvus corax")):
        wave = noise(RATE, 62, i)
        for at in range(0, 60, 5 + i):
            wave = with_calls(wave, RATE, {at: chirp(RATE, low=300 + 400 * i, high=900 + 500 * i)})
        recorded(folder / f"{i}.flac", wave, RATE)
        lines.append(f"r{i},{i}.flac,{40 + i},{8 + i},{name}")
    (folder / "t.csv").write_text("\n".join(lines))
    with without_measuring():
        build(BuildConfig(table=str(folder / "t.csv"), out=folder / "i.p3i", model="mini"))
    return folder / "i.p3i"


@pytest.mark.parametrize("target", ["audio", "loc"])
@pytest.mark.parametrize("asked", [
    {"k": 10}, {"k": 1}, {"k": 3, "group_by": "observation"}, {"k": 2, "group_by": "species"},
], ids=str)  # fmt: skip
def test_of_windows_p_speaks_of_the_hit_of_the_observation(windows, target, asked):
    index = put_into(Bundle.open(windows))
    assert index.several and index.rows == 48
    codes = group_codes(index, OBSERVATION)
    names = dict(index.sql("SELECT row, taxon_species FROM observations"))
    for row in range(0, 48, 6):
        query = {"of": "audio", "target": target, **asked}
        with_it, without = (ask(index, row, confidence=c, **query) for c in (True, False))
        assert bytes_of(with_it) == bytes_of(without)
        told = with_it.query["confidence"]
        (spoken,) = [i for i, h in enumerate(with_it) if h.p_right is not None]
        assert spoken + 1 == told["hit"] and with_it[spoken].p_right == told["p_right"]
        best = ask(index, row, of="audio", target=target, k=1, confidence=False)[0].row
        assert codes[with_it[spoken].row] == codes[best]
        assert with_it.query["species_set"]["names"][0] == names[best]
