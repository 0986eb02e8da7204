"""Decode processes that one test leaves whole serve the next: starting one costs more than what a test has it decode.

`test_decoding` is about their start and end, and has its own.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest

from prom3e_index.media import pool

_MOST = 4
_REAL = [sys.executable, "-m", "prom3e_index.media.worker"]
_idle: list[tuple[Hashable, Any, Any]] = []
"""What a process was started in, the process and its answers, the latest last."""
_lock = threading.Lock()
"""A pool's threads take processes at once; two of them with one would get each other's answers."""
_begin, _close = pool._Worker._begin, pool.DecodePool.close


def _surroundings() -> Hashable:
    """What a process takes over when it starts."""
    env = frozenset((k, v) for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_AS)
    return Path.cwd(), env, limits


def _begin_or_take(worker):
    if worker._command != _REAL:
        return _begin(worker)
    wanted = _surroundings()
    with _lock:
        for i, (started_in, process, answers) in enumerate(_idle):
            if started_in == wanted and process.poll() is None:
                del _idle[i]
                worker._process, worker._answers, worker.started_in = process, answers, wanted
                return process
    worker.started_in = wanted
    return _begin(worker)


def _close_or_keep(self):
    self._threads.shutdown(wait=True, cancel_futures=True)  # none is being asked from here on
    for worker in self._all:
        process, answers = worker._process, worker._answers
        whole = process is not None and process.poll() is None and not worker._held
        if whole and worker._command == _REAL:
            worker._process = worker._answers = None
            _idle.append((worker.started_in, process, answers))
        worker.close()
    while len(_idle) > _MOST:
        _end(*_idle.pop(0)[1:])


def _end(process, answers) -> None:
    answers.close()
    process.kill()
    process.communicate()


@pytest.fixture(scope="session", autouse=True)
def decoders():
    """Give decode processes of earlier tests to later ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool._Worker, "_begin", _begin_or_take)
        patch.setattr(pool.DecodePool, "close", _close_or_keep)
        yield
    while _idle:
        _end(*_idle.pop()[1:])


@pytest.fixture
def own_decoders(monkeypatch):
    """Every process is begun for the test that it serves."""
    monkeypatch.setattr(pool._Worker, "_begin", _begin)
    monkeypatch.setattr(pool.DecodePool, "close", _close)
