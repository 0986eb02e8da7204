"""Stage 2 as a run: overfitting, resuming, several processes, presence patterns, bad input, the folder."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import run_alone_and_in_a_group
from torch.nn import functional as F

from prom3e_index.errors import InputError, ModelError, ShapeError, TableError
from prom3e_index.mvae.files import read_mvae, write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.checkpoint import load
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST, PUBLISHED, Recipe
from prom3e_index.training.stage_two.run import MVAERun, run_mvae
from prom3e_index.training.stage_two.sets import EmbeddingSet, read_set

NAMES = ("image", "sat", "loc", "env", "text", "audio")
TINY = Recipe(
    embed_dim=16, heads=2, mlp_dim=24, registers=2, batch_size=16, steps=12, lr=1e-3, validate=2
)


def made(n, *, seed=0, d=12, species=True, missing=0.3) -> EmbeddingSet:
    """Rows whose modalities are noisy rotations of one latent point a species."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, max(2, n // 6), n)
    latent = np.random.default_rng(99).normal(size=(n, d))[label] + 0.4 * rng.normal(size=(n, d))
    turn = np.random.default_rng(7).normal(size=(6, d, d))
    x = np.einsum("nd,mde->nme", latent, turn).astype(np.float32)
    present = rng.random((n, 6)) > missing
    present[:, 0] |= ~present.any(axis=1)
    x = np.where(present[:, :, None], x / np.linalg.norm(x, axis=2, keepdims=True), 0)
    names = np.array([f"s{v}" for v in label]) if species else None
    return EmbeddingSet(
        torch.from_numpy(x), torch.from_numpy(present), names, "made", f"made{seed}{n}"
    )


def write_npz(path: Path, s: EmbeddingSet, **more) -> Path:
    arrays = {
        "embeddings": s.x.numpy(),
        "present": s.present.numpy(),
        "ids": np.arange(len(s)).astype(str),
    }
    if s.species is not None:
        arrays["species"] = s.species
    np.savez(path, **arrays, **more)
    return path


@pytest.mark.parametrize("recipe", [PUBLISHED, BEST], ids=["published", "best"])
def test_overfits_32_rows(tmp_path, recipe):
    rng = np.random.default_rng(0)
    x = F.normalize(torch.from_numpy(rng.normal(size=(32, 6, 12)).astype(np.float32)), dim=-1)
    given = EmbeddingSet(x, torch.ones(32, 6, dtype=torch.bool), None, "made", "f")
    recipe = replace(recipe, embed_dim=64, heads=4, mlp_dim=128, batch_size=32, steps=400, lr=3e-3, noise="none",
                     precision="float32")  # fmt: skip
    trained = train_mvae([given], NAMES, recipe, tmp_path / "run")
    one = torch.zeros(32, 6, dtype=torch.bool)
    one[:, 2] = True
    made_of = trained.mvae.reconstruct(trained.mvae.posterior(x, one), how="mean")
    for t in range(6):
        found = (made_of[:, t] @ x[:, t].T).argmax(1)
        assert float((found == torch.arange(32)).float().mean()) == 1.0


class _Stop(Exception):
    pass


@pytest.mark.parametrize("ema", [None, 0.9])
def test_interrupted_and_resumed_is_straight_through_bit_for_bit(tmp_path, monkeypatch, ema):
    import prom3e_index.training.stage_two.loop as module

    sets, val = [made(50), made(40, seed=1)], made(60, seed=2)
    recipe = replace(
        TINY, ema=ema, mixed=0.5, visible="row", negatives="species", noise="dimension"
    )
    straight = train_mvae(sets, NAMES, recipe, tmp_path / "a", validation=val)
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    for stop_at in (3, 7):

        def interrupt(step, total, note, at=stop_at):
            if step == at:
                raise _Stop

        with pytest.raises(_Stop):
            train_mvae(sets, NAMES, recipe, tmp_path / "b", validation=val, report=interrupt)
    resumed = train_mvae(sets, NAMES, recipe, tmp_path / "b", validation=val)

    assert resumed.step == straight.step and resumed.recall == straight.recall
    for (name, p), q in zip(
        straight.mvae.named_parameters(), resumed.mvae.parameters(), strict=True
    ):
        assert torch.equal(p, q), name
    last = [load(tmp_path / f / "last.safetensors")[0] for f in "ab"]
    assert last[0].keys() == last[1].keys() and all(
        torch.equal(last[0][k], last[1][k]) for k in last[0]
    )
    logs = [(tmp_path / f / "validation.csv").read_text() for f in "ab"]
    assert logs[0] == logs[1] and logs[0].count("\n") > 10


