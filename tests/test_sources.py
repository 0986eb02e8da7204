"""What is evaluated: rows are drawn before they are read, obscured places are none, nothing is reported and chosen on."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from tiny_set import NAMES, tiny, write

from prom3e_index.errors import InputError
from prom3e_index.evaluation import sources
from prom3e_index.evaluation.overlap import refuse_overlap
from prom3e_index.evaluation.sources import open_source, read_eval
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.work import BuildConfig


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """An index of embeddings in two segments with removed rows, and the 90 rows that it was made of."""
    folder = tmp_path_factory.mktemp("segments")
    data = tiny(90, seed=4)
    data.columns["split"] = np.array(["train", "val", "test"] * 30)
    data.columns["obscured"] = np.array(["true", "false", "", "no", "1"] * 18)
    for name, at in (("first", slice(0, 60)), ("second", slice(60, 90))):
        write(folder / f"{name}.npz", data.rows(np.arange(90)[at]))
    index = folder / "i.p3i"
    build(BuildConfig(table=str(folder / "first.npz"), out=index, model="mini"))
    second = BuildConfig(table=str(folder / "second.npz"), out=index, model="mini")
    add(index, second, lambda *a: None)
    remove(index, None, ["0", "61"], lambda *a: None)
    return index, data


def test_rows_of_an_index_are_read_as_they_were_put_in(segments):
    index, data = segments
    found = open_source(index, NAMES, 512)
    whole = found.take()
    at = np.array([int(i) for i in whole.ids])
    assert not {0, 61} & set(at.tolist()) and found.of == 88
    assert whole.x == pytest.approx(data.x[at], abs=1e-3)
    hidden = np.isin(data.columns["obscured"][at], ["true", "1"])
    want = data.present[at].copy()
    want[hidden, 2] = False
    assert (whole.present == want).all()
    for split in ("train", "val", "test"):
        assert set(found.take(split).ids) == {
            i for i in whole.ids if data.columns["split"][int(i)] == split
        }
    few = found.reported(7, seed=3)
    of_test = found.take("test")
    drawn = np.sort(np.random.default_rng(3).choice(len(of_test), 7, replace=False))
    assert few.ids.tolist() == of_test.ids[drawn].tolist() and (few.x == of_test.x[drawn]).all()
    assert few.columns["species"].tolist() == of_test.columns["species"][drawn].tolist()
    assert few.numbers.tolist() == of_test.numbers[drawn].tolist()


def test_only_what_is_drawn_is_read(segments, monkeypatch):
    """Twenty drawn rows of an index read twenty rows of embeddings, whatever its size."""
    from prom3e_index.bundle.opened import BundleFolder

    index, _ = segments
    asked: list[int] = []
    whole = BundleFolder.embeddings

    class Counted:
        def __init__(self, stored):
            self.stored = stored

        def __getitem__(self, at):
            asked.append(len(at))
            return self.stored[at]

    monkeypatch.setattr(BundleFolder, "embeddings", lambda self, m: Counted(whole(self, m)))
    assert len(open_source(index, NAMES, 512).take(None, 20)) == 20
    assert asked == [20] * 6


@pytest.mark.parametrize("held", [0, 1000])
def test_a_file_is_drawn_alike_whether_it_is_kept_or_read_again(tmp_path, monkeypatch, held):
    monkeypatch.setattr(sources, "_HELD", held)
    monkeypatch.setattr(sources, "_BLOCK", 16)
    data = tiny(70, seed=2)
    data.columns["obscured"] = np.array([1.0, 0.0] * 35)
    data.present[5] = False
    write(tmp_path / "d.npz", data, split=np.array(["val"] * 20 + ["test"] * 50))
    found = open_source(tmp_path / "d.npz", NAMES, 512)
    assert len(found.numbers) == 69 and 5 not in found.numbers
    some = found.reported(9, seed=1)
    rows = np.arange(20, 70)[np.sort(np.random.default_rng(1).choice(50, 9, replace=False))]
    assert some.numbers.tolist() == rows.tolist() == [int(i) for i in some.ids]
    assert some.x == pytest.approx(data.x[rows], abs=1e-6)
    assert not some.present[rows % 2 == 0, 2].any()
    assert some.columns["species"].tolist() == data.columns["species"][rows].tolist()
    assert len(found.take("train")) == 0 and found.take("train").x.shape == (0, 6, 512)


@pytest.mark.parametrize("flags", [
    [True, False, False], ["true", "false", "False"], ["1", "0", ""], [1, 0, 0], [1.0, 0.0, np.nan],
    ["obscured", "open", "no"], ["private", "none", "NO"],
])  # fmt: skip
def test_obscured_is_read_as_tables_are(tmp_path, flags):
    data = tiny(4, missing=-1).rows(np.arange(3))
    data.columns["obscured"] = np.array(flags)
    write(tmp_path / "d.npz", data)
    assert read_eval(tmp_path / "d.npz", NAMES, 512).present[:, 2].tolist() == [False, True, True]


def test_the_same_rows_are_known_in_half_precision_and_in_rows_that_are_not_drawn(
    segments, tmp_path
):
    index, data = segments
    reported = read_eval(index, NAMES, 512).rows(np.arange(40))
    write(tmp_path / "far.npz", tiny(50, seed=99))
    refuse_overlap(reported, open_source(tmp_path / "far.npz", NAMES, 512), None, "They")
    full = data.present.sum(1) >= 3
    one = next(int(i) for i in reported.ids if full[int(i)] and data.columns["obscured"][int(i)] != "true"
               and data.columns["obscured"][int(i)] != "1")  # fmt: skip
    mixed = tiny(50, seed=99)
    mixed.x[31], mixed.present[31] = data.x[one], data.present[one]
    write(tmp_path / "near.npz", mixed)
    near = open_source(tmp_path / "near.npz", NAMES, 512)
    with pytest.raises(
        InputError, match=rf"row \d+ of .*i.p3i \({one}\) is row 31 of .*near.npz \(31\)"
    ):
        refuse_overlap(reported, near, None, "They")
    with pytest.raises(InputError, match="share observations"):
        refuse_overlap(
            near.take(), open_source(index, NAMES, 512), data.columns["split"][one], "They"
        )
    refuse_overlap(near.take().rows(np.arange(31)), open_source(index, NAMES, 512), None, "They")


def test_noise_of_half_precision_never_hides_a_row():
    """300 rows of every pattern of presence, moved as half precision moves them, are all found."""
    data = tiny(300, seed=8, missing=0.4)
    moved = data.rows(np.arange(300))
    moved.x[:] = data.x.astype(np.float16)
    norm = np.linalg.norm(moved.x, axis=2, keepdims=True)
    moved.x[:] = moved.x / np.where(norm > 0, norm, 1)

    class One:
        def __init__(self, i):
            self.i = i

        def chosen(self, split):
            return np.array([self.i])

        def blocks(self, numbers):
            yield moved.x[numbers], moved.present[numbers], numbers

        def read(self, numbers):
            return moved.rows(numbers)

    for i in range(300):
        if data.present[i].sum() < 3:
            refuse_overlap(data, One(i), None, "They")
        else:
            with pytest.raises(InputError, match="share observations"):
                refuse_overlap(data, One(i), None, "They")


def test_what_cannot_be_evaluated_is_named(segments, tmp_path):
    index, _ = segments
    with pytest.raises(InputError, match="embeddings of width 512, the model takes 768"):
        open_source(index, NAMES, 768)
    with pytest.raises(InputError, match="no column 'specis'; nearest: species"):
        open_source(index, NAMES, 512, "specis")
    empty = tiny(4)
    empty.present[:] = False
    write(tmp_path / "empty.npz", empty)
    with pytest.raises(InputError, match="no row with an embedding"):
        open_source(tmp_path / "empty.npz", NAMES, 512)
    shutil.copy(tmp_path / "empty.npz", tmp_path / "e.txt")
    with pytest.raises(InputError, match="neither an index nor embeddings"):
        open_source(tmp_path / "e.txt", NAMES, 512)
