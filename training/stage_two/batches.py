"""What one step sees: rows, what they show and meet; packed for a CPU, of fixed shapes for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from prom3e_index.mvae.class_tokens import Slots, pack
from prom3e_index.training.stage_two.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """What one step sees; n rows are trained, contrasted with all N rows of the joint batch.

    Attributes:
        x: (n, m, d) unit rows.
        slots: Visible tokens of the n rows; None of a batch of fixed shapes.
        visible: (n, m) bool, on the device; read by `masked_only` and `mixed`.
        noise: (n, 1) or (n, z), or None.
        targets: Modalities to decode, in order.
        share: (targets,) weight of one of a target's rows in its mean over the joint batch; None where all rows weigh
            the same.
        hidden: Pairs of row and target in the joint batch that have it and do not show it; of a batch of fixed shapes
            0 without `mixed`.
        own: (n,) position of each row in the joint batch.
        columns: (N, m, d) the joint batch.
        has: (N, m) bool presence in the joint batch, None when all have all targets.
        duplicates: (N, m) numbers of equal embeddings, None when all others are negatives.
        species: (N,) numbers, None when species do not matter.
        rest: What else the n rows have, shown by itself; None without `contrast`. Bool (n, m) of a batch of
            fixed shapes.
        decoded: (targets,) 1 where a target counts, 0 where fewer than two rows have it; None when all do.
        shown: Gives (targets,) bool, whether any row of the joint batch shows it, in `rest` too; None of a packed
            batch.
    """

    x: Tensor
    slots: Slots | None
    visible: Tensor
    noise: Tensor | None
    targets: tuple[int, ...]
    share: Tensor | None
    hidden: int | Tensor
    own: Tensor
    columns: Tensor
    has: Tensor | None = None
    duplicates: Tensor | None = None
    species: Tensor | None = None
    rest: Slots | Tensor | None = None
    decoded: Tensor | None = None
    shown: Callable[[], Tensor] | None = None


def columns_of(x: Tensor, targets: tuple[int, ...]) -> Tensor:
    """Columns `targets` of (n, m, …); the tensor itself when they are all, which costs nothing."""
    if len(targets) == x.shape[1]:
        return x
    return torch.stack([x[:, t] for t in targets], dim=1)


def make_batch(
    x: Tensor,
    present: Tensor,
    visible: Tensor,
    noise: Tensor | None,
    recipe: Recipe,
    *,
    part: slice | None = None,
    duplicates: Tensor | None = None,
    species: Tensor | None = None,
    rest: Tensor | None = None,
) -> Batch:
    """Lay out a joint batch, or the part of it that one of several devices trains.

    Args:
        x: (N, m, d) on the device.
        present: (N, m) bool on the CPU.
        visible: (N, m) bool on the CPU.
        noise: (N, 1) or (N, z) on the device, or None.
        recipe: `negatives` says which of `duplicates` and `species` are read.
        part: Rows trained here; all when None.
        duplicates: (N, m) numbers, see `EmbeddingSet.duplicates`.
        species: (N,) numbers.
        rest: (N, m) bool on the CPU, at least one in each row; see `Recipe.contrast`.
    """
    rows = part or slice(0, len(x))
    device = x.device
    able = present & ~visible if recipe.masked_only else present
    count: list[int] = able.sum(0).tolist()
    targets = tuple(i for i, c in enumerate(count) if c > 1)
    whole = all(count[t] == len(x) for t in targets)
    split = len(x) / (rows.stop - rows.start)
    # made here: made on the device amid the step, it would stop the host until the device is done
    share = torch.tensor([split / count[t] for t in targets])
    return Batch(
        x[rows],
        pack(visible[rows]).to(device),
        visible[rows].to(device, non_blocking=True),
        None if noise is None else noise[rows],
        targets,
        share.to(device, non_blocking=True),
        int((present & ~visible)[:, list(targets)].sum()),
        torch.arange(rows.start, rows.stop, device=device),
        x,
        None if whole else present.to(device, non_blocking=True),
        duplicates if recipe.negatives != "all" else None,
        species if recipe.negatives == "species" else None,
        None if rest is None else pack(rest[rows]).to(device),
    )


def fixed_batch(
    x: Tensor,
    present: Tensor,
    visible: Tensor,
    noise: Tensor | None,
    recipe: Recipe,
    held: tuple[int, ...],
    *,
    part: slice | None = None,
    duplicates: Tensor | None = None,
    species: Tensor | None = None,
    rest: Tensor | None = None,
    whole: bool = False,
    own: Tensor | None = None,
) -> Batch:
    """Lay out a joint batch whose shapes do not depend on values; no host waits for its device.

    Args:
        x: (N, m, d) on the device, finite also where a row has no such modality.
        present: (N, m) bool on the device, as is all that follows.
        visible: As of `make_batch`.
        noise: As of `make_batch`.
        recipe: As of `make_batch`.
        held: Modalities that rows of the set have: they are shown and decoded, where a batch has them.
        part: As of `make_batch`.
        duplicates: As of `make_batch`.
        species: As of `make_batch`.
        rest: As of `make_batch`.
        whole: Whether each row of the set has each of `held`.
        own: Positions of the part's rows, where they are made already.
    """
    rows = part or slice(0, len(x))
    alike = whole and not recipe.masked_only and len(x) > 1
    decoded = share = None
    if not alike:
        able = present & ~visible if recipe.masked_only else present
        count = columns_of(able, held).sum(0)
        decoded = (count > 1).to(x.dtype)
        share = len(x) / (rows.stop - rows.start) / count.clamp(min=1).to(x.dtype)
    hidden: int | Tensor = 0
    if recipe.mixed:
        pairs = columns_of(present & ~visible, held).sum(0)
        hidden = (pairs if decoded is None else pairs * (count > 1)).sum()

    def shown() -> Tensor:
        some = columns_of(visible, held).any(0)
        if rest is None:
            return some
        others = columns_of(rest, held).any(0)
        return some | (others if decoded is None else others & (decoded.amax() > 0))

    return Batch(
        x[rows],
        None,
        visible[rows],
        None if noise is None else noise[rows],
        held,
        share,
        hidden,
        torch.arange(rows.start, rows.stop, device=x.device) if own is None else own,
        x,
        None if whole else present,
        duplicates if recipe.negatives != "all" else None,
        species if recipe.negatives == "species" else None,
        None if rest is None else rest[rows],
        decoded,
        cache(shown),
    )
