"""A table in parts: a folder of Parquet, CSV, JSON or Arrow files that are one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from prom3e_index.errors import TableError
from prom3e_index.tables.arrow_files import is_arrow, open_arrow
from prom3e_index.tables.databases import open_parquets
from prom3e_index.tables.folders import walk
from prom3e_index.tables.json_tables import open_json
from prom3e_index.tables.looks import Look
from prom3e_index.tables.source import Source, check_encoding, unique_names
from prom3e_index.tables.text import open_text

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PARTS = 100_000
_PAPERS = (
    "readme", "license", "licence", "citation", "citations", "rights", "changelog", "metadata.xml", "eml.xml",
    "notice", "checksum", "checksums", "manifest", "md5sums", "sha256sums",
)  # fmt: skip
_NO_PARTS = (
    ".md",
    ".html",
    ".htm",
    ".xml",
    ".pdf",
    ".r",
    ".py",
    ".crc",
    ".md5",
    ".sha256",
    ".log",
    ".yml",
    ".yaml",
)
_SHARED = 0.5
"""Parts of one table share at least this much of their columns."""


def part_files(folder: Path) -> list[str]:
    """Files that may be parts, relative to the folder, sorted; what accompanies data is left out."""
    names = walk(folder, MOST_PARTS).files
    return [
        n for n in names
        if not n.lower().endswith(_NO_PARTS) and not n.rpartition("/")[2].lower().startswith(_PAPERS)
    ]  # fmt: skip


def part_kind(path: Path) -> str | None:
    """`parquet`, `arrow`, `json` or `text`, by a file's first bytes; None for anything else or an empty file."""
    if not path.stat().st_size:
        return None
    look = Look(path)
    if look.parquet:
        return "parquet"
    if is_arrow(look):
        return "arrow"
    if look.zipped or b"\0" in look.inner[:4096]:
        return None
    return "json" if look.text.startswith(("{", "[")) else "text"


def is_parts(look: Look) -> bool:
    """Whether a folder holds nothing but tables of one kind."""
    if not look.folder:
        return False
    names = part_files(look.path)
    kinds = {part_kind(look.path / n) for n in names if (look.path / n).stat().st_size}
    return len(kinds) == 1 and None not in kinds


def open_parts(path: Path, table: str | None = None, encoding: str | None = None) -> Source:
    """The rows of all parts, in the order of their paths; columns are matched by name.

    Names of folders such as `year=2023` are columns.

    Raises:
        TableError: The parts are of several kinds, or share too few columns to be one table.
    """
    names = part_files(path)
    if table is not None:
        if table not in names:
            raise TableError(f"{path} holds {', '.join(names[:12])}, not {table!r}.")
        names = [table]
    names = [n for n in names if (path / n).stat().st_size]
    kinds = {n: part_kind(path / n) for n in names}
    if not names or len(set(kinds.values())) > 1 or None in kinds.values():
        raise TableError(f"{path} holds files of several kinds ({', '.join(names[:8])}); name one.")
    kind = kinds[names[0]]
    if kind != "text":
        check_encoding(f"{path} ({kind} files)", encoding)
    if kind == "parquet":
        return open_parquets(path, names)
    opened = {n: _open(path / n, str(kind), encoding) for n in names}
    return joined_parts(path, "parts", opened)


def _open(path: Path, kind: str, encoding: str | None) -> Source:
    if kind == "arrow":
        return open_arrow(path)
    if kind == "json":
        return open_json(path)
    return open_text(path, "tsv" if path.suffix.lower() == ".tsv" else "csv", encoding)


def check_shared(path: Path, columns: dict[str, list[str]]) -> str | None:
    """What is said of parts whose columns differ.

    Raises:
        TableError: Two share less than half of their columns, so they are no parts of one table.
    """
    sets = {name: {c.lower() for c in cols} for name, cols in columns.items()}
    first = max(sets, key=lambda n: len(sets[n]))
    for name, own in sets.items():
        if len(own & sets[first]) < _SHARED * len(own):
            raise TableError(
                f"{path} holds different tables: {name} and {first} share {len(own & sets[first])} of {len(own)} "
                "columns. Name one of them."
            )
    every = set.union(*sets.values())
    lacking = {c: sum(c not in s for s in sets.values()) for c in sorted(every)}
    lacking = {c: n for c, n in lacking.items() if n}
    if not lacking:
        return None
    some = ", ".join(f"{c} ({n:,} of {len(sets):,} parts)" for c, n in list(lacking.items())[:5])
    more = f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
    return f"{len(lacking):,} columns are not in every part; their cells are empty there: {some}{more}."


def of_folders(name: str) -> dict[str, str | None]:
    """Columns and values that the folders of a part say: `year=2023/part-0` → year: 2023."""
    found: dict[str, str | None] = {}
    for folder in name.split("/")[:-1]:
        key, equals, value = folder.partition("=")
        if key and equals:
            found[unquote(key)] = None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
    return found


def joined_parts(path: Path, format: str, parts: dict[str, Source]) -> Source:
    """One source of several, one after another; columns are matched by name, whatever their case."""
    said = [s] if (s := check_shared(path, {n: p.columns for n, p in parts.items()})) else []
    columns: dict[str, str] = {}
    for name, part in parts.items():
        for column in (*part.columns, *of_folders(name)):
            columns.setdefault(column.lower(), column)
    rejected: list[tuple[int | None, str]] = []
    facts: dict[str, Any] = {"parts": len(parts)}
    names = unique_names(columns.values())
    own: list[str] = list(said)

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        rejected.clear()
        said[:] = own
        total = 0
        for name, part in parts.items():
            fixed = of_folders(name)
            for batch in part.read(rows):
                total += batch.num_rows
                yield _aligned(batch, list(columns), names, fixed)
            rejected.extend((line, f"{name}: {reason}") for line, reason in part.rejected)
            total += len(part.rejected)
            said.extend(f"{name}: {s}" for s in part.said)
        facts["rows"] = total

    keep = [k for p in parts.values() for k in p.keep]
    origin = {c: own for p in parts.values() for c, own in p.origin.items()}
    base = path if path.is_dir() else path.parent
    return Source(
        format, names, base, read, facts, said, rejected=rejected, origin=origin, keep=keep
    )


def _aligned(
    batch: pa.RecordBatch, columns: list[str], names: list[str], fixed: dict[str, str | None]
) -> pa.RecordBatch:
    import pyarrow as pa

    own = {n.lower(): i for i, n in enumerate(batch.schema.names)}
    given = {k.lower(): v for k, v in fixed.items()}
    arrays = []
    for key in columns:
        if key in own:
            arrays.append(batch.column(own[key]))
        else:
            arrays.append(pa.array([given.get(key)] * batch.num_rows, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, names=names)
