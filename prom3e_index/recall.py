"""Recall of every direction, from embeddings: the table that the demo shows and training tunes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.hybrid import Inferred, gallery, infer, query_rows
from prom3e_index.metrics import bootstrap_interval, expected_ranks, recall_at
from prom3e_index.model import Model, Weights

Floats = NDArray[np.float32]
SAME_ITEM = ("sat", "loc", "env")
"""Targets that are right when the very item is found; elsewhere an item of the same species counts."""

_IDENTICAL = 1 - 1e-4
_LEAST = 20


@dataclass(frozen=True)
class Direction:
    """Everything that scoring one direction needs.

    Attributes:
        given: Modality of the queries.
        target: Modality of the gallery.
        queries: (q, d) their embeddings.
        inferred: What the MVAE says of the queries; `reconstructed` (q, 1, d) is the target.
        bank: (n, d + z) gallery rows, ε = 0, completed without the modality that asks.
        relevant: (q, n).
    """

    given: str
    target: str
    queries: Floats
    inferred: Inferred
    bank: Floats
    relevant: NDArray[np.bool_]

    def ranks(self, space: Any, weights: Weights) -> NDArray[np.float64]:
        """Expected rank of the first right answer of each query that has one."""
        q = query_rows(
            self.queries, self.inferred.reconstructed[:, 0], self.inferred.hidden, space, weights
        )
        ranks = expected_ranks(q @ self.bank.T, self.relevant)
        return np.asarray(ranks[np.isfinite(ranks)])


def directions(
    model: Model, x: Floats, present: NDArray[np.bool_], species: NDArray[Any], limit: int = 800
) -> Iterator[Direction]:
    """Every ordered pair of modalities with at least 20 queries and 20 gallery rows.

    Only observed targets are in the gallery. Its hidden block is inferred without the modality that
    asks: a user's query is not in the bundle either, and would else be found by itself.

    Args:
        model: Only its MVAE is used.
        x: (n, m, d) unit rows.
        present: (n, m).
        species: (n,) labels; None or empty means unknown and matches nothing.
        limit: Queries per direction, the first in order.
    """
    names = model.modalities
    known = np.array([s is not None and s != "" for s in species])
    for g, given in enumerate(names):
        without = present.copy()
        without[:, g] = False
        rest = np.flatnonzero(without.any(axis=1))
        if len(rest) < _LEAST:
            continue
        at = np.full(len(x), -1)
        at[rest] = np.arange(len(rest))
        whole = infer(model, x[rest], without[rest], ())
        for t, target in enumerate(names):
            have = np.flatnonzero(present[:, t])
            able = present[:, g] & (present[:, t] if target in SAME_ITEM else known)
            rows = np.flatnonzero(able)[:limit]
            if t == g or len(rows) < _LEAST or len(have) < _LEAST:
                continue
            mask = np.zeros((len(rows), len(names)), bool)
            mask[:, g] = True
            if target in SAME_ITEM:
                relevant = x[rows, t] @ x[have, t].T > _IDENTICAL
            else:
                relevant = species[rows][:, None] == species[have][None, :]
                relevant &= rows[:, None] != have[None, :]
            bank = gallery(
                x[have, t], np.ones(len(have), bool), x[have, t], whole.hidden[at[have]], 0.0
            )
            yield Direction(
                given,
                target,
                x[rows, g],
                infer(model, x[rows], mask, (target,)),
                bank,
                np.asarray(relevant),
            )


def recall_table(
    model: Model, x: Floats, present: NDArray[np.bool_], species: NDArray[Any], limit: int = 800
) -> list[dict[str, Any]]:
    """Recall of every direction in three spaces.

    Returns:
        A record per direction: `given`, `target`, `match` (`same item` or `same species`), `rows`,
        `gallery`, and for `encoder`, `reconstructed` and `hybrid` each recall@1, recall@10 and the
        95 % bootstrap interval of recall@1.
    """
    out = []
    for d in directions(model, x, present, species, limit):
        record: dict[str, Any] = {
            "given": d.given,
            "target": d.target,
            "gallery": len(d.bank),
            "match": "same item" if d.target in SAME_ITEM else "same species",
        }
        weights = model.weights((d.given,), d.target)
        for space in ("encoder", "reconstructed", "hybrid"):
            ranks = d.ranks(space, weights)
            record["rows"] = len(ranks)
            record[space] = {
                "recall@1": recall_at(ranks, 1),
                "recall@10": recall_at(ranks, 10),
                "interval": bootstrap_interval(ranks <= 1, draws=300),
            }
        out.append(record)
    return out
