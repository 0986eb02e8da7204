"""Places become centres of cells of lattices that never move, and the uncertainty covers the whole cell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prom3e_index.policy.cells import LEVELS, NAMES, distance_m
from prom3e_index.policy.region import Region, box_of, checked_rings

CELLS = [n for n in NAMES if n not in ("open", "withhold")]


def drawn(n=4000):
    rng = np.random.default_rng(3)
    latitude = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    longitude = rng.uniform(-180, 180, n)
    latitude[:6] = [90, -90, 0, 89.99999, 0.1, -0.1]
    longitude[:6] = [180, -180, 0, 179.99999, 0.3, -0.3]
    return latitude, longitude


@pytest.mark.parametrize("name", CELLS)
def test_every_place_of_a_cell_has_one_centre_no_further_than_is_said(name):
    level = LEVELS[name]
    latitude, longitude = drawn()
    lat, lon, half = level.centres(latitude, longitude)
    south, west, north, east = level.bounds(latitude, longitude)

    assert (south - 1e-9 <= latitude).all() and (latitude <= north + 1e-9).all()
    assert (west - 1e-9 <= longitude).all() and (longitude <= east + 1e-9).all()
    p, q, d = np.radians(latitude), np.radians(lat), np.radians(lon - longitude)
    c = np.sin(p) * np.sin(q) + np.cos(p) * np.cos(q) * np.cos(d)
    assert (np.degrees(np.arccos(np.clip(c, -1, 1))) * 111_195.08 <= half + 1).all()
    again = level.centres(lat, lon)
    assert np.array_equal(again[0], lat) and np.array_equal(again[1], lon)
    corner = level.centres(south + 0.01 * (north - south), west + 0.01 * (east - west))
    assert np.array_equal(corner[0], lat) and np.array_equal(corner[1], lon)


def test_cells_of_degrees_are_whole_multiples_and_of_metres_as_wide_as_high():
    one = LEVELS["0.1deg"].centres(
        np.array([52.31312, -0.05, 0.3]), np.array([13.44531, -0.05, 0.7])
    )
    assert np.allclose(one[0], [52.35, -0.05, 0.35]) and np.allclose(one[1], [13.45, -0.05, 0.75])
    assert LEVELS["0.2deg"].centres(np.array([52.31312]), np.array([13.44531]))[0][0] == 52.3
    for name, metres in (("10km", 10_000), ("1km", 1000), ("100m", 100)):
        latitude, longitude = drawn(500)
        keep = np.abs(latitude) < 80
        south, west, north, east = LEVELS[name].bounds(latitude[keep], longitude[keep])
        middle = (south + north) / 2
        high = distance_m(south, west, north, west)
        wide = distance_m(middle, west, middle, east)
        assert np.allclose(high, metres, rtol=0.01)
        assert (wide >= high * 0.999).all() and (wide <= high * 1.02).all()


def test_levels_stand_in_the_order_of_their_cells():
    high = [LEVELS[n].height_deg for n in NAMES]
    assert high == sorted(high) and high[0] == 0


def test_regions_are_those_of_plain_loops():
    rng = np.random.default_rng(5)
    angles = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    outer = [
        [15 + 5 * math.cos(a) * (1 + i % 2), 50 + 3 * math.sin(a)] for i, a in enumerate(angles)
    ]
    hole = [[14, 49], [16, 49], [16, 51], [14, 51]]
    region = Region(None, checked_rings([outer, hole], "r"))
    latitude, longitude = rng.uniform(44, 56, 600), rng.uniform(3, 27, 600)

    def surrounds(ring, lat, lon):
        inside = False
        for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True):
            if (ay > lat) != (by > lat) and lon < ax + (lat - ay) / (by - ay) * (bx - ax):
                inside = not inside
        return inside

    expected = [
        surrounds(outer, a, o) != surrounds(hole, a, o)
        for a, o in zip(latitude, longitude, strict=True)
    ]
    assert region.holds(latitude, longitude).tolist() == expected and 50 < sum(expected) < 550
    assert region.holds(np.array([49.0, np.nan]), np.array([14.5, np.nan])).tolist() == [True, True]
    across = Region(box_of([170, -20, -170, -10], "b"))
    assert across.holds(np.array([-15.0] * 4), np.array([175.0, -175.0, 0.0, 170.0])).tolist() == [
        True,
        True,
        False,
        True,
    ]
