"""A captured step is used when it is proven to be the plain one, and leaves nothing of its proof behind."""

from __future__ import annotations

import re
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from embedding_sets import NAMES, TINY, made

from prom3e_index.training.checkpoint import load
from prom3e_index.training.stage_two import captured, steps
from prom3e_index.training.stage_two.loop import train_mvae

RECIPE = replace(
    TINY,
    steps=60,
    validate=2,
    visible="row",
    one_visible=0.5,
    contrast=0.3,
    noise="dimension",
    ema=0.9,
)


def recording(monkeypatch, spoil=lambda replay, losses, weights: replay):
    """In place of a CUDA graph: replaying takes the step again into the same losses and gradients."""

    def recorded(step, weights):
        losses = step().clone()
        kept = [None if w.grad is None else w.grad.clone() for w in weights]
        for w, g in zip(weights, kept, strict=True):
            w.grad = g

        def replay():
            losses.copy_(step())
            for w, g in zip(weights, kept, strict=True):
                if g is not None:
                    g.copy_(w.grad)

        return spoil(replay, losses, weights), losses

    monkeypatch.setattr(steps, "can_capture", lambda device: True)
    monkeypatch.setattr(captured, "recorded", recorded)


def weights(folder):
    return load(folder / "last.safetensors")[0]


@pytest.mark.parametrize("several", [False, True])
def test_a_captured_run_is_the_plain_one_bit_for_bit(tmp_path, monkeypatch, several):
    sets = [made(40), made(30, seed=1)] if several else [made(40)]
    plain = train_mvae(sets, NAMES, RECIPE, tmp_path / "plain", fixed=True)
    total = RECIPE.steps
    assert plain.taken == f"0 captured, {total} plain: cpu does not replay steps"
    recording(monkeypatch)
    told = train_mvae(sets, NAMES, RECIPE, tmp_path / "captured", fixed=True)
    assert told.taken == f"{total} captured without fused kernels (cpu is no card), 0 plain"
    one, two = weights(tmp_path / "plain"), weights(tmp_path / "captured")
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    logs = [
        [line.split(",")[:8] for line in (tmp_path / n / "log.csv").read_text().splitlines()]
        for n in ("plain", "captured")
    ]
    assert logs[0] == logs[1]


def still(replay, losses, weights):
    """Replays what was there when it was captured: nothing moves."""
    return lambda: None


def stale(replay, losses, weights):
    """Reads weights as they were when it was captured, and moves the true ones."""
    old = [w.detach().clone() for w in weights]

    def replayed():
        new = [w.detach().clone() for w in weights]
        for w, o in zip(weights, old, strict=True):
            w.data.copy_(o)
        replay()
        for w, n, o in zip(weights, new, old, strict=True):
            w.data.add_(n - o)

    return replayed


def wrong(replay, losses, weights):
    def replayed():
        replay()
        losses.mul_(1.01)

    return replayed


def none(replay, losses, weights):
    """One gradient, not the first, is no number."""
    gradients = [w.grad for w in weights if w.grad is not None]

    def replayed():
        replay()
        gradients[4].fill_(float("nan"))

    return replayed


@pytest.mark.parametrize("spoil, words", [
    (still, "changed no weight"), (stale, "differs by .* from the plain one"), (wrong, "differs by"),
    (none, "differs by inf"),
])  # fmt: skip
def test_what_is_not_proven_is_not_used_and_the_run_is_the_plain_one(
    tmp_path, monkeypatch, spoil, words
):
    recipe = replace(RECIPE, lr=3e-2)
    train_mvae([made(40)], NAMES, recipe, tmp_path / "plain", fixed=True)
    recording(monkeypatch, spoil)
    told = train_mvae([made(40)], NAMES, recipe, tmp_path / "spoiled", fixed=True)
    assert re.search(f"^0 captured, {RECIPE.steps} plain: .*{words}", told.taken), told.taken
    one, two = weights(tmp_path / "plain"), weights(tmp_path / "spoiled")
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_what_cannot_be_captured_is_said_and_taken_plainly(tmp_path, monkeypatch):
    def recorded(step, weights):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    recording(monkeypatch)
    monkeypatch.setattr(captured, "recorded", recorded)
    told = train_mvae([made(40)], NAMES, RECIPE, tmp_path / "a", fixed=True)
    assert told.taken == (
        f"0 captured, {RECIPE.steps} plain: RuntimeError: CUDA error: operation not permitted when stream is "
        "capturing"
    )
    monkeypatch.undo()
    train_mvae([made(40)], NAMES, RECIPE, tmp_path / "b", fixed=True)
    for name, value in weights(tmp_path / "a").items():
        assert torch.equal(value, weights(tmp_path / "b")[name]), name


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_is_captured_on_its_own_card_and_the_stream_is_as_before(monkeypatch, fails):
    """A second card has streams of its own; torch does not go back where a capture ends in an error."""
    before = [SimpleNamespace(card=at, wait_stream=lambda other: None) for at in (0, 1)]
    card, streams, seen = [0], list(before), []

    @contextmanager
    def set_to(where, at, value):
        old, where[at] = where[at], value
        try:
            yield
        finally:
            where[at] = old

    @contextmanager
    def graph(of, stream):
        old, streams[card[0]] = streams[card[0]], stream
        yield
        if fails:
            raise RuntimeError("a previous error")
        streams[card[0]] = old

    def step():
        seen.append((card[0], streams[1].card, streams[1] is not before[1]))
        return torch.zeros(5)

    faked = {
        "device": lambda of: set_to(card, 0, of.index),
        "stream": lambda of: set_to(streams, card[0], of),
        "current_stream": lambda: streams[card[0]],
        "Stream": lambda: SimpleNamespace(card=card[0], wait_stream=lambda other: None),
        "CUDAGraph": lambda: SimpleNamespace(replay=None),
        "graph": graph,
    }
    for name, value in faked.items():
        monkeypatch.setattr(torch.cuda, name, value)
    weight = SimpleNamespace(is_cuda=True, device=torch.device("cuda", 1), grad=None)
    with pytest.raises(RuntimeError) if fails else nullcontext():
        captured.recorded(step, [weight])
    assert seen == [(1, 1, True)] * 4
    assert card == [0] and streams == before


def test_a_short_run_is_not_captured(tmp_path, monkeypatch):
    recording(monkeypatch)
    recipe = replace(RECIPE, steps=steps.WORTH - 1)
    told = train_mvae([made(40)], NAMES, recipe, tmp_path / "a", fixed=True)
    assert told.taken == "0 captured, 31 plain: a run of fewer than 32 is too short"
