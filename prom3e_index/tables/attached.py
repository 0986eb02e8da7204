"""The media that rows name: one of each kind in its field, the others beside it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.schema import MEDIA
from prom3e_index.tables.addresses import is_address
from prom3e_index.tables.cells import Cells, Memo, Problems, clean, lists, nested
from prom3e_index.tables.kinds import kind_of

if TYPE_CHECKING:
    import pyarrow as pa

UNSTATED = "media"
"""A field of columns that name media of any kind; the ending says which."""

_KINDS = (*MEDIA, UNSTATED)
Part = tuple[str, str | None, str | None]
"""Modality, path or None, and why there is none."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+\Z", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*[|;,\n]\s*")


def modality_of(path: str) -> str | None:
    """The modality that a path's ending tells, None where it tells none; a film has a picture first of all."""
    kind = kind_of(path)
    return "image" if kind == "video" else kind


def _stated(text: str | None) -> str | None:
    """The modality that words such as `Photo`, `StillImage` or `audio/mpeg` say."""
    words = (text or "").lower()
    if any(w in words for w in ("audio", "sound", "record", "wav", "mp3")):
        return "audio"
    pictures = ("photo", "image", "picture", "video", "film", "jpg", "jpeg", "png")
    return "image" if any(w in words for w in pictures) else None


def several(text: str) -> list[str]:
    """The media that one cell names.

    A cell is split at `|`, `;`, `,` or line ends where each part ends as a medium does or is an address; a list as
    JSON or Python writes it is one. Else the cell is one path.
    """
    if text[0] == "[" and text[-1] == "]":
        for read in (json.loads, ast.literal_eval):
            try:
                given = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(given, list) and all(isinstance(v, str) for v in given):
                return [t for t in map(clean, given) if t is not None]
    parts = [p for p in _BETWEEN.split(text) if p]
    if len(parts) == 1 and "://" in text and all(_ADDRESS.match(p) for p in text.split()):
        parts = text.split()
    whole = len(parts) < 2 or not all(kind_of(p) or _ADDRESS.match(p) for p in parts)
    return [text] if whole else parts


