"""The manifest of a bundle: what is in it, who made it, and the checksums that hold it to that."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from prom3e_index.errors import BundleError

FORMAT_VERSION = 1
NAME = "manifest.json"
_MAX_BYTES = 64 << 20
REQUIRED = (
    "format_version",
    "rows",
    "modalities",
    "width",
    "hidden_width",
    "files",
    "fingerprints",
    "model",
    "generation",
)


def checksum(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of every file under `folder` but the manifest, by relative path."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != NAME)
    return {
        p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": checksum(p)}
        for p in paths
    }


def write_manifest(folder: Path, values: dict[str, Any]) -> None:
    """Write the manifest so that a reader sees the old one or the new one, whole."""
    temporary = folder / (NAME + ".new")
    with temporary.open("w", encoding="utf-8") as f:
        json.dump(values, f, indent=1, ensure_ascii=False)
        f.write("\n")
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(folder / NAME)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a manifest, and that the files it names are there at their size.

    Raises:
        BundleError: No bundle, damaged, of a later format, or a file missing or of another size.
    """
    path = folder / NAME
    if not path.is_file():
        building = folder.with_name(folder.name + ".building")
        hint = " A build was begun; run the same `build` again." if building.exists() else ""
        raise BundleError(
            f"{folder} is no index (it has no {NAME}).{hint} Make one: prom3e-index build."
        )
    if path.stat().st_size > _MAX_BYTES:
        raise BundleError(f"{path} is {path.stat().st_size:,} bytes; it is no manifest.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BundleError(f"{path} is damaged: {e}. Rebuild the index.") from e
    if not isinstance(values, dict) or not isinstance(values.get("format_version"), int):
        raise BundleError(f"{path} is no manifest of an index.")
    if values["format_version"] > FORMAT_VERSION:
        raise BundleError(
            f"{folder} has format version {values['format_version']}, this program reads up to "
            f"{FORMAT_VERSION}. Update prom3e-index."
        )
    lacking = [k for k in REQUIRED if k not in values]
    if lacking:
        raise BundleError(f"{path} lacks {', '.join(lacking)}. Rebuild the index.")
    for name, entry in values["files"].items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"{path} names {name!r} outside the index; refused.")
        if not file.is_file():
            raise BundleError(
                f"{folder} lacks {name}. Restore it from a copy, or rebuild the index."
            )
        if file.stat().st_size != entry["bytes"]:
            raise BundleError(
                f"{file} is {file.stat().st_size:,} bytes, the manifest says {entry['bytes']:,}. "
                "Restore it from a copy, or rebuild the index."
            )
    return values
