"""One raw row of any convention to one observation: fields typed, problems named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prom3e_index.schema import MEDIA, RANKS
from prom3e_index.tables.names import taxon_text

Row = Mapping[str, Any]
_MISSING = {"", "-", "na", "n/a", "nan", "null", "none", "\\n"}
_DATE = re.compile(r"^(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?(?:[T ].*)?$")
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def clean(value: Any) -> str | None:
    """Strip a cell; the usual spellings of "nothing" become None."""
    if value is None:
        return None
    text = str(value).strip()
    return None if text.lower() in _MISSING else text


def _number(value: Any) -> float:
    number = float(str(value).strip())
    if not math.isfinite(number):
        raise ValueError
    return number


def coordinates(latitude: Any, longitude: Any) -> tuple[float | None, float | None, str | None]:
    """Check a place: (latitude, longitude, None), or (None, None, reason); all None when absent."""
    lat_text, lon_text = clean(latitude), clean(longitude)
    if lat_text is None and lon_text is None:
        return None, None, None
    values = []
    for name, text in (("latitude", lat_text), ("longitude", lon_text)):
        if text is None:
            return None, None, f"{name} is missing"
        try:
            values.append(_number(text))
        except ValueError:
            return None, None, f"{name} {text[:40]!r} is no number in degrees"
    lat, lon = values
    if abs(lat) > 90:
        swapped = (
            "; latitude and longitude look swapped" if abs(lat) <= 180 and abs(lon) <= 90 else ""
        )
        return None, None, f"latitude {lat:g} is outside -90..90{swapped}"
    if abs(lon) > 180:
        return None, None, f"longitude {lon:g} is outside -180..180"
    return lat, lon, None


def _day(text: str, *, last: bool) -> date | None:
    found = _DATE.match(text.strip())
    if not found:
        return None
    year, month, day = (int(g) if g else None for g in found.groups())
    try:
        if year is None:
            return None
        if month is None:
            return date(year, 12, 31) if last else date(year, 1, 1)
        if day is None:
            first = date(year, month, 1)
            after = (first + timedelta(days=32)).replace(day=1)
            return after - timedelta(days=1) if last else first
        return date(year, month, day)
    except (ValueError, OverflowError):
        return None


def event_days(text: str | None) -> tuple[date | None, date | None]:
    """First and last day of an ISO 8601 date, month, year or interval; None where unreadable."""
    if not text:
        return None, None
    begin, _, end = text.partition("/") if _REMOTE.match(text) is None else (text, "", "")
    if _DATE.match(text):  # 2024/05/01 is a date, not an interval
        begin, end = text, ""
    first = _day(begin, last=False)
    final = _day(end, last=True) if end else _day(begin, last=True)
    if end and final is None and first is not None:  # 2024-05-01/03
        short = begin[: len(begin) - len(end)] + end
        final = _day(short, last=True)
    return first, final if final and first and final >= first else first


def is_obscured(columns: Row, names: tuple[str, ...]) -> bool:
    """Whether any of the flag columns says that the coordinates are not the true ones."""
    for name in names:
        text = (clean(columns.get(name)) or "").lower()
        if text in ("true", "t", "1", "yes", "obscured", "private"):
            return True
        if name.lower() == "informationwithheld" and "oordinate" in text:
            return True
    return False


@dataclass
class Rules:
    """How the rows of one table are read.

    Attributes:
        columns: Field → columns, from `aliases.match_columns`.
        media: Folder that relative media paths start from.
        allow_outside: Accept media outside that folder.
    """

    columns: dict[str, tuple[str, ...]]
    media: Path
    allow_outside: bool = False
    _root: str = field(init=False)

    def __post_init__(self) -> None:
        self._root = str(self.media.resolve())

    def value(self, row: Row, name: str) -> str | None:
        """The first non-empty cell of a field's columns."""
        for column in self.columns.get(name, ()):
            text = clean(row.get(column))
            if text is not None:
                return text
        return None

    def media_path(self, text: str) -> tuple[str | None, str | None]:
        """A media cell as (path, None) or (None, reason)."""
        if _REMOTE.match(text):
            return None, f"{text[:120]} is remote and not fetched; download it and map its path"
        if "\0" in text or len(text) > 4000:
            return None, "the path is not a path"
        resolved = (self.media / text).resolve()
        if not self.allow_outside and not resolved.is_relative_to(self._root):
            return None, f"{text[:120]} lies outside {self.media}; pass --allow-outside to read it"
        return text, None

    def observation(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Read one row: the fields of an observation, and (modality, reason) per problem."""
        problems: list[tuple[str, str]] = []
        out: dict[str, Any] = {"id": self.value(row, "id")}
        for modality in MEDIA:
            text, reason = self.value(row, modality), None
            if text is not None:
                text, reason = self.media_path(text)
            if reason:
                problems.append((modality, reason))
            out[modality] = text
        if "latlon" in self.columns:
            parts = (self.value(row, "latlon") or "").strip("[]() ").split(",")
            pair: tuple[str | None, str | None] = (None, None)
            if len(parts) == 2:
                pair = (parts[0], parts[1])
        else:
            pair = (self.value(row, "latitude"), self.value(row, "longitude"))
        out["latitude"], out["longitude"], reason = coordinates(*pair)
        if reason:
            problems.append(("loc", reason))
        try:
            uncertainty = _number(self.value(row, "coordinate_uncertainty_m") or "nan")
            out["coordinate_uncertainty_m"] = uncertainty if uncertainty >= 0 else None
        except ValueError:
            out["coordinate_uncertainty_m"] = None
        out["obscured"] = is_obscured(row, self.columns.get("obscured", ()))
        when = self.value(row, "event_date")
        if when is None and "date_parts" in self.columns:
            dates = [clean(row.get(c)) for c in self.columns["date_parts"]]
            known = dates[: next((i for i, p in enumerate(dates) if p is None), 3)]
            when = "-".join(str(p).zfill(2) for p in known) or None
        out["event_date"] = when
        out["event_start"], out["event_end"] = event_days(when)
        for name in (
            *RANKS,
            "scientific_name",
            "common_name",
            "license",
            "rights_holder",
            "source",
        ):
            out[name] = self.value(row, name)
        out["text"] = self.value(row, "text") or taxon_text(out, out["scientific_name"]) or None
        out["env"] = self._climate(row, problems)
        return out, problems

    def _climate(self, row: Row, problems: list[tuple[str, str]]) -> list[float] | None:
        names = self.columns.get("env", ())
        texts = [clean(row.get(n)) for n in names]
        if not any(t is not None for t in texts):
            return None
        values = []
        for name, text in zip(names, texts, strict=True):
            try:
                values.append(_number(text) if text is not None else 0.0)  # unknown: the mean
            except ValueError:
                problems.append(("env", f"{name} {str(text)[:40]!r} is no number"))
                return None
        return values
