"""True areas on the WGS84 ellipsoid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_A_KM = 6378.137
_E2 = 0.0066943799901413165
_E = _E2**0.5


def zone_height_km(latitude: Floats) -> Floats:
    """Area from the equator to a latitude in degrees, by radian of longitude, in km².

    As the height of a cylinder of equal area; Snyder 1987, equation 3-12.
    """
    s = np.sin(np.radians(latitude))
    q = (1 - _E2) * (s / (1 - _E2 * s * s) + np.arctanh(_E * s) / _E)
    found: Floats = _A_KM**2 / 2 * q
    return found


def boxes_km2(south: Floats, north: Floats, width_deg: float) -> Floats:
    """Areas of boxes of degrees, in km²."""
    found: Floats = np.radians(width_deg) * (zone_height_km(north) - zone_height_km(south))
    return found


def quadrilaterals_km2(latitude: Floats, longitude: Floats) -> Floats:
    """Areas of quadrilaterals by their corners (k, 4) in degrees, in order; edges straight on a cylinder."""
    turned = longitude - longitude[:, :1]
    x = np.radians((turned + 180) % 360 - 180)
    y = zone_height_km(latitude)
    ahead = np.roll(np.arange(4), -1)
    found: Floats = np.abs((x * y[:, ahead] - x[:, ahead] * y).sum(1)) / 2
    return found
