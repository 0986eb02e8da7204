"""Training speed of stage 2: our step beside a plain transcription of the recipe, in one run.

    python benchmarks/train_speed.py [--rows 8192] [--steps 6] [--rounds 3] [--device cpu]

The plain step loops over modalities, keeps all tokens, uses `cdist` and a loader on the host. Both use the
default configuration, batch 1024, and AdamW. Reports steps/s as ratios, the floor in operations, the
largest difference of gradients, and peak memory of each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from dataclasses import replace

from plain_step import plain_loss

from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.recipe import PUBLISHED
from prom3e_index.training.stage_two.resident import Resident
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step

BATCH = 1024


def rows(n: int) -> EmbeddingSet:
    """Random unit rows with all six modalities."""
    g = torch.Generator().manual_seed(0)
    x = F.normalize(torch.randn(n, 6, 512, generator=g), dim=-1)
    return EmbeddingSet(x, torch.ones(n, 6, dtype=torch.bool), None, "random", "random")


def floor_gflop() -> float:
    """Operations a row and step that the loss needs, forward and backward (1.1 visible tokens on average)."""
    d, z, h = 512, 1024, 2048
    projector = 1.1 * (d * 2 * d + 2 * d * z)
    keys_values = 1.1 * 2 * z * z
    after = 2 * (z * z + 2 * z * h)
    decoders = 6 * (z * z + z * d)
    distances = 6 * BATCH * d
    # no gradient flows into the targets, so the distances' product is done twice, not three times
    return (6 * (projector + keys_values + after + decoders) + 4 * distances) / 1e9


def plain_run(model: MVAE, given: EmbeddingSet, steps: int, device: str, bf16: bool) -> float:
    """Seconds a step: loader on the host, one visible modality, published loss."""
    loader = torch.utils.data.DataLoader(given.x, batch_size=BATCH, shuffle=True, drop_last=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6)
    done, began = 0, time.perf_counter()
    while done < steps:
        for x in loader:
            x = x.to(device)
            optimiser.zero_grad()
            with torch.autocast(device.split(":")[0], torch.bfloat16, bf16):
                noise = torch.randn(BATCH, 1, device=device)
                total, _, _ = plain_loss(model, x, [done % 6], noise, range(6))
            total.backward()
            optimiser.step()
            float(total.detach())
            done += 1
            if done == steps:
                break
    return (time.perf_counter() - began) / steps


def fast_run(model: MVAE, given: EmbeddingSet, steps: int, device: str, bf16: bool) -> float:
    """Seconds a step of the training loop's own parts."""
    recipe = replace(
        PUBLISHED, precision="bf16" if bf16 else "float32", one_visible=1.0, steps=steps
    )
    step_of = Step(model, recipe).to(device)
    optimiser = torch.optim.AdamW(
        step_of.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True
    )
    resident, order = Resident(given, recipe, device), Order([len(given)], recipe)
    if device != "cpu":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for at in range(steps):
        _, chosen = order.batch(at)
        batch = resident.batch(chosen, recipe, at, 0.0, 1024, slice(0, len(chosen)))
        optimiser.zero_grad(set_to_none=True)
        step_of(batch).total.backward()
        optimiser.step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


RUNS = {"plain": (plain_run, False), "plain bf16": (plain_run, True), "float32": (fast_run, False),
        "bf16": (fast_run, True)}  # fmt: skip


def peak_kb() -> int:
    """Peak resident memory of this process, in kB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def largest_difference(given: EmbeddingSet) -> float:
    """Largest difference of a gradient, relative to its tensor's largest entry: ours against plain, float32."""
    from prom3e_index.training.stage_two.batches import make_batch

    torch.manual_seed(0)
    model, x, noise = MVAE(MVAEConfig()), given.x[:BATCH], torch.randn(BATCH, 1)
    plain_loss(model, x, [2], noise, range(6))[0].backward()
    plain = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    visible = torch.zeros(BATCH, 6, dtype=torch.bool)
    visible[:, 2] = True
    Step(model, PUBLISHED)(
        make_batch(x, given.present[:BATCH], visible, noise, PUBLISHED)
    ).total.backward()
    mine = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    return max(
        float((mine[k] - v).abs().max() / v.abs().max())
        for k, v in plain.items()
        if k != "negative_shift"
    )


def main() -> None:
    """Measure everything, interleaved, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of")
    a = parser.parse_args()
    given = rows(a.rows)
    torch.manual_seed(0)
    if a.memory_of:
        before = peak_kb()
        run, bf16 = RUNS[a.memory_of]
        run(MVAE(MVAEConfig()).to(a.device), given, 2, a.device, bf16)
        peak = peak_kb()
        if a.device != "cpu":
            before, peak = 0, torch.cuda.max_memory_allocated() // 1024
        print(json.dumps((peak - before) / 1024))
        return
    seconds: dict[str, list[float]] = {k: [] for k in RUNS}
    for run, bf16 in RUNS.values():
        run(MVAE(MVAEConfig()).to(a.device), given, 1, a.device, bf16)  # warm up
    for _ in range(a.rounds):
        for name, (run, bf16) in RUNS.items():
            seconds[name].append(
                run(MVAE(MVAEConfig()).to(a.device), given, a.steps, a.device, bf16)
            )
    best = {k: min(v) for k, v in seconds.items()}
    print(
        f"floor {floor_gflop():.3f} GFLOP a row and step; gradients differ by {largest_difference(given):.1e}"
    )
    for name in RUNS:
        command = [
            sys.executable,
            __file__,
            "--memory-of",
            name,
            "--rows",
            "1024",
            "--device",
            a.device,
        ]
        memory = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rate = floor_gflop() * BATCH / best[name]
        ratios = ", ".join(
            f"{p / s:.2f}" for p, s in zip(seconds["plain"], seconds[name], strict=True)
        )
        print(
            f"{name:11s} {1 / best[name]:6.2f} steps/s  ratio {best['plain'] / best[name]:.2f} ({ratios})  "
            f"{rate:7.1f} needed GFLOP/s  {memory:6.0f} MB above the start"
        )


if __name__ == "__main__":
    main()
