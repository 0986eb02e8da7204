"""Where the observations of an index are, as far as it may be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle

Floats = NDArray[np.float64]
OPEN_PLACE = "latitude IS NOT NULL AND NOT coalesce(obscured, false)"
"""Rows whose places are told as they are."""


def open_place(bundle: Bundle) -> str:
    """As `OPEN_PLACE`; where the index knows levels, without those that are hidden."""
    own = " AND place_level IS NULL" if "place_level" in bundle.columns else ""
    return OPEN_PLACE + own


def places_of(bundle: Bundle, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of rows, in their order; NaN where the index has none."""
    import pyarrow as pa

    with bundle.metadata.cursor() as con:
        con.register("wanted", pa.table({"row": rows, "at": np.arange(len(rows))}))
        found = con.execute(
            "SELECT w.at, o.latitude, o.longitude FROM wanted w JOIN observations o USING (row) ORDER BY w.at"
        ).fetchnumpy()
    out = np.full((2, len(rows)), np.nan)
    at = np.asarray(found["at"])
    for i, name in enumerate(("latitude", "longitude")):
        out[i, at] = np.ma.filled(np.ma.asarray(found[name], np.float64), np.nan)
    return out[0], out[1]


def known_rows(bundle: Bundle) -> NDArray[np.int64]:
    """Observations whose places are told and that the model knows the place of, ascending."""
    from prom3e_index.bundle.filters import Filter

    rows = bundle.eligible(Filter(where=open_place(bundle), observed="loc"))
    return bundle.live if rows is None else np.asarray(rows, np.int64)
