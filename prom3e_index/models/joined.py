"""How a query of several modalities is put together: as one, as the sum of what each asks alone, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.models.mixing import Weights

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Joined:
    """What a set of modalities asks: own · q(G) + (1 − own) · Σ κ_m q(m) / Σ κ_m, over the modalities m of the set.

    Scores are inner products, so the same holds of scores: the index stays as it is. Each κ is how sharply the
    scores of a modality alone tell right from wrong, by likelihood on validation rows; dividing by their sum keeps
    scores on the scale of a single query.

    Attributes:
        own: Share of the query in which the model saw all modalities together, 0..1.
        kappas: κ of each modality of the set, above 0.
        weights: δ and γ of each as it asks alone.
    """

    own: float
    kappas: tuple[float, ...]
    weights: tuple[Weights, ...]

    def of(self, together: Any, alone: Sequence[Any]) -> Any:
        """The query, or its scores.

        Args:
            together: Rows of the query of all modalities, or their scores: float32, an array or a tensor.
            alone: The same of each modality alone, in order of `kappas`.
        """
        total = sum(self.kappas)
        out = float(np.float32(self.own)) * together
        for kappa, one in zip(self.kappas, alone, strict=True):
            out = out + float(np.float32((1 - self.own) * kappa / total)) * one
        return np.asarray(out, np.float32) if isinstance(together, np.ndarray) else out

    def told(self, visible: Sequence[str]) -> dict[str, Any]:
        """As an answer tells it: `own`, and the share of each modality in `alone`."""
        rest = (1 - self.own) / sum(self.kappas)
        alone = {m: round(k * rest, 4) for m, k in zip(visible, self.kappas, strict=True)}
        return {"own": self.own, "alone": alone}


Joins = Callable[[tuple[str, ...], str], Joined | None]
"""How a visible set asks for a target."""


def joined(
    weights: Mapping[str, Any], visible: Iterable[str], target: str, alone: Sequence[Weights]
) -> Joined | None:
    """How a visible set asks, by the `[weights]` of a model; None where as one alone.

    Args:
        weights: Checked settings, `sets` and `kappa` among them where the model has them.
        visible: Modalities in the model's order.
        target: What is asked for.
        alone: δ and γ of each visible modality alone.
    """
    names = list(visible)
    size = weights.get("sets", {}).get(str(len(names)), {})
    own = float(size.get("own", 1.0))
    kappas = [weights.get("kappa", {}).get(f"{m}->{target}") for m in names]
    if own >= 1 or None in kappas:
        return None
    return Joined(own, tuple(float(k) for k in kappas), tuple(alone))
