"""Darwin Core Archives: a row per occurrence, with its event and all its media."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.tables.archive_table import table_source
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.linked import Linked
from prom3e_index.tables.media_rows import MediaTable, split_links
from prom3e_index.tables.meta_xml import ArchiveTable, read_meta
from prom3e_index.tables.source import Source, connect
from prom3e_index.tables.text import header

if TYPE_CHECKING:
    import pyarrow as pa

_MEDIA_TYPES = ("multimedia", "image", "audubon", "multimediarecord")
_PARENTS = ("event", "taxon")
_ROWS = 1 << 14
_MEDIA = ("image", "audio")
_CITED, _CITED_LETTERS, _CITED_BYTES = 200, 2_000, 1 << 18
"""Lines of `citations.txt`, letters of a line, bytes of the file that are read at most."""


def open_archive(path: Path) -> Source:
    """Open a Darwin Core Archive: zip, tar or folder.

    A row is one record of the core. Where the core is of events (or of taxa) and the archive has occurrences, a row is
    one occurrence, with the cells of its event where it has none of its own; an event takes place and date of the
    event that it is part of. `image` and `audio` are the lists of all its media, in the order of the files: those of
    the media extensions, else of `associatedMedia`. Media of an event are of its occurrence where it has but one.

    Raises:
        TableError: No archive, or a damaged one.
    """
    keep: list[Any] = []
    folder = path
    if not path.is_dir():
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        folder = unpack(path, Path(temporary.name))
        if not (folder / "meta.xml").is_file():
            raise TableError(f"{path} holds no meta.xml; it is no Darwin Core Archive.")
    core, extensions = archive_tables(folder)
    con, spill = connect()
    source = _joined(core, extensions, con)
    source.media = path if path.is_dir() else path.parent
    source.keep = [*keep, *spill, con]
    source.citations = _citations(folder / "citations.txt")
    return source


def _citations(path: Path) -> list[str]:
    """How the archive asks to be cited: the lines of its `citations.txt`; none where it has no such file."""
    try:
        with path.open("rb") as f:
            text = f.read(_CITED_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    lines = (" ".join(line.split())[:_CITED_LETTERS] for line in text.splitlines())
    return [line for line in dict.fromkeys(lines) if line][:_CITED]


UNPACKED = ("occurrence.txt", "multimedia.txt")
"""Files of a GBIF download that are an archive without their `meta.xml` too."""


def archive_tables(folder: Path) -> tuple[ArchiveTable, list[ArchiveTable]]:
    """The core and the extensions of an unpacked archive; of a GBIF download without `meta.xml` by their headers.

    Raises:
        TableError: See `read_meta`.
    """
    if (folder / "meta.xml").is_file() or not all((folder / n).is_file() for n in UNPACKED):
        return read_meta(folder)
    tables = []
    for name, kind in zip(UNPACKED, ("Occurrence", "Multimedia"), strict=True):
        columns, _, encoding = header(folder / name, "\t")
        key = next((i for i, c in enumerate(columns) if c.lower() in ("gbifid", "id", "coreid")), 0)
        tables.append(
            ArchiveTable((folder / name,), tuple(columns), {}, {}, key, "\t", "", 1, encoding, kind)
        )
    return tables[0], tables[1:]


def _joined(core: ArchiveTable, extensions: list[ArchiveTable], con: Any) -> Source:
    """The rows of an archive with what belongs to them."""
    kind = core.row_type.lower()
    occurrences = [e for e in extensions if e.row_type.lower() == "occurrence"]
    part_of = kind in _PARENTS and bool(occurrences)
    table = occurrences[0] if part_of else core
    rows = table_source(table)
    parent = (table_source(core), core.key) if part_of else None
    media = [
        MediaTable(table_source(e), e.key) for e in extensions if e.row_type.lower() in _MEDIA_TYPES
    ]
    media = [m for m in media if m.links or m.page]
    names = list(rows.columns)
    if parent and names[table.key] == "coreid":
        names[table.key] = f"{kind}ID"  # of its event: no id of the occurrence
    columns = list(names)
    if parent:
        own = {c.lower() for c in names}
        columns += [c for c in parent[0].columns if c.lower() not in own and c != "coreid"]
    lower = {c.lower(): c for c in reversed(columns)}
    listed = lower.get("associatedmedia")
    of_media = [lower.get(m, m) for m in _MEDIA] if media or listed else []
    columns += [m for m in of_media if m not in columns]
    opening = _opening(core, extensions, table)
    linked = Linked(con, parent, media) if parent or media else None

    def whole(batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        cells: dict[str, Any] = dict(zip(names, batch.columns, strict=True))
        keys = batch.column(table.key)
        if linked is not None:
            linked.saw(keys)
        if linked is not None and parent:
            _add_parent(cells, parent[0].columns, linked.cells_of_parent(keys), lower)
        if of_media:
            found = _nothing(batch.num_rows)
            if linked is not None and media:
                found = linked.media_of(keys, cells.get(lower.get("occurrenceid", "")))
            _add_media(cells, of_media, found, listed)
        return pa.RecordBatch.from_pydict({c: cells[c] for c in columns})

    def read(size: int) -> Iterator[pa.RecordBatch]:
        if linked is not None:
            linked.load(_keys(rows, table.key))
        source.rejected.clear()
        for batch in rows.read(_ROWS):
            done = whole(batch)
            for at in range(0, done.num_rows, size):
                yield done.slice(at, size)
        parts = [rows, *([parent[0]] if parent else []), *(m.source for m in media)]
        source.facts |= rows.facts
        source.rejected.extend(r for part in parts for r in part.rejected)
        source.said[:] = [*opening, *(s for part in parts for s in part.said)]
        if linked is not None:
            source.said += linked.found(core.row_type)

    source = Source("dwca", columns, rows.media, read, dict(rows.facts), [*opening, *rows.said])
    return source


def _opening(core: ArchiveTable, extensions: list[ArchiveTable], table: ArchiveTable) -> list[str]:
    """What can be said of an archive before it is read."""
    said = [f"The extension file {name} that meta.xml names is not there." for name in core.absent]
    unread = [
        e.row_type or e.paths[0].name
        for e in extensions
        if e is not table and e.row_type.lower() not in _MEDIA_TYPES
    ]
    if unread:
        said.append(f"Extensions that are not read: {', '.join(unread)}.")
    if core.row_type.lower() == "taxon" and table is core:
        said.append(
            "The archive is a checklist (its core is Taxon): a row is a taxon, not an observation."
        )
    return said


def _keys(rows: Source, at: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in rows.read(_ROWS):
        yield pa.record_batch([batch.column(at)], ["key"])


def _nothing(n: int) -> list[Any]:
    import pyarrow as pa

    return [pa.nulls(n, pa.list_(pa.string()))] * len(_MEDIA)


def _add_parent(
    cells: dict[str, Any], names: list[str], found: list[Any], lower: dict[str, str]
) -> None:
    """Fill the cells that a row lacks with those of its parent."""
    import pyarrow.compute as pc

    for name, values in zip(names, found, strict=True):
        known = lower.get(name.lower())
        if known in cells:
            cells[known] = pc.coalesce(cells[known], values)
        elif known is not None:
            cells[known] = values


def _add_media(
    cells: dict[str, Any], of_media: list[str], found: list[Any], listed: str | None
) -> None:
    """Lists of media: of the extensions, else of `associatedMedia`, else of a column of the table's own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.list_(pa.string())
    lists = list(found)
    if listed is not None:
        pairs = [split_links(c) for c in cells[listed].to_pylist()]
        lists = [
            pc.coalesce(own, pa.array([p[i] or None for p in pairs], kind))
            for i, own in enumerate(lists)
        ]
    for name, values in zip(of_media, lists, strict=True):
        own = cells.get(name)
        if own is not None:
            values = pc.coalesce(
                values, pa.array([[c] if c else None for c in own.to_pylist()], kind)
            )
        cells[name] = values
