"""Stage 2 on a card: a step taken plainly, captured, captured and compiled, with the loss curve beside the speed.

    python benchmarks/gpu_training.py [--device cuda] [--trial] [--profile]

A part of `gpu.py`; alone it prints its rows, and with `--profile` the operations that take the card's time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

import torch
from gpu_rows import Row, Size, ceilings, wait
from torch.nn import functional as F

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.adamw import AdamW
from prom3e_index.training.distributed import Processes
from prom3e_index.training.finite import Watch
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import RECIPES, Recipe
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step
from prom3e_index.training.stage_two.steps import Steps

NAMES = ("image", "sat", "loc", "env", "text", "audio")
ROWS, EPOCHS = 79_317, 500
RUN = 100
"""Epochs of the whole run that is part of `gpu.py`; `--epochs` runs another one alone."""
FLOOR_FLOP = 0.156e9
"""Operations a row and step of the published recipe; see `train_speed.floor_gflop`."""
WEIGHTS = 27.3e6
_PROFILED = 64
"""Steps that are profiled: those that are drawn together."""
SAME = 0.02
"""Curves of the same steps may be so far apart, relative; a way whose curve is farther has no speed."""
_PLAIN: dict[tuple[str, str], list[float]] = {}
"""The curve of plain steps by recipe and precision: what every other way is compared with."""


def made(n: int, d: int, device: str, seed: int = 0) -> EmbeddingSet:
    """Unit rows with all six modalities, noisy turns of one latent point a row."""
    g = torch.Generator(device=device).manual_seed(seed)
    latent = torch.randn(n, d, generator=g, device=device)
    of = torch.Generator(device=device).manual_seed(99)
    x = torch.empty(n, 6, d, device=device)
    for m in range(6):
        turn = torch.randn(d, d, generator=of, device=device) / d**0.5
        noise = torch.randn(n, d, generator=g, device=device)
        x[:, m] = F.normalize(latent @ turn + noise, dim=-1)
    return EmbeddingSet(x, torch.ones(n, 6, dtype=torch.bool, device=device), None, "made", "made")


def sized(recipe: Recipe, size: Size) -> Recipe:
    """The default size; a small one for a processor."""
    if not size.small:
        return recipe
    return replace(recipe, embed_dim=32, heads=4, mlp_dim=48, registers=2, batch_size=16)


class Run:
    """Steps from the same weights, taken one way."""

    def __init__(self, resident: Resident, recipe: Recipe, device: str, way: str) -> None:
        torch.manual_seed(0)
        n, m, d = resident.x.shape
        config = MVAEConfig(
            input_dim=d, embed_dim=recipe.embed_dim, num_modalities=m, heads=recipe.heads,
            mlp_dim=recipe.mlp_dim, num_register_tokens=recipe.registers,
        )  # fmt: skip
        step = Step(MVAE(config), recipe).to(device)
        optimiser = AdamW(
            step.parameters(), lr=recipe.lr, betas=(recipe.beta1, recipe.beta2), eps=recipe.eps,
            weight_decay=recipe.weight_decay,
        )  # fmt: skip
        me = Processes(device=device)
        order = Order([n], recipe, device)
        self.steps = Steps(step, optimiser, Watch(optimiser, me), [resident], order, recipe, me)
        if way == "plain":
            self.steps._captures = False
        if way == "compiled":
            self.steps._call = torch.compile(step, dynamic=False)
        self.at, self.device = 0, device

    def take(self, count: int) -> float:
        """Seconds of some steps."""
        wait(self.device)
        begun = time.perf_counter()
        for _ in range(count):
            self.steps.take(self.at)
            self.at += 1
        wait(self.device)
        return time.perf_counter() - begun

    def curve(self, at: list[int]) -> list[float]:
        """Mean loss of the steps up to each of some, from the one before."""
        out = []
        for stop in at:
            self.take(stop - self.at)
            out.append(self.steps.means()["loss"])
        return out


def _ways(
    resident: Resident, name: str, precision: str, ways: list[str], size: Size, device: str
) -> Iterator[Row]:
    total = ROWS // 1024 * EPOCHS if not size.small else 200
    recipe = sized(replace(RECIPES[name], precision=precision, steps=total), size)
    marks = [4, 8] if size.small else [1, 50, 100]
    if precision == "bf16" and not size.small and not size.trial:
        marks += [200, 400]
    floor = FLOOR_FLOP * 1024 / size.rate + 7 * 4 * WEIGHTS / size.copy
    for way in ways:
        try:
            if device != "cpu":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            begun = time.perf_counter()
            run = Run(resident, recipe, device, way)
            run.take(1)
            first = time.perf_counter() - begun
            run = Run(resident, recipe, device, way)
            curve = run.curve(marks)
            if way == "plain":
                _PLAIN[name, precision] = curve
            plain = _PLAIN.get((name, precision))
            more = min(100, marks[-1]) if way == "plain" else 2 * marks[-1]
            each = run.take(more) / more
            apart = "not compared with plain steps"
            if plain is not None and way != "plain":
                largest = max(abs(a - b) / abs(b) for a, b in zip(curve, plain, strict=True))
                apart = f"{largest:.0e} from plain" + (": NOT THE SAME" if largest > SAME else "")
            memory = torch.cuda.max_memory_allocated() / 1e9 if device != "cpu" else 0.0
            yield Row(
                "training",
                f"{name}, {precision}, {way}",
                f"{each * 1e3:.2f} ms a step; {EPOCHS} epochs {each * (ROWS // 1024) * EPOCHS:.0f} s; "
                f"first step {first:.1f} s; {memory:.1f} GB; {run.steps.said()}",
                "" if size.small else f"{floor * 1e3:.2f} ms: {floor / each:.0%}",
                f"loss {', '.join(f'{v:.3f}' for v in curve)} after {marks}; {apart}",
            )
        except Exception as e:
            traceback.print_exc()
            yield Row(
                "training",
                f"{name}, {precision}, {way}",
                f"not measured: {type(e).__name__}: {e}"[:300],
            )


def _whole(size: Size, device: str, epochs: int) -> Row:
    """The loop as `train mvae` runs it, validations included."""
    d = 12 if size.small else 512
    given, val = (
        made(n, d, "cpu", s)
        for n, s in ((64 if size.small else ROWS, 0), (60 if size.small else 2000, 1))
    )
    recipe = sized(replace(RECIPES["best"], precision="bf16", epochs=epochs, patience=None), size)
    with tempfile.TemporaryDirectory() as folder:
        wait(device)
        begun = time.perf_counter()
        trained = train_mvae([given], NAMES, recipe, Path(folder), validation=val, device=device)
        taken = time.perf_counter() - begun
    return Row(
        "training",
        f"whole run of {epochs} epochs, best, bf16, {recipe.validate} validations of {len(val):,} rows",
        f"{taken:.1f} s",
        check=f"recall {trained.recall or 0:.3f} at step {trained.step} of {trained.steps}; {trained.taken}",
    )


def rows(size: Size, device: str) -> Iterator[Row]:
    """Milliseconds a step of each way, the curve of its losses, a whole run."""
    given = made(64, 12, device) if size.small else made(ROWS, 512, device)
    resident = Resident(given, RECIPES["best"], device, True)
    both = ["plain"] if device == "cpu" else ["plain", "captured"]
    cases = [("published", "bf16"), ("best", "bf16")]
    if not size.trial:
        cases += [("published", "float32"), ("published", "tf32"), ("best", "tf32")]
    for name, precision in cases:
        if precision != "tf32" or device != "cpu":
            yield from _ways(resident, name, precision, both, size, device)
    if not size.trial:
        yield _whole(size, device, 2 if size.small else RUN)
    if device != "cpu":
        yield from _ways(resident, "best", "bf16", ["compiled"], size, device)


def profile(device: str, size: Size) -> None:
    """Print what takes the card's time in a captured step, microseconds and kernels a step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    resident = Resident(made(8192, 512, device), RECIPES["best"], device, True)
    for name in ("published", "best"):
        settings = replace(RECIPES[name], precision="bf16", steps=1000)
        run = Run(resident, settings, device, "captured")
        run.take(_PROFILED)
        with profiled(activities=[ProfilerActivity.CUDA]) as seen:
            run.take(_PROFILED)
        found = [
            (e.self_device_time_total / _PROFILED, e.count / _PROFILED, e.key)
            for e in seen.key_averages()
            if e.self_device_time_total > 0
        ]
        print(
            f"{name}: {sum(f[0] for f in found):.0f} µs, {sum(f[1] for f in found):.0f} kernels a step; "
            f"{run.steps.said()}"
        )
        for taken, count, key in sorted(found, reverse=True)[:70]:
            print(f"{taken:8.1f} µs {count:6.1f}  {key[:120]}")


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--trial", action="store_true", help="a short look")
    parser.add_argument("--profile", action="store_true", help="what takes the card's time")
    parser.add_argument("--epochs", type=int, help="only a whole run of so many epochs")
    given = parser.parse_args()
    size = Size(given.device == "cpu", given.trial, *ceilings(given.device))
    if given.epochs:
        print(" · ".join(v for v in astuple(_whole(size, given.device, given.epochs)) if v))
        return
    for row in rows(size, given.device):
        print(" · ".join(v for v in astuple(row) if v), flush=True)
    if given.profile:
        try:
            profile(given.device, size)
        except Exception:
            traceback.print_exc(file=sys.stdout)


if __name__ == "__main__":
    main()
