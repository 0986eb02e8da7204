"""The cells of a grid as a gallery: embedded, completed and kept, so that the next query reads them from disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.maps.cell_places import mean_of_cells
from prom3e_index.maps.cell_tiles import SAT, Tiles
from prom3e_index.maps.kept import Arrays, Kept, Shapes
from prom3e_index.mvae.completion import hidden_width, infer
from prom3e_index.search.hubness import Bank
from prom3e_index.search.score import gallery

if TYPE_CHECKING:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.grid.grid import Grid
    from prom3e_index.media.climate import ClimateRaster
    from prom3e_index.models.folder import Model

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Show = Callable[..., None]
VERSION = 2
"""Of what a cache holds; another is not read."""
PLACE, CLIMATE = "loc", "env"
_PART = 8192
_MOST_KEPT = 4 << 30
"""Bytes of a gallery that is kept; a larger one is made anew for every query, a part at a time."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some cells of a gallery, in order.

    Attributes:
        at: Where they stand among the cells that were asked for.
        loc: (k, d) float16, unit rows: the mean of the sub-points' embeddings.
        env: (k, d) float16, as `loc`, of their climates; (0, d) where cells show none.
        known: (k,) whether the climate is.
        sat: (k, d) float16, the mean of their tiles; (0, d) where cells show none.
        tiles: (k,) how many tiles of each were read; `unread`, how many could not be.
        hidden: (k, z) float16
        place: (k, d) float16, the place as the model completes it.
        bias: (k, b) float16, against hubs.
        sigma: (k,) ‖σ‖₁.
    """

    at: slice
    loc: Halves
    env: Halves
    known: NDArray[np.bool_]
    sat: Halves
    tiles: NDArray[np.int32]
    unread: NDArray[np.int32]
    hidden: Halves
    place: Halves
    bias: Halves
    sigma: Floats

    def shown(self, model: Model) -> tuple[Floats, NDArray[np.bool_]]:
        """What the cells show, for the MVAE: (k, m, d) and (k, m)."""
        x = np.zeros((len(self.loc), len(model.modalities), model.width), np.float32)
        has = np.zeros(x.shape[:2], bool)
        at = model.modalities.index(PLACE)
        x[:, at], has[:, at] = self.loc, True
        for name, values, there in (
            (CLIMATE, self.env, self.known),
            (SAT, self.sat, self.tiles > 0),
        ):
            if len(values):
                at = model.modalities.index(name)
                x[:, at], has[:, at] = values, there
        return x, has


class CellGallery:
    """The cells inside a mask, as a model sees them: place always; climate and tiles where they are given.

    Attributes:
        key: Equal where nothing that the cells depend on differs: encoders, MVAE, grid, mask, sub-points, climate,
            tiles.
        width: Embedding width d.
        encoded: Places that went through an encoder since this was opened; 0 where all was read.
        modalities: What cells show.
    """

    def __init__(
        self,
        bundle: BundleFolder,
        model: Model,
        grid: Grid,
        cells: NDArray[np.int64],
        samples: int,
        climate: ClimateRaster | None,
        folder: Path | None,
        tiles: Tiles | None = None,
    ) -> None:
        self.grid, self.cells, self.samples = grid, cells, samples
        self.climate, self.tiles = climate, tiles
        self._bundle, self._model, self.encoded = bundle, model, 0
        given = ((CLIMATE, climate), (SAT, tiles))
        self.modalities = (PLACE, *(m for m, some in given if some is not None))
        self.width, self._z = model.width, hidden_width(model)
        self._method = str(bundle.manifest.get("hubs", {}).get("method", "none"))
        self._bank: Bank | None = None
        for modality in self.modalities:
            bundle.check_encoder(model, modality)
        self.key = self._fingerprint()
        self._kept = None if folder is None else Kept(folder / self.key, self._shapes())

    def _fingerprint(self) -> str:
        told = hashlib.sha256()
        values = {
            "version": VERSION,
            "mvae": self._model.mvae_fingerprint,
            "encoders": [self._model.encoder(m).fingerprint for m in self.modalities],
            "grid": self.grid.fingerprint,
            "samples": self.samples,
            "climate": None if self.climate is None else _checksum(self.climate),
            "tiles": None if self.tiles is None else self.tiles.fingerprint,
            "hubs": [self._method, self._bundle.manifest.get("hubs", {}).get("centre")],
            "bias": self._bundle.bias_width,
        }
        told.update(json.dumps(values, sort_keys=True).encode())
        told.update(np.ascontiguousarray(self.cells).tobytes())
        return told.hexdigest()[:24]

    def __len__(self) -> int:
        return len(self.cells)

    def _shapes(self) -> Shapes:
        n, d = len(self), self.width
        climates = n if self.climate is not None else 0
        tiles = n if self.tiles is not None else 0
        return {
            "loc": ((n, d), np.float16),
            "env": ((climates, d), np.float16),
            "known": ((climates,), np.bool_),
            "sat": ((tiles, d), np.float16),
            "tiles": ((tiles,), np.int32),
            "unread": ((tiles,), np.int32),
            "hidden": ((n, self._z), np.float16),
            "place": ((n, d), np.float16),
            "bias": ((n, self._bundle.bias_width), np.float16),
            "sigma": ((n,), np.float32),
        }

    @property
    def bytes(self) -> int:
        """Of all that is kept of the cells."""
        return sum(int(np.prod(s)) * np.dtype(t).itemsize for s, t in self._shapes().values())

    def folder(self) -> Path | None:
        """Where the cells are kept; None where they are not."""
        return self._kept.folder if self._kept is not None and self._kept.whole() else None

    def parts(self, show: Show | None = None) -> Iterator[Part]:
        """All cells, in order, a few thousand at a time; made and kept first where they are not yet."""
        if self._kept is not None and self.bytes <= _MOST_KEPT and not self._kept.whole():
            self._kept.make(lambda: self._made(self.cells, show))
        if self.folder() is not None:
            yield from self._read(self.cells, None)
            return
        at = 0
        for made in self._made(self.cells, show):
            yield Part(slice(at, at + len(made["sigma"])), **made)
            at += len(made["sigma"])

    def of(self, which: NDArray[np.int64]) -> Iterator[Part]:
        """Some of the cells: `which`, ascending numbers among those inside the mask."""
        if self.folder() is not None:
            yield from self._read(self.cells, which)
            return
        at = 0
        for made in self._made(self.cells[which], None):
            yield Part(slice(at, at + len(made["sigma"])), **made)
            at += len(made["sigma"])

    def _made(self, cells: NDArray[np.int64], show: Show | None) -> Iterator[Arrays]:
        for begin in range(0, len(cells), _PART):
            yield self._encoded(cells[begin : begin + _PART])
            if show is not None:
                show("cells", min(begin + _PART, len(cells)), len(cells))

    def _read(self, cells: NDArray[np.int64], which: NDArray[np.int64] | None) -> Iterator[Part]:
        assert self._kept is not None  # they were kept
        for begin in range(0, len(cells), _PART):
            end = min(begin + _PART, len(cells))
            if which is None:
                own = self._kept.read(slice(begin, end))
                yield Part(slice(begin, end), **own)
                continue
            first, last = np.searchsorted(which, [begin, end]).tolist()
            if first < last:
                own = self._kept.read(slice(begin, end))
                some = which[first:last] - begin
                yield Part(
                    slice(first, last), **{n: v[some] if len(v) else v for n, v in own.items()}
                )

    def _encoded(self, cells: NDArray[np.int64]) -> Arrays:
        """What is kept of some cells."""
        lat, lon = self.grid.sub_points(cells, self.samples)
        inside = np.isfinite(lat)
        places = np.stack([lat[inside], lon[inside]], 1)
        n, d = len(cells), self.width
        made: Arrays = {
            "loc": self._mean(PLACE, places, inside),
            "env": np.zeros((0, d), np.float16),
            "known": np.zeros(0, bool),
            "sat": np.zeros((0, d), np.float16),
            "tiles": np.zeros(0, np.int32),
            "unread": np.zeros(0, np.int32),
        }
        if self.climate is not None:
            values, there = self.climate.lookup(lat.ravel(), lon.ravel())
            found = there.reshape(lat.shape) & inside
            made["env"] = self._mean(CLIMATE, values[found.ravel()], found)
            made["known"] = found.any(1)
        if self.tiles is not None:
            seen, made["tiles"], made["unread"] = self.tiles.embed(self._model, cells)
            made["sat"] = seen.astype(np.float16)
        nothing = np.zeros((n, 0), np.float16)
        part = Part(slice(0, n), **made, hidden=nothing, place=nothing, bias=nothing,
                    sigma=np.zeros(n, np.float32))  # fmt: skip
        told = infer(self._model, *part.shown(self._model), (PLACE,))
        made |= {
            "hidden": told.hidden.astype(np.float16),
            "place": told.reconstructed[:, 0].astype(np.float16),
            "sigma": told.sigma_l1,
        }
        made["bias"] = self._biases(made)
        return made

    def _mean(self, modality: str, items: NDArray[np.generic], known: NDArray[np.bool_]) -> Halves:
        """The unit mean of the embeddings of each cell's sub-points, of those that are known."""
        self.encoded += len(items)
        return mean_of_cells(self._model.encoder(modality), items, known).astype(np.float16)

    def _biases(self, made: Arrays) -> NDArray[np.float16]:
        if not self._bundle.bias_width:
            return np.zeros((len(made["loc"]), 0), np.float16)
        if self._bank is None:
            self._bank = Bank(self._model, self._method)
        epsilon = self._model.weights((), PLACE).epsilon
        loc, place, hidden = (np.asarray(made[n], np.float32) for n in ("loc", "place", "hidden"))
        rows = gallery(loc, np.ones(len(loc), bool), place, hidden, epsilon)
        return self._bank.bias(rows.astype(np.float16), PLACE)


def _checksum(climate: ClimateRaster) -> str:
    with climate.path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def cache_folder(given: Path | None) -> Path:
    """Where cells are kept: as given, else the user's cache."""
    if given is not None:
        return given
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "prom3e-index" / "maps"
