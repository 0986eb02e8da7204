"""What filtered searches of an index find, beside exact ones: part of its certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import score_all
from prom3e_index.bundle.faiss.search import Gallery, Subset
from prom3e_index.bundle.faiss.told import DEEPER, Told, found_share
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.opened import BundleFolder

Floats = NDArray[np.float32]
SHARES = (0.5, 0.1, 0.01, 0.001)
SEARCHED = 4
"""Queries whose filtered search is made where the others' can be told; if it finds anything else, all are made."""


def told_gallery(bundle: BundleFolder, target: str) -> Gallery | None:
    """The only gallery of a target, where what its searches find can be told of exact ones; see `told`."""
    if len(bundle.segments) != 1 or bundle.rows != bundle.places or not bundle.rows:
        return None
    gallery = bundle.segments[0].gallery(target)
    return gallery if Told.can(gallery) else None


def let_go(bundle: BundleFolder, target: str) -> None:
    """Let go of the pages that an exact search has read: all of the vectors."""
    for segment in bundle.segments:
        if segment.rows:
            release(segment.gallery(target).vectors)


def filtered(
    bundle: BundleFolder, target: str, queries: Floats, true: BundleFolder | None = None
) -> list[dict[str, Any]]:
    """Recall@10 of filtered search against exact filtered search, by share of rows and how they were chosen.

    Args:
        bundle: What is measured.
        target: Modality searched for.
        queries: (q, width).
        true: What is searched exactly; the bundle when None. See `on_card`.
    """
    true = true or bundle
    rng = np.random.default_rng(3)
    live = bundle.live
    first = np.asarray(bundle.vectors(target)[live[:1]], np.float32)[0]
    near = np.concatenate([score_all(s.vectors(target), first) for s in bundle.segments if s.rows])[
        live
    ]
    order = np.argsort(-near, kind="stable")
    out = []
    for share_of_rows in SHARES:
        size = int(share_of_rows * len(live))
        if size < 1:
            continue
        for chosen in ("by chance", "near one row"):
            some = (
                rng.choice(len(live), size, replace=False)
                if chosen == "by chance"
                else order[:size]
            )
            rows = np.sort(live[some])
            k = min(10, size)
            truth, right, _ = true.nearest(target, queries, 10 + DEEPER, rows, exactly=True)
            let_go(true, target)
            share, short, path = _measured(bundle, target, queries, k, rows, (truth, right))
            out.append(
                {
                    "share": share_of_rows,
                    "rows": chosen,
                    "recall@10": round(float(share.mean()), 4),
                    "short": short,
                    "path": path,
                }
            )
    return out


def _measured(
    bundle: BundleFolder,
    target: str,
    queries: Floats,
    k: int,
    rows: NDArray[np.int64],
    truth: tuple[Floats, NDArray[np.int64]],
) -> tuple[NDArray[np.float64], int, str]:
    """Share of the true k best that each query finds (q,), answers short of k, and the path taken."""
    gallery = told_gallery(bundle, target)
    if gallery is not None and not gallery.is_exact(k, len(rows)):
        subset = Subset(rows, len(gallery))
        share = Told(gallery, queries, truth, k, subset).shares(gallery)
        some, short, _ = _searched(bundle, target, queries[:SEARCHED], k, rows, truth[0])
        if np.array_equal(some, share[: len(some)]):
            return share, short, gallery.lists_of_filtered(queries, k, subset).path
    return _searched(bundle, target, queries, k, rows, truth[0])


def _searched(
    bundle: BundleFolder,
    target: str,
    queries: Floats,
    k: int,
    rows: NDArray[np.int64],
    truth: Floats,
) -> tuple[NDArray[np.float64], int, str]:
    scores, found, path = bundle.nearest(target, queries, 10, rows)
    short = int((found[:, :k] < 0).any(axis=1).sum()) if found.shape[1] >= k else len(queries)
    return found_share(scores, truth[: len(queries), :10], k), short, path
