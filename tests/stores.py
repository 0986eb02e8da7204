"""Vector stores for tests: the real server of the wheel `milvus`, on free ports with its data in a temporary folder, and
Milvus Lite. What needs them is skipped where they are not installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

READY_S = 90


@contextmanager
def milvus_server(folder: Path, keep: bool = False):
    """Run a standalone server; gives its port, and a call that kills it and one that starts it again."""
    milvus = pytest.importorskip("milvus")
    server = _Server(milvus, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


class _Server:
    """The binary of the wheel, run by us, so that it can be killed and started again on the same data."""

    def __init__(self, milvus, folder: Path) -> None:
        self._milvus, self.folder, self._process = milvus, folder, None
        folder.mkdir(parents=True, exist_ok=True)
        self._health = _free_ports(1)[0]
        config = milvus.MilvusServerConfig(data_dir=str(folder))
        named = sorted(n for n in config.configurable_items if n.endswith("_port"))
        self._ports = dict(zip(named, _free_ports(len(named)), strict=True))
        self.port = self._ports["proxy_port"]

    @property
    def address(self) -> str:
        return f"milvus://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self._milvus.MilvusServerConfig(data_dir=str(self.folder), **self._ports)
        if not (self.folder / "configs" / "milvus.yaml").exists():
            config.resolve()
            self._with_own_peers(self.folder / "configs" / "milvus.yaml")
        self._milvus._initialize_data_files(str(self.folder))
        path = self.folder / "bin" / "milvus"
        envs = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(path.parent),
        }
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [str(path), "run", "standalone"], env=envs, cwd=self.folder, stdout=log, stderr=log
        )
        log.close()
        end = time.monotonic() + READY_S
        while True:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{self._health}/healthz", timeout=5
                ) as answer:
                    if b"OK" in answer.read():
                        time.sleep(1)  # its proxy answers a moment later
                        return
            except OSError:
                pass
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                pytest.fail(
                    f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}"
                )
            time.sleep(0.2)

    def _with_own_peers(self, settings: Path) -> None:
        """Give the etcd within a port of its own for its peers too: it has one for all, which a second server lacks."""
        client, peers = (
            f"http://127.0.0.1:{p}" for p in (self._ports["etcd_port"], *_free_ports(1))
        )
        etcd = settings.with_name("etcd.yaml")
        etcd.write_text(
            f"name: default\nlisten-peer-urls: {peers}\ninitial-advertise-peer-urls: {peers}\n"
            f"initial-cluster: default={peers}\nlisten-client-urls: {client}\nadvertise-client-urls: {client}\n"
        )
        text = settings.read_text()
        assert text.count("\netcd:\n") == 1
        settings.write_text(text.replace("\netcd:\n", f"\netcd:\n  config:\n    path: {etcd}\n"))

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)
        self._process = None


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Way:
    """The way to a server, which can be closed and opened again: a port whose bytes are handed on."""

    def __init__(self, port: int) -> None:
        self._to, self._ends = port, []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.open = True
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                if not self.open:
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(1 << 16):
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        self.open = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends = []

    def close(self) -> None:
        self.shut()
        self._listening.close()


@pytest.fixture(scope="session")
def server():
    """One server for all tests that do not harm it."""
    with milvus_server(Path(tempfile.mkdtemp(prefix="milvus-"))) as running:
        yield running


@pytest.fixture(scope="session")
def lite(tmp_path_factory) -> str:
    """The beginning of addresses of Milvus Lite."""
    pytest.importorskip("milvus_lite")
    pytest.importorskip("pymilvus")
    return f"milvus-lite://{tmp_path_factory.mktemp('lite') / 'stores.db'}"


def of_test(server: str, request) -> str:
    """The address of a store that is named after its test."""
    name = re.sub(r"[\W_]+", "_", request.node.name)[-50:].strip("_")
    return f"{server}/t_{name}"


@pytest.fixture
def copied_index(bundle_path, tmp_path) -> Path:
    """A copy of the tiny index, to be changed and pushed."""
    return shutil.copytree(bundle_path, tmp_path / "index.p3i")
