"""Filters and predicates evaluated row by row in Python: no SQL, no expression, no code of the program's own."""

from __future__ import annotations

import math
import random
import unicodedata
from datetime import date


def distance_km(row, latitude, longitude):
    """By the angle between two vectors."""
    if row["latitude"] is None or row["longitude"] is None:
        return math.inf

    def unit(lat, lon):
        a, b = math.radians(lat), math.radians(lon)
        return (math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a))

    one, other = unit(row["latitude"], row["longitude"]), unit(latitude, longitude)
    chord = math.dist(one, other)
    return 6371.0088 * 2 * math.asin(min(1.0, chord / 2))


def in_box(row, west, south, east, north):
    lat, lon = row["latitude"], row["longitude"]
    if lat is None or lon is None or not south <= lat <= north:
        return False
    if west <= east:
        inside = west <= lon <= east
    else:
        inside = lon >= west or lon <= east
    return inside or (abs(lon) == 180 and 180 in (abs(west), abs(east)))


def folded(name):
    return " ".join(unicodedata.normalize("NFC", name).split()).lower()


def has_taxon(row, name, ranks):
    """Whether a rank, a common or scientific name, a genus or binomial of a row is a name."""
    names = {folded(row[c]) for c in ranks if row.get(c)}
    if row.get("taxon_species"):
        names |= {folded(row["taxon_species"]), folded(row["taxon_species"].split()[0])}
    return folded(name) in names


class Predicates:
    """Random predicates: SQL, and its truth for a row, in three values."""

    def __init__(self, seed, rows, numbers, texts, truths=(), days=()):
        self._random = random.Random(seed)
        self._rows, self._numbers, self._texts = rows, numbers, texts
        self._truths, self._days = truths, days

    def draw(self, depth=2):
        """(SQL, function of a row giving True, False or None)."""
        r = self._random
        if depth and r.random() < 0.6:
            how = r.choice(("and", "or", "not"))
            sql, holds = self.draw(depth - 1)
            if how == "not":
                return f"NOT ({sql})", lambda row: None if holds(row) is None else not holds(row)
            sql2, holds2 = self.draw(depth - 1)
            if how == "and":
                return f"({sql}) AND ({sql2})", lambda row: _and(holds(row), holds2(row))
            return f"({sql}) OR ({sql2})", lambda row: _or(holds(row), holds2(row))
        kind = r.choice(
            [
                "number",
                "text",
                "null",
                *(["truth"] if self._truths else []),
                *(["day"] if self._days else []),
            ]
        )
        if kind == "number":
            return self._number()
        if kind == "text":
            return self._text()
        if kind == "truth":
            column = r.choice(self._truths)
            return f'"{column}"', lambda row: row[column]
        if kind == "day":
            column, sign, day = (
                r.choice(self._days),
                r.choice(("<", ">=", "=")),
                date(2024, r.randint(1, 12), 15),
            )
            return f"{column} {sign} '{day}'", lambda row: _compare(row[column], sign, day)
        column = r.choice([*self._numbers, *self._texts])
        if r.random() < 0.5:
            return f'"{column}" IS NULL', lambda row: row[column] is None
        return f'"{column}" IS NOT NULL', lambda row: row[column] is not None

    def _value(self, column):
        held = [v[column] for v in self._rows if v[column] is not None]
        return self._random.choice(held)

    def _number(self):
        r, column = self._random, self._random.choice(self._numbers)
        value = self._value(column)
        form = r.choice(("compare", "between", "in", "turned"))
        if form == "between":
            low, high = sorted((value, self._value(column)))
            return (f'"{column}" BETWEEN {low} AND {high}',
                    lambda row: None if row[column] is None else low <= row[column] <= high)  # fmt: skip
        if form == "in":
            some = [value, self._value(column), self._value(column)]
            listed = ", ".join(map(str, some))
            return (
                f'"{column}" IN ({listed})',
                lambda row: None if row[column] is None else row[column] in some,
            )
        sign = r.choice(("=", "<>", "<", "<=", ">", ">="))
        if form == "turned":
            return f'{value} {sign} "{column}"', lambda row: _compare(value, sign, row[column])
        return f'"{column}" {sign} {value}', lambda row: _compare(row[column], sign, value)

    def _text(self):
        r, column = self._random, self._random.choice(self._texts)
        value = self._value(column)
        written = "'" + value.replace("'", "''") + "'"
        form = r.choice(("=", "<>", "in", "not in", "like", "not like"))
        if form in ("in", "not in"):
            other = self._value(column)
            listed = f"{written}, '" + other.replace("'", "''") + "'"
            found = lambda row: None if row[column] is None else row[column] in (value, other)  # noqa: E731
            if form == "in":
                return f'"{column}" IN ({listed})', found
            return (
                f'"{column}" NOT IN ({listed})',
                lambda row: None if found(row) is None else not found(row),
            )
        begins = next((value[:n] for n in (3, 2, 1) if not set(value[:n]) & set('%_\\"')), None)
        if form in ("like", "not like") and begins:
            wanted = form == "like"
            pattern = "'" + begins.replace("'", "''") + "%'"
            return (f'"{column}" {"" if wanted else "NOT "}LIKE {pattern}',
                    lambda row: None if row[column] is None else row[column].startswith(begins) == wanted)  # fmt: skip
        sign = form if form in ("=", "<>") else "="
        return f'"{column}" {sign} {written}', lambda row: _compare(row[column], sign, value)


def _compare(one, sign, other):
    if one is None or other is None:
        return None
    order = (one > other) - (one < other)
    return {
        "=": order == 0,
        "<>": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }[sign]


def _and(one, other):
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one, other):
    if one is True or other is True:
        return True
    return None if one is None or other is None else False
