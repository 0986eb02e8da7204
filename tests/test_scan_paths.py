"""The few and the many are scored alike: numpy and the compiled loops give one answer, and either finds a place to run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from prom3e_index.bundle.faiss import scan


def vectors(n: int, width: int = 96, seed: int = 0):
    """Unit rows of which every fifth repeats an earlier one, so that scores tie."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    x[5::5] = x[2 : 2 + len(x[5::5])] if n > 5 else x[5::5]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def by_hand(v, query, k, rows=None):
    """Every score in double precision, rounded; higher first, ties by row."""
    rows = np.arange(len(v)) if rows is None else rows
    scores = np.rint(v[rows].astype(np.float64) @ query.astype(np.float64) * 1e6) / 1e6
    order = np.lexsort((rows, -scores))[:k]
    return scores[order].astype(np.float32), rows[order]


class Never(scan._Loops):
    """numpy alone."""

    def for_(self, numbers):
        return None


class Always(scan._Loops):
    """The compiled loops alone."""

    def for_(self, numbers):
        return super().for_(numbers + scan._PLAIN_NUMBERS + 1)


@pytest.fixture(params=["plain", "compiled"])
def path(request, monkeypatch):
    monkeypatch.setattr(scan, "_LOOPS", Never() if request.param == "plain" else Always())
    return request.param


@pytest.mark.parametrize(
    "n, k", [(0, 3), (1, 1), (9, 10), (10, 10), (11, 10), (700, 1), (700, 700)]
)
def test_exact_gives_the_best_rows_on_both_paths(path, n, k):
    v = vectors(n)
    queries = np.random.default_rng(1).normal(size=(3, 96)).astype(np.float32)
    some = np.arange(0, n, 3)
    for rows in (None, some):
        held = n if rows is None else len(rows)
        for given in (queries[:1], queries):
            scores, found = scan.exact(v, given, k, rows)
            for i, q in enumerate(given):
                wanted = by_hand(v, q, k, rows)
                have = min(k, held)
                assert np.array_equal(found[i, :have], wanted[1])
                assert np.array_equal(scores[i, :have], wanted[0])
                assert (found[i, have:] == -1).all() and np.isneginf(scores[i, have:]).all()


def test_refine_settle_widen_and_single_rows_on_both_paths(path):
    v = vectors(300)
    rng = np.random.default_rng(2)
    queries = rng.normal(size=(4, 96)).astype(np.float32)
    candidates = np.stack([rng.permutation(300)[:40] for _ in range(4)])
    candidates[1, 3:] = -1
    candidates[2] = -1
    for k in (0, 1, 3, 39, 40, 41):
        scores, rows = scan.refine(v, queries, candidates, k)
        for i, line in enumerate(candidates):
            wanted = by_hand(v, queries[i], k, np.sort(line[line >= 0]))
            have = len(wanted[1])
            assert np.array_equal(rows[i, :have], wanted[1]) and np.array_equal(
                scores[i, :have], wanted[0]
            )
            assert (rows[i, have:] == -1).all() and np.isneginf(scores[i, have:]).all()
    scores = np.array([[0.5, 0.7000001, 0.7, 0.1], [0.2, 0.3, 0, 0]], np.float32)
    rows = np.array([[4, 9, 2, 7], [6, 5, -1, -1]])
    scan.settle(scores, rows)
    assert rows.tolist() == [[2, 9, 4, 7], [5, 6, -1, -1]]
    assert np.array_equal(scores[0], np.array([0.7, 0.7, 0.5, 0.1], np.float32))
    assert np.isneginf(scores[1, 2:]).all()
    few = np.array([7, 7, 0, 299])
    assert np.array_equal(scan.widen(v, few), v[few].astype(np.float32))
    exact = v[few].astype(np.float64) @ queries[0].astype(np.float64)
    assert np.abs(scan.score_rows(v, few, queries[0]) - exact).max() < 1.5e-6


def test_a_process_goes_over_to_the_loops_and_answers_alike(monkeypatch):
    """Before, in the middle of, and after the change: the same rows and the very same scores."""
    v = vectors(4000)
    q = np.random.default_rng(3).normal(size=(1, 96)).astype(np.float32)
    monkeypatch.setattr(scan, "_ROWS_AT_ONCE", 1000)
    monkeypatch.setattr(scan, "_PLAIN_NUMBERS", 6500 * 96)
    monkeypatch.setattr(scan, "_LOOPS", scan._Loops())
    loaded = []
    for _ in range(3):
        scores, rows = scan.exact(v, q, 50)
        loaded.append(scan._LOOPS._module is not None)
        wanted = by_hand(v, q[0], 50)
        assert np.array_equal(rows[0], wanted[1]) and np.array_equal(scores[0], wanted[0])
    assert loaded == [False, True, True]


