"""Observations for stage 1: a table's rows, and their media decoded once into memory-mapped files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.errors import InputError, MediaError, near_names
from prom3e_index.media.audio import AudioSpec
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.media.images import ImageSpec
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.tables import read_observations

Progress = Callable[[str, int, int | None], None]
SQUARE = ImageSpec(crop=256)
"""Photos and tiles are kept squashed but uncropped, so that training can crop at random."""


@dataclass(frozen=True)
class Rows:
    """What stage 1 needs of n observations.

    Attributes:
        media: For `image`, `sat` and `audio` the n paths, None where missing.
        place: (n, 2) float32 latitude, longitude in degrees, NaN where missing or obscured.
        climate: (n, c) float32, NaN where missing.
        text: n names, empty where unknown.
        label: (n,) int64 species number; a row of unknown species has one of its own.
        base: Folder that relative paths start from.
    """

    media: dict[str, list[str | None]]
    place: NDArray[np.float32]
    climate: NDArray[np.float32]
    text: list[str]
    label: NDArray[np.int64]
    base: Path

    def __len__(self) -> int:
        return len(self.text)

    def fingerprint(self) -> str:
        """SHA-256, 16 hex digits, over everything training reads of the table."""
        found = hashlib.sha256(json.dumps([self.media, self.text]).encode())
        for array in (self.place, self.climate, self.label):
            found.update(array.tobytes())
        return found.hexdigest()[:16]


def read_rows(
    table: str,
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    media: Path | None = None,
    allow_outside: bool = False,
    encoding: str | None = None,
    climate: Path | None = None,
    label: str | None = None,
) -> Rows:
    """Read a table for training; records of absence are passed over, as an index refuses them.

    Args:
        table: As `read_observations` takes it.
        columns: Column → field.
        format: Of the table; recognised when None.
        media: Folder of relative media paths.
        allow_outside: Accept media outside it.
        encoding: Of a text table; told by its bytes when None.
        climate: Raster for rows without climate values of their own.
        label: Column that tells species apart; the taxonomic name when None.

    Raises:
        InputError: No such column, or fewer than two rows.
    """
    observations = read_observations(
        table,
        columns,
        format=format,
        media=media,
        allow_outside=allow_outside,
        encoding=encoding,
        keep_missing=True,
    )
    if label is not None and label not in observations.columns:
        near = near_names(label, observations.columns)
        raise InputError(f"--species {label!r} is no column of {table}{near}.")
    kept: dict[str, list[Any]] = {k: [] for k in ("image", "sat", "audio", "text", "env", "label")}
    place: list[tuple[float, float]] = []
    own = next((k for k, v in observations.extra.items() if v == label), label)
    for batch in observations.batches():
        values = batch.filter(batch.column("refused").is_null()).to_pydict()
        for key in kept:
            kept[key] += values["text" if own is None else own] if key == "label" else values[key]
        for latitude, longitude, obscured in zip(
            values["latitude"], values["longitude"], values["obscured"], strict=True
        ):
            known = latitude is not None and longitude is not None and not obscured
            place.append((latitude, longitude) if known else (np.nan, np.nan))
    n = len(place)
    if n < 2:
        raise InputError(f"{table} has {n} rows; training needs at least two.")
    places = np.array(place, np.float32)
    wide = next((len(v) for v in kept["env"] if v is not None), 20)
    values_of = [np.full(wide, np.nan) if v is None else v for v in kept["env"]]
    climates = np.array(values_of, np.float32).reshape(n, wide)
    if climate is not None:
        raster = ClimateRaster.open(climate, wide)
        lacking = np.isnan(climates).any(axis=1) & ~np.isnan(places).any(axis=1)
        values_there, has = raster.lookup(places[lacking, 0], places[lacking, 1])
        climates[lacking] = np.where(has[:, None], values_there, np.nan)
    names: dict[str, int] = {}
    numbers = [names.setdefault(v, len(names)) if v else n + i for i, v in enumerate(kept["label"])]
    return Rows(
        {m: kept[m] for m in ("image", "sat", "audio")},
        places,
        climates,
        [t or "" for t in kept["text"]],
        np.array(numbers, np.int64),
        observations.media,
    )


def _state(base: Path, name: str) -> str:
    """A line on a file: name, bytes and time of change in nanoseconds; −1 where it cannot be seen."""
    try:
        found = (base / name).stat()
    except OSError:
        return f"{name}\t-1\t-1"
    return f"{name}\t{found.st_size}\t{found.st_mtime_ns}"


def _same_files(before: str, now: str, holds: str, modality: str) -> None:
    """Refuse a cache of other files, or of files that changed since they were decoded."""
    old, new = before.split("\n"), now.split("\n")
    if old == new:
        return
    if [line.split("\t")[0] for line in old] != [line.split("\t")[0] for line in new]:
        raise InputError(
            f"{holds} the decoded {modality} files of another table; give another --cache."
        )
    changed = [b.split("\t")[0] for a, b in zip(old, new, strict=True) if a != b]
    raise InputError(
        f"{holds} decoded {modality} files of which {len(changed)} have another size or time of change "
        f"now, first {changed[0]}; give another --cache to decode them anew."
    )


class MediaCache:
    """Decoded files of one modality, each once, in a memory-mapped file that a run finds again.

    Attributes:
        index: (n,) row of `values` of each observation, −1 where it has none that can be read.
        values: Photos and tiles (files, 256, 256, 3) uint8; recordings (files, 4, frames, mels) float16.
        refused: Files that could not be decoded, with the reason.
        identity: 16 hex digits over folder, names, sizes and times of change of the files.
    """

    def __init__(
        self, folder: Path, rows: Rows, modality: str, spec: ImageSpec | AudioSpec, show: Progress
    ) -> None:
        unique = list(dict.fromkeys(p for p in rows.media[modality] if p))
        listed = "\n".join([str(rows.base.resolve()), *(_state(rows.base, p) for p in unique)])
        self.identity = hashlib.sha256(listed.encode()).hexdigest()[:16]
        if not unique:
            raise InputError(f"The table has no {modality} files to train with.")
        store, marks = folder / f"{modality}.npy", folder / f"{modality}.done.npy"
        which = folder / f"{modality}.files.txt"
        note = folder / f"{modality}.refused.txt"
        if not marks.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            note.unlink(missing_ok=True)
            good = self._decode(store, rows.base, unique, modality, spec, note, show)
            which.write_text(listed, encoding="utf-8")
            np.save(marks.with_suffix(".new.npy"), good)
            marks.with_suffix(".new.npy").replace(marks)
        _same_files(which.read_text(encoding="utf-8"), listed, f"{folder} holds", modality)
        good = np.load(marks, allow_pickle=False)
        self.values: NDArray[Any] = np.load(store, mmap_mode="r", allow_pickle=False)
        number = {p: i if good[i] else -1 for i, p in enumerate(unique)}
        self.index = np.array([number[p] if p else -1 for p in rows.media[modality]], np.int64)
        self.refused = note.read_text(encoding="utf-8").splitlines() if note.is_file() else []

    def _decode(
        self,
        store: Path,
        base: Path,
        files: list[str],
        modality: str,
        spec: ImageSpec | AudioSpec,
        note: Path,
        show: Progress,
    ) -> NDArray[np.bool_]:
        good = np.zeros(len(files), bool)
        out: Any = None
        fields = asdict(spec)
        tasks = ((i, Task(modality, base / name, fields)) for i, name in enumerate(files))
        with DecodePool(os.cpu_count() or 2) as pool, note.open("w", encoding="utf-8") as notes:
            for i, array in pool.map(tasks, ahead=32):
                show(f"decode {modality}", i + 1, len(files))
                if isinstance(array, MediaError):
                    notes.write(f"{array}\n")
                    continue
                first = array[0] if modality == "audio" else array
                if out is None:
                    kind = np.float16 if modality == "audio" else np.uint8
                    shape = (len(files), *first.shape)
                    out = np.lib.format.open_memmap(store, mode="w+", dtype=kind, shape=shape)
                out[i], good[i] = first, True
        if out is None:
            raise InputError(f"None of the {len(files)} {modality} files could be decoded.")
        out.flush()
        return good

    def rows(self, at: Tensor) -> Tensor:
        """Decoded items of observations `at`, (b, …)."""
        return torch.from_numpy(self.values[self.index[at.numpy()]])
