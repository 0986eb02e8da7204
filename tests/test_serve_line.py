"""The line of searches: bounded, taken together, given up, in time; and what is kept of their answers."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import pytest
from served import serving

from prom3e_index import Query
from prom3e_index.search.answered import Answer, Hit
from prom3e_index.server.problems import Problem
from prom3e_index.server.searching import key_of
from prom3e_index.server.stored import Searches, Stored, new_id, size_of
from prom3e_index.server.waiting import AT_ONCE, Job, Waiting


def job(text="a", generation=None, **given):
    query = Query(**given) if given else Query(text=text)
    return Job(query, generation, None, time.monotonic() + 60)


def test_what_waits_is_taken_together_with_its_own_kind_in_its_order():
    line, here, there = Waiting(99), SimpleNamespace(), SimpleNamespace()
    texts = [job(str(i), here) for i in range(AT_ONCE + 3)]
    place = job(generation=here, location=(1.0, 2.0))
    other = job("other", there)
    for one in (texts[0], place, other, *texts[1:]):
        line.put(one)

    assert line.take() == texts[:AT_ONCE]
    assert line.take() == [place]
    assert line.take() == [other]
    assert line.take() == texts[AT_ONCE:]
    line.close()
    assert line.take() == []


def test_a_place_in_the_line_is_free_again_when_it_is_given_up():
    line = Waiting(2)
    one, two = job("1"), job("2")
    for each in (one, two):
        line.enter()
        line.put(each)
    with pytest.raises(Problem) as e:
        line.enter()
    assert (e.value.status, e.value.headers) == (503, {"Retry-After": "1"})
    assert line.give_up(one) and not line.give_up(one)
    line.leave()
    line.enter()
    assert line.take() == [two] and not line.give_up(two)


def test_the_time_to_wait_follows_what_searches_take():
    line = Waiting(10)
    for _ in range(200):
        line.enter()
        line.leave(1.5)
    for _ in range(10):
        line.enter()
    with pytest.raises(Problem) as e:
        line.enter()
    assert e.value.headers["Retry-After"] == "15"


def test_what_an_embedding_depends_on():
    key = key_of(Query(text="a", k=3, target="image"), 1)
    assert key == key_of(Query(text="a", k=9, target="audio", group_by="species"), 1)
    others = (Query(text="b"), Query(text="a", image="x.jpg"), Query(text=["a", "b"]), Query(location=(1.0, 2.0)), Query(audio="x.wav"), Query(audio="x.wav", audio_span=(0.0, 1.0)))  # fmt: skip
    keys = {key, key_of(Query(text="a"), 2), *(key_of(q, 1) for q in others)}
    assert len(keys) == 2 + len(others)


@contextmanager
def held(service, name):
    """Let nothing through a step of the searcher until the end of the block; gives what came there."""
    searcher, gate, seen = service._generations.current.searcher, threading.Event(), []
    plain = getattr(searcher, name)

    def slow(*args):
        seen.append(args)
        assert gate.wait(30)
        return plain(*args)

    setattr(searcher, name, slow)
    try:
        yield seen, gate
    finally:
        gate.set()
        delattr(searcher, name)


def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_full_line_is_told_at_once_and_those_within_are_answered(bundle_path):
    with serving(bundle_path, queue=5) as one, ThreadPoolExecutor(12) as clients:
        waiting = one.service._searching.waiting
        with held(one.service, "embed") as (seen, gate):
            inside = [
                clients.submit(one.ask, {"text": f"name {i}"}, target="image", k=2)
                for i in range(5)
            ]
            until(lambda: len(waiting) == 5)
            outside = [one.ask({"text": f"other {i}"}) for i in range(3)]
            assert one.client.get("/readyz").status_code == 503
            assert one.client.get("/healthz").status_code == 200
            gate.set()
            answers = [f.result() for f in inside]
        assert [r.status_code for r in outside] == [503] * 3
        assert all(
            int(r.headers["retry-after"]) >= 1 and r.json()["type"] == "/problems/busy"
            for r in outside
        )
        assert [r.status_code for r in answers] == [201] * 5
        assert (
            sum(len(args[0]) for args in seen) == 5 and len(seen) < 5
        )  # the first alone, the others together
        alone = [
            one.service.bundle.search(Query(text=f"name {i}", target="image", k=2))
            for i in range(5)
        ]
        for got, want in zip(answers, alone, strict=True):
            assert [h["row"] for h in got.json()["hits"]] == [h.row for h in want]
        until(lambda: len(waiting) == 0)
        assert one.client.get("/readyz").status_code == 200
        assert "prom3e_stored 5.0" in one.client.get("/metrics").text


def test_a_query_that_was_embedded_waits_for_no_other(bundle_path):
    with serving(bundle_path) as one, ThreadPoolExecutor(2) as clients:
        assert one.ask({"text": "Fictanimalia"}, target="image").status_code == 201
        with held(one.service, "embed") as (seen, gate):
            slow = clients.submit(one.ask, {"text": "another"})
            until(lambda: seen)
            again = one.ask({"text": "Fictanimalia"}, target="audio", k=3)
            assert again.status_code == 201 and not slow.done()
            gate.set()
            assert slow.result().status_code == 201
        want = one.service.bundle.search(Query(text="Fictanimalia", target="audio", k=3))
        assert [h["row"] for h in again.json()["hits"]] == [h.row for h in want]


def test_a_search_that_takes_too_long_is_stopped_and_the_next_is_answered(bundle_path):
    with serving(bundle_path, deadline_s=0.5) as one:
        service = one.service

        def forever(query, embedded):
            return service.bundle.sql(
                "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.range + b.range = c.range"
            )

        service._generations.current.searcher.find = forever
        got = one.ask({"text": "x"})
        assert (got.status_code, got.json()["type"]) == (503, "/problems/deadline")
        until(lambda: not service._searching._running)
        del service._generations.current.searcher.find
        assert one.ask({"text": "x"}).status_code == 201
        assert not one.faults and len(service._searching.waiting) == 0


def test_what_runs_when_the_time_of_an_ending_server_is_over_is_told(bundle_path, monkeypatch):
    monkeypatch.setattr("prom3e_index.server.run.DRAIN_S", 1)
    with ThreadPoolExecutor(2) as clients:
        with serving(bundle_path) as one:
            service, address = one.service, one.url + "/api/v1/searches"

            def forever(asked):
                return service.bundle.sql(
                    "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.range + b.range = c.range"
                )

            service._generations.current.searcher.find_many = forever
            given = {"headers": dict(one.client.headers), "timeout": 60}
            asked = [
                clients.submit(httpx.post, address, json={"query": {"text": f"x{i}"}}, **given)
                for i in range(2)
            ]
            until(lambda: service._searching._running and len(service._searching.waiting) == 2)
        answers = [a.result() for a in asked]

    assert [a.status_code for a in answers] == [503, 503]
    assert {a.json()["type"] for a in answers} == {"/problems/ending"}
    assert not one.faults


def test_a_client_that_leaves_frees_its_place_and_stops_what_runs(bundle_path):
    with serving(bundle_path) as one:
        service = one.service
        waiting, generation = service._searching.waiting, service._generations.current
        with held(service, "embed") as (seen, gate):
            with httpx.Client(base_url=one.url, headers=one.client.headers, timeout=0.3) as hasty:
                for i in range(3):
                    with pytest.raises(httpx.ReadTimeout):
                        hasty.post("/api/v1/searches", json={"query": {"text": f"n{i}"}})
            until(lambda: len(waiting) == 1)  # the one that is being embedded ends with its batch
            gate.set()
        until(lambda: len(waiting) == 0)
        until(lambda: generation.held == 0)
        assert one.ask({"text": "n0"}).status_code == 201
        assert generation.held == 1 and not one.faults


def test_an_error_of_one_query_is_its_own(bundle_path, served):
    got = served.ask({"location": [99.0, 0.0]})
    assert got.status_code == 422 and "99" in got.json()["detail"]
    assert served.ask({}).status_code == 422


def stored(size, generation=1):
    return Stored(new_id(), generation, {}, Answer({}, ()), 0.0, 0.0, size)


def test_kept_searches_go_by_age_and_size_the_least_looked_at_first():
    now, gone = [0.0], []
    kept = Searches(100, 10.0, gone.append, lambda: now[0])
    a, b, c = stored(40), stored(40), stored(40)
    kept.keep(a)
    kept.keep(b)
    assert kept.get(a.id) is a
    kept.keep(c)
    assert gone == [b] and kept.get(c.id) is c
    with pytest.raises(Problem) as e:
        kept.get(b.id)
    assert e.value.status == 410
    with pytest.raises(Problem) as e:
        kept.get("never")
    assert e.value.status == 404
    now[0] = 6.0
    kept.get(a.id)
    now[0] = 12.0
    kept.sweep()
    assert gone == [b, c] and kept.get(a.id) is a
    large = stored(1000)
    kept.keep(large)  # larger than all room: kept until the next
    assert kept.get(large.id) is large and gone[-1] is a
    kept.drop(lambda s: s is large)
    assert len(kept) == 0 and kept._bytes == 0


def test_the_size_of_an_answer_is_about_what_it_holds():
    import pickle

    fields = {
        "id": "x" * 20,
        "scientific_name": "Aves fictae",
        "latitude": 1.5,
        "longitude": 2.5,
        "license": "CC0-1.0",
    }
    hits = tuple(Hit(i, i, 0.5, False, ("image",), "a/b.jpg", dict(fields)) for i in range(1000))
    assert size_of(Answer({}, hits)) > len(pickle.dumps([vars(h) for h in hits]))


def test_other_work_is_stopped_in_its_time(bundle_path):
    from dataclasses import replace

    from prom3e_index.server.service import Service
    from prom3e_index.server.settings import Settings

    service = Service(replace(Settings(bundle_path, token="x" * 20), deadline_s=0.3))
    slow = "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.range + b.range = c.range"

    async def go():
        assert await service.work(lambda a, b=1: a + b, 2, b=3) == 5
        begun = time.monotonic()
        with pytest.raises(Problem) as e:
            await service.work(service.bundle.sql, slow)
        assert e.value.status == 503
        assert await service.work(service.bundle.sql, "SELECT 1") == [(1,)]
        assert time.monotonic() - begun < 20

    try:
        asyncio.run(go())
    finally:
        service.close()


def test_a_generation_that_is_not_open_is_told(bundle_path):
    from prom3e_index.server.service import Service
    from prom3e_index.server.settings import Settings

    service = Service(Settings(bundle_path, token="x" * 20))
    try:
        with pytest.raises(Problem) as e:
            asyncio.run(service.search(Query(text="x"), {}, generation=7))
        assert e.value.status == 409 and "7" in e.value.detail
        assert len(service._searching.waiting) == 0
    finally:
        service.close()
