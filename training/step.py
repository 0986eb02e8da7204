"""One training step's loss, computed with the operations it needs and no more, exactly.

The loss reads only the last block's two class tokens, so queries, output projection and MLP of that
block run for two tokens, not for all. Class and register tokens are the same for every row, so their
keys and values in the first block are computed once. Only visible tokens are projected. All decoders
are one batched product, all distances another. About 0.16 GFLOP a row at the default sizes instead of
0.5, with equal loss and gradients (the tests compare both with a plain transcription).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.mvae import MVAE
from prom3e_index.training.losses import distance_logits, kl_of
from prom3e_index.training.recipe import Recipe
from prom3e_index.training.visible import Slots, pack


@dataclass(frozen=True)
class Batch:
    """What one step sees; n rows are trained, contrasted with all N rows of the joint batch.

    Attributes:
        x: (n, m, d) unit rows.
        slots: Visible tokens of the n rows.
        visible: (n, m) bool, on the device; read by `masked_only` and `mixed`.
        noise: (n, 1) or (n, z), or None.
        targets: Modalities to decode, in order.
        count: For each target the rows of the joint batch whose loss counts.
        hidden: Pairs of row and target in the joint batch that have it and do not show it.
        own: (n,) position of each row in the joint batch.
        columns: (N, m, d) the joint batch.
        has: (N, m) bool presence in the joint batch, None when all have all targets.
        duplicates: (N, m) numbers of equal embeddings, None when all others are negatives.
        species: (N,) numbers, None when species do not matter.
    """

    x: Tensor
    slots: Slots
    visible: Tensor
    noise: Tensor | None
    targets: tuple[int, ...]
    count: tuple[int, ...]
    hidden: int
    own: Tensor
    columns: Tensor
    has: Tensor | None = None
    duplicates: Tensor | None = None
    species: Tensor | None = None


class Terms(NamedTuple):
    """A step's loss and its parts; on several devices each holds a share whose mean is the whole.

    Attributes:
        total: What is minimised.
        reconstruction: Mean over the decoded modalities.
        per_modality: (len(targets),).
        kl: Before its weight.
        mixed: Loss on the mixed query, 0 when it has no weight.
    """

    total: Tensor
    reconstruction: Tensor
    per_modality: Tensor
    kl: Tensor
    mixed: Tensor


def _heads(x: Tensor, heads: int) -> Tensor:
    out: Tensor = x.unflatten(-1, (heads, -1))
    return out


def _after(block: Any, attended: Tensor, before: Tensor) -> Tensor:
    """The rest of a post-norm block: output projection, residuals, norms and MLP."""
    x = block.norm1(block.attn.out_proj(attended) + before)
    out: Tensor = block.norm2(block.mlp(x) + x)
    return out


def _first_and_last(block: Any, fixed: Tensor, packed: Tensor, slots: Slots) -> Tensor:
    """The two class tokens after a block that is both the first and the last: (n, 2, z)."""
    z, heads = fixed.shape[1], block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    query = _heads(F.linear(fixed[:2], weight[:z], bias[:z]), heads) * (z // heads) ** -0.5
    k_fixed, v_fixed = _heads(F.linear(fixed, weight[z:], bias[z:]), 2 * heads).chunk(2, dim=1)
    k_shown, v_shown = _heads(F.linear(packed, weight[z:], bias[z:]), 2 * heads).chunk(2, dim=1)
    n = len(slots.place)
    score = torch.einsum("qhd,thd->thq", query, k_shown)[slots.place]
    if slots.empty is not None:
        score = score.masked_fill(slots.empty[:, :, None, None], float("-inf"))
    of_fixed = torch.einsum("qhd,fhd->fhq", query, k_fixed).expand(n, -1, -1, -1)
    share = torch.cat([of_fixed, score], dim=1).softmax(dim=1)
    split = len(fixed)
    attended = torch.einsum("nfhq,fhd->nqhd", share[:, :split], v_fixed)
    attended = attended + torch.einsum("nvhq,nvhd->nqhd", share[:, split:], v_shown[slots.place])
    return _after(block, attended.flatten(2), fixed[:2])


def _first(block: Any, fixed: Tensor, packed: Tensor, slots: Slots, mask: Tensor | None) -> Tensor:
    """All tokens after the first of several blocks: (n, 2 + R + v, z)."""
    n, heads = len(slots.place), block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    of_fixed = F.linear(fixed, weight, bias).expand(n, -1, -1)
    qkv = torch.cat([of_fixed, F.linear(packed, weight, bias)[slots.place]], dim=1)
    q, k, v = (_heads(part, heads).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    before = torch.cat([fixed.expand(n, -1, -1), packed[slots.place]], dim=1)
    return _after(block, attended, before)


def _last(block: Any, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The two class tokens after the last of several blocks: (n, 2, z)."""
    z, heads = hidden.shape[2], block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    q = _heads(F.linear(hidden[:, :2], weight[:z], bias[:z]), heads).transpose(1, 2)
    k, v = (
        _heads(part, heads).transpose(1, 2)
        for part in F.linear(hidden, weight[z:], bias[z:]).chunk(2, dim=-1)
    )
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    return _after(block, attended, hidden[:, :2])