class Attached:
    """The columns of a table that name media.

    Args:
        columns: Field → its columns in order of preference.
        check: A path as it is to be opened, or None and the reason.
        media: Folder that relative paths start from.
        apart: Whether further columns of a field may name further media, as `each_medium` and `other_media` say.
    """

    def __init__(
        self,
        columns: dict[str, tuple[str, ...]],
        check: Callable[[str], tuple[str | None, str | None]],
        media: Path = Path(),
        apart: bool = True,
    ) -> None:
        self._columns = {f: columns.get(f, ()) for f in _KINDS}
        self._media = media
        self._each = set(columns.get("each_medium", ())) if apart else set()
        self._other = set(columns.get("other_media", ())) - self._each if apart else set()
        self._kind = columns.get("media_kind", ())
        self._check = check
        self._memo = {f: Memo(self._parts_of(f)) for f in self._columns}

    def _parts_of(self, field: str) -> Callable[[str, str | None], list[Part]]:
        def parts(text: str, stated: str | None) -> list[Part]:
            found: list[Part] = []
            for path in several(text):
                kind = field if field != UNSTATED else modality_of(path) or _stated(stated)
                if kind is None:
                    reason = f"{path[:120]!r} ends as no photo or sound does; map its column"
                    found.append((UNSTATED, None, reason))
                else:
                    found.append((kind, *self._check(path)))
            return found

        return parts

    def read(self, cells: Cells, lost: Problems, kind: pa.DataType) -> dict[str, pa.Array]:
        """A column of each of `MEDIA`, and `more` of type `kind`: what a row names beyond the first of each.

        Of a field's columns the first that is not empty counts, row by row; columns of no stated kind fill what is
        left. Columns of `each_medium` (`Photo 1`, `Photo 2`) have a medium each, and those of `other_media` where it is
        a file that is there and no other's. A list's or cell's first medium that can be read is its first.
        """
        import pyarrow as pa

        taken = np.zeros((len(_KINDS), cells.rows), bool)
        found = [self._items(cells, f, c, taken) for f, cs in self._columns.items() for c in cs]
        out: dict[str, pa.Array] = {}
        if not found:
            none = pa.nulls(cells.rows, pa.string())
            no_more = pa.array([[]] * cells.rows, kind)
            return {**dict.fromkeys(MEDIA, none), "more": no_more}
        rows, kinds = (np.concatenate([f[i] for f in found]) for i in (0, 1))
        paths, reasons = (pa.concat_arrays([f[i] for f in found]) for i in (2, 3))
        if self._each or self._other:
            once = self._once(rows, kinds, paths)
            rows, kinds, at = rows[once], kinds[once], pa.array(once)
            paths, reasons = paths.take(at), reasons.take(at)
        there = paths.is_valid().to_numpy(zero_copy_only=False)
        further = []
        for code, modality in enumerate(_KINDS):
            own = np.flatnonzero(kinds == code)
            lost.note(modality, reasons.take(pa.array(own)), rows[own])
            own = own[there[own]]
            order = np.argsort(rows[own], kind="stable")
            own = own[order]
            first = np.ones(len(own), bool)
            first[1:] = rows[own][1:] != rows[own][:-1]
            at = np.full(cells.rows, -1)
            at[rows[own[first]]] = own[first]
            out[modality] = paths.take(pa.array(at, mask=at < 0))
            further.append(own[~first])
        del out[UNSTATED]
        rest = np.concatenate(further)
        rest = rest[np.argsort(rows[rest], kind="stable")]
        names = pa.array(_KINDS, pa.string()).take(pa.array(kinds[rest]))
        out["more"] = nested(rows[rest], [names, paths.take(pa.array(rest))], cells.rows, kind)
        return out

    def _items(
        self,
        cells: Cells,
        field: str,
        column: str,
        taken: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], pa.Array, pa.Array]:
        """Row, kind, path and reason of each medium of a column, of those kinds that its row has not yet."""
        import pyarrow as pa

        rows, texts = _named(cells, column)
        stated = cells.first(self._kind if field == UNSTATED else ()).take(pa.array(rows))
        answers, own = self._memo[field].over(texts, stated)
        counts = np.array([len(a) for a in answers], np.int64)
        many = counts[own]
        starts = (np.cumsum(counts) - counts)[own] - (np.cumsum(many) - many)
        at = np.repeat(starts, many) + np.arange(many.sum())
        parts = [p for a in answers for p in a]
        rows = np.repeat(rows, many)
        kinds = np.array([_KINDS.index(k) for k, *_ in parts], np.int64)[at]
        free = ~taken[kinds, rows]
        if column in self._each:
            free[:] = True
        elif column in self._other:
            own_file = [p is not None and not is_address(p) for _, p, _ in parts]
            free |= np.array(own_file, bool)[at]
        rows, kinds, at = rows[free], kinds[free], pa.array(at[free])
        taken[kinds, rows] = True
        columns = (pa.array([p[i] for p in parts], pa.string()).take(at) for i in (1, 2))
        return rows, kinds, *columns

    def _once(
        self, rows: NDArray[np.int64], kinds: NDArray[np.int64], paths: pa.Array
    ) -> NDArray[np.int64]:
        """The media of rows without those that another column of the row names too."""
        seen: set[tuple[int, int, str]] = set()
        kept = []
        for i, (row, kind, path) in enumerate(zip(rows, kinds, paths.to_pylist(), strict=True)):
            key = (int(row), int(kind), normpath(self._media / path) if path else f"\0{i}")
            if key not in seen:
                kept.append(i)
            seen.add(key)
        return np.array(kept, np.int64)


def _named(cells: Cells, column: str) -> tuple[NDArray[np.int64], pa.Array]:
    """The texts of a column that are not empty, a list's one by one, and the row of each."""
    import pyarrow as pa

    listed = lists(cells.raw(column))
    if listed is None:
        texts = cells.text(column)
        valid = texts.is_valid()
        return np.flatnonzero(valid.to_numpy(zero_copy_only=False)), texts.filter(valid)
    pairs = [(i, t) for i, cell in enumerate(listed) for t in cell]
    rows = np.array([i for i, _ in pairs], np.int64)
    return rows, pa.array([t for _, t in pairs], pa.string())
