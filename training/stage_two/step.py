"""One training step's loss, computed with the operations it needs and no more, exactly.

The posterior comes from `class_tokens`. All decoders are one batched product, all distances another.
About 0.16 GFLOP a row at the default sizes instead of 0.5, with equal loss and gradients (the tests
compare both with a plain transcription).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.mvae.class_tokens import Slots, class_tokens, pack
from prom3e_index.mvae.network import MVAE
from prom3e_index.training.distributed import ALONE, Processes, gathered, shared
from prom3e_index.training.losses import distance_logits, kl_of, symmetric_infonce
from prom3e_index.training.precision import autocast
from prom3e_index.training.stage_two.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """What one step sees; n rows are trained, contrasted with all N rows of the joint batch.

    Attributes:
        x: (n, m, d) unit rows.
        slots: Visible tokens of the n rows.
        visible: (n, m) bool, on the device; read by `masked_only` and `mixed`.
        noise: (n, 1) or (n, z), or None.
        targets: Modalities to decode, in order.
        share: (targets,) weight of one of a target's rows in its mean over the joint batch.
        hidden: Pairs of row and target in the joint batch that have it and do not show it.
        own: (n,) position of each row in the joint batch.
        columns: (N, m, d) the joint batch.
        has: (N, m) bool presence in the joint batch, None when all have all targets.
        duplicates: (N, m) numbers of equal embeddings, None when all others are negatives.
        species: (N,) numbers, None when species do not matter.
        rest: What else the n rows have, shown by itself; None without `contrast`.
    """

    x: Tensor
    slots: Slots
    visible: Tensor
    noise: Tensor | None
    targets: tuple[int, ...]
    share: Tensor
    hidden: int
    own: Tensor
    columns: Tensor
    has: Tensor | None = None
    duplicates: Tensor | None = None
    species: Tensor | None = None
    rest: Slots | None = None


class Terms(NamedTuple):
    """A step's loss and its parts; on several devices each holds a share whose mean is the whole.

    Attributes:
        total: What is minimised.
        reconstruction: Mean over the decoded modalities.
        per_modality: (len(targets),).
        kl: Before its weight.
        mixed: Loss on the mixed query, 0 when it has no weight.
        contrast: Of μ of what is shown with μ of the rest, 0 when it has no weight.
    """

    total: Tensor
    reconstruction: Tensor
    per_modality: Tensor
    kl: Tensor
    mixed: Tensor
    contrast: Tensor


def decode_all(model: MVAE, z: Tensor, targets: Sequence[int]) -> Tensor:
    """Unit decodes (len(targets), n, d), every decoder in one batched product.

    The decoders' layer norms differ only in their affine part, which is folded into the first weights.
    """
    d = model.config.input_dim
    nets: list[Any] = [model.decoders[t].net for t in targets]
    first = torch.stack([net[1].weight * net[0].weight for net in nets])
    offset = torch.stack([net[1].weight @ net[0].bias + net[1].bias for net in nets])
    second = torch.stack([F.pad(net[4].weight, (0, 0, 0, d - len(net[4].bias))) for net in nets])
    last = torch.stack([F.pad(net[4].bias, (0, d - len(net[4].bias))) for net in nets])
    plain = F.layer_norm(z, (z.shape[1],), eps=nets[0][0].eps)
    hidden = F.linear(plain, first.flatten(0, 1)).unflatten(1, (len(nets), -1)).transpose(0, 1)
    hidden = F.gelu(hidden + offset[:, None])
    out = torch.bmm(hidden, second.transpose(1, 2)) + last[:, None]
    return F.normalize(out.to(z.dtype), dim=-1)


class Step(nn.Module):
    """The MVAE with what only training needs; called with a batch it gives the loss.

    Attributes:
        model: The MVAE.
        delta: (m,) logit of δ per modality, with `mixed`.
        mixed_scale: Logarithm of the mixed query's scale, with `mixed`.
        contrast_scale: Logarithm of the scale of cosines between hidden vectors, with `contrast`.
        me: This process among those that share a joint batch.
    """

    def __init__(self, model: MVAE, recipe: Recipe, me: Processes = ALONE) -> None:
        super().__init__()
        self.model, self.recipe, self.me = model, recipe, me
        if recipe.contrast:
            self.contrast_scale = nn.Parameter(torch.tensor(2.5))
        if recipe.mixed:
            self.delta = nn.Parameter(torch.zeros(model.config.num_modalities))
            self.mixed_scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, batch: Batch) -> Terms:
        """Loss of a batch; see `Terms`."""
        recipe, model = self.recipe, self.model
        with autocast(recipe.precision, batch.x.device):
            mean, log_variance = class_tokens(model, batch.x, batch.slots)
            prior = kl_of(mean, log_variance, recipe.kl)
            total, nothing = recipe.lambda_kl * prior, torch.zeros_like(prior)
            if not batch.targets:
                none = nothing.expand(0)
                return Terms(total, nothing, none, prior.detach(), nothing, nothing)
            z = mean
            if batch.noise is not None:
                z = mean + torch.exp(log_variance / 2) * batch.noise
            decoded = decode_all(model, z, batch.targets)
            if batch.rest is not None:
                rest, _ = class_tokens(model, batch.x, batch.rest)
        target = _of(batch.columns, batch.targets).transpose(0, 1)
        if recipe.distance == "cosine":
            cosine = torch.bmm(decoded, target.transpose(1, 2))
            logits = -model.negative_scale * cosine
        else:
            logits = distance_logits(decoded, target, model.negative_scale)
        removed = _no_negatives(batch)
        value = _cross_entropy(logits, batch.own, removed)
        weight = self._weight(batch)
        terms = value.mean(1) if weight is None else (value * weight).sum(1)
        reconstruction = terms.mean()
        # β adds the same to every logit: it takes part with its gradient, which is 0
        total = total + reconstruction + 0 * model.negative_shift
        mixed = contrast = nothing
        if recipe.mixed and batch.hidden:
            mixed = self._mixed(batch, decoded, target, removed)
            total = total + recipe.mixed * mixed
        if batch.rest is not None:
            contrast = self._contrast(mean, rest)
            total = total + recipe.contrast * contrast
        parts = (reconstruction, terms, prior, mixed, contrast)
        return Terms(total, *(part.detach() for part in parts))

    def _contrast(self, shown: Tensor, rest: Tensor) -> Tensor:
        """Contrast of hidden vectors (n, z) over the joint batch, both ways."""
        scale = shared(self.contrast_scale.exp().clamp(max=100), self.me.count)
        value = symmetric_infonce(gathered(shown, self.me), gathered(rest, self.me), scale)
        # the whole value in each process, but a gradient through its own rows only: a mean divides it
        return value.detach() + (value - value.detach()) * self.me.count

    def _weight(self, batch: Batch) -> Tensor | None:
        """Weight (t, n) of each row in its target's mean over the joint batch; None when all are equal."""
        if batch.has is None and not self.recipe.masked_only:
            return None
        return batch.share[:, None] * self._counted(batch, hidden_only=self.recipe.masked_only)

    def _counted(self, batch: Batch, *, hidden_only: bool) -> Tensor:
        """1 (t, n) where a row has the target, and with `hidden_only` does not show it; else 0."""
        targets = batch.targets
        out = torch.ones(len(targets), len(batch.own), device=batch.own.device)
        if batch.has is not None:
            out = out * _of(batch.has[batch.own], targets).T
        return out * ~_of(batch.visible, targets).T if hidden_only else out

    def _mixed(
        self, batch: Batch, decoded: Tensor, target: Tensor, removed: Tensor | None
    ) -> Tensor:
        """Cross-entropy of the scaled mixed query, mean over rows and the targets that they hide."""
        mean = F.normalize((batch.x * batch.visible[:, :, None]).sum(1), dim=-1)
        delta = torch.sigmoid(_of(self.delta[None], batch.targets)[0])[:, None, None]
        query = (1 - delta) * mean[None] + delta * decoded
        logits = self.mixed_scale.exp().clamp(max=100) * torch.bmm(query, target.transpose(1, 2))
        value = _cross_entropy(logits, batch.own, removed)
        share = len(batch.columns) / len(batch.own)
        return (value * self._counted(batch, hidden_only=True)).sum() * (share / batch.hidden)


