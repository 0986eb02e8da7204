"""What an index's folder holds of its own: files and folders, and no link.

An index is a folder that is copied and handed on, and archives keep links. A link among its files would lead a
change, or a removal, to files that are somebody else's; a pipe or device would be waited for. So an index with one of
these in it is neither read nor changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from prom3e_index.errors import BundleError

OWNED = (
    "segments", "deleted", "generations", "embeddings", "vectors", "faiss", "metadata.duckdb",
    "metadata.duckdb.wal", "records.arrow", "rejected.parquet", "statistics.json",
    "species.npy", "confidence",
)  # fmt: skip
"""What an index's folder holds beside its manifest; other files there are somebody else's."""
_BESIDES = ("manifest.json", "manifest.json.new", ".lock", "policy.log.jsonl")


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything under a folder, at any depth; no link is followed, what vanishes meanwhile is passed over."""
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                here = list(found)
        except FileNotFoundError:
            continue
        for entry in here:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def refuse_links(folder: Path, names: Iterable[str] = ()) -> None:
    """Refuse an index in which something of its own is a link, or neither file nor folder.

    Args:
        folder: The index's; it may itself be reached through a link.
        names: Further names under it that its manifest gives.

    Raises:
        BundleError: Names the first.
    """
    tops = dict.fromkeys((*_BESIDES, *OWNED, *(n.partition("/")[0] for n in names)))
    for top in tops:
        path = folder / top
        try:
            mode = path.lstat().st_mode  # once: a change beside may take it away between two looks
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISLNK(mode):
            raise _link(path, folder)
        if stat.S_ISDIR(mode):
            refuse_links_under(path, folder)
        elif not stat.S_ISREG(mode):
            raise _no_file(path)


def refuse_links_under(folder: Path, of: Path | None = None) -> None:
    """Refuse a folder that is a link, or has one, a pipe, socket or device in it at any depth.

    Args:
        folder: It may be absent.
        of: What the message calls the whole; the folder when None.

    Raises:
        BundleError: Names it.
    """
    if folder.is_symlink():
        raise _link(folder, of or folder)
    if folder.is_dir():
        for entry in entries(folder):
            if entry.is_symlink():
                raise _link(Path(entry.path), of or folder)
            if not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
                if os.path.lexists(entry.path):  # else it has vanished since
                    raise _no_file(Path(entry.path))


def _link(path: Path, of: Path) -> BundleError:
    return BundleError(
        f"{path} is a link; {of} must hold its own files, or a change would reach what the link leads to. "
        "Put a copy of the file or folder in its place, or remove the link."
    )


def _no_file(path: Path) -> BundleError:
    return BundleError(
        f"{path} is neither a file nor a folder but a pipe, socket or device; remove it."
    )
