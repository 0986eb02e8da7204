"""Folders beside an index, in which work lies: named after it, this program's alone, never links."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from prom3e_index.bundle.own_files import OWNED, refuse_links_under
from prom3e_index.errors import BundleError

WORK_FILES = (
    "identity.json", "identity.json.new", "plan.duckdb", "plan.duckdb.wal", "plan.duckdb.new", "plan.duckdb.new.wal",
    "planned.json", "planned.json.new", "spill", "embeddings", "lost.jsonl", "whole.npy", "bundle", "segment",
    "before", "before.new", "cluster", "shards",
)  # fmt: skip
"""What an unfinished build or change holds."""
STAGE_FILES = (*OWNED, "spill", "manifest.json", "manifest.json.new", ".lock", "policy.log.jsonl")
"""What a segment holds that is being written, and an index that has just given its name to another."""


def real_path(index: Path) -> Path:
    """The one path of an index, whatever links or relative names lead to it.

    Raises:
        BundleError: A link that leads to itself.
    """
    try:
        path = index.resolve()
    except (RuntimeError, OSError) as e:  # Python 3.13 gives the link back instead
        raise BundleError(f"{index} cannot be followed: {e}.") from e
    if path.is_symlink():
        raise BundleError(f"{index} is a link that leads to itself.")
    return path


def building_of(index: Path) -> Path:
    """Where an index is built before it is published."""
    return index.with_name(index.name + ".building")


def adding_of(index: Path) -> Path:
    """Where rows to be added are encoded; an interrupted `add` finds them there, of the same generation."""
    return index.with_name(index.name + ".adding")


def stage_of(index: Path) -> Path:
    """Where a segment is written that replaces others; of no use after a crash."""
    return index.with_name(index.name + ".compacting")


def refuse_others(folder: Path, known: Collection[str]) -> None:
    """Refuse a work folder that this program did not make; it may be absent.

    Raises:
        BundleError: It is a link, has one in it, or holds what no work folder holds.
    """
    refuse_links_under(folder)
    if not folder.exists():
        return
    strange = [] if not folder.is_dir() else sorted(p.name for p in folder.iterdir())
    strange = [n for n in strange if n not in known]
    if strange or not folder.is_dir():
        what = f"it holds {strange[0]}" if strange else "it is no folder"
        raise BundleError(
            f"{folder} is no work folder of this program: {what}. Move it away; its name is needed here."
        )


def take_away(folder: Path, known: Collection[str]) -> None:
    """Remove a work folder, if it is there; `known` are the names that it may hold.

    Raises:
        BundleError: As `refuse_others`.
    """
    refuse_others(folder, known)
    if folder.exists():
        shutil.rmtree(folder)
