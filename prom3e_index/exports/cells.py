"""Observations counted by the cells of H3, the hexagonal grid of the whole Earth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.errors import InputError
from prom3e_index.exports.extra import needs
from prom3e_index.exports.points import places
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

RESOLUTION = 5
"""The usual size of cells: 253 km² in the mean."""
COARSEST, FINEST = 0, 15
NEEDED = (
    "row", "id", "observation", "longitude", "latitude", "coordinate_uncertainty_m", "obscured", "event_start",
    "event_end", "scientific_name", "species", "taxon_species",
)  # fmt: skip


@dataclass
class Cell:
    """What was counted in a cell."""

    observations: int = 0
    species: set[str] = field(default_factory=set)
    first: date | None = None
    last: date | None = None


@dataclass
class Cells:
    """Cells with observations, and why others are in none.

    Attributes:
        resolution: 0 to 15, as H3 counts; each step divides a cell into seven.
        several: Whether an observation may have several rows; it is counted once then.
        held: By cell, 15 hexadecimal digits.
        left_out: Reason → observations.
    """

    resolution: int
    several: bool = False
    held: dict[str, Cell] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the observations of some rows: further photos and windows of one are not counted again."""
        import h3

        x, y = places(batch)
        rows = batch.to_pylist()
        radius = 1000 * h3.average_hexagon_edge_length(self.resolution, unit="km")
        for row, longitude, latitude in zip(rows, x.tolist(), y.tolist(), strict=True):
            if self.several and not self._new(row.get("observation") or row["id"]):
                continue
            wide = row.get("coordinate_uncertainty_m")
            if np.isnan(longitude):
                self._leave("without a place")
            elif row.get("obscured"):
                self._leave("with an obscured place, which may lie in another cell")
            elif wide is not None and wide > radius:
                self._leave(
                    f"with a place that is known to no more than a cell's radius, {radius:,.0f} m"
                )
            else:
                self._count(h3.latlng_to_cell(latitude, longitude, self.resolution), row)

    def _new(self, observation: str) -> bool:
        key = hash(observation)
        new = key not in self._seen
        self._seen.add(key)
        return new

    def _leave(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def _count(self, key: str, row: Mapping[str, Any]) -> None:
        cell = self.held.setdefault(key, Cell())
        cell.observations += 1
        name = row.get("taxon_species") or row.get("species")
        if name:
            cell.species.add(name)
        first: date | None = row.get("event_start")
        last: date | None = row.get("event_end") or first
        if first is not None and last is not None:
            cell.first = first if cell.first is None else min(cell.first, first)
            cell.last = last if cell.last is None else max(cell.last, last)


def check_resolution(resolution: int) -> int:
    """Refuse a size of cells that H3 has not.

    Raises:
        InputError: Not a whole number from 0 to 15.
    """
    whole = isinstance(resolution, int) and not isinstance(resolution, bool)
    if not whole or not COARSEST <= resolution <= FINEST:
        raise InputError(
            f"--resolution is {resolution!r:.40}; it is a whole number from {COARSEST}, cells as large as a land, "
            f"to {FINEST}, less than a square metre."
        )
    return resolution


def write_cells(
    batches: Iterable[pa.RecordBatch],
    path: Path,
    resolution: int,
    tags: Mapping[str, Any],
    several: bool = False,
) -> Cells:
    """Write a row for each cell that has an observation: `h3`, `area_km2`, counts, first and last day.

    Observations with an obscured place, or one that is less certain than a cell is wide, are counted in no cell.

    Args:
        batches: With the columns of `NEEDED` that the index has.
        path: The Parquet file.
        resolution: Of the cells.
        tags: What the file says of itself, under the key `prom3e`.
        several: Whether an observation may have several rows.

    Returns:
        What was counted.

    Raises:
        InputError: The extra `gis` is not installed, or there is no such resolution.
    """
    needs("h3")
    import h3
    import pyarrow as pa
    from pyarrow import parquet

    found = Cells(check_resolution(resolution), several)
    for batch in batches:
        found.add(batch)
    keys = sorted(found.held)
    held = [found.held[k] for k in keys]
    centres = [h3.cell_to_latlng(k) for k in keys]
    table = pa.table(
        {
            "h3": pa.array(keys, pa.string()),
            "area_km2": pa.array([h3.cell_area(k, unit="km^2") for k in keys], pa.float64()),
            "latitude": pa.array([c[0] for c in centres], pa.float64()),
            "longitude": pa.array([c[1] for c in centres], pa.float64()),
            "observations": pa.array([c.observations for c in held], pa.int64()),
            "species": pa.array([len(c.species) for c in held], pa.int64()),
            "first_day": pa.array([c.first for c in held], pa.date32()),
            "last_day": pa.array([c.last for c in held], pa.date32()),
        }
    )
    said = {**tags, "resolution": resolution, "left_out": found.left_out}
    table = table.replace_schema_metadata({"prom3e": json_text(said)})
    with replacing(path) as new, parquet.ParquetWriter(new, table.schema, compression="zstd") as to:
        to.write_table(table)
    return found
