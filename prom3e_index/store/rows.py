"""Observations as a store has them: typed fields for what filters ask, all columns beside as JSON.

A row's columns stand under short keys, `c0`, `c1`, …, so that no name of a table gets into an expression. A value that
a row lacks has no key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.segment_views import IS_PART
from prom3e_index.bundle.species_codes import code_of
from prom3e_index.bundle.taxa import (
    CANONICAL,
    GENUS,
    SPECIES,
    add_species,
    key,
    quoted,
    species_of_row,
    taxon_columns,
)
from prom3e_index.errors import InputError
from prom3e_index.licences import NONE, licence_columns
from prom3e_index.licences import code_of as licence_code
from prom3e_index.store.expression import NO_DAY, NO_PLACE, NOT_ASKED
from prom3e_index.store.kinds import Fields
from prom3e_index.store.predicate import Column

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

FOREVER = 2**62
"""The generation in which a row goes that none has taken away."""
LONGEST = 65_000
"""Bytes that the columns of a row may have together, and that an id may have."""
SCALARS = {
    "born": "INT64",
    "gone": "INT64",
    "id": "VARCHAR",
    "of": "INT64",
    "is_part": "BOOL",
    "species": "INT64",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
    "first_day": "INT64",
    "last_day": "INT64",
    "licence": "VARCHAR",
    "licence_image": "VARCHAR",
    "licence_audio": "VARCHAR",
    "taxa": "ARRAY",
    "columns": "JSON",
}
_OWN = ("row",)
_EPOCH = date(1970, 1, 1)


def fields_of(modalities: Sequence[str], width: int) -> Fields:
    """The fields of a target's collection."""
    return Fields(width, {**SCALARS, **{f"has_{i}": "BOOL" for i in range(len(modalities))}})


