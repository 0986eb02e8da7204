"""What a model was trained on: told again through any file and index, counted rightly, and kept with the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from embedding_sets import NAMES, TINY, made, write_npz

from prom3e_index.errors import ModelError, ShapeError
from prom3e_index.models.folder import Model
from prom3e_index.models.seen import NAME, Seen
from prom3e_index.models.seen_parts import seen_by
from prom3e_index.training.stage_two.run import MVAERun, run_mvae


def rows(n, *, d=64, m=2, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, m, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=2, keepdims=True), np.ones((n, m), bool)


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=2, keepdims=True)


@pytest.mark.parametrize("n", [1, 2047, 2048, 2049, 4097])
def test_rows_are_told_again_and_others_are_not(n):
    x, present = rows(2 * n, d=16)
    present[1::5, 1] = False
    seen = Seen.of(x[:n], present[:n], ("image", "audio"))
    found = seen.rows(x, present)
    assert (found[:n] == present[:n]).all() and not found[n:].any()


def test_no_rows_are_none():
    x, present = rows(3)
    seen = Seen.of(x[:0], present[:0], ("image", "audio"))
    assert seen.n == 0 and not seen.rows(x, present).any()
    assert seen.rows(x[:0], present[:0]).shape == (0, 2) and not seen.ids(["a"]).any()


@pytest.mark.parametrize("d", [5, 64, 512])
def test_half_precision_other_lengths_and_another_batch_are_the_same_row(d):
    x, present = rows(1500, d=d)
    seen = Seen.of(x, present, ("image", "audio"))
    ways = {
        "half precision, as an index holds it": unit(x.astype(np.float16)),
        "other lengths": unit(x.astype(np.float64) * 7.3),
        "another batch": unit(x + 1e-6 * np.random.default_rng(1).normal(size=x.shape)),
        "padded with zeros": np.pad(x, ((0, 0), (0, 0), (0, 9))),
    }
    for way, again in ways.items():
        assert seen.rows(again, present).mean() > 0.999, way


def test_photos_that_are_alike_are_not_the_same():
    x, present = rows(1500, d=512)
    noise, _ = rows(1500, d=512, seed=1)
    alike = unit(x + 0.02 * noise)  # cosine 0.9998
    assert not Seen.of(x, present, ("image", "audio")).rows(alike, present).any()


def test_a_modality_is_not_another():
    x, present = rows(50)
    seen = Seen.of(x, present, ("image", "audio"))
    assert not seen.rows(x[:, ::-1], present).any()
    assert (
        seen.arranged(("audio", "text", "image"))
        .rows(np.stack([x[:, 1], x[:, 0], x[:, 0]], axis=1), np.ones((50, 3), bool))
        .tolist()
        == [[True, False, True]] * 50
    )
    with pytest.raises(ShapeError, match=r"\(rows, 2, d\)"):
        seen.rows(x[:, :1], present[:, :1])


def test_a_share_gives_right_estimates_and_says_what_it_can_judge():
    x, present = rows(6000, d=16)
    whole = Seen.of(x[:4000], present[:4000], ("image", "audio"), [f"o{i}" for i in range(4000)])
    some = Seen.of(
        x[:4000], present[:4000], ("image", "audio"), [f"o{i}" for i in range(4000)], most=3000
    )
    assert whole.share == 1 and some.share == pytest.approx(3000 / 12000)
    kept = sum(map(len, some.marks.values())) + len(some.known_ids)
    assert kept == pytest.approx(3000, rel=0.08)
    found, judged = some.rows(x, present), some.judged(x, present)
    assert found[judged].mean() == pytest.approx(4000 / 6000, abs=0.04)
    assert (found[:4000] == judged[:4000]).all() and not found[4000:].any()
    assert whole.judged(x, present).all()


def test_what_two_have_seen_is_what_one_has_seen_of_both():
    x, present = rows(90)
    a = Seen.of(x[:40], present[:40], ("image", "audio"), [f"o{i}" for i in range(40)])
    b = Seen.of(x[30:60], present[30:60], ("image", "audio"), [f"o{i}" for i in range(30, 60)])
    both = a.joined(b)
    assert both.n == 70 and both.rows(x, present).all(axis=1).tolist() == [True] * 60 + [False] * 30
    assert both.ids([f"o{i}" for i in range(90)]).tolist() == [True] * 60 + [False] * 30
    other = Seen.of(x[:, :1], present[:, :1], ("dna",))
    assert a.joined(other).modalities == ("image", "audio", "dna")
    few = replace(b, share=0.5).joined(a)
    assert few.share == 0.5 and len(few.marks["image"]) < 60


def test_it_is_written_and_read_as_it_was_and_damage_is_told(tmp_path):
    x, present = rows(30)
    part = Seen.of(x[20:], present[20:], ("image", "audio"))
    seen = replace(
        Seen.of(x[:20], present[:20], ("image", "audio"), list("abcde" * 4)), chosen=part
    )
    assert Seen.read(tmp_path) is None
    path = seen.write(tmp_path)
    again = Seen.read(tmp_path)
    assert again.n == 20 and again.chosen.n == 10 and again.modalities == ("image", "audio")
    assert (again.rows(x, present) == seen.rows(x, present)).all()
    assert again.chosen.rows(x, present).all(axis=1).tolist() == [False] * 20 + [True] * 10
    assert again.ids(["a", "f"]).tolist() == [True, False]
    with np.load(path) as z:
        arrays = {k: z[k] for k in z.files}
    for change in (
        {"format": np.array(9)},
        {"trained.marks.image": arrays["trained.marks.image"][::-1]},
        {"trained.marks.image": arrays["trained.marks.image"].astype(np.int64)},
        {"trained.share": np.array(0.0)},
        {"trained.n": np.array([1, 2])},
    ):
        np.savez(path, **(arrays | change))
        with pytest.raises(ModelError, match=f"{NAME} is"):
            Seen.read(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="is damaged.*Train again"):
        Seen.read(tmp_path)


def test_nothing_of_a_row_can_be_had_from_it(tmp_path):
    x, present = rows(40)
    size = Seen.of(x, present, ("image", "audio"), ["secret-place"] * 40).write(tmp_path)
    assert b"secret-place" not in size.read_bytes() and size.stat().st_size < 5000


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of rows of split `train`, chosen on `val`, and the whole set."""
    folder = tmp_path_factory.mktemp("seen")
    given = made(140, d=512, missing=0.1)
    split = np.array(["train"] * 70 + ["val"] * 40 + ["test"] * 30)
    file = write_npz(folder / "t.npz", given, split=split)
    recipe = replace(TINY, visible="row", steps=2, validate=1)
    run_mvae(MVAERun((file,), folder / "own", recipe, export=True), lambda *a: None)
    return folder, given, split


