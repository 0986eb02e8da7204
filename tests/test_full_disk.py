"""A full disk is an error that says so, wherever it is met; nothing is left half made."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from changes import answers, ids_of, places, quiet

from prom3e_index.bundle.filters import Filter
from prom3e_index.grid.grid import Grid
from prom3e_index.grid.write import Band, write_raster
from prom3e_index.indexer import new_array as module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.new_array import new_array, save_array
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


@pytest.mark.parametrize("shape", [(0,), (0, 4), (1,), (7, 3), (300_000, 4)])
@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.bool_, np.float32])
@pytest.mark.parametrize("able", [True, False])
def test_a_new_array_is_zeros_with_room_on_the_disk(tmp_path, monkeypatch, shape, dtype, able):
    if not able:  # as on macOS
        monkeypatch.delattr(module.os, "posix_fallocate")
    array = new_array(tmp_path / "a.npy", shape, dtype)
    assert array.shape == shape and array.dtype == dtype and not array.any()
    stat = (tmp_path / "a.npy").stat()
    assert stat.st_blocks * 512 >= array.nbytes
    if array.size:
        array[-1] = 1
        array.flush()
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    save_array(tmp_path / "a.npy", np.ones(shape, dtype))  # over an earlier one
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.ones(shape, dtype))


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_room_leaves_no_array(tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device") as said:
        new_array(tmp_path / "a.npy", (9, 9))
    assert said.value.filename == str(tmp_path / "a.npy") and not list(tmp_path.iterdir())


def test_every_change_without_room_leaves_the_index_as_it_was(index, tmp_path, monkeypatch, fast):
    before, table = answers(Bundle.open(index), ["loc"]), places(tmp_path / "n.csv", ["n1"])
    config = BuildConfig(table=table, out=index, workers=1, model="mini")
    remove(index, Filter(where="id = 'a23'"), None, quiet)
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "posix_fallocate", full)
        for run in (
            lambda: add(index, config, quiet),
            lambda: remove(index, Filter(where="row = 0"), None, quiet),
            lambda: compact(index, quiet),
            lambda: build(BuildConfig(table=table, out=index, overwrite=True, model="mini")),
        ):
            with pytest.raises(OSError, match="No space left on device"):
                run()
            assert ids_of(Bundle.open(index)) == {f"a{i}" for i in range(23)}
    assert add(index, config, quiet).added == 1
    assert "n1" in ids_of(Bundle.open(index)) and before


@pytest.mark.parametrize("raised, is_full", [
    (RuntimeError('IO Error: Could not write file "/x/y": No space left on device'), True),
    (OSError("4096 requested and 17 written"), True),
    (RuntimeError("Error in faiss: fwrite: No space left on device"), True),
    (RuntimeError("another matter"), False),
    (OSError(errno.EACCES, "Permission denied"), False),
    (ValueError("No row"), False),
])  # fmt: skip
def test_every_library_s_words_for_it_are_one_error(raised, is_full):
    @full_disk_said
    def work():
        raise raised

    with pytest.raises(OSError if is_full else type(raised)) as said:
        work()
    assert (getattr(said.value, "errno", None) == errno.ENOSPC) is is_full
    assert is_full or said.value is raised


def limited(folder, table: str, size: int) -> subprocess.CompletedProcess:
    """A build in a process whose files may not be larger than `size`."""
    code = (
        "import resource, sys\nfrom prom3e_index.cli import app\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        f"sys.argv = ['prom3e-index', 'build', {table!r}, '--model', 'mini', '--index', {str(folder / 'i.p3i')!r}]\napp.main()\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_limit_of_file_size_is_an_error_not_a_signal(tmp_path):
    """Arrays of 3,000 rows are 3 MB and may be 2: the program ends with a line and code 2."""
    done = limited(tmp_path, places(tmp_path / "t.csv", [f"a{i}" for i in range(3_000)]), 2 << 20)
    assert done.returncode == 2, (done.returncode, done.stderr[-500:])
    assert done.stderr.splitlines()[-1].startswith("Error: File too large")
    assert not (tmp_path / "i.p3i").exists()


@pytest.mark.parametrize("megabytes", [8, 24])
def test_a_disk_that_is_really_full(tmp_path, megabytes):
    """A small file system in memory; the arrays, the databases or the FAISS files do not fit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    table = places(tmp_path / "t.csv", [f"a{i}" for i in range(3_000)])
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)],
                          capture_output=True, text=True)  # fmt: skip
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
    try:
        done = subprocess.run([sys.executable, "-m", "prom3e_index.cli.app", "build", table, "--model", "mini",
                               "--index", str(disk / "i.p3i")], capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 2, (done.returncode, done.stderr[-500:])
        assert "the disk is full" in done.stderr and not (disk / "i.p3i").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_embeddings_and_maps_on_a_full_disk(tmp_path):
    """Of `infer` and of maps: one line that says so, no file and no traceback."""
    disk, source = tmp_path / "disk", tmp_path / "e.npz"
    disk.mkdir()
    rng = np.random.default_rng(0)
    np.savez(source, embeddings=rng.normal(size=(300, 6, 512)).astype(np.float32))
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
                          capture_output=True, text=True)  # fmt: skip
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
    try:
        done = subprocess.run([sys.executable, "-m", "prom3e_index.cli.app", "infer", str(source), "--model", "mini",
                               "-o", str(disk / "o.npz")], capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 2 and "Error: the disk is full" in done.stderr
        assert "Traceback" not in done.stderr and not list(disk.iterdir())

        grid = Grid.of("world", "1deg")
        with pytest.raises(OSError, match="No space left on device"):
            write_raster(disk / "m.tif", grid, [Band("value", rng.normal(size=len(grid)))], {})
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
