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

from prom3e_index.errors import InputError
from prom3e_index.mvae.network import MVAE, Posterior


@dataclass(frozen=True)
class Slots:
    """Visible tokens packed one behind the other, modality by modality, and where each row finds its own.

    Attributes:
        rows: For each modality the rows that show it.
        place: (n, v) position of a row's tokens in the packed order; where it has fewer than v, its first
            one again: were it one token for all rows, the gather's gradient would queue up there.
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
    place = torch.where(empty, place[:, :1], place)
    return Slots(rows, place, empty if bool(empty.any()) else None)


def heads_of(x: Tensor, heads: int) -> Tensor:
    """(…, z) split into heads, (…, h, z / h)."""
    out: Tensor = x.unflatten(-1, (heads, -1))
    return out


def after(block: Any, attended: Tensor, before: Tensor) -> Tensor:
    """The rest of a post-norm block: output projection, residuals, norms and MLP."""
    x = block.norm1(block.attn.out_proj(attended) + before)
    out: Tensor = block.norm2(block.mlp(x) + x)
    return out


def _seen(block: Any, fixed: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """How much each class token heeds each token, before the softmax (t, h, 2), and values (t, h, ·)."""
    z, heads = fixed.shape[1], block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    query = heads_of(F.linear(fixed[:2], weight[:z], bias[:z]), heads) * (z // heads) ** -0.5
    keys, values = heads_of(F.linear(tokens, weight[z:], bias[z:]), 2 * heads).chunk(2, dim=1)
    return torch.einsum("qhd,thd->thq", query, keys), values


def _first_and_last(
    block: Any, fixed: Tensor, score: Tensor, values: Tensor, empty: Tensor | None
) -> Tensor:
    """The two class tokens after a block that is both the first and the last: (n, 2, z).

    Args:
        block: The block.
        fixed: (2 + R, z) class and register tokens.
        score: (n, v, h, 2) of each row's tokens; see `_seen`.
        values: (n, v, h, z / h).
        empty: (n, v) True where a row has no such token.
    """
    if empty is not None:
        score = score.masked_fill(empty[:, :, None, None], float("-inf"))
    of_fixed, v_fixed = _seen(block, fixed, fixed)
    share = torch.cat([of_fixed.expand(len(score), -1, -1, -1), score], dim=1).softmax(dim=1)
    split = len(fixed)
    attended = torch.einsum("nfhq,fhd->nqhd", share[:, :split], v_fixed)
    attended = attended + torch.einsum("nvhq,nvhd->nqhd", share[:, split:], values)
    return after(block, attended.flatten(2), fixed[:2])


def _first(block: Any, fixed: Tensor, packed: Tensor, slots: Slots, mask: Tensor | None) -> Tensor:
    """All tokens after the first of several blocks: (n, 2 + R + v, z)."""
    n, heads = len(slots.place), block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    of_fixed = F.linear(fixed, weight, bias).expand(n, -1, -1)
    qkv = torch.cat([of_fixed, F.linear(packed, weight, bias)[slots.place]], dim=1)
    q, k, v = (heads_of(part, heads).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    before = torch.cat([fixed.expand(n, -1, -1), packed[slots.place]], dim=1)
    return after(block, attended, before)


def last(block: Any, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The two class tokens after the last of several blocks: (n, 2, z)."""
    z, heads = hidden.shape[2], block.attn.num_heads
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    q = heads_of(F.linear(hidden[:, :2], weight[:z], bias[:z]), heads).transpose(1, 2)
    k, v = (
        heads_of(part, heads).transpose(1, 2)
        for part in F.linear(hidden, weight[z:], bias[z:]).chunk(2, dim=-1)
    )
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    return after(block, attended, hidden[:, :2])


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
        score, values = (t[slots.place] for t in _seen(blocks[0], fixed, packed))
        out = _first_and_last(blocks[0], fixed, score, values, slots.empty)
    else:
        mask, full = None, None
        if slots.empty is not None:
            full = F.pad(~slots.empty, (len(fixed), 0), value=True)
            mask = full[:, None, None, :]
        hidden = _first(blocks[0], fixed, packed, slots, mask)
        shown = full if full is not None else hidden.new_ones(hidden.shape[:2], dtype=torch.bool)
        for block in blocks[1:-1]:
            hidden = block(hidden, shown)
        out = last(blocks[-1], hidden, mask)
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
    return posterior_from(model, x.to(device), pack(present).to(device))


def posterior_from(model: MVAE, x: Tensor, slots: Slots) -> Posterior:
    """As `posterior_of`, of rows (n, m, d) and slots that lie on the model's device already."""
    return _posterior(*class_tokens(model, x, slots))


def _posterior(mean: Tensor, log_variance: Tensor) -> Posterior:
    return Posterior(mean, log_variance, torch.stack([mean, log_variance], dim=1))


class Tokens:
    """The tokens of some rows, ready for any visible set: for an MVAE of one block.

    What a token gives the class tokens does not depend on what else is visible, so it is computed once
    for all visible sets that the same rows are shown with.

    Args:
        model: The MVAE, of depth 1.
        x: (n, m, d) on the CPU.
        present: (n, m); other tokens are never visible.
        device: Where the model is.
    """

    def __init__(self, model: MVAE, x: Tensor, present: Tensor, device: str) -> None:
        n, m = present.shape
        z, heads = model.config.embed_dim, model.config.heads
        self._model, self._device, self._present = model, device, present
        self._fixed = torch.cat([model.cls_tokens, model.register_tokens])
        self._score = torch.zeros(n, m, heads, 2, device=device)
        self._values = torch.zeros(n, m, heads, z // heads, device=device)
        for i, width in enumerate(model.config.widths):
            for rows in present[:, i].nonzero()[:, 0].split(4096):
                token = model.projectors[i](x[rows, i, :width].to(device))
                token = token + model.modality_identifiers[i]
                score, values = _seen(model.encoder[0], self._fixed, token)
                at = rows.to(device)
                self._score[at, i], self._values[at, i] = score, values

    def posterior(self, rows: Tensor, visible: Tensor) -> Posterior:
        """What `posterior_of` gives for some of the rows (r,), each shown with `visible` (r, m).

        Raises:
            InputError: A row shows nothing, or what it has not.
        """
        shown = visible & self._present[rows]
        if not bool((shown == visible).all() & visible.any(dim=1).all()):
            raise InputError("A row is shown with nothing, or with a modality that it has not.")
        some = visible.any(dim=0).nonzero()[:, 0]
        at = rows.to(self._device)[:, None], some.to(self._device)
        score, values = self._score[at], self._values[at]
        empty = ~visible[:, some].to(self._device)
        out = _first_and_last(self._model.encoder[0], self._fixed, score, values, empty)
        return _posterior(F.normalize(out[:, 0], dim=-1), out[:, 1])
