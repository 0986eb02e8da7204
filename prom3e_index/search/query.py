"""What is asked: plain values, and the checks of them, without any search."""

from __future__ import annotations

from collections.abc import Sequence
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
        if (self.embedding is None) != (self.embedding_of is None):
            raise InputError(
                "An embedding and its modality go together: --embedding and --embedding-of."
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


def _place(place: Any) -> tuple[float, float]:
    """Latitude and longitude of two numbers, or of a text."""
    if isinstance(place, str):
        return parse_place(place)
    latitude, longitude = finite("location", place, "latitude, longitude", 2)
    check_place("location", latitude, longitude)
    return latitude, longitude


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
