"""Which cells a map extrapolates to: the rule, in one place.

A cell is compared with the places of the index's observations: by climate (MESS) where cells have one, else by the
kilometres to the nearest. It is flagged where it lies farther off than 95 % of the index's own blocks do, each when all
of its observations are left out. Blocks are of 5 degrees, or as much smaller as at least 20 of them need; each counts
once, however many observations it holds.

So the flag says: here the map is asked for more than the index could have been tested for, block by block, on itself.
The ends of a sample are no limit: of 20 variables and a hundred sites some 15 % of new places of the same kind have one
beyond them. Nor is the distance between embeddings of places, which grows no more after some hundred kilometres.

Source: Meyer and Pebesma 2021, Methods in Ecology and Evolution 12 (area of applicability: the limit is what training
data have across the folds of a spatial validation); MESS: Elith, Kearney and Phillips 2010, the same journal 1,
appendix S3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.maps.assess import EARTH_KM, block_of

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARE = 95.0
"""Per cent of the index's blocks, at least, that lie nearer than a flagged cell."""
SIDES = (5.0, 1.0, 0.2, 0.04, 0.01)
"""Sides of blocks, degrees; observations of one block of the last are one place."""
LEAST_BLOCKS = 20
"""Of fewer blocks one stray observation would set the limit."""
_MOST_PLACES = 50_000
_EACH = 5
"""Places of a block that speak for it."""
_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Known:
    """Distinct places of observations, and the blocks that they lie in.

    Attributes:
        latitude: (k,) longitude alike.
        block: (k,) 0 to blocks − 1.
        side: Of a block, degrees.
    """

    latitude: Floats
    longitude: Floats
    block: Ints
    side: float

    @classmethod
    def of(cls, latitude: Floats, longitude: Floats) -> Known:
        """Of observations, each with a place; of very many places a fixed part is taken."""
        first = np.unique(block_of(latitude, longitude, SIDES[-1]), return_index=True)[1]
        if len(first) > _MOST_PLACES:
            first = np.random.default_rng(0).choice(first, _MOST_PLACES, replace=False)
        first = np.sort(first)
        lat, lon = np.asarray(latitude[first], float), np.asarray(longitude[first], float)
        for side in SIDES:
            blocks, own = np.unique(block_of(lat, lon, side), return_inverse=True)
            if len(blocks) >= LEAST_BLOCKS:
                break
        return cls(lat, lon, own, side)

    def __len__(self) -> int:
        return len(self.latitude)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return int(self.block.max()) + 1 if len(self) else 0

    def speakers(self) -> Ints:
        """Up to five places of each block, drawn by a fixed seed, ascending."""
        drawn = np.random.default_rng(0).permutation(len(self))
        order = drawn[np.argsort(self.block[drawn], kind="stable")]
        start = np.searchsorted(self.block[order], np.arange(self.blocks))
        rank = np.arange(len(order)) - start[self.block[order]]
        return np.sort(order[rank < _EACH])


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What places have when their block is left out, every block with the same weight.

    Attributes:
        values: (k,) ascending.
        share: (k,) per cent of the blocks that lie at or below each.
    """

    values: Floats = field(repr=False)
    share: Floats = field(repr=False)

    @classmethod
    def of(cls, values: Floats, block: Ints) -> LeftOut:
        """Of some values and the block of each."""
        order = np.argsort(values, kind="stable")
        weight = 1 / np.bincount(block)[block][order]
        total = np.cumsum(weight)
        return cls(values[order], np.round(100 * total / total[-1], 4))

    def below(self, values: NDArray[Any]) -> Floats:
        """(n,) per cent of the blocks that lie below each value."""
        at = np.searchsorted(self.values, values, side="left")
        return np.asarray(np.concatenate([[0.0], self.share])[at])

    def quantile(self, share: float) -> float:
        """The least value at or below which `share` per cent of the blocks lie."""
        return float(self.values[np.searchsorted(self.share, share)])


class Distance:
    """How far cells lie from the nearest known place.

    Attributes:
        left_out: Kilometres of known places to the nearest outside of their block.
        limit: Kilometres beyond which a cell is flagged.
        rule: The same in words.
    """

    def __init__(self, known: Known, grid: Grid) -> None:
        from scipy.spatial import cKDTree

        self._grid = grid
        self._holding = np.unique(grid.cell_of(known.latitude, known.longitude))
        at = _on_sphere(known.latitude, known.longitude)
        self._tree = cKDTree(at)
        who = known.speakers()
        cosine = np.empty(len(who))
        for i in range(0, len(who), _AT_ONCE):
            some = who[i : i + _AT_ONCE]
            near = at[some] @ at.T
            near[known.block[some][:, None] == known.block[None]] = -1
            cosine[i : i + _AT_ONCE] = near.max(1)
        far = EARTH_KM * np.arccos(np.clip(cosine, -1, 1))
        self.left_out = LeftOut.of(far, known.block[who])
        self.limit = self.left_out.quantile(SHARE)
        self.rule = (
            f"from {SHARE:g} % on: farther than {self.limit:,.4g} km from the nearest observation"
        )

    def km(self, cells: Ints) -> Floats:
        """(n,) kilometres from the border of a square of the cell's area; 0 of a cell that holds a known place."""
        chord, _ = self._tree.query(_on_sphere(*self._grid.centres(cells)))
        km = 2 * EARTH_KM * np.arcsin(np.clip(chord / 2, 0, 1))
        km = np.maximum(km - np.sqrt(self._grid.areas_km2(cells) / 2), 0.0)
        return np.where(np.isin(cells, self._holding), 0.0, km)

    def percentile(self, cells: Ints) -> Floats:
        """(n,) per cent of blocks that lie nearer to the rest than the cell to any; from `SHARE` on it is flagged."""
        return self.left_out.below(self.km(cells) - 1e-6)


