"""Columns that mean what no list of names has: read where name and cells agree, said where they leave a doubt.

Places in two columns of another language, or in one; dates; genus and epithet apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prom3e_index.policy.columns import private
from prom3e_index.tables.dates import read_days
from prom3e_index.tables.day_order import learn_dates
from prom3e_index.tables.places import learn_writing, read_pair, read_place
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.written_dates import month_number

CELLS = 1000
"""Cells of a column that are looked at."""
MOST = 0.8
"""Share of them that has to be of one sort."""

Fields = dict[str, tuple[str, ...]]
PLACES = frozenset({"latitude", "latlon", "grid"})
DATES = frozenset({"event_date", "date_parts", "date_span", "day_of_year", "verbatim_date"})

_STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae"})
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
_FINE_PAIR = re.compile(r"[.,][0-9]{3,}.*[.,][0-9]{3,}|°.*°|POINT", re.IGNORECASE | re.DOTALL)

_WHEN = re.compile(
    r"(?:date|dates|datum|datums|datoen?|data|fecha|tarih|tarihi|dia|tag|jour|day|dag|giorno|when|wann|quand|cuando"
    r"|zeitpunkt|moment|paiva|paivamaara|pvm|kuupaev|дата|日期|日時|年月日|날짜)\Z"
    r"|.+(?:datum|date|dato|datetime)\Z"
)
_ANOTHER_DAY = re.compile(
    r"entry|enter|eingabe|eingegeben|erfass|export|import|upload|creat|modif|updat|edit|chang|ander|identif|determin"
    r"|bestimm|birth|geburt|naissance|nacimiento|nascimento|publi|valid|review|saisie|sync|receiv|last|letzt|next"
    r"|print|download|registr|scan|digit|lab\b|seq|extract|deliver|expir|embargo"
)
_FULL_DATE = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|(?<![0-9])[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}"
    r"|[0-9]{1,2}(?:\.|er)?[ -]?(?:de |d')?[^\W\d_]{3,}\.?[ -]?(?:de )?[0-9]{2,4}|[0-9]{4}年"
)
_NUMERIC = re.compile(r"[0-9]{1,2}[/.\- ][0-9]{1,2}[/.\- ][0-9]{2,4}\b")

_GENERA = re.compile(
    r"(?:gattung|genus|genre|genero|generos|genere|geslacht|slakte|slekt|slaegt|rod|rodzaj|род)\Z"
)
_EPITHETS = re.compile(
    r".*epith.*|epiteto.*|art|artname|species|especie|espece|specie|soort|arte?n|gatunek|druh|вид|taxon"
)
_GENUS = re.compile(r"[A-Z][a-zë-]{2,}\Z")
_EPITHET = re.compile(r"[a-zë-]{3,}\Z")


@dataclass(frozen=True)
class Said:
    """What was decided by the cells.

    Attributes:
        fields: Field → columns that are read from now on.
        said: Sentences on it.
        unused: Column that is not read → the field that it may be.
    """

    fields: Mapping[str, tuple[str, ...]]
    said: tuple[str, ...] = ()
    unused: Mapping[str, str] | None = None


NOTHING = Said({})


def words(name: str) -> list[str]:
    """A column's name in words as they are compared: without units, accents and signs, in lower case."""
    text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", name.lower().translate(_STROKES))
    marked = unicodedata.normalize("NFKD", text)
    folded = "".join(c for c in marked if not "\u0300" <= c <= "\u036f")
    return [w for w in re.split(r"[\W_]+", unicodedata.normalize("NFC", folded)) if w]


def share(texts: Iterable[str], holds: Callable[[str], bool]) -> float:
    """How many of the distinct texts are of a sort, as a share of all; 0 where there are none."""
    some = list(dict.fromkeys(texts))[:CELLS]
    return sum(map(holds, some)) / len(some) if some else 0.0


