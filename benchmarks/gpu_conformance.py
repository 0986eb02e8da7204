"""Answers on the card beside answers on the processor, as `doctor --conformance` compares them: a part of `gpu.py`."""

from __future__ import annotations

from collections.abc import Iterator

from gpu_rows import Row, Size


def rows(size: Size, device: str) -> Iterator[Row]:
    """A row for each kind of index and for the card."""
    from prom3e_index.indexer.conformance import conformance

    for check in conformance():
        verdict = "agrees" if check.compared else "not measured"
        if not check.ok:
            verdict = "DIFFERS"
        yield Row("conformance", check.name, verdict, check=check.detail)
