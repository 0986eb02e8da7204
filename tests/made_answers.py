"""Answers made by code, whose truth and difficulty are known, for tests of what tells right ones from wrong ones."""

from __future__ import annotations

import numpy as np

from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.signals import First
from prom3e_index.evaluation.uncertainty.asked import Asked

NAMES = ("image", "sat", "loc", "env", "text", "audio")


def made(
    visible, target, ease, species, *, seed=0, rows=None, k=40, kinds=12, right=None, sigma=None
):
    """One direction: a query of `ease` e has rows of its own species e above the others' scores.

    Args:
        ease: (q,) how far above, in the unit of the noise.
        species: (q,) codes of the queries.
        right: (q,) make the first row's species the right one or another, whatever the scores; None leaves it.
    """
    rng, q = np.random.default_rng(seed), len(species)
    codes = rng.integers(0, kinds, (q, k))
    codes[:, :3] = species[:, None]
    scores = 0.5 + 0.05 * rng.normal(size=(q, k))
    scores[:, :3] += 0.05 * np.asarray(ease)[:, None]
    order = np.argsort(-scores, axis=1, kind="stable")
    scores, codes = (np.take_along_axis(v, order, 1) for v in (scores, codes))
    if right is not None:
        other = (species + 1 + rng.integers(0, kinds - 1, q)) % kinds
        codes[:, 0] = np.where(right, species, other)
    cosines = np.clip(0.6 + 0.1 * rng.normal(size=(q, k)), -1, 1)
    rows = np.arange(q) if rows is None else np.asarray(rows)
    error = np.clip(1 - cosines.max(axis=1) + 0.02 * rng.normal(size=q), 0, 2)
    answers = Answers(
        visible, target, First.of(scores, codes, cosines, np.clip(cosines, 0, 1)), species, rows,
        species, error,
    )  # fmt: skip
    return Asked(answers, 100 + rng.normal(size=q) if sigma is None else np.asarray(sigma, float))


def several(seed=0, n=400, kinds=12, **more):
    """Three directions to one target and one to another, of n rows each; ease falls with the row, in disorder."""
    rng = np.random.default_rng(seed)
    species, ease = rng.integers(0, kinds, n), rng.uniform(0, 4, n)
    return [
        made(v, t, ease + extra, species, seed=seed + i, kinds=kinds, **more)
        for i, (v, t, extra) in enumerate(
            [
                (("image",), "sat", 0), (("text",), "sat", 0.5), (("image", "text"), "sat", 1.5),
                (("image",), "audio", -0.5),
            ]
        )
    ]  # fmt: skip
