"""The rows under certain licences: of the observation, and of the photo and the sound that it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.taxa import quoted
from prom3e_index.licences import NONE, code_of, licence_columns

if TYPE_CHECKING:
    import duckdb


def stated_licence(names: Iterable[str]) -> str:
    """SQL of the licence's text that the first of some columns with any has."""
    cells = ", ".join(f"nullif(trim(CAST({quoted(n)} AS VARCHAR)), '')" for n in names)
    return f"coalesce({cells}, NULL)"


def licensed_rows(
    con: duckdb.DuckDBPyConnection, allowed: Collection[str], columns: Collection[str]
) -> NDArray[np.int64]:
    """Row numbers of observations whose licences are all among `allowed`, in no order.

    The licence of a photo or a sound counts where the index has a column for it and the row such a file.

    Args:
        con: A cursor of its own.
        allowed: Codes, of `licences.CODES`.
        columns: Columns of the observations.
    """
    parts: list[str] = []
    params: list[Any] = []
    held = {"": ("license",) if "license" in columns else (), **licence_columns(columns)}
    for modality, names in held.items():
        if not names:
            parts.append("true" if NONE in allowed else "false")
            continue
        stated = stated_licence(names)
        texts = con.execute(f"SELECT DISTINCT {stated} FROM every").fetchall()
        free = [t for (t,) in texts if t is not None and code_of(t) in allowed]
        part = f"coalesce({stated} IN (SELECT unnest(?)), false)"
        params.append(free or ["\0"])  # of an empty list no type is known
        if NONE in allowed:
            part = f"({part} OR {stated} IS NULL)"
        if modality:
            part = f"(NOT {quoted(f'has_{modality}')} OR {part})"
        parts.append(part)
    found = con.execute(f"SELECT row FROM every WHERE {' AND '.join(parts)}", params).fetchnumpy()
    return np.asarray(found["row"], np.int64)
