"""The authors' `.npy`: a pickled dictionary of arrays, read without running what a pickle may ask for."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from prom3e_index.errors import TableError


class _Array:
    """Stands for an array while it is unpickled: a view of the bytes in the file, checked against its shape."""

    array: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, raw = state[-4:]
        shape = tuple(int(n) for n in shape)
        if not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("an array has no type")
        if dtype.hasobject:
            if not isinstance(raw, list) or shape != ():
                raise pickle.UnpicklingError("the file holds an array of objects")
            self.array = np.empty((), object)
            self.array[()] = raw[0]
            return
        if isinstance(raw, str):  # pickle protocols below 3
            raw = raw.encode("latin-1")
        if not isinstance(raw, bytes) or math.prod(shape) * dtype.itemsize != len(raw):
            raise pickle.UnpicklingError(f"an array of {shape} holds {len(raw):,} bytes")
        order: Any = "F" if fortran else "C"
        self.array = np.frombuffer(raw, dtype).reshape(shape, order=order)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


class _ArraysOnly(pickle.Unpickler):
    """Admits numpy arrays and dictionaries; anything else in the pickle is an error."""

    _ALLOWED = {
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }
    _MADE_HERE = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._MADE_HERE:
            return _reconstruct
        if (module, name) == ("numpy", "ndarray"):
            return None  # only named as what to make
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}")
        return super().find_class(module, name)


def read_array_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read a `.npy` that holds a dictionary of arrays, without running what a pickle may ask for.

    A pickle is read whole: the arrays are views of its bytes, read-only, so it takes the file's length of memory.

    Raises:
        TableError: The file asks for anything but arrays and a dictionary, or is cut off.
    """
    try:
        with path.open("rb") as f:
            version = npy_format.read_magic(f)
            read = (
                npy_format.read_array_header_1_0
                if version == (1, 0)
                else npy_format.read_array_header_2_0
            )
            shape, _, dtype = read(f)  # type: ignore[no-untyped-call]
            if not dtype.hasobject:
                raise TableError(
                    f"{path} is a plain array of {shape}; a dictionary of modalities is needed."
                )
            value = _ArraysOnly(f).load()
    except TableError:
        raise
    except (
        pickle.UnpicklingError, ValueError, EOFError, KeyError, AttributeError, TypeError, IndexError,
        MemoryError, OverflowError, UnicodeDecodeError,
    ) as e:  # fmt: skip
        raise TableError(
            f"{path} is refused: {e}; only numpy arrays and a dictionary are admitted."
        ) from e
    value = value.array[()] if isinstance(value, _Array) and value.array.shape == () else value
    if not isinstance(value, dict) or not all(isinstance(v, _Array) for v in value.values()):
        raise TableError(f"{path} holds no dictionary of arrays.")
    return {str(k): v.array for k, v in value.items()}
