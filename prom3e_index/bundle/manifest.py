"""The manifest of a bundle: what is in it, who made it, and the checksums that hold it to that."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prom3e_index.bundle.manifest_check import check_manifest
from prom3e_index.bundle.own_files import refuse_links
from prom3e_index.errors import BundleError

FORMAT_VERSION = 2
NAME = "manifest.json"
GENERATIONS = "generations"
_MAX_BYTES = 64 << 20
_READERS = 4
"""Files whose checksums are made at once."""
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
    """Bytes and SHA-256 of every file under `folder` but a manifest, by relative path."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != NAME)
    with ThreadPoolExecutor(_READERS, "checksum") as threads:  # a hash leaves Python to others
        sums = list(threads.map(checksum, paths))
    return {
        p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": digest}
        for p, digest in zip(paths, sums, strict=True)
    }


def write_manifest(path: Path, values: dict[str, Any]) -> None:
    """Write a manifest so that a reader sees the old one or the new one, whole, and a crash keeps one."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(
        missing_ok=True
    )  # what a crash left, or a link that must not be written through
    with temporary.open("x", encoding="utf-8") as f:
        json.dump(values, f, indent=1, ensure_ascii=False)
        f.write("\n")
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's or folder's present state reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def manifest_path(folder: Path, generation: int | None = None) -> Path:
    """Where the manifest of a generation stands; the current one's when None."""
    if generation is None:
        return folder / NAME
    return folder / GENERATIONS / f"{generation:06d}.json"


def read_manifest(
    folder: Path, generation: int | None = None, *, check: bool = True
) -> dict[str, Any]:
    """Read and check a manifest, and that the files it names are there at their size.

    Manifests of earlier formats come back in the form of this one.

    Args:
        folder: The index.
        generation: An earlier one; the current when None.
        check: Whether the files must be there, and what it notes of the index be sound.

    Raises:
        BundleError: No bundle, damaged, of a later format, a file missing or of another size, or a
            generation that is not there.
    """
    path = manifest_path(folder)
    refuse_links(folder)
    if not path.is_file():
        building = folder.with_name(folder.name + ".building")
        hint = " A build was begun; run the same `build` again." if building.exists() else ""
        for aside in sorted(folder.parent.glob(glob.escape(folder.name) + ".replaced-*")):
            hint = f" A killed build left the earlier one as {aside.name}; the next change or build puts it back."
        raise BundleError(
            f"{folder} is no index (it has no {NAME}).{hint} Make one: prom3e-index build."
        )
    values = _in_this_format(_parsed(path, folder), path, check)
    if generation is not None and generation != values["generation"]:
        path = manifest_path(folder, generation)
        if not path.is_file():
            kept = [int(p.stem) for p in (folder / GENERATIONS).glob("[0-9]*.json")]
            known = ", ".join(str(g) for g in sorted([*kept, int(values["generation"])]))
            raise BundleError(
                f"{folder} has no generation {generation} to look at; there are {known}. Compacting "
                "removes those before it."
            )
        values = _in_this_format(_parsed(path, folder), path, check)
    refuse_links(folder, values["files"])
    needed = [(Path(s["name"]) / "metadata.duckdb").as_posix() for s in values["segments"]]
    needed += [values["deleted"]["file"]] if values["deleted"] else []
    for name in needed:
        if name not in values["files"]:
            raise BundleError(f"{path} does not describe {name}, which it needs; refused.")
    if not check:
        return values
    for name, entry in values["files"].items():
        file = folder / name
        if not file.is_file():
            raise BundleError(
                f"{folder} lacks {name}. Restore it from a copy, or run prom3e-index rebuild."
            )
        if file.stat().st_size != entry["bytes"]:
            raise BundleError(
                f"{file} is {file.stat().st_size:,} bytes, the manifest says {entry['bytes']:,}. "
                "Restore it from a copy, or run prom3e-index rebuild."
            )
    return values


def _parsed(path: Path, folder: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise BundleError(f"{path} is {path.stat().st_size:,} bytes; it is no manifest.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (
        ValueError,
        RecursionError,
    ) as e:  # not JSON, not UTF-8, a number of thousands of digits
        raise BundleError(f"{path} is damaged: {e}. Build the index again.") from e
    version = values.get("format_version") if isinstance(values, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"{path} is no manifest of an index.")
    if values["format_version"] > FORMAT_VERSION:
        raise BundleError(
            f"{folder} has format version {values['format_version']}, this program reads up to "
            f"{FORMAT_VERSION}. Update prom3e-index."
        )
    later = () if values["format_version"] == 1 else ("segments", "places", "deleted", "history")
    lacking = [k for k in (*REQUIRED, *later) if k not in values]
    if lacking:
        raise BundleError(f"{path} lacks {', '.join(lacking)}. Build the index again.")
    out: dict[str, Any] = values
    return out


def _in_this_format(values: dict[str, Any], path: Path, notes: bool) -> dict[str, Any]:
    """Values of any format in the present form, checked.

    Format 1 was one segment in the index's own folder, searched exactly, without removed rows.
    """
    if values["format_version"] == 1:
        source, names = values.get("source"), values["modalities"]
        values["segments"] = [
            {
                "name": ".",
                "rows": values["rows"],
                "media": source.get("media", ".") if isinstance(source, dict) else ".",
                "index": {
                    t: {"kind": "exact"}
                    for t in (names if isinstance(names, list) else ())
                    if isinstance(t, str)
                },
            }
        ]
        values["places"], values["deleted"] = values["rows"], None
        values["history"] = []
    check_manifest(values, path, notes=notes)
    if values["format_version"] == 1:
        values["history"] = [
            history_entry(1, values.get("created", ""), "build", values["rows"], 0)
        ]
    return values


def history_entry(
    generation: int, created: str, action: str, added: int, removed: int
) -> dict[str, Any]:
    """One line of an index's history, kept in every later manifest."""
    return {
        "generation": generation,
        "created": created,
        "action": action,
        "added": added,
        "removed": removed,
    }


def lineage(manifest: Mapping[str, Any]) -> list[int]:
    """The generations that led to a manifest's rows, its own first; what a `restore` went back on is left out."""
    entries = {int(h["generation"]): h for h in manifest["history"]}
    out, at = [], int(manifest["generation"])
    while at in entries:
        out.append(at)
        of = entries[at].get("of")
        at = of if isinstance(of, int) and of < at else at - 1
    return out
