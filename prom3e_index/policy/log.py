"""`policy.log.jsonl` of an index: a line for every act of a policy on it, appended and never rewritten.

What is told: when, which generation, what was done, the policy's hash, and per rule its level and how many rows; no
coordinate, no id, no name of a file. The acts stand in the index's history too, from which a line that a killed process
could not write is written by the next change.

What was refused stands in the log alone: a reader is no writer of the index. It appends its line where the folder lets
it, and says so where not. Each line is written at once, at the end, by one process at a time, so that lines stay whole.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = "policy.log.jsonl"
_WAIT_S = 5.0
"""As long as another's line is waited for; appending keeps a line whole, but not the look at the one before."""
_LONGEST = 1 << 20
"""Characters of a line that is looked at; none that is written has as many."""


def act(policy: Mapping[str, Any] | None, protected: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a history's entry notes of a policy's act; None where there was neither a policy nor a hidden place."""
    if policy is None and not protected.get("protected"):
        return None
    kept = (
        "rules",
        "protected",
        "by_source",
        "tiles",
        "climates",
        "media",
        "texts",
        "refused",
        "months",
    )
    return {
        "act": secrets.token_hex(8),
        "name": None if policy is None else policy["name"],
        "sha256": None if policy is None else policy["sha256"],
        **{k: protected[k] for k in kept if k in protected},
    }


def append_acts(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Append the acts of a manifest's history that the log does not have.

    A line that was cut off by a crash is closed and written once more. Nothing is written where nothing is missing.
    """
    acts = [h for h in manifest["history"] if isinstance(h.get("policy"), dict)]
    if not acts:
        return
    known = _known(folder / LOG)
    missing = [h for h in acts if _key(h["generation"], h["created"], h["policy"]) not in known]
    if not missing:
        return
    text = ""
    for h in missing:
        line = {
            "time": h["created"], "generation": int(h["generation"]), "command": h["action"],
            "added": int(h["added"]), "policy": h["policy"],
        }  # fmt: skip
        text += json.dumps(line, ensure_ascii=False) + "\n"
    _append(folder / LOG, text)


def append_refusal(
    folder: Path, manifest: Mapping[str, Any], command: str, refused: Mapping[str, Any]
) -> str | None:
    """Append that a command was refused on an index with a policy.

    Args:
        folder: The index.
        manifest: Its manifest.
        command: Which was refused.
        refused: The rule, its level and what was asked for; nothing that tells a place or names a file.

    Returns:
        None where it stands in the log, else why it does not; never an error.
    """
    policy = manifest["policy"]
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "generation": int(manifest["generation"]),
        "command": command, "refused": dict(refused),
        "policy": {"act": secrets.token_hex(8), "name": policy["name"], "sha256": policy["sha256"]},
    }  # fmt: skip
    try:
        whole = _append(folder / LOG, json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as e:
        return e.strerror or str(e)
    return None if whole else os.strerror(errno.ENOSPC)


def _append(path: Path, text: str) -> bool:
    """Append lines at once, and say whether all of them; a line that a crash cut off is closed first."""
    how = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(path, how, 0o644)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        _alone(handle)
        found = os.fstat(handle)
        whole = not found.st_size or os.pread(handle, 1, found.st_size - 1) == b"\n"
        data = ("" if whole else "\n").encode() + text.encode()
        written = os.write(handle, data)
        os.fsync(handle)
        return written == len(data)
    finally:
        os.close(handle)


def _alone(handle: int) -> None:
    """Wait until no other process appends; where the file system knows no locks, or one is never let go, go on."""
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            return


def carried(earlier: Path, folder: Path) -> None:
    """Let the log of an index that is replaced begin that of the new one, however long it is."""
    path = earlier / LOG
    if path.is_file() and not path.is_symlink():
        shutil.copyfile(path, folder / LOG)


def _key(generation: Any, time: Any, done: Any) -> tuple[int, str, str]:
    """What tells an act from others: its own name, which acts of earlier versions do not have.

    Generation and time alone do not: an index that is built over another within a second has both of its act.
    """
    name = done.get("act") if isinstance(done, Mapping) else None
    return int(generation), str(time), str(name or "")


def _known(path: Path) -> set[tuple[int, str, str]]:
    """What tells every line's act from others."""
    known: set[tuple[int, str, str]] = set()
    if not path.is_file():
        return known
    for line in lines_of(path):
        try:
            values = json.loads(line)
            known.add(_key(values["generation"], values["time"], values.get("policy")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return known


def lines_of(path: Path) -> Iterator[str]:
    """Lines one by one, those that are longer than any that is written in pieces."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as f:
        while line := f.readline(_LONGEST):
            yield line
