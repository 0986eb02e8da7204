"""Places as points, in the encoding that maps and databases share (well-known binary, OGC 06-103r4, 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

_POINT = np.dtype([("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])


def places(batch: pa.RecordBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) longitude and (n,) latitude in degrees; NaN in both where a row has no place on Earth."""
    import pyarrow as pa

    names = batch.schema.names
    if not {"longitude", "latitude"} <= set(names):
        return np.full(batch.num_rows, np.nan), np.full(batch.num_rows, np.nan)
    x, y = (
        batch.column(names.index(n)).cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
        for n in ("longitude", "latitude")
    )
    with np.errstate(invalid="ignore"):
        none = ~((np.abs(x) <= 180) & (np.abs(y) <= 90))
    x[none] = y[none] = np.nan
    return x, y


def points(x: NDArray[np.float64], y: NDArray[np.float64]) -> pa.Array:
    """(n,) points as binary; null where x is NaN."""
    import pyarrow as pa

    none = np.isnan(x)
    encoded = np.empty(int((~none).sum()), _POINT)
    encoded["order"], encoded["kind"] = 1, 1
    encoded["x"], encoded["y"] = x[~none], y[~none]
    offsets = np.zeros(len(x) + 1, np.int32)
    np.cumsum(np.where(none, 0, _POINT.itemsize), out=offsets[1:])
    valid = np.packbits(~none, bitorder="little")
    return pa.Array.from_buffers(
        pa.binary(),
        len(x),
        [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(encoded.tobytes())],
        int(none.sum()),
    )


@dataclass
class Extent:
    """The box of the places seen so far, in degrees; infinite and inside out without any."""

    west: float = np.inf
    south: float = np.inf
    east: float = -np.inf
    north: float = -np.inf

    def add(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Take in some places; NaN is none."""
        x, y = x[~np.isnan(x)], y[~np.isnan(y)]
        if len(x):
            self.west, self.east = min(self.west, float(x.min())), max(self.east, float(x.max()))
            self.south, self.north = (
                min(self.south, float(y.min())),
                max(self.north, float(y.max())),
            )

    @property
    def box(self) -> list[float] | None:
        """West, south, east, north; None without a place."""
        return [self.west, self.south, self.east, self.north] if self.west <= self.east else None
