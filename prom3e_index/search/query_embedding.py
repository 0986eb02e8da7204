"""What queries give, as embeddings: files are decoded, places, climate and names encoded, vectors taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, MediaError, ShapeError
from prom3e_index.media.pool import Task
from prom3e_index.media.spans import media_task, refusal, whole_views
from prom3e_index.search.examples import embedding, examples
from prom3e_index.search.query import Query
from prom3e_index.search.query_names import read_text
from prom3e_index.search.spans import checked_span, split_span

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.asked import Asked

Floats = NDArray[np.float32]
_AT_ONCE = 64
"""Items that go through an encoder together."""


def media_tasks(model: Model, query: Query) -> dict[str, list[Task]]:
    """What has to be decoded for a query, by modality; of a recording the span that is asked for."""
    return {
        m: [_task(query, m, f, asdict(model.media_spec(m))) for f in files]
        for m, files in query.media().items()
    }


def _task(query: Query, modality: str, file: str | Path, spec: dict[str, Any]) -> Task:
    if modality != "audio":
        return Task(modality, Path(file).absolute(), spec)
    path, span = split_span(file)
    if query.audio_span is not None:
        span = checked_span(query.audio_span, str(file))
    if span is None:
        return Task("heard", path.absolute(), spec)
    return media_task(modality, path.absolute(), spec, span)


def embed_queries(
    bundle: BundleFolder, model: Model, part: Sequence[Asked]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Embed what queries give: (n, m, d) unit rows and (n, m) presence.

    Several of one modality, files or rows of the index, give the unit mean of their embeddings. A query that cannot be
    embedded is marked as refused: it gives nothing, a file cannot be decoded, a row of the index lacks what is asked
    by, or a vector has another width.

    Raises:
        MismatchError: An encoder that is not the bundle's.
    """
    from prom3e_index.encoders.protocol import unit_rows

    x = np.zeros((len(part), len(model.modalities), model.width), np.float32)
    present = np.zeros(x.shape[:2], bool)
    summed = np.zeros(x.shape[:2], int)
    items: dict[str, list[tuple[int, Any]]] = {}
    for i, asked in enumerate(part):
        try:
            own = {m: _items(bundle, asked, m) for m in asked.query.given()}
            like = examples(bundle, asked.query)
            vector = _vector(bundle, model, asked.query)
            if vector is not None:
                column, values = vector
                x[i, column], present[i, column], summed[i, column] = values, True, 1
            elif not own and not like:
                raise InputError(
                    "The query gives nothing; give at least one of --image --sat --audio --location "
                    "--env --text --embedding --like."
                )
        except (InputError, ShapeError) as e:
            asked.refused = e
            continue
        for modality, some in own.items():
            items.setdefault(modality, []).extend((i, item) for item in some)
            summed[i, model.modalities.index(modality)] += len(some)
        for modality, rows in like.items():
            column = model.modalities.index(modality)
            for number in rows:
                x[i, column] += embedding(bundle, modality, number)
            present[i, column] = True
            summed[i, column] += len(rows)
    for modality, every in items.items():
        bundle.check_encoder(model, modality)
        column = model.modalities.index(modality)
        for at in range(0, len(every), _AT_ONCE):
            chunk = every[at : at + _AT_ONCE]
            for (i, _), row in zip(chunk, _encoded(model, modality, chunk, part), strict=True):
                if row is not None:
                    x[i, column] += row
                    present[i, column] = True
    x[summed > 1] = unit_rows(x[summed > 1])
    return x, present


def _items(bundle: BundleFolder, asked: Asked, modality: str) -> list[Any]:
    """What the encoder of a modality takes for a query: one, or several to be averaged."""
    if modality in asked.decoding:
        files = zip(asked.query.media()[modality], asked.decoding[modality], strict=True)
        return [_heard(modality, file, f.result()[0]) for file, (_, f) in files]
    if modality == "text":
        read = [read_text(bundle, text) for text in asked.query.several()["text"]]
        asked.notes += [said for _, said in read if said is not None]
        return [text for text, _ in read]
    return [asked.query.given()[modality]]


def _heard(modality: str, file: str | Path, result: Any) -> Any:
    if isinstance(result, MediaError):
        raise InputError(f"The query's {modality}: {result}.") from result
    if modality != "audio":
        return result
    reason = refusal(result)
    if reason is not None:
        raise InputError(f"The query's audio: {file} {reason}.")
    return whole_views(result)


def _encoded(
    model: Model, modality: str, chunk: Sequence[tuple[int, Any]], part: Sequence[Asked]
) -> list[Floats | None]:
    """The embedding of each item; None, and its query refused, where the encoder does not take it."""
    encoder, plain = model.encoder(modality), modality in ("loc", "env")

    def encode(items: Any) -> Floats:
        with np.errstate(over="ignore"):  # what is too large for a vector is refused below
            taken: Any = np.asarray(items, np.float32) if plain else items
            rows = encoder.encode(taken)
        if not (np.isfinite(rows).all() and rows.any(axis=-1).all()):
            raise InputError(
                f"The query's {modality} has no embedding: its values are too large for the encoder."
            )
        return rows

    try:
        return list(encode([item for _, item in chunk]))
    except (InputError, ShapeError, MediaError):
        pass
    out: list[Floats | None] = []
    for i, item in chunk:  # one of them is not taken: each is tried alone
        try:
            out.append(encode([item])[0])
        except (InputError, ShapeError, MediaError) as e:
            part[i].refused = e
            out.append(None)
    return out


def _vector(bundle: BundleFolder, model: Model, query: Query) -> tuple[int, Floats] | None:
    """The column of a query's own embedding, and the unit vector that stands there; None without one."""
    from prom3e_index.encoders.protocol import unit_rows

    own = query.embedded(model.modalities)
    if own is None:
        return None
    wide = model.widths.get(own, model.width)
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
    vector = (vector if 1e-12 < largest < 1e12 else vector / largest).astype(np.float32)
    return model.modalities.index(own), unit_rows(np.pad(vector, (0, model.width - wide)))
