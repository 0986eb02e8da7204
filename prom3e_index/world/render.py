"""Drawing the planet: photos, satellite tiles and songs as arrays."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from prom3e_index.world.planet import Floats, Species

PHOTO = (240, 320)
TILE = 128
SONG_S = 3.0
Pixels = NDArray[np.uint8]


def _rgb(hue: float, saturation: float, value: float) -> Floats:
    return np.array(colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1)))


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Floats:
    """Smooth noise in 0..1, (height, width): a small random grid, smoothly enlarged."""
    grid = rng.random((cells + 1, cells + 1))
    y, x = np.linspace(0, cells - 1e-6, height), np.linspace(0, cells - 1e-6, width)
    i, j = y.astype(int), x.astype(int)
    a, b = (y - i)[:, None], (x - j)[None, :]
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    top = grid[i][:, j] * (1 - b) + grid[i][:, j + 1] * b
    bottom = grid[i + 1][:, j] * (1 - b) + grid[i + 1][:, j + 1] * b
    return np.asarray(top * (1 - a) + bottom * a)


def land_colour(f: Floats) -> tuple[Floats, Floats]:
    """Ground and cover colours of a place with fields (5,): dry is ochre, wet is green, high is grey."""
    warm, rain, high = (float(np.tanh(v)) for v in f[:3])
    ground = _rgb(0.09 + 0.03 * warm, 0.45 - 0.25 * high, 0.62 - 0.12 * rain + 0.12 * high)
    cover = _rgb(
        0.27 + 0.07 * rain - 0.05 * warm, 0.55 + 0.2 * rain - 0.2 * high, 0.42 + 0.1 * warm
    )
    return ground, cover


def photo(s: Species, f: Floats, rng: np.random.Generator) -> Pixels:
    """Draw one animal in its habitat, (240, 320, 3) uint8; pose, size, place and light vary."""
    height, width = PHOTO
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    ground, cover = land_colour(f)
    blend = np.clip(_noise(rng, height, width, 5) + 0.25 * np.tanh(f[1]), 0, 1)[..., None]
    picture = (
        ground * (1 - blend)
        + cover * blend
        + 0.08 * (_noise(rng, height, width, 40)[..., None] - 0.5)
    )
    size = rng.uniform(52, 78)
    angle = rng.uniform(-0.5, 0.5)
    cx, cy = width / 2 + rng.uniform(-45, 45), height / 2 + rng.uniform(-28, 28)
    flip = 1 if rng.random() < 0.5 else -1
    u = ((x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)) * flip / size
    v = (-(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)) / size
    hue, accent, pattern, build, scale, light = s.look
    flat = 0.45 + 0.4 * build
    body = u**2 + (v / flat) ** 2
    head = (u - 0.95) ** 2 + (v + 0.35 * flat) ** 2 < (0.26 + 0.16 * (1 - build)) ** 2
    tail = (
        (u < -0.75)
        & (u > -1.2 - 0.7 * build)
        & (np.abs(v) < 0.12 + 0.22 * (1 - build) * (-u - 0.75))
    )
    main, second = _rgb(hue, 0.75, 0.45 + 0.45 * light), _rgb(accent, 0.85, 0.95 - 0.5 * light)
    frequency = 7 + 10 * scale
    kind = int(pattern * 4)
    if kind == 0:
        marks = np.sin(frequency * u) > 0.25
    elif kind == 1:
        marks = (np.sin(frequency * u) * np.sin(frequency * v)) > 0.3
    elif kind == 2:
        marks = v > 0.1 * flat
    else:
        marks = np.sin(frequency * np.hypot(u, v)) > 0.3
    shade = (1.0 - 0.35 * np.clip(v / flat, -1, 1))[..., None]
    coat = np.where(marks[..., None], second, main) * shade
    picture = np.where((body < 1)[..., None], coat, picture)
    picture = np.where(tail[..., None], main * 0.8, picture)
    picture = np.where(head[..., None], second, picture)
    eye = (u - 1.05) ** 2 + (v + 0.45 * flat) ** 2 < 0.05**2
    picture = np.where(eye[..., None], 0.05, picture)
    light_now = rng.uniform(0.8, 1.15) + 0.1 * (x / width - 0.5) * rng.normal()
    return np.asarray(np.clip(picture * light_now[..., None] * 255, 0, 255).astype(np.uint8))


def tile(f: Floats, rng: np.random.Generator, side: int = TILE) -> Pixels:
    """Draw a satellite tile of a place, (side, side, 3) uint8: ground, cover, relief, a river if wet."""
    ground, cover = land_colour(f)
    patches = _noise(rng, side, side, 6) * 0.6 + _noise(rng, side, side, 24) * 0.4
    threshold = 0.5 - 0.3 * np.tanh(f[1])
    covered = 1 / (1 + np.exp(-(patches - threshold) * 18))
    picture = ground * (1 - covered[..., None]) + cover * covered[..., None]
    relief = _noise(rng, side, side, 10)
    slope = np.gradient(relief, axis=1) * side / 10 * (0.08 + 0.3 * max(0.0, float(np.tanh(f[2]))))
    picture = picture * (1 + slope[..., None])
    snow = 1 / (1 + np.exp(-(relief + 0.5 * f[2] - 0.7 * f[0] - 1.6) * 6))
    picture = picture * (1 - snow[..., None]) + 0.95 * snow[..., None]
    if f[1] > 0.2:
        y, x = np.mgrid[0:side, 0:side]
        bend = side * (0.5 + 0.25 * np.sin(x / side * 6 + rng.uniform(0, 6)))
        picture = np.where((np.abs(y - bend) < 2.5)[..., None], [0.12, 0.25, 0.4], picture)
    return np.asarray(np.clip(picture * 255, 0, 255).astype(np.uint8))


def song(s: Species, f: Floats, rng: np.random.Generator, rate_hz: int) -> NDArray[np.float32]:
    """Sing a few phrases over the habitat's noise (wind when dry, rain when wet), 3 s float32."""
    pitch, notes, slope, vibrato, tempo, overtones = s.voice
    t_all = np.arange(int(SONG_S * rate_hz)) / rate_hz
    out = np.zeros_like(t_all)
    start = rng.uniform(0, 0.3)
    note_s = 0.8 / tempo / notes
    shift = rng.normal(0, 0.02)
    while start < SONG_S - 0.1:
        for i in range(int(notes)):
            begin = start + i * note_s
            first, last = (int(np.ceil(v * rate_hz)) for v in (begin, begin + 0.75 * note_s))
            t = t_all[first:last] - begin
            envelope = np.sin(np.pi * t / (0.75 * note_s)) ** 2
            step = 2 ** (shift + slope * (i / notes - 0.5) * 0.7)
            glide = 1 + slope * 0.15 * t / note_s
            phase = 2 * np.pi * pitch * step * t * glide
            phase = phase + (0.8 * np.sin(2 * np.pi * vibrato * t) if vibrato else 0)
            out[first:last] += envelope * (np.sin(phase) + 0.5 * overtones * np.sin(2 * phase))
        start += 1.0 / tempo + rng.uniform(0.0, 0.15)
    white = rng.normal(0, 1, len(t_all))
    wind = np.convolve(white, np.ones(40) / 40, mode="same") * 3
    wet = 1 / (1 + np.exp(-2 * f[1]))
    noise = 0.06 * (wet * white + (1 - wet) * wind)
    mixed = rng.uniform(0.3, 0.6) * out / max(1e-6, float(np.abs(out).max())) + noise * rng.uniform(
        0.4, 1.2
    )
    return np.asarray(np.clip(mixed, -0.99, 0.99), np.float32)
