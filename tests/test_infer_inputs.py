"""What `infer` takes and refuses: the files of embeddings that whoever trains and measures takes and refuses."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.indexer.npz import infer_npz


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x: {"embeddings": x.astype(np.complex64)}, "holds complex64; numbers are needed"),
        (
            lambda x: {"embeddings": x.astype(np.float64) * 1e200},
            "holds values that are not numbers",
        ),
        (lambda x: {"embeddings": np.zeros_like(x)}, "Row 0 has no modality"),
        (lambda x: {"other": x}, "it has none"),
    ],
)
def test_what_infer_cannot_take_is_said(tmp_path, recwarn, change, said):
    """As whoever trains and measures says it, and without numpy's warnings."""
    x = np.random.default_rng(0).normal(size=(4, 6, 512)).astype(np.float32)
    np.savez(tmp_path / "e.npz", **change(x))
    with pytest.raises(InputError, match=said):
        infer_npz(tmp_path / "e.npz", "mini", None, "mean", None, tmp_path / "o.npz")
    assert not (tmp_path / "o.npz").exists()
    assert not [
        w for w in recwarn if issubclass(w.category, (RuntimeWarning, np.exceptions.ComplexWarning))
    ]


def test_a_cut_file_is_no_fault_of_the_program(tmp_path):
    np.savez(tmp_path / "e.npz", embeddings=np.ones((9, 6, 512), np.float32))
    whole = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "e.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        infer_npz(tmp_path / "e.npz", "mini", None, "mean", None, tmp_path / "o.npz")


def test_a_zero_embedding_is_none(tmp_path):
    """A row of zeros that is marked as present is completed as one that is absent."""
    x = np.random.default_rng(0).normal(size=(4, 6, 512)).astype(np.float32)
    x[1, 2] = 0
    absent = np.ones((4, 6), bool)
    absent[1, 2] = False
    for name, present in (("zero", np.ones((4, 6), bool)), ("absent", absent)):
        np.savez(tmp_path / f"{name}.npz", embeddings=x, present=present)
        infer_npz(
            tmp_path / f"{name}.npz", "mini", None, "mean", None, tmp_path / f"{name}.out.npz"
        )
    with np.load(tmp_path / "zero.out.npz") as a, np.load(tmp_path / "absent.out.npz") as b:
        assert a.files == b.files and all(np.array_equal(a[k], b[k]) for k in a.files)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_ranks_are_no_fault_of_the_program(tmp_path, share):
    from prom3e_index.evaluation.retrieval.stored_ranks import load, save

    save(tmp_path / "ranks.npz", [], {"a": 1})
    assert load(tmp_path / "ranks.npz") == ([], {"a": 1})
    whole = (tmp_path / "ranks.npz").read_bytes()
    (tmp_path / "ranks.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="holds no stored ranks"):
        load(tmp_path / "ranks.npz")
