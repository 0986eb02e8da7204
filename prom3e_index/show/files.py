"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.errors import InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, beside `path`; what stands there takes its place when all went well.

    A file that is there already stays as it is until then, and for good when writing fails. A link is
    followed, the permissions of the old file are kept, and what is no file, as `/dev/stdout` or a pipe, is
    written to directly.

    Raises:
        InputError: `path` is a folder, or its folder is not there, or is one of an index.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            target, there = path, True  # `/dev/stdout` of a pipe resolves to no path
        else:
            target, there = path.resolve(), False
        if target.is_dir():
            raise InputError(f"{path} is a folder; name a file to write.")
        if not target.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {target.parent}.")
        _not_in_an_index(path, target)
        there = there or target.exists()
    except (OSError, ValueError, RuntimeError) as e:
        if isinstance(e, InputError):
            raise
        reason = e.strerror if isinstance(e, OSError) else e
        raise InputError(f"{path} cannot be written: {reason}.") from e
    if there and not target.is_file():
        yield path
        return
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.new")
    try:
        yield temporary
        if there:
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except OSError as e:
        if e.filename == str(temporary):
            e.filename = str(path)  # the user knows this name
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _not_in_an_index(path: Path, target: Path) -> None:
    """Refuse a file among those of an index: it would replace one of them, or be taken for one."""
    for folder in target.parents:
        if (folder / "manifest.json").is_file() and any(
            (folder / own).exists() for own in ("metadata.duckdb", "segments", "generations")
        ):
            raise InputError(
                f"{path} lies in the folder of an index, {folder}, which holds nothing else; name a file elsewhere."
            )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a file that appears whole or not at all."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", newline="\n")


def write_npz(path: Path, arrays: Mapping[str, Any], compressed: bool = False) -> None:
    """Write arrays to an `.npz` that appears whole or not at all.

    As `np.savez` does it, but closed whatever happens: on a full disk numpy leaves its zip to the collector, which
    fails once more, and prints how.

    Args:
        path: The file; its name stays as it is.
        arrays: By name; none of Python objects.
        compressed: Whether they are.
    """
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with replacing(path) as new, zipfile.ZipFile(new, "w", how) as z:
        for name, array in arrays.items():
            with z.open(f"{name}.npy", "w", force_zip64=True) as f:
                np.lib.format.write_array(f, np.asanyarray(array), allow_pickle=False)
