"""Writing an index, or some of its rows, in a format of other software; with whose it is and how it is cited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, near_names
from prom3e_index.exports.attribution import ATTRIBUTION, CITATION, DERIVED, SIGNS, Attribution
from prom3e_index.exports.cells import NEEDED, RESOLUTION, check_resolution, write_cells
from prom3e_index.exports.dwca import write_archive
from prom3e_index.exports.eml import About
from prom3e_index.exports.geopackage import write_geopackage
from prom3e_index.exports.geoparquet import write_geoparquet
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.tables import write_csv, write_embeddings, write_geojson, write_parquet
from prom3e_index.search.filtered import none_left
from prom3e_index.search.run import Bundle
from prom3e_index.show.endings import format_of, not_the_table
from prom3e_index.show.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

TABLES: dict[str, Callable[[pa.Schema, Iterable[pa.RecordBatch], Path, Mapping[str, Any]], None]]
TABLES = {
    "parquet": write_parquet,
    "csv": write_csv,
    "geojson": write_geojson,
    "gpkg": write_geopackage,
    "geoparquet": write_geoparquet,
}
"""Formats that have a row for each row of the index."""
FORMATS = (*TABLES, "h3", "dwca")
"""Of the observations."""
CONTENTS = {"metadata": FORMATS, "embeddings": ("parquet",)}
"""What of an index is written, and in which formats."""


class Exported(int):
    """How many rows were written: a number, with what is to be known of them.

    Attributes:
        file: What was written.
        format: One of `FORMATS`.
        licence: The licence of the whole, the most restrictive; None of nothing.
        beside: Files that were written beside it: holders, citation, data sets.
        notes: What is to be known: what was left out, and why.
    """

    file: Path
    format: str
    licence: str | None
    beside: tuple[Path, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        rows: int,
        file: Path,
        format: str,
        licence: str | None,
        beside: Iterable[Path] = (),
        notes: Iterable[str] = (),
    ) -> Exported:
        """A number with all of these."""
        made = cls(rows)
        made.file, made.format, made.licence = file, format, licence
        made.beside, made.notes = tuple(beside), tuple(notes)
        return made


def write_export(
    bundle: Bundle,
    path: Path,
    *,
    what: str = "metadata",
    format: str | None = None,
    chosen: Filter | None = None,
    resolution: int = RESOLUTION,
    about: About | None = None,
) -> Exported:
    """Write what `CONTENTS` has of an index; give its rows.

    Args:
        bundle: The index.
        path: The file.
        what: The content.
        format: As `endings.format_of` reads it and the file's ending.
        chosen: Which observations; all of them when None.
        resolution: Of the cells of an H3 table.
        about: What a Darwin Core Archive says of itself.

    Raises:
        InputError: Another content or format, an ending that says another, a path that cannot be written to, or a
            format whose package is not installed.
    """
    if what not in CONTENTS:
        raise InputError(
            f"what is {what!r}; known: {', '.join(CONTENTS)}{near_names(what, list(CONTENTS))}."
        )
    kind = format_of(format, path, CONTENTS[what], None)
    check_resolution(resolution)
    not_the_table(path, bundle.manifest)
    rows = Rows.chosen(bundle, chosen)
    notes = none_left(bundle, chosen) if chosen and not len(rows) else []
    return write_rows(rows, path, kind, what, resolution, about or About(), notes)


def write_rows(
    rows: Rows,
    path: Path,
    format: str,
    what: str = "metadata",
    resolution: int = RESOLUTION,
    about: About | None = None,
    notes: Iterable[str] = (),
) -> Exported:
    """Write some rows in one of `FORMATS`, and beside them whose they are; see `write_export`."""
    said = list(notes)
    if rows.withheld:
        said.append(f"columns of private places are not written: {', '.join(rows.withheld)}")
    if format == "dwca":
        archive = write_archive(rows, path, about or About())
        held = archive.attribution
        return Exported.of(held.rows, path, format, held.licence, (), [*said, *archive.said()])
    attribution = Attribution.of(rows, path.name)
    count = len(rows)
    with beside(path, attribution) as others:
        if what == "embeddings":
            write_embeddings(rows, path)
        elif format == "h3":
            batches = rows.only(NEEDED).batches()
            several = rows.bundle.several
            count, lacking = write_cells(batches, path, resolution, attribution.tags(), several)
            said += [f"in no cell: {n:,} {reason}" for reason, n in lacking.items()]
        else:
            TABLES[format](rows.schema, rows.batches(), path, attribution.tags())
    return Exported.of(count, path, format, attribution.licence, others, said)


@contextmanager
def beside(path: Path, attribution: Attribution) -> Iterator[list[Path]]:
    """Write holders, citation and data sets beside a file, named after it, when the file itself was written.

    They are written before it, and take their places after it: where one of them cannot be written, nothing is.
    Beside what is no file stands nothing.

    Raises:
        InputError: What stands there already is no such file of an earlier export.
    """
    if f"{path}" == "-":
        raise InputError("- is no name of a file; an export is written to a file, as birds.csv.")
    if path.exists() and not path.is_file():
        yield []
        return
    files = {
        name: path.with_name(f"{path.name[:200]}.{name}")
        for name in (ATTRIBUTION, CITATION, DERIVED)
    }
    for name, file in files.items():
        _refuse_foreign(name, file)
    texts = dict(attribution.texts())
    with ExitStack() as stack:
        for name, text in texts.items():
            new = stack.enter_context(replacing(files[name]))
            new.write_text(text, encoding="utf-8", newline="\n")
        yield [files[name] for name in texts]
    for name, file in files.items():
        if name not in texts:
            file.unlink(missing_ok=True)  # of an earlier export of this name


def _refuse_foreign(name: str, file: Path) -> None:
    """Refuse to write over what no export wrote."""
    if not file.is_symlink() and not file.exists():
        return
    if file.is_file():
        with file.open("rb") as f:
            begin = f.read(2_000)
        if not begin or SIGNS[name].encode() in begin:
            return
    raise InputError(
        f"{file} is not {name} of an earlier export, and would be replaced; move it, or export under another name."
    )
