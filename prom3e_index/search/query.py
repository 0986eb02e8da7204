"""What is asked and what is answered: plain values, without any search in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter

if TYPE_CHECKING:
    from prom3e_index.search.score import Space

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """A question to a bundle; at least one modality must be given.

    Attributes:
        image: Photo file.
        sat: Satellite tile file.
        audio: Sound file.
        location: Latitude, longitude in degrees.
        env: Climate values, scaled as the model's raster.
        text: Taxonomic name.
        embedding: (d,) vector instead of a file, of the modality `embedding_of`.
        embedding_of: Its modality.
        target: Modality searched for; the image when None and given, else the first of the model's.
        k: Hits, at least 1.
        space: `hybrid`, `encoder`, `reconstructed` or `hidden`.
        delta: Overrides the model's δ.
        gamma: Overrides the model's γ.
        epsilon: Overrides the bundle's ε; the gallery is then mixed anew for this query.
        observed_only: Leave out observations whose target was completed.
        filter: What the observations must satisfy.
        group_by: Column of which each value gives at most one hit, the best.
        exact: Score every eligible row, whatever the index; to check an answer.
        model: Model folder or name, when not the bundle's own.
        hub: Local copy of hub repositories.
        device: Where the encoders run.
    """

    image: str | Path | None = None
    sat: str | Path | None = None
    audio: str | Path | None = None
    location: tuple[float, float] | None = None
    env: Sequence[float] | None = None
    text: str | None = None
    embedding: Floats | Sequence[float] | None = None
    embedding_of: str | None = None
    target: str | None = None
    k: int = 10
    space: Space = "hybrid"
    delta: float | None = None
    gamma: float | None = None
    epsilon: float | None = None
    observed_only: bool = False
    filter: Filter = Filter()
    group_by: str | None = None
    exact: bool = False
    model: str | None = None
    hub: str | Path | None = None
    device: str = "cpu"

    def given(self) -> dict[str, Any]:
        """What stands in each modality, in the published order; the embedding under its modality."""
        parts = {
            "image": self.image,
            "sat": self.sat,
            "loc": self.location,
            "env": self.env,
            "text": self.text,
            "audio": self.audio,
        }
        return {k: v for k, v in parts.items() if v is not None}


@dataclass(frozen=True)
class Hit:
    """One observation of an answer.

    Attributes:
        rank: From 1.
        row: Row number in the bundle.
        score: Higher is better.
        completed: Whether the target was completed by the model; False means observed.
        observed: Modalities that the observation has.
        media: Its file in the target modality, else of another one; None without files.
        fields: id, names, place, date, licence, rights holder and so on.
    """

    rank: int
    row: int
    score: float
    completed: bool
    observed: tuple[str, ...]
    media: str | None
    fields: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """A flat, JSON-ready dictionary: rank, id, score, completed, names, place, date, rights, media."""
        out = {
            "rank": self.rank,
            "id": self.fields["id"],
            "score": self.score,
            "completed": self.completed,
        }
        rest = {
            k: str(v) if isinstance(v, date) else v for k, v in self.fields.items() if k != "id"
        }
        return {
            **out,
            **rest,
            "media": self.media,
            "observed": list(self.observed),
            "row": self.row,
        }


@dataclass(frozen=True)
class Answer:
    """What a query found and how.

    Attributes:
        query: given, target, space, weights, filters, sigma_l1, sigma_percentile, sigma_spearman, add_next.
        hits: Best first; ties by row number.
        search: rows, eligible, path, milliseconds per step, notes.
    """

    query: dict[str, Any]
    hits: tuple[Hit, ...]
    search: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """One JSON-ready object."""
        return {
            "query": self.query,
            "hits": [h.to_dict() for h in self.hits],
            "search": self.search,
        }
