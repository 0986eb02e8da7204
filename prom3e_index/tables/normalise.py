"""Raw cells of any convention to observations: fields typed, problems named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.schema import MOST_SCALED
from prom3e_index.tables.addresses import is_address
from prom3e_index.tables.aliases import plain
from prom3e_index.tables.attached import Attached
from prom3e_index.tables.cells import NUMBER, Cells, Memo, Problems, clean, numbers
from prom3e_index.tables.dated import Dated
from prom3e_index.tables.dates import event_days
from prom3e_index.tables.day_order import Order
from prom3e_index.tables.finding import Finder
from prom3e_index.tables.located import Located
from prom3e_index.tables.named import Named
from prom3e_index.tables.records import Spans, absent
from prom3e_index.tables.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Rules", "clean", "coordinates", "event_days", "is_true", "number"]

PLAIN = ("license", "rights_holder", "source", "observation")
"""Fields that are the text of their cells."""
_WITHHELD = ("informationwithheld", "datageneralizations")
_OF_PLACES = re.compile(
    r"coordinate|\b(?:lat|long|loc|georef|position|place|site|grid)", re.IGNORECASE
)
"""What a remark on withheld or coarsened information is about, where it is about the place."""
DRAWN_M = 10_000
"""Uncertainty in metres from which a place of iNaturalist is one that it drew in place of the true one."""
_INATURALIST = r"i-?naturalist|50c9509d-22c7-4a22-a47d-8c48425ef4a7"
"""Its name, and the key of its data set at GBIF, whose simple tables have no mark of obscured rows."""
_NUMBER = re.compile(NUMBER + r"\Z")
_METRES = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*(k?m)?\Z", re.ASCII | re.IGNORECASE)


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


def _distance(text: str) -> tuple[float | None, str | None]:
    """Metres, or why a text is none: `12,5`, `30 m` and `1.5 km` are some."""
    found = _METRES.match(text)
    if found is None:
        return None, f"{text[:40]!r} is no distance in metres"
    return float(found[1].replace(",", ".")) * (
        1000 if (found[2] or "").lower() == "km" else 1
    ), None


def is_obscured(columns: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether any of the flag columns says that the coordinates are not the true ones."""
    return any(_hidden(name, clean(columns.get(name))) for name in names)


def _hidden(name: str, text: str | None) -> bool:
    """Whether a cell of the flag column `name` says so."""
    flag = (text or "").lower()
    if is_true(flag) or flag in ("obscured", "private"):
        return True
    return plain(name) in _WITHHELD and _OF_PLACES.search(flag) is not None


