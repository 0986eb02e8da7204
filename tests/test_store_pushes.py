"""A push, or a change brought along, on a store that is not as it was left: begun, damaged, short, another's, or missing."""

from __future__ import annotations

import json
import shutil

import pytest

from prom3e_index.errors import StoreError

pytestmark = pytest.mark.cluster
TARGETS = ["image", "loc"]


def silent(*_):
    pass


@pytest.fixture
def place(lite, request):
    return f"{lite}/{request.node.name.partition('[')[0][:50].strip('_')}"


@pytest.fixture
def index(bundle_path, tmp_path):
    shutil.copytree(bundle_path, tmp_path / "index.p3i")
    return tmp_path / "index.p3i"


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
def test_a_store_that_lost_rows_is_told_and_neither_followed_nor_certified(
    place, engine, index, left
):
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.indexer.certify_store import certify_store
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    name = push(index, place, silent, targets=TARGETS).head.collections["loc"]
    if left is None:
        engine.drop([name])
    else:
        engine.delete(name, range(left, 60))
    short = rf"{name} has {left or 0} rows of 60\. Push it anew: `prom3e-index push INDEX --replace"
    with pytest.raises(StoreError, match=short):
        push(index, place, silent)
    with StoreBundle.open(place) as store, pytest.raises(StoreError, match=short):
        certify_store(store, store.model(), silent, 8)
    remove(index, Filter(where="row = 1"), None, silent)
    with pytest.raises(StoreError, match=short):
        push(index, place, silent)
    assert push(index, place, silent, replace_other=True).written == 59
    assert not push(index, place, silent).changed


def test_a_push_that_does_not_say_targets_and_kind_keeps_those_of_the_store(server, index):
    from prom3e_index.bundle.filters import Filter
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
        for command in (["add", table], ["update", table], ["remove", "--where", "row = 3"]):
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
    refused(place, "has 59 rows of 60.")
