"""Choosing what a trained MVAE is used with: decoding, hidden block and mixing weights, on validation."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from prom3e_index.errors import DivergedError
from prom3e_index.evaluation.asking_rows import WeightsOf
from prom3e_index.evaluation.directions import Direction, directions
from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.sets_choice import SetsChosen, choose_sets
from prom3e_index.evaluation.weights_choice import Chosen, choose
from prom3e_index.models.folder import Weights
from prom3e_index.models.seen import marks_of
from prom3e_index.mvae.completion import infer
from prom3e_index.mvae.network import MVAE
from prom3e_index.search.score import Space
from prom3e_index.training.stage_two.choose_held import choose_held
from prom3e_index.training.stage_two.sets import EmbeddingSet

IN_TRAINING = Weights(0.5, 0.5, 0.0)
"""The weights at which recall is followed during training; each direction's own are chosen at its end."""


LEAST, LEAST_HELD = 20, 10
"""Queries that a direction needs; of rows that a run holds out itself, whose gallery is the whole set, fewer."""


_TRAINED_ASKING = 400
"""Rows trained on that ask beside those held out: they decide ties alone."""


@dataclass(frozen=True)
class Candidate:
    """An MVAE in training, used as `mvae.completion.Completer` says.

    Attributes:
        mvae: The network.
        modalities: Names in its order.
        device: Where it is.
        decode: `expectation` or `mean`.
        hidden: `mean`, `sigma` or `both`.
        nodes: Quadrature nodes.
    """

    mvae: MVAE
    modalities: tuple[str, ...]
    device: str = "cpu"
    decode: str = "expectation"
    hidden: str = "mean"
    nodes: int = 2

    @property
    def width(self) -> int:
        """Embedding width d."""
        return self.mvae.config.input_dim


def _directions(
    model: Candidate, val: EmbeddingSet, limit: int, mixed: Collection[str] = ()
) -> Iterator[Direction]:
    """Every direction of the validation rows.

    Raises:
        DivergedError: The MVAE's answers are no finite numbers; ranks by such scores mean nothing.
    """
    looked_at = None
    x, present = val.x.numpy(), val.present.numpy()
    least = LEAST if val.asking is None else LEAST_HELD
    for d in directions(
        model, x, present, val.species, limit, mixed=mixed, asking=val.asking, least=least
    ):
        if d.asks is not looked_at and not d.asks.finite():
            raise DivergedError(
                f"What the MVAE says of validation rows that show {d.given} holds values that are no "
                "finite numbers; nothing can be chosen by it. Train with a lower rate."
            )
        looked_at = d.asks
        yield d


def validate(model: Candidate, val: EmbeddingSet, limit: int = 300) -> list[dict[str, Any]]:
    """Recall@1 of every direction: `given`, `target`, `encoder`, `reconstructed`, `hybrid`.

    Args:
        model: The MVAE.
        val: Validation rows.
        limit: Queries per direction.
    """
    model.mvae.eval()
    spaces: tuple[Space, ...] = ("encoder", "reconstructed", "hybrid")
    out = []
    for d in _directions(model, val, limit):
        stands = d.first([(s, IN_TRAINING) for s in spaces])
        record: dict[str, Any] = {"given": d.given, "target": d.target}
        out.append(record | {s: recall_at(f, 1) for s, f in zip(spaces, stands, strict=True)})
    return out


def mean_of(records: list[dict[str, Any]], key: str) -> float:
    """Mean over directions; 0 without any."""
    return float(np.mean([r[key] for r in records])) if records else 0.0


def kept_by(records: list[dict[str, Any]]) -> float:
    """What the weights of a run are kept by: the mean of recall@1 reconstructed and mixed, both of which are asked.

    Args:
        records: What `validate` gave.
    """
    return (mean_of(records, "reconstructed") + mean_of(records, "hybrid")) / 2


