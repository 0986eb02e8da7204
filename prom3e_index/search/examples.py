"""Rows of the index as a query: what it holds of them is asked with, and the hits leave them out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError
from prom3e_index.schema import modality_name
from prom3e_index.search.groups import eligible_observations, rows_of_same
from prom3e_index.search.query import Query

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_TELLING = ("sat", "env")
"""What tells a place that is obscured: what lies there, and its climate."""
_TOLD = 3
"""Rows that a note names."""


def check_rows(bundle: BundleFolder, query: Query) -> None:
    """Refuse rows that the index has not.

    Raises:
        InputError: A number beyond the rows that were ever given, or of a row that was removed.
    """
    for name, rows in (("like", query.like or ()), ("more", query.more), ("less", query.less)):
        for row in rows:
            if row >= bundle.places:
                raise InputError(
                    f"{name} names row {row}; the rows of {bundle.path.name} are numbered from 0 to "
                    f"{bundle.places - 1:,}."
                )
            if not _is_live(bundle, row):
                raise InputError(f"{name} names row {row}, which was removed from the index.")


def _is_live(bundle: BundleFolder, row: int) -> bool:
    return bool(bundle.among(None, np.array([row], np.int64))[0])


def examples(bundle: BundleFolder, query: Query) -> dict[str, list[int]]:
    """By modality, in the model's order, the rows whose embedding of it is asked with.

    They are the modalities that `like_by` names; where it names none, what each row has. A completed modality is none
    that a row has, nor is the tile or climate of a row whose place is obscured.

    Raises:
        InputError: A row lacks what `like_by` names; says what it has. Or a row has nothing to ask with.
    """
    by = [modality_name(m, bundle.modalities) for m in query.like_by or ()]
    out: dict[str, list[int]] = {}
    for row in query.like or ():
        has = _held(bundle, row)
        lacking = [m for m in by if m not in has]
        if lacking or not has:
            shown = ", ".join(has) or "nothing that can be asked with"
            wanted = f"like asks by {', '.join(lacking)}, and" if lacking else "like:"
            raise InputError(f"{wanted} row {row} has {shown}.")
        for m in by or has:
            out.setdefault(m, []).append(row)
    return {m: out[m] for m in bundle.modalities if m in out}


def _held(bundle: BundleFolder, row: int) -> list[str]:
    """What a row has, observed."""
    held = bundle.observed(np.array([row], np.int64))[0]
    has = [m for m, h in zip(bundle.modalities, held, strict=True) if h]
    if any(m in has for m in _TELLING) and "obscured" in bundle.columns:
        obscured = bundle.values(np.array([row]), ["obscured"])[row]["obscured"]
        return [m for m in has if m not in _TELLING or not obscured]
    return has


def embedding(bundle: BundleFolder, modality: str, row: int) -> Floats:
    """(d,) the unit embedding that the index holds of a row."""
    from prom3e_index.encoders.protocol import unit_rows

    return unit_rows(np.asarray(bundle.embedding(modality, row), np.float32))


def left_out_rows(bundle: BundleFolder, query: Query) -> Ints:
    """Ascending rows that no hit of a query is: those it is like, with all rows of their observations."""
    if not query.like:
        return np.zeros(0, np.int64)
    rows = np.unique(np.array(query.like, np.int64))
    if not bundle.several:
        return rows
    return rows_of_same(bundle, rows)


def eligible_rows(bundle: BundleFolder, rows: Ints | None, without: Ints) -> int:
    """How many rows may be hits.

    Args:
        bundle: The index.
        rows: Those that the filter leaves, ascending; all when None.
        without: Those that are left out, ascending.
    """
    return (bundle.rows if rows is None else len(rows)) - len(_within(bundle, rows, without))


def eligible_observations_but(bundle: BundleFolder, rows: Ints | None, without: Ints) -> int:
    """How many observations may be hits; arguments as `eligible_rows`."""
    out = _within(bundle, rows, without)
    return eligible_observations(bundle, rows) - (
        eligible_observations(bundle, out) if len(out) else 0
    )


def _within(bundle: BundleFolder, rows: Ints | None, without: Ints) -> Ints:
    """Those that would be eligible of the rows that are left out."""
    if not len(without):
        return without
    return without[bundle.among(rows, without)]


def said_of(bundle: BundleFolder, query: Query, given: dict[str, list[int]]) -> list[str]:
    """What is to be said of an answer to rows of the index."""
    if not query.like:
        return []
    ids = [str(v["id"]) for v in bundle.values(np.array(query.like[:_TOLD]), ["id"]).values()]
    more = f" and {len(query.like) - _TOLD:,} more" if len(query.like) > _TOLD else ""
    one = len(query.like) == 1
    return [
        f"asked with {', '.join(given)} of {', '.join(ids)}{more}, as the index holds "
        f"{'it' if len(given) == 1 and one else 'them'}; {'it is' if one else 'they are'} left out of the hits"
    ]
