"""Who may ask a server: names, tokens, other sites, types, paths; each wrong one is told why, the next right one is answered."""

from __future__ import annotations

import json
import re
import socket

import httpx
import pytest
from served import TOKEN

from prom3e_index.errors import InputError
from prom3e_index.server.guard import HEADERS
from prom3e_index.server.problems import Problem, without_folders
from prom3e_index.server.settings import Settings, parse_rate
from prom3e_index.server.tickets import Rate, Tickets


def raw(served, request: bytes) -> tuple[int, str]:
    """What the server answers to bytes that no client would send."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(request)
        s.settimeout(10)
        got = b""
        while b"\r\n\r\n" not in got:
            part = s.recv(65536)
            if not part:
                break
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length and len(body) < int(length[1]):
            body += s.recv(65536)
    return int(head.split()[1]), body.decode()


def get(served, path: str = "/version", *headers: str, host: str | None = None) -> tuple[int, str]:
    name = host if host is not None else served.url.removeprefix("http://")
    lines = [f"GET {path} HTTP/1.1", *([f"Host: {name}"] if name else []), *headers]
    return raw(served, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


BEARER = f"Authorization: Bearer {TOKEN}"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil.example",
        "localhost.evil.example:{port}", "evil@127.0.0.1:{port}", "0.0.0.0:{port}", "[::1]:1", "lab.local:{port}", "192.168.0.1:{port}",
        "127.0.0.1:{port}, evil.example",
    ],
)  # fmt: skip
def test_a_foreign_name_is_refused_whatever_the_token(served, host):
    port = served.url.rpartition(":")[2]
    status, body = get(served, "/version", BEARER, host=host.format(port=port))
    assert status == 421 and json.loads(body)["type"] == "/problems/host"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_own_names_are_answered(served, name):
    port = served.url.rpartition(":")[2]
    assert get(served, "/version", BEARER, host=f"{name}:{port}")[0] == 200


def test_two_names_or_a_whole_address_in_the_request_line_do_not_pass(served):
    own = served.url.removeprefix("http://")
    two = f"GET /version HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n{BEARER}\r\n\r\n"
    whole = f"GET http://evil.example/version HTTP/1.1\r\nHost: evil.example\r\n{BEARER}\r\n\r\n"
    assert raw(served, two.encode())[0] in (400, 421)
    assert raw(served, whole.encode())[0] in (404, 421)


@pytest.mark.parametrize(
    "header",
    [
        None, "Authorization: Bearer wrong", "Authorization: Basic dDo=", f"Authorization: Bearer {TOKEN}x", f"Authorization: {TOKEN}",
        "Cookie: p3i-{port}=" + TOKEN, "Cookie: p3i-1={worth}", "Cookie: ;;;=;p3i-{port}", "Authorization: Bearer \xff",
    ],
)  # fmt: skip
def test_without_the_token_only_life_is_told(served, header):
    port = served.url.rpartition(":")[2]
    worth = Tickets(TOKEN, int(port)).cookie.partition("=")[2].partition(";")[0]
    headers = [header.format(port=port, worth=worth)] if header else []
    for path in (
        "/",
        "/version",
        "/openapi.json",
        "/metrics",
        "/api/v1/searches",
        "/static/x",
        "/nothing",
    ):
        status, body = get(served, path, *headers)
        assert status == 401 and TOKEN not in body, path
    assert get(served, "/healthz", *headers)[0] == 200


def test_the_printed_address_becomes_a_cookie_and_the_address_loses_it(served):
    with httpx.Client(base_url=served.url) as client:
        first = client.get(f"/?token={TOKEN}")
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        assert client.get("/version").status_code == 200
        assert client.get("/?token=wrong").status_code == 401
    assert not any(TOKEN in line or "token=" in line for line in served.log)


def test_a_word_for_one_browser_works_once_and_not_for_long():
    now = [0.0]
    tickets = Tickets(TOKEN, 1, lambda: now[0])
    word, late = tickets.once(), tickets.once()
    assert tickets.takes(word) and not tickets.takes(word)
    now[0] = 121
    assert not tickets.takes(late)
    assert tickets.takes(TOKEN) and not tickets.takes("") and tickets.once() != tickets.once()


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: http://evil.example"], ["Origin: null"], ["Origin: http://127.0.0.1:9"], ["Origin: file://"],
        ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
        ["Sec-Fetch-Site: none", "Origin: http://evil.example"],
    ],
)  # fmt: skip
def test_another_site_may_ask_nothing(served, headers):
    status, body = get(served, "/version", BEARER, *headers)
    assert status == 403 and json.loads(body)["type"] == "/problems/cross-site"
    assert "access-control" not in body.lower()


def test_a_link_to_the_page_may_come_from_anywhere(served):
    link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
    assert get(served, "/", BEARER, *link)[0] == 200
    assert (
        get(served, "/", BEARER, link[0], "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")[0]
        == 403
    )
    assert (
        get(served, "/version", BEARER, f"Origin: {served.url}", "Sec-Fetch-Site: same-origin")[0]
        == 200
    )


@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx", "text/json"]
)  # fmt: skip
def test_what_a_form_can_send_is_refused(served, type):
    for method, path in (("POST", "/api/v1/searches"), ("PUT", "/api/v1/uploads")):
        got = served.client.request(method, path, content=b"{}", headers={"content-type": type})
        assert got.status_code == 415, (method, got.text)
    packed = served.client.post(
        "/api/v1/searches", content=b"x", headers={"content-type": "application/json", "content-encoding": "gzip"}
    )  # fmt: skip
    assert packed.status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static/%252e%252e/x",
        "/static//etc/passwd", "//evil.example/", "/static/%00", "/static/..\\..\\x", "/static/%5c..%5cx", "/./static/x",
        "/static/..;/x", "/static/%c0%ae%c0%ae/x", "/api/v1/searches/../../x", "/api/v1/media/../../../etc/passwd",
    ],
)  # fmt: skip
def test_no_path_leads_out(served, path):
    status, body = get(served, path, BEARER)
    assert status in (404, 422, 400) and "root:" not in body and "Location" not in body


def test_every_answer_has_its_headers_and_none_tells_the_server(served):
    for path in ("/version", "/healthz", "/nothing", "/", "/openapi.json"):
        got = served.client.get(path)
        for name, value in HEADERS.items():
            if name != "cache-control":
                assert got.headers[name] == value, path
        assert (
            "server" not in got.headers and "unsafe" not in got.headers["content-security-policy"]
        )
        assert not any(h.startswith("access-control") for h in got.headers)
    assert served.client.get("/docs").status_code == served.client.get("/redoc").status_code == 404


def test_methods_that_are_not_there_are_told_as_problems(served):
    got = served.client.request("TRACE", "/version")
    assert got.status_code == 405 and got.headers["content-type"] == "application/problem+json"
    assert (
        served.client.request("OPTIONS", "/version", headers={"origin": served.url}).status_code
        == 405
    )


def test_the_log_holds_no_query_no_place_no_token(served):
    served.client.get("/version", headers={"cookie": "x=y"})
    served.client.get("/api/v1/searches?location=46.8,7.1&text=Pica")
    served.client.get("/api/v1/taxa?location=46.8,7.1&q=Pica")
    served.ask({"location": [46.8123, 7.1]})
    text = "\n".join(served.log)
    assert "GET /version 200" in text and "POST /api/v1/searches" in text
    assert not re.search(r"46\.8|Pica|location=|Bearer|token", text)


def test_a_rate_lets_a_burst_through_and_then_counts():
    now = [0.0]
    rate = Rate(2.0, lambda: now[0])
    for _ in range(20):
        rate.take("a")
    with pytest.raises(Problem) as e:
        rate.take("a")
    assert e.value.status == 429 and e.value.headers["Retry-After"] == "1"
    rate.take("b")  # another client
    now[0] = 1.0
    rate.take("a")
    rate.take("a")
    with pytest.raises(Problem):
        rate.take("a")
    assert (parse_rate("5/s"), parse_rate("120/min"), parse_rate(" 36 / h ")) == (5, 2, 0.01)
    for wrong in ("5", "0/s", "x/s", "-1/s", "5/day", ""):
        with pytest.raises(InputError):
            parse_rate(wrong)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0", "token": None}, "--no-token"), ({"host": "0.0.0.0"}, "--allow-host"), ({"host": "lab.example"}, "--allow-host"),
        ({"token": "short"}, "characters"), ({"allow_hosts": ("http://x",)}, "allow-host"), ({"allow_hosts": ("a b",)}, "allow-host"),
    ],
)  # fmt: skip
def test_settings_that_would_let_strangers_in_are_refused(tmp_path, given, said):
    with pytest.raises(InputError) as e:
        Settings(tmp_path, **{"token": TOKEN, **given})
    assert said in e.value.typed


def test_names_of_a_server(tmp_path):
    lab = Settings(tmp_path, "0.0.0.0", 9000, ("Lab.example", "proxy.example:443"), TOKEN)
    assert {"lab.example", "lab.example:9000", "proxy.example:443", "localhost:9000"} <= lab.hosts
    assert not {"proxy.example", "0.0.0.0:9000", "localhost", "lab.example:443"} & lab.hosts
    assert lab.address == "http://lab.example:9000/" and not lab.local
    assert Settings(tmp_path, "127.0.0.2", token=None).local
    assert Settings(tmp_path, "::1", token=None).address == "http://[::1]:8765/"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/data/my birds/x.p3i lacks y", "x.p3i lacks y"), ("/home/ann/index.p3i: damaged", "index.p3i: damaged"),
        ("see http://example.org/a/b/c", "see http://example.org/a/b/c"), ("C:\\Users\\ann\\x.jpg is", "x.jpg is"), ("~/x/y.wav, a/b", "y.wav, a/b"),
        ("'/tmp/a/b.jpg' is empty", "'b.jpg' is empty"), ("25 m/s and 1/2", "25 m/s and 1/2"), ("/tmp/sha256-" + "0" * 64 + " is", "The file is"),
    ],
)  # fmt: skip
def test_no_text_tells_a_folder(text, said, tmp_path):
    from pathlib import Path

    assert without_folders(text, [Path("/data/my birds")]) == said
