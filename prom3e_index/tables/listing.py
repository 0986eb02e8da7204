"""What a media folder holds: each folder listed once, when a path asks for it, and never beyond its bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from prom3e_index.tables.kinds import folded

MOST_LISTED = 3_000_000
"""Names that are remembered at once; beyond them folders are listed again when asked for."""
MOST_FOUND = 1_000_000
"""Files that are looked through for a path's tail."""
_DEEPEST = 40


class Folder:
    """One folder: its plain files, and what else stands in it by kind (`folder`, `link`, `other`)."""

    __slots__ = ("_folded", "files", "others", "unlisted")

    def __init__(self, files: set[str], others: dict[str, str], unlisted: bool = False) -> None:
        self.files, self.others, self.unlisted = files, others, unlisted
        self._folded: dict[str, list[str]] | None = None

    def spelt(self, name: str) -> list[str]:
        """Names that differ from this one in spelling only; the name itself alone where it is there."""
        if name in self.files or name in self.others:
            return [name]
        if self._folded is None:
            self._folded = {}
            for own in sorted([*self.files, *self.others]):
                self._folded.setdefault(folded(own), []).append(own)
        return self._folded.get(folded(name), [])


class Listing:
    """The files under a folder. Links are followed only to what lies under it too, unless `outside` is allowed.

    Devices, pipes and sockets are no files. Names that are no text (not UTF-8) are passed over.
    """

    def __init__(self, root: Path, outside: bool = False) -> None:
        self.root, self._outside = root, outside
        self._real = os.path.realpath(root)
        self._folders: dict[str, Folder | None] = {}
        self._held = 0
        self._ends: dict[str, list[str]] | None = None
        self.whole = True

    def folder(self, path: str) -> Folder | None:
        """The folder of a path relative to the root, `""` being the root; None where there is none to read."""
        if path in self._folders:
            return self._folders[path]
        found: Folder | None = None
        above, _, name = path.rpartition("/")
        if path == "":
            found = self._scan("")
        elif name not in ("", ".", "..") and path.count("/") < _DEEPEST * 4:
            parent = self.folder(above)
            kind = None if parent is None else parent.others.get(name)
            if parent is not None and parent.unlisted:
                kind = "link"
            if kind == "folder" or (kind == "link" and self._inside(path)):
                found = self._scan(path)
        if self._held > MOST_LISTED:
            self._folders.clear()
            self._held = 0
        self._folders[path] = found
        return found

    def _scan(self, path: str) -> Folder | None:
        files: set[str] = set()
        others: dict[str, str] = {}
        try:
            with os.scandir(self.root / path) as entries:
                for entry in entries:
                    if not _is_text(entry.name):
                        continue
                    if entry.is_file(follow_symlinks=False):
                        files.add(entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        others[entry.name] = "folder"
                    else:
                        others[entry.name] = "link" if entry.is_symlink() else "other"
        except PermissionError:
            return Folder(files, others, unlisted=True)
        except OSError:
            return None
        self._held += len(files) + len(others)
        return Folder(files, others)

    def _inside(self, path: str) -> bool:
        """Whether a path leads to something under the root, links followed."""
        real = os.path.realpath(os.path.join(self._real, path))  # noqa: PTH118
        return self._outside or real == self._real or real.startswith(self._real.rstrip("/") + "/")

    def is_file(self, path: str) -> str | None:
        """Why no file is at exactly this relative path: None where one is, `""` where nothing is there."""
        above, _, name = path.rpartition("/")
        folder = self.folder(above)
        if folder is None:
            return ""
        if name in folder.files:
            return None
        kind = folder.others.get(name, "link" if folder.unlisted else "")
        if kind == "folder":
            return "is a folder, no file"
        if kind == "other":
            return "is a device, pipe or socket, no file"
        if kind == "":
            return ""
        try:
            mode = (self.root / path).stat().st_mode
        except OSError:
            return "is a link to nothing" if name in folder.others else ""
        if not self._inside(path):
            return f"is a link to what lies outside {self.root}; pass --allow-outside to read it"
        return None if stat.S_ISREG(mode) else "is no file"

    def spelt(self, parts: list[str]) -> list[str]:
        """Files that a relative path may mean when spelling is let differ, at most two: exact names go first."""
        at = [""]
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            reached = []
            for path in at:
                folder = self.folder(path)
                for name in folder.spelt(part) if folder is not None else ():
                    step = f"{path}/{name}" if path else name
                    if not last or self.is_file(step) is None:
                        reached.append(step)
            at = reached[:2]
        return at

    def named(self, *parts: str) -> list[str]:
        """Files anywhere under the root of this name, or of this folder and name, spelling let differ; in order."""
        if self._ends is None:
            self._ends = {}
            last, above = None, ""
            for path in self._walk():
                folder, _, name = path.rpartition("/")
                if folder != last:
                    last, above = folder, folded(folder.rpartition("/")[2])
                name = folded(name)
                self._ends.setdefault(name, []).append(path)
                if folder:
                    self._ends.setdefault(f"{above}/{name}", []).append(path)
        return self._ends.get("/".join(map(folded, parts)), [])

    def stems(self) -> Iterator[tuple[str, str]]:
        """Every file under the root: its folded name without ending, and its path."""
        self.named("")
        for name, paths in (self._ends or {}).items():
            for path in paths if "/" not in name else ():
                yield name.rpartition(".")[0] or name, path

    def _walk(self) -> Iterator[str]:
        """Files under the root, folders and names in order; hidden ones and linked folders are passed over."""
        waiting, seen = [""], 0
        while waiting:
            path = waiting.pop()
            folder = self.folder(path)
            if folder is None:
                continue
            names = [*folder.files, *(n for n, k in folder.others.items() if k == "link")]
            for name in sorted(names):
                step = f"{path}/{name}" if path else name
                if name.startswith(".") or (
                    name not in folder.files and self.is_file(step) is not None
                ):
                    continue
                seen += 1
                if seen > MOST_FOUND:
                    self.whole = False
                    return
                yield step
            if path.count("/") < _DEEPEST:
                deeper = sorted(n for n, k in folder.others.items() if k == "folder")
                waiting += [
                    f"{path}/{n}" if path else n
                    for n in reversed(deeper)
                    if not n.startswith(".") and not n.endswith(".p3i")
                ]


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)
