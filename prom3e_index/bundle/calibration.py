"""The calibration of an index, fitted on its own observations: `confidence/NNNNNN.json` of its generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prom3e_index.bundle.held_files import HeldFiles
from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.confidence.stored import MOST_BYTES, read
from prom3e_index.errors import BundleError


def own_calibration(
    folder: Path, manifest: Mapping[str, Any], files: HeldFiles
) -> Calibration | None:
    """The calibration that a manifest names; None where it names none.

    Raises:
        BundleError: The file is no calibration of the index's modalities.
    """
    noted = manifest.get("confidence", {})
    if "file" not in noted:
        return None
    try:
        pages = files.pages(noted["file"])
        if len(pages) > MOST_BYTES:  # before they are copied
            raise ValueError(f"it is {len(pages):,} bytes, more than {MOST_BYTES:,}")
        return read(bytes(pages), tuple(manifest["modalities"]), "index")
    except ValueError as e:
        raise BundleError(
            f"{folder / noted['file']} is no calibration: {e}. Run prom3e-index rebuild."
        ) from e


def why_uncalibrated(manifest: Mapping[str, Any]) -> str:
    """Why an index has no calibration of its own; empty where it has one."""
    noted = manifest.get("confidence")
    if noted is None:
        return "the index was built by an earlier version; prom3e-index rebuild calibrates it"
    return str(noted.get("reason", ""))
