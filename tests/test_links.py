"""Nothing under an index is followed, read, changed or removed through a link; links are refused by name."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from changes import places, quiet

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import clear
from prom3e_index.indexer.work import BuildConfig

TOPS = ("deleted", "generations", "segments", "vectors", "records.arrow", "metadata.duckdb.wal",
        "manifest.json", "manifest.json.new", ".lock")  # fmt: skip


@pytest.fixture
def victim(tmp_path):
    folder = tmp_path / "victim"
    (folder / "sub").mkdir(parents=True)
    (folder / "thesis.txt").write_text("ten years")
    (folder / "sub" / "data.csv").write_text("a,b")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()
    }


def linked(path: Path, target: Path | str) -> Path:
    """A link in place of whatever stands at a path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def every_change(index: Path, table: str):
    config = BuildConfig(table=table, out=index, workers=1, model="mini")
    yield lambda: remove(index, Filter(where="1=0"), None, quiet)
    yield lambda: add(index, config, quiet)
    yield lambda: add(index, config, quiet, update=True)
    yield lambda: compact(index, quiet)
    yield lambda: compact(index, quiet, action="rebuild", accept_removed_rows=True)


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("kind", ["folder", "file", "root", "itself"])
def test_no_change_and_no_reader_follows_a_link(index, tmp_path, victim, top, kind):
    target = {"folder": victim, "file": victim / "thesis.txt", "root": "/", "itself": index / top}
    link, before = linked(index / top, target[kind]), contents(victim)
    for run in every_change(index, places(tmp_path / "n.csv", ["n"])):
        with pytest.raises(BundleError, match="is a link") as said:
            run()
        assert str(link) in str(said.value)
    with pytest.raises(BundleError, match="is a link"):
        BundleFolder.open(index)
    assert contents(victim) == before and link.is_symlink()
    assert not Path(f"{index}.lock").exists()


@pytest.mark.parametrize("name", [
    "deleted/000009.npy", "generations/000000.json", "generations/old/more", "segments/000007",
    "segments/000007/vectors/loc.npy", "vectors/loc.npy", "faiss/deep/er/still",
])  # fmt: skip
def test_links_at_any_depth_are_refused(index, tmp_path, victim, name):
    link, before = linked(index / name, victim), contents(victim)
    for run in every_change(index, places(tmp_path / "n.csv", ["n"])):
        with pytest.raises(BundleError, match="is a link") as said:
            run()
        assert str(link) in str(said.value)
    assert contents(victim) == before


def test_a_link_that_came_with_an_archive(index, tmp_path, victim):
    linked(index / "deleted", victim)
    with tarfile.open(tmp_path / "i.tar", "w") as t:
        t.add(index, "copy.p3i")
    with tarfile.open(tmp_path / "i.tar") as t:
        t.extractall(tmp_path / "x", filter="fully_trusted")
    before = contents(victim)
    with pytest.raises(BundleError, match="copy.p3i/deleted is a link"):
        remove(tmp_path / "x" / "copy.p3i", Filter(where="1=0"), None, quiet)
    assert contents(victim) == before


def test_a_link_put_there_after_the_check_loses_only_itself(index, victim, monkeypatch, fast):
    """Between looking for links and taking away, a folder of the index becomes a link."""
    from prom3e_index.indexer import generation

    (index / "deleted" / "sub").mkdir(parents=True)
    (index / "deleted" / "thesis.txt").touch()
    (index / "deleted" / "sub" / "data.csv").touch()
    manifest, before = generation.read_manifest(index), contents(victim)
    found = generation.strays(index, manifest)
    assert found == ["deleted/sub/data.csv", "deleted/thesis.txt"]

    def swapped(*_):
        linked(index / "deleted", victim)
        return found

    monkeypatch.setattr(generation, "strays", swapped)
    with pytest.raises(OSError):
        clear(index, manifest)
    assert contents(victim) == before


@pytest.mark.parametrize("ending", [".adding", ".compacting", ".building"])
@pytest.mark.parametrize("inside", ["", "embeddings", "embeddings/loc.npy", "lost.jsonl"])
def test_work_folders_are_no_links_and_hold_none(index, tmp_path, victim, ending, inside):
    place = Path(f"{index}{ending}")
    linked(place / inside if inside else place, victim)
    before, table = contents(victim), places(tmp_path / "n.csv", ["n"])
    run = {
        ".adding": lambda: add(
            index, BuildConfig(table=table, out=index, restart=True, model="mini"), quiet
        ),
        ".compacting": lambda: remove(index, Filter(where="1=0"), None, quiet),
        ".building": lambda: build(
            BuildConfig(table=table, out=index, overwrite=True, restart=True, model="mini")
        ),
    }[ending]
    with pytest.raises(BundleError, match="is a link") as said:
        run()
    assert str(place / inside) in str(said.value) and contents(victim) == before
    assert BundleFolder.open(index).rows == 24


@pytest.mark.parametrize("ending", [".building", ".adding", ".compacting"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_of_somebody_else_is_no_work_folder(index, tmp_path, ending, restart):
    place = Path(f"{index}{ending}")
    place.mkdir()
    (place / "photos.zip").write_text("precious")
    table = places(tmp_path / "n.csv", ["n"])
    run = {
        ".adding": lambda: add(
            index, BuildConfig(table=table, out=index, restart=restart, model="mini"), quiet
        ),
        ".compacting": lambda: compact(index, quiet),
        ".building": lambda: build(
            BuildConfig(table=table, out=index, overwrite=True, restart=restart, model="mini")
        ),
    }[ending]
    with pytest.raises(BundleError, match="no work folder of this program: it holds photos.zip"):
        run()
    assert (place / "photos.zip").read_text() == "precious"


def test_a_lock_is_not_written_through_links(index, victim):
    """The lock says who holds it; neither a link nor a second name of a file may take those words."""
    before = contents(victim)
    for path in (Path(f"{index}.lock"), index / ".lock"):
        for make in (os.symlink, os.link):
            make(victim / "thesis.txt", path)
            with pytest.raises(BundleError, match="is a link|is not a lock"):
                remove(index, Filter(where="1=0"), None, quiet)
            path.unlink()
    assert contents(victim) == before


def test_links_to_an_index_are_followed(index, tmp_path):
    (tmp_path / "link.p3i").symlink_to(index)
    (tmp_path / "parent").symlink_to(tmp_path)
    for name in ("link.p3i", "parent/i.p3i", "parent/link.p3i"):
        assert BundleFolder.open(tmp_path / name).rows == 24
    linked(tmp_path / "round.p3i", tmp_path / "round.p3i")
    with pytest.raises(BundleError, match="round.p3i"):
        remove(tmp_path / "round.p3i", Filter(where="1=0"), None, quiet)
