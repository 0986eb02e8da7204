"""Rows that are part of an observation: which of them are indexed, what they are named, how all are counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.segment_views import observation_cells
from prom3e_index.indexer.store import ABSENT
from prom3e_index.schema import MEDIA

if TYPE_CHECKING:
    import duckdb

TABLE_ROW = "table_row.npy"
"""In `embeddings`: (n,) int64, `seq` of the row that stands for the table's row; only where a row became several."""
REPLACED = ("id", "start_s", "end_s")
"""Fields that `part_cells` gives."""


def part_cells(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """SQL of a row's name, its span where it is heard, and whether it is part of another.

    The first row that is left stands for the table's row.
    """
    heard = "k.has_audio" if "audio" in modalities else "false"
    return (
        "CASE WHEN k.seq = f.first THEN f.id ELSE p.id END AS id",
        *(f"CASE WHEN {heard} THEN p.{at} END AS {at}" for at in ("start_s", "end_s")),
        "k.seq <> f.first AS is_part",
    )


def heard_rows(
    work: Path, modalities: tuple[str, ...], states: list[Any], present: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Rows that are indexed, ascending.

    A row with any modality is. Where a table's row became several, one that is there for a photo or a window is indexed
    only with it: what the others have beside, place and name, stands with them already. If none has its medium, the
    first with anything is left.

    Args:
        work: The work folder.
        modalities: m names.
        states: Of each modality (n,), as `embed` leaves them.
        present: (n, m) what was encoded.
    """
    some = present.any(axis=1)
    path = work / "embeddings" / TABLE_ROW
    if not path.is_file():
        return np.flatnonzero(some)
    own = np.load(path, allow_pickle=False)
    files = [i for i, m in enumerate(modalities) if m in MEDIA]
    stated = np.stack([np.asarray(states[i]) != ABSENT for i in files], axis=1).any(axis=1)
    heard = present[:, files].any(axis=1)
    several = np.bincount(own, minlength=len(own))[own] > 1
    keep = some & (~several | heard | ~stated)
    silent = ~(np.bincount(own[keep], minlength=len(own)) > 0)
    left = np.flatnonzero(some & silent[own])
    first = left[np.unique(own[left], return_index=True)[1]]
    keep[first] = True
    return np.flatnonzero(keep)


def rows_left_out(work: Path, n: int, kept: NDArray[np.int64]) -> int:
    """Rows of the table, of which n rows were planned, that none of the `kept` rows stands for."""
    path = work / "embeddings" / TABLE_ROW
    own = np.load(path, allow_pickle=False) if path.is_file() else np.arange(n)
    return len(np.unique(own)) - len(np.unique(own[kept]))


def tell_of_parts(con: duckdb.DuckDBPyConnection) -> None:
    """Make `firsts`, the first row left of each row of the table with its name; let it tell what all parts lost.

    Of parts with the same reason it says how many, and that they are not indexed.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE firsts AS SELECT o.row_in, o.id, o.seq, min(p.seq) AS first, count(*) AS parts "
        "FROM planned o JOIN planned p USING (row_in) JOIN kept k ON k.seq = p.seq WHERE NOT o.is_part "
        "GROUP BY ALL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE all_lost AS SELECT coalesce(f.first, o.seq) AS seq, l.modality, "
        "CASE count(*) WHEN 1 THEN l.reason ELSE l.reason || ' (' || count(*) || ' of ' || any_value(g.rows) || "
        "' windows and media of the observation)' END AS reason FROM all_lost l JOIN planned p ON p.seq = l.seq "
        "JOIN (SELECT row_in, count(*) AS rows FROM planned GROUP BY 1) g ON g.row_in = p.row_in "
        "JOIN planned o ON o.row_in = p.row_in AND NOT o.is_part LEFT JOIN firsts f ON f.row_in = p.row_in "
        "GROUP BY f.first, o.seq, l.modality, l.reason"
    )


def counted(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    """Observations that the rows of a table belong to, and rows of tables that they were made of."""
    columns = [str(r[0]) for r in con.execute(f"DESCRIBE {table}").fetchall()]
    cells = f"(SELECT {observation_cells(columns)} FROM {table})"
    rows, others, parts = con.execute(
        f"SELECT count(*), count(*) FILTER (observation <> id), count(*) FILTER (is_part) FROM {cells}"
    ).fetchall()[0]
    if not others:
        return int(rows), int(rows)
    distinct = con.execute(f"SELECT count(DISTINCT observation) FROM {cells}").fetchall()[0][0]
    return int(distinct), int(rows - parts)
