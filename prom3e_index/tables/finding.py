"""The files that a table's media cells name, as people write them: found, or why not.

A path is taken as it stands where a file is there. Else it is read as Windows, addresses and other machines write
paths, names let differ in spelling, and by the longest end that it shares with one file under the media folder.
Several candidates are no answer. What was found otherwise than literally is counted by kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

from prom3e_index.tables.addresses import Copies, is_address, longest_tail, repeats
from prom3e_index.tables.kinds import folded
from prom3e_index.tables.listing import MOST_FOUND, Listing

Found = tuple[str | None, str | None]
_REMOTE = ("//", "www.", "WWW.", " ")
_LONGEST = 4000
_SHOWN = 160
_NEAR_LOOKUPS, _NEAR_NAMES = 300, 3000
_DRIVE = re.compile(r"[a-z]:(?=[\\/])", re.IGNORECASE)
_QUOTES = ("''", '""', "“”", "<>")
HOW = {
    "copies": "Addresses that local copies were found for",
    "moved": "Media paths that begin elsewhere, found by their end under the media folder",
    "address": "Media paths written as file:// or percent-encoded",
    "windows": "Media paths written as on Windows",
    "spelling": "Media paths that differ from their files in case, accents, blanks or the ending's spelling",
}
"""Ways in which a file was found otherwise than literally, and what is said of them."""


class Finder:
    """Finds the files of one table under its media folder.

    Folders are listed once, when a path asks for them; a million paths cost a million look-ups in memory.

    Args:
        media: Folder that relative paths start from.
        allow_outside: Accept files elsewhere; also what links lead to.
    """

    def __init__(
        self, media: Path, allow_outside: bool = False, keep_missing: bool = False
    ) -> None:
        self._keep_missing = keep_missing
        self.media, self._outside = media, allow_outside
        self._root = media.resolve()
        self._listing = Listing(media, allow_outside)
        self._copies = Copies(self._listing)
        self._counted: set[int] = set()
        self._counts: dict[str, int] = {}
        self._first: dict[str, tuple[str, str]] = {}
        self._claims: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._used: set[str] = set()
        self._near = 0

    @property
    def said(self) -> list[str]:
        """A sentence for each way in which files were found otherwise than literally, with its count and first case."""
        out = []
        for how, words in HOW.items():
            if how in self._counts:
                text, path = self._first[how]
                out.append(
                    f"{words}: {self._counts[how]:,}, the first {_quoted(text)} → {_quoted(path)}"
                )
        if not self._listing.whole:
            out.append(
                f"{self.media.absolute()} holds more than {MOST_FOUND:,} files; of paths that begin elsewhere only "
                "those among the first were found"
            )
        return out

    def find(self, text: str) -> Found:
        """A media cell as (path, None) or (None, reason), the reason beginning with the cell in single quotes.

        The path is relative to the media folder or absolute, as the table has it.
        """
        if ":" in text or text.startswith(_REMOTE):
            if text[:5].lower() == "data:":
                return (
                    None,
                    f"{_quoted(text, 40)} is written into the cell, no path; save it as a file",
                )
            if is_address(text.strip()):
                return self._copy(text.strip())
        if "\0" in text or len(text) > _LONGEST:
            return None, f"{_quoted(text)} is no path"
        reason = "" if text.startswith("/") else self._listing.is_file(text)
        if reason is None:
            self._used.add(text.rpartition("/")[0])
            return text, None
        return (None, f"{_quoted(text)} {reason}") if reason else self._otherwise(text)

    def unread(self, text: str) -> Found:
        """A media cell whose file is not going to be read: as it stands, unless it leads outside the media folder."""
        if "\0" in text or len(text) > _LONGEST:
            return None, f"{_quoted(text)} is no path"
        if is_address(text) or self._outside or _leads_under(self.media / text, self._root):
            return text, None
        return None, self._lies_outside(text)

    def _lies_outside(self, text: str) -> str:
        return (
            f"{_quoted(text)} lies outside {self.media.absolute()}; pass --allow-outside to read it"
        )

    def _took(self, how: str, text: str, path: str) -> Found:
        if hash(text) not in self._counted:  # however often a table is read
            self._counted.add(hash(text))
            self._counts[how] = self._counts.get(how, 0) + 1
        self._first.setdefault(how, (text, path))
        return path, None

    def _copy(self, text: str) -> Found:
        paths, by_name = self._copies.of(text)
        if len(paths) == 1 and (not by_name or self._claims.setdefault(paths[0], text) == text):
            return self._took("copies", text, paths[0])
        if len(paths) > 1:
            return None, _several(text, paths)
        address = (text if "://" in text else "https://" + text.lstrip("/")).replace("'", "%27")
        return None, (
            f"{_quoted(address, _LONGEST)} is remote and not fetched; fetch it into the media folder "
            "(--urls FILE writes the list), or map the column of local paths"
        )

    def _otherwise(self, text: str) -> Found:
        readings = list(_readings(text))
        for how, path in readings:
            found = self._at(how, text, path)
            if found is not None:
                return found
        for _, path in readings:
            found = self._moved(text, path)
            if found is not None:
                return found
        if self._keep_missing and self.unread(text)[0] is not None:
            return text, None
        return None, self._missing(text, readings[-1][1])

    def _at(self, how: str, text: str, path: str) -> Found | None:
        """A path from the media folder, or an absolute one; None where nothing is there."""
        inside = self._relative(path)
        if inside is None:
            there = self.media / path
            if not _exists(there):
                return None
            if not self._outside:
                return None, self._lies_outside(text)
            if not there.is_file():
                return None, f"{_quoted(text)} is no file"
            return (text, None) if path == text else self._took(how, text, path)
        parts = [p for p in inside.split("/") if p not in ("", ".")]
        paths = self._listing.spelt(parts) if parts else []
        if len(paths) > 1:
            return None, _several(text, paths)
        if not paths:
            reason = self._listing.is_file("/".join(parts)) if parts else "is a folder, no file"
            return (None, f"{_quoted(text)} {reason}") if reason else None
        if paths[0] == "/".join(parts) and path == text and ".." not in text:
            return text, None  # absolute, or with a dot: it leads there as it stands
        return self._took(how, text, paths[0])

    def _relative(self, path: str) -> str | None:
        """A path from the media folder, dots worked out; None where it leads elsewhere."""
        if path.startswith("/"):
            for root in (str(self.media.absolute()), str(self._root)):
                if path.startswith(root.rstrip("/") + "/"):
                    path = path[len(root.rstrip("/")) + 1 :]
                    break
            else:
                return None
        out: list[str] = []
        for part in path.split("/"):
            if part == "..":
                if not out:
                    return None
                out.pop()
            elif part not in ("", "."):
                out.append(part)
        return "/".join(out)

    def _moved(self, text: str, path: str) -> Found | None:
        """The one file under the media folder that ends as the path does; None where there is none."""
        parts = [p for p in path.split("/") if p not in ("", ".", "..")]
        if not parts:
            return None
        length, paths = longest_tail(self._listing, parts)
        if not paths:
            return None
        if length < len(parts):
            if any(self._is_folder(parts[i:-1]) for i in range(len(parts) - length)):
                return None  # its folder is there, without the file
            if length == 1 and repeats(parts[-1]):
                paths = [p for p in paths if "/" not in p]
        if len(paths) > 1:
            return None, _several(text, paths)
        if not paths or (length < len(parts) and not self._claim(parts, paths[0], text)):
            return None
        return self._took("moved", text, paths[0])

    def _is_folder(self, parts: list[str]) -> bool:
        at = [""]
        for part in parts:
            at = [
                f"{path}/{name}" if path else name
                for path in at
                if (folder := self._listing.folder(path)) is not None
                for name in folder.spelt(part)
            ][:2]
        return bool(parts) and any(self._listing.folder(path) is not None for path in at)

    def _claim(self, parts: list[str], path: str, text: str) -> bool:
        """Whether a file may be this text's that shares its end only: nothing else means it.

        Two texts cannot mean one file. A counter's name (`IMG_0001.JPG`) stands in many folders: those of one folder
        of the table all lie in one folder, which no other path of the table leads to.
        """
        if repeats(parts[-1]):
            here, there = path.rpartition("/")[0], "/".join(parts[:-1])
            if here not in self._folders and here not in self._used:
                self._folders[here] = there
            return self._folders.get(here) == there
        return self._claims.setdefault(path, text) == text

    def _missing(self, text: str, path: str) -> str:
        """Why there is nothing, with what comes nearest."""
        begin = f"{_quoted(text)} does not exist under {self.media.absolute()}"
        parts = [p for p in path.split("/") if p not in ("", ".", "..")]
        if not parts:
            return f"{_quoted(text)} is no path"
        if taken := next((p for p in self._listing.named(parts[-1])), None):
            by = self._claims.get(taken)
            why = f" and is that of {_quoted(by)}" if by and by != text else ", in another folder"
            return f"{begin}; a file of this name is {_quoted(taken)}{why}"
        at = ""
        for part in parts[:-1]:
            folder = self._listing.folder(at)
            names = folder.spelt(part) if folder is not None else []
            if not names:
                if folder is None or path.startswith("/"):
                    return begin + self._linked(at)
                where = _quoted(at) if at else "it"
                return f"{begin}; {where} has no folder {_quoted(part)}{self._nearest(part, folder.others)}"
            at = f"{at}/{names[0]}" if at else names[0]
        folder = self._listing.folder(at)
        if folder is None:
            return begin + self._linked(at)
        if f".{parts[-1]}.icloud" in folder.files:
            return f"{_quoted(text)} is in iCloud and not on this disk: only its placeholder is here; download it first"
        return begin + self._nearest(parts[-1], folder.files)

    def _linked(self, folder: str) -> str:
        """That a folder is a link which is not followed, where it is."""
        why = (self._listing.is_file(folder) if folder else "") or ""
        return f"; {_quoted(folder)} {why}" if why.startswith("is a link") else ""

    def _nearest(self, name: str, names: set[str] | dict[str, str]) -> str:
        """The name beside it that comes nearest, the same stem with another ending first; of so many paths only."""
        self._near += 1
        if self._near > _NEAR_LOOKUPS or not 0 < len(names) <= _NEAR_NAMES:
            return ""
        stem = folded(name).rpartition(".")[0]
        same = sorted(n for n in names if stem and folded(n).rpartition(".")[0] == stem)
        near = same or get_close_matches(name, sorted(names), n=1, cutoff=0.6)
        return f"; nearest: {_quoted(near[0])}" if near else ""


def _readings(text: str) -> Iterator[tuple[str, str]]:
    """What a cell may mean as a path with `/`: how it was read, and the path."""
    path = text.strip().strip("\ufeff\u200b")
    for ends in _QUOTES:
        if len(path) > 2 and path[0] == ends[0] and path[-1] == ends[1]:
            path = path[1:-1].strip()
    how = "spelling"
    if path[:5].lower() == "file:":
        how, path = "address", unquote(path[5:])
        if path.startswith("//"):
            path = path[2:].removeprefix("localhost")
        path = path[1:] if _DRIVE.match(path[1:]) else path
    if _DRIVE.match(path) or "\\" in path:
        how = "windows" if how == "spelling" else how
        path = _DRIVE.sub("/", path, count=1).replace("\\", "/")
    yield how, path
    if how != "address" and "%" in path and (decoded := unquote(path)) != path:
        yield "address", decoded.replace("\\", "/")


def _leads_under(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a link that leads to itself
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _several(text: str, paths: list[str]) -> str:
    return (
        f"{_quoted(text)} may be {_quoted(paths[0])} or {_quoted(paths[1])}"
        f"{' or others' if len(paths) > 2 else ''}; this is not guessed: write the path in full, or give --media FOLDER"
    )


def _quoted(text: str, most: int = _SHOWN) -> str:
    return f"'{text if len(text) <= most else text[: most - 1] + '…'}'"
