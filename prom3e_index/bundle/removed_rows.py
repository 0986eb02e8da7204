"""Which rows of an index were removed: one bit per row, in a file of its generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import checksum
from prom3e_index.bundle.memory_maps import stored_array
from prom3e_index.errors import BundleError


def read_removed(folder: Path, manifest: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """(places,) which rows were removed; None when none was.

    Raises:
        BundleError: The file is not the one that the manifest describes, or has not one bit per row.
    """
    stated, places = manifest["deleted"], int(manifest["places"])
    if not stated:
        return None
    path = folder / stated["file"]
    if checksum(path) != manifest["files"][stated["file"]]["sha256"]:
        raise BundleError(
            f"{path} has another checksum than the manifest says: it was changed. Restore it from a "
            "copy; removed rows would be found again."
        )
    data = np.fromfile(path, np.uint8)
    try:
        bits = stored_array(data)
    except ValueError as e:
        raise BundleError(f"{path} is damaged: {e}. Restore it from a copy.") from e
    if bits.dtype != np.uint8 or bits.shape != (-(-places // 8),):
        raise BundleError(
            f"{path} is {bits.shape} {bits.dtype}, {places:,} rows need ({-(-places // 8)},) uint8. "
            "Restore it from a copy."
        )
    return np.unpackbits(bits, count=places, bitorder="little").astype(bool)
