"""A folder of photos and recordings without a table: a row for each file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError
from prom3e_index.tables.file_names import RAWS, folder_name, read_name
from prom3e_index.tables.kinds import ending, kind_of
from prom3e_index.tables.looks import is_hidden
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

MOST_FILES = 5_000_000
_THUMBNAILS = frozenset(("@eadir", "thumbs", "thumbnails", "thumbnail", "_thumbs", "lost.dir"))
_SIDECARS = frozenset((".xmp", ".thm", ".aae", ".pp3", ".gpi", ".pkf", ".asd", ".reapeaks", ".sfk"))
_SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "dev"))
COLUMNS = (
    "id",
    "image",
    "audio",
    "eventDate",
    "scientificName",
    "vernacularName",
    "catalogNumber",
    "folder",
)
_ORIGIN = dict.fromkeys(COLUMNS, "file names") | {
    "scientificName": "folder and file names",
    "vernacularName": "folder and file names",
}


@dataclass
class Walked:
    """The files under a folder.

    Attributes:
        files: Paths of those that may matter, relative to the folder, with `/`, sorted.
        passed: Why others were passed over → how many.
    """

    files: list[str] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)


def walk(folder: Path, most: int = MOST_FILES) -> Walked:
    """All files under a folder at any depth; linked folders are not entered.

    Raises:
        TableError: There are more than `most`.
    """
    out = Walked()
    for top, folders, names in os.walk(folder):
        for name in [f for f in folders if is_hidden(f) or f.lower() in _THUMBNAILS]:
            folders.remove(name)
            out.passed["folders that are hidden or hold thumbnails"] += 1
        linked = sum((Path(top) / f).is_symlink() for f in folders)
        if linked:
            out.passed["links to folders"] += linked
        base = Path(top).relative_to(folder).as_posix()
        for name in names:
            if is_hidden(name):
                out.passed["hidden files"] += 1
            elif PurePosixPath(name).suffix.lower() in _SIDECARS:
                out.passed["sidecars (.xmp and the like)"] += 1
            else:
                out.files.append(name if base == "." else f"{base}/{name}")
        if len(out.files) > most:
            raise TableError(
                f"{folder} holds more than {most:,} files; name a folder of photos or recordings within it."
            )
    out.files.sort()
    return out


def holds_media(folder: Path) -> bool:
    """Whether a photo or recording lies under a folder."""
    for _, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not (is_hidden(f) or f.lower() in _THUMBNAILS)]
        if any(kind_of(n) and not is_hidden(n) for n in names):
            return True
    return False


def listing(folder: Path) -> list[str]:
    """The names that a folder of media is read from, in order."""
    return walk(folder).files


def open_folder(path: Path) -> Source:
    """A row for each photo, recording and video under a folder, in the order of their paths.

    Its id is the path; date, archive number and names come from the file's name, a name from its folder where that
    reads as one. Of a raw photo beside its JPEG the JPEG counts.
    """
    walked = walk(path)
    media = [p for p in walked.files if kind_of(p)]
    stems = {
        str(PurePosixPath(p).with_suffix(""))
        for p in media
        if not _raw(p) and kind_of(p) == "image"
    }
    double = {p for p in media if _raw(p) and str(PurePosixPath(p).with_suffix("")) in stems}
    rows = [p for p in media if p not in double]
    said: list[str] = []
    if double:
        said.append(
            f"{len(double):,} raw photos lie beside a JPEG of the same name, which is read instead."
        )
    for why, count in sorted(walked.passed.items()):
        said.append(f"{count:,} {why} were passed over.")
    said += _others([p for p in walked.files if not kind_of(p)])
    cells = [_cells(p) for p in rows]
    columns = [c for i, c in enumerate(COLUMNS) if i == 0 or any(r[i] for r in cells)]
    said += _taken(cells)
    kept = [COLUMNS.index(c) for c in columns]

    def read(size: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for at in range(0, len(cells), size):
            part = cells[at : at + size]
            yield pa.RecordBatch.from_arrays(
                [pa.array([r[i] for r in part], pa.string()) for i in kept], names=columns
            )

    facts = {"rows": len(rows), "files": len(walked.files)}
    return Source("media-folder", columns, path, read, facts, said, origin=_ORIGIN)


def _raw(path: str) -> bool:
    return ending(path) in RAWS


def _cells(path: str) -> tuple[str | None, ...]:
    pure = PurePosixPath(path)
    named = read_name(pure.name)
    kind = kind_of(path)
    parents = pure.parts[:-1]
    folder = parents[-1] if parents else None
    labelled = any(p.lower() in _SPLITS for p in parents[:-1])
    name, common = named.scientific_name, named.common_name
    if folder and not (name or common):
        name, common = folder_name(folder, labelled)
    return (
        path,
        path if kind != "audio" else None,
        path if kind == "audio" else None,
        named.taken,
        name,
        common,
        named.catalogue,
        "/".join(parents) or None,
    )


def _taken(cells: list[tuple[str | None, ...]]) -> list[str]:
    """What was taken from names, in numbers."""
    said = []
    total = len(cells)
    for i, what in ((3, "a date"), (6, "an archive number")):
        count = sum(r[i] is not None for r in cells)
        if count:
            said.append(f"{count:,} of {total:,} files have {what} in their name.")
    for i, what in ((4, "scientific"), (5, "common")):
        found = Counter(str(r[i]) for r in cells if r[i])
        if found:
            some = ", ".join(f"'{n}' ({c:,})" for n, c in sorted(found.items())[:5])
            more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
            said.append(
                f"{sum(found.values()):,} of {total:,} files have a {what} name, from their folder or name: "
                f"{some}{more}."
            )
    return said


def _others(names: list[str]) -> list[str]:
    """What is said of files that are no media."""
    if not names:
        return []
    kinds = Counter(PurePosixPath(n).suffix.lower() or "no ending" for n in names)
    most = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(4))
    tables = [
        n
        for n in names
        if PurePosixPath(n).suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet", ".json")
    ]
    hint = f" To read a table name it: {tables[0]}." if tables else ""
    return [f"{len(names):,} other files were passed over ({most}).{hint}"]
