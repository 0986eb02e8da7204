"""The files of observations: by row and modality alone, and only what lies in the index's folders of media."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.media_folders import MediaFolders, is_remote
from prom3e_index.schema import MEDIA
from prom3e_index.search.run import Bundle
from prom3e_index.server.problems import not_found

_COLUMNS = (*MEDIA, "obscured")
_MOST = 100_000
Why = Literal["none", "unnamed", "obscured", "remote", "outside", "moved", "unreadable"]
_SAID: dict[Why, str] = {
    "none": "it was not observed",
    "unnamed": "the index names no file of it",
    "obscured": "its place is obscured, and a tile would tell it",
    "remote": "the index knows an address on the web alone",
    "outside": "the file lies outside the index's folders of media; `prom3e-index serve --media FOLDER` names one",
    "moved": "the file is not where it was; `prom3e-index serve --media FOLDER` says where it is now",
    "unreadable": "it could not be read when the index was built",
}
_shown: WeakKeyDictionary[Bundle, dict[int, tuple[str, ...]]] = WeakKeyDictionary()
_folders: WeakKeyDictionary[MediaFolders, dict[str, bool]] = WeakKeyDictionary()


def check_row(bundle: Bundle, row: int) -> None:
    """Refuse a row that the index has not, or no longer.

    Raises:
        Problem: 404.
    """
    check_rows(bundle, [row])


def check_rows(bundle: Bundle, rows: Sequence[int]) -> None:
    """As `check_row`, of some rows."""
    numbers = np.array(rows, np.int64)
    there = bundle.among(None, numbers) & (numbers >= 0) & (numbers < bundle.places)
    if not there.all():
        raise not_found(f"The index has no observation in row {numbers[~there][0]}.", "row")


def shown_of(bundle: Bundle, rows: list[int]) -> dict[int, tuple[str, ...]]:
    """Modalities of which some rows have a file that may be shown; looked for once, for links."""
    known = _shown.setdefault(bundle, {})
    lacking = [r for r in rows if r not in known]
    if len(known) + len(lacking) > _MOST:
        known.clear()
        lacking = rows
    known |= {row: tuple(files) for row, files in media_of(bundle, lacking, known=True).items()}
    return {row: known[row] for row in rows}


def media_of(bundle: Bundle, rows: list[int], *, known: bool = False) -> dict[int, dict[str, Path]]:
    """The files of some rows that may be shown, by row and modality.

    Args:
        bundle: The index.
        rows: Row numbers.
        known: Whether a folder that lay within those of media is taken to do so still: for links alone, which are
            checked when they are followed.
    """
    columns = [c for c in _COLUMNS if c in bundle.columns]
    if not rows:
        return {}
    numbers = np.array(rows, np.int64)
    held = bundle.values(numbers, columns)
    has = zip(rows, bundle.observed(numbers), strict=True)
    return {row: _files(bundle, row, held[row], there, known) for row, there in has}


def _files(
    bundle: Bundle,
    row: int,
    values: Mapping[str, Any],
    observed: NDArray[np.bool_],
    known: bool,
) -> dict[str, Path]:
    """What of a row lies in the index's folders. A tile tells where an obscured place is, and so it stays."""
    folders = bundle.folders_of(row)
    has = dict(zip(bundle.modalities, observed, strict=True))
    out = {}
    for modality in MEDIA:
        cell = values.get(modality)
        hidden = modality == "sat" and bool(values.get("obscured"))
        if not cell or hidden or is_remote(str(cell)) or not has.get(modality):
            continue
        file = folders.file(str(cell))
        if _there(folders, file, known):
            out[modality] = Path(file)
    return out


def _there(media: MediaFolders, file: str, known: bool) -> bool:
    """Whether a file is there, and in the folders of media, links followed."""
    if not known:
        return media.below(file) and is_file(file)
    try:
        mode = os.lstat(file).st_mode
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(mode):
        return media.below(file) and is_file(file)
    folders = _folders.setdefault(media, {})
    folder = file.rpartition(os.sep)[0]
    if folder not in folders:
        folders[folder] = media.below(folder)
    return folders[folder]


def is_file(file: str) -> bool:
    """Whether a file is there; not where no file can have such a name."""
    try:
        return Path(file).is_file()
    except (OSError, ValueError):
        return False


def file_of(bundle: Bundle, row: int, modality: str) -> Path:
    """The file of a row.

    Raises:
        Problem: 404 where it has none that may be shown, with the reason.
    """
    check_row(bundle, row)
    found = media_of(bundle, [row])[row].get(modality)
    if found is not None:
        return found
    values = bundle.values(np.array([row], np.int64), [c for c in _COLUMNS if c in bundle.columns])[
        row
    ]
    has = dict(zip(bundle.modalities, bundle.observed(np.array([row], np.int64))[0], strict=True))
    why = _why(bundle, row, modality, values, bool(has.get(modality)))
    raise not_found(f"Observation {row} has no {modality} to show: {_SAID[why]}.")


def unshown(bundle: Bundle, rows: list[int]) -> dict[int, Why]:
    """Why nothing is to be seen or heard of rows of which something was observed; others are left out."""
    columns = [c for c in _COLUMNS if c in bundle.columns]
    numbers = np.array(rows, np.int64)
    held = bundle.values(numbers, columns) if rows else {}
    out: dict[int, Why] = {}
    for row, has in zip(rows, bundle.observed(numbers) if rows else (), strict=True):
        there = dict(zip(bundle.modalities, has, strict=True))
        of = [_why(bundle, row, m, held[row], True) for m in MEDIA if there.get(m)]
        if of:
            out[row] = of[0]
    return out


def _why(bundle: Bundle, row: int, modality: str, values: Mapping[str, Any], observed: bool) -> Why:
    cell = values.get(modality)
    if modality == "sat" and values.get("obscured"):
        return "obscured"
    if not cell:
        return "unnamed" if observed else "none"
    if is_remote(str(cell)):
        return "remote"
    folders = bundle.folders_of(row)
    file = folders.file(str(cell))
    if not folders.below(file):
        return "outside"
    return "unreadable" if is_file(file) else "moved"


def obscured(bundle: Bundle, row: int) -> bool:
    """Whether a row's place is obscured."""
    if "obscured" not in bundle.columns:
        return False
    return bool(bundle.values(np.array([row], np.int64), ["obscured"])[row]["obscured"])
