"""One training step's loss, computed with the operations it needs and no more, exactly.

The posterior comes from `class_tokens`. All decoders are one batched product, all distances another.
About 0.16 GFLOP a row at the default sizes instead of 0.5, with equal loss and gradients (the tests
compare both with a plain transcription). A `fixed` batch, see `fixed_batch`, takes `dense_tokens` instead: more
arithmetic, but no shape that depends on what rows show, so a GPU can replay it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.mvae.class_tokens import Slots, class_tokens
from prom3e_index.mvae.dense_tokens import Stacked, class_tokens_of, decode_dense, project
from prom3e_index.mvae.network import MVAE
from prom3e_index.mvae.stacks import stacked
from prom3e_index.mvae.unit import unit
from prom3e_index.training.distributed import ALONE, Processes, gathered, shared
from prom3e_index.training.losses import distance_entropy, kl_of, symmetric_infonce
from prom3e_index.training.precision import autocast
from prom3e_index.training.stage_two.batches import Batch, columns_of
from prom3e_index.training.stage_two.recipe import Recipe


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
    return unit(out.to(z.dtype))


class Step(nn.Module):
    """The MVAE with what only training needs; called with a batch it gives the loss.

    Attributes:
        model: The MVAE.
        one: Makes one tensor of several modalities' weights, in a fixed batch.
        fused: Take a fixed batch in fused kernels, see `fused.launch.why_not_fused`.
        delta: (m,) logit of δ per modality, with `mixed`.
        mixed_scale: Logarithm of the mixed query's scale, with `mixed`.
        contrast_scale: Logarithm of the scale of cosines between hidden vectors, with `contrast`.
        me: This process among those that share a joint batch.
    """

    def __init__(self, model: MVAE, recipe: Recipe, me: Processes = ALONE) -> None:
        super().__init__()
        self.model, self.recipe, self.me = model, recipe, me
        self.one: Stacked = stacked
        self.fused = False
        if recipe.contrast:
            self.contrast_scale = nn.Parameter(torch.tensor(2.5))
        if recipe.mixed:
            self.delta = nn.Parameter(torch.zeros(model.config.num_modalities))
            self.mixed_scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, batch: Batch) -> Terms:
        """Loss of a batch; see `Terms`."""
        return self.losses(batch)

    def losses(self, batch: Batch) -> Terms:
        """What `forward` gives."""
        recipe, model = self.recipe, self.model
        networks = self._fused if self.fused else self._fixed
        prior, decoded, mean, rest = (self._packed if batch.slots is not None else networks)(batch)
        total, nothing = recipe.lambda_kl * prior, torch.zeros_like(prior)
        if decoded is None:
            return Terms(total, nothing, nothing.expand(0), prior.detach(), nothing, nothing)
        target = columns_of(batch.columns, batch.targets).transpose(0, 1)
        removed = _no_negatives(batch)
        if recipe.distance == "cosine":
            cosine = torch.bmm(decoded, target.transpose(1, 2))
            value = _cross_entropy(-model.negative_scale * cosine, batch.own, removed)
        else:
            value = self._entropy(decoded, target, batch.own, removed)
        if self.fused and batch.share is None and not recipe.mixed:
            return self._joined(prior, value, mean, rest)
        weight = self._weight(batch)
        terms = value.mean(1) if weight is None else (value * weight).sum(1)
        if batch.decoded is None:
            reconstruction = terms.mean()
        else:
            reconstruction = (terms * batch.decoded).sum() / batch.decoded.sum().clamp(min=1)
        # β adds the same to every logit: it takes part with its gradient, which is 0
        total = total + reconstruction + 0 * model.negative_shift
        mixed = contrast = nothing
        if recipe.mixed and (isinstance(batch.hidden, Tensor) or batch.hidden):
            mixed = self._mixed(batch, decoded, target, removed)
            total = total + recipe.mixed * mixed
        if rest is not None:
            contrast = self._contrast(mean, rest)
            if batch.decoded is not None:
                contrast = contrast * batch.decoded.amax()
            total = total + recipe.contrast * contrast
        parts = (reconstruction, terms, prior, mixed, contrast)
        return Terms(total, *(part.detach() for part in parts))

    def _entropy(
        self, decoded: Tensor, target: Tensor, own: Tensor, removed: Tensor | None
    ) -> Tensor:
        scale = self.model.negative_scale
        if not self.fused:
            return distance_entropy(decoded, target, scale, own, removed)
        from prom3e_index.training.fused.losses import entropy

        return entropy(decoded, target, scale, own, removed)

    def _latent(self, batch: Batch, mean: Tensor, log_variance: Tensor) -> Tensor:
        if batch.noise is None:
            return mean
        return mean + torch.exp(log_variance / 2) * batch.noise

    def _packed(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """KL term, decodes (t, n, d), μ of what is shown and μ of the rest, of packed tokens."""
        model, rest = self.model, None
        assert isinstance(batch.slots, Slots)  # `forward` has looked
        with autocast(self.recipe.precision, batch.x.device):
            mean, log_variance = class_tokens(model, batch.x, batch.slots)
            prior = kl_of(mean, log_variance, self.recipe.kl)
            if not batch.targets:
                return prior, None, mean, None
            decoded = decode_all(model, self._latent(batch, mean, log_variance), batch.targets)
            if isinstance(batch.rest, Slots):
                rest, _ = class_tokens(model, batch.x, batch.rest)
        return prior, decoded, mean, rest

    def _fixed(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """As `_packed`, of all tokens that the set has, hidden ones left out by the softmax."""
        model, held = self.model, batch.targets
        dtype = torch.bfloat16 if self.recipe.precision == "bf16" else batch.x.dtype
        tokens = project(model, batch.x, held, dtype, self.one)
        ways: list[Tensor | None] = [columns_of(batch.visible, held)]
        if isinstance(batch.rest, Tensor):
            ways.append(columns_of(batch.rest, held))
        (mean, log_variance), *others = class_tokens_of(model, tokens, ways, dtype)
        prior = kl_of(mean, log_variance, self.recipe.kl)
        decoded = decode_dense(
            model, self._latent(batch, mean, log_variance), held, dtype, self.one
        )
        return prior, decoded, mean, others[0][0] if others else None

    def _fused(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """As `_fixed`, in fused kernels."""
        from prom3e_index.training.fused.network import posterior_and_decodes

        dtype = torch.bfloat16 if self.recipe.precision == "bf16" else torch.float32
        return posterior_and_decodes(self.model, batch, self.recipe.kl, dtype, self.one)

    def _joined(self, prior: Tensor, value: Tensor, mean: Tensor, rest: Tensor | None) -> Terms:
        """The loss of a batch in which all rows and targets weigh the same, by few operations."""
        from prom3e_index.training.fused.losses import joined

        recipe, nothing = self.recipe, torch.zeros_like(prior)
        contrast = nothing if rest is None else self._contrast(mean, rest)
        total, reconstruction, terms = joined(
            prior, value, contrast, self.model.negative_shift, recipe.lambda_kl, recipe.contrast
        )
        return Terms(total, reconstruction, terms, prior.detach(), nothing, contrast.detach())

    def _contrast(self, shown: Tensor, rest: Tensor) -> Tensor:
        """Contrast of hidden vectors (n, z) over the joint batch, both ways."""
        if self.fused:
            from prom3e_index.training.fused.losses import contrast

            return contrast(shown, rest, self.contrast_scale)
        scale = shared(self.contrast_scale.exp().clamp(max=100), self.me.count)
        value = symmetric_infonce(gathered(shown, self.me), gathered(rest, self.me), scale)
        # the whole value in each process, but a gradient through its own rows only: a mean divides it
        return value.detach() + (value - value.detach()) * self.me.count

    def _weight(self, batch: Batch) -> Tensor | None:
        """Weight (t, n) of each row in its target's mean over the joint batch; None when all are equal."""
        if batch.has is None and not self.recipe.masked_only:
            return None
        assert batch.share is not None  # rows weigh otherwise
        return batch.share[:, None] * self._counted(batch, hidden_only=self.recipe.masked_only)

    def _counted(self, batch: Batch, *, hidden_only: bool) -> Tensor:
        """1 (t, n) where a row has the target, and with `hidden_only` does not show it; else 0."""
        targets = batch.targets
        out = torch.ones(len(targets), len(batch.own), device=batch.own.device)
        if batch.has is not None:
            out = out * columns_of(batch.has[batch.own], targets).T
        return out * ~columns_of(batch.visible, targets).T if hidden_only else out

    def _mixed(
        self, batch: Batch, decoded: Tensor, target: Tensor, removed: Tensor | None
    ) -> Tensor:
        """Cross-entropy of the scaled mixed query, mean over rows and the targets that they hide."""
        mean = F.normalize((batch.x * batch.visible[:, :, None]).sum(1), dim=-1)
        delta = torch.sigmoid(columns_of(self.delta[None], batch.targets)[0])[:, None, None]
        query = (1 - delta) * mean[None] + delta * decoded
        logits = self.mixed_scale.exp().clamp(max=100) * torch.bmm(query, target.transpose(1, 2))
        value = _cross_entropy(logits, batch.own, removed)
        share = len(batch.columns) / len(batch.own)
        hidden = batch.hidden
        if isinstance(hidden, Tensor):
            hidden = hidden.clamp(min=1)
        if batch.decoded is not None:
            value = value * batch.decoded[:, None]
        return (value * self._counted(batch, hidden_only=True)).sum() * (share / hidden)


def _no_negatives(batch: Batch) -> Tensor | None:
    """Pairs (t or 1, n, N) of a row with another one that is no negative of it; None when all are."""
    targets, own = batch.targets, batch.own
    removed = None
    if batch.duplicates is not None:
        number = columns_of(batch.duplicates, targets).T
        removed = number[:, own][:, :, None] == number[:, None, :]
    if batch.species is not None:
        alike = (batch.species[own][:, None] == batch.species[None, :])[None]
        removed = alike if removed is None else removed | alike
    if batch.has is not None:
        absent = ~columns_of(batch.has, targets).T[:, None, :]
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
