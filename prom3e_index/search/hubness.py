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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.schema import Space
from prom3e_index.search.score import gallery, query_rows

Floats = NDArray[np.float32]
K = 10
METHODS: dict[str, tuple[str, float]] = {
    "csls": ("csls", K),
    "softmax10": ("softmax", 10.0),
    "softmax30": ("softmax", 30.0),
}
"""Corrections that validation chooses from: name → kind and K or β."""
BANK = 384
"""Rows of a bank: 2.4 MB in a model of the default width."""
LEAST = 20
"""A bank of fewer says nothing."""
_CARD_ROWS = 1 << 16
"""Gallery rows that a card compares with the bank at a time: their products take 100 MB."""


class Bank:
    """A model's bank of training queries, as they ask for each target, and the bias that follows from it.

    Queries are in the hybrid space with the model's own weights, as `search` asks. A row's bias follows from the
    row and the model alone, so that rows of any two segments can be compared: what is taken away to keep half
    precision fine is `centres`, not the mean of the rows at hand.

    Attributes:
        centres: By target (m,) float32: the mean of each column over the bank itself as a gallery, rounded to
            six decimals. An index keeps them, to know its bank and weights again.
    """

    def __init__(self, model: Model, method: str) -> None:
        from prom3e_index.mvae.completion import infer  # torch: opening an index needs none

        self._method, self._width, self._device = method, len(model.modalities), model.device
        x, present = model.bank()
        self._queries: dict[str, dict[int, Floats]] = {t: {} for t in model.modalities}
        for i, given in enumerate(model.modalities):
            rows = np.flatnonzero(present[:, i])[:BANK]
            if len(rows) < LEAST:
                continue
            shown = np.zeros((len(rows), len(model.modalities)), bool)
            shown[:, i] = True
            found = infer(model, x[rows], shown, model.modalities)
            for t, target in enumerate(model.modalities):
                if t != i:
                    self._queries[target][i] = query_rows(
                        x[rows, i],
                        found.reconstructed[:, t],
                        found.hidden,
                        "hybrid",
                        model.weights((given,), target),
                    )
        self.centres = self._centres(model, x, present)

    def _centres(self, model: Model, x: Floats, present: NDArray[np.bool_]) -> dict[str, Floats]:
        from prom3e_index.mvae.completion import infer

        out = {t: np.zeros(self._width, np.float32) for t in model.modalities}
        able = np.flatnonzero(present.any(axis=1))[:BANK]
        if not len(able):
            return out
        x, present = x[able], present[able]
        made = infer(model, x, present, model.modalities)
        for t, target in enumerate(model.modalities):
            epsilon = model.weights((), target).epsilon
            rows = gallery(x[:, t], present[:, t], made.reconstructed[:, t], made.hidden, epsilon)
            for i, queries in self._queries[target].items():
                out[target][i] = np.round(raw_bias(queries @ rows.T, self._method).mean(), 6)
        return out

    def bias(
        self,
        vectors: NDArray[np.float16],
        target: str,
        rows: int = 4096,
        asking: Collection[int] | None = None,
    ) -> NDArray[np.float16]:
        """The bias of each gallery row of a target against queries of each single modality.

        Args:
            vectors: (n, d + z) gallery vectors [g_t, h].
            target: Their modality.
            rows: Gallery rows at a time.
            asking: Places of the modalities whose columns are needed, the others stay 0; all, when None.

        Returns:
            (n, m) float16, `raw_bias` less the centre; a column of a modality with fewer than 20 queries is 0.
        """
        if is_card(self._device):
            return self.bias_on(self._device, vectors, target, asking)
        out = np.zeros((len(vectors), self._width), np.float16)
        centre = self.centres[target]
        for at in range(0, len(vectors), rows):
            part = np.asarray(vectors[at : at + rows], np.float32).T
            for i, queries in self._queries[target].items():
                if asking is None or i in asking:
                    out[at : at + rows, i] = raw_bias(queries @ part, self._method) - centre[i]
        return out

    def bias_on(
        self,
        device: str,
        vectors: NDArray[np.float16],
        target: str,
        asking: Collection[int] | None = None,
    ) -> NDArray[np.float16]:
        """As `bias`, by torch on a device: the same but for the last bit of half precision."""
        import torch

        out = np.zeros((len(vectors), self._width), np.float16)
        centre = self.centres[target]
        asked = {
            i: torch.from_numpy(np.ascontiguousarray(q)).to(device)
            for i, q in self._queries[target].items()
            if asking is None or i in asking
        }
        for at in range(0, len(vectors), _CARD_ROWS):
            part = torch.from_numpy(np.ascontiguousarray(vectors[at : at + _CARD_ROWS]))
            gallery_rows = part.to(device).float().T
            for i, queries in asked.items():
                found = _raw_bias_of(queries @ gallery_rows, self._method)
                out[at : at + _CARD_ROWS, i] = (found - float(centre[i])).half().cpu().numpy()
        return out


