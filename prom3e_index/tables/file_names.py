"""What the name of a photo or recording, or of its folder, tells: when it was taken, and of what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from prom3e_index.tables.kinds import kind_of

RAWS = frozenset(
    "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f raw 3fr erf kdc mrw rwl iiq".split()
)
"""Endings of raw photos."""

_DATE = re.compile(
    r"(?<!\d)(?P<y>19[5-9]\d|20\d\d)(?P<s>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:(?P<gap>[ T_$.,-]*(?:at )?)(?P<H>[01]\d|2[0-3])(?P<t>[-_.:h]?)(?P<M>[0-5]\d)(?:(?:(?P=t)|m)(?P<S>[0-5]\d))?"
    r"(?:(?:[.,]?\d{3})(?!\d))?(?: ?(?P<half>[AP]M))?(?P<zone>Z|[+-]\d\d:?\d\d)?)?(?!\d)",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9A-F]{8}\Z")
_CATALOGUE = re.compile(r"(?P<code>(?:XC|ML)\s?\d{2,})(?!\d)", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:XC|ML)\s?\d{2,}\s*[-–]\s*(?P<common>.+?)\s*[-–]\s*"
    r"(?P<name>[A-Z][a-zë-]+ [a-z-]+(?: [a-z-]+)?)\s*(?:\(\d+\))?\Z"
)
_LATIN_FIRST = re.compile(
    r"(?P<name>[A-Z][a-zë]+[-_ ][a-z-]+?(?:[-_ ][a-z]+)?)[-_ ](?P<code>(?:XC|ML)?\d{3,})\Z"
)

_STRONG = ("us", "a", "um", "is", "i", "ae", "ans", "ens", "oides")
_WEAK = (
    "e",
    "er",
    "or",
    "ur",
    "es",
    "os",
    "on",
    "o",
    "ax",
    "ix",
    "ex",
    "yx",
    "nx",
    "ops",
    "ys",
    "as",
)
_GENUS = (
    "us",
    "a",
    "is",
    "um",
    "es",
    "os",
    "on",
    "o",
    "ax",
    "ix",
    "ex",
    "yx",
    "nx",
    "ops",
    "ys",
    "as",
    "er",
)
_PLACES = frozenset(
    "site plot camera cam station transect trap point day night morning evening north south east west new old my "
    "folder photo photos image images picture pictures audio sound sounds recording recordings video videos data "
    "dataset raw train training test testing val valid validation dev dcim media export download downloads upload "
    "uploads backup card sd unsorted sorted misc other others field trip week month year forest lake river pond "
    "park reserve garden wood woods meadow farm hill valley garden deployment the a b c".split()
)
_WORDS = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*(?: [^\W\d_]+(?:[-'’][^\W\d_]+)*){0,4}\Z")


@dataclass(frozen=True)
class Named:
    """What a file name says; None where it does not.

    Attributes:
        taken: ISO 8601 date, with the time where it is there, as the recorder's clock had it.
        catalogue: Number in a sound archive, such as `XC123456`.
        scientific_name: Binomial or trinomial.
        common_name: As the archive gives it.
    """

    taken: str | None = None
    catalogue: str | None = None
    scientific_name: str | None = None
    common_name: str | None = None


def read_name(name: str) -> Named:
    """Read the file name of a photo or recording.

    Known are the names of AudioMoth, Song Meter, phones, cameras, messengers, Xeno-canto and Macaulay.
    """
    stem = PurePosixPath(name).stem.strip()
    named = _NAMED.match(stem)
    code = _CATALOGUE.match(stem)
    if named and code:
        return Named(None, _code(code["code"]), named["name"], named["common"])
    latin = _LATIN_FIRST.match(stem)
    if latin and (code_text := latin["code"]):
        binomial = re.sub("[-_]", " ", latin["name"])
        if reads_as_taxon(binomial) and kind_of(name) == "audio":
            if code_text.isdigit():
                code_text = "XC" + code_text
            return Named(None, _code(code_text), binomial, None)
    if code:
        return Named(None, _code(code["code"]))
    return Named(_taken(stem, PurePosixPath(name).suffix.lower()))


def _code(text: str) -> str:
    return text.upper().replace(" ", "")


def _taken(stem: str, ending: str) -> str | None:
    for found in _DATE.finditer(stem):
        year, month, day = (int(found[k]) for k in "ymd")
        try:
            date = datetime(year, month, day)
        except ValueError:
            continue
        if found["H"] is None:
            return date.date().isoformat()
        hour = int(found["H"])
        if found["half"] and 1 <= hour <= 12:
            hour = hour % 12 + (12 if found["half"].upper() == "PM" else 0)
        time = f"{hour:02d}:{found['M']}:{found['S'] or '00'}"
        return f"{date.date().isoformat()}T{time}{(found['zone'] or '').upper()}"
    if ending == ".wav" and _HEX.match(stem):  # early AudioMoth: seconds since 1970 in hexadecimal
        when = datetime.fromtimestamp(int(stem, 16), UTC)
        if 2017 <= when.year <= 2022:
            return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def reads_as_taxon(text: str) -> bool:
    """Whether two or three words look like a Latin binomial, told by their endings."""
    words = text.split(" ")
    if len(words) not in (2, 3) or not re.match(
        r"[A-Z][a-zë]+(?: [a-z]+(?:-[a-z]+)?){1,2}\Z", text
    ):
        return False
    genus, epithet = words[0], words[1]
    if genus.lower() in _PLACES or epithet in _PLACES:
        return False
    if epithet.endswith(("us", "um", "is", "ii", "ae")) and len(epithet) > 3:
        return True
    if not genus.lower().endswith(_GENUS):
        return False
    return epithet.endswith(_STRONG) or (epithet.endswith(_WEAK) and len(genus) >= 4)


def folder_name(folder: str, labelled: bool) -> tuple[str | None, str | None]:
    """(scientific name, common name) that a folder's name is, either or both None.

    Args:
        folder: Its last part.
        labelled: The folders stand for classes, as under `train/`; then one word may be a common name too.
    """
    text = re.sub(r"[_\s]+", " ", re.sub(r"^\d{1,6}[._ -]+", "", folder)).strip()
    if reads_as_taxon(text):
        return text, None
    capital = text[:1].upper() + text[1:]
    if labelled and reads_as_taxon(capital):
        return capital, None
    words = text.lower().split(" ")
    if not _WORDS.match(text) or _PLACES & set(words):
        return None, None
    return (None, text) if labelled or len(words) > 1 else (None, None)
