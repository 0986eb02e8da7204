"""Files that every machine of a cluster sees: a folder they share, or a bucket. Each is there whole or not at all."""

from __future__ import annotations

import errno
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from prom3e_index.errors import InputError

Read = TypeVar("Read")
_LOOKS = 16
"""Files that are looked into at the same time."""
NO_NAME = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of a name: there is no such file, a folder has that name, a file that of its folder, or it is too long."""
UNFINISHED = ".tmp"
"""Files whose names end so were being written when their writer ended."""
KEY = b"prom3e"
"""Metadata of every Parquet file here: JSON that tells which plan it belongs to."""


def is_address(place: str) -> bool:
    """Whether a place is an address, as `s3://bucket/name`, and no path."""
    return "://" in place


class Storage:
    """A folder of files under one address.

    Attributes:
        place: As it was given; a path is made absolute.
    """

    def __init__(self, place: str) -> None:
        self.place = place if is_address(place) else str(Path(place).absolute())
        if is_address(place):
            try:
                self._files, self._root = pafs.FileSystem.from_uri(place)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
                raise InputError(
                    f"{place} is no address that files can be kept at: {e}. Known are paths, s3://, gs:// and hdfs://."
                ) from e
        else:
            self._files, self._root = pafs.LocalFileSystem(), self.place
        self._root = self._root.rstrip("/")
        self._folders = isinstance(self._files, pafs.LocalFileSystem)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def put(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a file under another name, then give it its own, in place of one that is there."""
        with self.written(name) as f:
            f.write(content)

    @contextmanager
    def written(self, name: str) -> Iterator[Any]:
        """A stream to a file that has its name once the stream is written to its end."""
        folder, _, last = name.rpartition("/")
        temporary = self._at(f"{folder}/.{last}.{uuid.uuid4().hex}{UNFINISHED}".lstrip("/"))
        if self._folders:
            self._files.create_dir(self._at(folder), recursive=True)
        try:
            with self._files.open_output_stream(temporary) as f:
                yield f
        except BaseException:
            with suppress(OSError):
                self._files.delete_file(temporary)
            raise
        self._files.move(temporary, self._at(name))

    def remove_folder(self, name: str) -> None:
        """Take away a folder that is empty, where there are folders."""
        if self._folders:
            with suppress(OSError):
                Path(self._at(name)).rmdir()

    def get(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""
        file = self.open(name)
        if file is None:
            return None
        with file:
            return bytes(file.readall())

    def open(self, name: str) -> Any:
        """A file to read from; None where there is none, or no file can have that name.

        Raises:
            OSError: There is one, or whether there is one cannot be asked.
        """
        try:
            return self._files.open_input_stream(self._at(name))
        except OSError as e:
            if e.errno in NO_NAME or not self.has(name):
                return None
            raise

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return bool(self._files.get_file_info(self._at(name)).type == pafs.FileType.File)

    def names(self, folder: str) -> list[str]:
        """Whole files of a folder, without it in their names, sorted; none where there is no such folder."""
        return sorted(n for n in self._all(folder) if not n.endswith(UNFINISHED))

    def _all(self, folder: str) -> list[str]:
        chosen = pafs.FileSelector(self._at(folder), allow_not_found=True)
        found = self._files.get_file_info(chosen)
        return [f.base_name for f in found if f.type == pafs.FileType.File]

    def clear(self, folder: str, unfinished: bool = False) -> None:
        """Take away a folder's files; `unfinished` alone those that were being written."""
        for name in self._all(folder):
            if not unfinished or name.endswith(UNFINISHED):
                self._files.delete_file(self._at(f"{folder}/{name}"))

    def remove(self, name: str) -> None:
        """Take away a file, if it is there."""
        if self.has(name):
            self._files.delete_file(self._at(name))

    def put_note(self, name: str, values: dict[str, Any]) -> None:
        """Write a small JSON file."""
        self.put(name, json.dumps(values, indent=1).encode())

    def note(self, name: str) -> dict[str, Any] | None:
        """A small JSON file; None where there is none, or it is no such thing."""
        content = self.get(name)
        try:
            values = None if content is None else json.loads(content)
        except ValueError:
            return None
        return values if isinstance(values, dict) else None

    def put_table(self, name: str, table: pa.Table, about: dict[str, Any], **options: Any) -> None:
        """Write a table as Parquet, in one row group; `about` tells what it belongs to."""
        self.put_tables(name, [table], about, **options)

    def put_tables(
        self, name: str, tables: list[pa.Table], about: dict[str, Any], **options: Any
    ) -> None:
        """Write tables of one schema as Parquet, each a row group."""
        schema = tables[0].schema.with_metadata({KEY: json.dumps(about).encode()})
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, schema, compression="zstd", **options) as writer:
            for table in tables:
                whole = table.replace_schema_metadata(schema.metadata)
                writer.write_table(whole, row_group_size=max(1, len(whole)))
        self.put(name, sink.getvalue())

    def open_table(self, name: str) -> tuple[pq.ParquetFile, dict[str, Any]]:
        """A Parquet file that `put_table` wrote, and what it tells of itself.

        Raises:
            FileNotFoundError: There is none.
            InputError: It cannot be read; says to take it away.
        """
        try:
            file = pq.ParquetFile(self._files.open_input_file(self._at(name)))
            return file, json.loads((file.schema_arrow.metadata or {})[KEY])
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException, KeyError, ValueError) as e:
            raise InputError(
                f"{self.place}/{name} is damaged, or no file of this program: {e}. Take it away, and run the command "
                "that wrote it again: it alone is made anew."
            ) from e


def finished(storage: Storage, folder: str, plan: str, key: str) -> dict[int, dict[str, Any]]:
    """The Parquet files of a folder, each looked into: its number, told under `key`, and all that it tells of itself.

    Raises:
        InputError: One is damaged or of another plan.
    """

    def look(name: str) -> dict[str, Any]:
        file, about = storage.open_table(f"{folder}/{name}")
        with file:
            told_plan(about, plan, f"{storage.place}/{folder}/{name}")
        return about

    with ThreadPoolExecutor(_LOOKS) as threads:
        return {int(a[key]): a for a in threads.map(look, storage.names(folder))}


def read_ahead(read: Callable[[int], Read], numbers: range, most: int) -> Iterator[Read]:
    """What is read of each number, in their order, `most` at a time."""
    with ThreadPoolExecutor(most) as threads:
        for at in range(0, len(numbers), most):
            yield from threads.map(read, numbers[at : at + most])


def told_plan(about: dict[str, Any], plan: str, what: str) -> None:
    """Refuse a file that belongs to another plan.

    Raises:
        InputError: It does; says both.
    """
    if about.get("plan") != plan:
        raise InputError(
            f"{what} belongs to the plan {str(about.get('plan'))[:12]}, these are the shards of {plan[:12]}: another "
            "table, model or other settings. Take it away, or name another place: --shards."
        )
