"""A server whose disk is full says so, keeps nothing by halves, and goes on when there is room again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from served import serving

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/home/somebody/tmp/file")


@pytest.fixture(scope="module")
def one(bundle_path):
    with serving(bundle_path) as server:
        yield server


@pytest.fixture
def full(monkeypatch):
    """The disk has room for half of what is written."""
    opened, written = Path.open, Path.write_bytes

    def open_full(path, mode="r", *args, **given):
        return (
            opened(Path("/dev/full"), "wb") if "x" in mode else opened(path, mode, *args, **given)
        )

    def write_half(path, body):
        written(path, body[: len(body) // 2])
        raise FULL

    def no_folder(*args, **given):
        raise FULL

    with monkeypatch.context() as m:
        m.setattr(Path, "open", open_full)
        m.setattr(Path, "write_bytes", write_half)
        m.setattr("prom3e_index.server.exporting.TemporaryDirectory", no_folder)
        yield m


def said_full(response):
    problem = response.json()
    assert response.status_code == 507 and problem["type"] == "/problems/disk-full", problem
    assert "/home" not in response.text and "tmp/" not in response.text
    return True


def files(one):
    folders = (one.service.uploads.folder, one.service.derived.folder)
    return [p.name for f in folders for p in f.iterdir()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_cannot_be_written_is_told_and_no_half_of_it_stays(one, full, world, bundle):
    photo = next(iter(sorted(world.glob("photos/*"))))
    ((row,),) = bundle.sql("SELECT min(row) FROM observations WHERE has_image")
    id = one.ask({"location": [10.0, 10.0]}, k=3).json()["id"]
    before = files(one)

    assert said_full(one.put(photo, "image/jpeg"))
    assert said_full(one.client.get(f"/api/v1/media/{row}/image"))
    assert said_full(one.client.get(f"/api/v1/searches/{id}/export?format=csv"))
    assert files(one) == before
    assert [type(e) for e in one.faults] == [OSError] * 3  # whoever runs it reads of it
    one.faults.clear()
    assert one.ask({"location": [11.0, 10.0]}, k=3).status_code == 201

    full.undo()

    assert one.put(photo, "image/jpeg").status_code == 201
    assert one.client.get(f"/api/v1/media/{row}/image").status_code == 200
    assert one.client.get(f"/api/v1/searches/{id}/export?format=csv").status_code == 200
    assert one.service.uploads.size == photo.stat().st_size
