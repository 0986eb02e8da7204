"""How a query's ‖σ‖₁ stands among observations that show as much and are still there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from plain_index import NAMES, made, quiet, reseal, rows, without_measuring, write

import prom3e_index.indexer.statistics as statistics
from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.change import remove
from prom3e_index.indexer.compact import compact
from prom3e_index.mvae.completion import infer
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

N, M = 40, 26


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two segments of different size; every row is sampled, since there are fewer than 48."""
    folder = tmp_path_factory.mktemp("sigma")
    x, present = rows(N + M, seed=9)
    present[:, NAMES.index("audio")] = False
    present[3, NAMES.index("audio")] = True
    x[3, NAMES.index("audio"), 0] = 1
    x = np.where(present[:, :, None], x, 0)
    parts = [
        write(folder / "a.npz", x[:N], present[:N]),
        write(folder / "b.npz", x[N:], present[N:], N),
    ]
    return made(folder, parts, statistics=True)


def sigma_of(bundle, rows_, shown):
    x = np.stack([np.asarray(bundle.embeddings(m)[rows_], np.float32) for m in NAMES], 1)
    has = np.zeros((len(rows_), 6), bool)
    has[:, [NAMES.index(m) for m in shown]] = True
    return infer(bundle.model(), x, has, ()).sigma_l1


def having(bundle, *shown):
    return bundle.live[bundle.present[bundle.live][:, [NAMES.index(m) for m in shown]].all(axis=1)]


def ask(bundle, shown, row):
    vector = np.asarray(bundle.embeddings(shown)[row], np.float32)
    return bundle.search(Query(embedding=vector, embedding_of=shown, k=1))


def check(bundle):
    for shown in ("loc", "image", "sat", "text"):
        some = having(bundle, shown)
        sigmas = sigma_of(bundle, some, (shown,))
        for row in some[[0, len(some) // 2, -1]]:
            answer = ask(bundle, shown, int(row))
            own = sigma_of(bundle, np.array([row]), (shown,))[0]
            low, high = (100 * float((sigmas <= own + d).mean()) for d in (-2e-3, 2e-3))
            assert low - 0.06 <= answer.query["sigma_percentile"] <= high + 0.06
            assert answer.standing.startswith("above ")


def test_they_are_of_all_segments_and_of_the_same_visible_set(index):
    assert len(index.segments) == 2
    check(index)


def test_they_are_of_the_rows_that_are_left(index, tmp_path):
    import shutil

    copy = tmp_path / "i.p3i"
    shutil.copytree(index.path, copy)
    with without_measuring(statistics=True):
        remove(copy, Filter(where="row < 4 OR row % 7 = 3"), None, quiet)
        left = Bundle.open(copy)
        check(left)
        compact(copy, quiet)
    check(Bundle.open(copy))
    assert '"audio":' not in json.dumps(Bundle.open(copy).statistics).replace(
        " ", ""
    )  # row 3 had the only one


def test_few_samples_are_no_percentile(index):
    """Of a recording alone there is one observation; the answer says that it does not know."""
    answer = ask(index, "audio", 3)
    assert answer.query["sigma_percentile"] is None and "unknown" in answer.standing
    from prom3e_index.cli.render import table

    assert "unknown among the observations" in table(answer, None, explain=True)
    json.dumps(answer.to_dict(), allow_nan=False)


def test_indexes_of_earlier_versions_say_unknown(index, tmp_path):
    import shutil

    copy = tmp_path / "i.p3i"
    shutil.copytree(index.path, copy)
    old = {"loc": {"sat": [-2.5, 30], "image": [-1.0, 12]}}
    for name in ("statistics.json", "segments/000002/statistics.json"):
        (copy / name).write_text(json.dumps(old))
        reseal(copy, name)
    assert ask(Bundle.open(copy), "loc", 1).query["sigma_percentile"] is None


@pytest.mark.parametrize("pool", [5, 24, 2048])
def test_a_sample_is_of_rows_that_have_the_set_each_once(index, tmp_path, monkeypatch, pool):
    """Whether the pool holds enough of a set or not."""
    monkeypatch.setattr(statistics, "POOL", pool)
    monkeypatch.setattr(statistics, "SAMPLES", 12)
    (tmp_path / "embeddings").symlink_to(index.path / "embeddings")
    present = index.present[:N]
    statistics.write_statistics(index.model(), tmp_path, present, quiet)
    held = json.loads((tmp_path / "statistics.json").read_text())["samples"]
    for key, sample in held.items():
        shown = key.split("+")
        able = np.flatnonzero(present[:, [NAMES.index(m) for m in shown]].all(axis=1))
        assert sample["of"] == len(able) and set(sample["rows"]) <= set(able.tolist())
        assert len(sample["rows"]) == len(set(sample["rows"])) == min(12, len(able))
        wanted = sigma_of(index, np.array(sample["rows"]), shown)
        assert sample["sigma_l1"] == pytest.approx(wanted.tolist(), rel=1e-4)
    assert "image+sat+loc" in held and len(held) > 30
