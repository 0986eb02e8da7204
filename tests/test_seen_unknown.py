"""What is not known of a model's training is said of each part, and a damaged or swollen seen.npz is one sentence."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from embedding_sets import TINY, made, write_npz
from tiny_set import NAMES, tiny

from prom3e_index.errors import ModelError
from prom3e_index.evaluation.seen_rows import SeenRows, seen_sentences
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.models.seen import NAME, Seen
from prom3e_index.models.seen_parts import seen_by
from prom3e_index.training.stage_one.seen import before
from prom3e_index.training.stage_two.run import MVAERun, run_mvae

ENCODERS = {"image": "taxabind-vit-b-16", "sat": "ecosat", "audio": "ecosound", "loc": "ecogeo", "env": "ecoclim"}  # fmt: skip


def some(n=6, seed=1, names=NAMES):
    rows = tiny(max(n, 4), seed=seed, missing=-1)
    return Seen.of(rows.x[:n, : len(names)], rows.present[:n, : len(names)], names)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(BUILT_IN / "mini", folder)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace('name = "mini"', 'name = "own"'))
    return folder


def sentences(folder, *, mvae=True):
    rows = SeenRows(tiny(9, seed=40))
    rows.of_model(Model.open(folder), mvae=mvae)
    return seen_sentences({"seen": rows.facts()})


def test_each_part_without_a_file_is_named(own):
    some().write(own)
    first, second = sentences(own)
    assert first.startswith("none of the 9") and "model own was trained on (6)" in first
    assert second.endswith(
        "model own does not say what its encoders (image, sat, loc, env, text, audio) were trained on"
    )
    (only,) = sentences(own, mvae=False)
    assert only.endswith("model own does not say what its encoders were trained on")
    for folder in ("taxabind-vit-b-16", "ecosat", "ecosound", "ecogeo"):
        some().write(own / folder)
    assert sentences(own)[1].endswith("does not say what its encoders (env) were trained on")
    some().write(own / "ecoclim")
    assert len(sentences(own)) == 1 and "(36)" in sentences(own)[0]
    (own / NAME).unlink()
    assert sentences(own)[1].endswith("model own does not say what its MVAE was trained on")
    assert len(sentences(own, mvae=False)) == 1


def test_no_rows_are_not_known_ones_and_what_began_from_unknown_says_so(own):
    for folder in ENCODERS.values():
        some().write(own / folder)
    replace(some(), began_from_unknown=True).write(own)
    assert sentences(own)[1].endswith(
        "does not say what the weights that its MVAE began from were trained on"
    )
    replace(some(), began_from_unknown=True).write(own / "ecogeo")
    assert sentences(own)[1].endswith(
        "does not say what the weights that its encoders (loc) began from were trained on"
    )
    for folder in (*ENCODERS.values(), "."):
        replace(some(0), chosen=some(4)).write(own / folder)
    first, second = sentences(own)
    assert "adjusted on (24)" in first and "(0)" not in first
    assert second.endswith("model own does not say what it was trained on")


def test_it_is_kept_where_sets_are_joined_and_written(tmp_path):
    begun = replace(some(), began_from_unknown=True)
    for seen in (some(3).joined(begun), begun.joined(some(3)), begun.arranged(NAMES[::-1])):
        seen.write(tmp_path)
        assert Seen.read(tmp_path).began_from_unknown
    some().joined(some()).write(tmp_path)
    assert not Seen.read(tmp_path).began_from_unknown
    arrays = dict(np.load(tmp_path / NAME))
    np.savez(tmp_path / NAME, **{k: v for k, v in arrays.items() if "began" not in k})
    assert Seen.read(tmp_path).n == 12  # as it was written before


def test_an_mvae_that_begins_from_one_that_does_not_say_is_unknown_and_one_from_nothing_is_not(
    tmp_path,
):
    file = write_npz(tmp_path / "t.npz", made(40, d=512))
    recipe = replace(TINY, visible="row", steps=1, validate=1)

    def run(name, **more):
        run_mvae(MVAERun((file,), tmp_path / name, recipe, **more), lambda *a: None)
        return Seen.read(tmp_path / name)

    assert not run("fresh").began_from_unknown
    assert not run("again", init=str(tmp_path / "fresh")).began_from_unknown
    assert run("mini", init="mini").began_from_unknown
    assert run("after", init=str(tmp_path / "mini")).began_from_unknown
    some(0).write(tmp_path / "fresh")
    assert run("none", init=str(tmp_path / "fresh")).began_from_unknown
    assert seen_by(Model.open(tmp_path / "after"))[1] == (
        "the weights that its MVAE began from were",
    )


def test_an_encoder_that_begins_from_one_that_does_not_say_is_unknown_and_a_random_one_is_not(
    tmp_path,
):
    known, silent, random, empty = (tmp_path / n for n in ("known", "silent", "random", "empty"))
    for folder in (known, silent, random, empty):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    for folder in (known, silent, empty):
        (folder / "model.safetensors").write_bytes(b"")
    some(6, names=("image", "sat")).write(known)
    some(0, names=("image", "sat")).write(empty)
    found = {f.name: before(f) for f in (known, silent, random, empty)}
    assert {k: v.began_from_unknown for k, v in found.items()} == {
        "known": False, "silent": True, "random": False, "empty": True,
    }  # fmt: skip
    assert found["known"].n == before(known, silent).n == 6
    assert before(silent, known).began_from_unknown and before("package:geoclip").began_from_unknown


def rewritten(path, *, method=zipfile.ZIP_DEFLATED, **arrays):
    """A seen.npz with some arrays changed."""
    whole = dict(np.load(path)) | {f"trained.{k}": v for k, v in arrays.items()}
    with zipfile.ZipFile(path, "w", method) as z:
        for name, values in whole.items():
            with z.open(f"{name}.npy", "w", force_zip64=True) as f:
                np.lib.format.write_array(f, values, allow_pickle=False)


def test_a_swollen_file_is_refused_before_it_is_unpacked(tmp_path):
    import tracemalloc

    path = some().write(tmp_path)
    rewritten(path, ids=np.zeros(25_000_000, np.uint64))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"its arrays take 200,0\d\d,\d\d\d bytes, at most"):
        Seen.read(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("n", [np.inf, np.nan, -1])
def test_numbers_of_rows_that_are_none_are_one_sentence(tmp_path, n):
    rewritten(some().write(tmp_path), n=np.array(n))
    with pytest.raises(ModelError, match="is damaged.*Train again"):
        Seen.read(tmp_path)


@pytest.mark.parametrize("flag, at", [(1, 6), (99, 8)])
def test_encrypted_and_unknown_members_are_one_sentence(tmp_path, flag, at):
    """Bit 0 of the flags says encrypted; 99 is no compression that is read."""
    path = some().write(tmp_path)
    raw = bytearray(path.read_bytes())
    for magic, shift in ((b"PK\x03\x04", at), (b"PK\x01\x02", at + 2)):
        where = raw.find(magic)
        while where >= 0:
            raw[where + shift] = flag
            where = raw.find(magic, where + 4)
    path.write_bytes(bytes(raw))
    with pytest.raises(ModelError, match="is damaged.*Train again"):
        Seen.read(tmp_path)
