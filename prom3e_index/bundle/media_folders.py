"""Where the files of observations are: where they were when the index was built, or where they have moved since."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

_PLAIN = re.compile(r"(?!\.\.?(?:/|$))[\w.-]+(?:/(?!\.\.?(?:/|$))[\w.-]+)*")
"""A relative path as it is usually written, which needs no parsing."""


def is_remote(cell: str) -> bool:
    """Whether a media cell is an address and no file."""
    return _REMOTE.match(cell) is not None


def beside(index: Path, media: Path) -> str | None:
    """A media folder as seen from the index, for both to be moved together; None where only `/` holds both."""
    media, index = media.resolve(), index.resolve()
    if os.path.commonpath([media, index]) == os.path.sep:
        return None
    return os.path.relpath(media, index)


class MediaFolders:
    """The folders that the media paths of a segment may start from.

    Args:
        entry: The segment in the manifest: `media` is the folder as it was last known, `beside` the same seen from the
            index, `built_media` that of the build where `relocate` has noted another since. `folders` has the same of
            other folders, whose files the segment names by whole paths.
        index: The index's folder.
        given: Where the files are now, as a user says.
        alien: Whether the entry is of a store, which others may write to: what it names is told, but files lie `below`
            what a user says alone.
    """

    def __init__(
        self,
        entry: Mapping[str, Any],
        index: Path,
        given: Path | None = None,
        *,
        alien: bool = False,
    ) -> None:
        self._known = Path(str(entry["media"]))
        self._built = Path(str(entry.get("built_media") or entry["media"]))
        seen = entry.get("beside")
        together = [Path(os.path.normpath(index.absolute() / str(seen)))] if seen else []
        self._folders = [*([given.absolute()] if given else []), self._known, *together]
        # one where nothing has moved: then no disk is asked where a file is
        self._starts = list(dict.fromkeys(str(folder / "x")[:-1] for folder in self._folders))
        others = entry.get("folders") or ()
        self._others = [
            MediaFolders({**e, "folders": ()}, index, given, alien=alien) for e in others
        ]
        self._open = ([given.absolute()] if given else []) if alien else self._folders

    def file(self, cell: str) -> str:
        """The path of a medium: the first that is there, else where it would be; an address stays as it is.

        Paths that were written whole, of files in the folder of the build, move with that folder.
        """
        if is_remote(cell):
            return cell
        inside = cell if _PLAIN.fullmatch(cell) else self._inside(cell)
        if inside is None:
            other = next((o for o in self._others if o.holds(cell)), None)
            return cell if other is None else other.file(cell)
        paths = [f"{start}{inside}" for start in self._starts]
        if len(paths) == 1:
            return paths[0]
        return next((p for p in paths if os.path.lexists(p)), paths[0])

    def below(self, file: str) -> bool:
        """Whether a file lies in one of the folders, and not where a whole path, `..` or a link leads out of them."""
        try:
            real = Path(os.path.realpath(file))
        except (OSError, ValueError):  # a name that no file can have
            return False
        known = [f for each in (self, *self._others) for f in each._open]
        return any(real.is_relative_to(os.path.realpath(f)) for f in known)

    def holds(self, cell: str) -> bool:
        """Whether a medium is one of this folder, and not of `folders` or somewhere else."""
        return not is_remote(cell) and self._inside(cell) is not None

    def _inside(self, cell: str) -> Path | None:
        """A medium's path below the folder; None where it lies elsewhere."""
        path = Path(cell)
        if not path.is_absolute():
            return path
        start = next((f for f in (self._built, self._known) if path.is_relative_to(f)), None)
        return None if start is None else path.relative_to(start)
