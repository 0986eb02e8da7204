"""`prom3e-index diversity` whole: files that agree with each other and the table, one community, the paper's recipe."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from processes import program
from scipy.ndimage import gaussian_filter

from prom3e_index.diversity.run import DiversityConfig, diversity
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.occurrences import read_occurrences


def write(path: Path, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow("occurrenceID scientificName decimalLatitude decimalLongitude".split())
        writer.writerows((i, *row) for i, row in enumerate(rows))
    return path


@pytest.fixture(scope="module")
def community(tmp_path_factory) -> Path:
    """Everywhere the same community, unevenly looked at: 400 cells of 1 degree, a median of 54 records."""
    rng = np.random.default_rng(8)
    share = rng.lognormal(0, 1.5, 300)
    starts, ends = (
        "bo da fi ga lu me ni po ra si".split(),
        "bata ceri dola fimi gora lati mona peli riva sola".split(),
    )
    names = [f"Pica {a}{b}{c}" for a in starts for b in ends for c in ("s", "x", "n")]
    share /= share.sum()
    rows: list[tuple[object, ...]] = []
    for row in range(20):
        for column in range(20):
            n = max(1, int(rng.lognormal(np.log(54), 0.9)))
            for which in rng.choice(len(names), n, p=share):
                lat, lon = row + rng.uniform(0.01, 0.99), column + rng.uniform(0.01, 0.99)
                rows.append((names[which], f"{lat:.4f}", f"{lon:.4f}"))
    return write(tmp_path_factory.mktemp("null") / "community.csv", rows)


@pytest.fixture(scope="module")
def mapped(community, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("out") / "d"
    done = program(
        "diversity", str(community), "--region", "0,0,20,20", "--grid", "1deg", "--mask", "none", "--chao1",
        "-o", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, json.loads((out / "diversity.json").read_text())


def test_one_community_is_equally_diverse_however_it_is_looked_at(mapped):
    """Rarefied richness does not follow the effort; raw richness does, and the file says how far."""
    told = mapped[1]["effort"]

    assert abs(told["rarefied_30"]["spearman"]) <= 0.1
    assert told["hill0"]["spearman"] >= 0.95 and told["shannon"]["spearman"] >= 0.9
    assert abs(told["rarefied_30"]["spearman"]) < told["chao1"]["spearman"]


def test_all_files_say_the_same(mapped, community):
    out, told = mapped
    with community.open(newline="") as f:
        rows = list(csv.DictReader(f))
    cells = pq.read_table(out / "cells.parquet")
    cube = pq.read_table(out / "cube.parquet")

    assert told["rows"] == told["records"] + sum(told["left_out"].values()) == len(rows)
    assert sum(cube.column("occurrences").to_pylist()) == told["cube"]["records"] == len(rows)
    wanted: dict[tuple[int, int], Counter[str]] = {}
    for r in rows:
        at = int(float(r["decimalLatitude"])), int(float(r["decimalLongitude"]))
        wanted.setdefault(at, Counter())[r["scientificName"]] += 1
    found = {(int(r["latitude"]), int(r["longitude"])): r for r in cells.to_pylist()}
    assert set(found) == set(wanted)
    with rasterio.open(out / "diversity.tif") as tif:
        names = dict(zip(tif.descriptions, tif.read(), strict=True))
        assert (
            tif.nodata == -9999
            and tif.crs.to_epsg() == 4326
            and tif.tags()["AREA_OR_POINT"] == "Area"
        )
        assert not any(np.isnan(v).any() for v in names.values())
        assert tif.tags()["recipe"] == "effort-aware" and "not what lives" in tif.tags()["meaning"]
        for (lat, lon), own in wanted.items():
            row, column = tif.index(lon + 0.5, lat + 0.5)
            share = np.array(list(own.values())) / own.total()
            entropy = -(share * np.log(share)).sum()
            assert names["records"][row, column] == found[lat, lon]["records"] == own.total()
            assert names["hill0"][row, column] == found[lat, lon]["hill0"] == len(own)
            assert names["shannon"][row, column] == pytest.approx(entropy, abs=1e-5)
            assert found[lat, lon]["hill1"] == pytest.approx(np.exp(entropy))
            assert (names["rarefied_30"][row, column] == -9999) == (own.total() < 30)
    assert set(told["bands"]) == set(names)
    assert list(names)[0] == "rarefied_30" and "rarefied_30_smoothed" in names
    assert found[0, 0]["area_km2"] == pytest.approx(12_308.8, abs=2)


def test_the_page_opens_offline_and_says_what_it_is_not(mapped):
    page = (mapped[0] / "report.html").read_text()

    assert "not of what lives there" in page and page.count("data:image/png;base64,") >= 4
    assert "http://" not in page and "https://" not in page
    assert (mapped[0] / "diversity.png").read_bytes()[:4] == b"\x89PNG"
    assert not [p.name for p in mapped[0].iterdir() if p.name.startswith(".")]


def test_twice_the_same(community, mapped, tmp_path):
    config = DiversityConfig(
        str(community), tmp_path / "d", "0,0,20,20", "1deg", mask="none", chao1=True
    )
    diversity(config)

    for name in (
        "diversity.json",
        "diversity.png",
        "cells.parquet",
        "cube.parquet",
        "diversity.qml",
    ):
        assert (tmp_path / "d" / name).read_bytes() == (mapped[0] / name).read_bytes(), name


def test_the_papers_recipe_exactly(tmp_path):
    """250 x 500 cells over the region's bounds, every record, scipy's own filter over zeros."""
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(30, 45, 3000), rng.uniform(-110, -80, 3000)
    lat, lon = np.concatenate([lat, lat[:1500]]), np.concatenate([lon, lon[:1500]])
    names = np.array(["Pica pica", "Corvus corax", "Falco peregrinus"])[
        rng.integers(0, 3, len(lat))
    ]
    path = write(
        tmp_path / "t.csv", list(zip(names.tolist(), lat.tolist(), lon.tolist(), strict=True))
    )
    told = diversity(DiversityConfig(str(path), tmp_path / "p", paper=True))
    grid = Grid.of("conus", "250x500")

    west, south, east, north = grid.region.bounds
    row = np.floor((north - lat) / (north - south) * 250).astype(int)
    column = np.floor((lon - west) / (east - west) * 500).astype(int)
    richness, entropy = np.zeros((250, 500)), np.zeros((250, 500))
    for r, c in set(zip(row.tolist(), column.tolist(), strict=True)):
        share = np.unique(names[(row == r) & (column == c)], return_counts=True)[1]
        share = share / share.sum()
        richness[r, c], entropy[r, c] = len(share), -(share * np.log(share)).sum()
    with rasterio.open(tmp_path / "p" / "diversity.tif") as tif:
        found = dict(zip(tif.descriptions, tif.read(masked=True), strict=True))
        assert tif.shape == (250, 500) and tif.tags()["recipe"] == "paper"
    for name, plain in (("species", richness), ("shannon", entropy)):
        have = found[f"{name}_smoothed"]
        plain = np.where(have.mask, 0, plain)  # cells outside the country are left out first
        wanted = gaussian_filter(plain, 2)
        assert np.abs(have - wanted).max() < 1e-6
        assert np.array_equal(found[name].filled(0) > 0, (plain > 0) & ~have.mask)
    assert told["recipe"] == "paper" and told["unit"] == "record" and told["smoothed_by_cells"] == 2


def test_an_index_is_mapped_with_its_model(bundle_path, world, tmp_path):
    """‖σ‖₁ is the model's of the cell's place; rows whose places are hidden count nowhere."""
    from prom3e_index.models.folder import Model
    from prom3e_index.mvae.completion import infer

    config = DiversityConfig(
        str(bundle_path), tmp_path / "d", "world", "30deg", mask="none", rarefy=2, samples=1
    )
    told = diversity(config)
    assert told["model"]["bands"][:2] == ["sigma_l1", "sigma_l1_rank"]
    hidden = read_occurrences(bundle_path).hidden.sum()
    assert told["left_out"].get("the place is obscured or generalised", 0) == hidden > 0
    model = Model.open("mini")
    lat, lon = Grid.of("world", "30deg").centres()
    at = model.modalities.index("loc")
    x = np.zeros((len(lat), len(model.modalities), model.width), np.float32)
    x[:, at] = model.encoder("loc").encode(np.stack([lat, lon], axis=1))
    shown = np.zeros(x.shape[:2], bool)
    shown[:, at] = True
    wanted = infer(model, x, shown, ()).sigma_l1
    with rasterio.open(tmp_path / "d" / "diversity.tif") as tif:
        have = dict(zip(tif.descriptions, tif.read(), strict=True))
    assert have["sigma_l1"].ravel() == pytest.approx(wanted, rel=1e-5)
    assert (
        have["sigma_l1_rank"].ravel().argsort().tolist()
        == have["sigma_l1"].ravel().argsort().tolist()
    )
    assert "shannon" in told["correlations"]["sigma_l1"]


def test_hexagons_carry_their_areas(community, tmp_path):
    h3 = pytest.importorskip("h3")
    told = diversity(
        DiversityConfig(str(community), tmp_path / "d", "0,0,20,20", "h3:3", mask="none")
    )
    cells = pq.read_table(tmp_path / "d" / "cells.parquet")

    assert all(len(c) == 15 for c in cells.column("h3cellcode").to_pylist())
    for r in cells.to_pylist():
        assert r["area_km2"] == pytest.approx(h3.cell_area(r["h3cellcode"]), rel=1e-2)
    assert told["smoothed_by_cells"] is None and not any(
        n.endswith("_smoothed") for n in told["bands"]
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"region": "Atlantis"}, "Unknown region 'Atlantis'"),
        ({"region": "0,20,20,0"}, "south below north"),
        ({"cells": "1 parsec"}, "parsec"),
        ({"cells": "25km", "crs": "99999"}, "99999"),
        ({"unit": "visit"}, "unit is 'visit'; known: observer-day, record"),
        ({"rarefy": 0}, "rarefy is 0"),
        ({"rarefy": 100_000}, "No cell has 100000 records to be rarefied to; the most that one has is"),
        ({"smooth": -1.0}, "smooth is -1"),
        ({"cells": "h3:2", "smooth": 2.0}, "hexagons have none"),
        ({"region": "100,0,120,20"}, "outside the region"),
        ({"mask": "climate"}, "mask climate needs climate"),
        ({"paper": True, "cells": "1deg"}, "paper=True fixes grid"),
        ({"model": "geoclip"}, "geoclip has no MVAE"),
        ({"like": Path("nothing.tif")}, "nothing.tif"),
    ],
)  # fmt: skip
def test_what_cannot_be_leaves_nothing_behind(community, tmp_path, given, said):
    config = DiversityConfig(str(community), tmp_path / "d", **{"region": "0,0,20,20", "mask": "none", "cells": "5deg",
                             **given} if "like" not in given and "paper" not in given else given)  # fmt: skip
    with pytest.raises(InputError, match=said):
        diversity(config)
    assert list(tmp_path.iterdir()) == []


def test_one_cell_and_no_records(community, tmp_path):
    told = diversity(
        DiversityConfig(str(community), tmp_path / "d", "0,0,20,20", "1x1", mask="none")
    )
    assert told["cells_with_records"] == 1 and told["effort"]["hill0"]["spearman"] is None

    with pytest.raises(InputError, match="has no records"):
        diversity(DiversityConfig(str(write(tmp_path / "none.csv", [])), tmp_path / "e"))
    with pytest.raises(InputError, match="exists; name another folder"):
        diversity(DiversityConfig(str(community), tmp_path / "d"))


def test_a_record_on_the_southern_side_of_its_box_counts(tmp_path):
    """Places in whole degrees, without a region: the box around them holds its own southern side."""
    table = write(
        tmp_path / "t.csv", [("Pica pica", 48, 16), ("Corvus corax", 48, 16), ("Pica pica", 50, 17)]
    )
    told = diversity(
        DiversityConfig(str(table), tmp_path / "o", cells="1deg", mask="none", rarefy=2)
    )

    assert told["records"] == 3 and told["cells_with_records"] == 2 and not told["left_out"]
