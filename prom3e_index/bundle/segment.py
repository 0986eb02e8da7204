"""A segment: rows that were added together, their arrays and indexes; written once, never changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.held_files import HeldFiles
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.bundle.memory_maps import stored_array
from prom3e_index.bundle.species_codes import FILE as SPECIES
from prom3e_index.errors import BundleError
from prom3e_index.schema import RECORDS

if TYPE_CHECKING:
    from prom3e_index.bundle.faiss.search import Gallery

_MANY = 16
"""Rows of a batch of records for which the whole batch is looked through."""


class Segment:
    """One segment, opened for reading; a target's gallery is opened on first use.

    Attributes:
        name: Folder relative to the index; `.` for the rows of the build.
        rows: Rows, removed ones included.
        first: Row number of its first row in the index.
        media: Folder that its media paths start from, as it was last known.
        folders: Where its files are now.
    """

    def __init__(
        self,
        files: HeldFiles,
        entry: Mapping[str, Any],
        first: int,
        manifest: Mapping[str, Any],
        gpu: bool | str = False,
        media: Path | None = None,
    ) -> None:
        self.name, self.rows, self.first = str(entry["name"]), int(entry["rows"]), first
        self.media = Path(entry["media"])
        self.folders = MediaFolders(entry, files.folder, media)
        self._points: dict[str, dict[str, Any]] = entry["index"]
        self._files, self._manifest, self._gpu = files, manifest, gpu
        self._prefix = "" if self.name == "." else self.name + "/"
        self._lock = threading.RLock()
        self._galleries: dict[str, Gallery] = {}
        self._sound: dict[int, set[str]] = {}

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._files.folder / self.name

    def has(self, name: str) -> bool:
        """Whether the segment has a file of this name."""
        return self._prefix + name in self._files.entries

    def _full_name(self, name: str) -> str:
        if not self.has(name):
            raise BundleError(
                f"{self.folder} has no {name}. Restore the index from a copy, or run prom3e-index rebuild."
            )
        return self._prefix + name

    def read(self, name: str) -> NDArray[np.uint8]:
        """The bytes of an array, the records or the statistics, memory-mapped.

        Raises:
            BundleError: The file is not the one that the manifest describes.
        """
        return self._files.pages(self._full_name(name))

    def array(self, name: str, width: int | None = None, dtype: Any = np.float16) -> NDArray[Any]:
        """A stored array (rows, width), memory-mapped; (rows,) when the width is None.

        Raises:
            BundleError: Damaged, or of another shape than the manifest says.
        """
        try:
            array = stored_array(self.read(name))
        except BundleError:
            raise
        except ValueError as e:
            raise BundleError(
                f"{self.folder / name} is damaged: {e}. Restore it from a copy, or run prom3e-index "
                "rebuild."
            ) from e
        want = (self.rows,) if width is None else (self.rows, width)
        if array.shape != want or array.dtype != dtype:
            raise BundleError(
                f"{self.folder / name} is {array.shape} {array.dtype}, the manifest says {want} "
                f"{np.dtype(dtype)}. Restore it from a copy, or run prom3e-index rebuild."
            )
        return array

    def embeddings(self, modality: str) -> NDArray[np.float16]:
        """(rows, d) encoder embeddings; zero where absent."""
        return self.array(f"embeddings/{modality}.npy", int(self._manifest["width"]))

    def vectors(self, target: str) -> NDArray[np.float16]:
        """(rows, d + z + bias) gallery vectors."""
        m = self._manifest
        width = int(m["width"]) + int(m["hidden_width"]) + int(m.get("bias_width", 0))
        return self.array(f"vectors/{target}.npy", width)

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """(rows, m): which modalities each row has."""
        return self.array("embeddings/present.npy", len(self._manifest["modalities"]), np.bool_)

    @cached_property
    def species(self) -> NDArray[np.int64] | None:
        """(rows,) numbers of the rows' species, see `species_codes`; None in segments of earlier versions."""
        return self.array(SPECIES, None, np.int64) if self.has(SPECIES) else None

    @cached_property
    def _records(self) -> Any:
        if not self.has("records.arrow"):
            return None
        import pyarrow as pa

        try:
            return pa.ipc.open_file(pa.py_buffer(self.read("records.arrow")))
        except pa.ArrowInvalid as e:
            raise self._damaged_records(e) from e

    def _damaged_records(self, reason: Exception) -> BundleError:
        return BundleError(
            f"{self.folder / 'records.arrow'} is damaged: {str(reason).splitlines()[0]}. Run prom3e-index rebuild."
        )

    def records(self, places: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]] | None:
        """Some columns of rows, read by their places, in that order; None where they are not stored so."""
        import pyarrow as pa

        held = self._records
        if held is None or any(held.schema.get_field_index(c) < 0 for c in columns):
            return None
        by_batch: dict[int, list[int]] = {}
        for i, place in enumerate(places):
            by_batch.setdefault(place // RECORDS, []).append(i)
        out: list[dict[str, Any]] = [{}] * len(places)
        try:
            for number, some in by_batch.items():
                with self._lock:
                    batch = held.get_batch(number).select(list(columns))
                taken = self._taken(number, batch, [places[i] % RECORDS for i in some])
                values = zip(*map(_listed, taken.columns), strict=True)
                for i, row in zip(some, values, strict=True):
                    out[i] = dict(zip(columns, row, strict=True))
        except (pa.ArrowInvalid, IndexError, OSError, UnicodeDecodeError) as e:
            raise self._damaged_records(e) from e
        return out

    def _taken(self, number: int, batch: Any, places: Sequence[int]) -> Any:
        """Some rows of a batch of records; offsets that lead elsewhere are an error, not a crash.

        A batch of which many rows are wanted is looked through as a whole, once, and read faster from then on; of
        others each row is.
        """
        import pyarrow as pa

        names = set(batch.schema.names)
        if names <= self._sound.get(number, set()):
            return batch.take(pa.array(places, pa.int32()))
        rows = [batch.slice(place, 1) for place in places]  # `take` is faster, and a second to load
        if len(places) >= _MANY:
            batch.validate(full=True)
            self._sound[number] = self._sound.get(number, set()) | names
        else:
            for row in rows:
                row.validate(full=True)
        if not all(row.num_rows for row in rows):
            raise IndexError(f"batch {number} has {batch.num_rows:,} rows")
        return pa.Table.from_batches(rows, batch.schema)

    def gallery(self, target: str) -> Gallery:
        """The searchable gallery of a target, opened on first use."""
        from prom3e_index.bundle.faiss.search import Gallery, Point

        with self._lock:
            if target not in self._galleries:
                point = Point(**{k: v for k, v in self._points[target].items() if k in _POINT})
                assigned = None
                if self.has(f"faiss/{target}.lists.npy"):
                    assigned = self.array(f"faiss/{target}.lists.npy", None, np.int32)
                vectors = self.vectors(target)
                with self._files.opened(self._full_name(f"faiss/{target}.faiss")) as path:
                    gallery = Gallery(path, vectors, point, assigned, self._gpu)
                self._galleries[target] = gallery
            return self._galleries[target]

    def close(self, target: str) -> None:
        """Let go of a target's gallery and the memory it has mapped; the next use opens it again."""
        with self._lock:
            self._galleries.pop(target, None)


_POINT = ("kind", "probes", "candidates", "beam")


def _listed(column: Any) -> list[Any]:
    """The values of a column as Python's; texts, most of what there is, in a fifth of the time of `to_pylist`."""
    import pyarrow as pa

    if pa.types.is_string(column.type):
        return list(column.to_numpy(zero_copy_only=False))
    return list(column.to_pylist())
