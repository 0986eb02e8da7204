"""Decoding in worker processes: bounded, in order, and safe from files that crash or hang."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError

K = TypeVar("K")
Decoded = NDArray[Any] | MediaError
_MAX_ARRAY = 1 << 31


@dataclass(frozen=True)
class Task:
    """One file to decode: modality, path, and the fields of its `ImageSpec` or `AudioSpec`."""

    kind: str
    path: Path
    spec: dict[str, Any]


class _Worker:
    """One decode process, started when needed and replaced when it dies."""

    def __init__(self, command: list[str], timeout_s: float) -> None:
        self._command, self._timeout = command, timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, task: Task) -> Decoded:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        request = {"kind": task.kind, "path": str(task.path), "spec": task.spec}
        deadline = time.monotonic() + self._timeout
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            head = json.loads(self._read_line(deadline))
            if "error" in head:
                return MediaError(head["error"])
            dtype = np.dtype(str(head["dtype"]))
            shape = tuple(int(v) for v in head["shape"])
            size = int(np.prod(shape)) * dtype.itemsize
            if dtype.kind not in "uif" or not 0 <= size <= _MAX_ARRAY:
                raise MediaError(f"{task.path}: the decoder answered nonsense")
            return np.frombuffer(self._read(size, deadline), dtype).reshape(shape)
        except TimeoutError:
            self.close()
            return MediaError(f"{task.path}: decoding took longer than {self._timeout:g} s")
        except (EOFError, BrokenPipeError, json.JSONDecodeError, MediaError) as e:
            code = self.close()
            if isinstance(e, MediaError):
                return e
            return MediaError(f"{task.path}: the decoder crashed (exit code {code})")

    def _read(self, size: int, deadline: float) -> bytes:
        out = bytearray()
        while len(out) < size:
            out += self._some(min(1 << 20, size - len(out)), deadline)
        return bytes(out)

    def _read_line(self, deadline: float) -> bytes:
        out = bytearray()
        while not out.endswith(b"\n"):
            out += self._some(1, deadline)
            if len(out) > 4096:
                raise EOFError
        return bytes(out)

    def _some(self, size: int, deadline: float) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        fd = self._process.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        data = os.read(fd, size)
        if not data:
            raise EOFError
        return data

    def close(self) -> int | None:
        """End the process; give its exit code."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass  # a broken pipe has nothing left to flush
        return code


class DecodePool:
    """Worker processes that decode files ahead of the encoder.

    Args:
        workers: Processes.
        timeout_s: Seconds that one file may take before its process is ended.
        command: What to start; for tests.
    """

    def __init__(
        self, workers: int = 2, timeout_s: float = 120.0, command: list[str] | None = None
    ) -> None:
        self.workers = max(1, workers)
        start = command or [sys.executable, "-m", "prom3e_index.media.worker"]
        self._own = threading.local()
        self._all: list[_Worker] = []
        self._lock = threading.Lock()

        def begin() -> None:
            self._own.worker = _Worker(start, timeout_s)
            with self._lock:
                self._all.append(self._own.worker)

        self._threads = ThreadPoolExecutor(self.workers, "decode", initializer=begin)

    def submit(self, task: Task) -> Future[Decoded]:
        """Decode one file; the future's result is an array or a `MediaError`."""
        return self._threads.submit(self._decode, task)

    def _decode(self, task: Task) -> Decoded:
        worker: _Worker = self._own.worker
        return worker.decode(task)

    def map(self, tasks: Iterable[tuple[K, Task]], ahead: int = 64) -> Iterator[tuple[K, Decoded]]:
        """Decode in order; at most `ahead` results wait for the caller.

        Returns:
            Pairs of the caller's key and an array or a `MediaError`; never raises for a file.
        """
        waiting: deque[tuple[K, Future[Decoded]]] = deque()
        for key, task in tasks:
            waiting.append((key, self.submit(task)))
            if len(waiting) >= ahead:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()

    def close(self) -> None:
        """End all processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._all:
            worker.close()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
