"""The bias against hubs is one for all segments: rows added later stand as if they had been built with the others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from plain_index import quiet, without_measuring

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, MismatchError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN
from prom3e_index.search.hubness import METHODS
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

N, M = 24, 26
"""Rows built at first; one segment of a single row and one of another follow."""


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Neither certificates nor statistics have to do with the bias."""
    with without_measuring():
        yield


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Embeddings of made-up observations, whole and in three parts."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(M, 6, 512)).astype(np.float32) + rng.normal(size=512) * 0.7
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    present = rng.random((M, 6)) < 0.6
    present[:, 0] = True
    ids = np.array([f"o{i}" for i in range(M)])
    names = np.array(["image", "sat", "loc", "env", "text", "audio"])

    def write(name, part):
        np.savez(folder / name, embeddings=x[part] * present[part][:, :, None], present=present[part], ids=ids[part],
                 modalities=names)  # fmt: skip
        return str(folder / name)

    parts = {
        "whole": write("whole.npz", slice(0, M)),
        "first": write("first.npz", slice(0, N)),
        "one": write("one.npz", slice(N, N + 1)),
        "two": write("two.npz", slice(N + 1, M)),
    }
    return folder, parts, x, present


@pytest.fixture(scope="module", params=sorted(METHODS))
def grown(request, sets):
    """The same rows built at once, and built and added to twice."""
    folder, parts, _, _ = sets
    whole, grown = folder / f"{request.param}-whole.p3i", folder / f"{request.param}-grown.p3i"
    build(BuildConfig(table=parts["whole"], out=whole, hubs=request.param, model="mini"))
    build(BuildConfig(table=parts["first"], out=grown, hubs=request.param, model="mini"))
    for later in ("one", "two"):
        add(grown, BuildConfig(table=parts[later], out=grown, model="mini"), quiet)
    return whole, grown


def asked(sets):
    _, _, x, present = sets
    rng = np.random.default_rng(8)
    names = ["image", "sat", "loc", "env", "text", "audio"]
    for _ in range(16):
        a, b = rng.choice(6, 2, replace=False)
        row = int(rng.choice(np.flatnonzero(present[:, a])))
        yield Query(embedding=x[row, a], embedding_of=names[a], target=names[b], k=M)


def same_answers(one, other, sets, atol=5e-5):
    for query in asked(sets):
        a, b = one.search(query), other.search(query)
        assert a.query["hubs"] != "none"
        by_id = {h.fields["id"]: h.score for h in b.hits}
        assert {h.fields["id"]: h.score for h in a.hits} == pytest.approx(by_id, abs=atol)
        order = [by_id[h.fields["id"]] for h in a.hits]
        assert all(p >= q - 2 * atol for p, q in zip(order, order[1:], strict=False))


def test_added_rows_stand_where_a_build_of_all_puts_them(grown, sets):
    whole, other = map(Bundle.open, grown)
    assert len(other.segments) == 3 and other.segments[1].rows == 1
    assert whole.manifest["hubs"] == other.manifest["hubs"]
    for target in whole.modalities:
        a, b = (np.asarray(x.vectors(target)[:][:, -6:], np.float32) for x in (whole, other))
        assert a == pytest.approx(b, abs=5e-4)
        assert b[N:].any()  # a row alone in its segment has a bias too
    same_answers(whole, other, sets)
    assert all(c.ok for c in verify(other, 40))


def test_compacting_keeps_the_bias(grown, sets, tmp_path):
    whole, other = grown
    index = tmp_path / "g.p3i"
    shutil.copytree(other, index)
    before = Bundle.open(index)
    compact(index, quiet)
    after = Bundle.open(index)
    assert len(after.segments) == 1 and after.manifest["hubs"] == before.manifest["hubs"]
    for target in before.modalities:
        assert np.array_equal(after.vectors(target)[:], before.vectors(target)[:])
    same_answers(Bundle.open(whole), after, sets)


@pytest.fixture
def csls(sets, tmp_path):
    folder, parts, _, _ = sets
    index = tmp_path / "c.p3i"
    build(BuildConfig(table=parts["first"], out=index, hubs="csls", model="mini"))
    return index


