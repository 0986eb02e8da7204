"""Large maps are made and written a part at a time, with the values that they have as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.write import NODATA, Band, write_raster


def test_parts_of_a_raster_are_the_raster() -> None:
    """Rows of a grid, of several bands, of H3 and of truths, are those of the whole raster."""
    lattice, hexagons = Grid.of("-20,10,20,40", "1deg"), Grid.of("5,45,9,48", "h3:4")
    for grid in (lattice, hexagons):
        values = np.arange(3 * len(grid), dtype=float).reshape(3, -1)
        whole, truth = grid.raster(values), grid.raster(values[0] > 5)
        for first, last in ((0, 1), (2, 7), (5, grid.shape[0]), (4, 4)):
            np.testing.assert_array_equal(
                grid.raster_rows(values, first, last), whole[:, first:last]
            )
            np.testing.assert_array_equal(
                grid.raster_rows(values[0] > 5, first, last), truth[first:last]
            )


def test_a_raster_wider_and_higher_than_its_parts_has_every_value_in_its_place(
    tmp_path: Path,
) -> None:
    """Several parts down and across, the last ones smaller, and each band is made once."""
    import rasterio

    grid = Grid.of("-165,-30,165,12", "0.08deg")
    assert grid.shape[0] > 512 and grid.shape[1] > 4096
    calls = {"one": 0, "two": 0}
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=len(grid)).astype(np.float32) for name in calls}
    values["two"][rng.random(len(grid)) < 0.3] = np.nan

    def made(name: str) -> np.ndarray:
        calls[name] += 1
        return values[name]

    bands = [Band(n, lambda n=n: made(n)) for n in calls]  # type: ignore[misc]
    write_raster(tmp_path / "map.tif", grid, bands, {})
    assert calls == {"one": 1, "two": 1}
    with rasterio.open(tmp_path / "map.tif") as tif:
        for i, name in enumerate(calls, 1):
            expected = np.nan_to_num(values[name], nan=NODATA).reshape(grid.shape)
            np.testing.assert_array_equal(tif.read(i), expected)


@pytest.mark.parametrize("wrong", [np.inf, NODATA, 1e60])
def test_a_value_that_no_file_can_hold_is_refused_in_the_last_part_too(
    tmp_path: Path, wrong: float
) -> None:
    """Infinite, the value of nodata, beyond 32 bits: nothing is left of the file."""
    grid = Grid.of("-10,-60,10,60", "0.2deg")
    values = np.zeros(len(grid))
    values[-1] = wrong
    with pytest.raises(InputError, match="Band x holds values"):
        write_raster(tmp_path / "map.tif", grid, [Band("x", values)], {})
    assert not list(tmp_path.iterdir())
