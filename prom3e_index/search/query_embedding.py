"""What a query gives, as embeddings: files are decoded, places, climate and names encoded, vectors taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, MediaError, ShapeError
from prom3e_index.search.query import Query

if TYPE_CHECKING:
    from concurrent.futures import Future

    from prom3e_index.models.folder import Model

Floats = NDArray[np.float32]


def embed_query(
    bundle: BundleFolder, model: Model, query: Query, decoded: dict[str, Future[Any]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Embed what a query gives: (1, m, d) unit rows and (1, m) presence.

    `decoded` holds the query's media, being decoded in a process of their own.

    Raises:
        InputError: Nothing given, or a file that cannot be decoded.
        ShapeError: An embedding or climate of another width.
        MismatchError: An encoder that is not the bundle's.
    """
    from prom3e_index.encoders.protocol import unit_rows

    x = np.zeros((1, len(model.modalities), model.width), np.float32)
    present = np.zeros((1, len(model.modalities)), bool)
    for modality, value in query.given().items():
        bundle.check_encoder(model, modality)
        encoder = model.encoder(modality)
        if modality in decoded:
            result = decoded[modality].result()
            if isinstance(result, MediaError):
                raise InputError(f"The query's {modality}: {result}.") from result
            item: Any = [result]
        elif modality == "text":
            item = [str(value)]
        else:
            item = np.asarray([value], np.float32)
        column = model.modalities.index(modality)
        x[0, column], present[0, column] = encoder.encode(item)[0], True
    own = query.embedded(model.modalities)
    if own is not None:
        column = model.modalities.index(own)
        wide = model.widths.get(own, model.width)
        vector = _vector(query, wide, bundle)
        x[0, column] = unit_rows(np.pad(vector, (0, model.width - wide)))
        present[0, column] = True
    if not present.any():
        raise InputError(
            "The query gives nothing; give at least one of --image --sat --audio --location "
            "--env --text --embedding."
        )
    return x, present


def _vector(query: Query, wide: int, bundle: BundleFolder) -> Floats:
    """The query's embedding, (wide,), its largest number 1 where float32 could not square it."""
    try:
        vector = np.asarray(query.embedding, np.float64).reshape(-1)
    except (TypeError, ValueError) as e:
        raise InputError(f"The query's embedding is no vector of numbers: {e}.") from e
    if vector.shape != (wide,):
        raise ShapeError(
            f"The query's embedding is {len(vector)} wide, {bundle.path} was built with {wide}."
        )
    largest = float(np.abs(vector).max())
    if not np.isfinite(vector).all() or not largest:
        raise InputError("The query's embedding is zero or holds values that are not numbers.")
    return (vector if 1e-12 < largest < 1e12 else vector / largest).astype(np.float32)
