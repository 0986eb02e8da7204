"""What filtered searches of an index find, beside exact ones: part of its certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.operating_point import found_share
from prom3e_index.bundle.faiss.scan import score_all
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.opened import BundleFolder

Floats = NDArray[np.float32]
SHARES = (0.5, 0.1, 0.01, 0.001)


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
    for share in SHARES:
        size = int(share * len(live))
        if size < 1:
            continue
        for chosen in ("by chance", "near one row"):
            some = (
                rng.choice(len(live), size, replace=False)
                if chosen == "by chance"
                else order[:size]
            )
            rows = np.sort(live[some])
            truth, _, _ = true.nearest(target, queries, 10, rows, exactly=True)
            let_go(true, target)
            scores, found, path = bundle.nearest(target, queries, 10, rows)
            k = min(10, size)
            short = (
                int((found[:, :k] < 0).any(axis=1).sum()) if found.shape[1] >= k else len(queries)
            )
            out.append(
                {
                    "share": share,
                    "rows": chosen,
                    "recall@10": round(float(found_share(scores, truth, k).mean()), 4),
                    "short": short,
                    "path": path,
                }
            )
    return out