def class_tokens(model: MVAE, x: Tensor, slots: Slots) -> tuple[Tensor, Tensor]:
    """Mean (n, z), unit rows, and log-variance (n, z); equal to `MVAE.posterior` of the same rows."""
    widths = model.config.widths
    packed = torch.cat(
        [
            model.projectors[i](x[rows, i, : widths[i]]) + model.modality_identifiers[i]
            for i, rows in enumerate(slots.rows)
            if len(rows)
        ]
    )
    fixed = torch.cat([model.cls_tokens, model.register_tokens])
    blocks = list(model.encoder)
    if len(blocks) == 1:
        out = _first_and_last(blocks[0], fixed, packed, slots)
    else:
        mask, full = None, None
        if slots.empty is not None:
            full = F.pad(~slots.empty, (len(fixed), 0), value=True)
            mask = full[:, None, None, :]
        hidden = _first(blocks[0], fixed, packed, slots, mask)
        shown = full if full is not None else hidden.new_ones(hidden.shape[:2], dtype=torch.bool)
        for block in blocks[1:-1]:
            hidden = block(hidden, shown)
        out = _last(blocks[-1], hidden, mask)
    out = out.to(x.dtype)  # autocast ends here
    return F.normalize(out[:, 0], dim=-1), out[:, 1]


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
    """

    def __init__(self, model: MVAE, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe
        if recipe.mixed:
            self.delta = nn.Parameter(torch.zeros(model.config.num_modalities))
            self.mixed_scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, batch: Batch) -> Terms:
        """Loss of a batch; see `Terms`."""
        recipe, model = self.recipe, self.model
        with torch.autocast(batch.x.device.type, torch.bfloat16, recipe.precision == "bf16"):
            mean, log_variance = class_tokens(model, batch.x, batch.slots)
            prior = kl_of(mean, log_variance, recipe.kl)
            total, nothing = recipe.lambda_kl * prior, torch.zeros_like(prior)
            if not batch.targets:
                return Terms(total, nothing, nothing.expand(0), prior.detach(), nothing)
            z = mean
            if batch.noise is not None:
                z = mean + torch.exp(log_variance / 2) * batch.noise
            decoded = decode_all(model, z, batch.targets)
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
        total, mixed = total + reconstruction + 0 * model.negative_shift, nothing
        if recipe.mixed and batch.hidden:
            mixed = self._mixed(batch, decoded, target, removed)
            total = total + recipe.mixed * mixed
        return Terms(total, reconstruction.detach(), terms.detach(), prior.detach(), mixed.detach())

    def _weight(self, batch: Batch) -> Tensor | None:
        """Weight (t, n) of each row in its target's mean over the joint batch; None when all are equal."""
        if batch.has is None and not self.recipe.masked_only:
            return None
        share = len(batch.columns) / len(batch.own)
        of = torch.tensor([share / c for c in batch.count], device=batch.own.device)
        return of[:, None] * self._counted(batch, hidden_only=self.recipe.masked_only)

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
    """
    rows = part or slice(0, len(x))
    device = x.device
    able = present & ~visible if recipe.masked_only else present
    count = able.sum(0).tolist()
    targets = tuple(i for i, c in enumerate(count) if c > 1)
    whole = all(count[t] == len(x) for t in targets)
    return Batch(
        x[rows],
        pack(visible[rows]).to(device),
        visible[rows].to(device, non_blocking=True),
        None if noise is None else noise[rows],
        targets,
        tuple(int(count[t]) for t in targets),
        int((present & ~visible)[:, list(targets)].sum()),
        torch.arange(rows.start, rows.stop, device=device),
        x,
        None if whole else present.to(device, non_blocking=True),
        duplicates if recipe.negatives != "all" else None,
        species if recipe.negatives == "species" else None,
    )