def test_killed_and_started_again_is_straight_through(tmp_path):
    train, val = (
        write_npz(tmp_path / "t.npz", made(120)),
        write_npz(tmp_path / "v.npz", made(60, seed=3)),
    )
    # made() rows are 12 wide: a bare MVAE folder tells the program so
    write_mvae(
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)), tmp_path / "start"
    )
    command = [sys.executable, "-c",
               "import sys, prom3e_index.training.stage_two.loop as m; m.SAVE_EVERY_S = 0.0\n"
               "from prom3e_index.cli.app import main\nmain()",
               "train", "mvae", str(train), "--validation", str(val), "--init", str(tmp_path / "start"),
               "--steps", "200", "--batch-size", "16", "--set", "validate=4"]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "killed")], env=env, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "killed/run/log.csv"
    for _ in range(600):
        if log.is_file() and log.read_text().count("\n") > 60:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/model.toml").exists(), "it had finished before it was killed"
    for name in ("killed", "whole"):
        subprocess.run(
            [*command, "--out", str(tmp_path / name)], env=env, check=True, capture_output=True
        )
    a, b = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("killed", "whole"))
    assert a == b
    steps = [r["step"] for r in csv.DictReader(log.open())]
    assert steps == sorted(set(steps), key=int) and steps[-1] == "200"


def test_two_processes_take_the_same_steps_as_one(tmp_path):
    code = """
from pathlib import Path
from dataclasses import replace
from prom3e_index.training.distributed import join
from test_training import NAMES, TINY, made
from prom3e_index.training.stage_two.loop import train_mvae
recipe = replace(TINY, steps=4, mixed=0.5, visible="row", negatives="species", batch_size=16)
train_mvae([made(64)], NAMES, recipe, Path({out!r}), validation=made(60, seed=2))
join("cpu").leave()
"""
    run_alone_and_in_a_group(*(code.format(out=str(tmp_path / n)) for n in ("one", "two")))
    one, two = (load(tmp_path / n / "last.safetensors")[0] for n in ("one", "two"))
    for name, value in one.items():
        if name.startswith("weights."):
            assert torch.allclose(value, two[name], atol=2e-5), name


def test_a_modality_that_is_always_absent_is_neither_shown_nor_decoded(tmp_path):
    given = made(60, missing=0.2)
    x, present = given.x.clone(), given.present.clone()
    x[:, 5], present[:, 5] = 0, False
    given = EmbeddingSet(x, present, given.species, "made", "f")
    torch.manual_seed(TINY.seed)
    start = dict(
        MVAE(
            MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2)
        ).state_dict()
    )
    for recipe in (TINY, replace(TINY, visible="row", noise="none")):
        trained = train_mvae([given], NAMES, recipe, tmp_path / recipe.visible)
        after = trained.mvae.state_dict()
        for name, value in start.items():
            if name.startswith(("projectors.5", "decoders.5", "modality_identifiers.5")):
                assert torch.equal(after[name], value), name
        assert not torch.equal(after["decoders.4.net.1.weight"], start["decoders.4.net.1.weight"])


def test_rows_of_an_epoch_come_once_and_sets_are_mixed_as_asked():
    recipe = Recipe(batch_size=10, epochs=3)
    order = Order([45], recipe)
    assert order.steps == 12 and order.per_epoch == 4
    for epoch in range(3):
        seen = torch.cat([order.batch(4 * epoch + k)[1] for k in range(4)])
        assert len(seen.unique()) == 40
    coin = Order([1000, 100], replace(recipe, steps=4000))
    size = Order([1000, 100], replace(recipe, steps=4000, mix="size"))
    share = [np.mean([o.batch(s)[0] for s in range(4000)]) for o in (coin, size)]
    assert share[0] == pytest.approx(0.5, abs=0.03) and share[1] == pytest.approx(1 / 11, abs=0.02)


def test_rates_are_the_published_schedules():
    import math

    cosine = Order([100], Recipe(batch_size=10, epochs=40))
    assert [cosine.rate(s) for s in (0, 200, 399)] == pytest.approx(
        [1e-4, 5e-5, 1e-4 * (1 + math.cos(math.pi * 399 / 400)) / 2])  # fmt: skip
    restarts = Order([100], Recipe(batch_size=10, epochs=40, schedule="restarts"))
    assert restarts.rate(0) == restarts.rate(200) == pytest.approx(1e-4)
    assert restarts.rate(100) == pytest.approx(1e-6 + (1e-4 - 1e-6) / 2)
    warm = Order([100], Recipe(batch_size=10, epochs=40, warmup=0.1))
    assert warm.rate(0) == pytest.approx(1e-4 / 40) and warm.rate(40) == pytest.approx(1e-4)