@dataclass
class Rules:
    """How the rows of one table are read.

    Attributes:
        columns: Field → columns, from `aliases.match`.
        media: Folder that relative media paths start from.
        allow_outside: Accept media outside that folder.
        encoded: The rows come with embeddings: a remote address of a medium is kept, for nothing is fetched.
        raw_climate: Why no climate value of the table is one, where its values are not scaled.
        sample: The first rows, from which it is learned how dates, places and names are written.
        date_order: What comes first in a date of numbers, where the user says so.
        keep_missing: A path without a file is kept, for its reader says what is missing.
    """

    columns: dict[str, tuple[str, ...]]
    media: Path
    allow_outside: bool = False
    encoded: bool = False
    raw_climate: str | None = None
    sample: Sample | None = None
    date_order: Order | None = None
    keep_missing: bool = False
    finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        self.finder = Finder(self.media, self.allow_outside, self.keep_missing)
        self._attached = Attached(self.columns, self.media_path, self.media, not self.encoded)
        self._located = Located(self.columns, self.sample)
        self._dated = Dated(self.columns, self.sample, self.date_order)
        self._named = Named(self.columns, self.sample)
        self._spans = Spans(self.columns)
        self._metres = Memo(_distance)
        self._absent = Memo(partial(absent, *(self._name(f) for f in ("status", "count"))))
        self._flags = [(c, Memo(partial(_hidden, c))) for c in self.columns.get("obscured", ())]
        self._addresses = self._with_addresses()

    def _name(self, name: str) -> str:
        return next(iter(self.columns.get(name, ())), "")

    def begin(self) -> None:
        """Start counting anew, as before a table is read from its start."""
        self._located.begin()
        self._named.begin()

    def _with_addresses(self) -> set[str]:
        """Columns of media that are addresses: files are found for them, or none; exports name the addresses."""
        if self.sample is None or self.encoded:
            return set()
        media = {c for f in ("image", "audio") for c in self.columns.get(f, ())[:1]}
        texts = {c: self.sample.texts(c) for c in media}
        return {c for c, some in texts.items() if any(is_address(t.strip(' ["')) for t in some)}

    @property
    def changed(self) -> set[str]:
        """Columns whose cells differ from what their fields are given."""
        return self._named.changed | self._dated.changed | self._addresses

    @property
    def said(self) -> list[str]:
        """Sentences on how cells were read; complete once the table is read."""
        return [*self.finder.said, *self._dated.said, *self._located.said, *self._named.said]

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
            A column of each field, `more`, `refused` and `problems`.
        """
        import pyarrow as pa
        from pyarrow import compute as pc

        lost = Problems(cells.rows)
        out = {"id": self._id(cells)}
        out |= self._attached.read(cells, lost, more)
        out |= self._located.read(cells, lost)
        uncertainty = self._uncertainty(cells, lost)
        out["coordinate_uncertainty_m"] = pc.coalesce(uncertainty, out.pop("square_m"))
        out["obscured"] = pc.or_(self._obscured(cells), self._drawn(cells, uncertainty))
        out |= self._dated.read(cells, lost)
        out |= self._named.read(cells, lost)
        out |= {name: cells.first(self.columns.get(name, ())) for name in PLAIN}
        out |= self._spans.read(cells, lost)
        out["env"] = self._climate(cells, lost)
        told = [cells.first(self.columns.get(f, ())[:1]) for f in ("status", "count")]
        (gone,) = self._absent.arrays(told, [pa.string()])
        out["refused"] = pc.if_else(out["text"].is_valid(), gone, pa.nulls(cells.rows, pa.string()))
        out["problems"] = lost.column(problem)
        return out

    def _id(self, cells: Cells) -> pa.Array:
        """Ids as text; a number that its file types with decimals has none."""
        import pyarrow as pa
        from pyarrow import compute as pc

        names = self.columns.get("id", ())
        ids = cells.first(names)
        if any(pa.types.is_floating(cells.raw(n).type) for n in names):
            ids = pc.replace_substring_regex(ids, r"^([0-9]+)\.0+$", r"\1")
        return ids

    def _uncertainty(self, cells: Cells, lost: Problems) -> pa.Array:
        import pyarrow as pa

        texts = cells.first(self.columns.get("coordinate_uncertainty_m", ()))
        values = numbers(texts)
        rest = np.flatnonzero(~(values >= 0) & texts.is_valid().to_numpy(zero_copy_only=False))
        if len(rest):
            answers, own = self._metres.over(texts.take(pa.array(rest)))
            values[rest] = np.array([np.nan if m is None else m for m, _ in answers])[own]
            reasons = pa.array([reason for _, reason in answers], pa.string())
            lost.note("coordinate_uncertainty_m", reasons.take(pa.array(own)), rest)
        return pa.array(values, mask=np.isnan(values))

    def _obscured(self, cells: Cells) -> pa.Array:
        import pyarrow as pa

        found = np.zeros(cells.rows, bool)
        for name, flag in self._flags:
            answers, own = flag.over(cells.text(name))
            found |= np.array(answers, bool)[own]
        return pa.array(found)

    def _drawn(self, cells: Cells, uncertainty: pa.Array) -> pa.Array:
        """Rows of iNaturalist whose place is stated to 10 km or more: it was drawn, though nothing marks it."""
        import pyarrow as pa
        from pyarrow import compute as pc

        far = pc.fill_null(pc.greater_equal(uncertainty, DRAWN_M), False)
        found = np.zeros(cells.rows, bool)
        for name in self.columns.get("institution", ()) if pc.any(far).as_py() else ():
            text = pc.fill_null(pc.utf8_lower(cells.text(name)), "")
            found |= pc.match_substring_regex(text, _INATURALIST).to_numpy(zero_copy_only=False)
        return pc.and_(pa.array(found), far)

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
