"""A model in the published layout, which brings no calibration: an index of it gets its own, and σ stays what it was."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from conftest import ROOT

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.schema import NAMES
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

GOLDEN = ROOT / "tests/golden"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(GOLDEN / "mvae", folder / "model")
    names = ", ".join(f'"{m}"' for m in NAMES)
    with np.load(GOLDEN / "inputs.npz") as given:
        width = given["embeddings"].shape[2]
    (folder / "model/model.toml").write_text(
        f'name = "published"\nwidth = {width}\n[mvae]\nsource = "."\nmodalities = [{names}]\n'
    )
    rng = np.random.default_rng(0)
    label = np.arange(150) % 6
    centres = rng.normal(size=(6, 6, width))
    x = centres[label] + 1.2 * rng.normal(size=(150, 6, width))
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)
    np.savez(
        folder / "t.npz",
        embeddings=x,
        present=rng.random((150, 6)) < 0.8,
        species=np.array([f"Genus species{c}" for c in "abcdef"])[label],
        ids=np.arange(150).astype(str),
    )
    build(
        BuildConfig(table=str(folder / "t.npz"), out=folder / "i.p3i", model=str(folder / "model"))
    )
    return folder / "i.p3i"


def test_an_index_of_it_is_calibrated_by_its_own_rows(index):
    with Bundle.open(index) as bundle:
        assert bundle.model().confidence is None
        assert bundle.calibration is not None and bundle.calibration.source == "index"
        assert bundle.calibration.quality["rows"] > 50


@pytest.mark.parametrize(("given", "at"), [("image", 0), ("audio", 5)])
def test_sigma_is_what_the_transcription_gives(index, given, at):
    with np.load(GOLDEN / "inputs.npz") as inputs, np.load(GOLDEN / "expected.npz") as expected:
        x, log_variance = inputs["embeddings"], expected[f"log_variance__{at}"]
    wanted = np.exp(log_variance.astype(np.float64) / 2).sum(axis=1)
    with Bundle.open(index) as bundle:
        assert NAMES[at] == given and Model.open(index.parent / "model").modalities == NAMES
        for row in range(len(x)):
            for told in (True, False):
                query = Query(
                    embedding=x[row, at], embedding_of=given, target="loc", confidence=told
                )
                found = bundle.search(query).query
                assert found["sigma_l1"] == pytest.approx(wanted[row], rel=1e-5, abs=5e-5)
                assert (found["confidence"]["p_right"] is not None) == told
