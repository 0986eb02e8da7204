"""How diverse cells are, of how often each species was counted in them: the estimators of the field, cell by cell.

Raw richness and Shannon's index follow the effort. What does not: richness rarefied to equally many individuals, and
Hill numbers rarefied to equal coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from prom3e_index.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ORDERS = (0, 1, 2)
"""Of the Hill numbers: species, the exponential of Shannon's entropy, the inverse of Simpson's concentration."""
_AT_ONCE = 4_000_000
"""Terms of a hypergeometric sum in memory: 32 MB an array."""


@dataclass(frozen=True)
class Counts:
    """How often each species was counted in each of c cells; at least one in every cell.

    Attributes:
        start: (c + 1,) where the counts of each cell begin in `count`; the last is their number e.
        count: (e,) individuals of one species in one cell, at least 1.
    """

    start: Ints
    count: Ints

    @classmethod
    def of(cls, *cells: list[int]) -> Counts:
        """The counts of some cells, each a list of individuals per species."""
        start = np.cumsum([0, *map(len, cells)])
        return cls(start, np.array([n for cell in cells for n in cell], np.int64))

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def cell(self) -> Ints:
        """(e,) which cell each count is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @property
    def n(self) -> Ints:
        """(c,) individuals of each cell."""
        return self.sums(self.count)

    @property
    def richness(self) -> Ints:
        """(c,) species seen in each cell."""
        return np.diff(self.start)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (e,) summed over each cell, (c,); 0 of none."""
        return np.add.reduceat(values, self.start[:-1]) if len(self) else values[:0]

    def at(self, cells: NDArray[np.bool_]) -> Counts:
        """Some of the cells."""
        sizes = np.diff(self.start)
        return Counts(np.cumsum([0, *sizes[cells]]), self.count[np.repeat(cells, sizes)])


def hill(counts: Counts, q: int) -> Floats:
    """Hill number of order 0, 1 or 2 as it was observed, (c,): effective species.

    Source: Hill 1973.
    """
    share = counts.count / np.repeat(counts.n, counts.richness)
    if q == 0:
        return counts.richness.astype(np.float64)
    found = np.exp(-counts.sums(share * np.log(share))) if q == 1 else 1 / counts.sums(share**2)
    return np.asarray(found, np.float64)


def shannon(counts: Counts) -> Floats:
    """Shannon's entropy of the observed shares, (c,), in nats."""
    return np.log(hill(counts, 1))


def coverage(counts: Counts) -> Floats:
    """Share of a cell's individuals, seen or not, that are of the species seen there, (c,); NaN of one record.

    Source: Chao and Jost 2012, equation 4a; where no species was counted twice, f₂ is estimated as Chao 1 does.
    """
    n, once, twice = counts.n, _seen(counts, 1), _seen(counts, 2)
    several = (n - 1) * once
    none = (n - 1) * np.maximum(once - 1, 0)
    with np.errstate(invalid="ignore"):
        kept = np.where(twice > 0, several / (several + 2 * twice), none / (none + 2))
    kept = np.where(once == 0, 0.0, kept)
    return np.where(n > 1, 1 - once / np.maximum(n, 1) * kept, np.nan)


def chao1(counts: Counts) -> Floats:
    """A lower bound of the species of a cell, unseen ones too, (c,). It still follows the effort.

    Source: Chao 1984; without species counted twice the form that corrects its bias.
    """
    n, once, twice = counts.n, _seen(counts, 1), _seen(counts, 2)
    unseen = np.where(twice > 0, once**2 / (2 * np.maximum(twice, 1)), once * (once - 1) / 2)
    return np.asarray(counts.richness + (n - 1) / n * unseen)


def rarefied(counts: Counts, m: int) -> Floats:
    """Species expected among m individuals drawn from each cell, (c,); NaN where it has fewer.

    Source: Hurlbert 1971.

    Raises:
        InputError: m is below 1.
    """
    if m < 1:
        raise InputError(f"--rarefy is {m}; it takes one record at least.")
    return _expected(counts, np.full(len(counts), m))


