"""Rows that a run keeps for validation by itself: whole sites, and whatever shares a photo or recording together.

Rows that hang together are one component: those with the very same embedding of anything but a name, and those of one
site. A part of the components is drawn. Where a photo stands at so many sites that nearly all rows hang together, sites
are made smaller, then those of rows whose media are their own are kept whole, then media alone; what is given up is
counted and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from prom3e_index.models.seen import marks_of
from prom3e_index.tables.sites import sites_of
from prom3e_index.training.stage_two.sets import EmbeddingSet

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
SHARE = 0.1
LEAST, MOST_OF_FEW = 100, 40
"""Of fewer rows than the first nothing is held out; of few, up to the second, at most a fifth."""
MOST = 2000
"""Held-out rows that ask when weights are chosen, and as many trained on that answer beside them."""
SITE_DEG = (1.0, 0.1, 0.01)
SITED = ("loc", "env", "sat")
"""What rows of one site have in common."""
_DRAWS = 64
_REPRESENTED = 0.3
"""A modality is represented among the held-out rows with at least this part of the share that it should have."""


@dataclass(frozen=True)
class HeldOut:
    """What was held out.

    Attributes:
        train: The sets without the rows held out.
        held: The rows held out, of all sets.
        site_deg: Side of the sites that were kept whole, in degrees; None where none were.
        sites: Sites of the held-out rows.
        shared_sites: Held-out rows at a site, of `site_deg` and at least 0.1 degrees, where rows are trained on too.
        media_only: Whether photos, recordings and further embeddings alone were kept apart, and not tiles, places and
            climates.
        recurring: Held-out rows with the tile, place or climate of a row that is trained on.
        lacking: Modalities that the held-out rows hardly have.
    """

    train: tuple[EmbeddingSet, ...]
    held: EmbeddingSet
    site_deg: float | None
    sites: int
    shared_sites: int
    lacking: tuple[str, ...]
    media_only: bool = False
    recurring: int = 0

    def validation(self, seed: int = 0, most: int = MOST) -> EmbeddingSet:
        """Held-out rows, which ask, beside some of those trained on, which only answer: as in an index of all.

        Args:
            seed: Of the draw.
            most: Of each.
        """
        rng = np.random.default_rng(seed)

        def some(of: EmbeddingSet, most: int) -> EmbeddingSet:
            return of.rows(np.sort(rng.permutation(len(of))[: max(1, most)]))

        held = some(self.held, most)
        whole = sum(len(s) for s in self.train)
        beside = [some(s, min(len(s), most * len(s) // whole)) for s in self.train]
        out = joined([held, *beside])
        return replace(out, asking=np.arange(len(out)) < len(held))

    def said(self) -> str:
        """A sentence with its numbers."""
        of = len(self.held) + sum(len(s) for s in self.train)
        words = f"held out for validation: {len(self.held):,} of {of:,} rows"
        if self.site_deg is not None:
            words += f", {self.sites:,} whole sites of {self.site_deg:g} degrees"
        but = "a name, tile, place or climate" if self.media_only else "a name"
        words += (
            f"; none shares a photo, recording or other embedding but {but} with rows trained on"
        )
        if self.recurring:
            words += f"; {self.recurring:,} of them have the tile, place or climate of such rows"
        if self.shared_sites:
            side = max(self.site_deg or 0, SITE_DEG[1])
            words += f"; {self.shared_sites:,} of them lie in a cell of {side:g} degrees where rows are trained on too"
        if self.lacking:
            words += f"; hardly any has {', '.join(self.lacking)}, of which too few are distinct"
        return words


def hold_out(
    sets: Sequence[EmbeddingSet],
    modalities: Sequence[str],
    places: Sequence[NDArray[np.float64] | None],
    seed: int = 0,
    share: float = SHARE,
) -> HeldOut | str:
    """Draw about a tenth of the rows for validation.

    Args:
        sets: What would be trained on.
        modalities: Their names, in order.
        places: Of each set (n, 2) latitude and longitude in degrees, NaN where unknown; None without coordinates.
        seed: Of the draw.
        share: Of the rows.

    Returns:
        What was drawn; a sentence that says why not, where nothing can be kept apart.
    """
    n = sum(len(s) for s in sets)
    if n < LEAST:
        return f"{n:,} rows are too few to hold some out; {LEAST} are needed"
    target = max(round(share * n), min(MOST_OF_FEW, n // 5))
    x_of = [marks_of(s.x.numpy(), s.present.numpy()) for s in sets]
    marks, present = np.concatenate(x_of), np.concatenate([s.present.numpy() for s in sets])
    place = np.concatenate(
        [
            np.full((len(s), 2), np.nan) if p is None else p
            for s, p in zip(sets, places, strict=True)
        ]
    )
    best: tuple[int, float | None, bool, Flags] | None = None
    for side, media_only, group in _components(marks, present, modalities, place):
        held = _drawn(group, present, target, seed)
        if held is None:
            continue
        covered = int(_represented(held, present).sum())
        if best is None or covered > best[0]:
            best = covered, side, media_only, held
        if covered == present.any(axis=0).sum():
            break
    if best is None:
        return (
            "nearly all rows share a photo or recording with one another, or lie at one site, so none can be "
            "kept apart from the others"
        )
    _, side, media_only, held = best
    found = _parted(sets, modalities, held, present, place, side)
    if not media_only:
        return found
    again = _again(marks, present, modalities, held)
    return replace(found, media_only=True, recurring=again)


def _again(
    marks: NDArray[np.uint64], present: Flags, modalities: Sequence[str], held: Flags
) -> int:
    """Held-out rows with the very tile, place or climate of a row that is trained on."""
    out = np.zeros(len(marks), bool)
    for i in np.flatnonzero(np.isin(modalities, SITED)):
        there = marks[~held & present[:, i], i]
        out |= held & present[:, i] & np.isin(marks[:, i], there)
    return int(out.sum())


def _parted(
    sets: Sequence[EmbeddingSet],
    modalities: Sequence[str],
    held: Flags,
    present: Flags,
    place: NDArray[np.float64],
    side: float | None,
) -> HeldOut:
    ends = np.cumsum([len(s) for s in sets])[:-1]
    parts = np.split(held, ends)
    train = tuple(
        replace(s.rows(~part), fingerprint=f"{s.fingerprint}, {int(part.sum())} rows held out")
        for s, part in zip(sets, parts, strict=True)
    )
    kept = [s.rows(part) for s, part in zip(sets, parts, strict=True) if part.any()]
    site = sites_of(place, side or SITE_DEG[1])
    wide = sites_of(place, max(side or 0, SITE_DEG[1]))
    shared = np.isin(wide[held], wide[~held]) & (wide[held] >= 0)
    represented = _represented(held, present)
    lacking = [m for m, has in zip(modalities, represented, strict=True) if not has]
    some = [m for m, has in zip(modalities, present.any(axis=0), strict=True) if has]
    return HeldOut(
        train,
        joined(kept),
        side,
        len(np.unique(site[held & (site >= 0)])),
        int(shared.sum()),
        tuple(m for m in lacking if m in some),
    )


def joined(sets: Sequence[EmbeddingSet]) -> EmbeddingSet:
    """Several sets as one, with an empty name where a set has no species; itself where there is one."""
    if len(sets) == 1:
        return sets[0]
    species = None
    if any(s.species is not None for s in sets):
        species = np.concatenate(
            [np.full(len(s), "") if s.species is None else s.species for s in sets]
        )
    ids = None
    if all(s.ids is not None for s in sets):
        ids = np.concatenate([s.ids for s in sets if s.ids is not None])
    return replace(
        sets[0],
        x=torch.cat([s.x for s in sets]),
        present=torch.cat([s.present for s in sets]),
        species=species,
        path=", ".join(s.path for s in sets),
        fingerprint=", ".join(s.fingerprint for s in sets),
        ids=ids,
        numbers=None,
        asking=None,
        lengths=None,
    )


def _components(
    marks: NDArray[np.uint64], present: Flags, modalities: Sequence[str], place: NDArray[np.float64]
) -> Iterator[tuple[float | None, bool, Ints]]:
    """Side of the sites, whether only media are kept apart, and each row's component (n,); the strictest rule first."""
    n = len(marks)
    linked = [_codes(marks[:, i], present[:, i]) for i, m in enumerate(modalities) if m != "text"]
    media = [
        _codes(marks[:, i], present[:, i])
        for i, m in enumerate(modalities)
        if m not in ("text", *SITED)
    ]
    has_places = bool(np.isfinite(place).any())
    for side in SITE_DEG if has_places else ():
        yield side, False, _connected(n, [*linked, sites_of(place, side)])
    if not has_places:
        yield None, False, _connected(n, linked)
    alone = np.ones(n, bool)
    for code in media:
        count = np.bincount(code[code >= 0], minlength=1)
        alone &= (code < 0) | (count[np.maximum(code, 0)] == 1)
    for side in SITE_DEG[:2] if has_places else ():
        yield None, True, _connected(n, [*media, np.where(alone, sites_of(place, side), -1)])
    yield None, True, _connected(n, media)


