"""Arrays of cells in a folder, written and read a part at a time, so that none is in memory as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

Shapes = Mapping[str, tuple[tuple[int, ...], Any]]
Arrays = dict[str, NDArray[Any]]


class Kept:
    """A folder of arrays `NAME.npy` with one row for each cell, or none at all.

    Args:
        folder: Where they are.
        shapes: Of each, with its type.
    """

    def __init__(self, folder: Path, shapes: Shapes) -> None:
        self.folder, self._shapes = folder, shapes

    def whole(self) -> bool:
        """Whether all are there, of these shapes and types and with every value."""
        return self.folder.is_dir() and all(self._starts(n) is not None for n in self._shapes)

    def _starts(self, name: str) -> int | None:
        """The byte at which the values of an array begin; None where it is not as it should be."""
        shape, kind = self._shapes[name]
        path = self.folder / f"{name}.npy"
        try:
            with path.open("rb") as f:
                if np.lib.format.read_magic(f) != (1, 0):
                    return None
                found = np.lib.format.read_array_header_1_0(f)
                start = f.tell()
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            held = path.stat().st_size
        except (OSError, ValueError, TypeError, EOFError, OverflowError):
            return None
        return start if found == (shape, False, np.dtype(kind)) and held == start + size else None

    def read(self, at: slice) -> Arrays:
        """Some rows of all arrays.

        Raises:
            InputError: They are gone, or cut short.
        """
        out = {}
        for name, (shape, kind) in self._shapes.items():
            own = at if shape[0] else slice(0, 0)  # no cell shows it
            width = int(np.prod(shape[1:]))
            try:
                start = self._starts(name)
                if start is None:
                    raise ValueError(name)
                with (self.folder / f"{name}.npy").open("rb") as f:
                    f.seek(start + own.start * width * np.dtype(kind).itemsize)
                    values = np.fromfile(f, kind, (own.stop - own.start) * width)
                out[name] = values.reshape(own.stop - own.start, *shape[1:])
            except (OSError, ValueError) as e:
                raise InputError(
                    f"The kept cells in {self.folder} were taken away while they were read; run it again."
                ) from e
        return out

    def make(self, parts: Callable[[], Iterator[Arrays]]) -> None:
        """Write all arrays, part after part, into a folder beside, which stands in its place when it is whole.

        Raises:
            InputError: The folder cannot be made, or the disk is full.
        """
        final = self.folder
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(mkdtemp(dir=final.parent, prefix=f".{final.name}."))
        except OSError as e:
            raise _unkept(final.parent, e) from e
        try:
            with ExitStack() as open_files:
                files = {}
                for name, (shape, kind) in self._shapes.items():
                    files[name] = open_files.enter_context((beside / f"{name}.npy").open("wb"))
                    head = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(files[name], head)
                for made in parts():
                    for name, (_, kind) in self._shapes.items():
                        files[name].write(np.ascontiguousarray(made[name], kind).data)
            if final.exists() and not self.whole():
                shutil.rmtree(final, ignore_errors=True)
            if not final.exists():
                beside.rename(final)
        except OSError as e:
            raise _unkept(final.parent, e) from e
        finally:
            if beside.exists():
                shutil.rmtree(beside, ignore_errors=True)


def _unkept(folder: Path, e: OSError) -> InputError:
    return InputError(
        f"The cells cannot be kept in {folder}: {e.strerror}. Give another folder with --cache FOLDER, or --no-cache."
    )
