"""Shards as a store is filled from them: read one after another, with what an index would say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.bundle.made_by import MadeBy
from prom3e_index.bundle.segment_views import first_columns
from prom3e_index.confidence.stored import written
from prom3e_index.errors import InputError
from prom3e_index.indexer import push_check
from prom3e_index.indexer.cluster.calibrate import calibration_of_shards
from prom3e_index.indexer.cluster.shards import Shards, dense
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.push_source import Difference, Filled
from prom3e_index.indexer.statistics import statistics_of
from prom3e_index.policy.cells import LEVELS
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.store.head import Head

Ints = NDArray[np.int64]
_OF_FILES = ("format", "plan", "shards", "columns", "renamed", "counts")
"""What `shards.json` says of its own, where a manifest says something else or nothing."""


class ShardsSource:
    """Shards, see `push_source.Source`. At most two of them are in memory, and a few bytes of each row.

    Args:
        shards: A whole set.
        progress: Told of statistics and calibration.
        model: Where the model that made them is now.
        hub: Where its copy of the hub is now.
    """

    def __init__(
        self,
        shards: Shards,
        progress: Progress,
        model: str | None = None,
        hub: str | Path | None = None,
    ) -> None:
        note = shards.note
        self._shards, self._progress = shards, progress
        self.rows = self.places = int(note["rows"])
        self.modalities = tuple(note["modalities"])
        self.width = int(note["width"]) + int(note["hidden_width"]) + int(note["bias_width"])
        self._names = {s: note["renamed"].get(s, s) for s in note["columns"]}
        self.types = {self._names[s]: str(kind) for s, kind in note["columns"].items()}
        self.columns, self.firsts = list(self.types), [0]
        self.live = np.arange(self.rows, dtype=np.int64)
        self.made = {k: v for k, v in note.items() if k not in _OF_FILES} | {
            "places": self.rows,
            "rows": self.rows,
            "shards": {
                "place": re.sub(r"(?<=://)[^/@?]*@", "", shards.place),  # without a key
                "plan": note["plan"],
                "created": note["created"],
                "number": int(note["shards"]),
            },
        }
        self._by = MadeBy(Path(shards.place), self.made, model, hub)

    @cached_property
    def _read(self) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """Which modalities each row has, and how many rows have each level of a policy."""
        has = [f"has_{m}" for m in self.modalities]
        level = [LEVEL] if LEVEL in self.types else []
        present = np.zeros((self.rows, len(has)), bool)
        levels = dict.fromkeys(LEVELS, 0) | {"open": 0}
        for at, table in zip(self._shards.firsts, self._shards.tables(has + level), strict=False):
            for i, name in enumerate(has):
                present[at : at + len(table), i] = table.column(name).to_numpy()
            held = (
                table.column(LEVEL).fill_null("open") if level else pa.array(["open"] * len(table))
            )
            for entry in held.value_counts().to_pylist():
                levels[entry["values"]] += entry["counts"]
        return present, {n: levels[n] for n in LEVELS if levels[n]}

    @property
    def present(self) -> NDArray[np.bool_]:
        """See `Source`."""
        return self._read[0]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """See `Source`: as `build` would write it, but for its certificate, its seconds and its files."""
        held = self.present.sum(axis=0)
        out = {**self.made, "counts": {**self._shards.note["counts"], "rows": self.rows}}
        out["columns"] = first_columns([self.types], {})
        out["observed"] = {m: int(n) for m, n in zip(self.modalities, held, strict=True)}
        if out.get("policy") is not None:
            out["policy"] = {**out["policy"], "rows": self._read[1]}
        out["segments"] = [{"name": ".", "rows": self.rows, "media": out["source"]["media"]}]
        out["confidence"] = {"generation": out["generation"], "rows": self.rows}
        made = self._calibration
        out["confidence"] |= {"reason": made} if isinstance(made, str) else {}
        return out

    @cached_property
    def statistics(self) -> list[dict[str, Any]]:
        """See `Source`."""
        names = [f"embedding_{m}" for m in self.modalities]
        d = int(self.made["width"])

        def read(rows: Ints) -> NDArray[np.float32]:
            out = np.zeros((len(rows), len(names), d), np.float32)
            at = 0
            for table in self._shards.rows(rows, names):
                for i, name in enumerate(names):
                    out[at : at + len(table), i] = dense(table.column(name), d)
                at += len(table)
            return out

        return [statistics_of(self._by.model(), read, self.present, self._progress)]

    @cached_property
    def _calibration(self) -> Any:
        return calibration_of_shards(
            self._shards, self._names, self.made, self.present, self._by.model(), self._progress
        )

    @property
    def calibration(self) -> Any:
        """See `Source`."""
        made = self._calibration
        return None if isinstance(made, str) else json.loads(written(made))  # rounded as in a file

    def tables(self, rows: Ints) -> Iterator[pa.Table]:
        """See `Source`."""
        for table, _ in self.filled(rows, ()):
            yield table

    def filled(self, rows: Ints, targets: Sequence[str]) -> Iterator[Filled]:
        """See `Source`."""
        wide = [f"vector_{t}" for t in targets]
        for whole in self._shards.rows(rows, [*self._names, *wide], ahead=1):
            for at in range(0, len(whole), push_check.ROWS):
                table = whole.slice(at, push_check.ROWS)
                vectors = {
                    t: dense(table.column(n), self.width)
                    for t, n in zip(targets, wide, strict=True)
                }
                yield table.select(list(self._names)).rename_columns(self.columns), vectors

    def embeddings(self, modality: str, rows: Ints) -> NDArray[np.float16]:
        """See `Source`."""
        name, d = f"embedding_{modality}", int(self.made["width"])
        order = np.argsort(rows, kind="stable")
        parts = [dense(t.column(name), d) for t in self._shards.rows(rows[order], [name])]
        out = np.zeros((len(rows), d), np.float16)
        out[order] = np.concatenate([np.zeros((0, d), np.float16), *parts])
        return out

    def difference(self, old: Head) -> Difference | None:
        """See `Source`: nothing where the store was filled from this very set."""
        none = np.zeros(0, np.int64)
        return Difference(none, none, self) if self.is_in(old) else None

    def is_in(self, old: Head) -> bool:
        """See `Source`."""
        theirs, mine = old.manifest.get("shards", {}), self.made["shards"]
        return all(theirs.get(k) == mine[k] for k in ("plan", "created", "number"))

    def check(self) -> None:
        """See `Source`: every shard is looked into, and the model is there, which statistics are made with."""
        if self.rows == 0:
            raise InputError(f"{self._shards.place} has no row.")
        _ = self._shards.firsts, self._by.model().mvae

    def close(self) -> None:
        """See `Source`."""