def _raw_bias_of(products: Any, method: str) -> Any:
    """`raw_bias` of a tensor (b, g), on its device: (g,)."""
    kind, strength = METHODS[method]
    if kind == "csls":
        return products.topk(min(int(strength), len(products)), dim=0).values.mean(0) / -2
    return -((strength * products).logsumexp(0) - np.log(len(products))) / strength


def bias_centres(model: Model, method: str) -> dict[str, list[float]]:
    """`Bank.centres` ready for the manifest; empty without a correction."""
    if method == NO_HUBS:
        return {}
    return {t: [float(v) for v in c] for t, c in Bank(model, method).centres.items()}


def same_centres(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> bool:
    """Whether two `bias_centres` are of one bank and one set of weights, noise of float32 sums aside."""
    return one.keys() == other.keys() and all(
        len(one[t]) == len(other[t]) and np.allclose(one[t], other[t], rtol=0, atol=1e-4)
        for t in one
    )


def by_segment(manifest: Mapping[str, Any]) -> bool:
    """Whether an index's bias was centred on each segment's own rows, as earlier versions did."""
    hubs = manifest.get("hubs", {})
    return hubs.get("method", NO_HUBS) != NO_HUBS and "centre" not in hubs


def chosen_method(model: Model, asked: str | None) -> str:
    """The correction that a build applies: as asked, else the model's own.

    Raises:
        InputError: An unknown method, or one that needs a bank which the model has not.
    """
    method = asked or model.hubs
    if method != NO_HUBS and method not in METHODS:
        raise InputError(f"--hubs is {method!r}; known: {NO_HUBS}, {', '.join(METHODS)}.")
    if method != NO_HUBS and not model.has_bank:
        raise InputError(
            f"--hubs {method}: model {model.name} has no bank of training queries; `train mvae` with "
            "validation rows writes one."
        )
    return method


def bias(products: Any, method: str) -> Any:
    """The bias of each gallery row.

    Args:
        products: (b, g) float32 scores of the bank's queries with the gallery: an array, or a tensor of any device.
        method: One of `METHODS`.

    Returns:
        (g,) float32, its mean taken away, which moves no rank; an array or a tensor, as given.
    """
    if not isinstance(products, np.ndarray):
        found = _raw_bias_of(products, method)
        return found - found.mean()
    made = raw_bias(products, method)
    return np.asarray(made - made.mean(), np.float32)


def raw_bias(products: Floats, method: str) -> Floats:
    """As `bias`, with its mean."""
    from scipy.special import logsumexp  # seconds that a query does not need

    kind, strength = METHODS[method]
    if kind == "csls":
        k = min(int(strength), len(products))
        found = (
            -np.sort(np.partition(products, len(products) - k, axis=0)[-k:], axis=0).mean(axis=0)
            / 2
        )
    else:
        found = -(logsumexp(strength * products, axis=0) - np.log(len(products))) / strength
    return np.asarray(found, np.float32)


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
        from scipy.stats import skew  # seconds that a query does not need

        return float(skew(self._counts)) if self._counts.std() > 0 else 0.0
