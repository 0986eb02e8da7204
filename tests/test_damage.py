"""Damaged indexes: what is made again, what is said to be lost, and what no damage stands in the way of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from changes import answers, ids_of, quiet, sound

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError
from prom3e_index.indexer.change import remove
from prom3e_index.indexer.compact import compact
from prom3e_index.search.run import Bundle


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["faiss/image.faiss", "vectors/image.npy"])
@pytest.mark.parametrize("harm, words", [
    (flip, "checksum"),
    (lambda p: p.write_bytes(p.read_bytes()[:-9]), "bytes, the manifest says"),
    (lambda p: p.unlink(), "lacks"),
    (lambda p: shutil.copy(p.with_name(p.name.replace("image", "sat")), p), "comes from another index"),
])  # fmt: skip
def test_damaged_files_are_refused_and_rebuilt(index, fast, part, harm, words):
    expected = answers(Bundle.open(index))
    shutil.copy(index / part, index / "keep")
    harm(index / part)
    (index / "keep").unlink()
    with pytest.raises(BundleError, match=words):
        answers(Bundle.open(index))
    compact(index, quiet, action="rebuild")
    again = answers(Bundle.open(index))
    assert [[i for i, _ in line] for line in again] == [[i for i, _ in line] for line in expected]
    assert np.allclose([s for line in again for _, s in line],
                       [s for line in expected for _, s in line], atol=2e-3)  # fmt: skip
    assert sound(Bundle.open(index))


def test_everything_that_is_derived_is_rebuilt(index, fast):
    expected = answers(Bundle.open(index))
    for name in ("records.arrow", "statistics.json", "rejected.parquet", "faiss/sat.faiss"):
        flip(index / name)
    with pytest.raises(BundleError, match="records.arrow has checksum"):
        answers(Bundle.open(index))
    compact(index, quiet, action="rebuild")
    assert answers(Bundle.open(index)) == expected and sound(Bundle.open(index))


def test_what_cannot_be_made_again_is_said(index, fast):
    flip(index / "embeddings" / "loc.npy")
    with pytest.raises(BundleError, match="nothing here can make it again"):
        compact(index, quiet, action="rebuild")
    assert ids_of(Bundle.open(index)) == {f"a{i}" for i in range(24)}


def test_a_bitmap_that_was_changed_is_refused(index, fast):
    remove(index, Filter(where="row = 3"), None, quiet)
    path = next((index / "deleted").glob("*.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(BundleError, match="removed rows would be found again"):
        Bundle.open(index)
