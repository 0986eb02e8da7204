"""Clients that mean harm: bodies without end, connections that ask nothing, answers that nobody reads, damaged marks."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from served import TOKEN, serving

from prom3e_index.errors import InputError
from prom3e_index.server import marks as marks_module
from prom3e_index.server import run
from prom3e_index.server.marks import MOST_BYTES, Marked, Marks


def head(one, line: str, *headers: str) -> bytes:
    lines = [
        line,
        f"Host: {one.url.removeprefix('http://')}",
        f"Authorization: Bearer {TOKEN}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(one) -> socket.socket:
    host, _, port = one.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), 10)


def answer(s: socket.socket, seconds: float = 10) -> bytes:
    s.settimeout(seconds)
    got = b""
    try:
        while part := s.recv(65536):
            got += part
            if b"\r\n\r\n" in got and got.rstrip().endswith(b"}"):
                break
    except OSError:
        pass
    return got


@pytest.mark.parametrize(
    ("method", "type", "most"),
    [("POST /api/v1/searches", "application/json", 1), ("PUT /api/v1/uploads", "image/png", 50)],
)
def test_a_body_without_end_is_cut_off_with_the_reason(served, method, type, most):
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with connect(served) as s:
        s.sendall(
            head(
                served, f"{method} HTTP/1.1", f"Content-Type: {type}", "Transfer-Encoding: chunked"
            )
        )
        sent = 0
        try:
            while sent < 300 << 20:
                s.sendall(piece)
                sent += 65536
        except OSError:
            pass
        got = answer(s)
    assert sent < 300 << 20
    assert b" 413 " in got.split(b"\r\n")[0] and f"At most {most} MB".encode() in got
    assert served.client.get("/version").status_code == 200 and not served.faults


def test_a_body_that_drips_is_too_slow_and_keeps_nobody_waiting(bundle_path, tmp_path, monkeypatch):
    monkeypatch.setattr("prom3e_index.server.guard._JSON_S", 1.0)
    with serving(bundle_path, marks=None) as one:
        held = [connect(one) for _ in range(50)]
        for i, s in enumerate(held):
            line = ("POST /api/v1/searches HTTP/1.1", "POST /api/v1/marks HTTP/1.1")[i % 2]
            s.sendall(head(one, line, "Content-Type: application/json", "Content-Length: 1000"))
        begun = time.monotonic()
        assert one.client.get("/ogc/collections/observations/items").status_code == 200
        assert one.ask({"location": [1, 2]}).status_code == 201
        for _ in range(3):
            for s in held:
                s.sendall(b" ")
            time.sleep(0.1)
        got = [answer(s) for s in held]
        assert time.monotonic() - begun < 20
        assert all(b" 408 " in g.split(b"\r\n")[0] and b"did not come within 1 s" in g for g in got)
        for s in held:
            s.close()
        assert not one.faults


def test_a_client_that_leaves_while_it_sends_is_no_fault(served):
    for line, type in (
        ("PUT /api/v1/uploads", "image/png"),
        ("POST /api/v1/searches", "application/json"),
    ):
        with connect(served) as s:
            s.sendall(
                head(served, f"{line} HTTP/1.1", f"Content-Type: {type}", "Content-Length: 1000")
                + b"{"
            )
            time.sleep(0.1)
    time.sleep(0.3)
    assert served.client.get("/version").status_code == 200
    assert not served.faults and not list(served.service.uploads.folder.glob("coming-*"))


def test_a_body_of_two_lengths_is_refused_and_the_connection_closed(served):
    """A proxy that believes the other length would take the rest for the request of somebody else."""
    with connect(served) as s:
        headers = (
            "Content-Type: application/json",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
        )
        s.sendall(
            head(served, "POST /api/v1/searches HTTP/1.1", *headers)
            + b"0\r\n\r\n"
            + head(served, "GET /version HTTP/1.1")
        )
        s.settimeout(10)
        got = b""
        while part := s.recv(65536):
            got += part
    assert (
        got.count(b"HTTP/1.1 ") == 1 and got.startswith(b"HTTP/1.1 400") and b"two-lengths" in got
    )


def test_requests_one_after_the_other_without_waiting_are_all_answered(served):
    with connect(served) as s:
        s.sendall(
            head(served, "GET /version HTTP/1.1") * 99
            + head(served, "GET /version HTTP/1.1", "Connection: close")
        )
        s.settimeout(20)
        got = b""
        while part := s.recv(65536):
            got += part
    assert got.count(b"HTTP/1.1 200 OK") == 100


@pytest.mark.parametrize(
    "lines", [["X: " + "a" * 2_000_000], [f"X{i}: a" for i in range(200_000)], ["X" * 2_000_000 + ": a"]]
)  # fmt: skip
def test_heads_of_requests_are_bounded(served, lines):
    with connect(served) as s:
        try:
            s.sendall(head(served, "GET /version HTTP/1.1", *lines))
        except OSError:
            pass
        assert b" 200 " not in answer(s).split(b"\r\n")[0]


def test_connections_that_ask_nothing_keep_nobody_out(bundle_path, monkeypatch):
    """Whoever has no token too can open them; those go that have asked nothing for the longest, and none that waits."""
    monkeypatch.setattr(run, "_OPEN", 40)
    with serving(bundle_path, marks=None) as one:
        with one.client.stream(
            "GET", "/api/v1/index"
        ) as open_:  # has its answer, and is read later
            held = [connect(one) for _ in range(150)]
            for s in held:
                s.sendall(b"GET / HT")
            for _ in range(5):
                got = httpx.get(f"{one.url}/version", headers={"authorization": f"Bearer {TOKEN}"})
                assert got.status_code == 200
            assert open_.status_code == 200
        left = 0
        for s in held:
            s.settimeout(0.05)
            try:
                left += s.recv(10) != b""
            except TimeoutError:
                left += 1
            except OSError:
                pass
            s.close()
        assert left <= 40


def test_an_answer_that_nobody_reads_is_let_go(bundle_path, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_STALLED_S", 1.0)
    basemap = tmp_path / "b.pmtiles"
    with basemap.open("wb") as f:
        f.truncate(64 << 20)
    with serving(bundle_path, marks=None, basemap=basemap) as one:
        with connect(one) as s:
            s.sendall(head(one, "GET /basemap.pmtiles HTTP/1.1"))
            time.sleep(3)
            s.settimeout(10)
            got = 0
            try:
                while part := s.recv(1 << 20):
                    got += len(part)
            except ConnectionError:
                pass
            assert got < 64 << 20
        whole = one.client.get("/basemap.pmtiles")
        assert len(whole.content) == 64 << 20  # the next one reads, and has all


@pytest.mark.parametrize(
    "text", ["1_0", "+1", "%201", "1%20", "0x1", "1e1", "1.0", "%D9%A1", "", "9" * 30, "-1"]
)  # fmt: skip
def test_numbers_are_digits(served, text):
    for path in (
        f"/api/v1/observations/{text}",
        f"/api/v1/media/{text}/image",
        f"/ogc/collections/observations/items/{text}",
    ):
        if text:
            assert served.client.get(path).status_code in (404, 422), path
    for path in (
        "/api/v1/taxa?q=a&limit=",
        "/api/v1/searches?location=1,2&k=",
        "/api/v1/searches?like=",
        "/map.svg?width=",
    ):
        got = served.client.get(path + text)
        assert got.status_code == 422 and got.json()["detail"], path


@pytest.mark.parametrize(
    "body",
    ['{"query":{"location":[NaN,1]}}', '{"query":{"location":[1,-Infinity]}}', '{"query":{"location":[1,2]},"k":1e400}',
     '{"query":{"location":[1,2]},"filter":{"near":[1,2,NaN]}}', '{"query":{"env":[1e999]}}', '{"query":{"text":"\\ud800"}}',
     '{"query":{"like":{"row":99999999999999999999}}}', '{"query":{"like":{"row":1e15}}}', '{"query":{"location":[1e308,2]}}'],
)  # fmt: skip
def test_numbers_and_letters_that_are_none_are_refused(served, body):
    got = served.client.post(
        "/api/v1/searches", content=body, headers={"content-type": "application/json"}
    )
    assert got.status_code == 422 and got.json()["detail"]
    assert not served.faults


@pytest.mark.parametrize(
    "ranges",
    [
        ",".join(f"{i}-{i + 1}" for i in range(5000)),
        "0-10,5-20,3-4",
        "-0",
        "5-2",
        "99999999999-",
        "--5",
        "0-" + "9" * 40,
    ],
)
def test_ranges_never_give_more_than_the_file(served, bundle, ranges):
    row = bundle.sql("SELECT min(row) FROM observations WHERE has_audio")[0][0]
    whole = served.client.get(f"/api/v1/media/{row}/audio").content
    got = served.client.get(f"/api/v1/media/{row}/audio", headers={"range": f"bytes={ranges}"})
    assert (got.status_code, got.content) == (200, whole) or (
        got.status_code == 416 and len(got.content) < 500
    )


# Marks


def line(id: str, mark: str | None = "relevant") -> str:
    return json.dumps({"id": id, "row": 1, "mark": mark}) + "\n"


def test_of_a_file_of_marks_only_what_was_added_is_read(tmp_path, monkeypatch):
    path, read, real = tmp_path / "m.jsonl", [], marks_module._line_of
    monkeypatch.setattr(marks_module, "_line_of", lambda x: read.append(x) or real(x))
    path.write_text("".join(line(f"o{i}") for i in range(1000)))
    marks = Marks(path)
    assert len(marks.every()) == 1000 and len(read) == 1000
    marks.add([Marked("new", 7, "irrelevant", "now")])
    assert marks.every()["new"].mark == "irrelevant" and len(read) == 1001
    with path.open("a") as f:  # another program
        f.write(line("o3", None) + '{"id": "cut')
    assert "o3" not in marks.every() and marks.unread == 1
    with path.open("a") as f:
        f.write(' off", "row": 3}\n' + line("last"))
    assert "last" in marks.every() and marks.unread == 1 and len(marks.every()) == 1001
    assert len(read) < 1010
    whole = Marks(path).every()
    assert marks.every() == whole and list(marks.every()) == list(whole)


def test_a_file_of_marks_that_became_another_is_read_anew(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(line("a") + line("b"))
    marks = Marks(path)
    assert set(marks.every()) == {"a", "b"}
    path.write_text(line("c") + line("dd") + line("e"))  # the same file, with other lines
    assert set(marks.every()) == {"c", "dd", "e"}
    path.write_text(line("f"))
    assert set(marks.every()) == {"f"}
    other = tmp_path / "other"
    other.write_text(line("f") + line("g"))
    other.replace(path)
    assert set(marks.every()) == {"f", "g"}
    path.unlink()
    assert marks.every() == {} and marks.unread == 0
    path.write_text(line("h"))
    assert set(marks.every()) == {"h"}


def test_damaged_marks_are_left_out_or_refused_in_bounded_memory(tmp_path):
    long = tmp_path / "long.jsonl"
    long.write_text(
        line("a")
        + "x" * 5_000_000
        + "\n"
        + line("b")
        + "\n\0\0\n[]\n"
        + '{"id": 3}\n'
        + "[" * 9000
        + "\n"
    )
    assert set(Marks(long).every()) == {"a", "b"} and Marks(long).unread == 6
    huge = tmp_path / "huge.jsonl"
    with huge.open("wb") as f:
        f.truncate(1 << 30)
    with pytest.raises(InputError, match=f"1024 MB.*at most {MOST_BYTES >> 20}"):
        Marks(huge).every()
    lost = tmp_path / "lost.jsonl"
    lost.symlink_to(tmp_path / "nowhere")
    assert Marks(lost).every() == {}
    other = tmp_path / "other.jsonl"
    other.symlink_to(Path(__file__).resolve())
    with pytest.raises(InputError, match="no file of marks"):
        Marks(other).add([Marked("a", 1, "relevant", "now")])


def test_many_exports_at_once_are_made_or_refused_and_others_are_answered(served):
    id = served.ask({"location": [10, 20]}, target="image", k=60).json()["id"]
    headers = {"authorization": f"Bearer {TOKEN}"}

    def export(format: str) -> int:
        return httpx.get(
            f"{served.url}/api/v1/searches/{id}/export?format={format}", headers=headers, timeout=60
        ).status_code

    with ThreadPoolExecutor(40) as threads:
        asked = [threads.submit(export, f) for f in ("csv", "geojson", "dwca", "parquet") * 25]
        begun = time.monotonic()
        assert served.client.get("/ogc/collections/observations/items").status_code == 200
        assert time.monotonic() - begun < 10
        assert {a.result() for a in asked} <= {200, 503}
    assert export("csv") == 200 and not served.faults
