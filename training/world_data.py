"""The demo world as tensors: what stage 1 reads, decoded once and kept in memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.media.audio import AudioSpec, audio_features
from prom3e_index.media.images import ImageSpec, image_pixels
from prom3e_index.taxon import taxon_text
from prom3e_index.world.planet import CLIMATE_COLUMNS


@dataclass
class WorldData:
    """A world's observations, n rows; a missing modality has index −1 or NaN.

    Attributes:
        species: (n,) species number, the answer key.
        image: (n,) row of `pixels`; `pixels` (i, 256, 256, 3) uint8, squashed, not cropped.
        sat: (n,) row of `tiles`; `tiles` (s, 256, 256, 3) uint8.
        audio: (n,) row of `sounds`; `sounds` (a, frames, mels) float16.
        place: (n, 2) latitude, longitude in degrees.
        climate: (n, 20).
        text: n names, empty when unknown.
    """

    species: NDArray[np.int64]
    image: NDArray[np.int64]
    sat: NDArray[np.int64]
    audio: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    tiles: NDArray[np.uint8]
    sounds: NDArray[np.float16]
    place: NDArray[np.float32]
    climate: NDArray[np.float32]
    text: list[str]


def _indexed(paths: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    unique = list(dict.fromkeys(p for p in paths if p))
    number = {p: i for i, p in enumerate(unique)}
    return unique, np.array([number.get(p, -1) for p in paths])


def read_world(folder: Path) -> WorldData:
    """Decode every file of a demo world."""
    with (folder / "observations.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    names = sorted({r["true_species"] for r in rows})
    square = ImageSpec(crop=256)
    images, image = _indexed([r["image"] for r in rows])
    tiles, sat = _indexed([r["satellite"] for r in rows])
    sounds, audio = _indexed([r["audio"] for r in rows])

    def number(row: dict[str, str], column: str) -> float:
        return float(row[column]) if row[column] else np.nan

    return WorldData(
        np.array([names.index(r["true_species"]) for r in rows]),
        image,
        sat,
        audio,
        np.stack([image_pixels(folder / p, square) for p in images]),
        np.stack([image_pixels(folder / p, square, tile=True) for p in tiles]),
        np.stack(
            [audio_features(folder / p, AudioSpec())[0, 0].astype(np.float16) for p in sounds]
        ),
        np.array(
            [[number(r, "decimalLatitude"), number(r, "decimalLongitude")] for r in rows],
            np.float32,
        ),
        np.array([[number(r, c) for c in CLIMATE_COLUMNS] for r in rows], np.float32),
        [
            taxon_text({**r, "species": ""}, r["scientificName"]) if r["scientificName"] else ""
            for r in rows
        ],
    )
