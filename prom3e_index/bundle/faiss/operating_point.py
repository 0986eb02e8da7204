"""Choosing how far a gallery is searched: the cheapest point whose recall on held-out queries suffices."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import Floats
from prom3e_index.bundle.faiss.search import TUNED_K as K
from prom3e_index.bundle.faiss.search import Gallery, Point
from prom3e_index.bundle.faiss.told import DEEPER, Told, found_share
from prom3e_index.bundle.memory_maps import release

_CANDIDATES = 256
CAUTIOUS = 64
"""Lists, or beam, at least, where queries are too few to show the wanted recall even if all find all."""


def needed(recall: float) -> float:
    """Queries that show a recall with 95 % confidence if each finds all of its ten hits, by the rule of three.

    The rule: of n trials that all succeed, 3/n may fail at most (Hanley and Lippman-Hand, 1983).
    """
    return math.ceil(round(3 / (K * (1 - recall)), 6)) if recall < 1 else math.inf


def tune(gallery: Gallery, queries: Floats, recall: float) -> Point:
    """Choose an operating point of a gallery that is not exact.

    For each number of candidates the fewest probes (or the narrowest beam) are sought whose mean recall@10
    lies above the target with 95 % confidence; of these points the fastest is taken. A kind that has one number of
    candidates is not timed, and what its lists find is told by `Told`, which searches nothing twice. Queries fewer
    than are `needed` show nothing even if all find all: then no fewer than `CAUTIOUS` lists are read.

    Args:
        gallery: To be tuned.
        queries: (q, width), cross-modal; may be none.
        recall: Wanted recall@10.
    """
    kind = gallery.kind
    most = gallery.lists if kind.ivf else 1024
    least = 1 if kind.ivf else K
    if len(queries) < needed(recall):
        least = min(most, CAUTIOUS)
    if not len(queries):
        return replace(_point(gallery, least), candidates=max(4, kind.first))
    can = Told.can(gallery)
    truth, rows, _ = gallery.search(queries, K + (DEEPER if can else 0), exactly=True)
    release(gallery.vectors)
    shares = Told(gallery, queries, (truth, rows), K).shares if can else None
    best: tuple[float, Point] | None = None
    candidates = kind.first
    while candidates <= _CANDIDATES:
        found = _found(queries, truth, shares)
        reach = _least(gallery, found, recall, candidates, (least, most))
        if reach is not None:
            point = replace(_point(gallery, reach), candidates=candidates)
            if not kind.refined:
                return point
            seconds = min(_seconds(gallery.at(point), queries) for _ in range(3))
            if best is not None and seconds > 0.95 * best[0]:
                break
            best = (seconds, point)
        elif not kind.refined:
            break
        candidates *= 2
    if best is None:  # out of reach: as far as it goes; the certificate says how far that is
        return replace(_point(gallery, most), candidates=_CANDIDATES if kind.refined else 1)
    return best[1]


def _point(gallery: Gallery, reach: int) -> Point:
    name = gallery.kind.name
    return Point(name, probes=reach) if gallery.kind.ivf else Point(name, beam=reach)


Found = Callable[[Gallery], NDArray[np.float64]]
"""The share that a gallery finds at its point, per query (q,)."""


def _found(queries: Floats, truth: Floats, shares: Found | None) -> Found:
    """By searching, where it is not told."""
    return shares or (lambda gallery: found_share(gallery.search(queries, K)[0], truth, K))


def _least(
    gallery: Gallery, found: Found, recall: float, candidates: int, within: tuple[int, int]
) -> int | None:
    """The least reach within bounds that suffices, by doubling and then halving the gap; None when none does."""

    def suffices(reach: int) -> bool:
        point = replace(_point(gallery, reach), candidates=candidates)
        share = found(gallery.at(point))
        error = 1.645 * float(share.std()) / len(share) ** 0.5
        return float(share.mean()) - error >= min(recall, 1 - 1e-9) or float(share.mean()) == 1

    least, most = within
    high = least
    while not suffices(high):
        if high == most:
            return None
        high = min(most, 2 * high)
    low = max(least - 1, high // 2)
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high


def _seconds(gallery: Gallery, queries: Floats) -> float:
    begun = time.perf_counter()
    gallery.search(queries, K)
    return time.perf_counter() - begun
