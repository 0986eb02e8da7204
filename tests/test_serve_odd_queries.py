"""Queries that nothing can be found with are refused in words, one by one, and fail no other."""

from __future__ import annotations

import os
import time
import wave
from types import SimpleNamespace

import pytest

from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.search.query import Query
from prom3e_index.search.searcher import Embedded, Searcher
from prom3e_index.server.marks import Marks
from prom3e_index.server.searching import _embedded
from prom3e_index.server.waiting import Job

PLACE = {"location": [10.0, 20.0]}


def refused(response, status=422):
    said = response.json()
    assert response.status_code == status, said
    assert said["detail"], said
    return said["detail"]


@pytest.mark.parametrize("name", ["like", "more", "less"])
def test_a_row_beyond_the_last_is_named(served, name):
    last = served.service.bundle.places - 1
    wrong = {"row": last + 1} if name == "like" else [last + 1]
    assert f"names row {last + 1}" in refused(served.ask({**PLACE, name: wrong}))
    assert f"names row {last + 1}" in refused(served.ask({name: wrong}))
    right = {"row": last} if name == "like" else [last]
    assert served.ask({**PLACE, name: right}).status_code == 201
    assert served.faults == []


@pytest.mark.parametrize("value", [1e308, -1e308, 1e39, 3e38])
def test_climates_too_large_for_the_encoder_are_refused(served, value):
    wide = 20
    assert "env" in refused(served.ask({"env": [value] * wide}))
    assert served.ask({"env": [1.0] * wide}).status_code == 201
    assert served.faults == []


def test_rows_are_checked_where_queries_are_embedded_together(bundle):
    with Searcher(bundle, workers=1) as searcher:
        found = searcher.embed(
            [Query(like=(bundle.places,)), Query(location=(1.0, 2.0)), Query(env=[1e308] * 20)]
        )
    assert isinstance(found[0], InputError) and "names row" in str(found[0])
    assert isinstance(found[1], Embedded)
    assert isinstance(found[2], InputError)


def test_what_nobody_foresaw_of_one_search_fails_no_other():
    def embed(queries):
        if any(q.text == "bad" for q in queries):
            raise IndexError("nobody foresaw this")
        return [f"embedded {q.text}" for q in queries]

    generation = SimpleNamespace(searcher=SimpleNamespace(embed=embed))
    jobs = [Job(Query(text=t), generation, None, time.monotonic() + 9) for t in ("a", "bad", "c")]
    found = _embedded(jobs)
    assert (found[0], found[2]) == ("embedded a", "embedded c")
    assert isinstance(found[1], IndexError) and not isinstance(found[1], Prom3eError)


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"query":{"location":[' + b"9" * 5000 + b",1]}}", b'{"query":{"text":"\xe9"}}'],
)  # fmt: skip
def test_a_body_that_is_no_json_is_told_so(served, body):
    answer = served.client.post(
        "/api/v1/searches", content=body, headers={"content-type": "application/json"}
    )
    assert "JSON" in refused(answer, 400)


def test_addresses_and_methods_that_are_not_there_are_told_so(served):
    assert "/openapi.json" in refused(served.client.get("/api/v1/nothing"), 404)
    assert "/openapi.json" in refused(served.client.delete("/api/v1/index"), 405)


def test_a_damaged_recording_is_not_sent_to_a_column_of_recordings(served, tmp_path):
    path = tmp_path / "damaged.wav"
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(48_000)
        f.writeframes(bytes(96_000))
    damaged = bytearray(path.read_bytes())
    damaged[24:28] = bytes(4)  # a sample rate of 0
    path.write_bytes(damaged)
    said = refused(served.put(path, "audio/wav"))
    assert "a WAV recording" in said and "damaged" in said
    assert "column" not in said


def test_marks_are_kept_in_plain_files_alone(tmp_path):
    pipe, device = tmp_path / "pipe.jsonl", tmp_path / "device.jsonl"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        with pytest.raises(InputError, match="no plain file"):
            Marks(path).every()
        with pytest.raises(InputError, match="no plain file"):
            Marks(path).add([])