@dataclass(frozen=True)
class Use:
    """How a model is used, as validation chose.

    Attributes:
        decode: `expectation` or `mean`.
        hidden: `mean`, `sigma` or `both`.
        epsilon: ε of each target.
        default: δ and γ for what has none of its own: the best on the mean of all directions.
        sigma_spearman: See `sigma_follows_error`.
        records: See `weights_choice.Chosen`.
        sets: How sets of several modalities ask; None where the run held out its rows itself.
    """

    decode: str
    hidden: str
    epsilon: dict[str, float]
    default: tuple[float, float]
    sigma_spearman: float
    records: list[dict[str, Any]]
    sets: SetsChosen | None = None


def choose_decoding(model: Candidate, val: EmbeddingSet, limit: int = 300) -> Candidate:
    """Choose decoding by recall in the reconstructed space, then the hidden block by the hybrid's."""
    decodes = {
        how: mean_of(validate(replace(model, decode=how), val, limit), "reconstructed")
        for how in ("expectation", "mean")
    }
    model = replace(model, decode=max(decodes, key=lambda k: (round(decodes[k], 3), k != "mean")))
    blocks = {
        block: mean_of(validate(replace(model, hidden=block), val, limit), "hybrid")
        for block in ("mean", "sigma", "both")
    }
    return replace(model, hidden=max(blocks, key=lambda k: (round(blocks[k], 3), k == "mean")))


def choose_use(model: Candidate, val: EmbeddingSet, limit: int = 800) -> Use:
    """Choose decoding, hidden block, and δ, γ, ε of each direction; see `weights_choice.choose`.

    Rows of which only some ask are those that a run holds out itself; see `choose_held`. They do not choose how sets
    ask: of 150 rows drawn from 1,500 that were not trained on, two draws of three took what lost 0.03 by row on all.

    ε is a property of a target's gallery, so one is chosen per target; δ and γ are per direction.
    """
    model = choose_decoding(model, val, min(limit, 300))
    every = _directions(model, val, limit, model.modalities)
    sets = None
    if val.asking is None:
        chosen = choose(every)
        sets = choose_sets(
            model, val.x.numpy(), val.present.numpy(), val.species, _weights_of(chosen)
        )
    else:
        marks = marks_of(val.x.numpy(), val.present.numpy())
        others = np.flatnonzero(~val.asking)
        drawn = np.random.default_rng(0).permutation(others)[:_TRAINED_ASKING]
        trained = replace(val, asking=np.isin(np.arange(len(val)), drawn))
        chosen = choose_held(
            every,
            _directions(model, trained, limit, model.modalities),
            lambda given: marks[:, model.modalities.index(given)],
        )
        val = val.asked()
    follows = sigma_follows_error(model, val)
    return Use(
        model.decode, model.hidden, chosen.epsilon, chosen.default, follows, chosen.records, sets
    )


def _weights_of(chosen: Chosen) -> WeightsOf:
    """As the model will have them: a modality alone has its own, a set the default."""

    def weights(given: tuple[str, ...], target: str) -> Weights:
        own = chosen.weights.get((given[0], target)) if len(given) == 1 else None
        return own or Weights(*chosen.default, chosen.epsilon.get(target, 0.0))

    return weights


def sigma_follows_error(model: Candidate, val: EmbeddingSet, seed: int = 0) -> float:
    """Spearman's rank correlation over validation rows of ‖σ‖₁ with the error of what was hidden.

    Each row shows a random part of what it has; the error is the mean of 1 − cosine between the rest
    and its reconstructions. 0 when nothing can be hidden, or nothing varies.
    """
    x, present = val.x.numpy(), val.present.numpy()
    rng = np.random.default_rng(seed)
    shown = present & (rng.random(present.shape) < rng.random((len(x), 1)))
    none = ~shown.any(axis=1)
    shown[none] = present[none]
    use = (present & ~shown).any(axis=1)
    if use.sum() < 3:
        return 0.0
    x, rest = x[use], (present & ~shown)[use]
    inferred = infer(model, x, shown[use], model.modalities)
    error = ((1 - (inferred.reconstructed * x).sum(axis=2)) * rest).sum(axis=1) / rest.sum(axis=1)
    found = float(spearmanr(inferred.sigma_l1, error).statistic)
    return round(found, 3) if np.isfinite(found) else 0.0
