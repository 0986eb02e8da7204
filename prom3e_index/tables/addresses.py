"""Local copies of what an address names: the photo, sound or asset that somebody has downloaded already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from prom3e_index.tables.kinds import folded, kind_of
from prom3e_index.tables.listing import Listing

SIZES = ("original", "large", "medium", "small", "thumb", "square")
"""What iNaturalist calls one photo in its sizes, largest first."""
_ADDRESS = re.compile(
    r"(?:(?!file:)[a-z][a-z0-9+.-]+://|//[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/|www\.[a-z0-9-]+\.)",
    re.IGNORECASE,
)
_REPEATED = re.compile(
    r"(?:_?[a-z]{1,6}[ _-]?[0-9]{1,5}(?:[ _-]?\([0-9]+\))?|[0-9]{8}[t_-]?[0-9]{4,6}z?|[a-z]{1,12}|[0-9]{1,4})\Z"
)
"""Names that many folders have: a camera's counter, a recorder's clock, one word such as `medium` or `download`."""
_NUMBERED = re.compile(r"(?P<of>xc|ml)?0*(?P<id>[0-9]{3,})(?![0-9])(?P<rest>.*)\Z", re.DOTALL)
_XENO = re.compile(r"xeno-canto\.org/(?:sounds/uploaded/.*?/)?(?:xc)?([0-9]{3,})", re.IGNORECASE)
_ASSET = re.compile(r"/(?:asset|catalog|media)/(?:ml)?([0-9]{5,})", re.IGNORECASE)
_PHOTO = re.compile(r"/(photos|sounds)/([0-9]+)(?:/|\.|\Z|\?)", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a cell is the address of something remote; `file://` and Windows drives are not."""
    return bool(_ADDRESS.match(text)) and not re.match(r"[a-z]:[\\/]", text, re.IGNORECASE)


def repeats(name: str) -> bool:
    """Whether a file's name is one that many folders have, and so tells no file by itself."""
    return bool(_REPEATED.match(folded(name).rpartition(".")[0] or folded(name)))


def common_tail(parts: Sequence[str], path: str) -> int:
    """How many last parts of a path are the same, spelling let differ."""
    n = 0
    for mine, theirs in zip(reversed(parts), reversed(path.split("/")), strict=False):
        if mine != theirs and folded(mine) != folded(theirs):
            break
        n += 1
    return n


def longest_tail(listing: Listing, parts: Sequence[str]) -> tuple[int, list[str]]:
    """Files under a folder that end as `parts` do: the length of the longest such end, and all that have it."""
    if len(parts) > 1 and (paths := listing.named(*parts[-2:])):
        found = [(common_tail(parts, path), path) for path in paths]
        most = max(n for n, _ in found)
        return most, [path for n, path in found if n == most]
    paths = listing.named(parts[-1])
    return min(len(paths), 1), paths


class Copies:
    """Which files under a folder are copies of addresses."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._stems: dict[str, list[str]] | None = None
        self._numbered: dict[tuple[str, str], list[str]] = {}
        self._sized: dict[str, list[tuple[int, str]]] = {}

    def of(self, address: str) -> tuple[list[str], bool]:
        """Files that may be the copy of an address, and whether one is known by its name alone.

        Tried in turn: the address's own path (`…/photos/123/medium.jpg`), the same photo in another size, the number
        of an iNaturalist photo or sound, a Xeno-canto recording, a Macaulay asset, the name where it is no name
        that repeats, a part of the address that is a file's name. One file is a copy; several are for nobody to guess.
        """
        try:
            split = urlsplit(address if "://" in address else "https://" + address.lstrip("/"))
        except ValueError:
            return [], False
        parts = [unquote(p) for p in (split.netloc + split.path).split("/") if p]
        if len(parts) < 2:
            return [], False
        wanted = kind_of(split.path)
        for last in ((f"{parts[-1]}?{split.query}",) if split.query else ()) + (parts[-1],):
            length, paths = longest_tail(self._listing, [*parts[:-1], last])
            if length >= 2:
                return paths, False
        if found := self._by_number(address, wanted):
            return found, False
        if wanted and (not repeats(parts[-1]) or parts[-1].partition(".")[0].isdigit()):
            paths = self._listing.named(parts[-1])
            if paths:
                return paths, True
        values, stems = [v for _, v in parse_qsl(split.query)], self._by_stem()
        for word in [*reversed(values), *reversed(parts[1:])]:
            stem = folded(word)
            stem = stem.rpartition(".")[0] or stem
            if stem in stems and len(word) >= 5 and any(map(str.isdigit, word)):
                paths = [] if repeats(word) else _media(stems[stem], wanted)
                if paths:
                    return paths, True
        return [], False

    def _by_number(self, address: str, wanted: str | None) -> list[str]:
        if found := _XENO.search(address):
            return self._of_number("xc", found[1], "audio")
        if "macaulay" in address.lower() or "ams.birds.cornell" in address.lower():
            found = _ASSET.search(address)
            return self._of_number("ml", found[1], wanted) if found else []
        if found := _PHOTO.search(address):
            kind = "image" if found[1].lower() == "photos" else "audio"
            self._by_stem()
            sizes = self._sized.get(found[2], [])
            return [min(sizes)[1]] if sizes else self._of_number("", found[2], kind)
        return []

    def _of_number(self, of: str, number: str, kind: str | None) -> list[str]:
        """Files named after a number: with its letters before it (`XC123 - Great tit.mp3`), else by it alone."""
        self._by_stem()
        number = number.lstrip("0")
        return _media(self._numbered.get((of, number), []), kind) or _media(
            self._numbered.get(("", number), []), kind
        )

    def _by_stem(self) -> dict[str, list[str]]:
        if self._stems is None:
            self._stems = {}
            for stem, path in self._listing.stems():
                self._stems.setdefault(stem, []).append(path)
                if stem in SIZES and kind_of(path) == "image":
                    above = path.rpartition("/")[0].rpartition("/")[2]
                    self._sized.setdefault(above, []).append((SIZES.index(stem), path))
                found = _NUMBERED.match(stem)
                if found and (found["of"] or found["rest"].strip(" _-") in ("", *SIZES)):
                    key = (found["of"] or "", found["id"])
                    self._numbered.setdefault(key, []).append(path)
        return self._stems


def _media(paths: list[str], kind: str | None) -> list[str]:
    """Those that are media, of the kind looked for where that is known."""
    kinds = [(path, kind_of(path)) for path in paths]
    known = [path for path, own in kinds if own is not None]
    return [path for path, own in kinds if own == kind] or known if kind else known
