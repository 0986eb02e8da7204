"""A store follows its index: added, updated, removed, put back; a reader never sees half of it, and what is broken off
goes on."""

from __future__ import annotations

import csv
import os
import shutil
import threading
import time

import numpy as np
import pytest
from stores import of_test

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import silent
from prom3e_index.search.query import Query

pytestmark = pytest.mark.cluster
TARGETS = ["image", "loc"]
QUERIES = (
    Query(location=(5, 5), target="image", k=70),
    Query(location=(5, 5), target="loc", k=7, filter=Filter(where="latitude > 0")),
    Query(text="Animalia", target="image", k=5),
)


@pytest.fixture
def index(copied_index):
    return copied_index


@pytest.fixture
def place(server, request):
    return of_test(server.address, request)


@pytest.fixture(scope="module")
def more(world, tmp_path_factory):
    """A table of 6 new observations, one without a column before; and one that changes two that are there."""
    folder = tmp_path_factory.mktemp("more")
    with (world / "observations.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    key = next(k for k in rows[0] if k.lower() in ("id", "occurrenceid"))
    bare = [
        {k: v for k, v in r.items() if k not in ("image", "audio", "satellite", "photo", "sound")}
        for r in rows
    ]
    new = [{**r, key: f"new{i}", "finder": f'o\'Neil "{i}"'} for i, r in enumerate(bare[:6])]
    changed = [{**r, "decimalLatitude": "1.5", "decimalLongitude": "2.5"} for r in bare[10:12]]
    for name, table in (("new", new), ("changed", changed)):
        with (folder / f"{name}.csv").open("w", newline="") as f:
            writer = csv.DictWriter(f, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    return folder


def equal(address, index):
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.opened import StoreBundle

    with StoreBundle.open(address) as store, Bundle.open(index) as folder:
        assert len(store) == len(folder) and store.rows == folder.rows
        for query in QUERIES:
            if query.target not in store.targets:
                continue
            one, other = folder.search(query), store.search(query)
            assert [h.row for h in other] == [h.row for h in one]
            assert np.allclose([h.score for h in other], [h.score for h in one], atol=1e-5, rtol=0)
            assert [h.fields for h in other] == [h.fields for h in one]
            assert (other.search["eligible"], other.search["notes"]) == (
                one.search["eligible"],
                one.search["notes"],
            )
        assert store.columns == folder.columns
        names = {t.name for t in folder.metadata.known_taxa("Animalia")}
        assert {t.name for t in store.metadata.known_taxa("Animalia")} == names


def changes(index, more):
    """Each change of an index, one after another."""
    from prom3e_index.indexer.change import add, remove
    from prom3e_index.indexer.restore import restore
    from prom3e_index.indexer.work import BuildConfig

    def config(name):
        return BuildConfig(table=str(more / f"{name}.csv"), out=index)

    yield "add", lambda: add(index, config("new"), silent)
    yield "remove", lambda: remove(index, Filter(where="row < 5"), None, silent)
    yield "update", lambda: add(index, config("changed"), silent, update=True)
    yield "restore", lambda: restore(index, 2, silent)


def test_a_store_follows_its_index(place, index, more):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    push(index, place, silent, targets=TARGETS)
    equal(place, index)
    for number, (name, change) in enumerate(changes(index, more)):
        with StoreBundle.open(place) as reader:
            before = [[(h.row, h.score, h.fields) for h in reader.search(q)] for q in QUERIES]
            change()
            done = push(index, place, silent, targets=TARGETS)

            assert done.head.generation == number + 2, name
            assert [
                [(h.row, h.score, h.fields) for h in reader.search(q)] for q in QUERIES
            ] == before, name
        equal(place, index)
    again = push(index, place, silent, targets=TARGETS)
    assert again.written == 0 and again.head.generation == 5  # nothing has changed: nothing is done


def test_what_is_gone_leaves_the_store_a_generation_later(place, index, more):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    push(index, place, silent, targets=["loc"])
    for step, held in ((0, 60), (1, 57), (2, 54)):
        remove(index, Filter(where=f"row BETWEEN {3 * step} AND {3 * step + 2}"), None, silent)
        push(index, place, silent, targets=["loc"])
        with StoreBundle.open(place) as store:
            assert store.rows == 57 - 3 * step
            assert store.engine.count(store.collection("loc"), "row >= 0", strong=True) == held


def test_an_index_that_was_compacted_is_pushed_anew(place, index):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.compact import compact
    from prom3e_index.indexer.push import push

    push(index, place, silent, targets=TARGETS)
    remove(index, Filter(where="row < 5"), None, silent)
    compact(index, silent)
    done = push(index, place, silent, targets=TARGETS)

    assert done.written == done.head.rows == 55 and done.head.generation == 2
    equal(place, index)


class Broken(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
def test_a_change_that_is_broken_off_is_seen_by_nobody_and_can_be_repeated(
    server, index, more, after, monkeypatch
):
    from prom3e_index.indexer import push_check
    from prom3e_index.indexer.push import push
    from prom3e_index.store.engine import Engine

    place = f"{server.address}/broken{after}"
    monkeypatch.setattr(push_check, "ROWS", 4)
    push(index, place, silent, targets=["loc"])
    shutil.copytree(index, index.with_name("before.p3i"))
    for _, change in list(changes(index, more))[:2]:
        change()
    calls, insert = [], Engine.insert

    def breaking(self, name, rows, again=False):
        if "head" not in name:
            calls.append(name)
            if len(calls) > after:
                raise Broken
        insert(self, name, rows, again)

    monkeypatch.setattr(Engine, "insert", breaking)
    try:
        push(index, place, silent, targets=["loc"])
    except Broken:
        equal(place, index.with_name("before.p3i"))
    monkeypatch.setattr(Engine, "insert", insert)
    push(index, place, silent, targets=["loc"])
    equal(place, index)


def test_a_server_that_goes_in_the_middle_of_a_push(server, place, bundle_path, monkeypatch):
    from prom3e_index.indexer import push_check
    from prom3e_index.indexer.push import push
    from prom3e_index.store.engine import Engine

    monkeypatch.setattr(push_check, "ROWS", 8)
    insert, calls = Engine.insert, []

    def killing(self, name, rows, again=False):
        calls.append(name)
        if len(calls) == 5:
            self.client.flush(name)
            server.stop()
        insert(self, name, rows, again)

    monkeypatch.setattr(Engine, "insert", killing)
    try:
        with pytest.raises(StoreError, match="rows cannot be written to .*server_that"):
            push(bundle_path, place, silent, targets=["loc"])
    finally:
        server.start()
    monkeypatch.setattr(Engine, "insert", insert)
    with pytest.raises(StoreError, match="holds no index"):
        equal(place, bundle_path)
    done = push(bundle_path, place, silent, targets=["loc"], break_lock=True)

    assert done.there == 32 and done.written == 28  # what was on disk is not written again
    equal(place, bundle_path)


def test_of_two_pushers_one_is_refused(place, bundle_path, monkeypatch):
    from prom3e_index.indexer.push import push
    from prom3e_index.indexer.store_lock import writing
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    engine = Engine(parse(place))
    with writing(engine, "push"):
        with pytest.raises(
            StoreError,
            match=rf"being written by push of process {os.getpid()} on .* since .*--break-lock",
        ):
            push(bundle_path, place, silent, targets=["loc"])
    done = push(bundle_path, place, silent, targets=["loc"])  # it was let go
    assert done.written == 60

    won, lost, start = [], [], threading.Barrier(4)

    def race():
        own = Engine(parse(place))
        start.wait()
        try:
            with writing(own, "add"):
                won.append(1)
                time.sleep(1.5)
        except StoreError as e:
            lost.append(str(e))
        own.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (len(won), len(lost)) == (1, 3) and all(
        "is being written by add" in said for said in lost
    )
    # a writer of this machine that is no more does not stand in the way
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 12345)
    with writing(engine, "push"):
        monkeypatch.undo()
        with writing(Engine(parse(place)), "add"):
            pass
    engine.close()


def test_another_index_does_not_take_a_name_by_accident(place, bundle_path, more):
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.push import push
    from prom3e_index.indexer.work import BuildConfig

    push(bundle_path, place, silent, targets=["loc"])
    other = more / f"other-{place.rpartition('/')[2]}-{abs(hash(place))}.p3i"
    build(BuildConfig(table=str(more / "new.csv"), out=other, model="mini"))
    with pytest.raises(
        InputError, match="holds another index, built .*`prom3e-index push INDEX --replace --store"
    ):
        push(other, place, silent, targets=["loc"])
    assert push(other, place, silent, targets=["loc"], replace_other=True).head.rows == 6
    with pytest.raises(InputError, match="Unknown modality"):
        push(other, place, silent, targets=["smell"])
    with pytest.raises(InputError, match="a store has flat, ivf, hnsw"):
        push(other, place, silent, kind="tree")


def test_rows_that_arrive_otherwise_are_told_and_written_anew(place, bundle_path, monkeypatch):
    from prom3e_index.indexer import push as module
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    whole = module.with_vectors
    engine = Engine(parse(place))

    def damaged(scalars, vectors):
        rows = whole(scalars, vectors)
        rows[3]["vector"][0] += 1
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(module, "with_vectors", damaged)
        patch.setattr(module, "sample", lambda rows: rows.tolist())
        with pytest.raises(
            StoreError, match="row 3 of .* is otherwise than it was written. Nothing of it is kept"
        ):
            module.push(bundle_path, place, silent, targets=["loc"])
    assert engine.current(engine.address.name) is None and not engine.names(
        engine.address.name + "__"
    )

    first = module.push(bundle_path, place, silent, targets=["loc"])
    assert (first.written, first.there) == (first.head.rows, 0)
    (name,) = first.head.collections.values()
    held = engine.rows(name, [3], engine.field_names(name), strong=True)[3]
    engine.insert(
        name,
        [
            {
                **held,
                "vector": [1.0 - v for v in map(float, held["vector"])],
                "taxa": list(held["taxa"]),
            }
        ],
        again=True,
    )
    assert module.push(bundle_path, place, silent, targets=["loc"]).written == 0  # nothing is new

    anew = module.push(bundle_path, place, silent, targets=["loc"], replace_other=True)
    assert anew.written == anew.head.rows and anew.head.generation == 2
    assert anew.head.collections != first.head.collections
    equal(place, bundle_path)
    engine.close()
