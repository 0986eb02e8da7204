"""Places of tables that have none by their names: in two columns of another language, or in one; or what is said."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prom3e_index.policy.columns import private
from prom3e_index.tables.by_cells import CELLS, MOST, NOTHING, Said, share, words
from prom3e_index.tables.places import learn_writing, read_pair, read_place
from prom3e_index.tables.sample import Sample

PLACES = frozenset({"latitude", "latlon", "grid"})
"""Fields that places are read from."""

_SIDES = {
    "latitude": """
        lat latitude latitud latitudine breitengrad breedtegraad breddegrad breddgrad leveysaste enlem
        широта шир 纬度 緯度 위도""",
    "longitude": """
        lon lng long longitude longitud longitudine langengrad laengengrad lengtegraad lengdegrad langdgrad
        pituusaste boylam долгота долг 经度 經度 経度 경도""",
}
_MEASURES = {
    "latitude": "breite breedte bredde bredd szerokosc sirka szelesseg leveys larghezza",
    "longitude": "lange laenge lengte lengde langd dlugosc delka hosszusag pituus lunghezza",
}
"""Words that also mean how wide and how long a body is."""
_WORDS = {
    word: (axis, table is _MEASURES)
    for table in (_SIDES, _MEASURES)
    for axis, words in table.items()
    for word in words.split()
}
_BESIDE = frozenset(
    """
    wgs wgs84 84 dd dec decimal dezimal decimale deg degree degrees grad gms dms gps geo geogr geographisch
    geographische
    geographischer geografisk geografische geografica geografique geograficzna zemepisna foldrajzi maantieteellinen
    geographical geographic koordinaten coordenadas coordonnees coordinaten koordinater w s north south west o
    site plot location point coord coordinate coordinates der in of des
    """.split()
)
"""What may stand beside them; of a `Lat_NAD27` or a `camera_lat` nothing is presumed."""
_BODIES = re.compile(
    r"gewicht|dicke|durchmesser|umfang|flugel|tarsus|schnabel|schwanz|weight|thickness|diameter|wing|gewicht|vikt|vekt"
    r"|waga|masa\b|hmotnost|poids|peso\b"
)
"""Columns that measure bodies; beside them a breadth is no latitude."""
_UNIT = re.compile(
    r"[(\[]\s*(?:[cdkmµu]?m|px|pixel|inch|in)\s*[)\]]|[_ ](?:mm|cm|um|µm|px)\Z", re.I
)
_PRECISE = re.compile(r"[.,][0-9]{2}|[°'NSEWO′]", re.IGNORECASE)
_FINE = re.compile(r"[.,][0-9]{3}|[°'NSEWO′]", re.IGNORECASE)
_FINE_PAIR = re.compile(r"[.,][0-9]{3,}.*[.,][0-9]{3,}|°.*°|POINT", re.IGNORECASE | re.DOTALL)


def places(columns: Iterable[str], sample: Sample, stated: bool = False) -> Said:
    """Places of a table that has none by its names: two columns whose names and cells agree, or one of fine pairs.

    Breadth and length (`Breite`, `Länge`) also measure bodies. They are a place where nothing else of the table
    measures one, no unit of length stands beside them, and their cells are such as degrees are written: with three
    decimals or more, or with signs; with two where breadths are mostly the larger, since no body is wider than long.

    Args:
        columns: Those that no field is read from.
        sample: The first rows.
        stated: Whether a column of the table says of which grid or zone its places are.
    """
    columns = [c for c in columns if not private(c)]
    sides: dict[tuple[str, ...], dict[str, list[str]]] = {}
    doubtful: set[str] = set()
    for column in columns:
        side = _side(column)
        if side is None:
            continue
        axis, beside, either = side
        sides.setdefault(beside, {}).setdefault(axis, []).append(column)
        if either:
            doubtful.add(column)
    pairs = [
        (s["latitude"][0], s["longitude"][0])
        for s in sides.values()
        if len(s) == 2 and all(len(names) == 1 for names in s.values())
    ]
    fine = [
        p
        for p in pairs
        if _degrees(p, sample) and not (set(p) & doubtful and _bodies(p, columns, sample))
    ]
    if len(fine) == 1:
        ((a, b),) = fine
        said = f"{a!r} and {b!r} are read as latitude and longitude, for what their cells hold"
        if {a, b} & doubtful:
            said += f"; if they measure bodies, write the unit beside the name, such as '{a} (mm)'"
        return Said({"latitude": (a,), "longitude": (b,)}, (said,))
    if pairs:
        return NOTHING  # their names are told of as what they look like
    single = [c for c in columns if share(sample.texts(c), _fine_pair) >= MOST]
    if len(single) == 1:
        said = f"{single[0]!r} is read as the column of places, for what its cells hold"
        return Said({"latlon": (single[0],)}, (said,))
    return _on_a_grid(columns, sample, stated)


def _side(column: str) -> tuple[str, tuple[str, ...], bool] | None:
    """Axis that a name tells, what stands beside it, and whether it may measure a body; None where it tells none."""
    parts = words(column)
    found = [_WORDS[w] for w in parts if w in _WORDS]
    beside = tuple(w for w in parts if w not in _WORDS)
    if len(found) != 1 or not _BESIDE.issuperset(beside):
        return None
    axis, either = found[0]
    return (
        axis,
        beside,
        either and not any(w.startswith(("geo", "zem", "foldr", "wgs")) for w in beside),
    )


def _degrees(pair: tuple[str, str], sample: Sample) -> bool:
    cells = [sample.column(c) for c in pair]
    some = list(dict.fromkeys((a, b) for a, b in zip(*cells, strict=True) if a and b))[:CELLS]
    writing = learn_writing(*cells)
    known = sum(read_place(a, b, writing).latitude is not None for a, b in some)
    return known >= MOST * len(some) > 0


def _bodies(pair: tuple[str, str], columns: Iterable[str], sample: Sample) -> bool:
    """Whether two columns may be how wide and how long something is."""
    if any(_UNIT.search(c) for c in pair) or any(
        _BODIES.search(" ".join(words(c))) for c in columns
    ):
        return True
    texts = [t for c in pair for t in sample.texts(c)]
    if share(texts, lambda t: _FINE.search(t) is not None) >= 0.5:
        return False
    both = [
        (_value(a or ""), _value(b or "")) for a, b in zip(*map(sample.column, pair), strict=True)
    ]
    known = [(a, b) for a, b in both if a is not None and b is not None]
    wider = sum(abs(a) > abs(b) for a, b in known) >= MOST * len(known) > 0
    return not wider or share(texts, lambda t: _PRECISE.search(t) is not None) < 0.5


def _fine_pair(text: str) -> bool:
    return _FINE_PAIR.search(text) is not None and read_pair(text).latitude is not None


_AXES = {
    "ost": "e", "ostwert": "e", "rechtswert": "e", "east": "e", "e": "e", "x": "e", "easting": "e", "oest": "e",
    "nord": "n", "nordwert": "n", "hochwert": "n", "north": "n", "n": "n", "y": "n", "northing": "n", "norr": "n",
}  # fmt: skip


def _on_a_grid(columns: Iterable[str], sample: Sample, stated: bool) -> Said:
    """Two columns named like the axes of a map: read where the grid is stated, else said to be degrees or metres."""
    axes: dict[str, list[str]] = {}
    for column in columns:
        side = next((_AXES[w] for w in words(column) if w in _AXES), None)
        values = [_value(t) for t in sample.texts(column)[:CELLS]]
        if side is not None and values and None not in values:
            axes.setdefault(side, []).append(column)
    if len(axes) != 2 or any(len(names) != 1 for names in axes.values()):
        return _squares(columns, sample)
    east, north = axes["e"][0], axes["n"][0]
    size = [max(abs(_value(t) or 0) for t in sample.texts(c)[:CELLS]) for c in (east, north)]
    if size[0] <= 180 and size[1] <= 90:
        precise = share(sample.texts(east), lambda t: _PRECISE.search(t) is not None) >= 0.5
        return Said({}, (), {north: "latitude", east: "longitude"}) if precise else NOTHING
    if min(size) < 1000:
        return NOTHING
    lettered = "x" in words(east)  # in geodesy X is north; of most grids the northing is the larger
    if stated and (size[0] < size[1] or not lettered):
        said = (
            f"{east!r} and {north!r} are read as metres east and north, for what their cells hold"
        )
        return Said({"grid": (east, north)}, (said,))
    said = (
        f"{east!r} and {north!r} look like metres on a map's grid, of which nothing says: no place is read of them. "
        "Call them easting and northing, and add a column epsg with the number of the grid (such as 25832), or "
        "utm_zone (such as 32N)"
    )
    return Said({}, (said,))


_SQUARE = re.compile(
    r"[A-HJ-Z]{1,2} ?(?:(?:[0-9]{2}){1,5}|[0-9]{2}[A-Z])\Z"  # SU 123456, TQ38, TQ38G
    r"|[0-9]{4}(?:/[0-9]{1,4})?\Z"  # 7836/3
)
_SQUARES = re.compile(r"gridref|mapref|\Angr\Z|osgb|osgrid|\Amtb|tk25|quadrant|monad|tetrad")


def _squares(columns: Iterable[str], sample: Sample) -> Said:
    """Say that squares of a national grid are not read."""
    found = [
        c
        for c in columns
        if _SQUARES.search("".join(words(c)))
        and share(sample.texts(c), lambda t: _SQUARE.match(t) is not None) >= MOST
    ]
    if not found:
        return NOTHING
    said = f"{found[0]!r} looks like squares of a national map, which are not read: add latitude and longitude"
    return Said({}, (said,))


def _value(text: str) -> float | None:
    plain = text.replace(",", ".").replace(" ", "").replace("\u00a0", "")
    return float(plain) if re.fullmatch(r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,12})?", plain) else None
