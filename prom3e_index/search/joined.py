"""Query rows of several modalities, joined of what each asks alone where the model says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from prom3e_index.models.joined import Joined
    from prom3e_index.mvae.completion import Completer

Floats = NDArray[np.float32]


def joined_rows(
    model: Completer,
    how: Joined | None,
    x: Floats,
    visible: Sequence[str],
    target: str,
    rows: Floats,
    told: Callable[[int], tuple[Floats, Floats]] | None = None,
) -> Floats:
    """Hybrid query rows as a model joins them; `rows` themselves where it asks as one.

    Args:
        model: Completes.
        how: From `Model.joined`.
        x: (n, m, d) unit rows; read where the modality is visible.
        visible: Modalities that all queries show.
        target: What is asked for.
        rows: (n, d + z) from `score.query_rows` with all visible modalities together.
        told: Of the modality at a place, what the model makes of the queries that show it alone: (n, d) the completed
            target and (n, z) the hidden block. Inferred here, when None.
    """
    if how is None:
        return rows
    from prom3e_index.mvae.completion import infer
    from prom3e_index.search.score import query_rows

    def inferred(i: int) -> tuple[Floats, Floats]:
        shown = np.zeros(x.shape[:2], bool)
        shown[:, i] = True
        found = infer(model, x, shown, (target,))
        return found.reconstructed[:, 0], found.hidden

    alone = []
    places = [i for i, m in enumerate(model.modalities) if m in visible]
    for i, w in zip(places, how.weights, strict=True):
        completed, hidden = (told or inferred)(i)
        alone.append(query_rows(x[:, i], completed, hidden, "hybrid", w))
    joined: Floats = how.of(rows, alone)
    return joined