def _of(x: Tensor, targets: tuple[int, ...]) -> Tensor:
    """Columns `targets` of (n, m, …); the tensor itself when they are all, which costs nothing."""
    if len(targets) == x.shape[1]:
        return x
    return torch.stack([x[:, t] for t in targets], dim=1)


def _no_negatives(batch: Batch) -> Tensor | None:
    """Pairs (t or 1, n, N) of a row with another one that is no negative of it; None when all are."""
    targets, own = batch.targets, batch.own
    removed = None
    if batch.duplicates is not None:
        number = _of(batch.duplicates, targets).T
        removed = number[:, own][:, :, None] == number[:, None, :]
    if batch.species is not None:
        alike = (batch.species[own][:, None] == batch.species[None, :])[None]
        removed = alike if removed is None else removed | alike
    if batch.has is not None:
        absent = ~_of(batch.has, targets).T[:, None, :]
        removed = absent if removed is None else removed | absent
    if removed is None:
        return None
    mine = torch.arange(len(batch.columns), device=own.device)[None, :] == own[:, None]
    return removed & ~mine


def _cross_entropy(logits: Tensor, own: Tensor, removed: Tensor | None) -> Tensor:
    """Cross-entropy of each row with truth `own`: (t, n, N) to (t, n)."""
    if removed is not None:
        logits = logits.masked_fill(removed, float("-inf"))
    truth = own.expand(len(logits), -1)
    value = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
    return value.view(truth.shape)


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
