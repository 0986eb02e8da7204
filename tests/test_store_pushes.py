"""A push, or a change brought along, on a store that is not as it was left: begun, damaged, short, another's, or missing."""

from __future__ import annotations

import shutil

import pytest

from prom3e_index.errors import InputError, StoreError

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
