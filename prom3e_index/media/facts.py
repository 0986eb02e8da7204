"""What photos, recordings and videos say of themselves: where, when, what, by whom; from their headers only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prom3e_index.errors import MediaError
from prom3e_index.media.files import check_file
from prom3e_index.media.formats import family, is_text

_LONGEST = 400
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP")
_UNSET_YEARS = (1904, 1970, 1980, 1990, 2000, 2001, 2010)
"""Years on whose first day clocks begin that were never set; a moment in its first hours is no date."""
_MOMENT = re.compile(
    r"(?P<y>\d{4})[-:/.](?P<m>\d{1,2})[-:/.](?P<d>\d{1,2})"
    r"(?:[T ]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d+)?)?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?"
)


@dataclass
class MediaFacts:
    """What a file says of the observation it belongs to; None where it does not.

    Attributes:
        latitude: Degrees, WGS84.
        longitude: Degrees.
        uncertainty_m: Radius of the place.
        when: ISO 8601: a day, or a moment as the recorder's clock had it, with its offset where the file has one.
        species: A name as it is written.
        rights: Who holds the rights, or made it.
        licence: Terms of use.
        recorder: The device.
        kind: What said so: `EXIF`, `GUANO`, `WAMD`, `AudioMoth`, `BWF`, `tags`.
        unused: What was there and is not believed, one reason each.
    """

    latitude: float | None = None
    longitude: float | None = None
    uncertainty_m: float | None = None
    when: str | None = None
    species: str | None = None
    rights: str | None = None
    licence: str | None = None
    recorder: str | None = None
    kind: str = ""
    unused: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What is known, for a line of text."""
        return {k: v for k, v in asdict(self).items() if v not in (None, "", ())}

    @classmethod
    def from_json(cls, given: Any) -> MediaFacts:
        """The same from what a decode process sent; values of another type are left out."""
        out = cls()
        if isinstance(given, dict):
            for f in fields(cls):
                value = given.get(f.name)
                if f.name == "unused" and isinstance(value, list):
                    out.unused = tuple(str(v)[:_LONGEST] for v in value[:9])
                elif f.name in ("latitude", "longitude", "uncertainty_m"):
                    setattr(out, f.name, _finite(value))
                elif isinstance(value, str):
                    setattr(out, f.name, value[:_LONGEST])
        return out


def facts_of(path: Path) -> MediaFacts:
    """What a file says of itself.

    A place of 0/0 or beyond the globe, a date of a clock that was never set, or one to come, is in `unused`. A file
    that is damaged says nothing here; its decoder says why.

    Raises:
        MediaError: Missing or empty.
    """
    from prom3e_index.media.photo_facts import photo_facts
    from prom3e_index.media.sound_facts import tag_facts, wav_facts

    head = check_file(path)
    read: Callable[[Path], MediaFacts]
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        read = wav_facts
    elif (
        head.startswith(_PICTURES)
        or head[8:12] == b"WEBP"
        or family(path, head) in ("heif", "avif", "raw")
    ):
        read = photo_facts
    elif not is_text(head):
        read = tag_facts
    else:
        return MediaFacts()
    try:
        return read(path)
    except MediaError:
        raise
    except (
        Exception
    ):  # a header made to break its reader tells nothing; the decoder names the damage
        return MediaFacts()


def set_place(facts: MediaFacts, latitude: Any, longitude: Any, uncertainty_m: Any = None) -> None:
    """Note a place in degrees, or why it is none."""
    lat, lon = _finite(latitude), _finite(longitude)
    if lat is None or lon is None:
        return
    if lat == 0 and lon == 0:
        facts.unused += ("its place is 0/0: no fix",)
    elif abs(lat) > 90 or abs(lon) > 180:
        facts.unused += (f"its place {lat:g}, {lon:g} is none on the globe",)
    else:
        facts.latitude, facts.longitude = lat, lon
        metres = _finite(uncertainty_m)
        facts.uncertainty_m = metres if metres is not None and metres > 0 else None


def set_moment(facts: MediaFacts, text: Any) -> None:
    """Note a moment written as year, month, day (and time), or why it is not believed."""
    found = _MOMENT.search(str(text)[:100]) if text else None
    if found is None:
        return
    year, month, day = (int(found[k]) for k in "ymd")
    hour, minute, second = (int(found[k] or 0) for k in "HMS")
    if (year, month, day) == (0, 0, 0):
        return  # a clock that says nothing
    try:
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        facts.unused += (f"its date {found[0]!r} is none",)
        return
    if (month, day) == (1, 1) and hour < 12 and year in _UNSET_YEARS:
        facts.unused += (f"its date {year}-01-01 is that of a clock never set",)
    elif year < 1900 or moment > datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2):
        facts.unused += (f"its date {moment:%Y-%m-%d} is not believed",)
    else:
        zone = (found["zone"] or "").replace("UTC", "Z")
        time = "" if found["H"] is None else f"T{hour:02}:{minute:02}:{second:02}{zone}"
        facts.when = f"{year:04}-{month:02}-{day:02}{time}"


def plain(value: Any) -> str | None:
    """A text of a header, cleaned; None where it is empty."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None:
        return None
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)[:2000]).split())
    return text[:_LONGEST] or None


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None
