"""What stage 2 reads: sets in any form, settings, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made, write_npz

from prom3e_index.errors import InputError, ShapeError, TableError
from prom3e_index.training.stage_two.recipe import PUBLISHED, Recipe
from prom3e_index.training.stage_two.run import MVAERun, run_mvae
from prom3e_index.training.stage_two.sets import EmbeddingSet, read_set


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


def test_validation_rows_may_not_be_trained_on(tmp_path):
    path = write_npz(tmp_path / "t.npz", made(30))
    with pytest.raises(InputError, match="validate with other rows"):
        run_mvae(MVAERun((path,), tmp_path / "o", TINY, validation=path), lambda *a: None)
