"""What a query asks with, without a search: embeddings and a vector, for galleries that are no index's rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.search.asked import Asked, Clock
from prom3e_index.search.batch import begin, complete, decode, encode
from prom3e_index.search.query import Query
from prom3e_index.search.warm import warm_of

Floats = NDArray[np.float32]


def asked_vector(bundle: BundleFolder, query: Query) -> tuple[Asked, Floats, NDArray[np.bool_]]:
    """Embed and complete a query as `answer` does.

    Args:
        bundle: Gives the model, the names that are known and the correction against hubs.
        query: With its target.

    Returns:
        The query with its vector (d + z + bias,), weights, visible modalities and ‖σ‖₁; its embeddings (m, d), unit
        rows; and (m,) which modalities it gives.

    Raises:
        InputError, MediaError, ShapeError: The query cannot be asked.
        MismatchError: An encoder that is not the bundle's.
    """
    asked, warm, clock = Asked(query), warm_of(bundle), Clock()
    for step in (begin, decode, encode):
        step(bundle, [asked], warm, clock)
    if asked.refused is not None:
        raise asked.refused
    complete(bundle, bundle.model(query.model, query.hub, query.device), [asked], clock)
    assert asked.x is not None and asked.has is not None  # it is embedded
    return asked, asked.x, asked.has
