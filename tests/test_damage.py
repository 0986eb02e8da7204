"""Damaged indexes: what is made again, what is said to be lost, and what no damage stands in the way of."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import duckdb
import numpy as np
import pytest
from changes import Heard, answers, ids_of, manifest_of, places, quiet, rewrite_manifest, sound
from plain_index import reseal

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError
from prom3e_index.indexer import change
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
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


@pytest.mark.parametrize("statement", [
    "UPDATE observations SET row = row + 1000",
    "UPDATE observations SET row = 0 WHERE row = 1",
    "DELETE FROM observations WHERE row = 3",
])  # fmt: skip
def test_an_index_whose_metadata_miss_rows_is_left_as_it_is(index, fast, statement):
    con = duckdb.connect(str(index / "metadata.duckdb"))
    con.execute(statement)
    con.close()
    reseal(index, "metadata.duckdb")
    before = manifest_of(index)
    for action in ("compact", "rebuild"):
        with pytest.raises(BundleError, match="metadata describe"):
            compact(index, quiet, action=action)
        assert manifest_of(index) == before and (index / "metadata.duckdb").is_file()


def test_a_bitmap_that_was_changed_is_refused(index, fast):
    remove(index, Filter(where="row = 3"), None, quiet)
    path = next((index / "deleted").glob("*.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(BundleError, match="removed rows would be found again"):
        Bundle.open(index)


def test_an_unreadable_generation_stands_in_no_way(index, tmp_path, fast):
    """Its file and all that it may name are kept, and it is said, until the index is written anew."""
    remove(index, Filter(where="row = 0"), None, quiet)
    remove(index, Filter(where="row = 1"), None, quiet)
    earlier = index / "generations" / "000001.json"
    bitmap = index / "deleted" / "000002.npy"
    for harm in (b"{", b"[]", b"\xff\xfe", b'{"files": 3}', b""):
        earlier.write_bytes(harm)
        (index / "generations" / "000002.json").unlink(
            missing_ok=True
        )  # only 1 could name the bitmap
        said = Heard()
        remove(index, Filter(where="row = 99"), None, said)
        assert said[0].startswith("generations/000001.json cannot be read and is kept")
        assert earlier.read_bytes() == harm and bitmap.is_file()
        (check,) = [c for c in verify(Bundle.open(index)) if c.name == "files"]
        assert not check.ok and "generations/000001.json cannot be read" in check.detail
    assert Bundle.open(index).rows == 22
    compact(index, quiet)
    assert sorted(p.name for p in index.iterdir()) == ["manifest.json", "segments"]
    assert Bundle.open(index).rows == 22 and sound(Bundle.open(index))


def test_a_folder_in_the_place_of_a_generation_stands_in_no_way(index, fast):
    remove(index, Filter(where="row = 0"), None, quiet)
    earlier = index / "generations" / "000001.json"
    earlier.unlink()
    earlier.mkdir()
    remove(index, Filter(where="row = 1"), None, quiet)
    compact(index, quiet)
    assert Bundle.open(index).rows == 22 and not earlier.exists()


@pytest.mark.parametrize("harm", [flip, lambda p: p.unlink(), lambda p: p.write_bytes(b"")])
def test_removed_rows_come_back_only_when_that_is_asked_for(index, tmp_path, fast, harm):
    """Of four removals the last file is damaged: rows that earlier files name stay removed."""
    remove(index, Filter(where="id IN ('a0', 'a5')"), None, quiet)
    table = places(tmp_path / "u.csv", ["a7"], name="Corvus corax")
    add(index, BuildConfig(table=table, out=index, model="mini"), quiet, update=True)
    remove(index, Filter(where="id = 'a9'"), None, quiet)
    remove(index, Filter(where="id = 'a11'"), None, quiet)
    names = sorted((index / "deleted").glob("*.npy"))
    harm(names[-1])
    for action in ("compact", "rebuild"):
        with pytest.raises(
            BundleError, match="which 5 rows were removed.*rebuild --accept-removed-rows"
        ):
            compact(index, quiet, action=action)
    said = Heard()
    compact(index, said, action="rebuild", accept_removed_rows=True)
    bundle = Bundle.open(index)
    assert ids_of(bundle) == {f"a{i}" for i in range(24)} - {"a0", "a5", "a9"}
    assert "1 removed rows are back: which they were cannot be read" in said
    assert bundle.manifest["history"][-1]["added"] == 1 and sound(bundle)
    assert bundle.sql("SELECT scientific_name FROM observations WHERE id = 'a7'") == [("Corvus corax",)]  # fmt: skip


def test_no_id_is_there_twice_when_removed_rows_come_back(index, tmp_path, fast):
    """Without any file that can be read, rows that an update replaced stay replaced."""
    table = places(tmp_path / "u.csv", ["a7", "a8"], name="Corvus corax")
    add(index, BuildConfig(table=table, out=index, model="mini"), quiet, update=True)
    remove(index, Filter(where="id = 'a8'"), None, quiet)
    for path in (index / "deleted").glob("*.npy"):
        path.unlink()
    compact(index, quiet, action="rebuild", accept_removed_rows=True)
    bundle = Bundle.open(index)
    assert bundle.rows == 24 and ids_of(bundle) == {f"a{i}" for i in range(24)} and sound(bundle)
    named = bundle.sql(
        "SELECT id FROM observations WHERE scientific_name = 'Corvus corax' ORDER BY id"
    )
    assert named == [("a7",), ("a8",)]


@pytest.mark.parametrize("wish", [{"recall": 7}, {"speed": 1}, [], "fast", {"kind": "annoy"}, None])
def test_a_damaged_wish_is_said_and_the_usual_one_taken(index, fast, wish):
    rewrite_manifest(index, wish=wish)
    assert remove(index, Filter(where="row = 0"), None, quiet).removed == 1
    said = Heard()
    compact(index, said, {"memory": 5e9}, "rebuild")
    assert [s for s in said if s.startswith("What the index must do, `wish`")]
    assert manifest_of(index)["wish"] == {**asdict(Wish()), "memory": 5e9}
    assert sound(Bundle.open(index))


@pytest.mark.parametrize("note", [[], "gone", {"generation": "x"}, {"rows": None}])
def test_a_damaged_certificate_is_made_anew(index, tmp_path, fast, monkeypatch, note):
    rewrite_manifest(index, certificate=note)
    monkeypatch.setattr(change, "certified", lambda folder, m, *_: {**m, "certificate": {"new": 1}})
    assert remove(index, Filter(where="row = 0"), None, quiet).removed == 1
    assert manifest_of(index)["certificate"] == {"new": 1}


@pytest.mark.parametrize(
    "part", ["statistics.json", "faiss/image.faiss", "vectors/sat.npy", "records.arrow"]
)
@pytest.mark.parametrize(
    "harm", [flip, lambda p: p.write_bytes(p.read_bytes()[:-9]), lambda p: p.unlink()]
)
def test_rows_can_be_removed_from_a_damaged_index(index, fast, part, harm):
    harm(index / part)
    assert remove(index, Filter(where="id = 'a3'"), None, quiet).removed == 1
    compact(index, quiet)
    bundle = Bundle.open(index)
    assert ids_of(bundle) == {f"a{i}" for i in range(24)} - {"a3"} and sound(bundle)
