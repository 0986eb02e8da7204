"""`build --overwrite`: the name always leads to a whole index, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from changes import Heard, ids_of, places, quiet, sound
from faults import Killed, faults

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.manifest import read_manifest
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import build as build_module
from prom3e_index.indexer import publish as publish_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import remove
from prom3e_index.indexer.publish import exchange, publish
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


@pytest.fixture
def quick(monkeypatch, mini):
    monkeypatch.setattr(build_module, "open_model", lambda config: mini)
    monkeypatch.setattr(build_module, "certified", lambda folder, manifest, *_: manifest)


def rows_at(path: Path) -> int | None:
    return read_manifest(path)["rows"] if path.exists() else None


@pytest.fixture
def two(index, base, tmp_path, fast):
    """A new index of 23 rows, to be published over one of 24."""
    stage = tmp_path / "i.p3i.building" / "bundle"
    shutil.copytree(base, stage)
    remove(stage, Filter(where="id = 'a0'"), None, quiet)
    return stage, index


def fresh(folder: Path, stage: Path, out: Path) -> tuple[Path, Path]:
    """Copies of both in a folder of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    new = folder / "i.p3i.building" / "bundle"
    shutil.copytree(stage, new, copy_function=os.link)
    shutil.copytree(out, folder / "i.p3i", copy_function=os.link)
    return new, folder / "i.p3i"


@pytest.mark.parametrize("able", [True, False])
def test_a_crash_at_every_operation_of_publishing(two, tmp_path, monkeypatch, able):
    """Where names can be exchanged there is an index at every moment, else the next change puts it back."""
    if not able:
        monkeypatch.setattr(publish_module, "exchange", lambda *_: False)
    place = tmp_path / "try"
    stage, out = fresh(place, *two)
    with faults(place) as watch:
        publish(stage, out)
    assert (
        rows_at(out) == 23
        and [p.name for p in place.iterdir()] == ["i.p3i.building", "i.p3i"]
        or (sorted(p.name for p in place.iterdir()) == ["i.p3i", "i.p3i.building"])
    )
    absent, said = 0, Heard()
    last = watch.seen
    for at in range(max(1, last - 60), last + 1):
        stage, out = fresh(place, *two)
        with faults(place, at), pytest.raises(Killed):
            publish(stage, out)
        rows = rows_at(out)
        assert rows in ((23, 24) if able else (23, 24, None))
        if rows is None:
            absent += 1
            with pytest.raises(BundleError, match="i.p3i.replaced-"):
                Bundle.open(out)
        remove(out, Filter(where="1=0"), None, said)
        assert rows_at(out) == (rows or 24)
        assert not [
            p for p in place.iterdir() if ".replaced-" in p.name and (p / "manifest.json").exists()
        ]
    assert bool(absent) is not able
    seen = {line.split(" i.p3i")[0] for line in said}
    assert ("put back" in seen) is not able and "took away" in seen


def test_exchange_is_one_step(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / "name").write_text(path.name)
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange two names")
    assert ((one / "name").read_text(), (other / "name").read_text()) == ("other", "one")
    with pytest.raises(FileNotFoundError):
        exchange(one, tmp_path / "nothing")


def test_overwriting_through_a_link_replaces_what_it_leads_to(tmp_path, base, quick):
    (tmp_path / "disk").mkdir()
    shutil.copytree(base, tmp_path / "disk" / "i.p3i")
    link = tmp_path / "link.p3i"
    link.symlink_to("disk/i.p3i")
    table = places(tmp_path / "t.csv", ["x", "y"])
    with pytest.raises(InputError, match="is an index already"):
        build(BuildConfig(table=table, out=link, model="mini"))
    build(BuildConfig(table=table, out=link, overwrite=True, model="mini"))
    assert link.is_symlink() and link.readlink() == Path("disk/i.p3i")
    assert (
        ids_of(Bundle.open(link)) == ids_of(Bundle.open(tmp_path / "disk" / "i.p3i")) == {"x", "y"}
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "link.p3i", "t.csv"]
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["i.p3i"]
    assert sound(Bundle.open(link))


def test_a_link_to_nothing_gets_its_index(tmp_path, quick):
    link = tmp_path / "link.p3i"
    link.symlink_to("later.p3i")
    build(BuildConfig(table=places(tmp_path / "t.csv", ["x"]), out=link, model="mini"))
    assert link.is_symlink() and Bundle.open(tmp_path / "later.p3i").rows == 1


def test_overwriting_does_not_follow_links_of_the_earlier_index(index, tmp_path, quick):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("ten years")
    (index / "deleted").symlink_to(victim)
    build(
        BuildConfig(
            table=places(tmp_path / "t.csv", ["x"]), out=index, overwrite=True, model="mini"
        )
    )
    assert Bundle.open(index).rows == 1 and (victim / "thesis.txt").read_text() == "ten years"


def test_only_indexes_set_aside_by_builds_are_taken_away(index, tmp_path, fast):
    ours = tmp_path / "i.p3i.replaced-4711"
    shutil.copytree(index, ours)
    kept = [tmp_path / "i.p3i.replaced-by-hand", tmp_path / "i.p3i.replaced-12"]
    shutil.copytree(index, kept[0])
    kept[1].mkdir()
    (kept[1] / "notes.txt").touch()
    (tmp_path / "i.p3i.replaced-99").symlink_to(kept[0])
    said = Heard()
    remove(index, Filter(where="1=0"), None, said)
    assert said == ["took away i.p3i.replaced-4711, which a killed build had replaced"]
    assert not ours.exists() and all(p.is_dir() for p in kept)
    assert (kept[0] / "manifest.json").is_file()
