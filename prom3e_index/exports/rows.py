"""The observations that leave an index, in batches: chosen by a filter or an answer, without what must not leave."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter, quoted
from prom3e_index.policy.columns import denied, plain, tells_day, tells_place
from prom3e_index.policy.told_places import tells_alone_sql
from prom3e_index.schema import FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

    from prom3e_index.search.run import Bundle

BATCH = 8_192
"""Rows of a batch; no more of an index is in memory at once."""
_AT = "row number"
_FEW = 256
"""Rows of which it is looked up whether any place among them is obscured."""
_schemas: WeakKeyDictionary[Bundle, dict[tuple[str, ...], pa.Schema]] = WeakKeyDictionary()

_OWN = ("row", "is_part", "sigma_l1")
"""Columns of every index that are no field; they tell no place."""
_NUMBER = "[-+]?[0-9]+([.,][0-9]+)?"
"""A cell that is a measurement, in a column that is known to tell no place."""


@dataclass(frozen=True)
class Rows:
    """Some observations of an index.

    Attributes:
        bundle: The index.
        numbers: (n,) their row numbers, in the order in which they are written; each once.
    """

    bundle: Bundle
    numbers: NDArray[np.int64]

    @classmethod
    def chosen(cls, bundle: Bundle, chosen: Filter | None = None) -> Rows:
        """Those that satisfy a filter, by row number; all of them without one."""
        found = bundle.eligible(chosen) if chosen is not None else None
        return cls(bundle, bundle.numbers(found))

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def withheld(self) -> tuple[str, ...]:
        """Columns of the index that no export has: private places, which earlier versions kept."""
        return tuple(c for c in self.bundle.columns if c not in FIELDS and denied(c))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the batches."""
        return tuple(c for c in self.bundle.columns if c not in self.withheld)

    def only(self, names: Collection[str]) -> Rows:
        """The same rows with some of their columns."""
        few = Rows(self.bundle, self.numbers)
        few.__dict__["columns"] = tuple(c for c in self.columns if c in names)
        return few

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema of the batches; asked once of an index, since its plan takes longer than a row."""
        known = _schemas.setdefault(self.bundle, {})
        if self.columns not in known:
            with self.bundle.tables_of(np.zeros(0, np.int64)) as cursor:
                found = cursor.sql(f"SELECT {self._cells} FROM observations LIMIT 0")
                known[self.columns] = found.to_arrow_reader(1).schema
        return known[self.columns]

    @cached_property
    def _cells(self) -> str:
        """SQL of the columns. Of a row whose place is obscured, what may tell its true place is empty, its tile too.

        Cells of other columns are empty where they hold coordinates. Columns that the index's policy keeps are kept.
        """
        policy = self.bundle.manifest.get("policy")
        stated = policy.get("kept") if isinstance(policy, dict) else None
        kept = stated if isinstance(stated, list) else []
        if "obscured" not in self.bundle.columns:
            return ", ".join(map(quoted, self.columns))
        cells = []
        for column in self.columns:
            name = quoted(column)
            own = column not in FIELDS and column not in _OWN and not column.startswith("has_")
            own = own and plain(column.removeprefix("source_")) not in kept
            if column == "sat" or (own and tells_place(column)):
                told = "true"
            elif own and not tells_day(column):
                text = f"CAST({name} AS VARCHAR)"
                told = f"NOT regexp_full_match({text}, '{_NUMBER}') AND {tells_alone_sql(text)}"
            else:
                cells.append(name)
                continue
            hidden = f"CASE WHEN coalesce({told}, false) THEN NULL ELSE {name} END"
            cells.append(f"CASE WHEN obscured THEN {hidden} ELSE {name} END AS {name}")
        return ", ".join(cells)

    def batches(self, size: int = BATCH) -> Iterator[pa.RecordBatch]:
        """The observations in their order, `size` at a time; every batch has `schema`."""
        for at in range(0, len(self.numbers), size):
            yield from self._read(self.numbers[at : at + size]).to_batches()

    def records(self) -> list[dict[str, Any]]:
        """The observations in their order as Python has them, by column: quicker than batches for a few."""
        query, given = self._query(self.numbers)
        with self.bundle.tables_of(self.numbers) as cursor:
            found = cursor.execute(query, given).fetchall()
        by_row = {int(r[-1]): dict(zip(self.columns, r[:-1], strict=True)) for r in found}
        return [by_row[int(n)] for n in self.numbers]

    def _read(self, numbers: NDArray[np.int64]) -> pa.Table:
        query, given = self._query(numbers)
        with self.bundle.tables_of(numbers) as cursor:
            found = cursor.sql(query, params=given).to_arrow_table()
        found = found.drop_columns([_AT])
        if (np.diff(numbers) <= 0).any():
            found = found.take(np.argsort(np.argsort(numbers)))
        return found.cast(self.schema).combine_chunks()

    def _query(self, numbers: NDArray[np.int64]) -> tuple[str, list[Any]]:
        """SQL of some rows by row number, each with its number at the end, and its parameters."""
        cells = self._cells if self._any_obscured(numbers) else ", ".join(map(quoted, self.columns))
        low, high = int(numbers.min()), int(numbers.max())
        given: list[Any] = [low, high]
        where = "row BETWEEN ? AND ?"
        if high - low + 1 != len(numbers):
            where += " AND row IN (SELECT unnest(?))"
            given.append(numbers.tolist())
        return (
            f"SELECT {cells}, row AS {quoted(_AT)} FROM observations WHERE {where} ORDER BY row",
            given,
        )

    def _any_obscured(self, numbers: NDArray[np.int64]) -> bool:
        """Whether a place among some rows is obscured; of many rows it is taken to be so.

        Cells of other rows stand as they are, and are read without the conditions, whose plan takes long.
        """
        if "obscured" not in self.bundle.columns:
            return False
        if len(numbers) > _FEW:
            return True
        held = self.bundle.values(numbers, ["obscured"])
        return len(held) != len(numbers) or any(cells["obscured"] for cells in held.values())
