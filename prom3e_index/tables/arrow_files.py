"""Arrow IPC files and streams, such as Feather files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.errors import TableError
from prom3e_index.tables.looks import Look
from prom3e_index.tables.source import Source, readable, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

_STREAM = b"\xff\xff\xff\xff"


@contextmanager
def undamaged(what: str) -> Iterator[None]:
    """Turn what Arrow and GDAL raise on damaged files into `TableError`s of one line."""
    try:
        with readable(what):
            yield
    except TableError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        reason = (str(e).splitlines() or [type(e).__name__])[0]
        raise TableError(f"{what} cannot be read: {reason[:200]}") from e


def is_arrow(look: Look) -> bool:
    """Whether it is an Arrow file or stream; Feather of before 2020 is another format."""
    return look.head.startswith((b"ARROW1\0\0", b"FEA1\0")) or (
        look.head.startswith(_STREAM)
        and look.path.suffix.lower() in (".arrow", ".arrows", ".ipc", ".feather")
    )


def open_arrow(path: Path) -> Source:
    """A row for each row of an Arrow file, in its order; one batch of it is in memory.

    Raises:
        TableError: Damaged, or Feather of version 1.
    """
    with path.open("rb") as f:
        head = f.read(8)
    if head.startswith(b"FEA1"):
        raise TableError(
            f"{path} is a Feather file of version 1; write it again with pyarrow.feather.write_feather."
        )
    with undamaged(f"{path}, as Arrow,"):
        schema = _schema(path, head)
    columns = unique_names(schema.names)

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        with undamaged(f"{path}, as Arrow,"):
            for batch in _batches(path, head):
                batch.validate(full=True)
                for at in range(0, batch.num_rows, rows):
                    yield _plain(batch.slice(at, rows), columns)

    with undamaged(f"{path}, as Arrow,"):
        total = sum(b.num_rows for b in _batches(path, head))
    return Source("arrow", columns, path.parent, read, {"rows": total})


def _schema(path: Path, head: bytes) -> pa.Schema:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if head.startswith(_STREAM):
            return pa.ipc.open_stream(source).schema
        return pa.ipc.open_file(source).schema


def _batches(path: Path, head: bytes) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if head.startswith(_STREAM):
            yield from pa.ipc.open_stream(source)
            return
        reader = pa.ipc.open_file(source)
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)


def _plain(batch: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
    """Categories (dictionaries) as their values."""
    import pyarrow as pa

    arrays = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=columns)
