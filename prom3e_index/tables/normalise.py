"""One raw row of any convention to one observation: fields typed, problems named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from prom3e_index.schema import MEDIA, RANKS
from prom3e_index.tables.dates import date_of_parts, event_days, read_days
from prom3e_index.tables.finding import Finder
from prom3e_index.tables.names import taxon_text

__all__ = ["Rules", "clean", "coordinates", "event_days", "is_true", "number"]

Row = Mapping[str, Any]
Problems = list[tuple[str, str]]
MOST_SCALED = 50.0
"""A climate value beyond this, either way, is not scaled. The wettest cell of WorldClim is 13 deviations from the
mean; of raw values, temperature seasonality or annual precipitation are beyond it nearly everywhere."""
_MISSING = {"", "-", "na", "n/a", "nan", "nat", "<na>", "null", "none", "\\n"}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z")


def clean(value: Any) -> str | None:
    """Strip a cell; the usual spellings of "nothing" become None."""
    if value is None:
        return None
    text = str(value).strip()
    return None if text.lower() in _MISSING else text


def number(value: Any) -> float:
    """A finite number written in ASCII digits with a decimal point.

    Raises:
        ValueError: Anything else, such as `1_0`, `٣`, `inf` or `1e400`.
    """
    text = str(value).strip()
    if not _NUMBER.match(text) or not math.isfinite(float(text)):
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


def is_true(value: Any) -> bool:
    """Whether a flag says yes; `false`, `0`, `no` and empty cells do not."""
    return (clean(value) or "").lower() in ("true", "t", "1", "1.0", "yes", "y")


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
            values.append(number(text))
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


def is_obscured(columns: Row, names: tuple[str, ...]) -> bool:
    """Whether any of the flag columns says that the coordinates are not the true ones."""
    for name in names:
        text = (clean(columns.get(name)) or "").lower()
        if is_true(text) or text in ("obscured", "private"):
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
        encoded: The rows come with embeddings: a remote address of a medium is kept, for no file is read.
        raw_climate: Why no climate value of the table is one, where its values are not scaled.
    """

    columns: dict[str, tuple[str, ...]]
    media: Path
    allow_outside: bool = False
    encoded: bool = False
    raw_climate: str | None = None
    finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        self.finder = Finder(self.media, self.allow_outside)

    def value(self, row: Row, name: str) -> str | None:
        """The first non-empty cell of a field's columns."""
        for column in self.columns.get(name, ()):
            text = clean(row.get(column))
            if text is not None:
                return text
        return None

    def media_path(self, text: str) -> tuple[str | None, str | None]:
        """A media cell as (path, None) or (None, reason); see `Finder`."""
        return self.finder.unread(text) if self.encoded else self.finder.find(text)

    def observation(self, row: Row) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Read one row: the fields of an observation, and (modality, reason) per problem."""
        problems: Problems = []
        out: dict[str, Any] = {"id": self.value(row, "id")}
        for modality in MEDIA:
            text, reason = self.value(row, modality), None
            if text is not None:
                text, reason = self.media_path(text)
            if reason:
                problems.append((modality, reason))
            out[modality] = text
        out["latitude"], out["longitude"], reason = coordinates(*self._place(row))
        if reason:
            problems.append(("loc", reason))
        out["coordinate_uncertainty_m"] = self._uncertainty(row, problems)
        out["obscured"] = is_obscured(row, self.columns.get("obscured", ()))
        when = self.value(row, "event_date")
        if when is None and "date_parts" in self.columns:
            when = date_of_parts(*(clean(row.get(c)) for c in self.columns["date_parts"]))
        if when is None and "date_span" in self.columns:
            span = (clean(row.get(c)) for c in self.columns["date_span"])
            when = "/".join(dict.fromkeys(d for d in span if d is not None)) or None
        out["event_date"] = when
        out["event_start"], out["event_end"], reason = (
            read_days(when) if when else (None, None, None)
        )
        if reason:
            problems.append(("event_date", reason))
        for name in (
            *RANKS,
            "scientific_name",
            "common_name",
            "license",
            "rights_holder",
            "source",
        ):
            out[name] = self.value(row, name)
        written = self.value(row, "text")
        out["text"] = written or taxon_text(out, out["scientific_name"]) or None
        if out["text"] is None and (out["scientific_name"] or out["species"]):
            name = str(out["scientific_name"] or out["species"])
            problems.append(("text", f"{name[:60]!r} is not the name of one taxon"))
        out["env"] = self._climate(row, problems)
        return out, problems

    def _place(self, row: Row) -> tuple[str | None, str | None]:
        """Latitude and longitude of one pair of columns: the first with both, else the first with either."""
        if "latlon" in self.columns:
            parts = (self.value(row, "latlon") or "").strip("[]() ").split(",")
            return (parts[0], parts[1]) if len(parts) == 2 else (None, None)
        pairs = [
            (clean(row.get(a)), clean(row.get(b)))
            for a, b in zip_longest(
                self.columns.get("latitude", ()), self.columns.get("longitude", ()), fillvalue=""
            )
        ]
        whole = (p for p in pairs if None not in p)
        return next(whole, next((p for p in pairs if p != (None, None)), (None, None)))

    def _uncertainty(self, row: Row, problems: Problems) -> float | None:
        text = self.value(row, "coordinate_uncertainty_m")
        if text is None:
            return None
        try:
            metres = number(text)
        except ValueError:
            metres = -1.0
        if metres < 0:
            reason = f"{text[:40]!r} is no distance in metres"
            problems.append(("coordinate_uncertainty_m", reason))
            return None
        return metres

    def _climate(self, row: Row, problems: Problems) -> list[float] | None:
        names = self.columns.get("env", ())
        texts = [clean(row.get(n)) for n in names]
        if not any(t is not None for t in texts):
            return None
        if self.raw_climate is not None:
            problems.append(("env", self.raw_climate))
            return None
        values = []
        for name, text in zip(names, texts, strict=True):
            try:
                value = number(text) if text is not None else 0.0  # unknown: the mean
            except ValueError:
                problems.append(("env", f"{name} {str(text)[:40]!r} is no number"))
                return None
            if abs(value) > MOST_SCALED:
                problems.append(("env", not_scaled(name, value)))
                return None
            values.append(value)
        return values


def not_scaled(name: str, value: float) -> str:
    """Why a climate value is refused."""
    return (
        f"{name} {value:g} is no scaled value (within ±{MOST_SCALED:g}); scale the columns as the model's "
        "raster is, or leave them out and give --climate FILE"
    )
