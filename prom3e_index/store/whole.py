"""Whether a store still has all rows of its head: a server that was killed may have lost some, and tells nobody."""

from __future__ import annotations

from prom3e_index.errors import StoreError
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head, push_anew


class RowsLostError(StoreError):
    """Rows that a store should have are not there, or more are than it should have."""


def refuse_short(engine: Engine, head: Head) -> None:
    """Refuse a store whose collections have not the rows of its head.

    All that was written is waited for, in all collections at once: what is read afterwards waits for nothing.

    Raises:
        RowsLostError: One has fewer or more, or is not there; says how many of how many, and what to do.
        StoreError: They cannot be counted.
    """
    there = set(engine.names(f"{engine.address.name}__"))

    def count(name: str) -> int:
        return engine.count(name, head.visible, strong=True) if name in there else 0

    counted = engine.of_each(head.collections.values(), count)
    for (target, name), found in zip(head.collections.items(), counted, strict=True):
        if found != head.rows:
            raise RowsLostError(
                f"{engine.address}: {name}, for {target}, has {found:,} rows of {head.rows:,}. {_anew(engine, head)}"
            )


def lost(engine: Engine, head: Head, name: str, row: int) -> RowsLostError:
    """The error of a row that a collection had when it was counted."""
    return RowsLostError(
        f"{engine.address}: {name} has lost row {row}, and maybe others. {_anew(engine, head)}"
    )


def _anew(engine: Engine, head: Head) -> str:
    return f"Push it anew: {push_anew(engine.address, head.manifest)}."
