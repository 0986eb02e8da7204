"""What is asked: plain values, and the checks of them, without any search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter, check_place, finite, given_of, parse_place
from prom3e_index.errors import InputError, near_names
from prom3e_index.models.device import checked_device
from prom3e_index.schema import MEDIA, SPACES, modality_name

if TYPE_CHECKING:
    from prom3e_index.schema import Space

Floats = NDArray[np.float32]
MOST_ROWS = 1000
"""Rows of the index that a query may name to be like, or to mark."""


@dataclass(frozen=True, repr=False)
class Query:
    """A question to a bundle; at least one modality must be given.

    `Query(image="heron.jpg", k=5)`, `Query(text="Pica pica", target="audio", filter=Filter(near=(48.2, 16.3, 50)))`.

    Attributes:
        image: Photo file, or several: their embeddings are averaged.
        sat: Satellite tile file, or several.
        audio: Sound file, or several; `FILE@7:00-7:10` is that span of it.
        audio_span: First and last second within the sound file; None hears it by the published crops.
        location: Latitude, longitude in degrees, within ±90 and ±180; or the text "48.2,16.3".
        env: Climate values, scaled as the model's raster: 20 in the published models.
        text: Taxonomic name, or several.
        embedding: (d,) vector instead of a file, of the modality `embedding_of`; not both of one modality.
        embedding_of: Its modality.
        like: Row numbers of the index: what it holds of them is asked with, averaged with what else is given of the
            same modality. No hit is of their observations.
        like_by: Modalities of those rows to ask with; all that each row has when None.
        more: Rows marked as wanted: what the query gives is moved towards them; see `feedback`.
        less: Rows marked as unwanted: it is moved away from them.
        target: Modality searched for. When None, what is given itself, as a photo for a photo; of several the first
            of image, audio, sat, loc, env, text.
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
        confidence: Say how likely the first hit is right, from up to 200 of the best rows. Hits are the same without.
        model: Model folder or name, when not the bundle's own.
        hub: Local copy of hub repositories.
        device: Where the encoders run: `cpu`, `cuda`, or `cuda:1` for the second.

    Raises:
        InputError: A value that nothing could be found with, as soon as the query is made; says which, and what it
            must be.
    """

    image: str | Path | Sequence[str | Path] | None = None
    sat: str | Path | Sequence[str | Path] | None = None
    audio: str | Path | Sequence[str | Path] | None = None
    audio_span: tuple[float, float] | None = None
    location: tuple[float, float] | str | None = None
    env: Sequence[float] | None = None
    text: str | Sequence[str] | None = None
    embedding: Floats | Sequence[float] | None = None
    embedding_of: str | None = None
    like: tuple[int, ...] | None = None
    like_by: tuple[str, ...] | None = None
    more: tuple[int, ...] = ()
    less: tuple[int, ...] = ()
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
    confidence: bool = True
    model: str | None = None
    hub: str | Path | None = None
    device: str = "cpu"

    def __repr__(self) -> str:
        return given_of(self)

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise InputError(f"k is {self.k!r:.60}; ask for a whole number of hits, at least 1.")
        if self.space not in SPACES:
            near = near_names(str(self.space), list(SPACES))
            raise InputError(f"Unknown space {self.space!r:.60}; known: {', '.join(SPACES)}{near}.")
        for name in ("delta", "gamma", "epsilon"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                raise InputError(f"--{name} is {value!r:.60}; it must lie between 0 and 1.")
        for name in ("target", "embedding_of", "group_by", "model"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str | Path) and str(value).strip()):
                typed = name.replace("_", "-")
                raise InputError(f"--{typed} is {value!r:.60}; leave it out, or give a name.")
        if not isinstance(self.filter, Filter):
            raise InputError(
                f"filter is {self.filter!r:.60}; it must be a Filter(where=…, near=…)."
            )
        if self.location is not None:
            object.__setattr__(self, "location", _place(self.location))
        if self.env is not None:
            finite("env", self.env, "scaled climate values")
        for name, values in self.several().items():
            if not values:
                raise InputError(f"{name} is an empty list; leave it out, or give one.")
            for value in values:
                if name == "text" and not (isinstance(value, str) and value.strip()):
                    raise InputError("The text of the query is empty.")
                if name != "text" and not (isinstance(value, str | Path) and str(value)):
                    raise InputError(f"{name} is {value!r:.60}; it must be the path of a file.")
        self._check_rows()
        if (self.embedding is None) != (self.embedding_of is None):
            raise InputError(
                "An embedding and its modality go together: --embedding and --embedding-of."
            )

    def _check_rows(self) -> None:
        """Make tuples of the rows that are named, each once."""
        for name in ("like", "more", "less"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _rows(name, value))
        if self.like is not None and not self.like:
            raise InputError("like is an empty list; leave it out, or name a row.")
        if self.like_by is not None:
            by: Any = (self.like_by,) if isinstance(self.like_by, str) else tuple(self.like_by)
            if not by or not all(isinstance(m, str) and m.strip() for m in by):
                raise InputError(f"like_by is {self.like_by!r:.60}; it must name modalities.")
            if self.like is None:
                raise InputError("like_by says by what rows are alike; name them with like.")
            object.__setattr__(self, "like_by", by)
        both = sorted({*self.more} & {*self.less})
        if both:
            raise InputError(
                f"Row {both[0]} is marked both as wanted and as unwanted; leave one out."
            )

    def check(self, modalities: Sequence[str]) -> None:
        """Refuse what an index has not, or what is given twice.

        Args:
            modalities: Of the index.

        Raises:
            InputError: Names the value and what it must be.
        """
        twice = self.embedded(modalities)
        if twice in self.given():
            raise InputError(
                f"The query gives {twice} twice, as an embedding and otherwise; leave one of them out."
            )
        checked_device(self.device)
        target = None if self.target is None else modality_name(self.target, modalities)
        if self.observed_only and self.filter.observed not in (None, target):
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


def _rows(name: str, value: Any) -> tuple[int, ...]:
    """Row numbers, each once, in the order given."""
    rows = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    wrong = next((r for r in rows if not _is_row(r)), None)
    if wrong is not None:
        raise InputError(f"{name} is {wrong!r:.60}; it must be the number of a row, 0 or more.")
    if len(rows) > MOST_ROWS:
        raise InputError(f"{name} names {len(rows):,} rows; name {MOST_ROWS:,} at most.")
    return tuple(dict.fromkeys(int(r) for r in rows))


def _is_row(value: Any) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and int(value) >= 0


def _place(place: Any) -> tuple[float, float]:
    """Latitude and longitude of two numbers, or of a text."""
    if isinstance(place, str):
        return parse_place(place)
    latitude, longitude = finite("location", place, "latitude, longitude", 2)
    check_place("location", latitude, longitude)
    return latitude, longitude


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