def test_a_trained_model_knows_its_rows_and_those_it_was_chosen_on(trained):
    folder, given, split = trained
    seen, unknown = seen_by(Model.open(folder / "own"))
    assert not unknown
    x, present = given.x.numpy(), given.present.numpy()
    assert seen.n == 70 and seen.chosen.n == 40 and seen.modalities == NAMES
    for part, name in ((seen, "train"), (seen.chosen, "val")):
        told = part.rows(x, present)
        mine = split == name
        assert (told[mine] == present[mine]).all() and not told[~mine].any()
        assert part.ids(np.arange(140).astype(str)).tolist() == mine.tolist()
    published = Seen.read(folder / "own/published")
    assert published.n == 70 and (published.rows(x, present) == seen.rows(x, present)).all()


def test_an_index_and_other_files_of_the_same_rows_are_told(trained, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    from prom3e_index.evaluation.sources import read_eval
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    folder, given, split = trained
    config = BuildConfig(str(folder / "t.npz"), tmp_path / "i.p3i", model=str(folder / "own"))
    build(config)
    lists = {
        m: pa.array([list(v) if has else None for v, has in zip(x, p, strict=True)], pa.list_(pa.float32()))
        for m, x, p in zip(NAMES, given.x.numpy().transpose(1, 0, 2) * 3, given.present.numpy().T, strict=True)
    }  # fmt: skip
    parquet.write_table(pa.table(lists), tmp_path / "t.parquet")
    seen = Seen.read(folder / "own")
    for path in (tmp_path / "i.p3i", tmp_path / "t.parquet"):
        data = read_eval(path, NAMES, 512)
        told = seen.rows(data.x, data.present)
        mine = (split == "train")[data.numbers]
        assert (told[mine] == data.present[mine]).all() and not told[~mine].any()


def test_what_a_run_starts_from_was_seen_too(trained, tmp_path):
    folder, given, split = trained
    more = made(60, d=512, seed=5, missing=0.1)
    write_npz(tmp_path / "more.npz", more)
    recipe = replace(TINY, visible="row", steps=1, validate=1)
    for start in (folder / "own", folder / "own/published"):
        out = tmp_path / start.name
        run_mvae(MVAERun((tmp_path / "more.npz",), out, recipe, init=str(start)), lambda *a: None)
        seen = Seen.read(out)
        assert seen.rows(more.x.numpy(), more.present.numpy()).sum() == more.present.sum()
        before = seen.rows(given.x.numpy(), given.present.numpy()).any(axis=1)
        assert before.tolist() == (split == "train").tolist() and seen.chosen.n == 40
