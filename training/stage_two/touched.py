"""Which weights a step of fixed shapes has to do with: AdamW leaves the others alone, as those without a gradient.

A projector that no row of the batch shows, a decoder whose target too few rows have: packed, they get no gradient, so
neither moments nor weights move. Of fixed shapes their gradient is 0, which would move both; a flag on the device
leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from prom3e_index.training.stage_two.batches import Batch
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.step import Step

NEVER = 1e-9
"""What happens in a whole run with less than this chance is taken to happen never."""


@dataclass(frozen=True)
class Touched:
    """Weights in groups, each with what tells of a batch whether it takes part; None where it always does."""

    groups: Sequence[tuple[Sequence[Tensor], Callable[[Batch], Tensor] | None]]

    def of(self, batch: Batch) -> list[tuple[Sequence[Tensor], Tensor | None]]:
        """The groups with their flags on the device: 1 takes part, 0 does not."""
        return [(weights, None if tell is None else tell(batch)) for weights, tell in self.groups]


def touched(step: Step, recipe: Recipe, resident: Resident, width: int, steps: int) -> Touched:
    """Group the weights of a run on one set.

    Few groups are fast: a modality that so many rows have that no batch of the run will lack it gets none of its own.

    Args:
        step: Its weights.
        recipe: What is shown and decoded.
        resident: The set.
        width: Rows of a batch.
        steps: Of the run.
    """
    always: list[Tensor] = []
    apart: dict[str, tuple[list[Tensor], Callable[[Batch], Tensor]]] = {}
    place = {i: at for at, i in enumerate(resident.held)}
    for name, weight in step.named_parameters():
        parts = name.removeprefix("model.").split(".")
        tell: Callable[[Batch], Tensor] | None = None
        i = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else -1
        if parts[0] in ("projectors", "modality_identifiers") and i in place:
            if not _surely_shown(recipe, resident.shares, i, width, steps):
                tell = _shown(place[i])
        elif parts[0] == "decoders" and i in place:
            if not _surely_decoded(recipe, resident.shares[i], width, steps):
                tell = _decoded(place[i])
        elif parts[0] in ("delta", "mixed_scale"):
            tell = _hidden
        elif parts[0] in ("negative_scale", "negative_shift", "contrast_scale"):
            if not any(
                _surely_decoded(recipe, resident.shares[i], width, steps) for i in resident.held
            ):
                tell = _any_decoded
        if tell is None:
            always.append(weight)
        else:
            key = parts[0] if i < 0 else f"{'decoder' if parts[0] == 'decoders' else 'token'} {i}"
            apart.setdefault(key, ([], tell))[0].append(weight)
    return Touched([(always, None), *apart.values()])


def _shown(at: int) -> Callable[[Batch], Tensor]:
    def tell(batch: Batch) -> Tensor:
        assert batch.shown is not None  # of fixed shapes
        return batch.shown()[at]

    return tell


def _decoded(at: int) -> Callable[[Batch], Tensor]:
    return lambda batch: _always(batch) if batch.decoded is None else batch.decoded[at]


def _any_decoded(batch: Batch) -> Tensor:
    return _always(batch) if batch.decoded is None else batch.decoded.amax()


def _always(batch: Batch) -> Tensor:
    return batch.x.new_ones(())


def _hidden(batch: Batch) -> Tensor:
    assert isinstance(batch.hidden, Tensor)  # of fixed shapes
    return batch.hidden > 0


def _surely_shown(recipe: Recipe, shares: Sequence[float], i: int, width: int, steps: int) -> bool:
    """Whether each batch of a run will have a row that shows a modality, or shows it as the rest."""
    if recipe.contrast:
        chance = shares[i]
    elif recipe.visible == "row":
        chance = shares[i] / len(shares)  # a row shows one of what it has, each as likely
    else:
        chance = 0.0
    return bool((1 - chance) ** width * steps < NEVER)


def _surely_decoded(recipe: Recipe, share: float, width: int, steps: int) -> bool:
    """Whether each batch will have two rows with a target."""
    if recipe.masked_only:
        return False
    none, one = (1 - share) ** width, width * share * (1 - share) ** (width - 1)
    return bool((none + one) * steps < NEVER)
