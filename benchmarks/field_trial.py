"""What a situation of `field.py` is written with: a trial that builds and runs, and comparisons that say both sides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prom3e_index import Filter
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.answered import Answer
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Case:
    """A situation: its number, kind, what people bring, and what must be so."""

    number: str
    kind: str
    situation: str
    check: Callable[[Trial], str]


CASES: list[Case] = []


def case(
    number: str, kind: str, situation: str
) -> Callable[[Callable[[Trial], str]], Callable[[Trial], str]]:
    """Note a situation; its function raises when something is not as it must be, and says what was seen."""

    def note(check: Callable[[Trial], str]) -> Callable[[Trial], str]:
        CASES.append(Case(number, kind, situation, check))
        return check

    return note


class Index:
    """A built index and what was said of its table."""

    def __init__(self, folder: Path) -> None:
        self.bundle = Bundle.open(folder)
        self.understood = self.bundle.manifest["source"]["understood"]
        self.counts = self.bundle.manifest["counts"]
        self.observed = self.bundle.manifest["observed"]

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all rows, in order."""
        names = ", ".join('"' + c + '"' for c in columns)
        with self.bundle.reader(f"SELECT {names} FROM observations ORDER BY row") as reader:
            return [tuple(r.values()) for batch in reader for r in batch.to_pylist()]

    def column(self, name: str) -> list[Any]:
        """One column of all rows."""
        return [r[0] for r in self.rows(name)]

    def said(self) -> str:
        """All that was said of the table, as one text."""
        u = self.understood
        parts = [str(u["facts"]), *u["said"], *(r["text"] for r in u["rejected"])]
        parts += [r["text"] for f in u["fields"] for r in f["lost"]]
        return "\n".join(parts)

    def lost(self, field: str) -> int:
        """Rows that lost a field while the table was read."""
        return sum(
            r["rows"] for f in self.understood["fields"] if f["name"] == field for r in f["lost"]
        )

    def search(self, **query: Any) -> Answer:
        """Answer a query."""
        return self.bundle.search(Query(**query))

    def taxon(self, name: str) -> int:
        """Rows of a taxon."""
        return self.search(text=name, target="loc", k=1, filter=Filter(taxon=name)).search[
            "eligible"
        ]


class Trial:
    """One run of one situation: its files, and a folder to work in."""

    def __init__(self, files: Path, work: Path) -> None:
        self.files, self.work = files, work
        self._built = 0

    def built(self, table: str, **options: Any) -> Index:
        """Build a table of the situation's files."""
        self._built += 1
        out = self.work / f"{self._built}.p3i"
        build(
            BuildConfig(table=str(self.files / table), out=out, model="mini", workers=1, **options)
        )
        return Index(out)

    def program(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the program."""
        command = [sys.executable, "-m", "prom3e_index.cli.app", *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, capture_output=True, text=True, env=env, timeout=300, **options
        )


def same(seen: object, wanted: object, what: str = "") -> None:
    """Compare; the message has both."""
    if seen != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}{seen!r}, not {wanted!r}")


def near(seen: Any, wanted: Any, what: str = "") -> None:
    """Compare numbers to 0.0005."""
    flat = [v for r in seen for v in r] if seen and isinstance(seen[0], tuple) else list(seen)
    goal = [v for r in wanted for v in r] if isinstance(wanted[0], tuple) else list(wanted)
    if len(flat) != len(goal) or any(
        (a is None) != (b is None) or (a is not None and abs(a - b) > 5e-4)
        for a, b in zip(flat, goal, strict=False)
    ):
        raise AssertionError(f"{what + ': ' if what else ''}{flat!r}, not {goal!r}")


def holds(text: str, pattern: str) -> None:
    """A text must hold a pattern."""
    if not re.search(pattern, text, re.IGNORECASE):
        raise AssertionError(f"nothing like {pattern!r} in {text[:400]!r}")


PLACE = ("latitude", "longitude")
