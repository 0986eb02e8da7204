"""Certificates of an index large enough for lists."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from changes import places, quiet

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import Filter
from prom3e_index.cli.render import write_certificate
from prom3e_index.indexer import certify as certify_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.certify import cross_modal
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """An index of 3,000 places in lists of 8-bit codes."""
    folder = tmp_path_factory.mktemp("listed")
    table = places(folder / "t.csv", [f"a{i}" for i in range(3_000)])
    wish = Wish(recall=0.9, kind="ivf-sq8")
    build(BuildConfig(table=table, out=folder / "i.p3i", wish=wish, model="mini"))
    return folder / "i.p3i"


def test_the_certificate_is_what_numpy_finds(listed):
    bundle = Bundle.open(listed)
    model, made = bundle.model(), bundle.manifest["certificate"]
    for target in ("image", "audio"):
        m = made["targets"][target]
        queries = cross_modal(bundle, model, target, certify_module.QUERIES, seed=1)
        vectors = np.asarray(bundle.vectors(target), np.float64)
        exact = np.round(queries.astype(np.float64) @ vectors.T, 6)
        for k in (1, 10, 100):  # each by a search of its own: for more hits more lists are read
            _, found, _ = bundle.nearest(target, queries, k)
            least = -np.sort(-exact, axis=1)[:, k - 1 : k]
            share = (np.take_along_axis(exact, found[:, :k], 1) >= least - 3e-6).mean()
            assert m[f"recall@{k}"] == pytest.approx(share, abs=2e-3)
        assert m["kind"] == "ivf-sq8" and m["recall@10"] >= 0.88
        assert [f["short"] for f in m["filtered"]] == [0] * len(m["filtered"]) != []
        assert 0 < m["p50_ms"] <= m["p95_ms"] <= m["p99_ms"] and m["batch_qps"] > 0
        width = vectors.shape[1]
        assert 3 * width < m["disk_bytes_per_row"] < 3 * width + 64 * width * 4 / 3_000 * 64
    assert made["rows"] == 3_000 and made["generation"] == 1 and made["versions"]["faiss"]


def test_lists_and_exact_segments_answer_as_one(listed, tmp_path, fast):
    index = tmp_path / "i.p3i"
    shutil.copytree(listed, index)
    table = places(tmp_path / "n.csv", [f"n{i}" for i in range(40)], shift=0.5)
    add(index, BuildConfig(table=table, out=index, model="mini"), quiet)
    remove(index, Filter(where="row % 7 = 0"), None, quiet)
    bundle = Bundle.open(index)
    kinds = [s["index"]["image"]["kind"] for s in bundle.manifest["segments"]]
    rng, live = np.random.default_rng(0), bundle.live
    vectors = np.asarray(bundle.vectors("image"), np.float32)
    queries = vectors[rng.choice(live, 16)] + 0.02 * rng.normal(size=(16, vectors.shape[1]))
    queries = queries.astype(np.float32)
    rare = live[rng.random(len(live)) < 0.02]

    assert kinds == ["ivf-sq8", "exact"] and len(live) == 3_040 - 435
    for rows in (None, rare, live[:2_400], np.zeros(0, np.int64)):
        eligible = live if rows is None else rows
        for k in (1, 10, 60):
            scores, found, _ = bundle.nearest("image", queries, k, rows)
            certain, exact, path = bundle.nearest("image", queries, k, rows, exactly=True)
            want = min(k, len(eligible))
            assert found.shape == exact.shape == (16, want) and np.isin(found, eligible).all()
            if want == 0:
                continue
            truth = -np.sort(-(queries @ vectors[eligible].T), axis=1)[:, :want]
            assert np.allclose(certain, truth, atol=2e-4) and "exact scan" in path
            assert (scores >= truth[:, -1:] - 2e-4).mean() > 0.85


@pytest.mark.parametrize("timed, said", [
    ((32, 32), "of 32 single"), ((16, 30), "of 16 to 30 single"), ((None, None), None),
])  # fmt: skip
def test_of_how_few_queries_the_times_are_is_said(listed, capsys, timed, said):
    manifest = json.loads((listed / "manifest.json").read_text())
    made = manifest["certificate"]
    for target, count in zip(list(made["targets"].values()), timed, strict=False):
        target.pop("timed", None)
        if count:
            target["timed"] = count
    for target in list(made["targets"].values())[2:]:
        target.pop("timed", None)
    write_certificate(manifest)
    told = capsys.readouterr().out
    assert ("single queries a target" in told) == (said is not None)
    assert said is None or f"p50, p95 and p99 are {said} queries a target" in told
