"""Raw cells of any convention to observations: fields typed, problems named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.schema import RANKS
from prom3e_index.tables.attached import Attached
from prom3e_index.tables.cells import (
    NUMBER,
    Cells,
    Memo,
    Problems,
    but,
    clean,
    numbers,
)
from prom3e_index.tables.dates import date_of_parts, event_days, read_days
from prom3e_index.tables.finding import Finder
from prom3e_index.tables.names import taxon_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Rules", "clean", "coordinates", "event_days", "is_true", "number"]

MOST_SCALED = 50.0
"""A climate value beyond this, either way, is not scaled. The wettest cell of WorldClim is 13 deviations from the
mean; of raw values, temperature seasonality or annual precipitation are beyond it nearly everywhere."""
NAMED = ("scientific_name", "common_name", "license", "rights_holder", "source")
_NUMBER = re.compile(NUMBER + r"\Z")
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
"""A day and a time of it, which is left out."""


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


def is_obscured(columns: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether any of the flag columns says that the coordinates are not the true ones."""
    return any(_hidden(name, clean(columns.get(name))) for name in names)


def _hidden(name: str, text: str | None) -> bool:
    """Whether a cell of the flag column `name` says so."""
    flag = (text or "").lower()
    if is_true(flag) or flag in ("obscured", "private"):
        return True
    return name.lower() == "informationwithheld" and "oordinate" in flag


def _halves(text: str | None) -> tuple[str | None, str | None]:
    """`51.2,4.4` as two texts."""
    parts = (text or "").strip("[]() ").split(",")
    return (clean(parts[0]), clean(parts[1])) if len(parts) == 2 else (None, None)