def test_sets_are_read_whatever_their_form_and_bad_ones_are_named(tmp_path):
    good = made(20)
    x = good.x.numpy().copy()
    x[3] *= 7.5
    stretched = EmbeddingSet(torch.from_numpy(x), good.present, good.species, "", "")
    read = read_set(write_npz(tmp_path / "long.npz", stretched), NAMES, 12)
    assert torch.allclose(read.x, good.x, atol=1e-6) and (read.species == good.species).all()

    split = np.array(["train"] * 12 + ["val"] * 8)
    path = write_npz(tmp_path / "split.npz", good, split=split)
    assert (
        len(read_set(path, NAMES, 12, "train")) == 12 and len(read_set(path, NAMES, 12, "val")) == 8
    )

    present = good.present.clone()
    present[5] = False
    lacking = EmbeddingSet(good.x, present, None, "", "")
    assert read_set(write_npz(tmp_path / "none.npz", lacking), NAMES, 12).dropped == 1

    by_name = {
        m: np.where(good.present[:, i, None], good.x[:, i], np.nan) for i, m in enumerate(NAMES)
    }
    np.savez(tmp_path / "names.npz", **by_name)
    named = read_set(tmp_path / "names.npz", NAMES, 12)
    assert torch.equal(named.present, good.present) and torch.allclose(named.x, good.x, atol=1e-6)

    x[2, 0] = np.nan
    broken = EmbeddingSet(torch.from_numpy(x), torch.ones(20, 6, dtype=torch.bool), None, "", "")
    with pytest.raises(TableError, match="Row 2 holds values that are not numbers"):
        read_set(write_npz(tmp_path / "nan.npz", broken), NAMES, 12)
    with pytest.raises(ShapeError, match=r"\(20, 6, 12\).*\(n, 6, 16\)"):
        read_set(tmp_path / "long.npz", NAMES, 16)
    for n in (0, 1):
        with pytest.raises(InputError, match="at least two"):
            read_set(write_npz(tmp_path / "few.npz", good.rows(np.arange(n))), NAMES, 12)
    with pytest.raises(InputError, match="known endings"):
        read_set(tmp_path / "x.csv", NAMES, 12)


def test_settings_are_read_by_type_and_wrong_ones_are_named():
    changed = PUBLISHED.with_settings(
        {"noise": "none", "ema": "0.9", "masked_only": "true", "steps": "7"}
    )
    assert (changed.noise, changed.ema, changed.masked_only, changed.steps) == (
        "none",
        0.9,
        True,
        7,
    )
    assert changed.with_settings({"ema": "none"}).ema is None
    with pytest.raises(InputError, match="nearest: noise"):
        PUBLISHED.with_settings({"niose": "none"})
    with pytest.raises(InputError, match="scalar, dimension, none"):
        PUBLISHED.with_settings({"noise": "loud"})
    with pytest.raises(InputError, match="'many'; a int is needed"):
        PUBLISHED.with_settings({"steps": "many"})
    with pytest.raises(InputError, match="at least 2 rows"):
        Recipe(batch_size=1)


def test_out_of_memory_names_the_batch_that_fits(tmp_path, monkeypatch):
    from prom3e_index.training.stage_two.step import Step

    forward = Step.forward

    def limited(self, batch):
        if len(batch.own) > 9:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )
        return forward(self, batch)

    monkeypatch.setattr(Step, "forward", limited)
    with pytest.raises(
        InputError, match="16 rows needs more memory than there is; 8 rows fit: --batch-size 8"
    ):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")


def test_stops_early_and_keeps_the_best(tmp_path):
    recipe = replace(TINY, lr=1e-12, steps=40, validate=20, patience=3)
    trained = train_mvae([made(64)], NAMES, recipe, tmp_path / "run", validation=made(60, seed=2))
    assert trained.step == 2 and trained.steps == 8, (
        "nothing gets better: the first, then three more"
    )


def test_another_run_in_the_folder_is_refused(tmp_path):
    train_mvae([made(40)], NAMES, TINY, tmp_path / "run")
    with pytest.raises(InputError, match="lr was 0.001, now 0.5"):
        train_mvae([made(40)], NAMES, replace(TINY, lr=0.5), tmp_path / "run")
    start = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2))
    with pytest.raises(InputError, match="init was None, now"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run", init=start)


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
    with pytest.raises(InputError, match="of width 512, --init .* of width 12"):
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
    with pytest.raises(InputError, match="--add image: the model has it already"):
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
    encode_to_npz(BuildConfig(table=table, out=tmp_path / "e.npz"), lambda *a: None, "true_species")
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
    assert outcome.rows == (split == "train").sum() and outcome.tuned is not None
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


def test_tensorboard_gets_the_scalars_of_the_log_or_says_what_is_missing(tmp_path, monkeypatch):
    import types

    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    train_mvae([made(40)], NAMES, TINY, tmp_path / "run", tensorboard=True)
    rows = list(csv.DictReader((tmp_path / "run/log.csv").open()))
    losses = [(v, s) for n, v, s in (w for w in written if len(w) == 3) if n == "loss"]
    assert [(f"{v:.6g}", str(s)) for v, s in losses] == [(r["loss"], r["step"]) for r in rows]
    assert written[-1] == "closed"

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "other", tensorboard=True)


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

    for value, told in ((0.05, True), (0.4, False), (None, False)):
        bundle.model().sigma_spearman = value
        answer = search(bundle, Query(location=(1.0, 2.0), target="image", k=1))
        assert any("hardly follows the error" in n for n in answer.search["notes"]) == told
        assert answer.query["sigma_spearman"] == value
    bundle.model().sigma_spearman = None


def test_validation_rows_may_not_be_trained_on(tmp_path):
    path = write_npz(tmp_path / "t.npz", made(30))
    with pytest.raises(InputError, match="validate with other rows"):
        run_mvae(MVAERun((path,), tmp_path / "o", TINY, validation=path), lambda *a: None)