def with_manifest(index, change):
    values = json.loads((index / "manifest.json").read_text())
    change(values)
    (index / "manifest.json").write_text(json.dumps(values))


def spoil(index, segment, change):
    """Change the vectors of `sat` in a segment, checksum and size made to agree."""
    from prom3e_index.bundle.manifest import checksum

    name = ("" if segment == "." else segment + "/") + "vectors/sat.npy"
    x = np.load(index / name)
    change(x)
    np.save(index / name, x)
    entry = {"bytes": (index / name).stat().st_size, "sha256": checksum(index / name)}
    with_manifest(index, lambda m: m["files"].update({name: entry}))


def test_verifying_finds_a_bias_that_is_not_the_banks(csls):
    def raise_image(x):
        x[:, -6] += np.float16(0.05)

    assert all(c.ok for c in verify(Bundle.open(csls), 20) if c.name == "correction against hubs")
    spoil(csls, ".", raise_image)
    (check,) = [c for c in verify(Bundle.open(csls), 20) if c.name == "correction against hubs"]
    assert not check.ok and "5.0e-02" in check.detail


def test_an_index_of_an_earlier_version_is_rebuilt_before_it_grows(csls, sets):
    """Earlier versions took each segment's own mean away and stored no centre."""
    _, parts, _, _ = sets

    def centred(x):
        x[:, -6:] = (x[:, -6:].astype(np.float32) - x[:, -6:].astype(np.float32).mean(0)).astype(
            np.float16
        )

    as_built = np.array(Bundle.open(csls).vectors("sat")[:])
    spoil(csls, ".", centred)
    with_manifest(csls, lambda m: m["hubs"].pop("centre"))
    old = Bundle.open(csls)
    assert len(old.search(Query(location=(1.0, 2.0), target="sat")).hits) == 10
    with pytest.raises(InputError, match="segment by segment.*rebuild first"):
        add(csls, BuildConfig(table=parts["one"], out=csls, model="mini"), quiet)
    compact(csls, quiet, action="rebuild")
    assert np.asarray(Bundle.open(csls).vectors("sat")[:], np.float32) == pytest.approx(
        as_built.astype(np.float32), abs=5e-4
    )
    add(csls, BuildConfig(table=parts["one"], out=csls, model="mini"), quiet)
    assert Bundle.open(csls).rows == N + 1


def test_an_old_index_of_two_segments_says_that_they_cannot_be_compared(csls, sets):
    _, parts, _, _ = sets
    add(csls, BuildConfig(table=parts["one"], out=csls, model="mini"), quiet)
    ask = Query(location=(1.0, 2.0), target="sat")
    assert not any("hubs" in n for n in Bundle.open(csls).search(ask).search["notes"])
    with_manifest(csls, lambda m: m["hubs"].pop("centre"))
    old = Bundle.open(csls)
    assert any(
        "cannot be compared" in n and "rebuild" in n for n in old.search(ask).search["notes"]
    )
    (check,) = [c for c in verify(old, 5) if c.name == "correction against hubs"]
    assert not check.ok and "rebuild" in check.detail
    remove(csls, Filter(where="row = 0"), None, quiet)  # removing needs no bias


def test_another_bank_is_another_correction(sets, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder, parts, _, _ = sets
    model = tmp_path / "m"
    shutil.copytree(BUILT_IN / "mini", model)
    index = tmp_path / "i.p3i"
    build(BuildConfig(table=parts["first"], out=index, hubs="csls", model=str(model)))
    arrays = load_file(model / "bank.safetensors")
    save_file(
        {k: np.ascontiguousarray(v[: len(v) // 2]) for k, v in arrays.items()},
        model / "bank.safetensors",
    )
    with pytest.raises(MismatchError, match="bank of training queries.*are not those"):
        add(index, BuildConfig(table=parts["one"], out=index, model=str(model)), quiet)
    (check,) = [c for c in verify(Bundle.open(index), 5) if c.name == "correction against hubs"]
    assert not check.ok and "have changed" in check.detail
