"""Satellite tiles of cells: which file of a folder lies in which cell, and what an encoder makes of them."""

from __future__ import annotations

import hashlib
import re
import stat
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import InputError, MediaError
from prom3e_index.grid.codes import cell_named
from prom3e_index.maps.cell_places import encoded

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid
    from prom3e_index.models.folder import Model

SAT = "sat"
_PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp")
_PLACE = re.compile(r"(?:.*_)?(-?\d{1,2}\.\d+)_(-?\d{1,3}\.\d+)\Z")
"""Decimals are needed: a photo's number and day are no place."""
_GEOTIFF = (".tif", ".tiff")
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles of a folder by the cells in which they lie.

    Attributes:
        folder: Where they are.
        of: Cell → its files, by name.
        outside: Files that lie in no cell of the grid.
        nowhere: Files of which neither name nor file tells where they lie.
        refused: Links, which are not followed, and what is no file.
        fingerprint: Of names, sizes and times of the files.
    """

    folder: Path
    of: dict[int, list[Path]] = field(repr=False)
    outside: int
    nowhere: int
    refused: int
    fingerprint: str

    @classmethod
    def read(cls, folder: Path, grid: Grid) -> Tiles:
        """The tiles of a folder, and of the folders in it.

        A file is of the cell that its name is the code of (`25kmE12N-3.png`); else it lies at the place at its name's
        end (`ANYTHING_LATITUDE_LONGITUDE.png`), else at the middle of a georeferenced GeoTIFF. Several tiles of a cell
        are averaged.

        Raises:
            InputError: There is no such folder, or none of its files lies in a cell.
        """
        if not folder.is_dir():
            raise InputError(f"--tiles {folder} is no folder.")
        of: dict[int, list[Path]] = defaultdict(list)
        outside, refused, nowhere = 0, 0, []
        told = hashlib.sha256()
        for file in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES):
            facts = file.lstat()
            if not stat.S_ISREG(facts.st_mode):
                refused += 1
                continue
            told.update(
                f"{file.relative_to(folder)} {facts.st_size} {facts.st_mtime_ns}\n".encode()
            )
            cell = cell_named(grid, file.stem)
            if cell is None:
                place = _place(file)
                if place is None:
                    nowhere.append(file)
                    continue
                cell = int(grid.cell_of(np.array([place[0]]), np.array([place[1]]))[0])
            if cell < 0:
                outside += 1
            else:
                of[cell].append(file)
        if not of:
            first = f"; the first that tells no place is {nowhere[0].name}" if nowhere else ""
            raise InputError(
                f"No tile of {folder} lies in a cell of {grid.name}: {outside:,} lie elsewhere, {refused:,} are links "
                f"or no files, of {len(nowhere):,} nobody can tell{first}. Name them by their place, as "
                "ID_LATITUDE_LONGITUDE.png, or give GeoTIFFs with a reference system."
            )
        return cls(folder, dict(of), outside, len(nowhere), refused, told.hexdigest())

    def elsewhere(self, cells: NDArray[np.int64]) -> int:
        """Files that lie in none of some cells: outside the grid, or where nothing is mapped."""
        mapped = set(cells.tolist())
        return self.outside + sum(
            len(files) for cell, files in self.of.items() if cell not in mapped
        )

    def embed(
        self, model: Model, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
        """Cells by their tiles: unit means (k, d), how many tiles of each were read, how many could not be."""
        from prom3e_index.media.pool import DecodePool, Task

        spec = asdict(model.media_spec(SAT))
        wanted = [(i, f) for i, c in enumerate(cells.tolist()) for f in self.of.get(c, ())]
        total = np.zeros((len(cells), model.width), np.float32)
        read, unread = np.zeros(len(cells), np.int32), np.zeros(len(cells), np.int32)
        if not wanted:
            return total, read, unread
        held: list[tuple[int, NDArray[Any]]] = []

        def add() -> None:
            made = encoded(model.encoder(SAT), np.stack([pixels for _, pixels in held]))
            for (i, _), row in zip(held, made, strict=True):
                total[i] += row
                read[i] += 1
            held.clear()

        with DecodePool(2) as pool:
            for i, found in pool.map((i, Task(SAT, f, spec)) for i, f in wanted):
                if isinstance(found, MediaError):
                    unread[i] += 1
                    continue
                held.append((i, found))
                if len(held) == _AT_ONCE:
                    add()
        if held:
            add()
        return unit_rows(total), read, unread


def _place(file: Path) -> tuple[float, float] | None:
    """Latitude and longitude of a tile; None where nothing tells them."""
    named = _PLACE.match(file.stem)
    if named is not None:
        lat, lon = float(named[1]), float(named[2])
        if abs(lat) <= 90 and abs(lon) <= 360:
            return lat, lon
    return _middle(file) if file.suffix.lower() in _GEOTIFF else None


def _middle(file: Path) -> tuple[float, float] | None:
    import warnings

    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tiles without georeference are told above
            with rasterio.open(file, driver="GTiff") as tif:
                if tif.crs is None:
                    return None
                x, y = tif.transform * (tif.width / 2, tif.height / 2)
                lon, lat = transform(tif.crs, "EPSG:4326", [x], [y])
    except RasterioError:
        return None
    return (lat[0], lon[0]) if np.isfinite([lat[0], lon[0]]).all() else None
