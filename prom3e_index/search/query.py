"""What is asked and what is answered: plain values, without any search in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter, check_place, finite
from prom3e_index.errors import InputError
from prom3e_index.schema import MEDIA, SPACES, modality_name
from prom3e_index.search.spans import media_fragment

if TYPE_CHECKING:
    from prom3e_index.schema import Space

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """A question to a bundle; at least one modality must be given.

    Attributes:
        image: Photo file, or several: their embeddings are averaged.
        sat: Satellite tile file, or several.
        audio: Sound file, or several; `FILE@7:00-7:10` is that span of it.
        audio_span: First and last second within the sound file; None hears it by the published crops.
        location: Latitude, longitude in degrees, within ±90 and ±180.
        env: Climate values, scaled as the model's raster: 20 in the published models.
        text: Taxonomic name, or several.
        embedding: (d,) vector instead of a file, of the modality `embedding_of`; not both of one modality.
        embedding_of: Its modality.
        target: Modality searched for; the image when None and given, else the first of the model's.
        k: Hits, at least 1.
        space: `hybrid`, `encoder`, `reconstructed` or `hidden`.
        delta: Overrides the model's δ.
        gamma: Overrides the model's γ.
        epsilon: Overrides the bundle's ε, from 0 to 1. With 0, as in the space `encoder`, this costs a scan of the
            eligible rows; with any other value those that have the target are completed again, a thousand in a
            fraction of a second, at most 100,000 of them.
        observed_only: Leave out observations whose target was completed.
        filter: What the observations must satisfy.
        group_by: Column of which each value gives at most one hit, the best; `species` is the species of a row
            however the table names it. When None, `observation` where observations have several rows.
        exact: Score every eligible row, whatever the index; to check an answer.
        model: Model folder or name, when not the bundle's own.
        hub: Local copy of hub repositories.
        device: Where the encoders run.
    """

    image: str | Path | Sequence[str | Path] | None = None
    sat: str | Path | Sequence[str | Path] | None = None
    audio: str | Path | Sequence[str | Path] | None = None
    audio_span: tuple[float, float] | None = None
    location: tuple[float, float] | None = None
    env: Sequence[float] | None = None
    text: str | Sequence[str] | None = None
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

    def check(self, modalities: Sequence[str]) -> None:
        """Refuse values that nothing could be found with, as the command line does.

        Args:
            modalities: Of the index.

        Raises:
            InputError: Names the value and what it must be.
        """
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise InputError(f"k is {self.k!r:.60}; ask for a whole number of hits, at least 1.")
        if self.space not in SPACES:
            raise InputError(f"Unknown space {self.space!r:.60}; known: {', '.join(SPACES)}.")
        for name in ("delta", "gamma", "epsilon"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                raise InputError(f"--{name} is {value!r:.60}; it must lie between 0 and 1.")
        if self.location is not None:
            check_place("location", *finite("location", self.location, "latitude, longitude", 2))
        if self.env is not None:
            finite("env", self.env, "scaled climate values")
        for name, values in self.several().items():
            if not values:
                raise InputError(f"{name} is an empty list; leave it out, or give one.")
            for value in values:
                if name == "text" and not (isinstance(value, str) and value.strip()):
                    raise InputError("The text of the query is empty.")
                if name != "text" and not isinstance(value, str | Path):
                    raise InputError(f"{name} is {value!r:.60}; it must be the path of a file.")
        if (self.embedding is None) != (self.embedding_of is None):
            raise InputError("An embedding and its modality go together: --embedding and --as.")
        twice = self.embedded(modalities)
        if twice in self.given():
            raise InputError(
                f"The query gives {twice} twice, as an embedding and otherwise; leave one of them out."
            )
        self.filter.check()
        if self.observed_only and self.filter.observed not in (None, self.target):
            raise InputError(
                f"observed_only asks for the target and the filter for {self.filter.observed!r}; leave one out."
            )

    def embedded(self, modalities: Sequence[str]) -> str | None:
        """The modality of the embedding, by its name; None without one."""
        return None if self.embedding_of is None else modality_name(self.embedding_of, modalities)

    def given(self) -> dict[str, Any]:
        """What stands in each modality, in the published order; an embedding is not among them."""
        parts = {
            "image": self.image,
            "sat": self.sat,
            "loc": self.location,
            "env": self.env,
            "text": self.text,
            "audio": self.audio,
        }
        return {k: v for k, v in parts.items() if v is not None}

    def several(self) -> dict[str, tuple[Any, ...]]:
        """What is given of the modalities of which there may be several, one or more of each."""
        parts = {"image": self.image, "sat": self.sat, "text": self.text, "audio": self.audio}
        return {
            k: tuple(v) if isinstance(v, list | tuple) else (v,)
            for k, v in parts.items()
            if v is not None
        }

    def media(self) -> dict[str, tuple[Any, ...]]:
        """The files that are given, by modality."""
        return {k: v for k, v in self.several().items() if k in MEDIA}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


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
        fields: id, observation, names, place, date, licence, rights holder and so on; `start_s` and `end_s` in seconds
            where the row is a window of a recording.
        heard: Whether its file is a recording.
    """

    rank: int
    row: int
    score: float
    completed: bool
    observed: tuple[str, ...]
    media: str | None
    fields: dict[str, Any]
    heard: bool = False

    @property
    def media_fragment(self) -> str | None:
        """Where in its file a sound was heard, `t=420,430`, as players read it at the end of an address after `#`."""
        if not self.heard:
            return None
        return media_fragment(self.fields.get("start_s"), self.fields.get("end_s"))

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
            "media_fragment": self.media_fragment,
            "observed": list(self.observed),
            "row": self.row,
        }


@dataclass(frozen=True)
class Answer:
    """What a query found and how.

    Attributes:
        query: given, target, space, weights, filters, sigma_l1, sigma_percentile (None: unknown), sigma_spearman,
            add_next.
        hits: Best first; ties by row number.
        search: rows, eligible, path, milliseconds per step, notes.
    """

    query: dict[str, Any]
    hits: tuple[Hit, ...]
    search: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of this answer, the weightiest first."""
        return tuple(self.search.get("notes", ()))

    @property
    def standing(self) -> str:
        """How the query's ‖σ‖₁ stands among observations that show as much, in words."""
        percentile = self.query["sigma_percentile"]
        if percentile is None:
            return "unknown among the observations, of which too few show the same"
        return f"above {percentile:g} % of the observations when they show the same"

    def to_dict(self) -> dict[str, Any]:
        """One JSON-ready object."""
        return {
            "query": self.query,
            "hits": [h.to_dict() for h in self.hits],
            "search": self.search,
        }
