"""A push, or a change brought along, on a store that is not as it was left: begun, damaged, short, another's, or missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from stores import of_test

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster
TARGETS = ["image", "loc"]


@pytest.fixture
def index(copied_index):
    return copied_index


@pytest.fixture
def place(lite, request):
    return of_test(lite, request)


@pytest.fixture
def engine(place):
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    engine = Engine(parse(place))
    yield engine
    engine.close()


class Broken(Exception):
    pass


def test_a_push_that_breaks_off_between_two_targets_goes_on(server, bundle_path, monkeypatch):
    from prom3e_index.indexer import push_check
    from prom3e_index.indexer.push import push
    from prom3e_index.store.engine import Engine

    insert, calls = Engine.insert, []

    def breaking(self, name, rows, again=False):
        calls.append(name)
        if len(calls) == 2:
            raise Broken
        insert(self, name, rows, again)

    place = f"{server.address}/between_two"  # the real one: Milvus Lite has no key twice
    monkeypatch.setattr(push_check, "ROWS", 8)
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "insert", breaking)
        with pytest.raises(Broken):
            push(bundle_path, place, silent, targets=TARGETS)
    done = push(bundle_path, place, silent, targets=TARGETS)

    assert done.written == done.head.rows == 60


def test_a_store_whose_head_cannot_be_read_is_replaced(place, engine, index):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    for _ in range(3):
        old = push(index, place, silent, targets=["loc"], replace_other=True).head
    name = engine.current(engine.address.name)
    engine.delete(name, [1])  # its text
    with pytest.raises(StoreError, match="is no head of a store"):
        push(index, place, silent)
    done = push(index, place, silent, targets=["loc"], replace_other=True)

    assert (old.generation, done.head.generation, done.written) == (3, 4, 60)
    with StoreBundle.open(place) as store:
        assert store.rows == 60 and store.head == done.head
    held = set(engine.names(f"{engine.address.name}__"))
    assert held == {name, engine.current(engine.address.name), *done.head.collections.values()}


@pytest.mark.parametrize("left", [57, 0, None])
def test_a_store_that_lost_rows_is_told_and_neither_opened_nor_followed(place, engine, index, left):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle
    from prom3e_index.store.whole import RowsLostError

    name = push(index, place, silent, targets=TARGETS).head.collections["loc"]
    if left is None:
        engine.drop([name])
    else:
        engine.delete(name, range(left, 60))
    anew = f"Push it anew: `prom3e-index push INDEX --replace --store {place}`"
    short = rf"{name}, for loc, has {left or 0} rows of 60\. {anew}"
    with pytest.raises(StoreError, match=short):
        push(index, place, silent)
    with pytest.raises(RowsLostError, match=short):
        StoreBundle.open(place)
    remove(index, Filter(where="row = 1"), None, silent)
    with pytest.raises(StoreError, match=short):
        push(index, place, silent)
    assert push(index, place, silent, replace_other=True).written == 59
    assert not push(index, place, silent).changed


def test_a_push_that_does_not_say_targets_and_kind_keeps_those_of_the_store(server, index):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.compact import compact
    from prom3e_index.indexer.push import push

    place = f"{server.address}/kept_as_it_was"
    push(index, place, silent, targets=["loc"], kind="hnsw")
    remove(index, Filter(where="row = 1"), None, silent)
    changed = push(index, place, silent)
    compact(index, silent)
    anew = push(index, place, silent)

    for done, written in ((changed, 0), (anew, 59)):
        assert done.written == written and done.changed
        assert (list(done.head.collections), done.head.kind["name"]) == (["loc"], "hnsw")
    asked = push(index, place, silent, targets=TARGETS, kind="flat").head
    assert (list(asked.collections), asked.kind["name"]) == (TARGETS, "flat")


def test_a_change_that_a_store_cannot_follow_changes_nothing(place, engine, index, world, capsys):
    from test_store_shards import run

    from prom3e_index.indexer.push import push

    def refused(store, says):
        before = (index / "manifest.json").read_bytes()
        for command in (
            ["add", table],
            ["update", table],
            ["remove", "--where", "row = 3"],
            ["restore", "--at", "1"],
        ):
            assert run(*command, "--index", index, "--store", store) == 2
            said = " ".join(capsys.readouterr().err.split())
            assert says in said and said.endswith("Nothing was changed.")
            assert (index / "manifest.json").read_bytes() == before
        return said

    table = world / "observations.csv"
    missing = f"{place}_mistyped"
    fill = f"{missing} holds no index; `prom3e-index push INDEX --store {missing}` fills it first."
    refused(missing, fill)
    head = push(index, place, silent, targets=["loc"]).head
    manifest = json.loads((index / "manifest.json").read_text())
    built = manifest["history"][0]["created"]
    manifest["history"][0]["created"] = "2020-01-01T00:00:00+00:00"
    (index / "manifest.json").write_text(json.dumps(manifest))
    another = f"{place} holds another index, built {built}; {index} was built 2020-01-01"
    assert "--replace" not in refused(place, another)
    manifest["history"][0]["created"] = built
    (index / "manifest.json").write_text(json.dumps(manifest))
    engine.delete(head.collections["loc"], [3])
    refused(place, f"{head.collections['loc']}, for loc, has 59 rows of 60.")


def test_a_copy_that_was_changed_otherwise_takes_nothing_away(place, index, tmp_path, capsys):
    """Both copies were built at once; each has removed another row since."""
    from test_store_shards import run

    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.compact import compact
    from prom3e_index.indexer.push import push

    push(index, place, silent, targets=["loc"])
    other = shutil.copytree(index, tmp_path / "other.p3i")
    for copy, row in ((index, 1), (other, 2)):
        remove(copy, Filter(where=f"row = {row}"), None, silent)
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["history"][-1]["command"] = ["remove", str(row)]  # of a process of its own
        (copy / "manifest.json").write_text(json.dumps(manifest))
    first = push(index, place, silent).head
    says = "holds what another copy of this index has become, generation 2 by remove on "
    with pytest.raises(InputError, match=f"{says}.* its last is generation 2 by remove"):
        push(other, place, silent)
    remove(other, Filter(where="row = 3"), None, silent)
    for copy in (other, shutil.copytree(other, tmp_path / "third.p3i")):
        before = (copy / "manifest.json").read_bytes()
        assert run("remove", "--where", "row = 4", "--index", copy, "--store", place) == 2
        assert says in " ".join(capsys.readouterr().err.split())
        assert (copy / "manifest.json").read_bytes() == before
    assert not push(index, place, silent).changed
    compact(index, silent)  # what it was before it still was
    assert push(index, place, silent).head.rows == first.rows == 59
    assert push(other, place, silent, replace_other=True).head.rows == 58


@pytest.mark.parametrize("changed", [False, True])
def test_rows_and_head_are_on_disk_before_readers_see_them(place, index, monkeypatch, changed):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.store.engine import Engine

    told = []
    for what in ("insert", "_flush", "point"):
        whole = getattr(Engine, what)

        def noted(self, name, *more, what=what, whole=whole, **others):
            told.append((what, name))
            return whole(self, name, *more, **others)

        monkeypatch.setattr(Engine, what, noted)
    done = push(index, place, silent, targets=TARGETS)
    if changed:  # one row of each collection is written again
        remove(index, Filter(where="row = 7"), None, silent)
        told.clear()
        done = push(index, place, silent)

    seen = told.index(("point", place.rpartition("/")[2]))
    written = {n for what, n in told if what == "insert"}
    assert len(written) == 3 and written > set(done.head.collections.values())
    for name in written:
        last = max(i for i, one in enumerate(told) if one == ("insert", name))
        assert last < max(i for i, one in enumerate(told) if one == ("_flush", name)) < seen


def test_a_kind_that_was_chosen_is_chosen_anew_and_one_that_was_asked_for_stays(
    server, index, monkeypatch
):
    from prom3e_index.indexer.push import push
    from prom3e_index.store import kinds

    def kind(place, anew=True, **more):
        head = push(index, place, silent, targets=["loc"], replace_other=anew, **more).head
        return head.kind["name"], head.asked

    chosen, asked = f"{server.address}/chosen_kind", f"{server.address}/asked_kind"
    assert kind(chosen) == ("flat", None)
    assert kind(asked) == ("flat", None)
    assert kind(asked, anew=False, kind="flat") == ("flat", "flat")
    monkeypatch.setattr(kinds, "EXACT_BELOW", 10)
    assert kind(chosen, anew=False) == ("flat", None)  # as it is there
    assert kind(chosen) == ("ivf", None)
    assert kind(asked) == ("flat", "flat")


def test_the_same_in_another_order_of_targets_writes_nothing(place, index):
    from prom3e_index.indexer.push import push

    done = push(index, place, silent, targets=["loc", "image", "loc"])
    again = push(index, place, silent, targets=["image", "loc"])

    assert list(done.head.collections) == TARGETS
    assert (again.changed, again.written, again.head) == (False, 0, done.head)


@pytest.mark.parametrize("named", [{"model": "mini"}, {"hub": "."}])
def test_a_model_is_not_asked_for_an_index(place, engine, index, named):
    from prom3e_index.indexer.push import push

    (value,) = named.values()
    with pytest.raises(InputError, match=rf"{index} is no shards, .* leave '{value}' out\."):
        push(index, place, silent, **named)
    assert engine.names(engine.address.name) == []


def test_a_store_of_milvus_lite_is_certified_without_rows_by_chance(place, index):
    from prom3e_index.indexer.certify_store import certify_store, keep
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    push(index, place, silent, targets=["loc"])
    with StoreBundle.open(place) as store:
        made = keep(store, certify_store(store, store.model(), silent, 8))
    with StoreBundle.open(place) as store:
        assert store.head.certificate == made and store.head.generation == 2
    told = made["targets"]["loc"]
    assert told["recall@10"] == 1.0 and [f["rows"] for f in told["filtered"]] == ["of one species"]


def test_a_certificate_of_which_nothing_was_filtered_is_told(place, tmp_path, capsys):
    """Milvus Lite draws no rows by chance, and where no row has a species there is none to filter by."""
    import plain_index
    from test_store_shards import run

    from prom3e_index.indexer.push import push

    x, present = plain_index.rows(30, seed=3)
    plain_index.made(tmp_path, [plain_index.write(tmp_path / "a.npz", x, present)]).close()
    push(tmp_path / "i.p3i", place, silent, targets=["image"])
    assert run("certify", "--store", place, "--sample", "8") == 0
    capsys.readouterr()
    assert run("info", "--store", place) == 0
    told = capsys.readouterr().out
    assert "cross-modal queries over 30 rows" in told and "image filtered" not in told


def test_an_index_of_the_environment_gives_way_to_the_one_that_is_named(monkeypatch):
    from pathlib import Path

    from prom3e_index.cli.stores import named_once

    monkeypatch.setenv("PROM3E_INDEX", "/a.p3i")
    assert named_once("/b.p3i", Path("/a.p3i")) == "/b.p3i"
    assert named_once(None, Path("/a.p3i")) == Path("/a.p3i")
    assert named_once("/b.p3i", Path("/b.p3i/")) == "/b.p3i"
    with pytest.raises(InputError, match="given twice, /b.p3i and .*index /c.p3i"):
        named_once("/b.p3i", Path("/c.p3i"))


def test_a_file_of_milvus_lite_is_asked_by_a_later_process(index, tmp_path):
    """With the process that has the file open, Milvus Lite forgets what was loaded."""
    pytest.importorskip("milvus_lite")
    place = f"milvus-lite://{tmp_path / 'own.db'}/later"
    for command in (
        ["push", index, "-t", "loc"],
        ["push", index],
        ["export", tmp_path / "all.csv"],
    ):
        words = [sys.executable, "-m", "prom3e_index.cli.app", *command, "--store", place]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 61
