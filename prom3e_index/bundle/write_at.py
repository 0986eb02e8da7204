"""Writing an array to a place in an open file, whole."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_at(descriptor: int, array: NDArray[Any], at: int) -> None:
    """Write a contiguous array to byte `at` of an open file; any thread may write elsewhere meanwhile.

    Raises:
        OSError: The disk has no room, …; a part may be written.
    """
    left = memoryview(array.reshape(-1).view(np.uint8).data)
    while len(left):  # cut short by a signal, or by a full disk, whose error comes next
        done = os.pwrite(descriptor, left, at)
        left, at = left[done:], at + done
