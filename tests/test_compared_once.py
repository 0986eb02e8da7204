"""A process compares a file with its checksum once, as long as nothing says that the file has changed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from prom3e_index.bundle import held_files
from prom3e_index.bundle.held_files import HeldFiles
from prom3e_index.errors import BundleError


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A folder with an array and an index, what a manifest says of them, and how often bytes are hashed."""
    np.save(tmp_path / "a.npy", np.arange(50))
    (tmp_path / "b.faiss").write_bytes(b"index" * 20)
    real, seen = hashlib.sha256, []
    entries = {
        p.name: {"bytes": p.stat().st_size, "sha256": real(p.read_bytes()).hexdigest()}
        for p in tmp_path.iterdir()
    }

    def hashed(data=b""):
        seen.append(len(data))
        return real(data)

    monkeypatch.setattr(held_files.hashlib, "sha256", hashed)
    monkeypatch.setattr(held_files, "_COMPARED", {})
    return tmp_path, entries, seen


def read(folder, entries):
    files = HeldFiles(folder, entries)
    files.pages("a.npy")
    with files.opened("b.faiss"):
        pass
    files.close()


def test_files_that_stay_are_compared_once(counted, monkeypatch):
    folder, entries, seen = counted
    read(folder, entries)
    read(folder, entries)
    assert len(seen) == 4  # just written: they may change within the same tick of the clock
    monkeypatch.setattr(held_files, "_SETTLED_NS", -1)
    read(folder, entries)
    read(folder, entries)
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["a.npy", "b.faiss"])
def test_a_change_is_seen_though_it_was_compared(counted, monkeypatch, name):
    folder, entries, _ = counted
    monkeypatch.setattr(held_files, "_SETTLED_NS", -1)
    read(folder, entries)
    path = folder / name
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(BundleError, match="has checksum"):
        read(folder, entries)
    path.unlink()
    path.write_bytes(changed)
    with pytest.raises(BundleError, match="has checksum"):
        read(folder, entries)


def test_another_statement_of_the_same_bytes_is_compared_anew(counted, monkeypatch):
    folder, entries, _ = counted
    monkeypatch.setattr(held_files, "_SETTLED_NS", -1)
    read(folder, entries)
    entries["a.npy"] = {**entries["a.npy"], "sha256": "0" * 64}
    with pytest.raises(BundleError, match="the manifest says 0000"):
        read(folder, entries)


def test_at_most_so_many_are_remembered(counted, monkeypatch):
    folder, entries, seen = counted
    monkeypatch.setattr(held_files, "_SETTLED_NS", -1)
    monkeypatch.setattr(held_files, "_MOST", 1)
    read(folder, entries)
    read(folder, entries)
    assert len(held_files._COMPARED) == 1 and len(seen) > 2
