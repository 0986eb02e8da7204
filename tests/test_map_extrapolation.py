"""Cells are flagged that lie beyond what an index knows, few at home and nearly all elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.grid.grid import Grid
from prom3e_index.grid.masks import PLANET, mask_of
from prom3e_index.maps.extrapolation import SHARE, SIDES, Distance, Known, LeftOut, Mess
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.world import planet

COLD, TROPICS = ("-180,40,180,75", "-180,-75,180,-40"), "-180,-15,180,15"
WARM, NORTH = ("-180,-25,180,25",), "-180,50,180,80"


def sites(seed, n=300):
    """Places on the planet's land, five observations at each."""
    rng = np.random.default_rng(seed)
    lat, lon = np.rad2deg(np.arcsin(rng.uniform(-0.98, 0.98, 4 * n))), rng.uniform(-180, 180, 4 * n)
    land = planet.is_land(planet.fields(lat, lon))
    lat, lon = np.repeat(lat[land][:n], 5), np.repeat(lon[land][:n], 5)
    return lat + rng.normal(0, 0.02, len(lat)), (lon + rng.normal(0, 0.02, len(lon)) + 180) % 360 - 180  # fmt: skip


def cells(region):
    grid = Grid.of(region, "2deg")
    return grid, mask_of(grid, PLANET).cells


def km(a, b):
    one, other = (
        np.stack([np.cos(p) * np.cos(q), np.cos(p) * np.sin(q), np.sin(p)], -1)
        for p, q in (np.radians(a), np.radians(b))
    )
    return 6371.0088 * np.arccos(np.clip(one @ other.T, -1, 1))


@pytest.mark.parametrize("seed", [5, 9])
@pytest.mark.parametrize(("homes", "away", "kept"), [(COLD, TROPICS, lambda a: np.abs(a) > 40), (WARM, NORTH, lambda a: np.abs(a) < 25)])  # fmt: skip
def test_nine_of_ten_cells_elsewhere_are_flagged_and_one_of_ten_at_home(
    seed, homes, away, kept, tmp_path
):
    np.save(tmp_path / "climate.npy", planet.raster())
    climate = ClimateRaster.open(tmp_path / "climate.npy", planet.BANDS)
    lat, lon = sites(seed)
    here = kept(lat)
    known = Known.of(lat[here], lon[here])
    values, there = climate.lookup(known.latitude, known.longitude)
    own = Known.of(known.latitude[there], known.longitude[there])
    mess = Mess(own, climate.lookup(own.latitude, own.longitude)[0].astype(float))

    def flagged(region):
        grid, some = cells(region)
        seen, told = climate.lookup(*grid.centres(some))
        by_place = Distance(known, grid).percentile(some) >= SHARE
        return by_place.mean(), (mess.of(seen[told].astype(float)) < mess.limit).mean()

    for share in flagged(away):
        assert share >= 0.9
    for share in np.mean([flagged(home) for home in homes], axis=0):
        assert share <= 0.1


