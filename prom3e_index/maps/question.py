"""What a map is asked with, as one vector in the space of the cells: a query, or the observations of a taxon."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.maps.allowed import Allowed, Names, finest, names_of_taxon
from prom3e_index.maps.cells import PLACE
from prom3e_index.maps.places_of import open_place
from prom3e_index.maps.spaces import taxon_gamma
from prom3e_index.models.mixing import Weights
from prom3e_index.schema import RANKS, set_key
from prom3e_index.search.asked_vector import asked_vector
from prom3e_index.search.query import Query

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float32]
LIKELY = 50
"""First hits whose taxa may be meant by a query without a name."""


@dataclass(frozen=True, eq=False)
class Question:
    """A query, ready for cells.

    Attributes:
        words: What it is asked with, without names of files: `image+text`, `Ardea cinerea (31 observations)`.
        visible: Modalities that it gives; empty for a taxon's observations.
        vector: (d + z + b,)
        x: (m, d) its embeddings; zeros for a taxon's observations.
        weights: δ, γ, ε.
        space: Where it is compared.
        sigma: ‖σ‖₁ of the query; None for a taxon's observations.
        taxon: The taxon that is named, as the index writes it; None where none is.
        rows: Of the index, ascending: those of the taxon whose places are told.
        hash: Of all that is asked, the same for the same question.
        allowed: How fine the map may be.
    """

    words: str
    visible: tuple[str, ...]
    vector: Floats
    x: Floats
    weights: Weights
    space: str
    sigma: float | None
    taxon: str | None
    rows: NDArray[np.int64]
    hash: str
    allowed: Allowed


def question_of(
    bundle: Bundle,
    model: Model,
    query: Query,
    taxon: str | None,
    permit: Callable[[Allowed], None] = lambda allowed: None,
) -> Question:
    """Ask with a query, or with a taxon's observations.

    Args:
        bundle: The index.
        model: Its model.
        query: What is given, with space and weights; its target is the place.
        taxon: In place of it: the mean of the index's gallery rows of that taxon.
        permit: Told how fine a map may be as soon as that is known; raises where it is too fine.

    Raises:
        InputError: Both or neither, a taxon that no observation has, or one whose places are all hidden.
        MediaError, ShapeError: The query cannot be read.
    """
    shown = (*(query.like or ()), *query.more)
    given = bool(query.given()) or query.embedding is not None or query.like is not None
    if given == (taxon is not None):
        raise InputError(
            "A map is of a query (--image, --audio, --text, --location, --sat, --env) or of --taxon NAME; give one of "
            "the two."
        )
    if PLACE not in model.modalities:
        raise InputError(f"Model {model.name} does not know places, so it makes no maps.")
    if taxon is not None:
        return _of_taxon(bundle, model, query, taxon, permit)
    asked, x, present = asked_vector(bundle, replace(query, target=PLACE))
    visible = tuple(m for m, has in zip(model.modalities, present, strict=True) if has)
    texts = query.several().get("text", ())
    named = [_names(bundle, str(t)) for t in texts]
    known = [n for n in named if n]
    of_rows = _names_of_rows(bundle, shown) if shown else []  # they count as named too
    likely = [] if known else _likely(bundle, query)
    named_so = [one for many in known for one in many]
    allowed = finest(bundle, [*named_so, *of_rows] if known else [], [*likely, *of_rows])
    permit(allowed)
    assert asked.vector is not None and asked.weights is not None  # it was completed
    title = known[0][0]["scientific_name"] if known else None
    rows = taxon_rows(bundle, title) if title else np.zeros(0, np.int64)
    return Question(
        set_key(visible, model.modalities) + (f" ({title})" if title else ""), visible, asked.vector, x, asked.weights,
        query.space, asked.sigma, title, rows, _hash(asked.vector, x), allowed,
    )  # fmt: skip


def _of_taxon(
    bundle: Bundle, model: Model, query: Query, taxon: str, permit: Callable[[Allowed], None]
) -> Question:
    names = _names(bundle, taxon)
    allowed = finest(bundle, names or [{"scientific_name": taxon, "text": taxon}], [])
    permit(allowed)
    rows = taxon_rows(bundle, taxon)
    if not len(rows):
        every = bundle.eligible(Filter(taxon=taxon))
        if every is None or not len(every):
            raise InputError(f"No observation is of {taxon!r:.80}{bundle.unknown_taxon(taxon)}.")
        raise InputError(
            f"The {len(every):,} observations of {taxon!r} have no place, or one that is hidden; there is nothing to "
            "map."
        )
    weights = taxon_weights(model, query)
    vector = prototype(bundle, rows, weights)
    title = str(names[0]["scientific_name"]) if names else taxon
    return Question(
        f"{title} ({len(rows):,} observations)", (), vector, np.zeros((len(model.modalities), model.width), np.float32),
        weights, query.space, None, title, rows, _hash(vector), allowed,
    )  # fmt: skip


def taxon_weights(model: Model, query: Query) -> Weights:
    """γ of a taxon's observations: as asked, else as the model's maps say, else its default."""
    default = model.weights((), PLACE)
    gamma = {"encoder": 0.0, "reconstructed": 0.0, "hidden": 1.0}.get(query.space, query.gamma)
    if gamma is None:
        chosen = taxon_gamma(model)
        gamma = default.gamma if chosen is None else chosen
    return Weights(0.0, gamma, default.epsilon)


def prototype(bundle: Bundle, rows: NDArray[np.int64], weights: Weights) -> Floats:
    """The mean of gallery rows of places as a query: [(1 − γ)·g, γ·h], each part a unit vector, no bias."""
    d = bundle.model().width
    whole = len(bundle.vectors(PLACE)[:1][0])
    mean = np.zeros(whole, np.float64)
    for at in range(0, len(rows), 4096):
        mean += np.asarray(bundle.vectors(PLACE)[rows[at : at + 4096]], np.float64).sum(0)
    out = np.zeros(whole, np.float32)
    end = whole - bundle.bias_width
    for part, share in ((slice(0, d), 1 - weights.gamma), (slice(d, end), weights.gamma)):
        norm = float(np.linalg.norm(mean[part]))
        out[part] = share * mean[part] / norm if norm else 0
    return out


def _names(bundle: Bundle, name: str) -> list[Names]:
    return [names_of_taxon(t) for t in bundle.metadata.known_taxa(name, bundle.several)]


def taxon_rows(bundle: Bundle, taxon: str) -> NDArray[np.int64]:
    """Rows of a taxon whose places are told, ascending."""
    found = bundle.eligible(Filter(taxon=taxon, where=open_place(bundle)))
    return np.zeros(0, np.int64) if found is None else np.asarray(found, np.int64)


def _likely(bundle: Bundle, query: Query) -> Sequence[Names]:
    """The taxa of a query's first hits, whatever is hidden of them."""
    target = "image" if "image" in bundle.modalities else bundle.modalities[0]
    hits = bundle.search(
        replace(query, k=LIKELY, target=target, confidence=False, space="hybrid")
    ).hits
    return _names_of_rows(bundle, [h.row for h in hits])


def _names_of_rows(bundle: Bundle, rows: Sequence[int]) -> Sequence[Names]:
    """The taxa of some rows, whatever is hidden of them."""
    held = [c for c in (*RANKS, "scientific_name", "common_name", "text") if c in bundle.columns]
    if not rows or not held:
        return []
    cells = ", ".join(f'"{c}"' for c in held)
    numbers = ", ".join(str(int(r)) for r in rows)
    found = bundle.sql(f"SELECT DISTINCT {cells} FROM observations WHERE row IN ({numbers})")
    return [dict(zip(held, map(_text, row), strict=True)) for row in found]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _hash(*arrays: Floats) -> str:
    told = hashlib.sha256()
    for array in arrays:
        told.update(np.round(array, 5).astype(np.float32).tobytes())
    return told.hexdigest()[:16]
