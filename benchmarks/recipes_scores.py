"""Scores of directions and their expected recall, in torch, so that a run of `recipes.py` on a GPU is judged there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.evaluation.directions import IDENTICAL, LEAST, SAME_ITEM
from prom3e_index.evaluation.weights_choice import HIDDEN_ALONE, Setting
from prom3e_index.mvae.network import MVAE

NAMES = ("image", "sat", "loc", "env", "text", "audio")
"""Modalities of every set of rows, in order."""
_ITEMS = [NAMES.index(m) for m in SAME_ITEM]
HIDDEN = (*HIDDEN_ALONE, 0.0)
CHUNK = 16
"""Settings whose scores are in memory at a time."""
SOME = 8
"""Visible sets of a size, of two and more, that are judged."""


@dataclass(frozen=True)
class Judged:
    """Rows that ask and answer, on the device.

    Attributes:
        x: (n, m, d) unit rows.
        present: (n, m).
        species: (n,) codes, −1 unknown.
        half: (n,) 0 or 1; rows of one species are in one half.
    """

    x: Tensor
    present: Tensor
    species: Tensor
    half: Tensor

    @classmethod
    def of(cls, x: Tensor, present: Tensor, species: Any, device: str) -> Judged:
        """Rows with their labels; species are dealt to the halves at random with a fixed seed."""
        text = np.asarray(species).astype(str)
        codes = np.where(text == "", -1, np.unique(text, return_inverse=True)[1].reshape(-1))
        side = np.random.default_rng(0).permutation(codes.max() + 1) % 2
        half = np.where(codes < 0, np.arange(len(codes)) % 2, side[codes])
        on = [torch.as_tensor(a).to(device) for a in (x, present, codes, half)]
        return cls(*on)


def expected(scores: Tensor, right: Tensor) -> Tensor:
    """Probability that the first answer, and one of the first ten, is right.

    Args:
        scores: (s, q, g).
        right: (q, g).

    Returns:
        (2, s, q); −1 for queries without a right answer.
    """
    none = torch.finfo(scores.dtype).min
    top = scores.masked_fill(~right, none).amax(2, keepdim=True)
    above = (scores > top).sum(2).double()
    same = scores == top
    tied, good = same.sum(2).double(), (same & right).sum(2).double()
    out = []
    for k in (1, 10):
        drawn = torch.minimum((k - above).clamp(min=0), tied)
        # no right one among `drawn` of `tied`: C(tied − good, drawn) / C(tied, drawn)
        wrong = tied - good
        left = (wrong - drawn).clamp(min=0)
        log = torch.lgamma(wrong + 1) - torch.lgamma(left + 1)
        log = log - torch.lgamma(tied + 1) + torch.lgamma(tied - drawn + 1)
        out.append(1 - torch.where(wrong >= drawn, log.exp(), torch.zeros_like(log)))
    return torch.where(right.any(1), torch.stack(out), -1.0)


class Judge:
    """An MVAE beside the rows that judge it.

    Args:
        mvae: In evaluation mode, on the rows' device.
        rows: Rows that ask and answer.
        decode: `mean` or `expectation`.
        hidden: `mean`, `sigma` or `both`.
        limit: Queries per direction of two and more shown.
    """

    def __init__(self, mvae: MVAE, rows: Judged, decode: str, hidden: str, limit: int) -> None:
        self.mvae, self.rows, self.decode, self.hidden = mvae, rows, decode, hidden
        self.limit = limit

    def _infer(self, shown: Tensor, targets: list[int]) -> tuple[Tensor, Tensor]:
        """Hidden vectors (n, ·) and completions (n, t, d); zeros where nothing is shown."""
        any_shown = shown.any(1)
        at = any_shown.nonzero()[:, 0]
        posterior = self.mvae._posterior(self.rows.x[at], shown[at])
        unit = {
            "mean": [posterior.mean],
            "sigma": [F.normalize(posterior.sigma, dim=1)],
            "both": [posterior.mean, F.normalize(posterior.sigma, dim=1)],
        }[self.hidden]
        small = torch.cat(unit, 1) / len(unit) ** 0.5
        hidden = small.new_zeros(len(shown), small.shape[1])
        hidden[at] = small
        made = hidden.new_zeros(len(shown), len(targets), self.rows.x.shape[2])
        if targets:
            made[at] = self.mvae.reconstruct(posterior, targets, how=self.decode)
        return hidden, made

    def directions(self, size: int, epsilons: bool) -> Iterator[_Direction]:
        """Every visible set of a size with every target outside it that enough rows can ask."""
        rows = self.rows
        n, m = rows.present.shape
        able = [t for t in range(m) if int(rows.present[:, t].sum()) >= LEAST]
        every = list(combinations(able, size))
        if size > 1 and len(every) > SOME:
            drawn = np.random.default_rng(size).permutation(len(every))[:SOME]
            every = [every[i] for i in sorted(drawn)]
        for given in every:
            columns = list(given)
            has = rows.present[:, columns].all(1) & (rows.species >= 0)
            ask = has.nonzero()[:, 0]
            if size > 1:
                ask = ask[torch.linspace(0, len(ask) - 1, min(len(ask), self.limit)).long()]
            targets = [t for t in able if t not in given]
            if len(ask) < LEAST or not targets:
                continue
            shown = torch.zeros_like(rows.present)
            shown[:, columns] = True
            q_hidden, q_made = self._infer(shown & has[:, None], targets)
            g_hidden, g_made = self._infer(rows.present & ~shown, targets if epsilons else [])
            mean = F.normalize(rows.x[:, columns].sum(1), dim=-1)
            for i, t in enumerate(targets):
                g = rows.present[:, t].nonzero()[:, 0]
                made = g_made[g, i] if epsilons else None
                yield _Direction(
                    rows, given, t, ask, g, mean[ask], q_made[ask, i], q_hidden[ask], g_hidden[g], made
                )  # fmt: skip


@dataclass
class _Direction:
    rows: Judged
    given: tuple[int, ...]
    target: int
    ask: Tensor
    gallery: Tensor
    mean: Tensor
    completed: Tensor
    hidden: Tensor
    g_hidden: Tensor
    g_made: Tensor | None

    def __post_init__(self) -> None:
        observed = self.rows.x[self.gallery, self.target]
        self.by_mean, self.by_made = self.mean @ observed.T, self.completed @ observed.T
        self.by_hidden = self.hidden @ self.g_hidden.T
        if self.g_made is not None:
            self.made_mean = self.mean @ self.g_made.T
            self.made_made = self.completed @ self.g_made.T
            self.cosine = (observed * self.g_made).sum(1)
        code = self.rows.species
        self.alike = code[self.ask][:, None] == code[self.gallery][None]
        self.own = self.ask[:, None] == self.gallery[None]
        if self.target in _ITEMS:
            asked = self.rows.x[self.ask, self.target]
            self.same = (asked @ observed.T > IDENTICAL) & self.rows.present[self.ask, self.target][
                :, None
            ]

    def scores(self, settings: list[Setting]) -> Tensor:
        """Scores (s, q, g) with δ, γ and one ε."""
        delta, gamma, _ = (
            torch.tensor(v, device=self.mean.device)[:, None, None]
            for v in zip(*settings, strict=True)
        )
        epsilon = settings[0][2]
        value = (1 - delta) * self.by_mean + delta * self.by_made
        if epsilon:
            made = (1 - delta) * self.made_mean + delta * self.made_made
            square = (1 - epsilon) ** 2 + epsilon**2 + 2 * epsilon * (1 - epsilon) * self.cosine
            value = ((1 - epsilon) * value + epsilon * made) / square.clamp(min=1e-12).sqrt()
        return (1 - gamma) * value + gamma * self.by_hidden

    def values(self, way: str, settings: list[Setting]) -> dict[Setting, Tensor]:
        """Recall (2, h) at 1 and 10 of each setting and half of the queries.

        `project`: as `evaluate retrieval`, own row left out, the very item of tiles, places and climates.
        `plain`: as the authors, all rows answer and any of the same species is right.
        """
        found = []
        for epsilon in sorted({s[2] for s in settings}):
            some = [s for s in settings if s[2] == epsilon]
            for at in range(0, len(some), CHUNK):
                found.append((some[at : at + CHUNK], self._values(way, some[at : at + CHUNK])))
        return {s: v[:, i] for part, v in found for i, s in enumerate(part)}

    def _values(self, way: str, settings: list[Setting]) -> Any:
        scores = self.scores(settings)
        if way == "plain":
            one = expected(scores, self.alike)
        elif self.target in _ITEMS:
            one = expected(scores, self.same)
        else:
            scores = scores.masked_fill(self.own, torch.finfo(torch.float32).min)
            one = expected(scores, self.alike & ~self.own)
        half = self.rows.half[self.ask]
        at = torch.stack([half == 0, half == 1])[None, None] & (one >= 0)[:, :, None]
        return ((one[:, :, None] * at).sum(3) / at.sum(3)).cpu().numpy()
