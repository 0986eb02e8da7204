"""Probes and uncertainty against plain computations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import shared
from tiny_set import NAMES, tiny, write
from typer.testing import CliRunner

from prom3e_index.bundle.calibration import why_uncalibrated
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.evaluation.metrics import r_squared
from prom3e_index.evaluation.probe.fitting import coordinates, fit
from prom3e_index.evaluation.probe.representations import REPRESENTATIONS, represent
from prom3e_index.evaluation.probe.run import (
    ProbeConfig,
    evaluate_probe,
)
from prom3e_index.evaluation.probe.splits import split_rows
from prom3e_index.evaluation.uncertainty.measures import agreement, by_set
from prom3e_index.evaluation.uncertainty.run import UncertaintyConfig, evaluate_uncertainty
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import prepare


def test_representations_are_the_mvaes_tokens():
    data, model = tiny(30, missing=0), Model.open("mini")
    given = ("image", "loc")
    shown = torch.zeros(30, 6, dtype=torch.bool)
    shown[:, [0, 2]] = True
    with torch.inference_mode():
        p = model.mvae.posterior(torch.from_numpy(data.x), shown)
        made = model.mvae.reconstruct(p, how=model.decode, nodes=model.nodes)
    r = model.mvae.config.num_register_tokens
    tokens = p.tokens.numpy()
    want = {
        "encoder": data.x[:, [0, 2]],
        "reconstructed": made.numpy(),
        "mean": p.mean.numpy(),
        "modality": tokens[:, [2 + r, 2 + r + 2]],
        "registers": tokens[:, 2 : 2 + r],
    }
    want["all"] = np.concatenate(
        [want["mean"][:, None], tokens[:, 1:2], want["registers"], want["modality"]], axis=1
    )
    assert set(want) == set(REPRESENTATIONS)
    for name, values in want.items():
        assert represent(model, data.x, given, name) == pytest.approx(
            values.reshape(30, -1), abs=2e-5
        ), name
    with pytest.raises(InputError, match="'tokns' is unknown"):
        represent(model, data.x, given, "tokns")
    with pytest.raises(InputError, match="geoclip has no MVAE"):
        represent(Model.open("geoclip"), data.x[:, 2:3], ("loc",), "mean")


def test_ridge_probe_equals_the_normal_equations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)).astype(np.float32) * 3 + 1
    y = x @ rng.normal(size=12) + rng.normal(size=300)
    train, test = np.arange(240), np.arange(240, 300)
    inner = np.arange(190), np.arange(190, 240)
    told, penalty = fit(x.copy(), y, train, test, inner, "regression", None)
    z = (x - x[train].mean(0)) / x[train].std(0)
    centre, offset = z[train].mean(0), y[train].mean()
    a = z[train] - centre
    b = np.linalg.solve(a.T @ a + penalty * np.eye(12), a.T @ (y[train] - offset))
    assert told == pytest.approx((z[test] - centre) @ b + offset, abs=1e-2)
    assert r_squared(y[test], told) == pytest.approx(
        np.corrcoef(y[test], told)[0, 1] ** 2, abs=0.05
    )
    assert r_squared(y[test], np.full(60, y[test].mean())) == pytest.approx(0)

    kind = x[:, :3].argmax(1)
    for task in ("classification", "single-positive"):
        scores, _ = fit(x.copy(), kind, train, test, inner, task, 3)
        assert scores.shape == (60, 3) and (scores.argmax(1) == kind[test]).mean() > 0.7


def test_assume_negative_learns_the_shares_of_a_label_that_nothing_tells():
    """Of features that say nothing the sigmoid becomes each label's frequency: the loss's minimum."""
    rng = np.random.default_rng(0)
    y = rng.choice(3, 4000, p=[0.6, 0.3, 0.1])
    x = np.zeros((4000, 2), np.float32)
    scores, _ = fit(x, y, np.arange(4000), np.arange(5), (None, None), "single-positive", 3)
    assert 1 / (1 + np.exp(-scores[0])) == pytest.approx([0.6, 0.3, 0.1], abs=0.05)


def test_sites_are_never_divided():
    data = tiny(200)
    rng = np.random.default_rng(0)
    data.columns["latitude"] = rng.uniform(40, 45, 200)
    data.columns["longitude"] = rng.uniform(5, 9, 200)
    train, test = split_rows(data, "site", 0)
    cell = np.floor(data.columns["latitude"]) * 1000 + np.floor(data.columns["longitude"])
    assert not set(cell[train]) & set(cell[test]) and sorted([*train, *test]) == list(range(200))
    train, test = split_rows(data, "random", 0)
    assert len(test) == 40 and not set(train) & set(test)
    vector = coordinates(data)[:, 2:]
    assert (vector**2).sum(1) == pytest.approx(np.ones(200), abs=1e-5)
    data.columns["part"] = np.array(["train"] * 200)
    with pytest.raises(InputError, match="no rows `train` or none `test`"):
        split_rows(data, "part", 0)


def test_a_probe_reads_what_is_there_and_not_what_is_not(tmp_path):
    data = tiny(400, seed=5, missing=0)
    rng = np.random.default_rng(1)
    data.columns["told"] = data.x[:, 0, :8] @ rng.normal(size=8) * 100
    data.columns["noise"] = rng.normal(size=400)
    data.columns["kind"] = np.where(data.x[:, 0, 0] > 0, "up", "down")
    write(tmp_path / "d.npz", data)
    base = ProbeConfig(
        tmp_path / "d.npz",
        tmp_path / "o",
        "mini",
        labels=("told", "noise"),
        task="regression",
        given=("image",),
    )
    found = {(r["label"], r["representation"]): r for r in evaluate_probe(base)["results"]}
    assert found["told", "encoder"]["r2"] > 0.3 > found["noise", "encoder"]["r2"]
    assert abs(found["told", "mean"]["r2"]) < 0.5 and found["told", "mean"]["width"] in (0, 128)
    low, high = found["told", "encoder"]["interval"]
    assert low < found["told", "encoder"]["r2"] < high
    kinds = evaluate_probe(replace(base, labels=("kind",), task="classification"))["results"]
    encoder = next(r for r in kinds if r["representation"] == "encoder")
    assert encoder["top-1"] > 0.6 and encoder["top-5"] == 1 and encoder["classes"] == 2
    assert sum(c["support"] for c in encoder["per_class"].values()) == encoder["test"] == 80
    assert json.loads((tmp_path / "o/probe.json").read_text())["results"][0]["label"] == "kind"
    with pytest.raises(InputError, match="Unknown modality 'dna'"):
        evaluate_probe(replace(base, given=("dna",)))
    with pytest.raises(InputError, match="no column 'kinds'; nearest: kind"):
        evaluate_probe(replace(base, labels=("kinds",)))
    with pytest.raises(InputError, match="0 rows have 'kind' as a number"):
        evaluate_probe(replace(base, labels=("kind",)))


def test_points_with_the_real_location_encoder(tmp_path):
    table = shared("data/birds24/observations.csv")
    done = CliRunner().invoke(
        app,
        ["evaluate", "probe", str(table), "--labels", "bio1_degC", "--task", "regression", "--model", "geoclip",
         "--split", "site", "--out", str(tmp_path / "o")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = {
        r["representation"]: r
        for r in json.loads((tmp_path / "o/probe.json").read_text())["results"]
    }
    assert found["encoder"]["r2"] > found["coordinates"]["r2"] > found["mean"]["r2"]


def test_uncertainty_of_sets_equals_single_rows():
    data, model = tiny(60, missing=0.1), Model.open("mini")
    whole = np.flatnonzero(data.present.all(1))
    sets, rows = by_set(data, model, prepare(model, data.x, data.present), 0, lambda s, d, t: None)
    assert len(sets) == 63
    for record in (sets[0], sets[10], sets[40]):
        at = [NAMES.index(m) for m in record["visible"]]
        use = whole if len(whole) >= 50 else np.flatnonzero(data.present[:, at].all(1))
        sigma, error = [], []
        for i in use:
            shown = torch.zeros(1, 6, dtype=torch.bool)
            shown[0, at] = True
            with torch.inference_mode():
                p = model.mvae.posterior(torch.from_numpy(data.x[i : i + 1]), shown)
                made = model.mvae.reconstruct(p, how=model.decode)[0].numpy()
            sigma.append(float(torch.exp(p.log_variance / 2).sum()))
            hidden = [m for m in range(6) if m not in at and data.present[i, m]]
            if hidden:
                error.append(np.mean([1 - made[m] @ data.x[i, m] for m in hidden]))
        assert record["rows"] == len(use)
        assert record["sigma_l1"] == pytest.approx(np.mean(sigma), rel=1e-5)
        assert record["error"] == pytest.approx(np.mean(error), abs=1e-4)
        assert record["interval"][0] < record["sigma_l1"] < record["interval"][1]
    assert sets[-1]["error"] is None and len(rows) == 63


def test_agreement_has_known_values():
    assert agreement([1, 2, 3, 4], [10, 20, 30, 40]) == {
        "spearman": 1,
        "r2": pytest.approx(1),
        "n": 4,
    }
    assert agreement([1, 1, 1], [1, 2, 3])["spearman"] is None


def test_the_uncertainty_page_shows_pictures_and_needs_no_network(bundle_path, tmp_path):
    found = evaluate_uncertainty(
        UncertaintyConfig(bundle_path, tmp_path, species="true_species", pictures="pca")
    )
    page = (tmp_path / "uncertainty.html").read_text()
    assert "http://" not in page and "https://" not in page and page.count("data:image/jpeg") >= 8
    assert "components of places" in page
    unknown = "not known whether reported rows were trained on: model mini does not say"
    assert unknown in page and "species are told by the column true_species" in page
    told = json.loads((tmp_path / "uncertainty.json").read_text())
    with BundleFolder.open(bundle_path) as bundle:
        held, why = bundle.calibration, why_uncalibrated(bundle.manifest)
    assert told["own"] == ({"reason": why} if held is None else told["own"])
    assert held is None or told["own"]["ece"] == pytest.approx(held.quality["ece"])
    assert len(told["sets"]) == len(found["sets"]) and told["adding"][0]["visible"] == 1
    with pytest.raises(InputError, match="Uncertainty is the MVAE's"):
        evaluate_uncertainty(UncertaintyConfig(bundle_path, tmp_path, model="geoclip"))
    with pytest.raises(InputError, match="rows is -1"):
        evaluate_uncertainty(UncertaintyConfig(bundle_path, tmp_path, rows=-1))
    with pytest.raises(InputError, match="pictures is 'tsne'"):
        evaluate_uncertainty(UncertaintyConfig(bundle_path, tmp_path, pictures="tsne"))
