"""What a query asks with, without a search: embeddings and a vector, for galleries that are no index's rows."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.media.pool import DecodePool
from prom3e_index.search.batch import Asked, Clock, Eligible, begin, complete
from prom3e_index.search.query import Query
from prom3e_index.search.query_embedding import embed_queries

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
    asked = Asked(query)
    query.check(bundle.modalities)
    with DecodePool(min(4, len(query.media()))) if query.media() else nullcontext() as pool:
        begin(bundle, [asked], Eligible(bundle), pool)
        model = bundle.model(query.model, query.hub, query.device)
        if asked.refused is None:
            x, present = embed_queries(bundle, model, [asked])
    if asked.refused is not None:
        raise asked.refused
    complete(bundle, model, [asked], x, present, Clock())
    return asked, x[0], present[0]
