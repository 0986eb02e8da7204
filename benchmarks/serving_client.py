"""A client of `prom3e-index serve` that costs little beside what it measures; a server, and the memory it takes."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
}
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Client:
    """One connection that is kept, HTTP/1.1 as far as our server speaks it."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", type: str = "application/json"
    ) -> Reply:
        """Status, headers and body."""
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # the server has closed what was idle for some seconds
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: {type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            k.strip().lower(): v.strip()
            for k, _, v in (line.partition(":") for line in lines[1:] if line)
        }
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self.close()
        return int(lines[0].split()[1]), headers, data

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def upload(self, file: Path) -> str:
        """Send a file; its name there."""
        status, _, data = await self.ask(
            "PUT", "/api/v1/uploads", file.read_bytes(), TYPES[file.suffix]
        )
        if status not in (200, 201):
            raise SystemExit(f"{file.name}: {status} {data[:300]!r}")
        return str(json.loads(data)["upload"])

    async def search(self, query: dict[str, Any], k: int) -> Reply:
        """Ask for the k observations with the best photos."""
        body = {"query": query, "target": "image", "k": k}
        return await self.ask("POST", "/api/v1/searches", json.dumps(body).encode())


def memory(pid: int) -> float:
    """Resident megabytes of a process and its children; the last are its decode processes."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "status").read_text()
            except OSError:
                continue
            own = {
                k: v.split()[0]
                for k, _, v in (line.partition(":") for line in status.splitlines())
                if v.strip()
            }
            if pid in (int(folder.name), int(own["PPid"])):
                total += int(own.get("VmRSS", 0))
    return total / 1024


def begin_server(index: Path) -> tuple[subprocess.Popen[str], int, str]:
    """A server in a process of its own, with the port and token that it says."""
    command = [
        sys.executable,
        "-m",
        "prom3e_index.cli.app",
        "serve",
        str(index),
        "--port",
        "0",
        "--no-marks",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
        if address:
            return server, int(address[1]), address[2]
    raise SystemExit(f"the server ended with {server.wait()} before it said its address")
