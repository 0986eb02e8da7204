"""Giving a whole index its name, in place of an earlier one, so that the name always leads to one of them."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import re
import shutil
import sys
from pathlib import Path

from prom3e_index.bundle.manifest import NAME, sync
from prom3e_index.bundle.own_files import entries
from prom3e_index.indexer.plan import Progress

_EXCHANGE, _HERE = 2, -100
"""RENAME_EXCHANGE and AT_FDCWD of Linux's renameat2(2)."""


def publish(stage: Path, out: Path) -> None:
    """Have everything reach the disk, then name it `out`; an index that stood there is removed after that.

    Where the system can exchange two names at once, there is no moment without an index. Elsewhere a process
    killed between two renames leaves the earlier index as `NAME.replaced-PROCESS`, and `settle` puts it back.
    """
    for entry in entries(stage):
        sync(Path(entry.path))
    sync(stage)
    if not out.exists():
        stage.rename(out)
        _sync_names(stage, out)
        return
    aside = out.with_name(f"{out.name}.replaced-{os.getpid()}")
    if exchange(stage, out):
        stage.rename(aside)
    else:
        out.rename(aside)
        stage.rename(out)
    _sync_names(stage, out)
    shutil.rmtree(aside)


def _sync_names(*paths: Path) -> None:
    for path in paths:
        sync(path.parent)


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change places at once; whether the system can do that."""
    if not sys.platform.startswith("linux"):
        return False
    sys.audit("os.rename", os.fspath(one), os.fspath(other), -1, -1)
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), os.fspath(other))


def settle(out: Path, progress: Progress) -> None:
    """Put back, or take away, an index that a killed build had set aside; say which. Hold the lock first."""
    for aside in set_aside(out):
        if not out.exists():
            aside.rename(out)
            sync(out.parent)
            progress(f"put back {out.name}, which a killed build left as {aside.name}", 0, None)
        elif (out / NAME).is_file():
            shutil.rmtree(aside)
            progress(f"took away {aside.name}, which a killed build had replaced", 0, None)


def set_aside(out: Path) -> list[Path]:
    """Indexes that killed builds of `out` had set aside, the latest first."""
    pattern = re.compile(re.escape(out.name) + r"\.replaced-\d+")
    found = [
        p for p in out.parent.glob(glob.escape(out.name) + ".replaced-*")
        if pattern.fullmatch(p.name) and not p.is_symlink() and (p / NAME).is_file()
    ]  # fmt: skip
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)
