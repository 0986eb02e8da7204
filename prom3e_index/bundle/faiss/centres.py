"""Centres of lists by spherical k-means, and the nearest centre of every row, by products on the processor or a GPU.

Rows are multiplied with all centres: in half precision on a GPU, in bfloat16 on a processor that does that fast (see
`nearest`), else in single precision. Training, where a few rows elsewhere do no harm, looks on other processors only
where the nearest may lie: centres stand in groups, a row is compared with the groups' means, then with the centres of
the groups that come within a margin of the best. All but one training row in 100 have their nearest centre inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.nearest import Assigned, Rounded, rounds_fast
from prom3e_index.bundle.faiss.scan import Floats

Finder = Callable[[Floats], Assigned]
"""From rows (n, w) float32 to the number of the nearest centre of each, by inner product: (n,)."""

ROUNDS = 8
_MISSED = 0.01
"""Share of training rows that need not get their very nearest centre."""
_TRIED = 8192
"""Training rows that the margin is measured on."""
_FEW = 512
"""Up to here all centres are compared."""
_SHARE = 0.6
"""Above this share of centres within the margin, comparing with all is as quick."""
_BLOCK = 16_384
_PRODUCT = 1 << 24
"""Numbers of a product in single precision at once; on a card eight times as many."""
_SPLIT = np.float32(1 / 1024)


def train(rows: Floats, lists: int, seed: int, device: str = "cpu") -> Floats:
    """Unit centres of lists, (lists, w): spherical k-means of training rows, drawn ones first, empty ones split off.

    Args:
        rows: (s, w) float32, s ≥ lists.
        lists: How many.
        seed: Of the draw.
        device: Where the products are made.
    """
    first = np.random.default_rng(seed).choice(len(rows), lists, replace=False)
    centres = _unit(rows[first])
    place: Any = _Card(rows, device) if device.startswith("cuda") else _Processor(rows)
    for _ in range(ROUNDS):
        sums, counts = place.sums(place.assigned(centres), lists)
        centres = _moved(centres, sums, counts)
    return centres


def finder(centres: Floats, device: str = "cpu") -> Finder:
    """What finds the nearest of some centres: on the processor the very nearest, on a card but for near ties.

    Args:
        centres: (lists, w) float32.
        device: Where.
    """
    if device.startswith("cuda"):
        return _on_card(centres, device)
    if rounds_fast():
        return Rounded(centres).nearest
    return lambda rows: _nearest_of_all(rows, centres)


def _unit(x: Floats) -> Floats:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths > 0, lengths, 1), np.float32)


def _moved(centres: Floats, sums: NDArray[Any], counts: NDArray[np.int64]) -> Floats:
    """Unit means; a centre without rows takes half of those of the one with most, beside it."""
    out = np.where((counts > 0)[:, None], _unit(np.asarray(sums, np.float32)), centres)
    sides = np.where(np.arange(out.shape[1]) % 2, 1 - _SPLIT, 1 + _SPLIT).astype(np.float32)
    left = counts.copy()
    for empty in np.flatnonzero(counts == 0):
        most = int(left.argmax())
        left[empty] = left[most] // 2
        left[most] -= left[empty]
        out[empty], out[most] = out[most] * sides, out[most] * (2 - sides)
    return _unit(out)


class _Processor:
    def __init__(self, rows: Floats) -> None:
        self._rows = rows

    def assigned(self, centres: Floats) -> Assigned:
        if rounds_fast():
            return Rounded(centres).roughly(self._rows)
        return _by_groups(centres, self._rows)

    def sums(self, assigned: Assigned, lists: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return grouped_sums(self._rows, assigned, lists)


def grouped_sums(
    rows: Floats, assigned: Assigned, lists: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sums (lists, w) and numbers (lists,) of the rows of each list."""
    order = np.argsort(assigned, kind="stable")
    counts = np.bincount(assigned, minlength=lists).astype(np.int64)
    ends = np.cumsum(counts)
    out = np.zeros((lists, rows.shape[1]), np.float32)
    for at in range(0, lists, 256):  # some lists at a time, so that no copy of all rows is made
        here = at + np.flatnonzero(counts[at : at + 256])
        if len(here):
            begins = ends[here] - counts[here]
            part = rows[order[begins[0] : ends[here[-1]]]]
            out[here] = np.add.reduceat(part, begins - begins[0], axis=0)
    return out, counts