def places(columns: Iterable[str], sample: Sample) -> Said:
    """Places of a table that has none by its names: two columns whose names and cells agree, or one of fine pairs.

    Breadth and length (`Breite`, `Länge`) also measure bodies. They are a place where nothing else of the table
    measures one, no unit of length stands beside them, and their cells are such as degrees are written: with two
    decimals or more, or with signs.
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
    return _on_a_grid(columns, sample)


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
    return share(texts, lambda t: _PRECISE.search(t) is not None) < 0.5


def _fine_pair(text: str) -> bool:
    return _FINE_PAIR.search(text) is not None and read_pair(text).latitude is not None


_AXES = {
    "ost": "e", "ostwert": "e", "rechtswert": "e", "east": "e", "e": "e", "x": "e", "easting": "e", "oest": "e",
    "nord": "n", "nordwert": "n", "hochwert": "n", "north": "n", "n": "n", "y": "n", "northing": "n", "norr": "n",
}  # fmt: skip


def _on_a_grid(columns: Iterable[str], sample: Sample) -> Said:
    """Two columns named like the axes of a map: said to be degrees or metres, never read."""
    axes: dict[str, list[str]] = {}
    for column in columns:
        side = next((_AXES[w] for w in words(column) if w in _AXES), None)
        values = [_value(t) for t in sample.texts(column)[:CELLS]]
        if side is not None and values and None not in values:
            axes.setdefault(side, []).append(column)
    if len(axes) != 2 or any(len(names) != 1 for names in axes.values()):
        return NOTHING
    east, north = axes["e"][0], axes["n"][0]
    size = [max(abs(_value(t) or 0) for t in sample.texts(c)[:CELLS]) for c in (east, north)]
    if size[0] <= 180 and size[1] <= 90:
        precise = share(sample.texts(east), lambda t: _PRECISE.search(t) is not None) >= 0.5
        return Said({}, (), {north: "latitude", east: "longitude"}) if precise else NOTHING
    if min(size) < 1000:
        return NOTHING
    said = (
        f"{east!r} and {north!r} look like metres on a map's grid, of which nothing says: no place is read of them. "
        "Call them easting and northing, and add a column epsg with the number of the grid (such as 25832), or "
        "utm_zone (such as 32N)"
    )
    return Said({}, (said,))


def _value(text: str) -> float | None:
    plain = text.replace(",", ".").replace(" ", "").replace("\u00a0", "")
    return float(plain) if re.fullmatch(r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,12})?", plain) else None


def dates(columns: Iterable[str], sample: Sample) -> Said:
    """Dates of a table that has none by its names: the one column called so, in whatever language, that holds some."""
    columns = list(columns)
    in_parts = _in_parts(columns, sample)
    if in_parts.fields:
        return in_parts
    named: list[str] = []
    others: list[str] = []
    for column in columns:
        parts = words(column)
        texts = list(dict.fromkeys(sample.texts(column)))[:CELLS]
        if _ANOTHER_DAY.search(" ".join(parts)) or not texts:
            continue
        rules = learn_dates(texts)
        full = share(texts, lambda t: _FULL_DATE.search(t) is not None)
        read = share(
            texts,
            lambda t, r=rules: read_days(t, r)[0] is not None or _NUMERIC.match(t) is not None,  # type: ignore[misc]
        )
        if read < MOST or full < 0.5:
            continue
        (named if any(_WHEN.match(w) for w in parts) else others).append(column)
    if len(named) == 1:
        said = f"{named[0]!r} is read as the column of dates, for what its cells hold"
        return Said({"event_date": (named[0],)}, (said,))
    either = dict.fromkeys([*named, *others], "event_date")
    return Said({}, (), either) if either else in_parts


_PARTS = (
    ("year", re.compile(r"(?:year|yr|annee|ano|anno|rok|jaar|ar|vuosi|год|年)\Z|.*jahr\Z")),
    ("month", re.compile(r"(?:month|mes|mois|mese|maand|manad|maned|miesiac|kuukausi|месяц|月)\Z|.*monat\Z")),
    ("day", re.compile(r"(?:day|dia|jour|giorno|dag|dzien|paiva|день|日)\Z|.*tag\Z")),
)  # fmt: skip
_RANGES = {"year": (1600, 2100), "month": (1, 12), "day": (1, 31)}


def _in_parts(columns: Iterable[str], sample: Sample) -> Said:
    """Year, month and day in three columns of another language; a year alone is said."""
    found: dict[str, list[str]] = {part: [] for part, _ in _PARTS}
    for column in columns:
        parts = words(column)
        if _ANOTHER_DAY.search(" ".join(parts)):
            continue
        for part, named in _PARTS:
            texts = sample.texts(column)
            if any(named.match(w) for w in parts) and share(texts, _within(part)) >= MOST:
                found[part].append(column)
                break
    if any(len(names) != 1 for names in found.values()):
        years = found["year"]
        return Said({}, (), {years[0]: "event_date"} if len(years) == 1 else None)
    chosen = tuple(names[0] for names in found.values())
    said = (
        f"{', '.join(map(repr, chosen))} are read as year, month and day, for what their cells hold"
    )
    return Said({"date_parts": chosen}, (said,))


def _within(part: str) -> Callable[[str], bool]:
    low, high = _RANGES[part]

    def holds(text: str) -> bool:
        plain = text.removesuffix(".0").removesuffix(".")
        number = int(plain) if re.fullmatch(r"[0-9]{1,4}", plain) else None
        if number is None and part == "month":
            number = month_number(text[:20])
        return number is not None and low <= number <= high

    return holds


def parts_of_names(columns: Iterable[str], sample: Sample, genus: str | None) -> Said:
    """Genus and epithet in two columns of another language, such as `Gattung` and `Art`.

    Args:
        columns: Those that no field is read from.
        sample: The first rows.
        genus: The column of genera, where one is known.
    """
    columns = list(columns)
    genera = [
        c
        for c in columns
        if _GENERA.match("".join(words(c)))
        and share(sample.texts(c), lambda t: _GENUS.match(t) is not None) >= MOST
    ]
    first = genus or (genera[0] if len(genera) == 1 else None)
    epithets = [
        c
        for c in columns
        if c != first
        and _EPITHETS.fullmatch("".join(words(c)))
        and share(sample.texts(c), lambda t: _EPITHET.match(t) is not None) >= MOST
    ]
    if first is None or len(epithets) != 1:
        return NOTHING
    said = f"{first!r} and {epithets[0]!r} are read as genus and epithet, for what their cells hold"
    return Said({"genus": (first,), "epithet": (epithets[0],)}, (said,))
