"""Kinds of index, what they cost, and which one is chosen; the measured reasons stand in README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prom3e_index.errors import InputError

EXACT_BYTES_MS = 12e6
"""Bytes of vectors that one exact query reads per millisecond on one core: half of what was measured, for laptops."""
FEWEST = 64 * 39
"""Rows that the fewest lists, 64, are trained on."""
EXACT_ROWS = 50_000
"""Up to here a search is exact whatever is asked: an index would gain less than a millisecond or two."""


@dataclass(frozen=True)
class Kind:
    """A kind of index.

    Attributes:
        name: As in the manifest and `--kind`.
        factory: FAISS's words for what follows the coarse quantizer; empty for a flat index.
        ivf: Whether rows lie in lists, found by a coarse quantizer.
        bits: Per dimension, of one row's code.
        extra: Bytes per row besides: ids, factors, graph.
        refined: Whether candidates are scored again from the stored vectors.
        first: Candidates per hit tried first, where refined.
    """

    name: str
    factory: str
    ivf: bool
    bits: float
    extra: int
    refined: bool
    first: int = 1

    def row_bytes(self, width: int) -> float:
        """Bytes of one row in the FAISS file."""
        return width * self.bits / 8 + self.extra


KINDS = {
    k.name: k
    for k in (
        Kind("exact", "", False, 16, 0, False),
        Kind("ivf-f16", "SQfp16", True, 16, 12, False),
        Kind("ivf-sq8", "SQ8", True, 8, 12, True, 2),
        Kind("ivf-rabitq4", "RaBitQ4", True, 4, 32, True, 4),
        Kind("ivf-pqfs", "PQ{m}x4fs", True, 1, 12, True, 32),
        Kind("hnsw-sq8", "HNSW32,SQ8", False, 8, 272, True, 2),
    )
}
"""By name, most exact first; `hnsw-sq8` is chosen only when asked for, since it cannot filter or delete."""


def parse_bytes(text: str) -> float:
    """Read `8GB`, `500MB`, `2.5 GiB`, `8G` into bytes.

    Raises:
        InputError: Anything else; a number alone, which would be bytes and is never meant so.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])(i?)b?\s*", text, re.IGNORECASE)
    if not found or not float(found[1]):
        alone = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*", text)
        more = f"; write {alone[1]}GB or {alone[1]}MB" if alone and float(alone[1]) else ""
        raise InputError(
            f"--memory needs a number and a unit, as 8GB or 500MB, not {text!r}{more}."
        )
    base = 1024 if found[3] else 1000
    return float(found[1]) * float(base ** " kmgt".index(found[2].lower()))


def parse_milliseconds(text: str) -> float:
    """Read `5ms` or `0.2s` into milliseconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)\s*", text, re.IGNORECASE)
    if not found or not float(found[1]):
        raise InputError(f"--latency is a time as 5ms or 0.2s, not {text!r}.")
    return float(found[1]) * (1000 if found[2].lower() == "s" else 1)


def lists_for(rows: int) -> int:
    """Lists of a coarse quantizer: the first power of two from 2.5 · √rows on that still holds 39 rows a list."""
    lists = 64
    while lists < 2.5 * rows**0.5 and lists < 65_536 and rows >= 2 * lists * 39:
        lists *= 2
    return lists


@dataclass(frozen=True)
class Wish:
    """What a build asks of its index.

    Attributes:
        recall: Of the ten nearest, the share that must be found; 1 is exact.
        memory: Bytes that the FAISS files of all targets may take together.
        milliseconds: For one query on one core.
        kind: Forces a kind.
    """

    recall: float = 0.99
    memory: float | None = None
    milliseconds: float | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise InputError(f"--target-recall is {self.recall}; it must lie above 0 and up to 1.")
        if self.kind is not None and self.kind not in KINDS:
            raise InputError(f"--kind is {self.kind!r}; known: {', '.join(KINDS)}.")
        if self.kind not in (None, "exact") and self.recall == 1:
            raise InputError(
                f"--kind {self.kind} cannot promise --target-recall 1; only exact can."
            )


def choose(wish: Wish, rows: int, width: int, targets: int) -> tuple[Kind, str]:
    """Choose the kind of `targets` galleries of `rows` × `width`, and say why.

    Exact where nothing is to gain or exactness is asked for; else the first of `ivf-f16`, `ivf-sq8`,
    `ivf-rabitq4`, `ivf-pqfs` that fits the memory.

    Raises:
        InputError: No kind fits the memory.
    """
    if wish.kind is not None:
        if wish.kind != "exact" and rows < FEWEST:
            return KINDS["exact"], f"{rows:,} rows are too few for {wish.kind}"
        return KINDS[wish.kind], "asked for"

    def size(kind: Kind) -> float:
        return targets * rows * kind.row_bytes(width)

    exact = KINDS["exact"]
    fits = wish.memory is None or size(exact) <= wish.memory
    milliseconds = rows * width * 2 / EXACT_BYTES_MS
    if wish.recall == 1:
        if not fits:
            raise InputError(
                f"Exact search takes {_said(size(exact))}, --memory is {_said(wish.memory or 0)}; "
                "ask for less than --target-recall 1, or more memory."
            )
        return exact, "recall 1 is asked for"
    small = rows <= EXACT_ROWS and (wish.milliseconds is None or milliseconds <= wish.milliseconds)
    if rows < FEWEST:  # lists cannot be trained; a memory that is passed is said by the certificate
        return exact, f"{rows:,} rows are too few for lists"
    if fits and small:
        return exact, f"{rows:,} rows are searched exactly in about {milliseconds:.1f} ms"
    if fits and wish.milliseconds is not None and milliseconds <= wish.milliseconds:
        return exact, f"exact search takes about {milliseconds:.1f} ms of {wish.milliseconds:g}"
    for name in ("ivf-f16", "ivf-sq8", "ivf-rabitq4", "ivf-pqfs"):
        kind = KINDS[name]
        if wish.memory is None or size(kind) <= wish.memory:
            bound = f"of {wish.memory / 1e9:.2f}" if wish.memory else "of codes, no bound on memory"
            return kind, (
                f"exact search would take about {milliseconds:.0f} ms; {size(kind) / 1e9:.2f} GB {bound}"
            )
    smallest = size(KINDS["ivf-pqfs"])
    raise InputError(
        f"The smallest index of {rows:,} rows takes {_said(smallest)}, --memory is {_said(wish.memory or 0)}."
    )


def _said(size: float) -> str:
    """Bytes in words, so that a small size is not told as none."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
