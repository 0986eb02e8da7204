"""The cells of a grid as a gallery: embedded, completed and kept, so that the next query reads them from disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import InputError
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
VERSION = 1
"""Of what a cache holds; another is not read."""
PLACE = "loc"
_PART = 8192
_MOST_KEPT = 4 << 30
"""Bytes of a gallery that is kept; a larger one is made anew for every query, a part at a time."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some cells of a gallery, in order.

    Attributes:
        at: Where they stand among the cells inside the mask.
        loc: (k, d) float16, unit rows: the mean of the sub-points' embeddings.
        env: (k, d) float16, as `loc`, of their climates; (0, d) where cells show none.
        known: (k,) whether the climate is.
        hidden: (k, z) float16
        place: (k, d) float16, the place as the model completes it.
        bias: (k, b) float16, against hubs.
        sigma: (k,) ‖σ‖₁.
    """

    at: slice
    loc: Halves
    env: Halves
    known: NDArray[np.bool_]
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
        if len(self.env):
            at = model.modalities.index("env")
            x[:, at], has[:, at] = self.env, self.known
        return x, has


class CellGallery:
    """The cells inside a mask, as a model sees them: place always, climate where a raster has one.

    Attributes:
        key: Equal where nothing that the cells depend on differs: encoders, MVAE, grid, mask, sub-points, climate.
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
    ) -> None:
        self.grid, self.cells, self.samples, self.climate = grid, cells, samples, climate
        self._bundle, self._model, self.encoded = bundle, model, 0
        self.modalities = (PLACE, *(("env",) if climate is not None else ()))
        self.width, self._z = model.width, hidden_width(model)
        self._method = str(bundle.manifest.get("hubs", {}).get("method", "none"))
        self._bank: Bank | None = None
        bundle.check_encoder(model, PLACE)
        if climate is not None:
            bundle.check_encoder(model, "env")
        self.key = self._fingerprint()
        self._folder = None if folder is None else folder / self.key
        self._held: dict[str, NDArray[Any]] | None = None

    def _fingerprint(self) -> str:
        told = hashlib.sha256()
        values = {
            "version": VERSION,
            "mvae": self._model.mvae_fingerprint,
            "encoders": [self._model.encoder(m).fingerprint for m in self.modalities],
            "grid": self.grid.fingerprint,
            "samples": self.samples,
            "climate": None if self.climate is None else _checksum(self.climate),
            "hubs": [self._method, self._bundle.manifest.get("hubs", {}).get("centre")],
            "bias": self._bundle.bias_width,
        }
        told.update(json.dumps(values, sort_keys=True).encode())
        told.update(np.ascontiguousarray(self.cells).tobytes())
        return told.hexdigest()[:24]

    def __len__(self) -> int:
        return len(self.cells)

    def _shapes(self) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        n, d = len(self), self.width
        climates = n if self.climate is not None else 0
        return {
            "loc": ((n, d), np.float16),
            "env": ((climates, d), np.float16),
            "known": ((climates,), np.bool_),
            "hidden": ((n, self._z), np.float16),
            "place": ((n, d), np.float16),
            "bias": ((n, self._bundle.bias_width), np.float16),
            "sigma": ((n,), np.float32),
        }

    def parts(self, show: Show | None = None) -> Iterator[Part]:
        """All cells, in order, a few thousand at a time; made and kept first where they are not yet."""
        shapes = self._shapes()
        size = sum(int(np.prod(s)) * np.dtype(t).itemsize for s, t in shapes.values())
        if self._held is None:
            self._held = self._read()
        if self._held is None and self._folder is not None and size <= _MOST_KEPT:
            self._make(self._folder, show)
            self._held = self._read()
        for begin in range(0, len(self), _PART):
            at = slice(begin, min(begin + _PART, len(self)))
            if self._held is None:
                made = self._encoded(self.cells[at])
                if show is not None:
                    show("cells", at.stop, len(self))
            else:
                made = {n: v[at] for n, v in self._held.items()}
            yield Part(at, **made)

    def _make(self, final: Path, show: Show | None) -> None:
        """Encode all cells into a folder, which stands in its place when it is whole."""
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(mkdtemp(dir=final.parent, prefix=f".{self.key}."))
        except OSError as e:
            raise InputError(
                f"The cells cannot be kept in {final.parent}: {e.strerror}. Give another folder with --cache FOLDER."
            ) from e
        try:
            kept = {
                n: np.lib.format.open_memmap(folder / f"{n}.npy", "w+", t, s)
                for n, (s, t) in self._shapes().items()
            }
            for begin in range(0, len(self), _PART):
                at = slice(begin, min(begin + _PART, len(self)))
                for name, values in self._encoded(self.cells[at]).items():
                    if len(values):
                        kept[name][at] = values
                if show is not None:
                    show("cells", at.stop, len(self))
            for array in kept.values():
                array.flush()
            del kept
            if not final.exists():
                folder.rename(final)
        finally:
            if folder.exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _encoded(self, cells: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What is kept of some cells."""
        lat, lon = self.grid.sub_points(cells, self.samples)
        inside = np.isfinite(lat)
        places = np.stack([lat[inside], lon[inside]], 1)
        n, d = len(cells), self.width
        made: dict[str, NDArray[Any]] = {
            "loc": self._mean(PLACE, places, inside),
            "env": np.zeros((0, d), np.float16),
            "known": np.zeros(0, bool),
        }
        if self.climate is not None:
            values, there = self.climate.lookup(lat.ravel(), lon.ravel())
            found = there.reshape(lat.shape) & inside
            made["env"] = self._mean("env", values[found.ravel()], found)
            made["known"] = found.any(1)
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

    def _mean(self, modality: str, items: Floats, known: NDArray[np.bool_]) -> Halves:
        """The unit mean of the embeddings of each cell's sub-points, of those that are known."""
        encoder = self._model.encoder(modality)
        rows = np.repeat(np.arange(len(known)), known.sum(1))
        total = np.zeros((len(known), self.width), np.float32)
        step = encoder.batch_size
        for at in range(0, len(items), step):
            some: Any = np.asarray(items[at : at + step], np.float32)
            np.add.at(total, rows[at : at + step], encoder.encode(some))
            self.encoded += len(some)
        return unit_rows(total).astype(np.float16)

    def _biases(self, made: Mapping[str, NDArray[Any]]) -> NDArray[np.float16]:
        if not self._bundle.bias_width:
            return np.zeros((len(made["loc"]), 0), np.float16)
        if self._bank is None:
            self._bank = Bank(self._model, self._method)
        epsilon = self._model.weights((), PLACE).epsilon
        loc, place, hidden = (np.asarray(made[n], np.float32) for n in ("loc", "place", "hidden"))
        rows = gallery(loc, np.ones(len(loc), bool), place, hidden, epsilon)
        return self._bank.bias(rows.astype(np.float16), PLACE)

    def _read(self) -> dict[str, NDArray[Any]] | None:
        """What was kept; None where nothing is, or it is not of these shapes."""
        if self._folder is None or not self._folder.is_dir():
            return None
        held = {}
        for name, (shape, kind) in self._shapes().items():
            try:
                array = np.lib.format.open_memmap(self._folder / f"{name}.npy", "r")
            except (OSError, ValueError, TypeError, EOFError, OverflowError):
                return None
            if array.shape != shape or array.dtype != kind:
                return None
            held[name] = array
        return held


def _checksum(climate: ClimateRaster) -> str:
    with climate.path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def cache_folder(given: Path | None) -> Path:
    """Where cells are kept: as given, else the user's cache."""
    if given is not None:
        return given
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "prom3e-index" / "maps"
