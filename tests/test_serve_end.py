"""How a server ends: what runs is answered, nothing is left, at any moment a signal may come; and how it begins."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import ROOT

from prom3e_index.errors import InputError

PROGRAM = [sys.executable, "-m", "prom3e_index.cli.app", "serve", "--port", "0"]


class Program:
    """`prom3e-index serve`, run as a user runs it."""

    def __init__(self, process, tmp: Path) -> None:
        self.process, self.tmp = process, tmp
        self.address = ""
        while not self.address:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            self.address = next(iter(re.findall(r"http://\S+", line)), "")
        self.url, _, self.token = self.address.partition("/?token=")
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=60
        )

    def ready(self) -> None:
        end = time.monotonic() + 60
        while self.client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(c) for f in listed for c in f.read_text().split()]


@contextmanager
def program(index: Path, tmp: Path, *options: str):
    tmp.mkdir()
    process = subprocess.Popen(
        [*PROGRAM, *options, str(index)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        yield Program(process, tmp)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def index(bundle_path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("ended") / "index.p3i"
    shutil.copytree(bundle_path, out)
    return out


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are listed by /proc")
def test_a_signal_during_twenty_requests_leaves_no_process_and_no_file(index, world, tmp_path):
    before = sorted(p.name for p in index.parent.rglob("*"))
    photos, songs = (
        sorted((world / "photos").glob("*.jpg")),
        sorted((world / "songs").glob("*.wav")),
    )

    with program(index, tmp_path / "tmp", "--no-marks") as one, ThreadPoolExecutor(20) as clients:
        one.ready()
        assert any(one.tmp.iterdir())

        def ask(i: int) -> int:
            file, type, modality = (photos[i % 7 % len(photos)], "image/jpeg", "image") if i % 2 else (songs[i % len(songs)], "audio/wav", "audio")  # fmt: skip
            try:
                sent = one.client.put(
                    "/api/v1/uploads", content=file.read_bytes(), headers={"content-type": type}
                )
                if sent.status_code != 201:
                    return sent.status_code
                query = {modality: {"upload": sent.json()["upload"]}, "text": f"name {i}"}
                return one.client.post(
                    "/api/v1/searches", json={"query": query, "target": "image"}
                ).status_code
            except httpx.TransportError:
                return 0  # it came after the doors were closed

        asked = [clients.submit(ask, i) for i in range(20)]
        while not any(f.done() for f in asked):
            time.sleep(0.01)
        children = one.children()
        assert children
        one.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        out, errors = one.process.communicate(timeout=20)
        took = time.monotonic() - begun
        codes = [f.result() for f in asked]

    assert one.process.returncode == 0 and out.rstrip().endswith("ended"), errors
    assert took < 15
    assert set(codes) <= {201, 503, 0} and 201 in codes
    assert "unexpected" not in errors and "Traceback" not in errors and one.token not in errors
    assert not [pid for pid in children if alive(pid)]
    assert not list(one.tmp.iterdir())
    assert sorted(p.name for p in index.parent.rglob("*")) == before


def test_ctrl_c_ends_while_the_model_is_being_loaded(index, tmp_path):
    with program(index, tmp_path / "tmp") as one:
        one.process.send_signal(signal.SIGINT)
        _, errors = one.process.communicate(timeout=20)
    assert one.process.returncode == 0 and "Traceback" not in errors, errors
    assert not [p for p in one.tmp.iterdir() if "serve" in p.name]


def test_token_browser_and_a_client_that_drips(index, tmp_path, monkeypatch):
    """One start for several things, since a start takes seconds."""
    from prom3e_index.server.run import read_token

    file, seen, browser = tmp_path / "token", tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with program(index, tmp_path / "tmp", "--open", "--token-file", str(file)) as one:
        assert one.token == file.read_text().strip() == read_token(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and len(one.token) >= 43
        words = Path(f"/proc/{one.process.pid}/cmdline")
        assert not words.exists() or one.token not in words.read_text()

        end = time.monotonic() + 20
        while not seen.exists() or not seen.read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
        address = seen.read_text().strip()
        assert address.startswith(one.url) and one.token not in address
        with httpx.Client() as browser_of_user, httpx.Client() as other:
            assert browser_of_user.get(address).status_code == 303
            assert browser_of_user.get(one.url + "/version").status_code == 200
            assert other.get(address).status_code == 401

        host, port = one.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as s:
            s.sendall(
                f"PUT /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {one.token}\r\n"
                "Content-Type: audio/wav\r\nContent-Length: 99999\r\n\r\nRIFF".encode()
            )
            time.sleep(0.2)
            one.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert one.process.poll() is None  # what runs has its time
            one.process.send_signal(signal.SIGTERM)
            one.process.communicate(timeout=10)
    assert one.process.returncode == 143
    assert not [p for p in one.tmp.iterdir() if "serve" in p.name]


def test_a_token_that_others_may_read_or_guess_is_refused(tmp_path):
    from prom3e_index.server.run import read_token
    from prom3e_index.server.settings import Settings

    file = tmp_path / "token"
    file.write_text("x" * 20)
    file.chmod(0o644)
    with pytest.raises(InputError, match="other users"):
        read_token(file)
    file.chmod(0o600)
    file.write_text("short")
    with pytest.raises(InputError, match="16 or more"):
        Settings(tmp_path, token=read_token(file))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0", "--no-token"], "--no-token"), (["--host", "0.0.0.0"], "--allow-host"), (["--host", "203.0.113.9", "--allow-host", "x"], "cannot be listened on"),
        (["--rate", "fast"], "--rate"), (["--no-marks", "--marks", "x"], "--marks"), (["--index", "other.p3i"], "twice"), (["--basemap", __file__], "pmtiles"),
        (["--marks", "/"], "a folder"), (["--marks", "/no-such-folder/marks.jsonl"], "does not exist"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_before_anything_begins(
    index, monkeypatch, capsys, options, said
):
    from prom3e_index.cli.app import main

    monkeypatch.setattr("sys.argv", ["prom3e-index", "serve", str(index), *options])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(index, monkeypatch, tmp_path):
    from prom3e_index.server.run import listen, serve
    from prom3e_index.server.settings import Settings

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(index, port=taken.getsockname()[1], token="x" * 20)
        with pytest.raises(InputError) as e:
            listen(settings)
        assert str(settings.port) in e.value.typed and "--port" in e.value.typed
    from prom3e_index.errors import BundleError

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(BundleError):
        serve(Settings(tmp_path / "none.p3i", port=0, token="x" * 20), lambda _: None)
    assert not list(tmp_path.iterdir())


def test_a_second_signal_ends_the_program_at_once_with_its_own_code():
    from types import SimpleNamespace

    from fastapi import FastAPI

    from prom3e_index.server.run import Server

    left: list[signal.Signals] = []
    service = SimpleNamespace(ending=False, remove_files=lambda: None)
    server = Server(FastAPI(), service, lambda: None, left.append)
    server._signalled(signal.SIGINT, None)
    assert server.should_exit and service.ending and not left
    server._signalled(signal.SIGINT, None)
    assert left == [signal.SIGINT]


def test_an_index_that_answers_nothing_is_never_said_to_be_ready(index, tmp_path):
    damaged = tmp_path / "damaged.p3i"
    shutil.copytree(index, damaged)
    for records in damaged.rglob("records.arrow"):
        records.write_bytes(b"x" * records.stat().st_size)
    with program(damaged, tmp_path / "tmp", "--no-marks") as one:
        end = time.monotonic() + 60
        while "reason" not in (said := one.client.get("/readyz")).text:
            assert said.status_code == 503 and time.monotonic() < end, said.text
            time.sleep(0.1)
        assert said.status_code == 503 and str(tmp_path) not in said.text
        assert one.client.get("/healthz").status_code == 200
        one.process.send_signal(signal.SIGTERM)
        _, errors = one.process.communicate(timeout=30)
    assert one.process.returncode == 0 and "unexpected" not in errors and "records.arrow" in errors


def test_a_server_that_a_thread_holds_is_ended_all_the_same(index, tmp_path):
    """Run in a program of its own: what closes the index waits for ever."""
    code = f"""
        import threading
        from pathlib import Path
        from prom3e_index.cli import start
        from prom3e_index.server import run, service
        from prom3e_index.server.settings import Settings
        run.END_S = 1.0
        service.Service.close = lambda self: threading.Event().wait()
        settings = Settings(Path({str(index)!r}), port=0, token="x" * 43, marks=None)
        run.serve(settings, lambda line: None, started=lambda *a: print("up", flush=True), leave=start.leave)
    """
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "TMPDIR": str(tmp), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 143 and "Traceback" not in errors
    assert not list(tmp.glob("prom3e-index*"))
