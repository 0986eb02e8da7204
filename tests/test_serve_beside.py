"""What takes long keeps nobody else waiting: not the model while it is loaded, no map, no export, no closing of an index."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from served import TOKEN, serving

import prom3e_index
from prom3e_index import Bundle
from prom3e_index.server.generations import Generation
from prom3e_index.server.routes import exports
from prom3e_index.server.routes import ranges as range_routes

QUICK = (
    "/ogc/collections/observations/items", "/ogc/collections", "/api/v1/observations/3", "/api/v1/taxa?q=a",
    "/api/v1/density/0/0/0", "/version",
)  # fmt: skip


@pytest.fixture
def index(bundle_path, tmp_path):
    out = tmp_path / "index.p3i"
    shutil.copytree(bundle_path, out)
    return out


def get(one, path, timeout=60):
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.get(f"{one.url}{path}", headers=headers, timeout=timeout).status_code


def quick(one):
    """Each of the quick addresses once, and the seconds of all."""
    begun = time.monotonic()
    assert [get(one, path, 20) for path in QUICK] == [200] * len(QUICK)
    return time.monotonic() - begun


def test_while_the_model_is_loaded_what_needs_none_is_answered(index, monkeypatch):
    """Pages that are opened ask for the index, which waits for the model: threads that all others need did so too."""
    gate, real = threading.Event(), Bundle.model

    def slow(self, *args, **given):
        assert gate.wait(60)
        return real(self, *args, **given)

    monkeypatch.setattr(Bundle, "model", slow)
    with serving(index, warm=False) as one, ThreadPoolExecutor(12) as threads:
        try:
            opened = [threads.submit(get, one, "/api/v1/index") for _ in range(12)]
            quick(one)
            assert not any(o.done() for o in opened) and get(one, "/readyz") == 503
        finally:
            gate.set()
        assert [o.result() for o in opened] == [200] * 12
        assert not one.faults


def test_maps_and_exports_without_end_keep_nobody_waiting(index, monkeypatch):
    gate, begun = threading.Event(), []

    def never(*_, **__):
        begun.append(1)
        gate.wait(60)
        raise RuntimeError("ended")

    monkeypatch.setattr(range_routes, "range_map", never)
    monkeypatch.setattr(exports, "exported", never)
    with serving(index, deadline_s=2.0) as one, ThreadPoolExecutor(16) as threads:
        here = f"/api/v1/searches/{one.ask({'location': [10, 20]}, target='image').json()['id']}"
        try:
            asked = [threads.submit(get, one, f"{here}/{what}") for what in ("range", "export") * 8]
            while len(begun) < 2:
                time.sleep(0.01)
            quick(one)
            assert one.ask({"location": [11, 21]}, target="image").status_code == 201
            assert {a.result() for a in asked} == {503}
            quick(one)  # nobody waits for them, and they go on: a map cannot be stopped
        finally:
            gate.set()
        assert not one.faults


def test_the_last_to_let_go_of_an_earlier_index_does_not_wait_until_it_is_closed(
    index, monkeypatch
):
    gate, closing, real = threading.Event(), threading.Event(), Generation.close

    def slow(self):
        closing.set()
        gate.wait(60)
        real(self)

    with serving(index) as one:
        first = one.service.bundle
        ids = [r[0] for r in first.sql("SELECT id FROM observations ORDER BY row LIMIT 1")]
        monkeypatch.setattr(Generation, "close", slow)
        held = one.service._generations.hold()
        prom3e_index.remove(index=index, ids=ids)
        while one.service.generation == 1:
            time.sleep(0.02)
        try:
            one.service._loop.call_soon_threadsafe(one.service._generations.release, held)
            assert closing.wait(10)
            quick(one)
        finally:
            gate.set()


def test_the_outline_is_there_when_the_server_is_ready(index):
    with serving(index) as one:
        one.client.get("/version")
        begun = time.perf_counter()
        assert one.client.get("/api/v1/outline.json").status_code == 200
        assert time.perf_counter() - begun < 0.5
