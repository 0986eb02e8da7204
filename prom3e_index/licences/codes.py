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
    r"(?![\w%&+=~-])(?:/+(\d+(?:\.\d+)*(?:/+[a-z]{2,3}(?![\w.]))?))?(?:/+(?:deed|legalcode)(?:\.[a-z_-]{2,9})?\b)?"
)
_SHORT = re.compile(r"\bcc ?by((?: ?(?:nc|sa|nd))*)\b(?: (\d)(?: (\d))?\b)?")
_BARE = re.compile(r"by((?: (?:nc|sa|nd))*)(?: (\d)(?: (\d))?)?(?: (?:international|unported))?")
_ZERO = re.compile(r"\bcc ?0\b|\bcc zero\b|\bcreative commons zero\b|\bno rights reserved\b")
_MARK = re.compile(r"\bpublic domain\b|\bpdm\b|\bno known copyright\b")
_LONG = re.compile(
    r"\bcreative commons attribution\b|\Aattribution(?: (?:non ?commercial|share ?alike|no ?deriv\w*|nc|sa|nd|cc by"
    r"|licen[cs]e))*(?: [1-4] [05](?: [a-z]+){0,3})?\Z"
)
_WORDS = (
    ("NC", re.compile(r"\bnon ?commercial\b|\bnc\b")),
    ("SA", re.compile(r"\bshare ?alike\b|\bsa\b")),
    ("ND", re.compile(r"\bno ?deriv\w*\b|\bnd\b")),
)
_RESERVED = re.compile(
    r"\ball rights reserved\b|\Acopyright\b|\A(?:arr|c|none|no licen[cs]e)\Z|\A\(c\)|\A©"
)
_FREE = re.compile(r"\bno (?:rights reserved|(?:known )?copyright(?: restrictions?)?)\b")
"""Words that deny, and take nothing back."""
_HOLDER = re.compile(r"\A(?:\(c\)|©) [^,()]{1,100}(?=, (?:some|no) rights reserved\b)")
"""A name, as iNaturalist puts it before a licence; one may be called Ask, or Sa."""
_DOUBT = re.compile(r"\?(?!\w+=)")
_RESTRICTS = re.compile(
    r"""\b(?: all[ ]rights[ ]reserved | no | not | non | never | none | nor | neither | nicht | kein\w* | ohne | nur
    | ausser | außer | pas | sans | sauf | seulement | uniquement | sin | solo | salvo | excepto | excluding
    | except\w* | unless
    | without | only | sem | senza | niet | geen | alleen | ikke | inte | uden | utan | but | aber | personal
    | personnel\w* | privat\w* | research | educat\w* | academic | scientific[ ]use | commercial\w* | kommerzi\w*
    | comercial\w* | kommers\w* | prohibit\w* | forbid\w* | restrict\w* | embargo\w* | revoked | withdrawn | expired
    | pending | permission | request | ask | unknown | unclear | uncertain | maybe | perhaps | probably | possibly
    | (?:for|für|pour|para|per)[ ](?:the[ ])?(?:data\w* | meta[ ]?data | photo\w* | image\w* | picture\w* | media
    | sound\w* | audio | recording\w* | text\w* | record\w* | code) )\b""",
    re.VERBOSE,
)
"""Words that, beside a licence, restrict it or doubt it: in which way, no list of words can tell."""
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
    rest = " ".join(re.sub(r"[\W_]+", " ", _URL.sub(" ", _HOLDER.sub("", lower))).split())
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
    if len(codes) > 1 or (codes and _taken_back(lower, rest, codes)):
        return UNKNOWN, ""
    if codes:
        versions = {v for _, v in found if v}
        return codes.pop(), versions.pop() if len(versions) == 1 else ""
    return (NONE if _RESERVED.search(lower) or _RESERVED.search(words) else UNKNOWN), ""


def _taken_back(text: str, words: str, codes: set[str]) -> bool:
    """Whether a text adds a condition or a doubt that the licence it names does not have.

    Args:
        text: In lower case.
        words: Of it, without addresses and signs.
        codes: That it names.
    """
    named = {part for code in codes for part in code.split("-")}
    left = _FREE.sub(" ", _SHORT.sub(" ", words))
    for name, pattern in _WORDS:
        left, found = pattern.subn(" ", left)
        if found and name not in named:
            return True
    return _DOUBT.search(text) is not None or _RESTRICTS.search(left) is not None


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