class Mess:
    """Multivariate environmental similarity, against known places: below 0 where a variable lies beyond all of theirs.

    Attributes:
        left_out: That of known places against those outside of their block.
        limit: Below which a cell is flagged; at most 0.
    """

    def __init__(self, known: Known, values: Floats) -> None:
        """Take (k, v) values of known places."""
        self._values, self._order = values, np.sort(values, axis=0)
        who = known.speakers()
        self.left_out = LeftOut.of(self._alone(known, who), known.block[who])
        self.limit = min(0.0, self.left_out.quantile(100 - SHARE))

    def of(self, values: Floats) -> Floats:
        """(n,) at most 100, of (n, v)."""
        out = np.full(len(values), np.inf)
        for i in range(values.shape[1]):
            own, n = self._order[:, i], len(self._order)
            below = np.searchsorted(own, values[:, i], side="left")
            out = np.minimum(out, _similarity(100 * below / n, values[:, i], own[0], own[-1]))
        return out

    def _alone(self, known: Known, who: Ints) -> Floats:
        """(k,) of some of the places, against those outside of the block of each."""
        order = np.argsort(known.block, kind="stable")
        start = np.searchsorted(known.block[order], np.arange(known.blocks + 1))
        parts = [order[a:b] for a, b in zip(start, start[1:], strict=False)]
        block = known.block[who]
        out = np.full(len(who), np.inf)
        for i in range(self._values.shape[1]):
            own, v = self._values[:, i], self._values[who, i]
            low = _without(np.array([own[p].min() for p in parts]))[block]
            high = -_without(np.array([-own[p].max() for p in parts]))[block]
            below = np.searchsorted(self._order[:, i], v, side="left").astype(float)
            mine = [np.sort(own[p]) for p in parts]
            below -= [
                np.searchsorted(mine[b], x, side="left") for b, x in zip(block, v, strict=True)
            ]
            n = len(own) - np.array([len(p) for p in parts])[block]
            out = np.minimum(out, _similarity(100 * below / n, v, low, high))
        return out


def _without(least: Floats) -> Floats:
    """For each block the least value of all others."""
    first, second = np.partition(least, 1)[:2]
    return np.where(np.arange(len(least)) == np.argmin(least), second, first)


def _similarity(below: Floats, values: Floats, low: Any, high: Any) -> Floats:
    """Of one variable: `below` per cent of the known values lie below each of `values`."""
    span = np.where(high > low, high - low, 1.0)
    one = np.where(below <= 50, 2 * below, 2 * (100 - below))
    one = np.where(below == 0, 100 * (values - low) / span, one)
    return np.asarray(np.where(below == 100, 100 * (high - values) / span, one))


def share_said(share: float | None) -> str:
    """What share of a map's cells lies beyond what is known, in words; None or not a number where none can tell."""
    if share is None or not np.isfinite(share):
        return "which cells lie beyond what the index's observations know cannot be told: they have too few places"
    return f"{share:.0%} of the cells lie beyond what the index's observations know"


def _on_sphere(latitude: Floats, longitude: Floats) -> Floats:
    """(n, 3) unit vectors."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
