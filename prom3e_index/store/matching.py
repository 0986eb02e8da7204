"""The rows of a store that satisfy a filter: an expression and their number, in place of row numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Matching:
    """Rows that an expression is true of.

    Attributes:
        where: The expression, without that of the generation.
        count: How many rows of the generation.
    """

    where: str
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """Bytes that it takes to keep."""
        return len(self.where)
