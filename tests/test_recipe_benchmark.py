"""What judges recipes of stage 2: recall beside shuffles and beside the project's own, a small run of the queue."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from embedding_sets import NAMES, made

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.stage_two.choose_use import IN_TRAINING, Candidate, validate

sys.path.insert(0, str(ROOT / "benchmarks"))
from recipes_scores import Judge, Judged, expected


def test_recall_is_that_of_shuffles_among_equal_scores():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (2, 12, 15)) / 4
    right = rng.random((12, 15)) < 0.15
    right[3] = False
    found = expected(torch.from_numpy(scores), torch.from_numpy(right)).numpy()
    drawn = np.zeros((2, 2, 12))
    for _ in range(4000):
        order = np.lexsort((rng.random(scores.shape), -scores), axis=-1)
        hit = np.take_along_axis(np.broadcast_to(right, scores.shape), order, axis=2)
        drawn += np.stack([hit[:, :, :k].any(2) for k in (1, 10)])
    has = right.any(1)
    assert np.abs(found[:, :, has] - drawn[:, :, has] / 4000).max() < 0.035
    assert (found[:, :, ~has] == -1).all()


@pytest.mark.parametrize("decode", ["mean", "expectation"])
def test_one_shown_is_judged_as_the_project_does(decode):
    torch.manual_seed(0)
    mvae = MVAE(MVAEConfig(12, 16, 6, 1, 2, 24)).eval()
    given = made(90, missing=0.2)
    rows = Judged.of(given.x, given.present, given.species, "cpu")
    settings = [(1.0, 0.0, 0.0), (IN_TRAINING.delta, IN_TRAINING.gamma, 0.0), (0.0, 0.0, 0.0)]
    own = {
        (r["given"], r["target"]): [r["reconstructed"], r["hybrid"], r["encoder"]]
        for r in validate(Candidate(mvae, NAMES, decode=decode), given, 10000)
    }
    judged = {}
    with torch.no_grad():
        for d in Judge(mvae, rows, decode, "mean", 50).directions(1, False):
            right = d.same if d.target in (1, 2, 3) else d.alike & ~d.own
            half = rows.half[d.ask][right.any(1)]
            share = np.array([float((half == h).float().mean()) for h in (0, 1)])
            found = d.values("project", settings)
            key = NAMES[d.given[0]], NAMES[d.target]
            judged[key] = [float((found[s][0] * share).sum()) for s in settings]
    assert judged.keys() == own.keys()
    for key, values in own.items():
        assert judged[key] == pytest.approx(values, abs=1e-5), key


def test_a_small_run_trains_judges_and_prints_a_table(tmp_path):
    given = made(160, missing=0.1)
    split = np.where(np.arange(160) < 80, "train", "val")
    np.savez(tmp_path / "made.npz", embeddings=given.x.numpy(), present=given.present.numpy(),
             species=given.species, split=split)  # fmt: skip
    small = {"embed_dim": 16, "heads": 2, "mlp_dim": 16, "batch_size": 16}
    run = {"set": "made", "change": small, "seeds": [0, 1], "steps": [4], "limit": 30, "largest": 2}
    runs = [run | {"recipe": "best"}, run | {"recipe": "published", "change": {"lr": -1.0}}]
    (tmp_path / "runs.json").write_text(json.dumps(runs))
    out = tmp_path / "out.jsonl"
    script = str(ROOT / "benchmarks/recipes.py")
    words = [sys.executable, script, str(tmp_path), str(tmp_path / "runs.json"), str(out)]
    subprocess.run([*words, "--processes", "1"], check=True, capture_output=True)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["error" in r for r in lines] == [False, False, True, True]
    first = lines[0]
    assert first["decode"] in first["by_decoding"] and len(first["curve"]) == 4
    mean = np.mean([r["hybrid"] for r in first["directions"]])
    assert first["by_size"]["1"]["hybrid"] == pytest.approx(mean, abs=1e-4)
    assert first["by_size"]["2"]["hidden"] >= 0
    done = subprocess.run([sys.executable, script, "--table", str(out)], check=True,
                          capture_output=True, text=True)  # fmt: skip
    row = next(line for line in done.stdout.splitlines() if line.startswith("made\t4\tbest"))
    both = [r["by_size"]["1"]["reconstructed"] for r in lines[:2]]
    assert f"{np.mean(both):.3f}±{np.std(both, ddof=1):.3f}" in row
