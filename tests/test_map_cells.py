"""What cells show: kept and read a part at a time, tiles of a folder, the error that is expected there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.grid.codes import cell_named
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.cell_tiles import Tiles
from prom3e_index.maps.cells import CellGallery
from prom3e_index.maps.kept import Kept
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.media.images import image_pixels
from prom3e_index.mvae.completion import infer
from prom3e_index.search.query import Query


@pytest.fixture(scope="module")
def bundle(bundle_path):
    from prom3e_index.search.run import Bundle

    with Bundle.open(bundle_path) as opened:
        yield opened


def test_what_is_kept_is_read_in_any_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {
        "a": rng.normal(size=(7, 3)).astype(np.float16),
        "b": rng.random(7) < 0.5,
        "c": np.zeros((0, 3), np.float32),
    }
    kept = Kept(tmp_path / "x" / "k", {n: (v.shape, v.dtype) for n, v in whole.items()})
    assert not kept.whole()
    cuts = [(0, 3), (3, 3), (3, 7)]
    kept.make(
        lambda: iter([{n: v[a:b] if len(v) else v for n, v in whole.items()} for a, b in cuts])
    )
    assert kept.whole() and [p.name for p in (tmp_path / "x").iterdir()] == ["k"]
    for a, b in ((0, 7), (0, 1), (6, 7), (2, 5), (4, 4)):
        for name, values in kept.read(slice(a, b)).items():
            np.testing.assert_array_equal(
                values, whole[name][a:b] if len(whole[name]) else whole[name]
            )
    np.testing.assert_array_equal(np.load(tmp_path / "x" / "k" / "a.npy"), whole["a"])


@pytest.mark.parametrize("damage", ["cut", "longer", "other shape", "gone", "text"])
def test_what_is_damaged_is_not_read(tmp_path: Path, damage: str) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    kept = Kept(tmp_path / "k", {"a": (values.shape, values.dtype)})
    kept.make(lambda: iter([{"a": values}]))
    file = tmp_path / "k" / "a.npy"
    if damage == "gone":
        file.unlink()
    elif damage == "other shape":
        np.save(file, values.T)
    else:
        raw = file.read_bytes()
        file.write_bytes({"cut": raw[:-1], "longer": raw + b"0", "text": b"no array"}[damage])
    assert not kept.whole()
    with pytest.raises(InputError, match="run it again"):
        kept.read(slice(0, 2))
    kept.make(lambda: iter([{"a": values + 1}]))
    np.testing.assert_array_equal(kept.read(slice(0, 4))["a"], values + 1)


def test_some_cells_are_those_of_the_whole(bundle, tmp_path):
    grid = Grid.of("world", "2deg")  # two parts
    cells = np.arange(len(grid))
    model = bundle.model()
    held = CellGallery(bundle, model, grid, cells, 1, None, tmp_path)
    anew = CellGallery(bundle, model, grid, cells, 1, None, None)
    every = np.concatenate([p.hidden for p in held.parts()])
    assert held.folder() is not None and anew.folder() is None and len(every) == len(grid)
    which = np.array([0, 5, 8191, 8192, 9000, len(grid) - 1])
    for gallery in (held, anew):
        parts = list(gallery.of(which))
        assert [p.at for p in parts] == [slice(0, 3), slice(3, 6)] or len(parts) == 1
        found = np.concatenate([p.hidden for p in parts])
        np.testing.assert_allclose(
            found.astype(np.float32), every[which].astype(np.float32), atol=2e-3
        )


@pytest.mark.parametrize(
    ("region", "cells"), [("-30,-20,10,40", "1deg"), ("170,-50,-170,-30", "2deg"), ("AUT", "25km"), ("5,45,9,48", "h3:4")]
)  # fmt: skip
def test_a_cell_is_found_by_its_name(region, cells):
    grid = Grid.of(region, cells)
    some = np.arange(0, len(grid), max(1, len(grid) // 50))
    assert [cell_named(grid, c) for c in grid.codes(some)] == some.tolist()
    for other in (
        "",
        "1degE",
        "DSC_0001",
        "3degE0N0",
        f"{grid.name.split(' on ')[0]}E99999N0",
        "f" * 15,
    ):
        assert cell_named(grid, other) is None


@pytest.fixture
def tiles(world, tmp_path):
    """Tiles by name, by place, in a GeoTIFF; one that is none, one elsewhere, one of no known place."""
    import rasterio

    files = sorted((world / "tiles").glob("*.png"))[:5]
    folder = tmp_path / "tiles"
    (folder / "more").mkdir(parents=True)
    shutil.copy(files[0], folder / "10degE3N4.png")  # 30 to 40 E, 40 to 50 N
    shutil.copy(files[1], folder / "more" / "anything_44.5_31.25.png")  # the same cell
    shutil.copy(files[2], folder / "x_-44.5_200.5.png")  # 159.5 W
    shutil.copy(files[3], folder / "IMG_44_31.png")
    (folder / "y_5.0_5.0.png").write_bytes(b"no picture")
    (folder / "l_5.0_15.0.png").symlink_to(files[0])
    (folder / "gone_5.0_15.0.png").symlink_to(tmp_path / "nothing")
    (folder / "d_5.0_15.0.png").mkdir()
    pixels = image_pixels(files[4], bundle_spec(), tile=True)
    with rasterio.open(
        folder / "t.tif", "w", driver="GTiff", width=100, height=100, count=3, dtype="uint8", crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_300_000),
    ) as tif:  # fmt: skip
        tif.write(pixels[:100, :100].transpose(2, 0, 1))
    return folder, files


def bundle_spec():
    from prom3e_index.models.folder import Model

    return Model.open("mini").media_spec("sat")


def test_tiles_lie_where_their_names_or_files_say(tiles):
    folder, _ = tiles
    grid = Grid.of("0,-60,180,60", "10deg")
    found = Tiles.read(folder, grid)
    at = {
        int(grid.cell_of(np.array([a]), np.array([o]))[0])
        for a, o in ((44.5, 31.25), (47.8, 15.0), (5.0, 5.0))
    }
    assert set(found.of) == at and (found.outside, found.nowhere, found.refused) == (1, 1, 3)
    assert sorted(len(v) for v in found.of.values()) == [1, 1, 2]
    with pytest.raises(InputError, match="No tile of tiles|No tile of .*lies in a cell"):
        Tiles.read(folder, Grid.of("60,-10,70,0", "1deg"))
    with pytest.raises(InputError, match="is no folder"):
        Tiles.read(folder / "t.tif", grid)


def test_cells_show_the_mean_of_their_tiles(bundle, tiles, tmp_path):
    folder, files = tiles
    config = MapConfig(cells="10deg", mask="none", samples=1, tiles=folder, cache=tmp_path / "c")
    mapped = make_map(bundle, Query(text="Fictanimalia", space="hidden"), config)
    plain = make_map(bundle, Query(text="Fictanimalia", space="hidden"), MapConfig(cells="10deg", mask="none", samples=1, keep=False))  # fmt: skip
    model, grid = bundle.model(), mapped.grid
    cell = int(grid.cell_of(np.array([44.5]), np.array([31.25]))[0])
    pair = np.stack([image_pixels(f, model.media_spec("sat"), tile=True) for f in files[:2]])
    seen = model.encoder("sat").encode(pair).sum(0)
    x = np.zeros((1, len(model.modalities), model.width), np.float32)
    has = np.zeros(x.shape[:2], bool)
    loc, sat = model.modalities.index("loc"), model.modalities.index("sat")
    x[0, sat] = seen / np.linalg.norm(seen)
    x[0, loc] = model.encoder("loc").encode(np.array([[45, 35]], np.float32))[0]
    has[0, [loc, sat]] = True
    sigma = mapped.band("sigma_l1").cells()

    assert sigma[cell] == pytest.approx(infer(model, x, has, ()).sigma_l1[0], rel=2e-3)
    other = np.setdiff1d(np.arange(len(grid)), [c for c, v in Tiles.read(folder, grid).of.items()])
    np.testing.assert_allclose(sigma[other], plain.band("sigma_l1").cells()[other], rtol=1e-5)
    told = mapped.facts["tiles"]
    assert (told["tiles"], told["cells"], told["unread"]) == (4, 3, 1)
    assert mapped.gallery.modalities == ("loc", "sat")
    again = make_map(bundle, Query(text="Fictanimalia"), config)
    assert again.gallery.encoded == 0 and again.facts["tiles"] == told
    (folder / "10degE3N4.png").unlink()
    assert make_map(bundle, Query(text="Fictanimalia"), config).gallery.key != mapped.gallery.key


def test_the_error_expected_at_a_cell_is_what_a_query_of_its_place_is_told(bundle):
    config = MapConfig(region="-60,-30,60,30", cells="20deg", mask="none", samples=1, keep=False)
    mapped = make_map(bundle, Query(text="Fictanimalia"), config)
    told = mapped.facts["expected_error"]
    if "target" not in told:
        assert told["reason"]
        pytest.skip(told["reason"])
    values = mapped.band("expected_error").cells()
    lat, lon = mapped.grid.centres()
    for i in (0, 7, len(lat) - 1):
        answer = bundle.search(Query(location=f"{lat[i]},{lon[i]}", target=told["target"], k=5))
        assert values[i] == pytest.approx(
            answer.query["expected_error"][told["target"]]["value"], abs=2e-3
        )
    off = make_map(bundle, Query(text="Fictanimalia"), MapConfig(**{**vars(config), "expected_error": False}))  # fmt: skip
    assert off.facts["expected_error"] == {"reason": "not asked for"}
    assert "expected_error" not in [b.name for b in off.bands]