def covered(counts: Counts, share: float) -> Floats:
    """Hill numbers 0, 1, 2 of each cell rarefied to one coverage, (c, 3).

    Between two whole numbers of individuals they are interpolated. NaN where the cell's own coverage is less: nothing
    is extrapolated.

    Source: Chao and Jost 2012; Chao et al. 2014, box 1.

    Raises:
        InputError: The share is not within 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"A coverage of {share:g} is asked for; it lies between 0 and 1.")
    out = np.full((len(counts), len(ORDERS)), np.nan)
    able = np.nan_to_num(coverage(counts), nan=-1.0) >= share
    if not able.any():
        return out
    some = counts.at(able)
    low, high = np.ones(len(some), np.int64), some.n
    while (open_ := high - low > 1).any():
        middle = (low + high) // 2
        enough = _coverage_of(some, middle) >= share
        high = np.where(open_ & enough, middle, high)
        low = np.where(open_ & ~enough, middle, low)
    below, above = _coverage_of(some, low), _coverage_of(some, high)
    part = np.clip((share - below) / np.where(above > below, above - below, 1), 0, 1)[:, None]
    out[able] = (1 - part) * _hills_of(some, low) + part * _hills_of(some, high)
    return out


def common_coverage(counts: Counts, least: int, most: float = 0.8) -> float | None:
    """The coverage that cells are compared at: the 5 % quantile of those with `least` records, at most `most`.

    None where no cell has so many, or so little is known of them that their coverage is 0.
    """
    found = coverage(counts)[counts.n >= least]
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    share = float(min(most, np.quantile(found, 0.05)))
    return share if share > 0 else None


def _seen(counts: Counts, times: int) -> Ints:
    """(c,) species that were counted so many times."""
    return counts.sums((counts.count == times).astype(np.int64))


def _log_choose(n: Floats | Ints, k: Floats | Ints) -> Floats:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _expected(counts: Counts, m: Ints) -> Floats:
    """Species among m (c,) individuals of each cell; NaN where it has fewer."""
    n = np.repeat(counts.n, counts.richness)
    drawn = np.repeat(m, counts.richness)
    left = n - counts.count
    can = left >= drawn
    with np.errstate(invalid="ignore"):
        absent = np.exp(_log_choose(np.where(can, left, drawn), drawn) - _log_choose(n, drawn))
    found = counts.sums(1 - np.where(can, absent, 0))
    return np.where(counts.n >= m, found, np.nan)


def _coverage_of(counts: Counts, m: Ints) -> Floats:
    """Coverage expected of m (c,) individuals of each cell, at most all of them.

    Source: Chao and Jost 2012, equation 4a (m = n) and its interpolation.
    """
    n = np.repeat(counts.n, counts.richness)
    drawn = np.repeat(m, counts.richness)
    left = n - counts.count
    can = (left >= drawn) & (n > drawn)
    log = _log_choose(np.where(can, left, drawn), drawn) - _log_choose(
        np.where(can, n - 1, drawn), drawn
    )
    missed = counts.sums(np.where(can, counts.count / n * np.exp(log), 0))
    return np.where(m < counts.n, 1 - missed, coverage(counts))


def _hills_of(counts: Counts, m: Ints) -> Floats:
    """Hill numbers 0, 1, 2 expected of m (c,) individuals of each cell, (c, 3).

    Source: Chao et al. 2014, appendix C: of the expected abundance counts of a smaller sample.
    """
    n = counts.n.astype(np.float64)
    x = counts.count
    pairs = counts.sums(x * (x - 1.0)) / np.maximum(n * (n - 1), 1)
    simpson = 1 / (1 / m + (m - 1) / m * pairs)
    return np.stack([_expected(counts, m), np.exp(_entropy_of(counts, m)), simpson], axis=1)


def _entropy_of(counts: Counts, m: Ints) -> Floats:
    """Shannon's entropy of the expected abundance counts of m individuals, (c,), a part of the counts at a time."""
    out = np.zeros(len(counts))
    reach = np.minimum(counts.count, np.repeat(m, counts.richness))
    ends = np.cumsum(reach)
    at = 0
    while at < len(reach):
        before = ends[at - 1] if at else 0
        to = max(int(np.searchsorted(ends, before + _AT_ONCE, "right")), at + 1)
        part = slice(at, to)
        which = np.repeat(np.arange(at, to), reach[part])
        k = np.arange(len(which)) - np.repeat(np.cumsum(reach[part]) - reach[part], reach[part]) + 1
        cell = counts.cell[which]
        n, x, drawn = counts.n[cell], counts.count[which], m[cell]
        can = drawn - k <= n - x
        rest = np.where(can, drawn - k, 0)
        log = _log_choose(x, k) + _log_choose(n - x, rest) - _log_choose(n, drawn)
        share = k / drawn
        out += np.bincount(
            cell, np.where(can, np.exp(log), 0) * -share * np.log(share), minlength=len(counts)
        )
        at = to
    return out
