"""One coordinate as people write it, in degrees: numbers, minutes and seconds, signs, letters and words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from prom3e_index.tables.grids import NotRead

LONGEST = 400
_SIGNS = str.maketrans(
    {c: "-" for c in "−–—‒‐‑﹣－"}
    | {c: "°" for c in "º˚∘⁰\ufffd"}
    | {c: "'" for c in "′’‘´`ʹʼˊ＇"}
    | {c: '"' for c in "″”“„ʺ＂"}
    | {"Â": "", "\u200e": "", "\u200f": "", "\ufeff": "", "\u200b": ""}
)
_WORDS = (
    (re.compile(r"(?<=\d)\s*(?:degrees?|degrés?|grados?|graus?|gradi|grad|deg)\b\.?", re.I), "°"),
    (re.compile(r"(?<=\d)\s*(?:minutes?|minutos?|minuten|minuti|min)\b\.?", re.I), "'"),
    (
        re.compile(r"(?<=\d)\s*(?:seconds?|secondes?|segundos?|sekunden|secondi|sec)\b\.?", re.I),
        '"',
    ),
    (re.compile(r"(\d)\s*d\s*(\d+(?:[.,]\d+)?)\s*m\s*(\d+(?:[.,]\d+)?)\s*s"), r"\1°\2'\3" + '"'),
    (re.compile(r"(\d)\s*d\s*(\d+(?:[.,]\d+)?)\s*m(?![a-z])"), r"\1°\2'"),
    (re.compile(r"(?<=\d)-(?=\d\d?(?:-\d\d?(?:[.,]\d+)?)?\s*[NSEWnsew]\Z)"), " "),
    (re.compile(r"(?<=\d \d)-(?=\d)|(?<=\d \d\d)-(?=\d)"), " "),
    (re.compile(r"''"), '"'),
)
_HEMISPHERES = {
    **dict.fromkeys(("n", "north", "nord", "norte", "noord", "norra", "с.ш", "сш", "北纬", "北緯"), ("latitude", 1)),
    **dict.fromkeys(("s", "south", "süd", "sud", "sur", "sul", "zuid", "ю.ш", "юш", "南纬", "南緯"), ("latitude", -1)),
    **dict.fromkeys(("e", "east", "est", "este", "leste", "ost", "oost", "öst", "øst", "в.д", "вд",
                     "东经", "東経", "東經"), ("longitude", 1)),
    **dict.fromkeys(("w", "west", "ouest", "oeste", "ovest", "väst", "vest", "з.д", "зд",
                     "西经", "西経", "西經"), ("longitude", -1)),
    "o": ("longitude", 0),
}  # fmt: skip
_LETTERS = r"[^\W\d_]+(?:\.\s?[^\W\d_]+)*\.?"
_UNSIGNED = r"[0-9]{1,3}(?:[.,][0-9]{0,20})?|[.,][0-9]{1,20}"
_SMALL = r"[0-9]{1,2}(?:[.,][0-9]{0,20})?"
_ANGLE = re.compile(
    rf"""(?P<before>{_LETTERS})?\s*(?P<sign>[+-])?\s*(?P<degrees>{_UNSIGNED})\s*
    (?: [°:\s]\s*(?: (?P<minutes>{_SMALL})\s* (?: [':\s]\s*(?: (?P<seconds>{_SMALL})\s*"? )? )? )? )?\s*
    (?P<after>{_LETTERS})?""",
    re.VERBOSE,
)
_PACKED = re.compile(
    r"(?P<before>[NSEW])?\s*(?P<packed>[0-9]{4,7}(?:[.,][0-9]{1,10})?)\s*(?P<after>[NSEW])?"
)
_PLAIN = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{0,20})?")
_EXPONENT = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?[eE][+-]?[0-9]{1,3}")
GROUPS = re.compile(r"[+-]?[0-9]{1,3}(?:([.,])[0-9]{3})+")


@dataclass(frozen=True)
class Writing:
    """How the places of one table are written.

    Attributes:
        o_means: What the letter O is: 1 east (Ost, oost), -1 west (ouest, oeste, ovest), 0 unknown.
        grouped: A number of the table that a spreadsheet split into thousands, so that others like it are no degrees.
    """

    o_means: int = 0
    grouped: str | None = None


AS_IS = Writing()
"""Nothing was learned of the table."""


def learn_writing(
    latitudes: Iterable[str | None] = (), longitudes: Iterable[str | None] = ()
) -> Writing:
    """See from a sample of two columns, or of one that holds both, how places are written.

    `O` is west where some place has an E, east where one has a W. Numbers are split into thousands where one has two
    marks (`1.234.567`) or is beyond 180, and each number with a mark has three digits after it.
    """
    letters: set[str] = set()
    grouped, whole = None, True
    for text in (t for column in (latitudes, longitudes) for t in column if t):
        plain = folded(text[:LONGEST])
        letters |= {c.upper() for c in re.findall(r"(?<![^\W\d_])[EWOewo](?![^\W\d_])", plain)}
        if re.fullmatch(r"[+-]?[0-9.,]+", plain) and re.search("[.,]", plain):
            found = GROUPS.fullmatch(plain)
            whole &= found is not None
            if found and (
                len(re.findall("[.,]", plain)) > 1 or abs(float(re.sub("[.,]", ".", plain))) > 180
            ):
                grouped = grouped or plain[:40]
    means = {"EO": -1, "OW": 1}.get("".join(sorted(letters)), 0)
    return Writing(means, grouped if whole else None)


def folded(text: str) -> str:
    """A text whose signs, digits and words are of one kind; full-width forms become plain."""
    wide = "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text.translate(_SIGNS))
    plain = " ".join(wide.split())
    for words, sign in _WORDS:
        plain = words.sub(sign, plain)
    return plain


def degrees(text: str, axis: str, writing: Writing) -> float:
    """One cell in degrees."""
    if writing.grouped is None and _PLAIN.fullmatch(text):  # nearly all cells
        return float(text)
    shown = f"'{' '.join(text[:60].split())}'"
    value, own = _cell(text[: LONGEST + 1], writing)
    if value is None:
        raise NotRead(own or f"{shown} is no number in degrees ({axis})")
    if own not in (None, axis):
        raise NotRead(
            f"{shown} is a {own} in the place of the {axis}; latitude and longitude look swapped"
        )
    return value


@lru_cache(1 << 14)
def _cell(text: str, writing: Writing) -> tuple[float | None, str | None]:
    """A value and its axis; or None and the reason, which may be None too."""
    try:
        return angle(folded(text), writing)
    except NotRead as e:
        return None, str(e) or None


def angle(plain: str, writing: Writing) -> tuple[float, str | None]:
    """Degrees of a `folded` text, and the axis that a letter or word tells.

    Raises:
        NotRead: It is none; the reason may be empty.
    """
    shown = f"'{plain[:60]}'"
    if len(plain) > 80:
        raise NotRead
    if _EXPONENT.fullmatch(plain):
        return float(plain), None
    found = _ANGLE.fullmatch(plain)
    if found is None:
        packed = _PACKED.fullmatch(plain.upper())
        if packed is None or bool(packed["before"]) == bool(packed["after"]):
            raise NotRead
        return _unpacked(
            packed["packed"].replace(",", "."), packed["before"] or packed["after"], shown
        )
    if writing.grouped is not None and GROUPS.fullmatch(plain):
        raise NotRead(
            f"{shown} may have lost its decimal mark, as {writing.grouped!r} of this table has"
        )
    parts = [found[g] for g in ("degrees", "minutes", "seconds")]
    if any(p and re.search("[.,]", p) and q for p, q in zip(parts, parts[1:], strict=False)):
        raise NotRead(f"{shown} has a fraction before its last part")
    values = [float(p.replace(",", ".").rstrip(".") or 0) if p else 0.0 for p in parts]
    if max(values[1:]) >= 60:
        raise NotRead(f"{shown} has 60 or more minutes or seconds")
    size = values[0] + values[1] / 60 + values[2] / 3600
    word = found["before"] or found["after"]
    if found["before"] and found["after"]:
        raise NotRead
    if word is None:
        return (-size if found["sign"] == "-" else size), None
    return _signed(size, word, found["sign"], writing, shown)


def _signed(
    size: float, word: str, sign: str | None, writing: Writing, shown: str
) -> tuple[float, str]:
    known = _HEMISPHERES.get(word.casefold().rstrip("."))
    if known is None:
        raise NotRead
    axis, side = known
    if axis == "longitude" and not side:
        side = writing.o_means
        if not side:
            raise NotRead(
                f"{shown}: O is east in German and Dutch, west in French, Spanish and Italian; write E or W"
            )
    if sign is not None and (sign == "-") != (side < 0):
        raise NotRead(
            f"{shown} has the sign {sign} and the letter {word}, which contradict each other"
        )
    return side * size, axis


def _unpacked(digits: str, letter: str, shown: str) -> tuple[float, str]:
    """`511230N` or `5112.5N`: degrees, minutes and seconds without anything between."""
    axis, side = _HEMISPHERES[letter.lower()]
    whole = digits.partition(".")[0]
    wide = 2 if axis == "latitude" else 3
    if len(whole) not in (wide + 2, wide + 4):
        raise NotRead
    minutes = float(digits[wide:]) if len(whole) == wide + 2 else float(digits[wide : wide + 2])
    seconds = float(digits[wide + 2 :]) if len(whole) == wide + 4 else 0.0
    if minutes >= 60 or seconds >= 60:
        raise NotRead(f"{shown} has 60 or more minutes or seconds")
    return side * (int(digits[:wide]) + minutes / 60 + seconds / 3600), axis
