"""Writing the planet to disk: a table, and the files that it names."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from prom3e_index.errors import InputError
from prom3e_index.schema import CLIMATE_COLUMNS
from prom3e_index.world import planet, render

LICENSES = ("CC0 1.0", "CC BY 4.0", "CC BY-NC 4.0")
_SONG_FORMATS = (
    ("wav", 16_000),
    ("flac", 22_050),
    ("mp3", 44_100),
    ("flac", 48_000),
    ("mp3", 22_050),
)
_README = """# Demo world

An invented planet. No species, place or person in this folder exists; the files are made by
`prom3e-index world` and may be used without any condition; the licences in the table are there to be
tried. `observations.csv` is the table, `climate.npy` the climate raster (elevation and 19 variables,
2° cells), `species.csv` the taxonomy. `true_species` in the table is the answer key; no program reads it as a name.
"""


def write_world(
    folder: str | Path,
    observations: int = 2000,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write a world of observations with real files; same arguments, same bytes.

    Args:
        folder: Made if absent; must be empty.
        observations: Rows of the table, at least 1.
        seed: Of the observations; the planet and its species are always the same.
        progress: Called with the number of rows written so far.

    Returns:
        The path of `observations.csv`. Beside it: `photos/` JPEG, `tiles/` PNG and 12-band GeoTIFF,
        `songs/` WAV, FLAC and MP3, `climate.npy`, `species.csv`.

    Raises:
        InputError: The folder holds something already, or fewer than one observation is asked for.
    """
    if observations < 1:
        raise InputError(f"A world needs at least 1 observation, not {observations}.")
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; name a new folder.")
    for name in ("photos", "tiles", "songs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(_README)
    np.save(folder / "climate.npy", planet.raster())
    with (folder / "species.csv").open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(
            ["kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name"]
        )
        table.writerows([*s.taxon, s.common_name] for s in planet.species())
    latitude, longitude = _places(observations, seed)
    fields = planet.fields(latitude, longitude)
    climate = planet.climate(fields)
    chances = np.cumsum(planet.suitability(fields), axis=1)
    path = folder / "observations.csv"
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for i in range(observations):
            rng = np.random.default_rng([seed, i])
            which = min(int(np.searchsorted(chances[i], rng.random())), len(planet.species()) - 1)
            writer.writerow(
                _observation(
                    folder, seed, i, which, latitude[i], longitude[i], fields[i], climate[i], rng
                )
            )
            if progress:
                progress(i + 1)
    return path


_COLUMNS = [
    "occurrenceID",
    "scientificName",
    "vernacularName",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
    "decimalLatitude",
    "decimalLongitude",
    "coordinateUncertaintyInMeters",
    "coordinates_obscured",
    "eventDate",
    "image",
    "satellite",
    "audio",
    "license",
    "rightsHolder",
    "source",
    "true_species",
    *CLIMATE_COLUMNS,
]


def _places(n: int, seed: int) -> tuple[planet.Floats, planet.Floats]:
    """Places on land in degrees, gathered around sites that several observations share."""
    rng = np.random.default_rng([seed, 1 << 20])
    site_lat: list[float] = []
    site_lon: list[float] = []
    while len(site_lat) < max(1, n // 5):
        lat = np.rad2deg(np.arcsin(rng.uniform(-0.98, 0.98, 256)))
        lon = rng.uniform(-180, 180, 256)
        land = planet.is_land(planet.fields(lat, lon))
        site_lat.extend(lat[land])
        site_lon.extend(lon[land])
    site = rng.integers(0, max(1, n // 5), n)
    lat = np.array(site_lat)[site] + rng.normal(0, 0.02, n)
    lon = np.array(site_lon)[site] + rng.normal(0, 0.02, n)
    return np.clip(lat, -90, 90), (lon + 180) % 360 - 180


def _observation(
    folder: Path,
    seed: int,
    i: int,
    which: int,
    latitude: float,
    longitude: float,
    fields: planet.Floats,
    climate: planet.Floats,
    rng: np.random.Generator,
) -> dict[str, str]:
    s = planet.species()[which]
    row = {"occurrenceID": f"demo-{seed}-{i:06d}", "true_species": s.taxon[-1]}
    has = dict(
        zip(("image", "tile", "song", "place", "climate", "name"), rng.random(6), strict=True)
    )
    if has["image"] < 0.85:
        row["image"] = f"photos/{i:06d}.jpg"
        _save_photo(folder / row["image"], render.photo(s, fields, rng))
    if has["song"] < 0.25:
        ending, rate = _SONG_FORMATS[i % len(_SONG_FORMATS)]
        row["audio"] = f"songs/{i:06d}.{ending}"
        _save_song(folder / row["audio"], render.song(s, fields, rng, rate), rate)
    if has["tile"] < 0.7:
        row["satellite"] = _save_tile(folder, seed, latitude, longitude)
    if has["place"] < 0.95 or len(row) == 2:
        obscured = rng.random() < 0.05
        jitter = rng.uniform(-0.1, 0.1, 2) if obscured else np.zeros(2)
        row["decimalLatitude"] = f"{np.clip(latitude + jitter[0], -90, 90):.5f}"
        row["decimalLongitude"] = f"{(longitude + jitter[1] + 180) % 360 - 180:.5f}"
        row["coordinateUncertaintyInMeters"] = (
            "22000" if obscured else str(int(rng.integers(5, 200)))
        )
        row["coordinates_obscured"] = "true" if obscured else "false"
    if has["climate"] < 0.8 and np.isfinite(climate).all():
        row |= {c: f"{v:.4f}" for c, v in zip(CLIMATE_COLUMNS, climate, strict=True)}
    if has["name"] < 0.8:
        row |= dict(zip(_COLUMNS[3:9], s.taxon, strict=False))
        row["scientificName"], row["vernacularName"] = s.taxon[-1], s.common_name
    elif has["name"] < 0.9:  # identified to family only
        row |= dict(zip(_COLUMNS[3:8], s.taxon, strict=False))
        row["scientificName"] = s.taxon[4]
    row["eventDate"] = str(date(2024, 1, 1) + timedelta(days=int(rng.integers(0, 730))))
    row["license"] = LICENSES[int(rng.integers(0, 3))]
    row["rightsHolder"] = f"Invented Observer {int(rng.integers(1, 40))}"
    row["source"] = "demo world"
    return row


def _save_photo(path: Path, pixels: render.Pixels) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path, quality=88)


def _save_song(
    path: Path, wave: np.ndarray[tuple[int], np.dtype[np.float32]], rate_hz: int
) -> None:
    import soundfile

    mp3 = {"bitrate_mode": "CONSTANT", "compression_level": 0.7} if path.suffix == ".mp3" else {}
    soundfile.write(path, wave, rate_hz, **mp3)


def _save_tile(folder: Path, seed: int, latitude: float, longitude: float) -> str:
    """Write the tile of the 0.25° cell that a place lies in, once; give its path in the table."""
    row, column = int((90 - latitude) * 4), int((longitude + 180) * 4)
    stack = (row * 1440 + column) % 7 == 0
    name = f"tiles/{row:03d}_{column:04d}.{'tif' if stack else 'png'}"
    path = folder / name
    if path.exists():
        return name
    centre = np.array([90 - (row + 0.5) / 4]), np.array([-180 + (column + 0.5) / 4])
    fields = planet.fields(*centre)[0]
    rng = np.random.default_rng([planet.PLANET_SEED, row, column, seed])
    if not stack:
        from PIL import Image

        Image.fromarray(render.tile(fields, rng)).save(path)
        return name
    import rasterio
    from rasterio.transform import from_bounds

    pixels = render.tile(fields, rng, 96).astype(np.float32)
    bands = np.zeros((12, 96, 96), np.uint16)
    bands[:] = (pixels.mean(-1) * 3000 / 255).astype(np.uint16)
    for band, channel in ((3, 0), (2, 1), (1, 2)):
        bands[band] = np.round(pixels[..., channel] * 3000 / 255)
    south, west = 90 - (row + 1) / 4, -180 + column / 4
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=96,
        height=96,
        count=12,
        dtype="uint16",
        compress="deflate",
        crs="EPSG:4326",
        transform=from_bounds(west, south, west + 0.25, south + 0.25, 96, 96),
    ) as tif:
        tif.write(bands)
    return name
