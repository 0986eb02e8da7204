"""Stage 1 is fed by a thread: the same draws in the same order, errors in their place, no thread left behind."""

from __future__ import annotations

import csv
import math
import threading
import time

import numpy as np
import pytest
import torch
from test_align import toy
from torch.nn import functional as F

from prom3e_index.media.images import ImageSpec
from prom3e_index.training.losses import masked_infonce
from prom3e_index.training.schedule import generator
from prom3e_index.training.stage_one import align as module
from prom3e_index.training.stage_one import augment
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.stage_one.feed import ahead


def feeding() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "feed"]


@pytest.mark.parametrize("first, last", [(0, 0), (0, 1), (3, 7), (0, 40)])
@pytest.mark.parametrize("waiting", [1, 3])
def test_results_come_in_order_and_few_are_made_ahead(first, last, waiting):
    made, taken, most = [], [], 0

    def make(at):
        made.append(at)
        return at * at

    for value in ahead(make, first, last, waiting):
        taken.append(value)
        most = max(most, len(made) - len(taken))
        time.sleep(0.001)
    assert taken == [at * at for at in range(first, last)] and made == list(range(first, last))
    assert most <= waiting + 1, "the ring, and the one that waits to get in"
    assert not feeding()


def test_an_error_comes_after_all_results_before_it_and_ends_the_thread():
    def make(at):
        if at == 3:
            raise KeyError("row 3")
        return at

    taken = []
    with pytest.raises(KeyError, match="row 3"):
        for value in ahead(make, 0, 9):
            taken.append(value)
    assert taken == [0, 1, 2] and not feeding()


def test_who_stops_listening_ends_the_thread():
    feed = ahead(lambda at: at, 0, 10**9)
    assert next(feed) == 0
    feed.close()
    assert not feeding()


def test_an_error_in_a_tower_and_one_in_a_step_leave_no_thread(tmp_path, monkeypatch):
    tower, anchors, label = toy()
    inputs = tower.inputs

    def broken(at, g):
        raise OSError("the disk is gone")

    tower.inputs = broken
    config = AlignConfig(batch_size=16)
    with pytest.raises(OSError, match="the disk is gone"):
        align(tower, anchors, label, config, tmp_path / "a")
    tower.inputs, tower.embed = inputs, broken
    with pytest.raises(TypeError):
        align(tower, anchors, label, config, tmp_path / "b")
    assert not feeding()


def plain_alignment(config: AlignConfig) -> tuple[torch.Tensor, list[float]]:
    """The loop written plainly, one thing after another: weights at the end, and every loss."""
    tower, anchors, label = toy()
    network, scale = tower.network, torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    optimiser = torch.optim.AdamW(
        [scale, *network.parameters()], lr=config.lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01
    )
    n, b, losses = len(label), config.batch_size, []
    steps = config.epochs * (n // b)
    for step in range(steps):
        epoch, k = divmod(step, n // b)
        rows = torch.randperm(n, generator=generator(config.seed, 1, epoch))[k * b : (k + 1) * b]
        g = generator(config.seed, 2, step, 0)
        torch.randint(1 << 62, (1,), generator=g)
        extra = tower.random_inputs(b, g)
        other, more = (F.normalize(network(v), dim=-1) for v in (tower.inputs(rows, g), extra))
        loss = masked_infonce(
            F.normalize(anchors[rows], dim=-1), other, scale.exp(), label[rows], more
        )
        (loss / config.accumulate).backward()
        losses.append(float(loss.detach()))
        if (step + 1) % config.accumulate == 0 or step + 1 == steps:
            for group in optimiser.param_groups:
                group["lr"] = config.lr * (1 + math.cos(math.pi * (step // (n // b) % 20) / 20)) / 2
            optimiser.step()
            optimiser.zero_grad()
            scale.data.clamp_(0, math.log(100))
    return network.weight.detach(), losses


@pytest.mark.parametrize("lines", [1, 200])
def test_the_run_equals_the_plain_loop_bit_for_bit(tmp_path, monkeypatch, lines):
    config = AlignConfig(loss="masked", epochs=5, batch_size=16, accumulate=3, lr=1e-2)
    weights, losses = plain_alignment(config)
    orders, told = [], []
    randperm = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *a, **k: orders.append(1) or randperm(*a, **k))
    monkeypatch.setattr(module, "LINES", lines)
    tower, anchors, label = toy()
    last = align(tower, anchors, label, config, tmp_path, report=lambda *a: told.append(a))

    assert torch.equal(tower.network.weight, weights)
    assert len(orders) == config.epochs, "the order of an epoch is drawn once"
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    means = [float(np.mean(losses[at : at + 4])) for at in range(0, 20, 4)]
    assert [r["loss"] for r in rows] == [f"{m:.6g}" for m in means] and last == means[-1]
    again = align(toy()[0], anchors, label, config, tmp_path)
    assert again == pytest.approx(last, rel=1e-5), "a finished run says what it found"
    assert len(told) == (5 if lines == 1 else 20)
    if lines == 200:  # the mean of the epoch so far
        assert told[5] == (6, 20, f"loss {np.mean(losses[4:6]):.3f}  epoch 2/5")


def plain_pixels(squares, spec, g):
    """Crop, flip, blur and scale one picture after the other; the blur a convolution with the whole kernel."""
    b, span = len(squares), squares.shape[1] - spec.crop
    top, left = torch.randint(0, span + 1, (2, b), generator=g)
    turned = torch.rand(b, generator=g) < 0.5
    sigma = 0.01 + 0.99 * torch.rand(b, generator=g)
    out = []
    for i in range(b):
        part = squares[i, top[i] : top[i] + spec.crop, left[i] : left[i] + spec.crop].double() / 255
        part = part.flip(1) if turned[i] else part
        wide = F.pad(part.permute(2, 0, 1)[None], (2, 2, 2, 2), mode="reflect")[0]
        taps = torch.exp(-0.5 * (torch.arange(-2, 3).double() / sigma[i].double()) ** 2)
        kernel = torch.outer(taps, taps) / taps.sum() ** 2
        blurred = F.conv2d(wide[:, None], kernel[None, None])[:, 0]
        mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in (spec.mean, spec.std))
        out.append((blurred - mean) / std)
    return torch.stack(out)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_pictures_are_cut_turned_and_blurred_as_one_by_one_in_float64(count):
    g = torch.Generator().manual_seed(count)
    squares = torch.randint(0, 256, (count, 30, 30, 3), dtype=torch.uint8, generator=g)
    spec = ImageSpec(crop=24)
    found = augment.pixels(squares, spec, torch.Generator().manual_seed(5))
    expected = plain_pixels(squares, spec, torch.Generator().manual_seed(5))
    assert found.dtype == torch.float32 and found.is_contiguous()
    assert float((found - expected).abs().max()) < 2e-6
    cut, sigma = augment.crops(squares, spec, None)
    assert sigma is None and torch.equal(cut, squares[:, 3:27, 3:27])
