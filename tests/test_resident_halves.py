"""Rows that are stored in half precision stay so on a card: the same unit rows to the bit, in half the memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made

from prom3e_index.tables.embeddings import open_embeddings
from prom3e_index.tables.unit_blocks import scaled
from prom3e_index.training.checkpoint import load
from prom3e_index.training.distributed import Processes
from prom3e_index.training.stage_two import resident as module
from prom3e_index.training.stage_two.holdout import joined
from prom3e_index.training.stage_two.loop import train_mvae
from prom3e_index.training.stage_two.recipe import BEST
from prom3e_index.training.stage_two.resident import Resident, settle
from prom3e_index.training.stage_two.sets import read_set


def stored(folder, dtype, *, seed=0, n=70, rounded=True):
    """Rows of many lengths, as a file; the numbers that it holds."""
    given = made(n, seed=seed)
    long = np.random.default_rng(seed).uniform(0.01, 900, (n, 6, 1))
    x = given.x.numpy() * long
    x[3, 0] = 0  # stated to be there, and nothing
    x = x.astype(np.float16).astype(np.float32) if rounded else x.astype(np.float32)
    path = folder / f"{dtype}{seed}{rounded}.npz"
    species = given.species
    np.savez(path, embeddings=x.astype(dtype), present=given.present.numpy(), species=species)
    return path, x


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("fixed", [False, True])
def test_batches_are_the_same_to_the_bit_in_half_the_memory(tmp_path, dtype, fixed):
    path, x = stored(tmp_path, dtype)
    given = read_set(path, NAMES, 12)
    lengths = np.sqrt((x.astype(np.float64) ** 2).sum(2)).astype(np.float32)
    has = given.present.numpy()
    assert np.array_equal(given.lengths.numpy()[has], lengths[given.numbers][has])
    recipe = replace(BEST, batch_size=24, negatives="distinct")
    wide = Resident(given, recipe, "cpu", fixed, halves=False)
    half = Resident(given, recipe, "cpu", fixed, halves=True)
    assert half.x.dtype == torch.float16 and wide.x.dtype == torch.float32
    assert np.array_equal(half.x.numpy()[has], x.astype(np.float16)[given.numbers][has])
    assert wide.bytes - half.bytes == given.x.numel() * 2 - given.present.numel() * 4
    rows = torch.randperm(len(given), generator=torch.Generator().manual_seed(1))[:24]
    one, two = (r.batch(rows, recipe, 4, 0.3, 16, slice(0, 24)) for r in (wide, half))
    for name in ("x", "columns", "noise", "visible", "share", "own"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None and b is None) or (a.dtype == b.dtype and torch.equal(a, b)), name
    own = x[given.numbers][rows] * has[rows][:, :, None]
    unit = own / np.maximum(np.linalg.norm(own, axis=2, keepdims=True), 1e-12)
    assert np.allclose(two.x.numpy(), unit, atol=1e-6)


def test_a_run_on_halves_is_the_run_on_single_precision_to_the_bit(tmp_path, monkeypatch):
    sets = [read_set(stored(tmp_path, "float16", seed=s)[0], NAMES, 12) for s in (1, 2)]
    for halves in (False, True):
        kept = []

        def of(given, recipe, device, halves=halves, kept=kept, **more):
            kept.append(Resident(given, recipe, device, halves=halves, **more))
            return kept[-1]

        monkeypatch.setattr(module, "Resident", of)
        train_mvae(sets, NAMES, replace(TINY, steps=5), tmp_path / str(halves), fixed=True)
        assert [k.x.dtype for k in kept] == [torch.float16 if halves else torch.float32] * 2
    one, two = (load(tmp_path / n / "last.safetensors")[0] for n in ("False", "True"))
    assert one.keys() == two.keys() and all(torch.equal(v, two[k]) for k, v in one.items())


def test_numbers_that_need_single_precision_stay_in_it(tmp_path):
    given = read_set(stored(tmp_path, "float32", rounded=False)[0], NAMES, 12)
    assert given.lengths is None and Resident(given, TINY, "cpu", halves=True).x is given.x
    file = open_embeddings(stored(tmp_path, "float16")[0], "npz", NAMES, 12)
    assert all(b.lengths is None for b in file.batches(16))
    assert all(b.lengths is not None for b in file.batches(16, lengths=True))
    halves = read_set(file.path, NAMES, 12)
    other = replace(halves, x=halves.x * 1.0001)  # not what the lengths are of
    assert Resident(other, TINY, "cpu", halves=True).x is other.x
    some = halves.rows(np.array([5, 2, 9]))
    assert torch.equal(some.lengths, halves.lengths[[5, 2, 9]])
    assert joined([halves, some]).lengths is None and joined([halves]).lengths is halves.lengths
    assert Resident(halves, TINY, "cpu").x is halves.x, "a CPU has them in single precision anyway"


@pytest.mark.parametrize("row", [0, 255, 256, 599])
def test_one_number_that_needs_single_precision_is_seen_wherever_it_stands(row):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2, 4)).astype(np.float16).astype(np.float32)
    present = rng.random((600, 2)) < 0.8
    present[row, 1] = True

    def lengths():
        return next(scaled(iter([(x, present)]), lengths=True)).lengths

    assert lengths() is not None
    x[row, 1, 3] = 0.1
    assert lengths() is None
    present[row, 1] = False  # it is not there: nothing is lost by it
    assert np.array_equal(lengths()[~present], np.ones(int((~present).sum()), np.float32))


def test_what_does_not_fit_on_a_card_is_told_as_it_would_be_kept(tmp_path, monkeypatch):
    from prom3e_index.errors import InputError

    given = read_set(stored(tmp_path, "float16")[0], NAMES, 12)

    def full(*arguments, **more):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(module, "Resident", full)
    large = replace(given, x=torch.zeros(1).expand(1_000_000, 6, 512))
    with pytest.raises(InputError, match=r"sets take 6\.14 GB .*cuda:0 has not so much"):
        settle([large], TINY, Processes(device="cuda:0"))
    with pytest.raises(InputError, match=r"sets take 12\.29 GB"):
        settle([replace(large, lengths=None)], TINY, Processes(device="cuda:0"))
