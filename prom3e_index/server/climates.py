"""The climate of an observation beside that of what was asked: the values that the encoder read, where they are known.

An index keeps embeddings; values are told from the table's own columns, else from the raster that it was built with.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import BaseModel

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.model_place import found_again
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import Prom3eError
from prom3e_index.exports.rows import Rows
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.schema import CLIMATE_COLUMNS, CLIMATE_NAMES, MOST_SCALED
from prom3e_index.search.run import Bundle
from prom3e_index.server.kept_media import check_row
from prom3e_index.show.escapes import on_earth

_SIGNS = re.compile(r"[\W_]+")
_LOOKED_AT = 1000
"""Rows of a store that are looked at; those of a folder are all."""
_RAW = 0.1
"""Of tables of which a larger share of rows has values that are not scaled, none is: a build reads no such columns."""
Values = list[float | None]
Why = Literal["obscured", "none", "gone", "outside", "several", "unasked"]
_kept: WeakKeyDictionary[BundleFolder, ClimateRaster | None] = WeakKeyDictionary()
_scaled: WeakKeyDictionary[BundleFolder, bool] = WeakKeyDictionary()
_lock = threading.Lock()


class Climate(BaseModel):
    """Values in the order of the variables, null where one is not known; or why there are none.

    `obscured`: they would tell the place. `none`: no climate was observed. `gone`: the index keeps no values, and the
    raster is not where it was. `outside`: the raster knows nothing there. `several`: several observations are asked
    with. `unasked`: nothing that is asked has one.
    """

    values: list[float | None] | None
    source: Literal["table", "raster", "given"] | None
    reason: Why | None


def compared(bundle: Bundle, row: int, query: dict[str, Any]) -> dict[str, Any]:
    """The climate of a row and that of what was asked, in deviations from the mean of the model's raster.

    Args:
        bundle: The index.
        row: Of it.
        query: What was asked, as JSON.

    Raises:
        Problem: 404, the index has no such row.
    """
    check_row(bundle, row)
    if "env" not in bundle.modalities:
        return {"variables": [], "hit": _without("none"), "query": _without("none")}
    width = _width(bundle)
    own = width == len(CLIMATE_COLUMNS)
    return {
        "variables": list(CLIMATE_COLUMNS if own else [f"band_{i + 1}" for i in range(width)]),
        "hit": _of_row(bundle, row),
        "query": _asked(bundle, query),
    }


def _width(bundle: Bundle) -> int:
    return int(getattr(bundle.model().encoder("env"), "inputs", len(CLIMATE_COLUMNS)))


def _asked(bundle: Bundle, query: dict[str, Any]) -> dict[str, Any]:
    if query.get("env") is not None:
        return _known([float(v) for v in query["env"]], "given")
    likes = query.get("like") or []
    if len(likes) == 1 and query.get("location") is None:
        return _of_row(bundle, int(likes[0]["row"]))
    if query.get("location") is not None:
        return _at(bundle, *query["location"])
    return _without("several" if likes else "unasked")


def _of_row(bundle: Bundle, row: int) -> dict[str, Any]:
    if not bundle.observed(np.array([row], np.int64))[0, bundle.modalities.index("env")]:
        return _without("none")
    rows = Rows(bundle, np.array([row], np.int64))
    columns = _columns(rows.columns)
    few = rows.only({"obscured", "latitude", "longitude", *columns})
    (cells,) = few.records()
    if cells.get("obscured"):
        return _without("obscured")
    values = [None if cells[c] is None else float(cells[c]) for c in columns]
    known = [abs(v) for v in values if v is not None]
    if known and max(known) <= MOST_SCALED and _are_scaled(bundle, columns):
        return _known(values, "table")
    if not on_earth(cells.get("longitude"), cells.get("latitude")):
        return _without("gone")
    return _at(bundle, cells["latitude"], cells["longitude"])


def _columns(names: Sequence[str]) -> list[str]:
    """The columns of the 20 variables in their order, by any of their namings; none unless there are all."""
    known = {_SIGNS.sub("", name.lower()): name for name in names}
    found = next((c for c in CLIMATE_NAMES if known.keys() >= set(c)), ())
    return [known[c] for c in found]


def _are_scaled(bundle: Bundle, columns: Sequence[str]) -> bool:
    """Whether the columns hold scaled values, as a build sees it; looked at once for each generation."""
    if bundle not in _scaled:
        values = [f"abs(TRY_CAST({quoted(c)} AS DOUBLE))" for c in columns]
        beyond = " OR ".join(f"coalesce({v} > {MOST_SCALED}, false)" for v in values)
        there = " OR ".join(f"{v} IS NOT NULL" for v in values)
        query = f"SELECT count(*) FILTER ({beyond}), count(*) FILTER ({there}) FROM observations"
        with bundle.tables_of(bundle.page(None, 0, _LOOKED_AT)) as con:
            ((far, known),) = con.execute(query).fetchall()
        _scaled[bundle] = far <= _RAW * known
    return _scaled[bundle]


def _at(bundle: Bundle, latitude: float, longitude: float) -> dict[str, Any]:
    raster = _raster(bundle)
    if raster is None:
        return _without("gone")
    row, column = raster.cell(np.array([latitude]), np.array([longitude]))
    found = np.asarray(raster.values[row[0], column[0]], np.float64)
    if row[0] < 0 or not np.isfinite(found).any():
        return _without("outside")
    return _known([float(v) if np.isfinite(v) else None for v in found], "raster")


def _raster(bundle: Bundle) -> ClimateRaster | None:
    """The raster that the index was built with, where it is still there; opened once for each generation."""
    with _lock:
        if bundle not in _kept:
            source = bundle.manifest.get("source") or {}
            path = found_again(Path(bundle.path), source.get("climate"), source.get("climate_beside"))  # fmt: skip
            _kept[bundle] = None if path is None else _opened(bundle, path)
        return _kept[bundle]


def _opened(bundle: Bundle, path: Path) -> ClimateRaster | None:
    try:
        return ClimateRaster.open(path, _width(bundle))
    except (Prom3eError, OSError):  # it is another file by now
        return None


def _known(values: Values, source: Literal["table", "raster", "given"]) -> dict[str, Any]:
    rounded = [None if v is None else round(v, 4) for v in values]
    return {"values": rounded, "source": source, "reason": None}


def _without(reason: Why) -> dict[str, Any]:
    return {"values": None, "source": None, "reason": reason}
