"""A cluster without Ray: the same workers, called one after another in this process."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from prom3e_index.errors import InputError
from prom3e_index.indexer.cluster import stream


class Plain:
    """Sends rows through workers as `Stream` does; fails after `fails_after` rows, and notes what came through."""

    processors, cards = 4, 0

    def __init__(self) -> None:
        self.fails_after: int | None = None
        self.done: list[dict] = []

    def run(self, given, stages, job, done):
        workers = [worker(job) for worker, _ in stages]
        for at in range(len(given)):
            if self.fails_after is not None and len(self.done) >= self.fails_after:
                raise InputError("the cluster is gone")
            table = given.slice(at, 1)
            for worker in workers:
                table = worker(table)
            for row in table.to_pylist():
                self.done.append(row)
                done(row)
        for worker in workers:
            if getattr(worker, "_pool", None) is not None:
                worker._pool.close()


@pytest.fixture
def plain(monkeypatch):
    found = Plain()

    @contextmanager
    def joined(address):
        yield found

    monkeypatch.setattr(stream, "joined", joined)
    return found
