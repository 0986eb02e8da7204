"""What an index is without, and why: values and files that rows lost, rows that were refused; summed up, or each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.indexer.plan import TWICE
from prom3e_index.indexer.understood import KIND_OF_REASON

COLUMNS = ("what", "table_row", "id", "field", "reason")
"""Of `lost_rows`: `lost` or `refused`; the row in the table it came from, from 1; id; field; why."""
FIRST = 3


@dataclass(frozen=True)
class LostKind:
    """Losses of one field for one kind of reason.

    Attributes:
        field: A modality or field; None for rows that were refused.
        reason: Of the first of them.
        rows: How many.
        first: Id and row in its table, from 1, of the first few; None where unknown.
    """

    field: str | None
    reason: str
    rows: int
    first: tuple[tuple[str | None, int | None], ...]


def lost_rows(bundle: BundleFolder) -> Iterator[dict[str, Any]]:
    """Each loss and each refused row, in the order of the index and of its tables; keys are `COLUMNS`."""
    with bundle.reader(f"{_every(bundle)} ORDER BY what, n, field") as reader:
        for batch in reader:
            yield from batch.select(list(COLUMNS)).to_pylist()


def lost_kinds(bundle: BundleFolder) -> list[LostKind]:
    """Losses summed up by field and kind of reason: fields by name, then refused rows; the most frequent first."""
    found = bundle.sql(
        f"SELECT field, arg_min(reason, n), count(*), min_by(coalesce(id, ''), n, {FIRST}), "
        f"min_by(coalesce(table_row, 0), n, {FIRST}) FROM ({_every(bundle)}) "
        f"GROUP BY what, field, {KIND_OF_REASON} ORDER BY what, field, 3 DESC, min(n)"
    )
    return [
        LostKind(
            None if field is None else str(field),
            str(reason),
            int(rows),
            tuple((i or None, r or None) for i, r in zip(ids, at, strict=True)),
        )
        for field, reason, rows, ids, at in found
    ]


def mended(bundle: BundleFolder) -> int:
    """Refused rows whose observation has been added since; they are not told as refused."""
    return int(bundle.sql(f"SELECT count(*) FROM rejected WHERE {_MENDED}")[0][0])


_MENDED = f"id IN (SELECT id FROM observations) AND NOT starts_with(reason, '{TWICE}')"


def _every(bundle: BundleFolder) -> str:
    """SQL of all losses of rows that are there, and all refused rows that were not added later."""
    held = {str(r[0]) for r in bundle.sql("DESCRIBE lost")}
    at = "l.row_in + 1" if "row_in" in held else "NULL::BIGINT"
    return (
        f"SELECT 'lost' AS what, {at} AS table_row, o.id, l.modality AS field, l.reason, l.row AS n "
        "FROM lost l JOIN observations o ON o.row = l.row UNION ALL "
        "SELECT 'refused', row_in + 1, id, NULL, reason, coalesce(row_in, line) FROM rejected "
        f"WHERE NOT coalesce({_MENDED}, false)"
    )
