"""Folders of media with a metadata file, as the `datasets` library of Hugging Face lays them out.

Source: https://huggingface.co/docs/datasets/image_dataset and audio_dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from prom3e_index.tables.databases import open_parquet
from prom3e_index.tables.file_names import folder_name
from prom3e_index.tables.folders import walk
from prom3e_index.tables.joined import NUMBER, Joined, quoted
from prom3e_index.tables.json_tables import open_json
from prom3e_index.tables.kinds import kind_of
from prom3e_index.tables.looks import Look
from prom3e_index.tables.source import Source
from prom3e_index.tables.text import open_text

if TYPE_CHECKING:
    import pyarrow as pa

_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "filename"


def metadata_files(folder: Path) -> list[Path]:
    """The metadata files of a folder and of the folders within it, two deep, sorted."""
    found = [p for depth in ("", "*/", "*/*/") for n in _NAMES for p in folder.glob(depth + n)]
    return sorted(p for p in found if p.is_file())


def is_imagefolder(look: Look) -> bool:
    """Whether a folder has metadata files with a column `file_name`."""
    files = metadata_files(look.path)
    return bool(files) and any(c.replace("_", "").endswith(_FILE) for c in _columns(files[0]))


def _columns(path: Path) -> list[str]:
    return [c.lower() for c in _open(path).columns]


def _open(path: Path) -> Source:
    if path.suffix == ".jsonl":
        return open_json(path)
    return open_parquet(path) if path.suffix == ".parquet" else open_text(path, "csv")


def open_imagefolder(path: Path) -> Source:
    """A row for each row of the metadata files, in their order; a file is named relative to its metadata file.

    Media that no metadata names are counted, and give no row.
    """
    tables = Joined()
    files = metadata_files(path)
    parts: list[tuple[str, str]] = []
    for i, file in enumerate(files):
        base = file.parent.relative_to(path).as_posix()
        label = file.relative_to(path).as_posix()
        tables.add(f"part {i}", {label: _open(file)})
        parts.append((f"part {i}", "" if base == "." else base + "/"))
    columns: dict[str, str] = {}
    for name, _ in parts:
        for key, column in tables.columns[name].items():
            columns.setdefault(key, column)
    files_of = [k for k in columns if k.endswith(_FILE)]
    selects = []
    for i, (name, base) in enumerate(parts):
        known = tables.columns[name]
        cells = [
            (f"'{base.replace(chr(39), chr(39) * 2)}' || " if key in files_of else "")
            + (quoted(known[key]) if key in known else "CAST(NULL AS VARCHAR)")
            + f" AS {quoted(column)}"
            for key, column in columns.items()
        ]
        selects.append(f"SELECT {i} AS part, {NUMBER}, {', '.join(cells)} FROM {quoted(name)}")
    query = f"SELECT * EXCLUDE (part, {NUMBER}) FROM ({' UNION ALL '.join(selects)}) ORDER BY part, {NUMBER}"
    rows = sum(tables.count(name) for name, _ in parts)
    source = tables.source(
        "imagefolder",
        query,
        path,
        {"rows": rows, "tables": ", ".join(str(f.relative_to(path)) for f in files)},
        [],
    )
    _typed(source, [columns[k] for k in files_of], tables, query, path)
    return source


def _typed(source: Source, files: list[str], tables: Joined, query: str, folder: Path) -> None:
    """Give the file columns as `image` and `audio`, and count the media that no row names."""
    named: set[str] = set()
    for column in files:
        for (cell,) in tables.con.execute(f"SELECT {quoted(column)} FROM ({query})").fetchall():
            if cell:
                named.add(str(PurePosixPath(str(cell))))
    have = {p for p in walk(folder).files if kind_of(p)}
    if have - named:
        source.said.append(
            f"{len(have - named):,} media files are named by no metadata and give no row."
        )
    plain, lower = source.read, {c.lower() for c in source.columns}
    added = [n for n in ("image", "audio", "folder") if n not in lower]
    labels = (
        "scientificName"
        if not lower & {"scientificname", "scientific_name", "species", "label"}
        else None
    )

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in plain(rows):
            out = dict(zip(batch.schema.names, batch.columns, strict=True))
            cells = [
                [c for c in row if c]
                for row in zip(*(out[f].to_pylist() for f in files), strict=True)
            ]
            kinds = [[(kind_of(p), p) for p in row] for row in cells]
            made = {
                "image": [[p for k, p in row if k in ("image", "video")] or None for row in kinds],
                "audio": [[p for k, p in row if k == "audio"] or None for row in kinds],
            }
            folders = [PurePosixPath(row[0]).parent.as_posix() if row else None for row in cells]
            for name in added:
                if name == "folder":
                    out[name] = pa.array(folders, pa.string())
                else:
                    out[name] = pa.array(made[name], pa.list_(pa.string()))
            if labels:
                names = [
                    folder_name(PurePosixPath(f).name, True)[0] if f else None for f in folders
                ]
                out[labels] = pa.array(names, pa.string())
            yield pa.RecordBatch.from_pydict(out)

    made = dict.fromkeys(added, " + ".join(files)) | ({labels: "folder"} if labels else {})
    source.origin.update(made)
    source.read = read
    source.columns = [*source.columns, *added, *([labels] if labels else [])]
