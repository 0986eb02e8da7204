"""The folder that stage 2 leaves: extended, built with, asked, and what it says of its uncertainty."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made
from torch.nn import functional as F

from prom3e_index.errors import InputError, ModelError, ShapeError
from prom3e_index.mvae.files import read_mvae, write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two.run import MVAERun, run_mvae


def test_a_model_is_extended_by_a_narrower_modality_without_losing_the_rest(tmp_path):
    torch.manual_seed(1)
    start = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)).eval()
    write_mvae(start, tmp_path / "start")
    given = made(80, missing=0.1)
    dna = np.where(np.arange(80)[:, None] % 4 == 0, np.nan, given.x[:, 0, :5].numpy() + 0.1)
    arrays = {
        m: np.where(given.present[:, i, None], given.x[:, i], np.nan) for i, m in enumerate(NAMES)
    }
    np.savez(tmp_path / "t.npz", **arrays, dna=dna.astype(np.float32), species=given.species)
    recipe = replace(TINY, visible="row", lr=1e-12, steps=2)
    outcome = run_mvae(
        MVAERun(
            (tmp_path / "t.npz",),
            tmp_path / "out",
            recipe,
            init=str(tmp_path / "start"),
            add=(("dna", 5),),
        ),
        lambda *a: None,
    )
    assert outcome.trained.mvae.config.widths == (12,) * 6 + (5,)

    again = read_mvae(tmp_path / "out")
    x = F.pad(given.x, (0, 0, 0, 1))
    present = F.pad(given.present, (0, 1))
    before, after = start.posterior(given.x, given.present), again.posterior(x, present)
    assert torch.allclose(before.mean, after.mean, atol=1e-6)
    assert torch.allclose(start.reconstruct(before), again.reconstruct(after)[:, :6], atol=1e-6)

    with pytest.raises(ModelError, match="one width for all"):
        run_mvae(
            MVAERun((tmp_path / "t.npz",), tmp_path / "out", recipe, init=str(tmp_path / "start"),
                    add=(("dna", 5),), export=True),
            lambda *a: None,
        )  # fmt: skip
    with pytest.raises(InputError, match="of width 512, init .* of width 12"):
        run_mvae(
            MVAERun(
                (tmp_path / "t.npz",),
                tmp_path / "x",
                recipe,
                model="mini",
                init=str(tmp_path / "start"),
            ),
            lambda *a: None,
        )
    with pytest.raises(InputError, match="add image: the model has it already"):
        run_mvae(
            MVAERun((tmp_path / "t.npz",), tmp_path / "x", recipe, add=(("image", 5),)),
            lambda *a: None,
        )


def test_a_trained_folder_builds_and_answers_and_is_in_the_published_layout(tmp_path, world):
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.npz import encode_to_npz
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

    table = str(world / "observations.csv")
    encode_to_npz(
        BuildConfig(table=table, out=tmp_path / "e.npz", model="mini"),
        lambda *a: None,
        "true_species",
    )
    with np.load(tmp_path / "e.npz") as z:
        arrays = {k: z[k] for k in z.files}
    assert set(arrays["species"]) == {
        r["true_species"] for r in csv.DictReader(Path(table).open(newline=""))
    }
    split = np.where(np.arange(len(arrays["ids"])) % 3 == 0, "val", "train")
    np.savez(tmp_path / "s.npz", **arrays, split=split)
    recipe = replace(TINY, visible="row", steps=30)
    outcome = run_mvae(
        MVAERun((tmp_path / "s.npz",), tmp_path / "own", recipe, model="mini", export=True),
        lambda *a: None,
    )
    assert outcome.rows == (split == "train").sum() and outcome.use is not None
    published = read_mvae(outcome.published)
    assert all(
        torch.equal(a, b)
        for a, b in zip(published.parameters(), outcome.trained.mvae.parameters(), strict=True)
    )

    build(BuildConfig(table=table, out=tmp_path / "i.p3i", model=str(tmp_path / "own")))
    answer = Bundle.open(tmp_path / "i.p3i").search(
        Query(location=(10.0, 20.0), target="image", k=3)
    )
    assert len(answer.hits) == 3 and np.isfinite([h.score for h in answer.hits]).all()


def test_a_seventh_modality_is_built_and_asked_with(tmp_path):
    """`dna`, 5 wide, beside the six: trained, built from arrays by name, asked with a vector of its width."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

    given = made(80, missing=0.1)
    arrays = {
        m: np.where(given.present[:, i, None], given.x[:, i], np.nan) for i, m in enumerate(NAMES)
    }
    arrays = {k: np.pad(v, ((0, 0), (0, 500))).astype(np.float32) for k, v in arrays.items()}
    dna = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
    np.savez(tmp_path / "t.npz", **arrays, dna=dna, ids=[f"o{i}" for i in range(80)])
    outcome = run_mvae(
        MVAERun(
            (tmp_path / "t.npz",), tmp_path / "own", replace(TINY, visible="row"), add=(("dna", 5),)
        ),
        lambda *a: None,
    )
    assert outcome.trained.mvae.config.num_modalities == 7
    build(
        BuildConfig(
            table=str(tmp_path / "t.npz"), out=tmp_path / "i.p3i", model=str(tmp_path / "own")
        )
    )
    bundle = Bundle.open(tmp_path / "i.p3i")
    found = bundle.search(
        Query(embedding=dna[11], embedding_of="dna", target="dna", space="encoder", k=1)
    )
    assert found.hits[0].fields["id"] == "o11" and found.hits[0].score == pytest.approx(1, abs=1e-3)
    with pytest.raises(ShapeError, match="6 wide.*built with 5"):
        bundle.search(Query(embedding=np.ones(6, np.float32), embedding_of="dna", target="image"))


def test_sigma_is_compared_with_the_error_and_an_answer_says_when_it_tells_nothing(
    tmp_path, bundle
):
    from scipy.stats import rankdata

    from prom3e_index.search.query import Query
    from prom3e_index.search.run import search
    from prom3e_index.training.stage_two.choose_use import Candidate, sigma_follows_error

    torch.manual_seed(0)
    model = (
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24))
        .eval()
        .requires_grad_(False)
    )
    val = made(40, missing=0.2)
    rng = np.random.default_rng(0)
    present = val.present.numpy()
    shown = present & (rng.random(present.shape) < rng.random((40, 1)))
    shown[~shown.any(1)] = present[~shown.any(1)]
    sigma, error = [], []
    for i in range(40):
        rest = np.flatnonzero(present[i] & ~shown[i])
        if len(rest):
            p = model.posterior(val.x[i : i + 1], torch.from_numpy(shown[i : i + 1]))
            made_of = model.reconstruct(p)[0].numpy()
            sigma.append(float(torch.exp(p.log_variance / 2).sum()))
            error.append(np.mean([1 - made_of[t] @ val.x[i, t].numpy() for t in rest]))
    expected = np.corrcoef(rankdata(sigma), rankdata(error))[0, 1]
    assert sigma_follows_error(Candidate(model, NAMES), val) == pytest.approx(expected, abs=2e-3)

    for value in (0.05, 0.4, None):
        bundle.model().sigma_spearman = value
        answer = search(bundle, Query(location=(1.0, 2.0), target="image", k=1))
        assert answer.query["sigma_spearman"] == value
        assert not any("σ" in n for n in answer.search["notes"])
    bundle.model().sigma_spearman = None
