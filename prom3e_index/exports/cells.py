"""Observations counted by the cells of H3, the hexagonal grid of the whole Earth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.exports.attribution import text_column
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


_OBSERVATION = np.dtype([("cell", "u8"), ("species", "i4"), ("first", "i4"), ("last", "i4")])
_NO_DAY = 2**31 - 1


@dataclass
class Cells:
    """Observations by cell, and why others are in none.

    Attributes:
        resolution: 0 to 15, as H3 counts; each step divides a cell into seven.
        several: Whether an observation may have several rows; it is counted once then.
        left_out: Reason → observations.
    """

    resolution: int
    several: bool = False
    left_out: dict[str, int] = field(default_factory=dict)
    _parts: list[NDArray[np.void]] = field(default_factory=list)
    _species: dict[str | None, int] = field(default_factory=lambda: {None: -1})
    _seen: set[int] = field(default_factory=set)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the observations of some rows: further photos and windows of one are not counted again."""
        import h3.api.basic_int as h3

        keep = np.ones(batch.num_rows, bool)
        if self.several:
            of = text_column(batch, ["observation", "id"]).to_pylist()
            keep = np.array([self._new(name) for name in of], bool)
        x, y = places(batch)
        metres, hidden = _numbers(batch, "coordinate_uncertainty_m"), _numbers(batch, "obscured")
        radius = 1000 * h3.average_hexagon_edge_length(self.resolution, unit="km")
        with np.errstate(invalid="ignore"):
            for none, reason in (
                (np.isnan(x), "without a place"),
                (hidden > 0, "with an obscured place, which may lie in another cell"),
                (
                    metres > radius,
                    f"with a place that is known to no more than a cell's radius, {radius:,.0f} m",
                ),
            ):
                count = int((keep & none).sum())
                if count:
                    self.left_out[reason] = self.left_out.get(reason, 0) + count
                keep &= ~none
        found = np.empty(int(keep.sum()), _OBSERVATION)
        at = zip(y[keep].tolist(), x[keep].tolist(), strict=True)
        found["cell"] = [h3.latlng_to_cell(*place, self.resolution) for place in at]
        names = text_column(batch, ["taxon_species", "species"]).to_pylist()
        codes = (self._species.setdefault(n, len(self._species) - 1) for n in names)
        found["species"] = np.fromiter(codes, np.int32, len(names))[keep]
        first, last = (_numbers(batch, c)[keep] for c in ("event_start", "event_end"))
        found["first"] = np.nan_to_num(first, nan=_NO_DAY).astype(np.int32)
        found["last"] = np.nan_to_num(np.where(np.isnan(last), first, last), nan=-_NO_DAY).astype(
            np.int32
        )
        self._parts.append(found)

    def _new(self, observation: str | None) -> bool:
        key = hash(observation)
        new = key not in self._seen
        self._seen.add(key)
        return new

    def table(self) -> pa.Table:
        """A row for each cell with an observation, by its name."""
        import h3
        import pyarrow as pa

        every = np.concatenate([*self._parts, np.empty(0, _OBSERVATION)])
        every = every[np.lexsort((every["species"], every["cell"]))]
        cells, starts = np.unique(every["cell"], return_index=True)
        named = every["species"] >= 0
        fresh = named.copy()
        if len(every):
            fresh[1:] &= (every["cell"][1:] != every["cell"][:-1]) | (
                every["species"][1:] != every["species"][:-1]
            )
        days = [
            of.reduceat(every[name], starts) if len(starts) else np.zeros(0, np.int32)
            for of, name in ((np.minimum, "first"), (np.maximum, "last"))
        ]
        keys = [h3.int_to_str(int(c)) for c in cells]
        centres = np.array([h3.cell_to_latlng(k) for k in keys], np.float64).reshape(-1, 2)
        counts = np.diff(np.append(starts, len(every)))
        return pa.table(
            {
                "h3": pa.array(keys, pa.string()),
                "area_km2": pa.array([h3.cell_area(k, unit="km^2") for k in keys], pa.float64()),
                "latitude": centres[:, 0],
                "longitude": centres[:, 1],
                "observations": pa.array(counts, pa.int64()),
                "species": pa.array(
                    np.add.reduceat(fresh, starts) if len(starts) else counts, pa.int64()
                ),
                "first_day": pa.array(days[0], pa.int32(), mask=days[0] == _NO_DAY).cast(
                    pa.date32()
                ),
                "last_day": pa.array(days[1], pa.int32(), mask=days[1] == -_NO_DAY).cast(
                    pa.date32()
                ),
            }
        )


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """(n,) a column as numbers, days since 1970 of a date; NaN where there is no value."""
    import pyarrow as pa

    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    column = batch.column(batch.schema.names.index(name))
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


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
) -> tuple[int, dict[str, int]]:
    """Write a row for each cell that has an observation: `h3`, `area_km2`, counts, first and last day.

    Observations with an obscured place, or one that is less certain than a cell is wide, are counted in no cell.

    Args:
        batches: With the columns of `NEEDED` that the index has.
        path: The Parquet file.
        resolution: Of the cells.
        tags: What the file says of itself, under the key `prom3e`.
        several: Whether an observation may have several rows.

    Returns:
        The number of cells; and why observations are in none, with their number.

    Raises:
        InputError: The extra `gis` is not installed, or there is no such resolution.
    """
    needs("h3")
    from pyarrow import parquet

    found = Cells(check_resolution(resolution), several)
    for batch in batches:
        found.add(batch)
    said = {**tags, "resolution": resolution, "left_out": found.left_out}
    table = found.table().replace_schema_metadata({"prom3e": json_text(said)})
    with replacing(path) as new, parquet.ParquetWriter(new, table.schema, compression="zstd") as to:
        to.write_table(table)
    return table.num_rows, found.left_out
