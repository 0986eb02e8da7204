"""Make the outlines that masks of maps are made of: land and countries of Natural Earth, states of the US Census.

    npm pack world-atlas@2.0.2 us-atlas@3.0.1 i18n-iso-countries@7.14.0
    pip install shapely
    python benchmarks/outlines.py world-atlas-2.0.2.tgz us-atlas-3.0.1.tgz i18n-iso-countries-7.14.0.tgz

Writes `prom3e_index/grid/outlines.parquet`, GeoParquet 1.1 with WKB. Same packages, same bytes.

`make_valid` is needed: TopoJSON that was quantised has rings that touch themselves, and rasterio drops such states
without a word (Delaware was one).
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import shapely.affinity
from shapely.geometry import MultiPolygon, Polygon

OUT = Path(__file__).parents[1] / "prom3e_index/grid/outlines.parquet"
POSTAL = dict(
    pair.split("=")
    for pair in "Alabama=AL,Alaska=AK,Arizona=AZ,Arkansas=AR,California=CA,Colorado=CO,Connecticut=CT,Delaware=DE,"
    "District of Columbia=DC,Florida=FL,Georgia=GA,Hawaii=HI,Idaho=ID,Illinois=IL,Indiana=IN,Iowa=IA,Kansas=KS,"
    "Kentucky=KY,Louisiana=LA,Maine=ME,Maryland=MD,Massachusetts=MA,Michigan=MI,Minnesota=MN,Mississippi=MS,"
    "Missouri=MO,Montana=MT,Nebraska=NE,Nevada=NV,New Hampshire=NH,New Jersey=NJ,New Mexico=NM,New York=NY,"
    "North Carolina=NC,North Dakota=ND,Ohio=OH,Oklahoma=OK,Oregon=OR,Pennsylvania=PA,Rhode Island=RI,"
    "South Carolina=SC,South Dakota=SD,Tennessee=TN,Texas=TX,Utah=UT,Vermont=VT,Virginia=VA,Washington=WA,"
    "West Virginia=WV,Wisconsin=WI,Wyoming=WY,American Samoa=AS,Guam=GU,Puerto Rico=PR,"
    "Commonwealth of the Northern Mariana Islands=MP,United States Virgin Islands=VI".split(",")
)
WITHOUT_ISO = {
    "Kosovo": "XKX",
    "Somaliland": "XSO",
    "N. Cyprus": "XNC",
    "Indian Ocean Ter.": "XIO",
    "Siachen Glacier": "XSG",
}
"""Codes of the user range for what Natural Earth draws and ISO 3166 does not name."""
STEPS = 1024
"""Steps of a degree that corners are rounded to, 109 m: the packages' own are 400 m, and binary fractions pack well."""
SOURCES = {
    "land": "Natural Earth 4.1.0, 1:50m, land (npm world-atlas 2.0.2); public domain",
    "country": "Natural Earth 4.1.0, 1:50m, countries as they are governed (npm world-atlas 2.0.2); public domain",
    "state": "US Census Bureau 2017, 1:10m, without large lakes (npm us-atlas 3.0.1); public domain",
}


def member(package: str, name: str) -> Any:
    """A JSON file of an npm package."""
    with tarfile.open(package) as tar:
        file = tar.extractfile(f"package/{name}")
        assert file is not None, f"{package} holds no {name}"
        return json.load(file)


def shapes(topology: dict[str, Any], layer: str) -> list[tuple[str, str, Any]]:
    """Id, name and valid geometry of each feature of a TopoJSON's layer."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append(
                (round((x * sx + tx) * STEPS) / STEPS, round((y * sy + ty) * STEPS) / STEPS)
            )
        arcs.append(points)

    def ring(numbers: list[int]) -> list[tuple[float, float]]:
        out: list[tuple[float, float]] = []
        for n in numbers:
            points = arcs[n] if n >= 0 else arcs[~n][::-1]
            out += points[1:] if out else points
        return unwound(out)

    found = []
    for g in topology["objects"][layer]["geometries"]:
        parts = {"Polygon": [g.get("arcs")], "MultiPolygon": g.get("arcs")}[g["type"]]
        rings = [[ring(r) for r in part] for part in parts]
        good = [Polygon(r[0], [h for h in r[1:] if len(h) > 3]) for r in rings if len(r[0]) > 3]
        whole = shapely.union_all([shapely.make_valid(p) for p in good])
        pieces = [
            shapely.affinity.translate(
                whole.intersection(shapely.box(west, -90, west + 360, 90)), -turn
            )
            for turn, west in ((-360, -540), (0, -180), (360, 180))
        ]
        flat = [p for piece in pieces for p in polygons(shapely.make_valid(piece))]
        name = g.get("properties", {}).get("name", "land")
        found.append((str(g.get("id") or ""), name, MultiPolygon(flat)))
    return found


def unwound(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A ring without jumps at the date line, running on past 180; one around a pole is closed there.

    The package's polygons lie on the sphere: they are not cut at the date line, and Antarctica has no edge at the pole.
    """
    turn, out = 0.0, [ring[0]]
    for (before, _), (lon, lat) in zip(ring, ring[1:], strict=False):
        turn += -360 if lon - before > 180 else 360 if lon - before < -180 else 0
        out.append((lon + turn, lat))
    if turn:
        pole = -90.0 if out[0][1] < 0 else 90.0
        out += [(out[-1][0], pole), (out[0][0], pole), out[0]]
    return out


def polygons(geometry: Any) -> list[Any]:
    """The polygons of a geometry; what `make_valid` leaves of lines is no area."""
    if geometry.geom_type == "Polygon":
        return [geometry]
    return [p for part in getattr(geometry, "geoms", ()) for p in polygons(part)]


def main(world: str, us: str, iso: str) -> None:
    """Write the file."""
    three = {number: code for _, code, number, _ in member(iso, "codes.json")}
    rows: list[tuple[str, str, str, Any]] = []
    land = shapes(member(world, "land-50m.json"), "land")
    merged = MultiPolygon([p for _, _, g in land for p in g.geoms])
    rows.append(("land", "", "land", merged))
    by_code: dict[str, tuple[str, list[Any]]] = {}
    for number, name, geometry in shapes(member(world, "countries-50m.json"), "countries"):
        code = three[number] if number else WITHOUT_ISO[name]
        by_code.setdefault(code, (name, []))[1].extend(geometry.geoms)
    rows += [("country", c, n, MultiPolygon(g)) for c, (n, g) in sorted(by_code.items())]
    states = shapes(member(us, "states-10m.json"), "states")
    rows += sorted(("state", f"US-{POSTAL[name]}", name, g) for _, name, g in states)
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["MultiPolygon"]}},
    }
    table = pa.table(
        {
            "layer": [r[0] for r in rows],
            "code": [r[1] for r in rows],
            "name": [r[2] for r in rows],
            "geometry": pa.array([shapely.to_wkb(r[3], byte_order=1) for r in rows], pa.binary()),
        }
    ).replace_schema_metadata({"geo": json.dumps(geo), "sources": json.dumps(SOURCES)})
    pq.write_table(table, OUT, compression="zstd", compression_level=19, use_dictionary=False)
    sys.stdout.write(f"{OUT}: {len(rows)} outlines, {OUT.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
