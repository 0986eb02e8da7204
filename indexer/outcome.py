"""What came of making or changing an index, in a few lines that a reader of Python sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prom3e_index.indexer.understood import Understood


@dataclass(frozen=True, repr=False)
class Outcome:
    """What `build`, `add`, `update`, `remove` or `restore` did; shown, it says what became of every row.

    Attributes:
        action: Name of the function.
        index: The index's folder; `Bundle.open(outcome.index)` opens it.
        manifest: Of the index as it is now.
        rows_in: Rows that were read: `indexed` + `known` + `refused`.
        indexed: That became observations.
        known: Passed over, because the index has their ids.
        refused: Without an observation; `reasons` says why.
        lost: Files and values that the indexed rows are without; `reasons` says why.
        removed: Rows that are found no more.
        restored: Rows that are found again.
        unknown: Ids to be removed that no observation has.
        notes: What else is to be known, the weightiest first.
        understood: What was understood of the table; None where none was read.
        changed: False where the index is as it was: a dry run, or nothing to do.
    """

    action: str
    index: Path
    manifest: dict[str, Any] = field(compare=False)
    rows_in: int = 0
    indexed: int = 0
    known: int = 0
    refused: int = 0
    lost: int = 0
    removed: int = 0
    restored: int = 0
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    understood: Understood | None = field(default=None, compare=False)
    changed: bool = True

    def __repr__(self) -> str:
        said = [f"{self.action} {self.index}: {self._said()}"]
        said.append(f"  now {self._holdings()}, generation {self.manifest['generation']}")
        if not self.changed:
            said[1] = "  the index is as it was"
        said += [f"  note: {_one_line(note)}" for note in self.notes]
        if self.unknown:
            shown = ", ".join(repr(i[:80]) for i in self.unknown[:5])
            said.append(f"  {len(self.unknown):,} ids are not in the index: {shown}")
        if self.refused or self.lost:
            said.append("  why: .reasons()")
        return "\n".join(said)

    def _said(self) -> str:
        if self.action == "remove":
            would = "" if self.changed or not self.removed else "would be "
            return f"{self.removed:,} rows {would}removed"
        if self.action == "restore":
            return f"{self.restored:,} rows back, {self.removed:,} rows gone"
        known = f" + {self.known:,} there already" if self.action == "add" else ""
        done = "replaced" if self.action == "update" else "indexed"
        return (
            f"{self.rows_in:,} rows in = {self.indexed:,} {done}{known} + {self.refused:,} refused; "
            f"{self.lost:,} files or values lost"
        )

    def _holdings(self) -> str:
        have = ", ".join(f"{m} {n:,}" for m, n in self.manifest.get("observed", {}).items())
        observations = int(self.manifest["counts"].get("observations", self.manifest["rows"]))
        return f"{observations:,} observations ({have})"

    def reasons(self) -> list[tuple[str, str, int]]:
        """Why rows were refused and values lost: (`rejected` or the modality, reason, how many), the most first."""
        from prom3e_index.search.run import Bundle

        told = (
            "SELECT 'rejected' AS what, reason, count(*) AS n FROM rejected GROUP BY reason UNION ALL "
            "SELECT modality, reason, count(*) FROM lost GROUP BY modality, reason ORDER BY n DESC, what, reason"
        )
        with Bundle.open(self.index) as bundle:
            return [(str(what), str(reason), int(n)) for what, reason, n in bundle.sql(told)]


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def with_first(notes: Sequence[str], first: str | None) -> tuple[str, ...]:
    """Notes after one that weighs most, where there is one."""
    return tuple(notes) if first is None else (first, *notes)
