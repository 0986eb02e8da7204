"""What a licence's text means, as one of a few codes.

Source: the licences of Creative Commons, https://creativecommons.org/licenses/, and how iNaturalist (`CC-BY-NC`),
GBIF (`CC_BY_NC_4_0`, addresses of legal codes) and Xeno-canto (addresses without a protocol) write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

NONE = "ARR"
"""No licence: all rights reserved. What nothing is said of is this too."""
UNKNOWN = "unknown"
"""A text that is none of these licences, or is two of them."""
CODES = (
    "CC0", "PDM", "BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND", UNKNOWN, NONE,
)  # fmt: skip
"""CC0 and the public domain mark, Creative Commons' six, then what gives no permission that is known."""

_ELEMENTS = ("BY", "NC", "SA", "ND")
_URL = re.compile(
    r"creativecommons\.org/+(?:licen[cs]es/+((?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa))*)|publicdomain/+(zero|mark))"
    r"(?:/+(\d+(?:\.\d+)*(?:/+[a-z]{2,3}(?![\w.]))?))?"
)
_SHORT = re.compile(r"\bcc ?by((?: ?(?:nc|sa|nd))*)\b(?: (\d)(?: (\d))?\b)?")
_BARE = re.compile(r"by((?: (?:nc|sa|nd))*)(?: (\d)(?: (\d))?)?(?: (?:international|unported))?")
_ZERO = re.compile(r"\bcc ?0\b|\bcc zero\b|\bcreative commons zero\b|\bno rights reserved\b")
_MARK = re.compile(r"\bpublic domain\b|\bpdm\b|\bno known copyright\b")
_LONG = re.compile(r"\bcreative commons attribution\b|\Aattribution\b")
_WORDS = (
    ("NC", re.compile(r"\bnon ?commercial\b")),
    ("SA", re.compile(r"\bshare ?alike\b")),
    ("ND", re.compile(r"\bno ?deriv\w*\b")),
)
_RESERVED = re.compile(
    r"\ball rights reserved\b|\Acopyright\b|\A(?:arr|c|none|no licen[cs]e)\Z|\A\(c\)|\A©"
)
_VERSION = re.compile(r"\b([1-4]) ([05])\b")
_LATEST = "4.0"


@lru_cache(1 << 14)
def _read(text: str | None) -> tuple[str, str]:
    """Code and version; the version is empty where none is stated."""
    lower = "" if text is None else " ".join(text.lower().split())[:2000]
    if not lower:
        return NONE, ""
    words = " ".join(re.sub(r"[\W_]+", " ", lower).split())
    found = {
        (_public(domain) if domain else _code(elements.split("-")), version or "")
        for elements, domain, version in _URL.findall(lower)
    }
    rest = " ".join(re.sub(r"[\W_]+", " ", _URL.sub(" ", lower)).split())
    found |= {(_code(["by", *_elements(e)]), _numbers(a, b)) for e, a, b in _SHORT.findall(rest)}
    bare = _BARE.fullmatch(words)
    if bare and not found:
        found.add((_code(["by", *_elements(bare[1])]), _numbers(bare[2], bare[3])))
    if _ZERO.search(rest):
        found.add(("CC0", ""))
    if not found and _LONG.search(rest):
        stated = [name for name, pattern in _WORDS if pattern.search(rest)]
        version = _VERSION.search(rest)
        found.add((_code(["by", *stated]), _numbers(*version.groups()) if version else ""))
    if not found and _MARK.search(rest):
        found.add(("PDM", ""))
    codes = {code for code, _ in found}
    if len(codes) > 1 or (codes and _taken_back(rest, codes)):
        return UNKNOWN, ""
    if codes:
        versions = {v for _, v in found if v}
        return codes.pop(), versions.pop() if len(versions) == 1 else ""
    return (NONE if _RESERVED.search(lower) or _RESERVED.search(words) else UNKNOWN), ""


def _taken_back(words: str, codes: set[str]) -> bool:
    """Whether a text adds a condition that the licence it names does not have."""
    named = {part for code in codes for part in code.split("-")}
    more = (name for name, pattern in _WORDS if pattern.search(words))
    return "all rights reserved" in words or any(name not in named for name in more)


def _public(domain: str) -> str:
    return "CC0" if domain == "zero" else "PDM"


def _elements(text: str) -> list[str]:
    return re.findall("nc|sa|nd", text)


def _numbers(major: str | None, minor: str | None) -> str:
    return f"{major}.{minor or 0}" if major else ""


def _code(elements: Iterable[str]) -> str:
    held = {e.upper() for e in elements}
    code = "-".join(e for e in _ELEMENTS if e in held)
    return code if code in CODES else UNKNOWN


def code_of(text: str | None) -> str:
    """The code of a licence's text, one of `CODES`; of an empty one `NONE`."""
    return _read(text)[0]


def url_of(text: str | None) -> str | None:
    """The address of a licence's legal code, in the version that its text names, else the latest; None without one."""
    code, version = _read(text)
    if code == "CC0":
        return "http://creativecommons.org/publicdomain/zero/1.0/legalcode"
    if code == "PDM":
        return "http://creativecommons.org/publicdomain/mark/1.0/"
    if code in (NONE, UNKNOWN):
        return None
    return f"http://creativecommons.org/licenses/{code.lower()}/{version or _LATEST}/legalcode"


def roll_up(codes: Iterable[str]) -> str | None:
    """The licence under which what is of several may be used as one: all their conditions together.

    One row without a licence, or with one that is not known, rules the whole. Of BY-SA and BY-NC the conditions
    together are BY-NC-SA; ND leaves nothing for SA to be about. None of nothing.
    """
    held = set(codes)
    if not held:
        return None
    for code in (NONE, UNKNOWN):
        if code in held:
            return code
    conditions = {e for code in held for e in code.split("-")}
    if "ND" in conditions:
        conditions.discard("SA")
    if conditions & {"BY", "NC", "SA", "ND"}:
        return "-".join(e for e in _ELEMENTS if e in conditions)
    return "PDM" if "PDM" in held else "CC0"
