"""What a push has said to be in a store outlives a server that is killed; where rows are lost nonetheless, nothing is answered."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from served import serving
from stores import Way, of_test
from test_serve_store import ASKED
from test_store_changes import TARGETS, equal

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import StoreError
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster


@pytest.fixture
def index(copied_index):
    return copied_index


def on_disk(address, name):
    """Rows of a collection in segments that the server has written to its disk, by the server's own list of them."""
    from pymilvus.grpc_gen.common_pb2 import SegmentState

    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    with closing(Engine(parse(address))) as engine:
        segments = engine.client._get_connection().get_persistent_segment_infos(name)
        states = [SegmentState.Name(s.state) for s in segments]
        assert "Growing" not in states and "Sealed" not in states
        return sum(n.num_rows for n, s in zip(segments, states, strict=True) if s == "Flushed")


def test_a_small_change_is_on_disk_and_outlives_a_server_that_is_killed(server, request, index):
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.indexer.restore import restore
    from prom3e_index.store.opened import StoreBundle

    address = of_test(server.address, request)
    remove(index, Filter(where="row < 5"), None, silent)
    names = push(index, address, silent, targets=TARGETS).head.collections.values()
    assert [on_disk(address, n) for n in names] == [55, 55]
    restore(index, 1, silent)
    push(index, address, silent)
    assert [on_disk(address, n) for n in names] == [60, 60]
    remove(index, Filter(where="row BETWEEN 20 AND 26"), None, silent)
    push(index, address, silent)
    for name in (
        names
    ):  # a row that goes is written again: 7 more, until the server clears away what they were
        assert on_disk(address, name) in (60, 67)

    server.stop()  # SIGKILL
    server.start()
    end = time.monotonic() + 90
    while True:
        try:
            with StoreBundle.open(address) as store:
                assert store.rows == 53
            break
        except StoreError as e:
            assert "cannot be" in str(e), e  # its collections are loaded again
            assert time.monotonic() < end
            time.sleep(0.5)
    equal(address, index)


def test_a_store_that_comes_back_without_all_of_its_rows_answers_nothing_until_it_is_pushed_anew(
    server, tmp_path
):
    import plain_index

    from prom3e_index.indexer.push import push
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    x, present = plain_index.rows(30, seed=3)
    plain_index.made(tmp_path, [plain_index.write(tmp_path / "a.npz", x, present)]).close()
    address = f"{server.address}/short"
    name = push(tmp_path / "i.p3i", address, silent, targets=["image"]).head.collections["image"]
    with (
        closing(Way(server.port)) as way,
        closing(Engine(parse(address))) as engine,
        serving(f"milvus://127.0.0.1:{way.port}/short") as served,
    ):

        def until(true) -> None:
            end = time.monotonic() + 30
            while not true():
                assert time.monotonic() < end, served.faults
                time.sleep(0.1)

        def ready() -> int:
            return served.client.get("/readyz").status_code

        first = served.client.post("/api/v1/searches", json=ASKED).json()
        way.shut()
        until(lambda: ready() == 503)
        engine.delete(name, [3, 4])
        way.open = True
        until(lambda: len(served.faults) == 2)
        assert f"{name}, for image, has 28 rows of 30. Push it anew" in str(served.faults[1])
        time.sleep(2)
        refused = served.client.post("/api/v1/searches", json=ASKED)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/store")
        assert ready() == 503 and len(served.faults) == 2  # each is said once
        push(tmp_path / "i.p3i", address, silent, targets=["image"], replace_other=True)
        until(lambda: ready() == 200)
        again = served.client.post("/api/v1/searches", json=ASKED).json()
        assert [h["id"] for h in again["hits"]] == [h["id"] for h in first["hits"]]


def test_a_store_that_is_taken_away_is_no_store_that_is_as_it_was(lite, request, tmp_path):
    import plain_index

    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle
    from prom3e_index.store.whole import RowsLostError

    x, present = plain_index.rows(30, seed=3)
    plain_index.made(tmp_path, [plain_index.write(tmp_path / "a.npz", x, present)]).close()
    address = of_test(lite, request)
    names = push(tmp_path / "i.p3i", address, silent, targets=["image"]).head.collections
    with StoreBundle.open(address) as store:
        assert store.newest() == store.named
        store.engine.client.drop_alias(store.address.name)
        assert store.newest() is None  # its rows are there still
        store.engine.drop(names.values())
        with pytest.raises(RowsLostError, match="for image, has 0 rows of 30. Push it anew"):
            store.newest()
