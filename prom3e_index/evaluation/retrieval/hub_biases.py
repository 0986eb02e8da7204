"""Corrections against hubs in the galleries of an evaluation, from the queries of training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.models.folder import Weights
from prom3e_index.mvae.completion import Completer, infer, mean_embedding
from prom3e_index.search.hubness import BANK, LEAST, Correction
from prom3e_index.search.hubness import bias as hub_bias
from prom3e_index.search.score import Space

Biases = dict[str, dict[str, tuple[Space, NDArray[np.float32]]]]
"""By target and name of the corrected space: its base space and the bias (g,) of each gallery row."""


def hub_biases(
    asks: VisibleSet,
    bank: EvalSet,
    model: Completer | None,
    weights: dict[str, Weights],
    spaces: Sequence[Space],
    corrections: Sequence[Correction],
) -> Biases:
    """The biases of every gallery of a visible set, from up to 384 of the bank's rows that have the set.

    Args:
        asks: The visible set with its galleries.
        bank: Training rows.
        model: Completes; None for the encoder space alone.
        weights: Of each target.
        spaces: Corrections of other spaces are left out.
        corrections: To apply.

    Returns:
        Nothing where the bank has fewer than 20 rows with the visible set.
    """
    used = [c for c in corrections if c.space in spaces]
    rows = np.flatnonzero(bank.has(asks.given))
    if len(rows) < LEAST or not used:
        return {}
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:BANK])
    shown = np.zeros((len(rows), len(bank.modalities)), bool)
    shown[:, [bank.modalities.index(m) for m in asks.given]] = True
    mean = mean_embedding(bank.x[rows], shown)
    names = list(asks.galleries)
    found = None if model is None else infer(model, bank.x[rows], shown, names)
    out: Biases = {}
    for i, target in enumerate(names):
        completed = None if found is None else found.reconstructed[:, i]
        hidden = None if found is None else found.hidden
        products = asks.products_of(target, mean, completed, hidden)
        out[target] = {
            c.name: (c.space, hub_bias(products.scores(c.space, weights[target]), c.method))
            for c in used
        }
    return out
