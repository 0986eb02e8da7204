"""How sets ask is chosen where validation rows say so: planted rows for each way, written, read again, and refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from test_joined_queries import plain

import prom3e_index.evaluation.asking_rows as asking_rows
from prom3e_index.errors import ModelError
from prom3e_index.evaluation.sets_choice import choose_sets
from prom3e_index.models.folder import BUILT_IN, Model, Weights
from prom3e_index.models.joined import Joined
from prom3e_index.mvae.completion import Inferred
from prom3e_index.training.stage_two.output import set_lines

N, NAMES = 160, ("image", "sat", "loc", "env", "text", "audio")
KNOWN = (0, 2, 4, 5)
"""Photos and sounds know the row and its species; places and names are noise."""


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return Model.open("mini")


@pytest.fixture
def rows():
    """(x, present, species): every item of a row of its own, as weak a copy of its neighbour as the noise beside it."""
    rng = np.random.default_rng(5)
    kind = np.arange(N) % 40
    latent = unit(rng.normal(size=(40, 512)))[kind] + 0.6 * unit(rng.normal(size=(N, 512)))
    x = unit(rng.normal(size=(N, 6, 512)))
    x[:, 0] = unit(0.35 * unit(latent) + unit(rng.normal(size=(N, 512))))
    x[:, 5] = unit(latent)
    present = np.zeros((N, 6), bool)
    present[:, KNOWN] = True
    return x * present[:, :, None], present, np.array([f"s{k}" for k in kind], object)


def as_encoders(given, target):
    """Today's weights: the encoders alone."""
    return Weights(0.0, 0.0)


def recall(scores, right):
    """Share of queries (q, g) whose first row is right; nothing ties."""
    return right[np.arange(len(scores)), scores.argmax(axis=1)].mean()


def test_where_noise_is_shown_beside_what_knows_the_sum_is_taken(model, rows, tmp_path):
    x, present, species = rows
    found = choose_sets(model, x, present, species, as_encoders)
    two = found.sizes[2]
    assert two.own < 1 and (two.delta, two.gamma) == (None, None)
    assert min(two.gains.values()) >= 0.01 and set(two.gains) == {"row", "species"}
    assert found.kappa["image->audio"] > 2 * found.kappa["loc->audio"]

    same, own = species[:, None] == species[None], np.eye(N, dtype=bool)
    pair = x[:, 0], x[:, 2]
    k = [found.kappa[f"{m}->audio"] for m in ("image", "loc")]
    as_one = unit(pair[0] + pair[1])
    joined = two.own * as_one + (1 - two.own) * (k[0] * pair[0] + k[1] * pair[1]) / sum(k)
    before, after = as_one @ x[:, 5].T, joined @ x[:, 5].T
    assert recall(after, own) > recall(before, own) + 0.05
    alone = [np.where(own, -9, s) for s in (before, after)]
    assert recall(alone[1], same & ~own) > recall(alone[0], same & ~own) + 0.01

    out = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", out)
    toml = out / "model.toml"
    toml.write_text(plain(toml.read_text()) + "\n".join(set_lines(found)) + "\n")
    read = Model.open(out)
    each = tuple(read.weights((m,), "audio") for m in ("image", "loc"))
    assert read.joined(("loc", "image"), "audio") == Joined(two.own, tuple(k), each)
    assert read.joined(("image", "sat"), "audio") is None  # nobody has tiles: there is no κ


def test_what_gains_by_species_alone_is_not_taken(model):
    """Photos tell four species and nothing of the row: of forty rows alike none is found more often."""
    rng = np.random.default_rng(3)
    kind = np.arange(N) % 4
    of = unit(rng.normal(size=(4, 512)))[kind]
    x = unit(rng.normal(size=(N, 6, 512)))
    x[:, 0] = unit(0.1 * of + unit(rng.normal(size=(N, 512))))
    x[:, 5] = unit(of + unit(rng.normal(size=(N, 512))))
    present = np.zeros((N, 6), bool)
    present[:, KNOWN] = True
    species = np.array([f"s{k}" for k in kind], object)
    found = choose_sets(model, x * present[:, :, None], present, species, as_encoders)
    gains = found.tried[2]["sum"]
    assert gains["species"] > 0.02 and gains["row"] < 0.01
    assert (found.sizes, found.kappa) == ({}, {})


def test_the_hidden_block_alone_is_among_what_is_tried(model, rows, monkeypatch):
    """Hidden vectors tell rows and species by little, all else leads astray by more than a tenth of it."""
    x, present, species = rows
    rng = np.random.default_rng(1)
    kind = np.arange(N) % 40
    tells = unit(rng.normal(size=(40, 32)))[kind] + 0.5 * unit(rng.normal(size=(N, 32)))
    tells = unit(np.concatenate([np.full((N, 1), 5.0), 0.5 * tells], axis=1))
    astray = unit(rng.normal(size=(N, 512)))
    x[:, KNOWN] = np.roll(astray, 1, axis=0)[
        :, None
    ]  # all that a row shows is the next row's target
    x[:, 5] = astray
    mark = {row.tobytes(): i for i, row in enumerate(x)}

    def infer(model, x, shown, targets, **more):
        at = [mark[row.tobytes()] for row in x]
        made = np.repeat(np.roll(astray, 1, axis=0)[at][:, None], len(targets), axis=1)
        return Inferred(tells[at], made, np.ones(len(at), np.float32))

    monkeypatch.setattr(asking_rows, "infer", infer)
    found = choose_sets(model, x, present, species, lambda given, target: Weights(0.5, 0.9))
    two = found.sizes[2]
    assert (two.delta, two.gamma, two.own) == (0.5, 1.0, 1.0)
    assert set_lines(found)[2:5] == ["delta = 0.5", "gamma = 1.0", "own = 1.0"]


@pytest.mark.parametrize("lines, words", [
    ('[weights.kappa]\n"image" = 3.0', "weights.kappa has 'image'; MODALITY->TARGET is needed"),
    ('[weights.kappa]\n"image->smell" = 3.0', "has 'image->smell'"),
    ('[weights.kappa]\n"smell->image" = 3.0', "has 'smell->image'"),
    ('[weights.kappa]\n"image->text->sat" = 3.0', "has 'image->text->sat'"),
    ("[weights.sets.2]\nown = 0.5", r"weights.sets.2.own is 0.5; below 1 \[weights.kappa\]"),
])  # fmt: skip
def test_sets_that_would_ask_otherwise_without_a_word_are_refused(lines, words, tmp_path):
    out = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", out)
    toml = out / "model.toml"
    toml.write_text(plain(toml.read_text()) + lines + "\n")
    with pytest.raises(ModelError, match=words):
        Model.open(out)
