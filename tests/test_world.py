"""The demo planet: same seed, same bytes; files that the program reads; honest labels."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.world import planet, write_world


def digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*")) if p.is_file()
    }  # fmt: skip


def test_same_seed_same_bytes_other_seed_other_observations(tmp_path, world):
    write_world(tmp_path / "a", 60, seed=7)
    write_world(tmp_path / "b", 5, seed=8)

    assert digest(tmp_path / "a") == digest(world)
    assert digest(tmp_path / "b")["observations.csv"] != digest(world)["observations.csv"]
    assert digest(tmp_path / "b")["species.csv"] == digest(world)["species.csv"]


def test_table_agrees_with_planet_and_files(world):
    with (world / "observations.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    names = {s.taxon[-1]: s for s in planet.species()}
    raster = np.load(world / "climate.npy")

    assert raster.shape == planet.RASTER_SHAPE and raster.dtype == np.float16
    for row in rows:
        for column in ("image", "satellite", "audio"):
            assert not row[column] or (world / row[column]).stat().st_size > 0
        assert row["true_species"] in names
        if row["genus"]:
            assert row["scientificName"] == row["true_species"]
        if row["decimalLatitude"] and row["coordinates_obscured"] == "false":
            place = (
                np.array([float(row["decimalLatitude"])]),
                np.array([float(row["decimalLongitude"])]),
            )
            expected = planet.climate(planet.fields(*place))[0]
            if row["elevation"]:
                assert float(row["elevation"]) == pytest.approx(expected[0], abs=1e-3)
                assert float(row["bio_7"]) == pytest.approx(expected[7], abs=1e-3)
        assert row["license"].startswith("CC") and row["rightsHolder"].startswith("Invented")
    present = [sum(bool(r[c]) for r in rows) for c in ("image", "satellite", "audio")]
    assert min(present[:2]) > present[2] > 0  # audio is rarest


def test_one_tile_serves_many_and_formats_vary(world):
    tiles = [p.suffix for p in (world / "tiles").iterdir()]
    with (world / "observations.csv").open(encoding="utf-8", newline="") as f:
        used = [r["satellite"] for r in csv.DictReader(f) if r["satellite"]]
    assert len(set(used)) == len(tiles) < len(used)
    assert {".png", ".tif"} == set(tiles)


def test_species_live_where_they_are_suited(world):
    """Observed species are far likelier at their places than a random species is."""
    with (world / "observations.csv").open(encoding="utf-8", newline="") as f:
        rows = [
            r
            for r in csv.DictReader(f)
            if r["decimalLatitude"] and r["coordinates_obscured"] == "false"
        ]
    names = [s.taxon[-1] for s in planet.species()]
    place = np.array([[float(r["decimalLatitude"]), float(r["decimalLongitude"])] for r in rows])
    chance = planet.suitability(planet.fields(place[:, 0], place[:, 1]))
    own = chance[np.arange(len(rows)), [names.index(r["true_species"]) for r in rows]]

    assert np.allclose(chance.sum(1), 1)
    assert own.mean() > 5 / len(names)


def test_names_are_invented_and_unique():
    every = planet.species()
    assert len(every) == 64 == len({s.taxon for s in every}) == len({s.common_name for s in every})
    assert all(s.taxon[0] == "Fictanimalia" for s in every)


def test_a_world_is_not_written_over_anything(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(InputError, match="not empty"):
        write_world(tmp_path, 3)
    with pytest.raises(InputError, match="at least 1"):
        write_world(tmp_path / "n", 0)
