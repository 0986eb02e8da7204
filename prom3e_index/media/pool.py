"""Decoding in worker processes: bounded, in order, and safe from files that crash or hang."""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, MediaError

K = TypeVar("K")
Decoded = NDArray[Any] | MediaError
Noted = tuple[Decoded, str | None]
_CLOSED = "The decode processes were ended."
_MAX_ARRAY = 1 << 31
_MAX_HEAD = 1 << 17
"""Bytes of an answer's first line: the longest path that Linux knows, each letter escaped, and some words."""


@dataclass(frozen=True)
class Task:
    """One file to decode: modality, path, and the fields of its `ImageSpec` or `AudioSpec`.

    `thumbnail` and `spectrogram` are decoded to be looked at, `duration` and `spans` are of recordings; see
    `worker.decode`.
    """

    kind: str
    path: Path
    spec: dict[str, Any]


class _Worker:
    """One decode process, started when needed, and replaced when it dies or has decoded its share of files."""

    def __init__(self, command: list[str], timeout_s: float, files: int | None) -> None:
        self._command, self._timeout, self._most = command, timeout_s, files
        self._decoded, self._ended = 0, False
        self._busy = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: selectors.BaseSelector | None = None
        self._held = bytearray()

    def _begin(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._process, self._decoded = process, 0
            if self._ended:  # while this one was being started, which `end` could not see
                self.close()
                raise InputError(_CLOSED)
            answers = selectors.DefaultSelector()  # not `select`, which ends at descriptor 1,023
            answers.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
            self._answers = answers
        except OSError as e:
            self.close()
            raise InputError(
                f"No decode process can be started: {e.strerror}. Media files cannot be read until "
                "the system has room for one."
            ) from e
        return process

    def decode(self, task: Task) -> Noted:
        """What a file holds, or why it cannot be had; and what is to be said of it."""
        with self._busy:
            out = self._decode(task)
            self._decoded += 1
            if self._most is not None and self._decoded >= self._most and not self._ended:
                self.close()
                with suppress(InputError):  # which the next file tells
                    self._begin()  # at once, so that it is ready when the next file comes
            return out

    def _decode(self, task: Task) -> Noted:
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            process = self._begin()
        request = {"kind": task.kind, "path": str(task.path), "spec": task.spec}
        deadline = time.monotonic() + self._timeout
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(self._read_line(deadline))
            if "error" in head:
                return MediaError(str(head["error"])), None
            dtype, shape = np.dtype(str(head["dtype"])), tuple(int(v) for v in head["shape"])
            size = math.prod(shape) * dtype.itemsize
            if dtype.kind not in "uif" or min(shape, default=0) < 0 or size > _MAX_ARRAY:
                raise ValueError
            array = np.frombuffer(self._read(size, deadline), dtype).reshape(shape)
            return array, str(head["note"]) if "note" in head else None
        except TimeoutError:
            self.close()
            return MediaError(f"{task.path}: decoding took longer than {self._timeout:g} s"), None
        except (EOFError, OSError):
            code = self.close()
            return MediaError(f"{task.path}: the decoder crashed (exit code {code})"), None
        except (ValueError, TypeError, KeyError, AttributeError):
            self.close()
            return MediaError(f"{task.path}: the decoder answered nonsense"), None

    def _read(self, size: int, deadline: float) -> bytes:
        while len(self._held) < size:
            self._more(deadline)
        out = bytes(self._held[:size])
        del self._held[:size]
        return out

    def _read_line(self, deadline: float) -> bytes:
        while (end := self._held.find(b"\n", 0, _MAX_HEAD)) < 0:
            if len(self._held) >= _MAX_HEAD:
                raise ValueError
            self._more(deadline)
        return self._read(end + 1, deadline)

    def _more(self, deadline: float) -> None:
        process, answers = self._process, self._answers
        if process is None or answers is None:
            raise EOFError  # ended while it was asked
        if not answers.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        assert process.stdout is not None
        data = os.read(process.stdout.fileno(), 1 << 20)
        if not data:
            raise EOFError
        self._held += data

    def end(self) -> None:
        """End the process, and start no other.

        The thread that waits for an answer lets go of the pipes itself: closed under it, they wake nobody.
        """
        self._ended = True
        process = self._process
        if process is not None:
            process.kill()
        with self._busy:
            self.close()

    def close(self) -> int | None:
        """End the process; give its exit code."""
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()
        self._held.clear()
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
        files: Files after which a process is replaced by a new one, for pools that are kept; never when None.

    Attributes:
        notes: What is to be said of files that were decoded, by path; a caller may take its own out.
    """

    def __init__(
        self,
        workers: int = 2,
        timeout_s: float = 120.0,
        command: list[str] | None = None,
        files: int | None = None,
    ) -> None:
        self.workers, self._process = max(1, workers), os.getpid()
        self.notes: dict[Path, str] = {}
        start = command or [sys.executable, "-m", "prom3e_index.media.worker"]
        self._own = threading.local()
        self._all: list[_Worker] = []
        self._lock = threading.Lock()

        def begin() -> None:
            self._own.worker = _Worker(start, timeout_s, files)
            with self._lock:
                self._all.append(self._own.worker)

        self._threads = ThreadPoolExecutor(self.workers, "decode", initializer=begin)

    def submit(self, task: Task) -> Future[Decoded]:
        """Decode one file; the future's result is an array or a `MediaError`.

        The future raises InputError when no process can be started.
        """
        return self._threads.submit(self._decode, task)

    def submit_noted(self, task: Task) -> Future[Noted]:
        """Decode one file; the future's result is an array or a `MediaError`, and what is to be said of the file.

        Nothing is written into `notes`, so that a kept pool holds none.
        """
        return self._threads.submit(self._noted, task)

    def _decode(self, task: Task) -> Decoded:
        decoded, note = self._noted(task)
        if note is not None:
            self.notes[task.path] = note
        return decoded

    def _noted(self, task: Task) -> Noted:
        worker: _Worker = self._own.worker
        return worker.decode(task)

    def map(self, tasks: Iterable[tuple[K, Task]], ahead: int = 64) -> Iterator[tuple[K, Decoded]]:
        """Decode in order; at most `ahead` results wait for the caller.

        Returns:
            Pairs of the caller's key and an array or a `MediaError`; never raises for a file,
            but InputError when no process can be started.
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
        """End all processes; one that this process was forked from keeps its own."""
        if os.getpid() != self._process:
            return
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for worker in self._all:
                worker.end()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
