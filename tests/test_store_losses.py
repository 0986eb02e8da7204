"""What a push has said to be in a store outlives a server that is killed."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from test_store_changes import TARGETS, changes, equal, more, place  # noqa: F401 - fixtures

from prom3e_index.errors import StoreError
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster


def on_disk(place, name):
    """Rows of a collection in segments that the server has written to its disk, by the server's own list of them."""
    from pymilvus.grpc_gen.common_pb2 import SegmentState

    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    with closing(Engine(parse(place))) as engine:
        segments = engine.client._get_connection().get_persistent_segment_infos(name)
        states = [SegmentState.Name(s.state) for s in segments]
        assert "Growing" not in states and "Sealed" not in states
        return sum(n.num_rows for n, s in zip(segments, states, strict=True) if s == "Flushed")


def test_a_small_change_is_on_disk_and_outlives_a_server_that_is_killed(server, place, index, more):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    names = push(index, place, silent, targets=TARGETS).head.collections.values()
    assert [on_disk(place, n) for n in names] == [60, 60]
    add, remove = (change for _, change in list(changes(index, more))[:2])
    add()
    push(index, place, silent, targets=TARGETS)
    assert [on_disk(place, n) for n in names] == [66, 66]
    remove()
    push(index, place, silent, targets=TARGETS)
    for name in (
        names
    ):  # a row that goes is written again: 5 more, until the server clears away what they were
        assert on_disk(place, name) in (66, 71)

    server.stop()  # SIGKILL
    server.start()
    end = time.monotonic() + 90
    while True:
        try:
            with StoreBundle.open(place) as store:
                assert store.rows == 61
            break
        except StoreError as e:
            assert "not loaded" in str(e) or "cannot be" in str(e), e
            assert time.monotonic() < end
            time.sleep(0.5)
    equal(place, index)
