"""Answers whose truth is known, of made-up species in space, some queries clearer than others."""

from __future__ import annotations

import numpy as np

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.signals import FIRST, First

NAMES = ("image", "sat", "loc", "env", "text", "audio")


def made_answers(
    directions, queries=200, species=12, rows=400, seed=0, width=8, shuffled=False
) -> list[Answers]:
    """One `Answers` per (visible set, target); the more is visible, the clearer the query.

    Every direction is asked by the same observations, as many of each species; with `shuffled` labels have nothing to
    do with places.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(species, width))
    label = np.arange(rows) % species
    gallery = unit(centres[label] + 0.5 * rng.normal(size=(rows, width)))
    truth = np.arange(queries) % species
    dim = rng.uniform(0.2, 2.5, queries)
    if shuffled:
        label = rng.permutation(label)
    out = []
    for visible, target in directions:
        noise = dim[:, None] / len(visible) ** 0.7 * rng.normal(size=(queries, width))
        asked = unit(centres[truth] + noise)
        scores = asked @ gallery.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
        own = unit(centres[truth] + 0.5 * rng.normal(size=(queries, width)))
        error = 1 - (asked * own).sum(axis=1)
        taken = np.take_along_axis(scores, best, 1)
        first = First.of(taken, label[best], taken, np.zeros(best.shape))
        where = np.arange(queries)
        out.append(Answers(tuple(visible), target, first, truth, where, truth, error))
    return out


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


ONE = [((g,), t) for g in NAMES[:4] for t in NAMES[:4] if g != t]
TWO = [
    ((a, b), t)
    for i, a in enumerate(NAMES[:4])
    for b in NAMES[i + 1 : 4]
    for t in NAMES[:4]
    if t not in (a, b)
]
