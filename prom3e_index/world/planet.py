"""The invented planet: climate fields, habitats, and species with niches.

The planet never changes: climate, taxonomy and looks come from one fixed seed, so that a model
trained on some observations can be asked about others. Observations vary with the user's seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prom3e_index.schema import CLIMATE_COLUMNS

PLANET_SEED = 20_511
BANDS = len(CLIMATE_COLUMNS)
RASTER_SHAPE = (90, 180, BANDS)
"""Two-degree cells, north to south, west to east; elevation first, then 19 climate variables."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Species:
    """An invented species: names, where it lives, how it looks and sounds.

    Attributes:
        taxon: Kingdom to genus, then the binomial.
        common_name: Invented English name.
        niche: Centre in (warmth, rain, height), each about −2..2.
        breadth: Standard deviation of the niche.
        look: Numbers in 0..1 that `render.photo` reads: body hue, accent hue, pattern, build,
            pattern scale, lightness.
        voice: Base pitch Hz, notes per phrase, pitch slope, vibrato Hz, phrases per second, overtones.
    """

    taxon: tuple[str, ...]
    common_name: str
    niche: Floats
    breadth: float
    look: Floats
    voice: Floats


_SYLLABLES = (
    "bra do fi gul hen ji kro lum mav nes or plo qui ras sel tur ul vex wim xo yar zin".split()
)
_ADJECTIVES = "Painted Whispering Lantern Copper Moss Thunder Velvet Glass".split()
_NOUNS = "Zibbet Flarrow Quell Dorrick Munnet Sprindle Harkle Wexel".split()


def _word(rng: np.random.Generator, ending: str, parts: int = 2) -> str:
    return "".join(rng.choice(_SYLLABLES, parts)) + ending


@lru_cache(maxsize=1)
def species() -> tuple[Species, ...]:
    """The 64 species: 2 classes × 2 orders × 2 families × 2 genera × 4."""
    rng = np.random.default_rng(PLANET_SEED)
    out: list[Species] = []
    for c in range(2):
        class_ = _word(rng, "ata").capitalize()
        for _ in range(2):
            order, order_look = _word(rng, "iformes").capitalize(), rng.random(6)
            for _ in range(2):
                family, family_look = _word(rng, "idae").capitalize(), rng.random(6)
                home = rng.normal(0, 0.9, 3)
                pitch = rng.uniform(0, 1)
                for _ in range(2):
                    genus, genus_look = _word(rng, "us").capitalize(), rng.random(6)
                    for _ in range(4):
                        own = rng.random(6)
                        look = (
                            np.array(
                                [
                                    family_look[0] + 0.25 * (genus_look[0] - 0.5),
                                    own[1],
                                    genus_look[2],
                                    (c + order_look[3]) / 2,
                                    own[4],
                                    0.5 * family_look[5] + 0.5 * own[5],
                                ]
                            )
                            % 1.0
                        )
                        voice = np.array(
                            [
                                500 * 2 ** (2.6 * pitch + 0.9 * own[0]),
                                2 + np.floor(5 * genus_look[1]),
                                2 * genus_look[4] - 1,
                                30 * own[2] * (genus_look[5] > 0.5),
                                0.6 + 1.8 * own[3],
                                order_look[0],
                            ]
                        )
                        epithet = _word(rng, "i" if own[5] > 0.5 else "a", 3)
                        name = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {len(out) + 1}"
                        out.append(
                            Species(
                                (
                                    "Fictanimalia",
                                    "Inventata",
                                    class_,
                                    order,
                                    family,
                                    genus,
                                    f"{genus} {epithet}",
                                ),
                                name,
                                home + rng.normal(0, 0.55, 3),
                                float(rng.uniform(0.25, 0.5)),
                                look,
                                voice,
                            )
                        )
    return tuple(out)


@lru_cache(maxsize=1)
def _waves() -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(PLANET_SEED + 1)
    direction = rng.normal(0, 1, (5, 12, 3)) * np.linspace(1.2, 5.5, 12)[None, :, None]
    return direction, rng.uniform(0, 2 * np.pi, (5, 12)), 1 / np.linspace(1.2, 5.5, 12)


def fields(latitude: Floats, longitude: Floats) -> Floats:
    """Warmth, rain, height, season and sea level at places in degrees: (n, 5), smooth on the sphere."""
    lat, lon = np.deg2rad(latitude), np.deg2rad(longitude)
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    direction, phase, weight = _waves()
    waves = np.sin(np.einsum("nc,fwc->nfw", xyz, direction) + phase) @ weight
    out = waves / np.sqrt((weight**2).sum() / 2)
    out[:, 0] = 0.5 * out[:, 0] + 2.6 * (np.cos(lat) - 0.62) - 0.45 * out[:, 2]
    out[:, 3] = 0.6 * out[:, 3] + 1.2 * np.abs(np.sin(lat))
    return np.asarray(out)


def is_land(f: Floats) -> NDArray[np.bool_]:
    """Whether places with these fields are land, (n,)."""
    return np.asarray(f[:, 4] > -0.15)


def climate(f: Floats) -> Floats:
    """The 20 climate values of places with these fields, (n, 20), about z-scored; NaN at sea."""
    rng = np.random.default_rng(PLANET_SEED + 2)
    mix = rng.normal(0, 0.6, (4, BANDS - 1))
    bend = rng.normal(0, 0.35, (4, BANDS - 1))
    rest = f[:, :4] @ mix + np.tanh(f[:, :4] * 1.3) @ bend
    values = np.concatenate([f[:, 2:3], rest], axis=1)
    values[~is_land(f)] = np.nan
    return np.asarray(values)


def raster() -> NDArray[np.float16]:
    """The planet's climate raster in SINR's layout, `RASTER_SHAPE` float16, NaN at sea."""
    rows, columns, _ = RASTER_SHAPE
    lat = 90 - (np.arange(rows) + 0.5) * 180 / rows
    lon = -180 + (np.arange(columns) + 0.5) * 360 / columns
    grid_lat, grid_lon = np.meshgrid(lat, lon, indexing="ij")
    return (
        climate(fields(grid_lat.ravel(), grid_lon.ravel())).reshape(RASTER_SHAPE).astype(np.float16)
    )


def suitability(f: Floats) -> Floats:
    """How likely each species is at places with these fields, (n, species), rows sum to 1."""
    every = species()
    centre = np.stack([s.niche for s in every])
    breadth = np.array([s.breadth for s in every])
    distance = ((f[:, None, :3] - centre) ** 2).sum(-1) / (2 * breadth**2)
    weight = np.exp(-np.minimum(distance, 40)) / breadth
    return np.asarray(weight / weight.sum(1, keepdims=True))
