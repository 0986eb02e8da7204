"""An uncertainty evaluation as a user gets it: what to add, diversity, tables, page; what cannot be said is said why."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from made_answers import NAMES, made
from scipy.spatial.distance import cdist
from scipy.stats import entropy, spearmanr
from tiny_set import tiny, write

from prom3e_index.evaluation.pages.signals_words import COLUMNS, diversity_words, screen, tells
from prom3e_index.evaluation.sources import open_source
from prom3e_index.evaluation.uncertainty import asked as asked_module
from prom3e_index.evaluation.uncertainty.adding_modalities import advice_record
from prom3e_index.evaluation.uncertainty.diversity import (
    diversity,
    nearest_observations,
    shannon,
)
from prom3e_index.evaluation.uncertainty.foretold import foretell
from prom3e_index.evaluation.uncertainty.run import UncertaintyConfig, evaluate_uncertainty


def adding(text_helps):
    """Half of the answers from the photo are right; with the name 90 % where it helps, 20 % where not."""
    rng = np.random.default_rng(1)
    species, n = np.arange(600) % 12, 600
    right = {
        ("image",): rng.random(n) < 0.5,
        ("image", "text"): rng.random(n) < (0.9 if text_helps else 0.2),
        ("image", "audio"): rng.random(n) < 0.45,
    }
    sigma = {("image",): 5.0, ("image", "text"): 4.0, ("image", "audio"): 3.0}
    return right, foretell(
        [
            made(v, "sat", np.zeros(n), species, right=r, seed=i, sigma=np.full(n, sigma[v]))
            for i, (v, r) in enumerate(right.items())
        ],
        NAMES, "species", 0,
    )  # fmt: skip


def test_the_advice_is_what_helped_the_other_half_and_is_counted_by_hand():
    right, told = adding(text_helps=True)
    found = advice_record(told)
    half = told.half[:600]
    want = {"text": [], "audio": []}
    for h in (0, 1):
        for m, changes in want.items():
            before, after = right[("image",)][half == h], right[("image", m)][half == h]
            changes.append(before.mean() - after.mean())
    assert found["cases"] == 2 and found["silent"] == 0
    assert found["before"] == pytest.approx(
        1 - np.mean([right[("image",)][half == h].mean() for h in (0, 1)])
    )
    assert found["advised"] == found["best"] == pytest.approx(np.mean(want["text"]))
    assert found["sigma"] == pytest.approx(np.mean(want["audio"]))
    assert found["random"] == pytest.approx(np.mean([*want["text"], *want["audio"]]))
    assert found["of_best"] == 1 and found["advised"] < -0.3


def test_no_advice_where_nothing_helps():
    _, told = adding(text_helps=False)
    found = advice_record(told)
    assert found["silent"] == 2 and found["advised"] == 0 and found["sigma"] > 0
    assert advice_record(foretell([], NAMES, "species", 0)) is None


def test_shannon_is_that_of_scipy_and_the_nearest_are_those_of_all_distances():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (20, 30))
    want = [entropy(np.unique(row, return_counts=True)[1]) for row in codes]
    assert shannon(codes) == pytest.approx(want) and shannon(np.zeros((1, 30), int)) == 0
    places = np.stack([rng.uniform(-89, 89, 200), rng.uniform(-180, 180, 200)], axis=1)
    places[:3, 1] = 179.9, -179.9, 179.8  # across the date line

    def haversine(a, b):
        (la, oa), (lb, ob) = np.radians(a), np.radians(b)
        h = np.sin((la - lb) / 2) ** 2 + np.cos(la) * np.cos(lb) * np.sin((oa - ob) / 2) ** 2
        return 2 * np.arcsin(np.sqrt(h))

    away = cdist(places, places, haversine)
    away[np.arange(200), np.arange(200)] = np.inf
    found = nearest_observations(places, places, np.arange(200), 7)
    assert (found == np.argsort(away, axis=1)[:, :7]).all()
    none = nearest_observations(places[:4], places[10:], np.full(4, -1), 3)
    assert (none == np.argsort(away[:4, 10:], axis=1)[:, :3]).all()
    repeated = np.repeat(places[:2], 9, axis=0)  # the row itself among others of its place
    some = nearest_observations(repeated, repeated, np.arange(18), 5)
    assert all(i not in row for i, row in enumerate(some))


@pytest.mark.parametrize("split", [True, False])
def test_diversity_is_that_of_other_rows_where_there_are_any(tmp_path, split):
    """Places in the south have one species, in the north twelve; answers to northern places are mixed."""
    rng = np.random.default_rng(3)
    n, data = 700, tiny(700, missing=-1)
    latitude = np.where(np.arange(n) % 2, 60.0, -60.0) + rng.normal(size=n)
    kind = np.where(latitude > 0, rng.integers(0, 12, n), 3).astype(str)
    columns = {"species": kind, "latitude": latitude, "longitude": rng.uniform(0, 5, n)}
    if split:
        columns["split"] = np.where(np.arange(n) < 350, "train", "test")
    data = replace(data, columns=columns)
    write(tmp_path / "d.npz", data)
    source = open_source(tmp_path / "d.npz", NAMES, 512)
    rows = source.reported(300)
    codes = rows.codes("species")
    north = np.array([float(v) > 0 for v in rows.columns["latitude"]])
    asked = made(("loc",), "image", np.where(north, 0.5, 4.0), codes, sigma=100.0 + north)
    told = foretell([asked], NAMES, "species", 0)
    found = diversity(told, rows, source)
    assert found["independent"] and found["rows"] == 300
    assert found["observations"] == 400 if not split else 350 + 50
    entropy_record, sigma_record = found["signals"]
    assert entropy_record["target"] == "image" and found["mean"] == entropy_record["spearman"] > 0.3
    low, high = entropy_record["interval"]
    assert low < entropy_record["spearman"] < high
    near_one = north.astype(float)  # two values of ‖σ‖₁: what is left is the order of the two
    assert sigma_record["spearman"] > 0.7 and spearmanr(
        near_one, asked.sigma
    ).statistic == pytest.approx(1)
    own = diversity(told, rows, replace_numbers(source, rows))
    assert not own["independent"] and own["observations"] == 300
    assert "the evaluated rows themselves" in diversity_words(own)[0]


def replace_numbers(source, rows):
    source.numbers = rows.numbers
    return source


def test_why_diversity_is_not_told(tmp_path):
    data = tiny(40)
    write(tmp_path / "d.npz", data)
    source = open_source(tmp_path / "d.npz", NAMES, 512)
    rows = source.reported(40)
    told = foretell([], NAMES, "species", 0)
    assert (
        diversity(told, rows, source)["reason"] == "the rows have no columns latitude and longitude"
    )
    assert diversity(replace(told, rule="row"), rows, source)["reason"] == "no species labels"
    rows.columns["latitude"] = rows.columns["longitude"] = np.zeros(40)
    assert "ask by their place alone; 20 are needed" in diversity(told, rows, source)["reason"]
    rows.columns["latitude"] = np.full(40, "")
    assert "0 observations have a place and a species" in diversity(told, rows, source)["reason"]


@pytest.fixture(autouse=True)
def small_sets(monkeypatch):
    """Sets of one modality and of five: a fifth of the directions."""
    monkeypatch.setattr(asked_module, "LARGEST", 1)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uncertainty")
    data = tiny(130, missing=0.05)
    for k in range(6):  # photos and names near those of their species
        of = data.columns["species"] == f"s{k}"
        for m in (0, 4):
            data.x[of, m] += 1.5 * data.x[k, 5]
    data.x[:] /= np.maximum(np.linalg.norm(data.x, axis=2, keepdims=True), 1e-9)
    data.x[~data.present] = 0
    write(folder / "d.npz", data)
    config = UncertaintyConfig(folder / "d.npz", folder / "out", model="mini", pictures=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked_module, "LARGEST", 1)
        return folder / "out", evaluate_uncertainty(config)


def test_files_say_the_same(evaluated):
    folder, found = evaluated
    told = json.loads((folder / "uncertainty.json").read_text())
    assert told["signals"] == json.loads(json.dumps(found["signals"]))
    with (folder / "uncertainty.csv").open() as f:
        lines = list(csv.DictReader(f))
    assert len(lines) == len(found["directions"]) and tuple(lines[0]) == COLUMNS
    for line, r in zip(lines, found["directions"], strict=True):
        assert line["r_auroc"] == ("" if r["r_auroc"] is None else str(r["r_auroc"]))
    assert found["answers"]["directions"] == 36 and found["answers"]["rule"] == "species"
    assert {s["shown"] for s in found["signals"]} == {"1", "5", "every"}


def test_the_screen_and_the_page_hold_the_table(evaluated):
    folder, found = evaluated
    page, text = (folder / "uncertainty.html").read_text(), screen(found)
    assert "http://" not in page and "https://" not in page
    every = {r["signal"]: r for r in found["signals"] if r["shown"] == "every"}
    assert {"sigma", "nearest", "mass", "p_right"} <= set(every)
    for name, r in (("‖σ‖₁", every["sigma"]), ("P(right)", every["p_right"])):
        (line,) = [x for x in text.splitlines() if x.startswith(f"  {name} ")]
        assert f"{r['r_auroc']:.2f} [" in line and f"{r['mean']['r_auroc']:.2f} [" in line
        assert f">{name}<" in page and f">{r['r_auroc']:.2f}<" in page
    for heading in ("Which answers to believe", "Diversity of places",
                    "Sets of species", "‖σ‖₁ by visible set", "Modality gap"):  # fmt: skip
        assert heading in page
    assert "R-AUROC by direction (36)" in page and "diversity was not compared" in text


@pytest.mark.parametrize(
    ("species", "told"),
    [
        (lambda n: np.full(n, ""), "35 observations could be asked with; 50 are needed"),
        (lambda n: np.full(n, "Pica <b>pica</b>"), "all observations are of one species"),
    ],
)
def test_without_species_or_with_one_it_is_said_why(tmp_path, species, told):
    data = tiny(70, missing=-1)
    write(tmp_path / "d.npz", replace(data, columns={"species": species(70)}))
    config = UncertaintyConfig(tmp_path / "d.npz", tmp_path / "out", model="mini", pictures=None)
    found = evaluate_uncertainty(config)
    page = (tmp_path / "out" / "uncertainty.html").read_text()
    assert told in found["answers"]["reason"] and told in screen(found) and told[1:] in page
    assert "<b>pica" not in page
    signals = {r["signal"] for r in found["signals"]}
    if found["answers"]["rule"] == "species":
        assert signals == {"sigma", "nearest"} and found["answers"]["right"] == 1
        assert all(r["r_auroc"] is None for r in found["signals"])
    else:
        assert found["species_sets"] is None and signals == {"sigma", "nearest"}
        assert "the very observation asked with" in screen(found)
        sigma = [r for r in found["signals"] if r["signal"] == "sigma" and r["shown"] == "every"]
        assert sigma[0]["rows"] == 70 * 36


def test_too_few_to_ask_is_said(tmp_path):
    data = tiny(25, missing=0.5)
    write(tmp_path / "d.npz", data)
    config = UncertaintyConfig(tmp_path / "d.npz", tmp_path / "out", model="mini", pictures=None)
    found = evaluate_uncertainty(config)
    assert found["signals"] == [] and "no direction has 20" in screen(found)
    assert "o direction has 20" in (tmp_path / "out" / "uncertainty.html").read_text()


def test_a_coin_is_called_a_coin():
    assert "no better than a coin" in tells(0.52, (0.48, 0.56))
    assert "no better than a coin" in tells(0.48, (0.47, 0.49))
    assert tells(0.4, (0.35, 0.45)) == "is surer of wrong answers than of right ones"
    assert "hardly" in tells(0.57, (0.55, 0.59)) and "somewhat" in tells(0.7, (0.6, 0.8))
    assert tells(0.8, (0.7, 0.9)).endswith("well") and tells(None, None) == "cannot be judged"