def keys_of(types: Mapping[str, str], known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Key and type of each column of the observations; those known keep theirs.

    Args:
        types: Name → DuckDB's type.
        known: Columns that a store has already, in this form.
    """
    out = dict(known or {})
    for name, kind in types.items():
        if name not in out and name not in _OWN and not name.startswith("has_"):
            out[name] = {"key": f"c{len(out)}", "type": str(kind)}
    return out


def columns_of(keys: Mapping[str, Any], modalities: Sequence[str]) -> dict[str, Column]:
    """The columns as expressions have them."""
    out = {}
    for name, entry in keys.items():
        field = f'columns["{entry["key"]}"]'
        out[name] = Column(name, entry["type"], field, f"exists {field}")
    out["row"] = Column("row", "BIGINT", "row", None, listed=True)
    out["id"] = Column("id", "VARCHAR", "id", None, listed=True)
    out["latitude"] = Column("latitude", "DOUBLE", "latitude", f"latitude < {NO_PLACE}")
    out["longitude"] = Column("longitude", "DOUBLE", "longitude", f"longitude < {NO_PLACE}")
    out["event_start"] = Column("event_start", "DATE", "first_day", f"first_day < {NO_DAY}")
    out["event_end"] = Column("event_end", "DATE", "last_day", f"last_day > {-NO_DAY}")
    for i, m in enumerate(modalities):
        out[f"has_{m}"] = Column(f"has_{m}", "BOOLEAN", f"has_{i}", None)
    return out


class Writer:
    """Makes rows of a store from tables of observations.

    Args:
        con: A connection of DuckDB of its own.
        keys: Of the columns, from `keys_of`.
        modalities: In the model's order.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, keys: Mapping[str, Any], modalities: Sequence[str]
    ) -> None:
        self._con, self._keys, self._modalities = con, keys, tuple(modalities)
        self._codes = lru_cache(maxsize=1 << 18)(code_of)
        self._licences = lru_cache(maxsize=4096)(licence_code)

    def scalars(self, table: pa.Table, born: int) -> list[dict[str, Any]]:
        """Everything of some rows but their vectors.

        Args:
            table: Columns of `observations`, `row` among them.
            born: Generation that they are seen from on.

        Raises:
            InputError: An id, or the columns of a row together, are longer than a store takes; says which row.
        """
        names = table.column_names
        taxa = self._taxa(table)
        kinds = licence_columns(n for n in names if n != "license")
        shown = [n for n in names if n in self._keys]
        columns = {n: table.column(n).to_pylist() for n in names}
        out = []
        for i, row in enumerate(columns["row"]):
            values = {n: columns[n][i] for n in names}
            held = {
                self._keys[n]["key"]: plain(values[n])
                for n in shown
                if plain(values[n]) is not None
            }
            identity = str(values["id"])
            if len(json.dumps(held, ensure_ascii=False).encode()) > LONGEST:
                raise InputError(
                    f"The columns of row {row}, id {identity!r:.60}, are longer than {LONGEST:,} bytes, the most "
                    "that a store takes; leave out what is so long, and build the index again."
                )
            start, end = values.get("event_start"), values.get("event_end")
            place = [values.get("latitude"), values.get("longitude")]
            scalars = {
                "row": int(row),
                "born": born,
                "gone": FOREVER,
                "id": identity,
                "of": self._codes(_observation(values)),
                "is_part": bool(values.get(IS_PART)),
                "species": self._codes(species_of_row(values)),
                "latitude": NO_PLACE if place[0] is None else float(place[0]),
                "longitude": NO_PLACE if place[1] is None else float(place[1]),
                "first_day": NO_DAY if start is None else (start - _EPOCH).days,
                "last_day": -NO_DAY if end is None else (end - _EPOCH).days,
                "licence": self._licence(values, ("license",)),
                "taxa": taxa[i],
                "columns": held,
            }
            for modality in ("image", "audio"):
                own, has = kinds.get(modality), bool(values.get(f"has_{modality}"))
                scalars[f"licence_{modality}"] = (
                    self._licence(values, own) if own and has else NOT_ASKED
                )
            for m, modality in enumerate(self._modalities):
                scalars[f"has_{m}"] = bool(values[f"has_{modality}"])
            out.append(scalars)
        return out

    def _licence(self, values: Mapping[str, Any], names: Iterable[str]) -> str:
        for name in names:
            stated = "" if values.get(name) is None else str(values[name]).strip()
            if stated:
                return str(self._licences(stated))
        return NONE

    def _taxa(self, table: pa.Table) -> list[list[int]]:
        """The numbers of the names that each row is found by, as the tables of a folder have them."""
        names = taxon_columns(table.column_names)
        if not names:
            return [[] for _ in range(table.num_rows)]
        con = self._con
        con.register("block", table.select(["row", *names]))
        cells = ", ".join(map(quoted, names))
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE lineages AS SELECT row_number() OVER () AS taxon, {cells} "
            f"FROM (SELECT DISTINCT {cells} FROM block)"
        )
        named = add_species(con, "lineages", names)
        spellings = [
            *(f"e.{quoted(c)}" for c in names),
            f"n.{SPECIES}",
            f"n.{GENUS}",
            f"n.{CANONICAL}",
        ]
        each = " UNION ".join(
            f"SELECT taxon, {key(c)} AS name FROM lineages e {named} WHERE {c} IS NOT NULL"
            for c in spellings
        )
        found = con.execute(f"SELECT taxon, list(name ORDER BY name) FROM ({each}) GROUP BY taxon")
        codes = {t: [self._codes(n) for n in held] for t, held in found.fetchall()}
        same = " AND ".join(f"b.{quoted(c)} IS NOT DISTINCT FROM l.{quoted(c)}" for c in names)
        taxon = dict(
            con.execute(f"SELECT b.row, l.taxon FROM block b JOIN lineages l ON {same}").fetchall()
        )
        con.unregister("block")
        return [codes.get(taxon[r], []) for r in table.column("row").to_pylist()]


def _observation(values: Mapping[str, Any]) -> str:
    """The observation that a row belongs to, by its id; see `segment_views.observation_of`."""
    own = values.get("observation") if values.get(IS_PART) is not None else None
    return str(own if own is not None else values["id"])


def plain(value: Any) -> Any:
    """A cell for JSON; None for what no row is found by, such as lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | str) else None


def cell(value: Any, kind: str) -> Any:
    """A cell as the tables of a folder give it, from what stands in JSON."""
    if value is None:
        return None
    if kind == "DATE":
        return date.fromisoformat(str(value))
    if kind.startswith("DECIMAL"):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-int(kind[kind.index(",") + 1 : -1])))
    if kind == "FLOAT":
        return float(np.float32(value))
    return float(value) if kind == "DOUBLE" else value


def with_vectors(
    scalars: Sequence[dict[str, Any]], vectors: NDArray[np.float16]
) -> list[dict[str, Any]]:
    """Rows of one target's collection."""
    wide = np.asarray(vectors, np.float32)
    return [{**s, "vector": v} for s, v in zip(scalars, wide.tolist(), strict=True)]
