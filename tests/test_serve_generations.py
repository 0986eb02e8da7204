"""An index that changes while it is served: the next answers see it, those that began and those that are kept do not."""

from __future__ import annotations

import shutil
import time

import pytest
from served import serving

import prom3e_index
from prom3e_index import Bundle


@pytest.fixture
def index(bundle_path, tmp_path):
    out = tmp_path / "index.p3i"
    shutil.copytree(bundle_path, out)
    return out


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def rows_of(got) -> list[int]:
    return [h["row"] for h in got.json()["hits"]]


def all_of(one, got):
    return one.client.get(f"/api/v1/searches/{got.json()['id']}", params={"limit": 100})


def ids(index) -> list[str]:
    with Bundle.open(index) as bundle:
        return [r[0] for r in bundle.sql("SELECT id FROM observations ORDER BY row")]


def test_a_changed_index_is_taken_up_and_kept_searches_stay_as_they_were(index):
    every = ids(index)
    with serving(index) as one:
        query = {"text": "Fictanimalia"}
        first = one.ask(query, target="image", k=60)
        assert first.json()["generation"] == 1
        best = rows_of(first)[0]
        prom3e_index.remove(index=index, ids=[every[best]])
        until(lambda: one.service.generation == 2)

        second = one.ask(query, target="image", k=60)
        assert second.json()["generation"] == 2
        before, after = (rows_of(all_of(one, got)) for got in (first, second))
        assert after == [r for r in before if r != best] and len(before) > 50
        kept = all_of(one, first)
        assert (
            rows_of(kept)[: len(rows_of(first))] == rows_of(first)
            and kept.json()["generation"] == 1
        )
        assert one.client.get("/version").json()["generation"] == 2
        assert one.client.get("/readyz").status_code == 200
        assert not one.faults


def test_a_generation_that_is_not_open_is_refused_and_one_that_is_answers(index):
    def told(got):
        assert got.status_code == 409, got.text
        said = got.json()
        assert said["type"] == "/problems/generation" and said["parameter"] == "generation"
        return said["detail"]

    every = ids(index)
    with serving(index) as one:
        query = {"text": "Fictanimalia"}
        of_now = "open are the current one, 1. Ask one of these, or without `generation`."
        assert told(one.ask(query, generation=99)) == f"Generation 99 is not open; {of_now}"
        address = {"text": "Fictanimalia", "generation": 0}
        assert told(one.client.get("/api/v1/searches", params=address)) == f"Generation 0 is not open; {of_now}"  # fmt: skip
        media = one.client.get("/api/v1/observations/0", params={"generation": 7})
        assert told(media) == f"Generation 7 is not open; {of_now}"

        first = one.ask(query, target="image", k=60)
        prom3e_index.remove(index=index, ids=[every[rows_of(first)[0]]])
        until(lambda: one.service.generation == 2)
        before = one.ask(query, target="image", k=60, generation=1)
        assert before.json()["generation"] == 1 and rows_of(before) == rows_of(first)
        assert [n["code"] for n in before.json()["said"]] == [n["code"] for n in first.json()["said"]] + ["changed"]  # fmt: skip
        assert told(one.ask(query, generation=3)).startswith("Generation 3 is not open; open are the current one, 2, 1 of before.")  # fmt: skip
        assert len(one.service._searching.waiting) == 0  # who is refused waits for nothing


def test_earlier_generations_are_closed_when_nothing_holds_them(index):
    every = ids(index)
    with serving(index) as one:
        service = one.service
        bundles = [service.bundle]
        one.ask({"text": "a"}, k=1)
        service._searches.drop(lambda _: True)
        prom3e_index.remove(index=index, ids=every[:1])
        until(lambda: service.generation == 2)
        until(lambda: bundles[0].closed)
        kept = []
        for n in range(3, 6):  # more than are kept
            kept.append(one.ask({"text": "a"}, k=1).json()["id"])
            bundles.append(service.bundle)
            prom3e_index.remove(index=index, ids=[every[n]])
            until(lambda n=n: service.generation == n)
        until(lambda: bundles[1].closed)
        assert not bundles[2].closed and not bundles[3].closed
        codes = [one.client.get(f"/api/v1/searches/{id}").status_code for id in kept]
        assert codes == [410, 200, 200]
        assert not one.faults


def test_an_index_that_cannot_be_opened_any_more_is_served_as_it_was(index):
    with serving(index) as one:
        manifest = index / "manifest.json"
        whole = manifest.read_bytes()
        manifest.with_suffix(".new").write_bytes(b"{}")
        manifest.with_suffix(".new").replace(manifest)
        until(lambda: one.faults)
        assert "manifest" in str(one.faults[0])
        assert one.ask({"text": "a"}).json()["generation"] == 1
        count = len(one.faults)
        time.sleep(2.5)
        assert len(one.faults) == count  # it is not tried again every second
        manifest.write_bytes(whole)


def test_what_runs_goes_on_with_the_generation_that_it_began_with(index):
    from concurrent.futures import ThreadPoolExecutor

    from test_serve_line import held

    every = ids(index)
    with serving(index) as one, ThreadPoolExecutor(1) as clients:
        old = one.service.bundle
        with held(one.service, "find") as (seen, gate):
            asked = clients.submit(one.ask, {"text": "a"}, k=60)
            until(lambda: seen)
            prom3e_index.remove(index=index, ids=every[:5])
            until(lambda: one.service.generation == 2)
            assert not old.closed
            gate.set()
            got = asked.result()
        assert got.json()["generation"] == 1 and set(range(5)) <= set(rows_of(one.client.get(f"/api/v1/searches/{got.json()['id']}", params={"limit": 100})))  # fmt: skip
        assert not set(range(5)) & set(rows_of(one.ask({"text": "a"}, k=60)))
