"""FAISS files, lists and records from anyone: refused or answered, never followed out of the index's memory."""

from __future__ import annotations

import subprocess
import sys

import faiss
import numpy as np
import pytest

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.search import Gallery, Point
from prom3e_index.bundle.faiss.write import build
from prom3e_index.errors import BundleError

N, WIDTH = 2_600, 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)
    np.save(folder / "v.npy", rng.normal(size=(N, WIDTH)).astype(np.float16))
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    for name, kind in KINDS.items():
        assigned = build(vectors, folder / name, kind)
        if assigned is not None:
            np.save(folder / f"{name}.lists.npy", assigned)
    return folder


def opened(folder, name, path=None, assigned=None):
    vectors = np.load(folder / "v.npy", mmap_mode="r")
    if assigned is None and KINDS[name].ivf:
        assigned = np.load(folder / f"{name}.lists.npy")
    point = Point(name, probes=64, candidates=4, beam=64)
    return Gallery(str(path or folder / name), vectors, point, assigned)


@pytest.mark.parametrize("name", [k for k in KINDS if KINDS[k].ivf])
@pytest.mark.parametrize("far", [N, 10**9, -2, -(2**60)])
def test_ids_outside_the_rows_are_refused_after_every_search(folder, tmp_path, name, far):
    index = faiss.read_index(str(folder / name))
    held = faiss.downcast_InvertedLists(index.invlists)
    if name == "ivf-pqfs":
        data = bytearray((folder / name).read_bytes())
        at = data.rindex(b"ilbl") + 4 + 4 * 8  # then for each list: ids, codes
        for number in range(index.nlist):
            size = held.list_size(number)
            data[at + 8 : at + 8 + 8 * size] = np.full(size, far, "<i8").tobytes()
            at += 16 + 8 * size + -(-size // 32) * held.block_size
        (tmp_path / "i").write_bytes(data)
    else:
        for number in range(index.nlist):
            size = held.list_size(number)
            ids = faiss.rev_swig_ptr(held.get_ids(number), size)
            ids[:] = far
        faiss.write_index(index, str(tmp_path / "i"))
    gallery = opened(folder, name, tmp_path / "i")
    queries = np.asarray(gallery.vectors[:40], np.float32)
    with pytest.raises(BundleError, match="names rows .* the gallery has 0 to 2599"):
        gallery.search(queries, 60)


@pytest.mark.parametrize("name", ["ivf-f16", "ivf-pqfs"])
@pytest.mark.parametrize("row, number, words", [
    (0, -1, "lists -1 to"), (5, 10**6, "lists 0 to 1000000"), (7, None, "other rows than the list"),
])  # fmt: skip
def test_lists_of_rows_that_cannot_be_are_refused_at_opening(folder, name, row, number, words):
    assigned = np.load(folder / f"{name}.lists.npy")
    assigned[row] = (assigned[row] + 1) % 64 if number is None else number
    with pytest.raises(BundleError, match=words):
        opened(folder, name, assigned=assigned)


def graph_with(folder, change):
    index = faiss.read_index(str(folder / "hnsw-sq8"))
    change(index)
    return index


def set_in(vector, at, value):
    values = faiss.vector_to_array(vector)
    values[at] = value
    faiss.copy_array_to_vector(values, vector)


@pytest.mark.parametrize("change", [
    lambda i: set_in(i.hnsw.neighbors, 3, N),
    lambda i: set_in(i.hnsw.neighbors, 3, -7),
    lambda i: setattr(i.hnsw, "entry_point", N + 5),
    lambda i: setattr(i.hnsw, "max_level", 40),
    lambda i: set_in(i.hnsw.levels, 0, 9),
    lambda i: set_in(i.hnsw.offsets, 1, 2**40),
])  # fmt: skip
def test_graphs_that_lead_outside_are_refused(folder, tmp_path, change):
    faiss.write_index(graph_with(folder, change), str(tmp_path / "i"))
    with pytest.raises(BundleError, match=r"hnsw-sq8 index|no readable FAISS index"):
        opened(folder, "hnsw-sq8", tmp_path / "i")


@pytest.mark.parametrize("held, wanted", [
    (a, b) for a in KINDS for b in KINDS if a != b and not {a, b} <= {"ivf-f16"}
])  # fmt: skip
def test_a_file_of_another_kind_is_refused(folder, held, wanted):
    lists = held if KINDS[held].ivf else "ivf-f16"
    assigned = np.load(folder / f"{lists}.lists.npy") if KINDS[wanted].ivf else None
    with pytest.raises(BundleError, match=f"is no {wanted} index"):
        opened(folder, wanted, folder / held, assigned)


def test_lists_in_another_file_are_refused(folder, tmp_path):
    (tmp_path / "other").write_bytes(b"x" * 10_000_000)
    index = faiss.read_index(str(folder / "ivf-sq8"))
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, str(tmp_path / "lists"))
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists)
    faiss.write_index(index, str(tmp_path / "i"))
    with pytest.raises(BundleError, match="other file with the lists"):
        opened(folder, "ivf-sq8", tmp_path / "i")


MUTATE = """
import sys, random, numpy as np
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_hostile_index_files import *
from prom3e_index.bundle.faiss.search import Subset
folder, name = Path({folder!r}), {name!r}
data, rng = (folder / name).read_bytes(), random.Random(1)
for _ in range(25):
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3])):
        at = rng.randrange(min(len(data), 600) if rng.random() < 0.6 else len(data))
        changed[at : at + 4] = rng.randbytes(4)
    path = folder / f"changed-{{name}}"
    path.write_bytes(changed[: len(data)])
    try:
        gallery = opened(folder, name, path)
        for subset in (None, Subset(np.arange(0, N, 2), N)):
            scores, rows, _ = gallery.search(np.asarray(gallery.vectors[:3], np.float32), 10, subset)
            assert rows.shape == (3, 10) and 0 <= rows.min() and rows.max() < N
    except BundleError:
        pass
print("alive")
"""


@pytest.mark.parametrize("name", list(KINDS))
def test_no_change_of_a_file_ends_the_process(folder, name):
    code = MUTATE.format(
        tests=str(folder.__class__(__file__).parent), folder=str(folder), name=name
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "alive", (done.returncode, done.stderr[-500:])
