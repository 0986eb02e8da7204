"""`policy.log.jsonl` of an index: a line for every act of a policy on it, appended and never rewritten.

What is told: when, which generation, what was done, the policy's hash, and per rule its level and how many rows; no
coordinate, no id, no name of a file. The acts stand in the index's history too, from which a line that a killed process
could not write is written by the next change.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LOG = "policy.log.jsonl"
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
    path = folder / LOG
    known, whole = _known(path)
    missing = [h for h in acts if _key(h["generation"], h["created"], h["policy"]) not in known]
    if not missing:
        return
    text = "" if whole else "\n"
    for h in missing:
        line = {
            "time": h["created"], "generation": int(h["generation"]), "command": h["action"],
            "added": int(h["added"]), "policy": h["policy"],
        }  # fmt: skip
        text += json.dumps(line, ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _known(path: Path) -> tuple[set[tuple[int, str, str]], bool]:
    """What tells every line's act from others, and whether the last line is whole."""
    known: set[tuple[int, str, str]] = set()
    if not path.is_file():
        return known, True
    last = "\n"
    for line in lines_of(path):
        last = line
        try:
            values = json.loads(line)
            known.add(_key(values["generation"], values["time"], values.get("policy")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return known, last.endswith("\n")


def lines_of(path: Path) -> Iterator[str]:
    """Lines one by one, those that are longer than any that is written in pieces."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as f:
        while line := f.readline(_LONGEST):
            yield line