def _codes(marks: NDArray[np.uint64], present: Flags) -> Ints:
    out = np.full(len(marks), -1, np.int64)
    if present.any():
        out[present] = np.unique(marks[present], return_inverse=True)[1].reshape(-1)
    return out


def _connected(n: int, links: Sequence[Ints]) -> Ints:
    """Rows that share a number in any of the links, directly or by way of others, get one number."""
    rows, nodes, at = [], [], n
    for code in links:
        own = np.flatnonzero(code >= 0)
        rows.append(own)
        nodes.append(code[own] + at)
        at += int(code.max(initial=-1)) + 1
    row = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    node = np.concatenate(nodes) if nodes else np.zeros(0, np.int64)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, node)), shape=(at, at))
    number = connected_components(graph, directed=False)[1][:n]
    return np.asarray(np.unique(number, return_inverse=True)[1].reshape(-1), np.int64)


def _drawn(group: Ints, present: Flags, target: int, seed: int) -> Flags | None:
    """Whole components with about `target` rows in which each modality has its share; None where there are none."""
    size = np.bincount(group)
    small = np.flatnonzero(size <= max(1, target // 2))
    if size[small].sum() < target / 2:
        return None
    have = np.stack([np.bincount(group, p) for p in present.T] + [size], axis=1)
    whole = have.sum(axis=0)
    wanted = target / len(group)
    rng = np.random.default_rng(seed)
    best: tuple[float, Ints] | None = None
    for _ in range(_DRAWS):
        order = rng.permutation(small)
        rows = np.cumsum(size[order])
        chosen = order[: int(np.searchsorted(rows, target)) + 1]
        found = have[chosen].sum(axis=0) / np.maximum(whole, 1)
        off = float((np.abs(found - wanted)[whole > 0]).max())
        if best is None or off < best[0]:
            best = off, chosen
    if best is None:
        return None
    return np.asarray(np.isin(group, best[1]))


def _represented(held: Flags, present: Flags) -> Flags:
    """(m,) whether held-out rows have enough of each modality."""
    have = present.sum(axis=0)
    wanted = _REPRESENTED * held.mean() * have
    return np.asarray((have > 0) & (present[held].sum(axis=0) >= np.maximum(wanted, 1)))