def test_a_rows_score_is_one_before_and_after_the_loops_are_loaded(monkeypatch):
    """Blocks of one question may lie on both sides of the change; equal rows must tie all the same."""
    v, rows = vectors(3000), np.arange(3000)
    q = np.random.default_rng(7).normal(size=96).astype(np.float32)
    wanted = np.rint(v.astype(np.float64) @ q.astype(np.float64) * 1e6) / 1e6
    found = []
    for limit in (1 << 60, 0):
        monkeypatch.setattr(scan, "_PLAIN_NUMBERS", limit)
        monkeypatch.setattr(scan, "_LOOPS", scan._Loops())
        found.append(scan.score_rows(v, rows, q))
        assert (scan._LOOPS._module is None) is (limit > 0)
    assert np.array_equal(found[0], wanted.astype(np.float32))
    assert np.array_equal(found[1], found[0])


def run(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env={**os.environ, **env}, timeout=200
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_small_search_imports_no_compiler(bundle_path):
    out = run(
        f"""
        import sys
        from prom3e_index import Bundle, Query as query
        bundle = Bundle.open({str(bundle_path)!r})
        hits = [len(bundle.search(q).hits) for q in (query(location=(1.0, 2.0)), query(text='Fictanimalia', exact=True))]
        print(hits, sorted(m for m in ("numba", "llvmlite", "scipy", "sympy", "torch._dynamo", "open_clip", "transformers") if m in sys.modules))
        """
    )
    assert out == "[10, 10] []"


def test_the_loops_compile_where_nothing_can_be_written(tmp_path):
    """Neither the package's folder nor a home: each process compiles for itself, and leaves nothing behind."""
    out = run(
        """
        import numba.core.caching as caching
        class Nowhere:
            @classmethod
            def from_function(cls, *_): return None
        caching.CacheImpl._locator_classes = [Nowhere]
        import numpy as np
        import prom3e_index.evaluation.ranking  # compiles loops of its own
        from prom3e_index.bundle.faiss import compiled
        v = np.eye(4, dtype=np.float16)
        out = np.empty(4, np.float32)
        compiled.dots(v.view(np.uint16), np.arange(4), np.float32([1, 2, 3, 4]), out)
        print(out.tolist(), type(compiled.dots._cache).__name__)
        """,
        HOME="/proc/nonexistent", XDG_CACHE_HOME="/proc/nonexistent", TMPDIR=str(tmp_path),
    )  # fmt: skip
    assert out == "[1.0, 2.0, 3.0, 4.0] NullCache"
    assert not list(tmp_path.iterdir())


def test_loops_on_several_threads_give_what_one_gives():
    """In a process of its own: the suite's have one thread each, as OMP_NUM_THREADS says."""
    out = run(
        """
        import numpy as np, numba
        from prom3e_index.bundle.faiss import compiled
        rng = np.random.default_rng(0)
        bits, rows = rng.normal(size=(5000, 48)).astype(np.float16).view(np.uint16), rng.permutation(5000)
        q = rng.normal(size=(3, 48)).astype(np.float32)
        found = []
        for dots, refine in ((compiled.dots, compiled.refine), (compiled.dots_parallel, compiled.refine_parallel)):
            out = np.empty(5000, np.float32)
            dots(bits, rows, q[0], out)
            scores, kept = np.full((3, 20), -np.inf, np.float32), np.full((3, 20), -1, np.int64)
            refine(bits, q, np.stack([rows] * 3), scores, kept)
            found.append((out, scores, kept))
        wide = np.empty((5000, 48), np.float32)
        compiled.widen(bits, rows, wide)
        same = [np.array_equal(a, b) for a, b in zip(*found)]
        print(numba.get_num_threads(), same, np.array_equal(wide, bits.view(np.float16)[rows].astype(np.float32)))
        """,
        OMP_NUM_THREADS="2", NUMBA_NUM_THREADS="2",
    )  # fmt: skip
    assert out == "2 [True, True, True] True"


def test_compiled_loops_leave_torch_the_threads_that_were_asked_for():
    out = run(
        """
        import os
        os.environ.pop("NUMBA_NUM_THREADS", None)
        import prom3e_index, torch
        from prom3e_index.bundle.faiss import compiled
        import numpy as np
        bits = np.zeros((2000, 48), np.float16).view(np.uint16)
        compiled.dots_parallel(bits, np.arange(2000), np.zeros(48, np.float32), np.empty(2000, np.float32))
        print(torch.get_num_threads())
        """,
        OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert out == "1"
