"""Writing FAISS files from stored vectors, in blocks: resident memory does not grow with the rows.

A FAISS file of lists ends with the length of every list, then each list's codes and ids. The centres and the list of
each row are found by `centres`, FAISS encodes, and the lists are written to their places in the file block by block.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.centres import Finder, finder, train
from prom3e_index.bundle.faiss.kinds import FEWEST, Kind, lists_for
from prom3e_index.bundle.faiss.nearest import Assigned
from prom3e_index.bundle.faiss.scan import Vectors, widen
from prom3e_index.bundle.memory_maps import release
from prom3e_index.bundle.write_at import write_at
from prom3e_index.errors import BundleError, InputError

BLOCK_BYTES = 256 << 20
SAMPLE_BYTES = 768 << 20
SAMPLE_SHARE = 64
"""Training rows take 768 MB at most, of galleries above 48 GB a 64th of their bytes."""
_DRAWN = 4096
PER_LIST = 48
"""Training rows per list; FAISS asks for 39 at least."""
_ENCODED = 100_000
"""Training rows that the codes are fitted to."""
Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    return


def build(
    vectors: Vectors,
    path: Path,
    kind: Kind,
    seed: int = 0,
    progress: Progress = _silent,
    device: str = "cpu",
) -> Assigned | None:
    """Write an index of one kind over stored vectors (n, width), rows numbered from 0.

    Args:
        vectors: Memory-mapped; its pages are let go of block by block.
        path: The FAISS file.
        kind: What to write.
        seed: Of the training sample.
        progress: Called with rows done and rows in all.
        device: Where the centres of lists and the list of each row are found; `cuda` gives the same but for near ties.

    Returns:
        (n,) the list of each row, for kinds with lists; None for others.

    Raises:
        BundleError: This FAISS writes another layout than is known.
        InputError: Too few rows for lists, or vectors that are not numbers.
    """
    if kind.name == "exact":
        _flat(vectors, path)
        return None
    if len(vectors) < FEWEST:
        raise InputError(
            f"{len(vectors):,} rows are too few for {kind.name}; {FEWEST:,} are needed."
        )
    import faiss

    n, width = vectors.shape
    if not kind.ivf:
        index = faiss.index_factory(width, kind.factory, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 80
        index.train(sample(vectors, min(n, 100_000), seed))
        for at, part in _blocks(vectors):
            index.add(part)
            progress(at + len(part), n)
        faiss.write_index(index, str(path))
        return None
    index, find = _trained(vectors, kind, seed, device)
    assigned = _assign(find, vectors, progress)
    if (
        kind.name == "ivf-pqfs"
    ):  # its lists are interleaved in blocks of rows and small: kept in memory
        for at, part in _blocks(vectors):
            ids = np.arange(at, at + len(part), dtype=np.int64)
            index.add_with_ids(part, ids)
            progress(n + at + len(part), 2 * n)
        faiss.write_index(index, str(path))
    else:
        _lists(index, vectors, assigned, path, progress)
    return assigned


def _flat(vectors: Vectors, path: Path) -> None:
    """A flat half-precision index: FAISS's header of one row, the count, and the vectors' own bytes."""
    import faiss

    n, width = vectors.shape
    one = faiss.IndexScalarQuantizer(
        width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    one.add(np.asarray(vectors[:1], np.float32))
    head = bytearray(faiss.serialize_index(one).tobytes())
    tail = struct.pack("<Q", 2 * width) + np.ascontiguousarray(vectors[:1], "<f2").tobytes()
    count = slice(8, 16)  # after the four letters of the kind and the width
    if not head.endswith(tail) or head[count] != struct.pack("<q", 1):
        raise _unknown_layout()
    head[count] = struct.pack("<q", n)
    with path.open("wb") as f:
        f.write(head[: -len(tail)])
        f.write(struct.pack("<Q", 2 * width * n))
        size = max(1, BLOCK_BYTES // (8 * width))
        for at in range(0, n, size):
            f.write(np.ascontiguousarray(vectors[at : at + size], "<f2").tobytes())
            release(vectors)


def _unknown_layout() -> BundleError:
    import faiss

    return BundleError(
        f"FAISS {faiss.__version__} writes its files in a layout that is not known here."
    )


def sample(vectors: Vectors, rows: int, seed: int) -> NDArray[np.float32]:
    """Some rows as float32, drawn without repeats; bounded in bytes."""
    n, width = vectors.shape
    rows = min(rows, n, _sample_bytes(vectors) // (4 * width))
    chosen = np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))
    out = np.empty((rows, width), np.float32)
    for at in range(0, rows, _DRAWN):  # each row brings its neighbours in the file into memory
        out[at : at + _DRAWN] = widen(vectors, chosen[at : at + _DRAWN])
        release(vectors)
    if not np.isfinite(out).all():
        raise InputError("The vectors hold values that are not numbers.")
    return out


def _sample_bytes(vectors: Vectors) -> int:
    return max(SAMPLE_BYTES, 2 * int(vectors.size) // SAMPLE_SHARE)


def _trained(vectors: Vectors, kind: Kind, seed: int, device: str) -> tuple[Any, Finder]:
    """An index without rows, and what finds the list of a row."""
    import faiss

    n, width = vectors.shape
    lists = lists_for(n)
    while lists > 64 and 39 * lists * 4 * width > _sample_bytes(
        vectors
    ):  # wide rows: fewer training rows fit
        lists //= 2
    pieces = max(m for m in range(1, width // 4 + 1) if width % m == 0)
    if "{m}" in kind.factory and pieces < width // 16:
        raise InputError(f"Rows of {width} numbers do not divide into pieces for {kind.name}.")
    words = kind.factory.format(m=pieces)
    index = faiss.index_factory(width, f"IVF{lists},{words}", faiss.METRIC_INNER_PRODUCT)
    if kind.name == "ivf-f16":
        index.by_residual = False  # the codes are the vectors' own bytes, the scores exact
    rows = sample(vectors, PER_LIST * lists, seed)
    centres = train(rows, lists, seed + 1, device)
    index.quantizer.add(centres)
    index.train(rows[:: -(-len(rows) // _ENCODED)])
    return index, finder(centres, device)


def _blocks(vectors: Vectors) -> Any:
    n, width = vectors.shape
    size = max(1, BLOCK_BYTES // (4 * width))
    for at in range(0, n, size):
        part = widen(vectors, np.arange(at, min(n, at + size), dtype=np.int64))
        if not np.isfinite(part).all():
            raise InputError(f"Rows {at} to {at + len(part) - 1} hold values that are not numbers.")
        yield at, part
        release(vectors)


def _assign(find: Finder, vectors: Vectors, progress: Progress) -> Assigned:
    out = np.empty(len(vectors), np.int32)
    for at, part in _blocks(vectors):
        out[at : at + len(part)] = find(part)
        progress(at + len(part), 2 * len(vectors))
    return out


def _lists(
    index: Any, vectors: Vectors, assigned: Assigned, path: Path, progress: Progress
) -> None:
    """Write an index of plain lists: FAISS's own head, every list's length, then codes and ids."""
    import faiss

    lists, code, n = index.nlist, index.code_size, len(vectors)
    head = bytearray(faiss.serialize_index(index).tobytes())
    letters = head.rfind(b"ilar")
    empty = b"ilar" + struct.pack("<QQ", lists, code) + b"sprs" + struct.pack("<Q", 0)
    count = slice(8, 16)
    if bytes(head[letters:]) != empty or head[count] != struct.pack("<q", 0):
        raise _unknown_layout()
    head[count] = struct.pack("<q", n)
    sizes = np.bincount(assigned, minlength=lists).astype(np.int64)
    body = bytes(head[:letters]) + b"ilar" + struct.pack("<QQ", lists, code) + b"full"
    body += struct.pack("<Q", lists) + sizes.astype("<u8").tobytes()
    begins = len(body) + np.concatenate([[0], np.cumsum(sizes * (code + 8))])
    filled = np.zeros(lists, np.int64)
    with path.open("wb") as f:
        f.write(body)
        f.truncate(int(begins[-1]))
        f.flush()
        for at, part in _blocks(vectors):
            here = np.ascontiguousarray(assigned[at : at + len(part)], np.int64)
            codes = np.empty((len(part), code), np.uint8)
            index.encode_vectors(len(part), *map(faiss.swig_ptr, (part, here, codes)))
            order = np.argsort(here, kind="stable")
            ids = (at + order).astype("<i8")
            _append(f.fileno(), codes[order], ids, here[order], begins, sizes, filled)
            progress(n + at + len(part), 2 * n)


def _append(
    file: int,
    codes: NDArray[np.uint8],
    ids: NDArray[np.int64],
    lists: NDArray[np.int64],
    begins: NDArray[np.int64],
    sizes: NDArray[np.int64],
    filled: NDArray[np.int64],
) -> None:
    """Write a block's rows, which stand list by list, to their places in the file."""
    numbers, first, count = np.unique(lists, return_index=True, return_counts=True)
    code = codes.shape[1]
    to_codes = begins[numbers] + filled[numbers] * code
    to_ids = begins[numbers] + sizes[numbers] * code + 8 * filled[numbers]
    filled[numbers] += count
    places = zip(*(a.tolist() for a in (first, first + count, to_codes, to_ids)), strict=True)
    for begin, end, codes_at, ids_at in places:
        write_at(file, codes[begin:end], codes_at)
        write_at(file, ids[begin:end], ids_at)
