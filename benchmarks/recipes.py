"""Recipes of stage 2 on several sets of embeddings: trains each with several seeds, judges it, writes a line at once.

    python benchmarks/recipes.py FOLDER RUNS.json OUT.jsonl [--processes 2] [--device cpu] [--seconds 600]
    python benchmarks/recipes.py --table OUT.jsonl

FOLDER holds `NAME.npz` with `embeddings` (n, m, d), `present`, `species` and `split` (`train`, `val`), as `encode`
writes them. RUNS.json is a list of `{"set": NAME, "recipe": NAME, "change": {SETTING: VALUE}, "seeds": [0, 1],
"steps": [800]}`; with `"rows": 500` so many rows are trained on, in batches of 128. Weights are those of the last
step. Validation rows judge; see `recipes_judge.py`. `recipes_runs.json` beside this file has the runs of the log's
table of three seeds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import time
from collections import defaultdict
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import torch
from recipes_judge import judge, quick
from recipes_scores import Judged
from torch.nn import functional as F

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.recipe import RECIPES, Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step

SIZES: dict[str, Any] = {"embed_dim": 256, "heads": 4, "mlp_dim": 512, "batch_size": 512}
CURVE = 4
"""So many times in a run the recall of one shown is noted."""


def read(path: Path) -> dict[str, EmbeddingSet]:
    """Training and validation rows of a file."""
    file = np.load(path)
    present, x = file["present"], file["embeddings"].astype(np.float32)
    x = F.normalize(torch.from_numpy(x), dim=-1)
    out = {}
    for part in ("train", "val"):
        at = np.flatnonzero(file["split"] == part)
        out[part] = EmbeddingSet(
            x[at], torch.from_numpy(present[at]), file["species"][at].astype(str), str(path), part
        )
    return out


def train(rows: EmbeddingSet, recipe: Recipe, device: str, note: Any) -> MVAE:
    """The loop without what a user needs of it: files, resuming, several processes."""
    torch.manual_seed(recipe.seed)
    z = recipe.embed_dim
    config = MVAEConfig(
        rows.x.shape[2], z, rows.x.shape[1], recipe.depth, recipe.heads, recipe.mlp_dim,
        recipe.registers, masked_only=recipe.masked_only, lambda_kl=recipe.lambda_kl,
    )  # fmt: skip
    model = MVAE(config)
    step_of = Step(model.train(), recipe).to(device)
    kept = MVAE(config).to(device) if recipe.ema is not None else model
    kept.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(
        step_of.parameters(), lr=recipe.lr, betas=(recipe.beta1, recipe.beta2), eps=recipe.eps,
        weight_decay=recipe.weight_decay, fused=True,
    )  # fmt: skip
    order, resident = Order([len(rows)], recipe), Resident(rows, recipe, device)
    for at in range(order.steps):
        _, some = order.batch(at)
        for group in optimiser.param_groups:
            group["lr"] = order.rate(at)
        batch = resident.batch(some, recipe, at, at / order.steps, z, slice(0, len(some)))
        optimiser.zero_grad(set_to_none=True)
        step_of(batch).total.backward()
        optimiser.step()
        if recipe.ema is not None:
            decay = min(recipe.ema, (2 + at) / (11 + at))
            torch._foreach_lerp_(
                [p.data for p in kept.parameters()], [p.data for p in model.parameters()], 1 - decay
            )
        if (at + 1) % max(1, order.steps // CURVE) == 0:
            note(at + 1, kept)
            model.train()
    return kept.eval()


def _one(
    run: dict[str, Any], data: dict[str, dict[str, EmbeddingSet]], device: str
) -> dict[str, Any]:
    sets = data[run["set"]]
    given = sets["train"]
    sizes = dict(SIZES)
    if run.get("rows"):
        drawn = np.random.default_rng(7).permutation(len(given))[: run["rows"]]
        given, sizes["batch_size"] = given.rows(np.sort(drawn)), 128
    change = sizes | run["change"] | {"steps": run["steps"], "seed": run["seed"]}
    recipe = RECIPES[run["recipe"]].with_settings(change)
    val = sets["val"]
    rows = Judged.of(val.x, val.present, val.species, device)
    curve: list[Any] = []

    def note(at: int, mvae: MVAE) -> None:
        curve.append([at, *quick(mvae, rows, recipe.decode)])

    began = time.monotonic()
    mvae = train(given, recipe, device, note)
    trained = time.monotonic()
    with torch.no_grad():
        found = judge(mvae, rows, run.get("limit", 200), run.get("largest", 5))
    times = {"train_s": round(trained - began, 1), "judge_s": round(time.monotonic() - trained, 1)}
    return run | found | times | {"curve": curve}


def _work(folder: str, jobs: Any, out: str, device: str, until: float, lock: Any) -> None:
    torch.set_num_threads(1)
    data: dict[str, Any] = {}
    while time.time() < until:
        try:
            run = jobs.get(timeout=3)
        except Empty:
            return
        if run["set"] not in data:
            data[run["set"]] = read(Path(folder) / f"{run['set']}.npz")
        try:
            found = _one(run, data, device)
        except Exception as e:  # a run that fails is a line too; the others go on
            found = run | {"error": repr(e)}
        with lock, Path(out).open("a") as f:
            f.write(json.dumps(found) + "\n")


def label(run: dict[str, Any]) -> str:
    """What a run changes, in words of the recipe."""
    return " ".join([run["recipe"], *(f"{k}={v}" for k, v in run["change"].items())])


COLUMNS = (
    "reconstructed",
    "hybrid_without_hidden",
    "hidden",
    "hybrid",
    "plain_reconstructed",
    "plain_hybrid",
)


def table(path: Path) -> None:
    """Print means and standard deviations over seeds."""
    groups = defaultdict(list)
    for line in path.read_text().splitlines():
        run = json.loads(line)
        if "error" in run:
            print("error", label(run), run["set"], run["error"])
            continue
        name = run["set"] + (f" {run['rows']}" if run.get("rows") else "")
        groups[name, run["steps"], label(run)].append(run)
    print(
        "set\tsteps\trecipe\tn\t" + "\t".join(COLUMNS) + "\trec 2,3,4,5\thyb 2,3,4,5\tdecode hidden"
    )
    for (name, steps, what), runs in sorted(groups.items()):
        cells = []
        for c in COLUMNS:
            v = [r["by_size"]["1"][c] for r in runs]
            cells.append(f"{np.mean(v):.3f}" + (f"±{np.std(v, ddof=1):.3f}" if len(v) > 1 else ""))
        for c in ("reconstructed", "hybrid"):
            sizes = [s for s in ("2", "3", "4", "5") if s in runs[0]["by_size"]]
            cells.append(
                " ".join(f"{np.mean([r['by_size'][s][c] for r in runs]):.3f}" for s in sizes)
            )
        print(name, steps, what, len(runs), *cells, runs[0]["decode"], runs[0]["hidden"], sep="\t")


def main() -> None:
    """Run the queue, or print the table."""
    a = argparse.ArgumentParser()
    a.add_argument("paths", nargs="*", type=Path)
    a.add_argument("--table", type=Path)
    a.add_argument("--processes", type=int, default=2)
    a.add_argument("--device", default="cpu")
    a.add_argument("--seconds", type=float, default=3600)
    given = a.parse_args()
    if given.table:
        table(given.table)
        return
    folder, runs, out = given.paths
    context = mp.get_context("spawn")
    jobs, lock = context.Queue(), context.Lock()
    for run in json.loads(runs.read_text()):
        for steps in run.pop("steps"):
            for seed in run["seeds"]:
                jobs.put(
                    {k: v for k, v in run.items() if k != "seeds"} | {"seed": seed, "steps": steps}
                )
    until = time.time() + given.seconds
    arguments = (str(folder), jobs, str(out), given.device, until, lock)
    workers = [context.Process(target=_work, args=arguments) for _ in range(given.processes)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    jobs.cancel_join_thread()


if __name__ == "__main__":
    main()
