"""Which space serves a model's maps is chosen on validation rows, with figures, and stored."""

from __future__ import annotations

import shutil
import tomllib

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from prom3e_index.maps.spaces import maps_space, taxon_gamma
from prom3e_index.models.folder import Model
from prom3e_index.training.stage_two.choose_space import (
    Judged,
    SpaceChosen,
    add_maps,
    choose_space,
)
from prom3e_index.training.stage_two.sets import EmbeddingSet


@pytest.fixture(scope="module")
def validation(bundle_path):
    """The index's rows as a set."""
    from prom3e_index.search.run import Bundle

    with Bundle.open(bundle_path) as bundle:
        model = bundle.model()
        n = len(bundle)
        x = np.zeros((n, len(model.modalities), model.width), np.float32)
        for i, m in enumerate(model.modalities):
            x[:, i] = bundle.embeddings(m)[:n]
        names = bundle.sql("SELECT coalesce(\"genus\", '') FROM observations ORDER BY row")
        species = np.array([str(s) for (s,) in names])
    present = np.linalg.norm(x, axis=2) > 0.5
    return EmbeddingSet(torch.from_numpy(x), torch.from_numpy(present), species, "here", "0")


def test_precision_of_places_is_as_worked_out_plainly(validation):
    model = Model.open("mini")
    found = choose_space(model, validation)
    text, loc = model.modalities.index("text"), model.modalities.index("loc")
    x, present = validation.x.numpy(), validation.present.numpy()
    species = validation.species
    assert found.space is not None and "text" in found.asked
    held = np.flatnonzero(present[:, loc] & (species != ""))
    places = x[held, loc]
    enough = [s for s in np.unique(species) if s and len(np.unique(x[held][species[held] == s][:, loc], axis=0)) >= 5]  # fmt: skip
    values = []
    for name in enough:
        rows = np.flatnonzero((species == name) & present[:, text])
        if not len(rows) or len(rows) > 4:
            continue
        own = []
        for row in rows:
            other = ~(places == x[row, loc]).all(1) if present[row, loc] else np.ones(len(held), bool)  # fmt: skip
            own.append(average_precision_score((species[held] == name)[other], (places @ x[row, text])[other]))  # fmt: skip
        values.append(np.mean(own))
    judged = found.asked["text"]
    assert judged.species <= len(enough) and judged.taken in judged.found
    if len(values) == judged.species:  # all rows of each asked
        assert judged.found["encoder"] == pytest.approx(np.mean(values), abs=1e-4)
    assert 0 < judged.chance < 0.5


def test_what_was_chosen_is_read_by_the_model(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    built = Model.open("mini").folder
    for file in built.iterdir():
        shutil.copytree(file, folder / file.name) if file.is_dir() else shutil.copy(file, folder)
    whole = (folder / "model.toml").read_text()
    start = whole.index("[maps]")
    (folder / "model.toml").write_text(whole[:start] + whole[whole.index("[weights.default]") :])
    assert maps_space(Model.open(folder)) == "hybrid" and taxon_gamma(Model.open(folder)) is None
    space = Judged("hidden", {"hybrid": 0.1, "hidden": 0.2}, 0.01, 9)
    gamma = Judged("0.75", {"0": 0.1, "0.75": 0.2}, 0.01, 9)
    add_maps(folder, SpaceChosen(space, {"image": space}, gamma))
    opened = Model.open(folder)
    assert maps_space(opened) == "hidden" and taxon_gamma(opened) == 0.75
    assert "hybrid 0.100, hidden 0.200" in (folder / "model.toml").read_text()
    tomllib.loads((folder / "model.toml").read_text())


@pytest.mark.parametrize(
    ("lack", "why"), [("species", "no species"), ("few", "fewer than 5 species")]
)
def test_what_cannot_be_judged_is_said_and_nothing_is_written(validation, tmp_path, lack, why):
    from dataclasses import replace

    some = replace(validation, species=None) if lack == "species" else validation.rows(np.arange(6))
    found = choose_space(Model.open("mini"), some)
    assert found.space is None and why in found.why and found.lines() == []
    (tmp_path / "model.toml").write_text("x = 1\n")
    add_maps(tmp_path, found)
    assert (tmp_path / "model.toml").read_text() == "x = 1\n"
