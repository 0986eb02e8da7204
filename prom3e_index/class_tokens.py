"""The posterior alone, by the operations it needs and no more, exactly.

Only the last block's two class tokens are read, so its queries, output projection and MLP run for two
tokens, not for all. Class and register tokens are the same for every row, so their keys and values in
the first block are computed once. Only visible tokens are projected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.mvae import MVAE, Posterior


@dataclass(frozen=True)
class Slots:
    """Visible tokens packed one behind the other, modality by modality, and where each row finds its own.

    Attributes:
        rows: For each modality the rows that show it.
        place: (n, v) position of a row's tokens in the packed order; 0 where it has fewer than v.
        empty: (n, v) True where a row has no such token; None when every row has v.
    """

    rows: tuple[Tensor, ...]
    place: Tensor
    empty: Tensor | None

    def to(self, device: torch.device | str) -> Slots:
        """The same on a device, without waiting for it."""
        return Slots(
            tuple(r.to(device, non_blocking=True) for r in self.rows),
            self.place.to(device, non_blocking=True),
            None if self.empty is None else self.empty.to(device, non_blocking=True),
        )


def pack(visible: Tensor) -> Slots:
    """Lay out the visible tokens of (n, m) bool on the CPU."""
    n, m = visible.shape
    rows = tuple(visible[:, i].nonzero()[:, 0] for i in range(m))
    column = visible.cumsum(1) - 1
    count = visible.sum(1)
    most = int(count.max())
    place = torch.zeros(n, most, dtype=torch.int64)
    start = 0
    for i, of in enumerate(rows):
        place[of, column[of, i]] = torch.arange(start, start + len(of))
        start += len(of)
    empty = torch.arange(most)[None, :] >= count[:, None]
    return Slots(rows, place, empty if bool(empty.any()) else None)


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


def posterior_of(model: MVAE, x: Tensor, present: Tensor, device: str) -> Posterior:
    """What `MVAE.posterior` gives, of its tokens the two class tokens only.

    Args:
        model: The MVAE, on `device`.
        x: (n, m, d) on the CPU; see `MVAE.posterior`.
        present: (n, m) on the CPU.
        device: Where it is computed.
    """
    model.check(x, present)
    mean, log_variance = class_tokens(model, x.to(device), pack(present).to(device))
    return Posterior(mean, log_variance, torch.stack([mean, log_variance], dim=1))
