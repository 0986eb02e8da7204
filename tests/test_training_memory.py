"""Training says what does not fit in memory, and what does; a batch that cannot be shared is refused at once."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
import torch
from embedding_sets import NAMES, TINY, made
from test_align import toy

from prom3e_index.errors import InputError
from prom3e_index.training.adamw import AdamW
from prom3e_index.training.distributed import Processes
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.stage_two import loop, resident
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.step import Step

NO_ROOM = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"


def test_out_of_memory_names_the_batch_that_fits(tmp_path, monkeypatch):
    forward = Step.forward

    def limited(self, batch):
        if len(batch.own) > 9:
            raise RuntimeError(NO_ROOM)
        return forward(self, batch)

    monkeypatch.setattr(Step, "forward", limited)
    with pytest.raises(
        InputError,
        match=r"16 rows needs more memory than there is \(.*allocate.*\); 8 rows fit: batch_size=8",
    ):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")


class _Held:
    """Stands for a step's tensors: room for so many rows, until nothing refers to it."""

    def __init__(self, rows: int) -> None:
        self.rows = rows


@pytest.mark.parametrize("fails_in", ["forward", "update"])
def test_the_search_begins_when_the_failed_step_is_gone(tmp_path, monkeypatch, fails_in):
    """There is room for 12 rows. Were the 16 of the failed step still held, by its traceback, none would fit."""
    forward, alive = Step.forward, weakref.WeakSet()

    def limited(self, batch):
        held = _Held(len(batch.own))
        alive.add(held)
        if fails_in == "forward" and sum(h.rows for h in alive) > 12:
            raise RuntimeError(NO_ROOM)
        terms = forward(self, batch)
        terms.total.register_hook(
            lambda gradient, held=held: gradient
        )  # lives as long as the graph
        return terms

    def update(self, closure=None):
        if fails_in == "update" and sum(h.rows for h in alive) > 12:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Step, "forward", limited)
    monkeypatch.setattr(AdamW, "step", update)
    with pytest.raises(InputError, match="16 rows needs more memory .* 8 rows fit: batch_size=8"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")


def test_not_even_two_rows(tmp_path, monkeypatch):
    def full(self, batch):
        raise MemoryError

    monkeypatch.setattr(Step, "forward", full)
    with pytest.raises(InputError, match="Not even a batch of 2 rows fits"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")


def test_a_set_that_does_not_fit_on_the_device_is_said_with_its_size(tmp_path, monkeypatch):
    def full(self, given, recipe, device):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 88.00 GiB\nmore")

    monkeypatch.setattr(resident.Resident, "__init__", full)
    given = made(40)
    size = 40 * 6 * 12 * 4 / 1e9
    with pytest.raises(
        InputError, match=f"sets take {size:.2f} GB and .* cpu has not so much memory free.*88.00"
    ):
        train_mvae([given], NAMES, TINY, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [
    "mat1 and mat2 shapes cannot be multiplied",
    "INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp: memory of a pool in use",
])  # fmt: skip
def test_other_errors_are_not_taken_for_want_of_memory(words, tmp_path, monkeypatch):
    def broken(self, batch):
        raise RuntimeError(words)

    monkeypatch.setattr(Step, "forward", broken)
    with pytest.raises(RuntimeError, match=words):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run")


def test_stage_one_names_the_batch_that_does_not_fit(tmp_path):
    tower, anchors, label = toy()

    def full(x):
        raise RuntimeError(NO_ROOM)

    tower.embed = full
    with pytest.raises(
        InputError, match="A batch of 16 rows needs more memory than cpu has.*batch_size"
    ):
        align(tower, anchors, label, AlignConfig(batch_size=16), tmp_path / "run")


@pytest.mark.parametrize("rows, batch, count, words", [
    (50, 15, 2, "batches of 15 rows, which 2 processes .* at most 15 that they can, 14 for example"),
    (45, 64, 2, "batches of 45 rows, which 2 processes .* 44 for example"),
    (50, 16, 3, "batches of 16 rows, which 3 processes .* 15 for example"),
    (6, 16, 7, "has 6 rows, fewer than the 7 processes"),
])  # fmt: skip
def test_a_batch_that_processes_cannot_share_is_refused_before_the_run(
    tmp_path, monkeypatch, rows, batch, count, words
):
    monkeypatch.setattr(loop, "join", lambda device: Processes(0, count, "cpu"))
    with pytest.raises(InputError, match=words):
        train_mvae([made(rows)], NAMES, replace(TINY, batch_size=batch), tmp_path / "run")
    assert not (tmp_path / "run").exists()
