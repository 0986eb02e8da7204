"""Mixing weights of the hybrid score."""

from __future__ import annotations

from dataclasses import dataclass

from prom3e_index.errors import ModelError


@dataclass(frozen=True)
class Weights:
    """Mixing weights of the hybrid score; see `search`.

    Attributes:
        delta: Share of the completed target in the query, 0..1.
        gamma: Share of the hidden block in the score, 0..1.
        epsilon: Share of the reconstruction in an observed row of the gallery, 0..1.
    """

    delta: float = 0.5
    gamma: float = 0.0
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        for name in ("delta", "gamma", "epsilon"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ModelError(f"{name} is {value}; it must lie between 0 and 1.")
