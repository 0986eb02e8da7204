"""Checking a manifest's values before anything is done with them: types, bounds, and that its parts agree.

What is optional may be missing, since earlier programs did not write it; what is there must be of its type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from prom3e_index.bundle.column_types import TYPES
from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.errors import BundleError

Check = Callable[[Any, str], None]
_MOST = 1 << 40
"""More rows or numbers than any index has; keeps sums and products in range."""


class _Wrong(Exception):
    """Where a manifest is not as it must be, and what stands there."""


NOTES = ("wish", "certificate", "confidence")
"""Parts that say something about an index and decide nothing of what is found; `rebuild` makes them anew."""


def check_manifest(values: Mapping[str, Any], path: object, *, notes: bool = True) -> None:
    """Check the values of a manifest in the present form.

    Args:
        values: As parsed, brought to the present form.
        path: Of the manifest, for the message.
        notes: Whether the parts in `NOTES` must be sound too.

    Raises:
        BundleError: The first place that is not as it must be.
    """
    try:
        _check_each(values, () if notes else NOTES)
        _agree(values)
    except _Wrong as e:
        again = "run prom3e-index rebuild" if str(e).startswith(NOTES) else "build the index again"
        raise BundleError(f"{path} is damaged: {e}. Restore it from a copy, or {again}.") from e


def check_parts(values: Mapping[str, Any], needed: Collection[str] = ()) -> None:
    """Check the values of a manifest one by one, not against each other nor against files.

    Raises:
        ValueError: The first that is not as it must be, or is wanting.
    """
    wanting = sorted(set(needed) - values.keys())
    if wanting:
        raise ValueError(f"it lacks {wanting[0]}")
    try:
        _check_each(values)
    except _Wrong as e:
        raise ValueError(str(e)) from e


def _check_each(values: Mapping[str, Any], but: Collection[str] = ()) -> None:
    for key, check in _PARTS.items():
        if key in values and key not in but:
            check(values[key], key)


def _no(value: Any, where: str, wanted: str) -> _Wrong:
    shown = repr(value)
    return _Wrong(f"{where} is {shown if len(shown) <= 60 else shown[:60] + '…'}, not {wanted}")


def _whole(low: int = 0, high: int = _MOST) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _no(value, where, f"a whole number from {low} to {high}")

    return check


def _share(value: Any, where: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (math.isfinite(value) and 0 <= value <= 1):
        raise _no(value, where, "a number from 0 to 1")


def _text(value: Any, where: str) -> None:
    if not isinstance(value, str) or "\0" in value:
        raise _no(value, where, "a text")


def _matching(pattern: str, wanted: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise _no(value, where, wanted)

    return check


def _flag(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise _no(value, where, "true or false")


def _optional(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def _list(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise _no(value, where, "a list")
        for i, item in enumerate(value):
            inner(item, f"{where}[{i}]")

    return check


def _table(inner: Check, names: Check = _text) -> Check:
    """An object with one kind of value."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _no(value, where, "an object")
        for name, item in value.items():
            names(name, f"a name in {where}")
            inner(item, f"{where}[{name!r}]")

    return check


