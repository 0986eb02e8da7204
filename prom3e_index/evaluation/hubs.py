"""Hubs: gallery rows that stand near every query. How many there are, and a bias per row against them.

Both corrections here leave the score one inner product: a bias per gallery row, found from a bank of
training queries B and stored beside the gallery, is added to it.

    CSLS    b(g) = −½ · mean of the K highest ⟨q, g⟩, q ∈ B
    inverted softmax   b(g) = −(1/β) · log mean over q ∈ B of exp(β·⟨q, g⟩)

Sources: hubs and k-occurrence, Radovanović et al., JMLR 2010; CSLS, Conneau et al., ICLR 2018, whose term of
the query alone moves all scores alike and is left out; querybank normalisation, Bogolin et al., CVPR 2022,
in its static form: the dynamic one applies to some queries only, which no inner product can.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import skew

from prom3e_index.hybrid import Space

Floats = NDArray[np.float32]
K = 10
METHODS: dict[str, tuple[str, float]] = {
    "csls": ("csls", K),
    "softmax10": ("softmax", 10.0),
    "softmax30": ("softmax", 30.0),
}
"""Corrections that validation chooses from: name → kind and K or β."""
BANK = 512
"""Queries of a bank."""


def bias(products: Floats, method: str) -> Floats:
    """The bias of each gallery row.

    Args:
        products: (b, g) scores of the bank's queries with the gallery.
        method: One of `METHODS`.

    Returns:
        (g,) float32, its mean taken away, which moves no rank.
    """
    kind, strength = METHODS[method]
    if kind == "csls":
        k = min(int(strength), len(products))
        found = (
            -np.sort(np.partition(products, len(products) - k, axis=0)[-k:], axis=0).mean(axis=0)
            / 2
        )
    else:
        found = -(logsumexp(strength * products, axis=0) - np.log(len(products))) / strength
    return np.asarray(found - found.mean(), np.float32)


@dataclass(frozen=True)
class Correction:
    """A method in one base space.

    Attributes:
        space: `encoder` or `hybrid`.
        method: One of `METHODS`.
    """

    space: Space
    method: str

    @property
    def name(self) -> str:
        """Name of the corrected space."""
        return f"{self.space}+{self.method}"


CORRECTIONS: tuple[Correction, ...] = tuple(
    Correction(space, method) for space in ("encoder", "hybrid") for method in METHODS
)


class HubCounts:
    """How often each of g gallery rows is among the K best of a query."""

    def __init__(self, gallery: int) -> None:
        self._counts = np.zeros(gallery, np.int64)
        self._lock = threading.Lock()

    def add(self, index: NDArray[np.int64]) -> None:
        """Count the best answers (b, ≥ K) of a block of queries, best first."""
        best = index[:, :K].ravel()
        found = np.bincount(best[best >= 0], minlength=len(self._counts))
        with self._lock:
            self._counts += found

    def skewness(self) -> float:
        """Skewness of the counts; 0 when all are equal, several units where hubs rule."""
        return float(skew(self._counts)) if self._counts.std() > 0 else 0.0