def _nearest_of_all(rows: Floats, centres: Floats) -> Assigned:
    size = max(1, _PRODUCT // len(centres))
    out = np.empty(len(rows), np.int32)
    for at in range(0, len(rows), size):
        out[at : at + size] = (rows[at : at + size] @ centres.T).argmax(axis=1)
    return out


def _by_groups(centres: Floats, rows: Floats) -> Assigned:
    """The nearest centre of nearly all rows, comparing with groups first; with all where that is no gain."""
    if len(centres) <= _FEW:
        return _nearest_of_all(rows, centres)
    count = 1 << round(np.log2(1.4 * len(centres) ** 0.5))
    means = _unit(centres[:: len(centres) // count][:count])
    for _ in range(4):
        means = _moved(means, *grouped_sums(centres, _nearest_of_all(centres, means), count))
    group = _nearest_of_all(centres, means)
    tried = rows[:: max(1, len(rows) // _TRIED)]
    high = tried @ means.T
    true = group[_nearest_of_all(tried, centres)]
    behind = high.max(axis=1) - high[np.arange(len(tried)), true]
    margin = np.float32(np.quantile(behind, 1 - _MISSED, method="higher") + 1e-6)
    sizes = np.bincount(group, minlength=count)
    seen = float(((high >= high.max(axis=1, keepdims=True) - margin) @ sizes).mean())
    if seen > _SHARE * len(centres):
        return _nearest_of_all(rows, centres)
    members = [np.flatnonzero(group == g).astype(np.int32) for g in range(count)]
    held = [np.ascontiguousarray(centres[m].T) for m in members]
    out = np.zeros(len(rows), np.int32)
    for at in range(0, len(rows), _BLOCK):
        out[at : at + _BLOCK] = _in_groups(rows[at : at + _BLOCK], means, margin, members, held)
    return out


def _in_groups(
    x: Floats, means: Floats, margin: np.float32, members: list[Assigned], held: list[Floats]
) -> Assigned:
    high = x @ means.T
    able = np.ascontiguousarray((high >= high.max(axis=1, keepdims=True) - margin).T)
    best = np.full(len(x), -np.inf, np.float32)
    out = np.zeros(len(x), np.int32)
    for mine, centres, numbers in zip(able, held, members, strict=True):
        rows = np.flatnonzero(mine)
        if not len(rows) or not len(numbers):
            continue
        scores = x[rows] @ centres
        nearest = scores.argmax(axis=1)
        reached = scores[np.arange(len(rows)), nearest]
        better = reached > best[rows]
        best[rows[better]] = reached[better]
        out[rows[better]] = numbers[nearest[better]]
    return out


class _Card:
    def __init__(self, rows: Floats, device: str) -> None:
        import torch

        self._device, self._rows = device, torch.from_numpy(rows).to(device, torch.float16)

    def assigned(self, centres: Floats) -> Any:
        return _nearest_on_card(self._rows, _halves(centres, self._device))

    def sums(self, assigned: Any, lists: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        import torch

        out = torch.zeros(
            (lists, self._rows.shape[1]), dtype=torch.float64, device=self._rows.device
        )
        for rows, numbers in zip(self._rows.split(_BLOCK), assigned.split(_BLOCK), strict=True):
            out.index_add_(
                0, numbers, rows.double()
            )  # so wide that the order of adding is not seen
        counts = torch.bincount(assigned, minlength=lists)
        return out.cpu().numpy(), counts.cpu().numpy()


def _halves(centres: Floats, device: str) -> Any:
    import torch

    return torch.from_numpy(centres).to(device, torch.float16).T.contiguous()


def _nearest_on_card(rows: Any, centres: Any) -> Any:
    """(n,) int64 of half-precision rows (n, w) and centres (w, lists), both there."""
    import torch

    from prom3e_index.bundle.faiss.products import product

    parts = rows.split(max(1, 8 * _PRODUCT // centres.shape[1]))
    return torch.cat([product(part, centres).argmax(dim=1) for part in parts])


def _on_card(centres: Floats, device: str) -> Finder:
    import torch

    there = _halves(centres, device)

    def find(x: Floats) -> Assigned:
        rows = torch.from_numpy(x).to(device).half()
        found: Assigned = _nearest_on_card(rows, there).to(torch.int32).cpu().numpy()
        return found

    return find
