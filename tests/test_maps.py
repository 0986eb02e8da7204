"""Maps of a query: cells scored as observations are, kept between queries, and what is said of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from prom3e_index.errors import InputError
from prom3e_index.maps.files import write_map
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.maps.surface import percentile
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.mvae.completion import infer
from prom3e_index.search.asked_vector import asked_vector
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle


@pytest.fixture(scope="module")
def bundle(bundle_path):
    with Bundle.open(bundle_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def photo(world):
    return sorted(world.glob("photos/*.jpg"))[0]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("space", ["hybrid", "encoder", "reconstructed", "hidden"])
def test_a_cell_scores_what_its_place_would_as_an_observation(bundle, photo, tmp_path, space):
    query = Query(image=photo, space=space)
    config = MapConfig(cells="10deg", mask="none", samples=1, cache=tmp_path)
    mapped = make_map(bundle, query, config)
    model = bundle.model()
    lat, lon = mapped.grid.centres()
    x = np.zeros((len(lat), len(model.modalities), model.width), np.float32)
    place = model.modalities.index("loc")
    x[:, place] = model.encoder("loc").encode(np.stack([lat, lon], 1).astype(np.float32))
    has = np.zeros(x.shape[:2], bool)
    has[:, place] = True
    told = infer(model, x, has, ("loc",))
    asked, _, _ = asked_vector(bundle, Query(image=photo, space=space, target="loc"))
    w = asked.weights
    g = unit((1 - w.epsilon) * x[:, place] + w.epsilon * told.reconstructed[:, 0])
    d, z = model.width, told.hidden.shape[1]
    expected = g @ asked.vector[:d] + told.hidden @ asked.vector[d : d + z]

    assert bundle.bias_width == 0  # nothing more is added
    assert np.abs(mapped.scores - expected).max() < 1e-3
    assert np.corrcoef(mapped.scores, expected)[0, 1] > 0.9999
    assert np.allclose(mapped.band("sigma_l1").cells(), told.sigma_l1, rtol=1e-3)
    assert mapped.band("similarity").cells().tolist() == mapped.scores.tolist()


def test_sub_points_are_averaged(bundle, photo, tmp_path):
    config = MapConfig(region="0,0,20,20", cells="10deg", mask="none", samples=4, cache=tmp_path)
    mapped = make_map(bundle, Query(image=photo, space="encoder"), config)
    lat, lon = mapped.grid.sub_points(None, 4)
    encoder = bundle.model().encoder("loc")
    every = encoder.encode(np.stack([lat.ravel(), lon.ravel()], 1).astype(np.float32))
    own = unit(every.reshape(4, 4, -1).mean(1))
    _, x, present = asked_vector(bundle, Query(image=photo, target="loc"))

    assert np.allclose(mapped.scores, own @ x[np.flatnonzero(present)[0]], atol=1e-3)


def test_cells_have_a_climate_where_a_raster_has_one(bundle, world, photo, tmp_path):
    raster = world / "climate.npy"
    config = MapConfig(cells="10deg", mask="none", samples=1, climate=raster, cache=tmp_path)
    mapped = make_map(bundle, Query(image=photo, space="hidden"), config)
    model = bundle.model()
    lat, lon = mapped.grid.centres()
    values, known = ClimateRaster.open(raster, 20).lookup(lat, lon)
    x = np.zeros((len(lat), len(model.modalities), model.width), np.float32)
    has = np.zeros(x.shape[:2], bool)
    loc, env = model.modalities.index("loc"), model.modalities.index("env")
    x[:, loc] = model.encoder("loc").encode(np.stack([lat, lon], 1).astype(np.float32))
    x[known, env] = model.encoder("env").encode(values[known])
    has[:, loc], has[:, env] = True, known
    told = infer(model, x, has, ())

    assert 0 < known.sum() < len(known)
    assert np.allclose(mapped.band("sigma_l1").cells(), told.sigma_l1, rtol=2e-3)
    on_land = make_map(bundle, Query(image=photo), MapConfig(cells="10deg", mask="climate", climate=raster, samples=1, keep=False))  # fmt: skip
    assert np.array_equal(on_land.mask.inside, known)


def test_the_paper_s_map_compares_the_query_with_what_cells_are_completed_to(
    bundle, photo, tmp_path
):
    config = MapConfig(cells="10deg", mask="none", samples=1, cache=tmp_path, paper=True)
    mapped = make_map(bundle, Query(image=photo, text="Fictanimalia"), config)
    model = bundle.model()
    lat, lon = mapped.grid.centres()
    x = np.zeros((len(lat), len(model.modalities), model.width), np.float32)
    has = np.zeros(x.shape[:2], bool)
    loc = model.modalities.index("loc")
    x[:, loc] = model.encoder("loc").encode(np.stack([lat, lon], 1).astype(np.float32))
    has[:, loc] = True
    made = infer(model, x, has, ("image", "text")).reconstructed
    _, own, _ = asked_vector(bundle, Query(image=photo, text="Fictanimalia", target="loc"))
    image, text = (own[model.modalities.index(m)] for m in ("image", "text"))

    assert np.allclose(mapped.scores, (made[:, 0] @ image + made[:, 1] @ text) / 2, atol=2e-3)


def test_a_second_query_encodes_nothing_and_gives_what_the_first_would(
    bundle, photo, world, tmp_path
):
    config = MapConfig(cells="10deg", mask="none", cache=tmp_path)
    first = make_map(bundle, Query(image=photo), config)
    again = make_map(bundle, Query(image=photo), config)
    apart = make_map(bundle, Query(image=photo), MapConfig(cells="10deg", mask="none", keep=False))
    other = make_map(bundle, Query(text="Fictanimalia"), config)

    assert first.gallery.encoded == 18 * 36 * 4
    assert again.gallery.encoded == other.gallery.encoded == 0
    for name in ("similarity", "percentile", "sigma_l1", "extrapolation", "records"):
        assert np.array_equal(first.band(name).cells(), again.band(name).cells(), equal_nan=True), (
            name
        )
        assert np.array_equal(first.band(name).cells(), apart.band(name).cells(), equal_nan=True), (
            name
        )
    assert not np.array_equal(other.scores, first.scores)


def test_cells_of_something_else_are_not_read(bundle, photo, world, tmp_path):
    usual = {"cells": "30deg", "mask": "none", "cache": tmp_path}
    make_map(bundle, Query(image=photo), MapConfig(**usual))
    for other in ({"samples": 1}, {"cells": "45deg"}, {"mask": "land"}, {"climate": world / "climate.npy"}, {"region": "0,0,180,90"}):  # fmt: skip
        assert make_map(bundle, Query(image=photo), MapConfig(**{**usual, **other})).gallery.encoded, other  # fmt: skip
    for damaged in tmp_path.glob("*/hidden.npy"):
        damaged.write_bytes(b"\x93NUMPY")
    assert make_map(bundle, Query(image=photo), MapConfig(**usual)).gallery.encoded


def test_a_taxon_s_map_is_of_its_observations(bundle, tmp_path):
    species, count = bundle.sql(
        "SELECT scientific_name, count(*) FROM observations WHERE latitude IS NOT NULL AND NOT obscured "
        "AND scientific_name LIKE '% %' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )[0]  # fmt: skip
    config = MapConfig(cells="5deg", mask="none", samples=1, cache=tmp_path)
    mapped = make_map(bundle, Query(space="encoder"), config, taxon=species)
    rows = mapped.question.rows
    mean = np.asarray(bundle.embeddings("loc")[rows], np.float64).mean(0)
    lat, lon = mapped.grid.centres()
    cells = bundle.model().encoder("loc").encode(np.stack([lat, lon], 1).astype(np.float32))

    assert len(rows) == count and mapped.question.taxon == species
    assert np.allclose(mapped.scores, cells @ (mean / np.linalg.norm(mean)), atol=2e-3)
    assert mapped.band("records").cells().sum() == count
    places = bundle.sql(
        f"SELECT latitude, longitude FROM observations WHERE row IN ({','.join(map(str, rows))})"
    )
    counts = np.zeros(len(mapped.grid))
    for a, b in places:
        counts[int((90 - a) // 5) * 72 + int((b + 180) // 5)] += 1
    assert np.array_equal(mapped.band("records").cells(), counts)


def test_percentiles_by_hand():
    assert percentile(np.array([3.0, 1.0, 1.0, 2.0], np.float32)).tolist() == [100, 50, 50, 75]


def test_a_map_s_folder(bundle, photo, tmp_path):
    config = MapConfig(region="-90,-45,90,45", cells="5deg", mask="none", cache=tmp_path / "cells")
    maps = {}
    for name, query in (
        ("a", Query(image=photo)),
        ("b", Query(text="Fictanimalia")),
        ("again", Query(image=photo)),
    ):
        mapped = make_map(bundle, query, config)
        write_map(tmp_path / name, bundle, bundle.model(), mapped)
        with rasterio.open(tmp_path / name / "map.tif") as tif:
            maps[name] = (tif.profile, tif.read(), tif.tags(), tif.dataset_mask())
    facts = json.loads((tmp_path / "a/map.json").read_text())
    protocol = json.loads((tmp_path / "a/odmap.json").read_text())

    assert {p.name for p in (tmp_path / "a").iterdir()} == {
        "map.tif",
        "map.png",
        "map.qml",
        "map.json",
        "odmap.json",
    }
    one, other = maps["a"][0], maps["b"][0]
    assert one == other and np.array_equal(maps["a"][3], maps["b"][3])
    assert not np.array_equal(maps["a"][1][0], maps["b"][1][0])
    assert np.array_equal(maps["a"][1], maps["again"][1])
    told = [{k: v for k, v in maps[n][2].items() if k != "MADE_AT"} for n in ("a", "again")]
    assert told[0] == told[1]
    assert "not a probability" in told[0]["TITLE"] and "photos" not in json.dumps(facts) + str(told)
    assert {"QUERY_HASH", "MODEL", "SPACE", "MASK", "SUB_POINTS", "LICENCES", "POLICY"} <= set(
        told[0]
    )
    assert set(protocol) == {"protocol", "overview", "data", "model", "assessment", "prediction"}
    assert protocol["assessment"] == protocol["overview"]["authorship"] == "not stated"
    with pytest.raises(InputError, match="exists"):
        write_map(tmp_path / "a", bundle, bundle.model(), mapped)


@pytest.mark.parametrize(
    ("query", "taxon", "config", "said"),
    [
        ({}, None, {}, "give one of the two"),
        ({"text": "Fictanimalia"}, "Fictanimalia", {}, "give one of the two"),
        ({}, "Parus major", {}, "No observation is of 'Parus major'"),
        ({}, "Fictanimalia", {"paper": True}, "--paper|paper=True"),
        ({"text": "Fictanimalia"}, None, {"region": "-40,30,-39,31", "cells": "1deg", "mask": "x.tif"}, "does not exist"),
        ({"text": "Fictanimalia"}, None, {"cells": "0.05deg", "region": "0,0,1,1"}, "the finest that may be are 0.1 degree"),
        ({"text": "Fictanimalia"}, None, {"climate": "none.npy"}, "does not exist"),
    ],
)  # fmt: skip
def test_what_makes_no_map_is_said(bundle, tmp_path, query, taxon, config, said):
    from pathlib import Path

    values = {k: Path(v) if k == "climate" else v for k, v in config.items()}
    with pytest.raises(InputError, match=said):
        make_map(bundle, Query(**query), MapConfig(keep=False, **values), taxon)
