"""`map --records`: presence against background by blocks, beside distance alone; hidden places teach nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from processes import program

from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.assess import auc, block_of, distance_scores
from prom3e_index.maps.records import RecordsConfig, map_of_records
from prom3e_index.maps.records_fit import Sites, _held_out, fit, threshold, told, validate

REGION = "-120,30,-80,45"


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def records() -> list[dict[str, object]]:
    """A western jay west of 100° W, a raven everywhere, both looked for evenly; a few jays drawn in the east."""
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(31, 44, 500), rng.uniform(-118, -82, 500)
    rows: list[dict[str, object]] = []
    for i, (y, x) in enumerate(zip(lat, lon, strict=True)):
        name = "Cyanocitta stelleri" if x < -100 and i % 2 else "Corvus corax"
        rows.append({"id": i, "name": name, "lat": y, "lon": x, "hidden": ""})
    rows += [{"id": 1000 + i, "name": "Cyanocitta stelleri", "lat": 38.0, "lon": -85 + i, "hidden": "obscured"}
             for i in range(3)]  # fmt: skip
    return [
        {"occurrenceID": r["id"], "scientificName": r["name"], "class": "Aves", "decimalLatitude": r["lat"],
         "decimalLongitude": r["lon"], "geoprivacy": r["hidden"]}
        for r in rows
    ]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("records") / "birds.csv", records())


@pytest.fixture(scope="module")
def mapped(table, tmp_path_factory) -> tuple[Path, dict, str]:
    out = tmp_path_factory.mktemp("map") / "jay"
    done = program("map", "--records", table, "--taxon", "cyanocitta stelleri", "--region", REGION, "--grid", "1deg",
                   "--mask", "none", "--samples", 1, "--threshold", "lpt", "-o", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, json.loads((out / "map.json").read_text()), done.stdout


def test_the_west_is_suitable_and_the_east_is_not(mapped):
    out, facts, said = mapped
    with rasterio.open(out / "map.tif") as tif:
        bands = dict(zip(tif.descriptions, tif.read(), strict=True))
        assert (
            "not a probability" in tif.tags()["TITLE"]
            and tif.tags()["BACKGROUND"] == "other records of Aves"
        )
        lon = np.array([tif.xy(0, c)[0] for c in range(tif.width)])
    suitable = bands["relative_suitability"]
    assert suitable[:, lon < -104].mean() > 0.6 > 0.4 > suitable[:, lon > -96].mean()
    assert np.array_equal(bands["records"] > 0, (bands["records"] > 0) & (lon < -100))
    assert facts["left_out"]["the place is obscured or generalised"] == 3
    held = bands["records"] > 0
    assert bands["distance_km"][held].max() == 0 and bands["distance_km"][:, lon > -96].min() > 200
    assert (bands["present_lpt"][held] == 1).all()
    assert facts["threshold"]["log_odds"] == pytest.approx(
        np.log(suitable[held].min() / (1 - suitable[held].min())), abs=1e-3
    )
    assert "no probability" in said and "distance to the nearest record alone" in said
    assert {p.name for p in out.iterdir()} == {
        "map.tif",
        "map.qml",
        "map.png",
        "map.json",
        "odmap.json",
        "folds.json",
    }


def test_the_folds_are_whole_blocks_and_stand_in_the_folder(mapped):
    out, facts, _ = mapped
    folds = json.loads((out / "folds.json").read_text())

    assert facts["validation"]["folds"] == len(set(folds.values())) >= 2
    lat, lon = Grid.of(REGION, "1deg").centres()
    assert {int(b) for b in folds} <= set(block_of(lat, lon).tolist())
    models = facts["validation"]["models"]
    assert set(models) == {"target_group", "uniform", "distance"}
    assert models["target_group"]["auc"]["target_group"]["mean"] > 0.65
    assert set(models["distance"]) >= {"auc", "auc_random_split", "boyce"}


def sites(n: int = 400, seed: int = 1) -> Sites:
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(0, 40, n), rng.uniform(0, 40, n)
    x = np.stack([np.sin(lat / 9), np.cos(lat / 9), np.sin(lon / 9), np.cos(lon / 9)], 1)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    presence = rng.random(n) < 1 / (1 + np.exp(-(lat - 20) / 3)) * 0.5
    return Sites(x, lat, lon, presence, ~presence, ~presence, block_of(lat, lon))


def test_what_is_held_out_is_not_learnt_from():
    """Presences of a fold turned to background change no score within it."""
    s = sites()
    fold = s.block % 3
    for name in ("target_group", "distance"):
        before, _ = _held_out(s, name, fold, 0)
        turned = s.presence & (fold != 1)
        after, _ = _held_out(
            Sites(s.x, s.latitude, s.longitude, turned, ~turned, ~turned, s.block), name, fold, 0
        )
        assert np.array_equal(before[fold == 1], after[fold == 1]) and not np.array_equal(
            before, after
        )


def test_the_null_is_distance_to_presences_of_other_folds():
    s = sites()
    fold = s.block % 2
    found, _ = _held_out(s, "distance", fold, 0)
    for f in (0, 1):
        known = s.presence & (fold != f)
        wanted = distance_scores(
            s.latitude[known], s.longitude[known], s.latitude[fold == f], s.longitude[fold == f]
        )
        assert np.array_equal(found[fold == f], wanted)


def test_scores_are_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    s = sites()
    made = fit(s.x, s.presence, s.block, 0)
    own = LogisticRegression(C=made.penalty, class_weight="balanced", max_iter=500)
    x = (s.x - s.x.mean(axis=0, dtype=np.float64)) * np.sqrt(4)
    own.fit(x, s.presence)
    assert made.scores(s.x) == pytest.approx(own.decision_function(x), abs=1e-5)


def test_said_honestly_beside_distance_alone():
    """Where the law is of latitude the regression wins; of noise it says no more than nearness."""
    assert "says no more" not in told(validate(sites(), 0))
    s = sites()
    noise = np.random.default_rng(0).normal(size=(len(s.x), 4)).astype(np.float32)
    lost = validate(
        Sites(noise, s.latitude, s.longitude, s.presence, s.group, s.uniform, s.block), 0
    )
    assert "it says no more than how near a record is" in told(lost)
    own = lost["models"]["target_group"]["auc"]["target_group"]
    assert abs(own["mean"] - 0.5) < 0.15 and len(own["folds"]) == lost["folds"] == 5
    alone = Sites(
        s.x,
        s.latitude,
        s.longitude,
        s.presence & (s.block == s.block[0]),
        s.group,
        s.uniform,
        s.block,
    )
    assert told(validate(alone, 0)) == "Not validated: all presences lie in one block of 5 degrees."


def test_thresholds():
    rng = np.random.default_rng(2)
    p, b = rng.normal(1, 1, 200), rng.normal(-1, 1, 300)

    assert threshold("lpt", p, b) == p.min()
    assert np.mean(p >= threshold("lpt-r", p, b)) == pytest.approx(0.95, abs=0.006)
    best = max(np.mean(p >= t) + np.mean(b < t) for t in np.concatenate([p, b]))
    t = threshold("tss", p, b)
    assert np.mean(p >= t) + np.mean(b < t) == pytest.approx(best)
    assert auc(np.r_[np.ones(200, bool), np.zeros(300, bool)], np.r_[p, b]) > 0.9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"taxon": "Cyanocitta steleri"}, "has no record of 'Cyanocitta steleri'; nearest: Cyanocitta stelleri"),
        ({"cells": "0.05deg"}, "the finest that may be are 0.1 degree: a table has no policy"),
        ({"threshold": "max"}, "known: lpt, lpt-r, tss"),
        ({"region": "-90,30,-80,45"}, "0 cells of .* have records of .* that count; 5 are needed"),
        ({"cells": "40x40", "region": "-101,30,-100,31"}, "finest that may be"),
        ({"samples": 3}, "must be 1, 4, 9"),
        ({"model": "nothing"}, "neither a built-in model"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped(table, given, said):
    config = {
        "source": str(table),
        "taxon": "Cyanocitta stelleri",
        "region": REGION,
        "cells": "1deg",
        "mask": "none",
    }
    with pytest.raises(InputError if "model" not in given else Exception, match=said):
        map_of_records(RecordsConfig(**{**config, **given}))


def test_options_that_do_not_go_together(table, tmp_path):
    for more, said in (
        (["--records", table], "--records needs --taxon"),
        (["--records", table, "--taxon", "x", "--text", "y"], "leave a query out"),
        (["--records", table, "--taxon", "x", "--no-cache"], "leave --no-cache out"),
        (
            ["--records", table, "--taxon", "x", "--validate-taxon", "z"],
            "leave --validate-taxon out",
        ),
        (["--threshold", "lpt", "--text", "y"], "--threshold goes with --records"),
    ):
        done = program("map", *more, "-o", tmp_path / "m")
        assert done.returncode == 2 and said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_policy_decides_how_fine(bundle_path):
    """An index without a policy: no finer than 0.1 degree, whatever is asked."""
    with pytest.raises(InputError, match="the index has no policy"):
        map_of_records(
            RecordsConfig(
                str(bundle_path), "Fictanimalia", region="0,0,5,5", cells="0.01deg", mask="none"
            )
        )