def _taxon(*names: str | None) -> tuple[str | None, str | None]:
    """The text of a taxon, or None and why there is none, from `RANKS` and the scientific name."""
    ranks, whole = dict(zip(RANKS, names, strict=False)), names[-1]
    text = taxon_text(ranks, whole) or None
    name = whole or ranks["species"]
    if text is None and name:
        return None, f"{name[:60]!r} is not the name of one taxon"
    return text, None


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
    _attached: Attached = field(init=False)
    _memo: dict[str, Memo] = field(init=False)

    def __post_init__(self) -> None:
        self.finder = Finder(self.media, self.allow_outside)
        self._attached = Attached(self.columns, self.media_path)
        self._memo = {
            "latlon": Memo(_halves),
            "place": Memo(coordinates),
            "date_parts": Memo(lambda *parts: (date_of_parts(*parts),)),
            "date_span": Memo(
                lambda *days: ("/".join(dict.fromkeys(d for d in days if d)) or None,)
            ),
            "event_date": Memo(lambda text: read_days(text) if text else (None, None, None)),
            "text": Memo(_taxon),
            **{
                f"obscured {c}": Memo(partial(_hidden, c)) for c in self.columns.get("obscured", ())
            },
        }

    def media_path(self, text: str) -> tuple[str | None, str | None]:
        """A media cell as (path, None) or (None, reason); see `Finder`."""
        return self.finder.unread(text) if self.encoded else self.finder.find(text)

    def observations(
        self, cells: Cells, problem: pa.DataType, more: pa.DataType
    ) -> dict[str, pa.Array]:
        """Read some rows.

        Args:
            cells: The rows.
            problem: Type of a row's problems.
            more: Type of a row's further media.

        Returns:
            A column of each field, `more` and `problems`.
        """
        lost = Problems(cells.rows)
        out = {"id": cells.first(self.columns.get("id", ()))}
        out |= self._attached.read(cells, lost, more)
        out |= self._place(cells, lost)
        out["coordinate_uncertainty_m"] = self._uncertainty(cells, lost)
        out["obscured"] = self._obscured(cells)
        out |= self._date(cells, lost)
        for name in (*RANKS, *NAMED):
            out[name] = cells.first(self.columns.get(name, ()))
        out["text"] = self._text(cells, out, lost)
        out["env"] = self._climate(cells, lost)
        out["problems"] = lost.column(problem)
        return out

    def _place(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        """Latitude and longitude of one pair of columns: the first with both, else the first with either."""
        import pyarrow as pa

        if "latlon" in self.columns:
            kinds = [pa.string(), pa.string()]
            texts = self._memo["latlon"].arrays([cells.first(self.columns["latlon"])], kinds)
        else:
            texts = self._pair(cells)
        lat, lon = (numbers(t) for t in texts)
        plain = (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
        if not plain.all():
            rest = np.flatnonzero(~plain)
            answers, own = self._memo["place"].over(*(t.take(rest) for t in texts))
            read = np.array([(np.nan, np.nan) if a is None else (a, b) for a, b, _ in answers])
            lat[rest], lon[rest] = read.reshape(-1, 2)[own].T
            reasons = pa.array([r for *_, r in answers], pa.string())
            lost.note("loc", reasons.take(pa.array(own)), rest)
        return {
            name: pa.array(values, mask=np.isnan(values))
            for name, values in (("latitude", lat), ("longitude", lon))
        }

    def _pair(self, cells: Cells) -> list[pa.Array]:
        from pyarrow import compute as pc

        names = zip_longest(
            self.columns.get("latitude", ()), self.columns.get("longitude", ()), fillvalue=""
        )
        pairs = [(cells.text(a), cells.text(b)) for a, b in names]
        if not pairs:
            return [cells.first(()), cells.first(())]
        out = list(pairs[0])
        if len(pairs) > 1:
            either = [pc.or_(a.is_valid(), b.is_valid()) for a, b in pairs]
            whole = [pc.and_(a.is_valid(), b.is_valid()) for a, b in pairs]
            for side in (0, 1):
                texts = [p[side] for p in pairs]
                out[side] = pc.case_when(pc.make_struct(*whole, *either), *texts, *texts)
        return out

    def _uncertainty(self, cells: Cells, lost: Problems) -> pa.Array:
        import pyarrow as pa

        texts = cells.first(self.columns.get("coordinate_uncertainty_m", ()))
        metres = numbers(texts)
        metres[~(metres >= 0)] = np.nan
        bad = np.isnan(metres) & texts.is_valid().to_numpy(zero_copy_only=False)
        if bad.any():
            rows = np.flatnonzero(bad)
            reasons = [f"{t[:40]!r} is no distance in metres" for t in texts.take(rows).to_pylist()]
            lost.note("coordinate_uncertainty_m", pa.array(reasons, pa.string()), rows)
        return pa.array(metres, mask=np.isnan(metres))

    def _obscured(self, cells: Cells) -> pa.Array:
        import pyarrow as pa

        found = np.zeros(cells.rows, bool)
        for name in self.columns.get("obscured", ()):
            flag = self._memo[f"obscured {name}"]
            answers, own = flag.over(cells.text(name))
            found |= np.array(answers, bool)[own]
        return pa.array(found)

    def _date(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        import pyarrow as pa
        from pyarrow import compute as pc

        when = cells.first(self.columns.get("event_date", ()))
        for name in ("date_parts", "date_span"):
            if name in self.columns and when.null_count:
                parts = [cells.text(c) for c in self.columns[name]]
                when = pc.coalesce(when, self._memo[name].arrays(parts, [pa.string()])[0])
        timed = pc.match_substring_regex(when, _MOMENT)
        days = pc.if_else(timed, pc.utf8_slice_codeunits(when, 0, 10), when)
        kinds = [pa.date32(), pa.date32(), pa.string()]
        start, end, reason = self._memo["event_date"].arrays([days], kinds)
        if reason.null_count < len(reason):  # said of the whole cell
            whole = but(reason.is_null(), when)
            reason = self._memo["event_date"].arrays([whole], kinds)[2]
        lost.note("event_date", reason)
        return {"event_date": when, "event_start": start, "event_end": end}

    def _text(self, cells: Cells, out: Mapping[str, pa.Array], lost: Problems) -> pa.Array:
        import pyarrow as pa
        from pyarrow import compute as pc

        names = [out[name] for name in (*RANKS, "scientific_name")]
        written = cells.first(self.columns.get("text", ()))
        text, reason = self._memo["text"].arrays(names, [pa.string(), pa.string()])
        lost.note("text", but(written.is_valid(), reason))
        return pc.coalesce(written, text)

    def _climate(self, cells: Cells, lost: Problems) -> pa.Array:
        """The 20 values of each row that has any; one that is not known is the mean, 0."""
        import pyarrow as pa

        names = self.columns.get("env", ())
        if not names:
            return pa.nulls(cells.rows, pa.list_(pa.float32()))
        texts = [cells.text(n) for n in names]
        there = np.stack([t.is_valid().to_numpy(zero_copy_only=False) for t in texts])
        some = there.any(axis=0)
        values = np.stack([numbers(t) for t in texts])
        bad = there & ~(np.abs(values) <= MOST_SCALED)
        reasons: list[str | None] = [None] * cells.rows
        for row in np.flatnonzero(some & bad.any(axis=0)):
            at = int(np.argmax(bad[:, row]))
            value = values[at, row]
            reasons[row] = (
                f"{names[at]} {str(texts[at][row])[:40]!r} is no number"
                if np.isnan(value)
                else not_scaled(names[at], value)
            )
        if self.raw_climate is not None:
            reasons = [self.raw_climate if s else None for s in some]
        lost.note("env", pa.array(reasons, pa.string()))
        fine = some & np.array([r is None for r in reasons], bool)
        kept = np.where(there, values, 0.0)[:, fine].T.astype(np.float32)
        offsets = np.zeros(cells.rows + 1, np.int32)
        np.cumsum(fine * len(names), out=offsets[1:])
        flat = pa.array(kept.reshape(-1))
        return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(~fine))


def not_scaled(name: str, value: float) -> str:
    """Why a climate value is refused."""
    return (
        f"{name} {value:g} is no scaled value (within ±{MOST_SCALED:g}); scale the columns as the model's "
        "raster is, or leave them out and give --climate FILE"
    )