def test_distances_of_cells_and_blocks_are_as_worked_out_one_by_one():
    lat, lon = sites(1, 60)
    known, (grid, some) = Known.of(lat, lon), cells("-60,-40,60,40")
    blocks = [(int((a + 90) // 5), int((b + 180) // 5)) for a, b in zip(known.latitude, known.longitude, strict=True)]  # fmt: skip
    assert known.side == 5 and known.blocks == len(set(blocks)) >= 20
    near = Distance(known, grid)
    between = km((known.latitude, known.longitude), (known.latitude, known.longitude))
    alone = np.array([min(d for d, b in zip(row, blocks, strict=True) if b != own) for row, own in zip(between, blocks, strict=True)])  # fmt: skip
    who = known.speakers()
    assert [sum(blocks[i] == b for i in who) for b in set(blocks)] == [min(5, blocks.count(b)) for b in set(blocks)]  # fmt: skip
    weight = np.array([1 / sum(blocks[j] == blocks[i] for j in who) for i in who])
    order = np.argsort(alone[who])
    limit = alone[who][order][np.searchsorted(np.cumsum(weight[order]), 0.95 * known.blocks - 1e-6)]
    assert near.limit == pytest.approx(limit)

    centres = grid.centres(some)
    far = km(centres, (known.latitude, known.longitude)).min(1) - np.sqrt(grid.areas_km2(some) / 2)
    held = grid.cell_of(known.latitude, known.longitude)
    far = np.array([0 if c in held else max(f, 0) for c, f in zip(some, far, strict=True)])
    np.testing.assert_allclose(near.km(some), far, atol=1e-3)
    share = [100 * weight[alone[who] < f - 1e-6].sum() / known.blocks for f in far]
    np.testing.assert_allclose(near.percentile(some), share, atol=1e-4)
    clear = np.abs(far - limit) > 1e-3
    assert np.array_equal((near.percentile(some) >= SHARE)[clear], (far > limit)[clear])


def similarity(value, own):
    below = 100 * sum(v < value for v in own) / len(own)
    if below == 0:
        return 100 * (value - min(own)) / (max(own) - min(own))
    if below <= 50:
        return 2 * below
    return 2 * (100 - below) if below < 100 else 100 * (max(own) - value) / (max(own) - min(own))


def test_the_similarity_of_climates_is_as_published_and_its_limit_is_that_of_blocks_left_out():
    rng = np.random.default_rng(3)
    lat, lon = sites(2, 30)
    known = Known.of(lat, lon)
    values = rng.normal(size=(len(known), 3)) + known.block[:, None] * 3
    values[:, 2] = np.round(values[:, 2])  # ties
    mess = Mess(known, values)
    points = rng.normal(size=(40, 3)) * 3
    by_hand = [min(similarity(p[i], values[:, i].tolist()) for i in range(3)) for p in points]
    assert mess.of(points).tolist() == pytest.approx(by_hand)
    assert min(by_hand) < 0 < max(by_hand)

    who = known.speakers()
    left = [min(similarity(values[j, i], values[known.block != known.block[j], i].tolist()) for i in range(3)) for j in who]  # fmt: skip
    held = LeftOut.of(np.array(left), known.block[who])
    np.testing.assert_allclose(mess.left_out.values, held.values)
    assert mess.limit == pytest.approx(min(0.0, held.quantile(5)))
    assert mess.limit < 0


def test_a_climate_that_no_block_lacks_has_the_usual_limit():
    lat, lon = sites(2, 30)
    known = Known.of(lat, lon)
    alike = np.tile(np.array([[0.0], [1.0]]), (len(known), 1))[: len(known)]
    mess = Mess(known, alike)
    assert mess.limit == 0 and mess.of(np.array([[-0.1], [0.5]])).tolist() == [-10, 100]


@pytest.mark.parametrize(
    ("spread", "side"), [(20, 5), (4.9, 1), (0.98, 0.2), (0.19, 0.04), (0.02, 0.01)]
)
def test_blocks_are_as_small_as_twenty_of_them_need(spread, side):
    rng = np.random.default_rng(0)
    known = Known.of(47 + rng.uniform(0, spread, 400), 11 + rng.uniform(0, spread, 400))
    assert known.side == side
    assert (known.blocks >= 20) or side == SIDES[-1]


def test_many_observations_at_one_place_count_once():
    lat, lon = sites(4, 60)
    many = np.r_[lat, np.full(5000, lat[0])], np.r_[lon, np.full(5000, lon[0])]
    grid, some = cells("-60,-40,60,40")
    one, other = Distance(Known.of(lat, lon), grid), Distance(Known.of(*many), grid)
    assert one.limit == other.limit
    assert np.array_equal(one.percentile(some), other.percentile(some))


@pytest.mark.parametrize("climate", [False, True])
def test_a_map_has_the_values_and_says_the_rule(bundle_path, world, climate):
    raster = world / "climate.npy" if climate else None
    config = MapConfig(region="-180,-60,180,60", cells="10deg", mask="none", samples=1, climate=raster, keep=False)  # fmt: skip
    with Bundle.open(bundle_path) as bundle:
        mapped = make_map(bundle, Query(text="Fictanimalia"), config)
        places = np.array(bundle.sql("SELECT latitude, longitude FROM observations WHERE latitude IS NOT NULL AND NOT obscured AND has_loc ORDER BY row"))  # fmt: skip
    known = Known.of(*places.T)
    band = mapped.band("extrapolation").cells()
    facts = mapped.facts
    if climate:
        read = ClimateRaster.open(raster, planet.BANDS)
        there = read.lookup(known.latitude, known.longitude)[1]
        known = Known.of(known.latitude[there], known.longitude[there])
        mess = Mess(known, read.lookup(known.latitude, known.longitude)[0].astype(float))
        seen, told = read.lookup(*mapped.grid.centres())
        assert np.array_equal(np.isfinite(band), told)
        np.testing.assert_allclose(band[told], mess.of(seen[told].astype(float)), rtol=1e-5)
        beyond = band[told] < mess.limit
        assert facts["extrapolated_is"].startswith(f"below {mess.limit:.4g}:")
        assert facts["extrapolation"]["share_below_0"] == pytest.approx((band[told] < 0).mean())
    else:
        near = Distance(known, mapped.grid)
        np.testing.assert_allclose(band, near.percentile(np.arange(len(band))), rtol=1e-6)
        beyond = near.km(np.arange(len(band))) > near.limit
        assert f"farther than {near.limit:,.4g} km" in facts["extrapolated_is"]
    assert facts["extrapolated_share"] == pytest.approx(beyond.mean())
    assert facts["extrapolation"]["blocks"] == known.blocks


def test_what_cannot_be_told_is_no_number(tmp_path, capsys, monkeypatch):
    """An index whose one observation has a place knows no block beside it."""
    from prom3e_index.cli.app import main

    table = tmp_path / "one.csv"
    table.write_text("id,latitude,longitude,scientific_name\n1,10,20,Donesus selhendon\n")
    for words in (
        f"build {table} --model mini --index {tmp_path}/one.p3i",
        f"map --index {tmp_path}/one.p3i --name Donesus --grid 20deg --no-cache -o {tmp_path}/m",
    ):
        monkeypatch.setattr("sys.argv", ["prom3e-index", *words.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
    said = capsys.readouterr()

    assert "cannot be told" in said.err
    assert "nan%" not in said.err
    assert "cannot be told" in (tmp_path / "m" / "odmap.json").read_text()
