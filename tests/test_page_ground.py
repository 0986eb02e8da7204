"""The Earth below the page's map: land where land is, and no edge of it that runs across the sheet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pages import STATIC

PLACES = {
    "Viti Levu": (177.9, -17.8, True), "Vanua Levu": (179.3, -16.6, True), "Chukotka": (-175.0, 66.8, True),
    "Anadyr": (176.0, 66.0, True), "Wrangel Island": (179.5, 71.2, True), "the South Pole": (0.0, -89.9, True),
    "Victoria Land": (160.0, -75.0, True), "Vienna": (16.4, 48.2, True), "Kansas": (-98.0, 38.5, True),
    "the Atlantic at Fiji's latitude": (-15.0, -16.5, False), "the Barents Sea": (40.0, 73.0, False),
    "the Norwegian Sea": (0.0, 68.0, False), "the North Pole": (0.0, 89.9, False), "the Pacific": (-150.0, 40.0, False),
}  # fmt: skip


def rings(scale):
    land = json.loads((STATIC / f"vendor/earth-{scale}.json").read_text())["land"]
    return [np.array(r) for polygon in land for r in polygon]


def is_land(rings, x, y):
    """Even or odd, as flat maps are filled."""
    crossed = 0
    for r in rings:
        (x0, y0), (x1, y1) = r[:-1].T, r[1:].T
        over = (y0 > y) != (y1 > y)
        crossed += int((over & (x < x0 + (x1 - x0) * (y - y0) / np.where(over, y1 - y0, 1))).sum())
    return crossed % 2 == 1


@pytest.mark.parametrize("scale", ["110m", "50m"])
def test_land_is_where_land_is(scale):
    all = rings(scale)
    wrong = {
        name
        for name, (x, y, land) in PLACES.items()
        if is_land(all, x, y) is not land and not (scale == "110m" and name == "Vanua Levu")
    }
    assert wrong == set()


@pytest.mark.parametrize("scale", ["110m", "50m"])
def test_no_edge_runs_across_the_sheet(scale):
    for r in rings(scale):
        step = np.abs(np.diff(r, axis=0))
        at_a_pole = (np.abs(r[:-1, 1]) == 90) & (np.abs(r[1:, 1]) == 90)

        assert (r[0] == r[-1]).all() and len(r) > 3
        assert np.abs(r[:, 0]).max() <= 180 and np.abs(r[:, 1]).max() <= 90
        assert (step[~at_a_pole] < 30).all()
