"""Rows that are no independent witnesses of each other: of one observation, of one file, or written twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.scan import code_rows
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.taxa import quoted
from prom3e_index.schema import MEDIA
from prom3e_index.search.groups import OBSERVATION, group_codes

Ints = NDArray[np.int64]
_BLOCK_BYTES = 64 << 20
"""Of embeddings as whole numbers that are looked at at a time."""
_SHOWING = ("image", "audio")
"""Media of which one file shows one observation; a tile shows a place with all that lives there."""


class Kin:
    """Which rows of an index belong together.

    Two rows do that are of one observation, that name one photo, recording or tile, whose photos or recordings have the
    same embedding though they are files of two names, or that have the same embedding in everything that both have,
    a photo or recording among it.
    """

    def __init__(self, bundle: BundleFolder) -> None:
        self._content = _contents(bundle)
        self._files = _file_codes(bundle)
        self._showing = {m: bundle.modalities.index(m) for m in _SHOWING if m in bundle.modalities}
        self._observation = group_codes(bundle, OBSERVATION) if bundle.several else None

    def of(self, rows: Ints, others: Ints) -> NDArray[np.bool_]:
        """Which of some rows (q, k) belong to a row (q,) each; it itself does."""
        own = rows[:, None]
        out = others == own
        if self._observation is not None:
            code = self._observation[own]
            out |= (self._observation[others] == code) & (code >= 0)
        for codes in self._files.values():
            code = codes[own]
            out |= (codes[others] == code) & (code != 0)
        apart = np.zeros(others.shape, bool)
        showing = np.zeros(others.shape, bool)
        for i in range(self._content.shape[1]):
            mine, theirs = self._content[own, i], self._content[others, i]
            both = (mine != 0) & (theirs != 0)
            same = both & (mine == theirs)
            apart |= both & ~same
            for name, place in self._showing.items():
                if place == i:
                    showing |= same
                    files = self._files.get(name)
                    if files is not None:
                        out |= same & (files[own] != 0) & (files[others] != 0)
        return np.asarray(out | (showing & ~apart))

    def groups(self, rows: Ints, species: Ints) -> Ints:
        """(n,) numbers of what must not be parted: a species, and all that shares a photo, recording or observation.

        Args:
            rows: Row numbers.
            species: Their codes; of an unknown species a row is by itself.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(rows)
        keys = [np.where(species >= 0, species + 1, 0)]
        keys += [self._files[m][rows] for m in _SHOWING if m in self._files]
        keys += [self._content[rows, i] for i in self._showing.values()]
        if self._observation is not None:
            keys.append(self._observation[rows].astype(np.int64) + 1)
        one, other, size = [], [], n
        for key in keys:
            known = np.flatnonzero(key != 0)
            names, code = np.unique(key[known], return_inverse=True)
            one.append(known)
            other.append(size + code.reshape(-1))
            size += len(names)
        a, b = np.concatenate(one), np.concatenate(other)
        links = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(size, size))
        return np.asarray(connected_components(links, directed=False)[1][:n], np.int64)


def _contents(bundle: BundleFolder) -> Ints:
    """(places, m) a number of each stored embedding, equal for equal ones; 0 where there is none."""
    out = np.zeros((bundle.places, len(bundle.modalities)), np.int64)
    factors = np.random.default_rng(0).integers(1, 1 << 62, int(bundle.manifest["width"]))
    block = max(1, _BLOCK_BYTES // factors.nbytes)
    for segment in bundle.segments:
        for i, m in enumerate(bundle.modalities):
            stored = segment.embeddings(m)
            for at in range(0, len(stored), block):
                code = code_rows(np.asarray(stored[at : at + block]), factors)
                has = segment.present[at : at + block, i]
                low = segment.first + at
                out[low : low + len(code), i] = np.where(has, code | 1, 0)
            release(stored)
    return out


def _file_codes(bundle: BundleFolder) -> dict[str, Ints]:
    """By kind of media, (places,) a number of each row's file; 0 where it names none."""
    columns = [m for m in MEDIA if m in bundle.columns]
    if not columns:
        return {}
    cells = ", ".join(
        f"CASE WHEN {quoted(m)} IS NULL THEN 0 ELSE CAST(hash({quoted(m)}) >> 2 AS BIGINT) + 1 END AS {quoted(m)}"
        for m in columns
    )
    found = bundle.metadata.cursor().execute(f"SELECT row, {cells} FROM every").fetchnumpy()
    rows = np.asarray(found["row"], np.int64)
    out = {}
    for m in columns:
        out[m] = np.zeros(bundle.places, np.int64)
        out[m][rows] = np.asarray(found[m], np.int64)
    return {m: codes for m, codes in out.items() if codes.any()}