def _object(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys; others are left to whoever wrote them."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _no(value, where, "an object")
        for key, inner in needed.items():
            if key not in value:
                raise _Wrong(f"{where} lacks {key}")
            inner(value[key], f"{where}.{key}")
        for key, inner in (more or {}).items():
            if key in value:
                inner(value[key], f"{where}.{key}")

    return check


def _closed(check: Check, *keys: str) -> Check:
    """An object with these keys and no others."""

    def closed(value: Any, where: str) -> None:
        check(value, where)
        others = sorted(set(value) - set(keys))
        if others:
            raise _Wrong(f"{where} has {others[0]!r:.60}, which no part of it is")

    return closed


def _inside(value: Any, where: str) -> None:
    """A file within the index."""
    _text(value, where)
    parts = value.split("/")
    if PurePosixPath(value).is_absolute() or not value or {"", ".", ".."} & set(parts):
        raise _Wrong(f"{where} is {value!r}, which may lie outside the index; refused")


def _anything(value: Any, where: str) -> None:
    return


def _seconds(value: Any, where: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and 0 < value <= 86_400):
        raise _no(value, where, "seconds")


_NAME = _matching(r"[A-Za-z][A-Za-z0-9_-]{0,63}", "a modality's name")
_POINT = _object(
    {"kind": _matching("|".join(KINDS), f"one of {', '.join(KINDS)}")},
    {
        "probes": _whole(high=1 << 24),
        "candidates": _whole(1, 1 << 16),
        "beam": _whole(high=1 << 24),
    },
)
_COUNTS = _table(_whole())
_FOLDER = _closed(
    _object({"media": _text}, {"beside": _optional(_text), "built_media": _text}),
    "media",
    "beside",
    "built_media",
)
"""One level: such a folder has no others in it."""
_PARTS: dict[str, Check] = {
    "generation": _whole(1),
    "oldest": _whole(1),
    "rows": _whole(),
    "places": _whole(),
    "modalities": _list(_NAME),
    "width": _whole(1, 1 << 20),
    "hidden_width": _whole(high=1 << 20),
    "bias_width": _whole(high=1 << 10),
    "files": _table(
        _object({"bytes": _whole(high=1 << 60), "sha256": _matching("[0-9a-f]{64}", "a SHA-256")}), _inside
    ),
    "fingerprints": _table(_text),
    "model": _object(
        {"name": _text},
        {
            "beside": _optional(_text), "hub": _optional(_text), "hub_beside": _optional(_text),
            "exif_transpose": _flag, "audio_windows": _flag,
        },
    ),
    "windows": _optional(
        _object({"seconds": _seconds, "hop": _seconds, "longer_than": _seconds})
    ),
    "epsilon": _table(_share),
    "planet": _flag,
    "hubs": _object({"method": _text}),
    "columns": _table(
        _object({"type": _matching(TYPES.pattern, "a type of metadata")}, {"text": _text})
    ),
    "segments": _list(
        _object(
            {
                "name": _matching(r"[.]|segments/[A-Za-z0-9_-]+", "a segment's folder"),
                "rows": _whole(),
                "media": _text,
                "index": _table(_POINT),
            },
            {
                "counts": _COUNTS, "beside": _optional(_text), "built_media": _text,
                "folders": _list(_FOLDER),
            },
        )
    ),
    "confidence": _object(
        {"rows": _whole(), "generation": _whole(1)}, {"file": _inside, "reason": _text}
    ),
    "deleted": _optional(_object({"file": _inside, "rows": _whole()})),
    "history": _list(
        _object(
            {"generation": _whole(1), "created": _text, "action": _text, "added": _whole(), "removed": _whole()},
            {"of": _whole(1)},
        )
    ),
    "counts": _COUNTS,
    "policy": _optional(
        _object(
            {"name": _text, "sha256": _matching("[0-9a-f]{64}", "a SHA-256"), "toml": _text},
            {
                "authority": _text, "review": _optional(_text), "rows": _COUNTS, "kept": _list(_text),
                "polygons": _table(_list(_list(_anything))),
            },
        )
    ),
    "observed": _COUNTS,
    "created": _text,
    "program": _text,
    "wish": _table(_anything),
    "weights": _table(_anything),
    "machine": _table(_anything),
    "source": _object(
        {},
        {
            "media": _text, "climate": _optional(_text), "climate_beside": _optional(_text), "table": _text,
            "citations": _list(_text),
        },
    ),
    "certificate": _object(
        {}, {"targets": _table(_table(_anything)), "generation": _whole(1), "rows": _whole()}
    ),
}  # fmt: skip


def _agree(values: Mapping[str, Any]) -> None:
    """Parts that say the same thing twice must say the same; rows are bounded by files."""
    names, segments, files = values["modalities"], values["segments"], values["files"]
    if not names or len(set(names)) < len(names):
        raise _Wrong(f"its modalities are {names}")
    folders = [s["name"] for s in segments]
    if not segments or len(set(folders)) < len(folders):
        raise _Wrong(f"its segments are {folders}")
    places = sum(s["rows"] for s in segments)
    removed = values["deleted"]["rows"] if values["deleted"] else 0
    if values["places"] != places or values["rows"] != places - removed:
        raise _Wrong(
            f"it has {values['places']} places and {values['rows']} rows; its segments have {places}, {removed} removed"
        )
    if values.get("bias_width", 0) not in (0, len(names)):
        raise _Wrong(f"bias_width is {values['bias_width']}, its modalities are {len(names)}")
    noted = values.get("confidence", {})
    if isinstance(noted, dict) and "file" in noted and noted["file"] not in files:
        raise _Wrong(f"confidence.file is {noted['file']!r}, which files does not describe")
    for segment in segments:
        lacking = set(names) - set(segment["index"])
        if lacking:
            raise _Wrong(f"segment {segment['name']} has no index of {min(lacking)}")
        prefix = "" if segment["name"] == "." else segment["name"] + "/"
        present = files.get(f"{prefix}embeddings/present.npy")
        if present is None or present["bytes"] < segment["rows"] * len(names):
            raise _Wrong(
                f"segment {segment['name']} has {segment['rows']} rows, its embeddings/present.npy cannot hold them"
            )
