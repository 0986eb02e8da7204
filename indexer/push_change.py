"""What has changed of an index since it was pushed, brought into its store as one more generation of it.

Rows of the new generation are written with the number of the generation that they are seen from; rows that go are
written again with the number of the one that they are gone in. Readers of the generation before see neither: it is
the alias, moved to the new head, that lets them. What is gone for a whole generation is then taken out for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prom3e_index.indexer.certify import STALE
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head
from prom3e_index.store.rows import FOREVER

_AT_ONCE = 256


def undo_begun(engine: Engine, head: Head) -> None:
    """Take back what a change that was broken off has written: no reader has seen it."""
    late = f"born > {head.generation}"
    early = f"gone > {head.generation} and gone < {FOREVER}"

    def undo(name: str) -> None:
        engine.delete(name, _rows(engine, name, late, strong=True))
        mark(engine, name, _rows(engine, name, early, strong=True), FOREVER)

    engine.of_each(head.collections.values(), undo)


def mark(engine: Engine, name: str, rows: Sequence[int], gone: int) -> None:
    """Write rows of a collection again, gone in another generation."""
    fields = [f for f in engine.field_names(name) if f != "row"]
    for at in range(0, len(rows), _AT_ONCE):
        held = engine.rows(name, rows[at : at + _AT_ONCE], fields, strong=True)
        again = [
            {
                **{f: r[f] for f in fields},
                "row": number,
                "gone": gone,
                "vector": [float(v) for v in r["vector"]],
                "taxa": [int(t) for t in r["taxa"]],
            }
            for number, r in held.items()
        ]
        engine.insert(name, again, again=True)


def take_out(engine: Engine, head: Head) -> None:
    """Delete rows that neither a head's generation nor the one before it has."""
    where = f"gone < {head.generation}"
    engine.of_each(
        head.collections.values(), lambda name: engine.delete(name, _rows(engine, name, where))
    )


def still_true(certificate: dict[str, Any] | None, changed: int) -> dict[str, Any] | None:
    """A certificate after so many more rows were added and removed; None once they pass a tenth, as of a folder."""
    if certificate is None:
        return None
    changed += int(certificate.get("changed", 0))
    return {**certificate, "changed": changed} if changed <= STALE * certificate["rows"] else None


def _rows(engine: Engine, name: str, where: str, strong: bool = False) -> list[int]:
    return [int(r["row"]) for part in engine.every(name, where, [], strong=strong) for r in part]
