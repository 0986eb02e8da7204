"""A segment: rows that were added together, their arrays and indexes; written once, never changed.

Files are held open from the start, so that a reader is undisturbed when a writer takes them away.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import BundleError
from prom3e_index.schema import RECORDS

if TYPE_CHECKING:
    from prom3e_index.bundle.faiss.search import Gallery

CHECKED_BYTES = 256 << 20
"""Files up to here have their checksum compared when they are first read; larger ones when asked to verify."""


class Segment:
    """One segment, opened for reading.

    Attributes:
        name: Folder relative to the index; `.` in indexes of format 1.
        rows: Rows, removed ones included.
        first: Row number of its first row in the index.
        media: Folder that its media paths start from.
    """

    def __init__(
        self, folder: Path, entry: dict[str, Any], first: int, manifest: dict[str, Any], gpu: bool
    ) -> None:
        self.name, self.rows, self.first = str(entry["name"]), int(entry["rows"]), first
        self.media = Path(entry["media"])
        self._points: dict[str, dict[str, Any]] = entry["index"]
        self._folder, self._manifest, self._gpu = folder, manifest, gpu
        prefix = "" if self.name == "." else self.name + "/"
        others = tuple(s["name"] + "/" for s in manifest["segments"] if s["name"] != ".")
        mine = [
            n for n in manifest["files"]
            if (n.startswith(prefix) if prefix else not n.startswith((*others, "deleted/")))
        ]  # fmt: skip
        self._files = {n.removeprefix(prefix): n for n in mine}
        self._handles: dict[str, int] = {}
        self._checked: set[str] = set()
        self._lock = threading.RLock()
        self._galleries: dict[str, Gallery] = {}
        weakref.finalize(self, _close, self._handles)
        for name in self._files:
            if name.endswith((".npy", ".faiss", ".arrow", ".json")):
                self._handles[name] = self._open(folder / self._files[name])

    def _open(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as e:
            if e.errno != errno.EMFILE:
                raise
            raise BundleError(
                f"{self._folder} lies in {len(self._manifest['segments'])} segments, more files than this "
                "system lets one program open. Run prom3e-index compact."
            ) from e

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._folder / self.name

    def has(self, name: str) -> bool:
        """Whether the segment has a file of this name."""
        return name in self._handles

    def path(self, name: str) -> str:
        """A path that opens a file of the segment even after it was taken away.

        Raises:
            BundleError: The file is not the one that the manifest describes.
        """
        if name not in self._handles:
            raise BundleError(
                f"{self.folder} has no {name}. Restore the index from a copy, or run prom3e-index rebuild."
            )
        handle = self._handles[name]
        os.lseek(handle, 0, os.SEEK_SET)
        path = f"/dev/fd/{handle}"
        entry = self._manifest["files"][self._files[name]]
        if name not in self._checked and entry["bytes"] <= CHECKED_BYTES:
            with Path(path).open("rb") as f:
                made = hashlib.file_digest(f, "sha256").hexdigest()
            if made != entry["sha256"]:
                raise BundleError(
                    f"{self.folder / name} has checksum {made[:12]}…, the manifest says "
                    f"{entry['sha256'][:12]}…: it was changed or comes from another index. Run "
                    "prom3e-index rebuild, or restore it from a copy."
                )
        self._checked.add(name)
        os.lseek(handle, 0, os.SEEK_SET)
        return path

    def array(self, name: str, width: int | None = None, dtype: Any = np.float16) -> NDArray[Any]:
        """A stored array (rows, width), memory-mapped; (rows,) when the width is None.

        Raises:
            BundleError: Damaged, or of another shape than the manifest says.
        """
        mode: Literal["r"] | None = "r" if self.rows else None  # nothing cannot be mapped
        try:
            with self._lock:
                array: NDArray[Any] = np.load(self.path(name), mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as e:
            if isinstance(e, BundleError):
                raise
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
    def _records(self) -> Any:
        if not self.has("records.arrow"):
            return None
        import pyarrow as pa

        return pa.ipc.open_file(pa.memory_map(self.path("records.arrow")))

    def record(self, place: int, columns: Sequence[str]) -> dict[str, Any] | None:
        """Some columns of one row, read by its place; None where they are not stored so."""
        with self._lock:
            held = self._records
            if held is None or any(held.schema.get_field_index(c) < 0 for c in columns):
                return None
            batch = held.get_batch(place // RECORDS)
        return {c: batch.column(c)[place % RECORDS].as_py() for c in columns}

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
                path = self.path(f"faiss/{target}.faiss")
                self._galleries[target] = Gallery(path, vectors, point, assigned, self._gpu)
            return self._galleries[target]

    def close(self, target: str) -> None:
        """Let go of a target's gallery and the memory it has mapped; the next use opens it again."""
        with self._lock:
            self._galleries.pop(target, None)


_POINT = ("kind", "probes", "candidates", "beam")


def _close(handles: dict[str, int]) -> None:
    for handle in handles.values():
        os.close(handle)
