"""A build's configuration, its work folder beside the result, and its lock."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.errors import BundleError, InputError
from prom3e_index.models.folder import Model


@dataclass(frozen=True)
class BuildConfig:
    """How a bundle is built.

    Attributes:
        table: File or folder of observations, or embeddings.
        out: The bundle's folder.
        model: Built-in name or folder.
        hub: Local copy of hub repositories.
        format: Of the table; recognised when None.
        columns: Column → field.
        media: Folder of relative media paths; the table's when None.
        allow_outside: Accept media outside it.
        climate: Raster for observations without climate values.
        duplicates: `error`, `first` or `last`.
        device: `cpu`, `cuda`, `cuda:1`, …
        exif_transpose: Turn photos upright first.
        audio_windows: Embed every window of a long recording and average.
        batch_size: Items per encoder call; the encoder's own when None.
        workers: Decode processes.
        timeout_s: Seconds for one file.
        hubs: Correction against hubs; the model's own when None.
        wish: What the index must do.
        overwrite: Replace an existing bundle once the new one is whole.
        restart: Discard an unfinished build of other settings.
    """

    table: str
    out: Path
    model: str = "mini"
    hub: Path | None = None
    format: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    media: Path | None = None
    allow_outside: bool = False
    climate: Path | None = None
    duplicates: str = "error"
    device: str = "cpu"
    exif_transpose: bool = False
    audio_windows: bool = False
    batch_size: int | None = None
    workers: int = field(default_factory=lambda: os.cpu_count() or 2)
    timeout_s: float = 120.0
    hubs: str | None = None
    wish: Wish = field(default_factory=Wish)
    overwrite: bool = False
    restart: bool = False


def open_model(config: BuildConfig) -> Model:
    """The model of a build, with its preprocessing options."""
    return Model.open(
        config.model,
        hub=config.hub,
        device=config.device,
        exif_transpose=config.exif_transpose,
        audio_windows=config.audio_windows,
    )


def identity(config: BuildConfig, model: Model) -> dict[str, Any]:
    """What must be the same for an unfinished build to be continued: table, options, weights."""
    table = Path(config.table.partition("::")[0])
    stat = table.stat() if table.exists() else None
    keep: dict[str, Any] = {
        k: str(v)
        for k, v in asdict(config).items()
        if k
        not in (
            "out",
            "workers",
            "batch_size",
            "timeout_s",
            "wish",
            "overwrite",
            "restart",
            "device",
        )
    }
    keep["table"] = str(table.resolve())
    keep["table_state"] = f"{stat.st_size} {stat.st_mtime_ns}" if stat else ""
    keep["weights"] = [
        f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}"
        for source in model.sources()
        for p in sorted(source.iterdir() if source.is_dir() else [source])
        if p.is_file()
    ]
    return keep


def work_folder(config: BuildConfig, model: Model) -> Path:
    """Make or reopen the work folder, of one table and one set of settings; hold the lock first."""
    out = config.out
    if out.exists() and not config.overwrite:
        what = "an index" if (out / "manifest.json").is_file() else "a file or folder"
        raise InputError(
            f"{out} is {what} already; pass --overwrite to replace it, or another --index."
        )
    if out.exists() and not (out / "manifest.json").is_file():
        raise InputError(f"{out} is no index; it is not overwritten.")
    return resumable(
        out.with_name(out.name + ".building"), identity(config, model), config.restart, "build"
    )


def resumable(work: Path, wanted: dict[str, Any], restart: bool, action: str) -> Path:
    """Make a work folder, or reopen one that the same work left unfinished.

    Raises:
        InputError: It holds other unfinished work.
    """
    if work.exists():
        known = work / "identity.json"
        if restart or not known.is_file():
            shutil.rmtree(work)
        elif json.loads(known.read_text()) != wanted:
            raise InputError(
                f"{work} holds an unfinished {action} of another table or other settings; pass --restart "
                "to discard it."
            )
    if not work.exists():
        work.mkdir(parents=True)
        temporary = work / "identity.json.new"
        temporary.write_text(json.dumps(wanted, indent=1))
        temporary.replace(work / "identity.json")
    return work


@contextmanager
def locked(out: Path, action: str) -> Iterator[None]:
    """Be the only writer of `out`; the kernel frees the lock of a process that died.

    Raises:
        BundleError: Another process writes to it; names what it does and the process.
    """
    path = out.with_name(out.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path, out) as handle:
        handle.truncate(0)
        handle.write(f"prom3e-index {action}, process {os.getpid()}")
        handle.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path, out: Path) -> IO[str]:
    """The lock file, held; a file that was removed while waiting for it is no lock, so another is made."""
    while True:
        handle = path.open("a+")
        if sys.platform == "win32":
            return handle
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            handle.seek(0)
            holder = handle.read() or "another process"
            handle.close()
            raise BundleError(
                f"{out} is being changed by {holder}; wait for it to end, then run this again."
            ) from e
        if path.exists() and os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
            return handle
        handle.close()
