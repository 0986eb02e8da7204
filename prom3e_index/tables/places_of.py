"""Columns of geometry as latitude and longitude in WGS84, with what is to be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.errors import TableError
from prom3e_index.tables.geometry import Coordinates, centre, from_wkb

if TYPE_CHECKING:
    import pyarrow as pa

PLACE = ("decimalLatitude", "decimalLongitude")
PIP = "pip install 'prom3e-index[formats]'"
_WGS84 = ("EPSG:4326", "OGC:CRS84", "CRS84", "WGS84", "WGS 84")
_POINT = 21
Found = tuple[float, float] | str | None
"""x and y of a geometry, why there are none, or None where there is no geometry."""
Degrees = tuple[float | str | None, float | str | None]
"""Latitude and longitude of a geometry, or twice why there are none."""


class Geometries:
    """The geometries of one table, read batch by batch.

    A geometry that gives no place though it is there has the reason in place of its degrees, so that it is told
    with the row, as degrees that cannot be read are.

    Attributes:
        crs: As the file names it; None where it names none.
        said: Sentences for a user, complete once all were read.
    """

    def __init__(self, crs: Any, said: list[str]) -> None:
        self.crs, self.said = crs, said
        self._counts: Counter[str] = Counter()
        self._to_degrees = _projection(crs)

    def begin(self) -> None:
        """Count from the start again."""
        self._counts.clear()

    def wkb(self, cells: Sequence[bytes | None]) -> list[Degrees]:
        """(Latitude, longitude) of geometries in well-known binary."""
        points: Sequence[Found] | None = _plain(cells)
        if points is None:
            points = [None if c is None else self._one(from_wkb, c) for c in cells]
        return self._degrees(points)

    def geojson(self, cells: Sequence[Any]) -> list[Degrees]:
        """(Latitude, longitude) of GeoJSON geometries."""
        return self._degrees([self._one(_geojson, c) if c else None for c in cells])

    def _one(self, read: Callable[[Any], tuple[str, Coordinates]], cell: Any) -> Found:
        try:
            kind, coordinates = read(cell)
            found = centre(kind, coordinates)
        except ValueError as e:
            return str(e)
        if found is not None and kind != "Point":
            self._counts[kind] += 1
        return found

    def _degrees(self, points: Sequence[Found]) -> list[Degrees]:
        self._counts["none"] += sum(p is None for p in points)
        have = [p for p in points if isinstance(p, tuple)]
        if self._to_degrees is not None and have:
            x, y = self._to_degrees(*np.array(have, np.float64).T)
            moved = iter(zip(x.tolist(), y.tolist(), strict=True))
            points = [_moved(p, next(moved)) if isinstance(p, tuple) else p for p in points]
        return [(p[1], p[0]) if isinstance(p, tuple) else (p, p) for p in points]

    def finish(self) -> None:
        """Say what was counted."""
        self.said[:] = [s for s in self.said if not s.startswith(_MARK)]
        other = {k: c for k, c in self._counts.items() if k != "none" and c}
        if other:
            kinds = ", ".join(f"{c:,} {k}" for k, c in sorted(other.items()))
            self.said.append(
                f"{_MARK}{kinds}: the place of each is a point within it (centroid or half way along)."
            )
        if empty := self._counts["none"]:
            self.said.append(f"{_MARK}{empty:,} rows have none, so they have no place.")


_MARK = "Geometries: "


def _moved(given: tuple[float, float], degrees: tuple[float, float]) -> Found:
    if np.isfinite(degrees).all():
        return degrees
    return f"{given[0]:.10g}, {given[1]:.10g} lies outside the projection"


def _plain(cells: Sequence[bytes | None]) -> list[tuple[float, float] | None] | None:
    """Points at once, where every geometry is a plain little-endian point; None otherwise."""
    if not all(c is None or (len(c) == _POINT and c[:5] == b"\x01\x01\0\0\0") for c in cells):
        return None
    found = np.frombuffer(
        b"".join(c for c in cells if c is not None), [("head", "S5"), ("x", "<f8"), ("y", "<f8")]
    )
    each = iter(zip(found["x"].tolist(), found["y"].tolist(), strict=True))
    points = [None if c is None else next(each) for c in cells]
    return [
        None if p is None or not (np.isfinite(p[0]) and np.isfinite(p[1])) else p for p in points
    ]


def _geojson(cell: Any) -> tuple[str, Coordinates]:
    if not isinstance(cell, dict):
        raise ValueError("a geometry is an object")
    kind = str(cell.get("type"))
    if kind == "GeometryCollection":
        return kind, [_geojson(g) for g in cell.get("geometries") or []]
    coordinates = cell.get("coordinates")
    if not isinstance(coordinates, list):
        raise ValueError("a geometry has coordinates")
    return kind, coordinates


def _projection(crs: Any) -> Callable[[Any, Any], Any] | None:
    """What brings x and y of a reference system to longitude and latitude; None where they are that.

    Raises:
        TableError: The reference system is not known, or pyproj is not installed.
    """
    name = str(crs or "")
    if (
        crs is None
        or name.upper().replace("URN:OGC:DEF:CRS:", "").replace("::", ":").replace(":1.3:", ":")
        in _WGS84
    ):
        return None
    try:
        import pyproj
        from pyproj.exceptions import CRSError
    except ImportError as e:
        raise TableError(f"The places are in {name[:60]}; to bring them to degrees: {PIP}") from e
    try:
        given = pyproj.CRS.from_user_input(crs)
        if given.equals(pyproj.CRS("OGC:CRS84"), ignore_axis_order=True):
            return None
        change = pyproj.Transformer.from_crs(given, "EPSG:4326", always_xy=True)
    except CRSError as e:
        raise TableError(
            f"The reference system {name[:80]!r} of the places is not known: {str(e)[:120]}."
        ) from e
    transform: Callable[[Any, Any], Any] = change.transform
    return transform


def said_crs(geometries: Geometries) -> None:
    """Say which reference system the places were in, where it is not WGS84."""
    if geometries.crs is None:
        geometries.said.append(
            "The file names no reference system; its coordinates are taken as degrees in WGS84."
        )
    elif geometries._to_degrees is not None:
        name = str(geometries.crs)
        if len(name) > 40:
            import pyproj

            name = pyproj.CRS.from_user_input(geometries.crs).name
        geometries.said.append(f"Places were brought from {name} to degrees in WGS84.")


def _cells(values: list[float | str | None]) -> pa.Array:
    """Numbers; as text where a reason stands among them."""
    import pyarrow as pa

    if any(isinstance(v, str) for v in values):
        return pa.array([repr(v) if isinstance(v, float) else v for v in values], pa.string())
    return pa.array(values, pa.float64())


def with_places(
    batch: pa.RecordBatch, column: str | None, geometries: Geometries, own: bool
) -> pa.RecordBatch:
    """A batch whose geometry (WKB) stands as latitude and longitude at its end; `own`: it has such columns itself."""
    import pyarrow as pa

    if column is None:
        return batch
    at = batch.schema.get_field_index(column)
    cells = batch.column(at).to_pylist()
    kept = [i for i in range(batch.num_columns) if i != at]
    arrays, names = [batch.column(i) for i in kept], [batch.schema.names[i] for i in kept]
    if not own:
        places = geometries.wkb(cells)
        for i, name in enumerate(PLACE):
            arrays.append(_cells([p[i] for p in places]))
            names.append(name)
    return pa.RecordBatch.from_arrays(arrays, names=names)
