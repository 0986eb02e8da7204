"""Completing encoded rows: a segment's embeddings and gallery vectors, on the processor or on a card.

Blocks are read ahead, completed and written behind, each by threads of its own, so that a card waits for the files
and not the files for it. What a card makes equals what the processor makes but for the rounding of half precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.memory_maps import release
from prom3e_index.indexer.new_array import RowFile, save_array
from prom3e_index.indexer.plan import Progress
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.mvae.completion import gallery_halves, hidden_width, infer
from prom3e_index.search.hubness import Bank
from prom3e_index.search.score import gallery

Halves = NDArray[np.float16]
BLOCK = 4096
"""Rows at a time: `Bank.bias` takes as many, and what it gives depends on how many there are, in the last bit."""
CARD_BLOCK = 8192
"""Rows at a time on a card: its work on them outweighs what starting it costs."""
FEWEST = 64
"""Rows with each modality that a processor completes at least: products of fewer sum in another order, and a row that
is added alone would differ in the last bit from itself among others. 12 suffice for one thread, 32 for two."""
_WRITERS = 4


@dataclass(frozen=True)
class KeptRows:
    """Encoded rows that have any modality left.

    Attributes:
        work: Where they were planned and encoded.
        model: Whose embeddings they are; its device completes them.
        kept: (n,) rows of the work, ascending.
        present: (n, m) which modalities they have.
    """

    work: Path
    model: Model
    kept: NDArray[np.int64]
    present: NDArray[np.bool_]


def complete(rows: KeptRows, stage: Path, hubs: str, progress: Progress) -> NDArray[np.float32]:
    """Write embeddings and gallery vectors of the kept rows; give ‖σ‖₁.

    Args:
        rows: Which they are.
        stage: The segment's folder.
        hubs: Method against hubs.
        progress: Told of each block.
    """
    work, model, kept, present = rows.work, rows.model, rows.kept, rows.present
    n, names = len(kept), model.modalities
    raw = {m: np.load(work / "embeddings" / f"{m}.npy", mmap_mode="r") for m in names}
    save_array(stage / "embeddings" / "present.npy", present)
    sigma_l1 = np.zeros(n, np.float32)
    bank = None if hubs == NO_HUBS else Bank(model, hubs)
    width = model.width + hidden_width(model) + (0 if bank is None else len(names))
    size = block_of(model)
    parts = [slice(at, min(n, at + size)) for at in range(0, n, size)]

    def read(part: slice) -> list[Halves]:
        has = present[part]
        out = [
            np.where(has[:, i, None], _some(raw[m], kept[part]), np.float16(0))
            for i, m in enumerate(names)
        ]
        for array in raw.values():
            release(array)
        return out

    with ExitStack() as stack:
        saved, vectors = (
            [stack.enter_context(RowFile(stage / folder / f"{m}.npy", (n, w))) for m in names]
            for folder, w in (("embeddings", model.width), ("vectors", width))
        )
        reader = stack.enter_context(ThreadPoolExecutor(1, "read"))
        writer = stack.enter_context(ThreadPoolExecutor(_WRITERS, "write"))
        behind: list[Future[None]] = []
        for part, stored in _ahead(reader, read, parts):
            made, sigma_l1[part] = completed(model, stored, present[part], bank)
            _settled(behind)
            behind = [
                writer.submit(file.write, part.start, block)
                for files, blocks in ((saved, stored), (vectors, made))
                for file, block in zip(files, blocks, strict=True)
            ]
            progress("complete", part.stop, n)
        _settled(behind)
        _settled([writer.submit(file.settle) for file in (*saved, *vectors)])
    return sigma_l1


def block_of(model: Model) -> int:
    """Rows that are completed at a time."""
    return CARD_BLOCK if is_card(model.device) else BLOCK


def completed(
    model: Model,
    stored: Sequence[Halves],
    has: NDArray[np.bool_],
    bank: Bank | None,
    epsilon: Sequence[float] | None = None,
) -> tuple[list[Halves], NDArray[np.float32]]:
    """Complete one block of rows.

    Args:
        model: Whose embeddings they are; its device does the work.
        stored: Of each modality (n, d), zeros where a row does not have it.
        has: (n, m) which modalities the rows have.
        bank: What the bias against hubs follows from; None where there is none.
        epsilon: Of each target, the share of the reconstruction where observed; the model's, when None.

    Returns:
        Gallery vectors of each target, (n, d + z) and the bias's columns, and ‖σ‖₁ (n,).
    """
    compute = _on_card if is_card(model.device) else _on_processor
    if epsilon is None:
        epsilon = [model.weights((), m).epsilon for m in model.modalities]
    return compute(model, stored, has, bank, epsilon)


def _settled(tasks: Sequence[Future[None]]) -> None:
    for task in tasks:
        task.result()


def _ahead(
    reader: ThreadPoolExecutor, read: Any, parts: Sequence[slice]
) -> Iterator[tuple[slice, list[Halves]]]:
    """Each part with what was read of it, while the next is being read."""
    coming = reader.submit(read, parts[0]) if parts else None
    for number, part in enumerate(parts):
        assert coming is not None
        stored = coming.result()
        if number + 1 < len(parts):
            coming = reader.submit(read, parts[number + 1])
        yield part, stored


def _some(array: Halves, rows: NDArray[np.int64]) -> Halves:
    """Some rows of a stored array, ascending; those that lie side by side are read as one piece."""
    first, last = int(rows[0]), int(rows[-1])
    return array[first : last + 1] if last - first == len(rows) - 1 else array[rows]


def _enough(has: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows to complete once more, so that each modality that any row has (n, m) is there `FEWEST` times."""
    counts = has.sum(axis=0)
    rare = np.flatnonzero((counts > 0) & (counts < FEWEST))
    return np.repeat(has[:, rare].argmax(axis=0), FEWEST - counts[rare])


def _on_processor(
    model: Model,
    stored: Sequence[Halves],
    has: NDArray[np.bool_],
    bank: Bank | None,
    epsilon: Sequence[float],
) -> tuple[list[Halves], NDArray[np.float32]]:
    """Gallery vectors of each target and ‖σ‖₁ of a block."""
    names, n = model.modalities, len(has)
    x = np.stack([np.asarray(s, np.float32) for s in stored], axis=1)
    more = _enough(has)
    if len(more):
        x, has = np.concatenate([x, x[more]]), np.concatenate([has, has[more]])
    inferred = infer(model, x, has, names)
    made = []
    for i, m in enumerate(names):
        reconstructed = inferred.reconstructed[:, i]
        rows = gallery(x[:, i], has[:, i], reconstructed, inferred.hidden, epsilon[i])
        made.append(_with_bias(rows.astype(np.float16), m, bank)[:n])
    return made, inferred.sigma_l1[:n]


def _on_card(
    model: Model,
    stored: Sequence[Halves],
    has: NDArray[np.bool_],
    bank: Bank | None,
    epsilon: Sequence[float],
) -> tuple[list[Halves], NDArray[np.float32]]:
    """As `_on_processor`, moving half precision alone."""
    made, sigma_l1 = gallery_halves(model, stored, has, epsilon)
    return [_with_bias(g, m, bank) for g, m in zip(made, model.modalities, strict=True)], sigma_l1


def _with_bias(rows: Halves, target: str, bank: Bank | None) -> Halves:
    return rows if bank is None else np.concatenate([rows, bank.bias(rows, target)], axis=1)
