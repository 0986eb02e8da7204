"""The files of one generation, in reach even after a writer took them away.

Arrays, records and statistics are mapped at once, which needs no descriptor once it is done. FAISS opens its files
by name, so these are held open, as many as leave half of what the process may open to others; further ones are opened
when they are used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import Pages, release
from prom3e_index.errors import BundleError

CHECKED_BYTES = 256 << 20
"""Files up to here have their checksum compared when they are first read; larger ones when asked to verify."""
HELD = 512
"""Most files that one index holds open."""
REOPENS = sys.platform == "linux"
"""Whether opening `/dev/fd/N` opens the file anew; elsewhere it shares one offset with the descriptor."""
CLOSED = "This index was closed; open it again: Bundle.open(FOLDER)."
"""What a closed index says to whatever it is asked."""
_MAPPED = (".npy", ".arrow", ".json")
_SETTLED_NS = 1_000_000_000
"""A file that was changed less than a second ago may change again and show the same time."""
_MOST = 16_384
_COMPARED: dict[tuple[int | str, ...], None] = {}
"""Files that this process has compared with their checksums, and has not seen change since: a build opens its index
several times."""


def _state(handle: int, sha256: str) -> tuple[int | str, ...]:
    """What changes with a file's bytes, and the checksum that is stated of them."""
    f = os.fstat(handle)
    return (f.st_dev, f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns, sha256)


def _is_settled(state: tuple[int | str, ...]) -> bool:
    return all(time.time_ns() - int(t) > _SETTLED_NS for t in state[3:5])


class HeldFiles:
    """Files of an index's folder, opened for reading.

    Attributes:
        folder: The folder.
        entries: Bytes and SHA-256 of each file, by its path in the folder, as the manifest says.
    """

    def __init__(self, folder: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self.folder, self.entries = folder, entries
        self._pages: dict[str, NDArray[np.uint8]] = {}
        self._checked: set[str] = set()
        self._states: dict[str, tuple[int | str, ...]] = {}
        self._handles: dict[str, int] = {}
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._finish = weakref.finalize(self, _close, self._folder, self._handles)
        room = min(HELD, free_descriptors() // 2)
        for name in entries:
            if name.endswith(_MAPPED) and not name.startswith("deleted/"):
                self._pages[name] = self._map(name)
            elif name.endswith(".faiss") and len(self._handles) < room:
                self._handles[name] = self._open(name)

    def _open(self, name: str) -> int:
        """Within the folder that was opened, whatever has taken its name since."""
        return os.open(name, os.O_RDONLY, dir_fd=self._folder)

    def _map(self, name: str) -> NDArray[np.uint8]:
        handle = self._open(name)
        try:
            self._states[name] = _state(handle, str(self.entries[name].get("sha256")))
            return np.asarray(Pages(handle))
        except OSError as e:
            if e.errno != errno.ENOMEM:
                raise BundleError(f"{self.folder / name} is damaged: {e.strerror}.") from e
            raise BundleError(
                f"{self.folder} has {len(self.entries):,} files, more than this system lets one program map. "
                "Run prom3e-index compact."
            ) from e
        finally:
            os.close(handle)

    def pages(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a mapped file, not yet copied from the disk.

        Raises:
            BundleError: The file is not the one that the manifest describes, or the index was closed.
        """
        self._refuse_closed()
        data = self._pages[name]
        self._check(name, data)
        return data

    @contextmanager
    def opened(self, name: str) -> Iterator[str]:
        """A path that opens a file for as long as the block lasts.

        Raises:
            BundleError: The file is not the one that the manifest describes, or a writer took it away.
        """
        self._refuse_closed()
        held = self._handles.get(name)
        handle = held
        try:
            if handle is None:
                handle = self._open(name)
            if name not in self._checked:
                self._states[name] = _state(handle, str(self.entries[name].get("sha256")))
                data = np.asarray(Pages(handle))
                self._check(name, data)
                release(data)
            if REOPENS:
                yield f"/dev/fd/{handle}"
                return
            path = self.folder / name
            if not os.path.samestat(os.fstat(handle), path.stat()):
                raise FileNotFoundError(path)
            yield str(path)
        except FileNotFoundError as e:
            raise BundleError(
                f"{self.folder / name} was taken away since this index was opened. Open it again."
            ) from e
        except OSError as e:
            raise BundleError(f"{self.folder / name} cannot be opened: {e.strerror}.") from e
        finally:
            if held is None and handle is not None:
                os.close(handle)

    def _check(self, name: str, data: NDArray[np.uint8]) -> None:
        entry = self.entries[name]
        if name in self._checked:
            return
        state = self._states[name]
        if entry["bytes"] <= CHECKED_BYTES and state not in _COMPARED:
            settled = _is_settled(state)
            made = hashlib.sha256(data.data).hexdigest()
            if made != entry["sha256"]:
                raise BundleError(
                    f"{self.folder / name} has checksum {made[:12]}…, the manifest says "
                    f"{entry['sha256'][:12]}…: it was changed or comes from another index. Run "
                    "prom3e-index rebuild, or restore it from a copy."
                )
            if settled:
                if len(_COMPARED) >= _MOST:
                    _COMPARED.clear()
                _COMPARED[state] = None
        self._checked.add(name)

    def _refuse_closed(self) -> None:
        if self.closed:
            raise BundleError(CLOSED)

    @property
    def closed(self) -> bool:
        """Whether they were let go."""
        return not self._finish.alive

    def close(self) -> None:
        """Let go of every file; arrays that were given out stay readable."""
        self._finish()
        self._pages.clear()


def free_descriptors() -> int:
    """Files that this process may open beyond those it has open."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    return max(0, soft - sum(1 for _ in Path("/dev/fd").iterdir()))


def _close(folder: int, handles: dict[str, int]) -> None:
    os.close(folder)
    for handle in handles.values():
        os.close(handle)
    handles.clear()
