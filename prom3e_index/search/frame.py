"""Answers as a `pandas.DataFrame`: pandas is asked for only here, and need not be installed for anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError, InputError
from prom3e_index.schema import MEDIA, SHOWN
from prom3e_index.search.answered import Answer, Hit
from prom3e_index.search.meaning import MEANINGLESS

if TYPE_CHECKING:
    import pandas

FIRST = ("rank", "id", "score", "completed", "p_right", "media", "uncertainty")
"""What stands first in every table."""
_INNER = ("row", "is_part", "sigma_l1", *MEDIA)
"""Columns of an index that say nothing more here: its numbers, and the paths that `media` gives in full."""


def to_pandas(answers: Iterable[Answer] | Answer, metadata: bool = True) -> pandas.DataFrame:
    """The hits of several answers, as of `Bundle.search_many`, as one `pandas.DataFrame`.

    Columns: `query`, the place of the answer from 0; `rank` from 1; `id`; `score`, higher is better; `completed`,
    whether the model filled in what was searched for; `p_right`, how likely it is right, on the hit that the answer's
    confidence speaks of and on no other; `media`, the path of its file; `uncertainty`, the model's ‖σ‖₁ of
    the observation; then every column of the index with its own type (dates as dates, whole numbers as such), those of
    your own table too, `has_<modality>` for what was observed; `warning` where the model knows nothing of such
    observations. A column of your table with one of the first names is called `table_<name>`. What is said of each
    answer stands in `frame.attrs["notes"]`.

    Args:
        answers: Read to their end. Of a single one there is no column `query`.
        metadata: With every column of the index; else with those of a hit alone.

    Raises:
        InputError: pandas is not installed.
        BundleError: The index was closed, and the metadata are asked for.
    """
    if isinstance(answers, Answer):
        return answers.to_pandas(metadata)
    return frame_of(list(answers), metadata, several=True)


def frame_of(answers: Sequence[Answer], metadata: bool, *, several: bool) -> pandas.DataFrame:
    """See `to_pandas`; `several` gives the column `query`."""
    try:
        import pandas as pd
    except ImportError as e:
        raise InputError(
            "to_pandas needs pandas, which is not installed: pip install pandas. Without it there is to_dict()."
        ) from e
    numbered = list(enumerate(answers))
    parts = [
        _part(pd, list(same), metadata)
        for _, same in groupby(numbered, key=lambda a: id(a[1].bundle))
    ]
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else next(iter(parts), None)
    if frame is None:
        frame = pd.DataFrame(columns=["query", *FIRST])
    frame.attrs["notes"] = [list(a.notes) for a in answers] if several else list(answers[0].notes)
    return frame if several else frame.drop(columns="query")


def _part(pd: Any, answers: list[tuple[int, Answer]], metadata: bool) -> pandas.DataFrame:
    """The table of answers, with their places, that one index gave: its columns are read once."""
    hits = [h for _, a in answers for h in a]
    first = {
        "query": np.array([i for i, a in answers for _ in a], np.int64),
        "rank": np.array([h.rank for h in hits], np.int64),
        "id": _texts([h.fields.get("id") for h in hits]),
        "score": np.array([h.score for h in hits], np.float64),
        "completed": np.array([h.completed for h in hits], bool),
        "p_right": np.array([np.nan if h.p_right is None else h.p_right for h in hits], np.float64),
        "media": _texts([h.media for h in hits]),
        "uncertainty": np.array([h.fields.get("sigma_l1", np.nan) for h in hits], np.float64),
    }
    rest = _metadata(answers[0][1].bundle, hits) if metadata else _shown(pd, hits)
    rest = {(f"table_{n}" if n in (*first, "warning") else n): v for n, v in rest.items()}
    if MEANINGLESS in answers[0][1].notes:
        rest["warning"] = _texts([MEANINGLESS] * len(hits))
    return pd.DataFrame(first | rest)


def _texts(values: list[Any]) -> Any:
    """A column of text as pandas keeps it, whichever version it is."""
    import pyarrow as pa

    texts = [None if v is None else str(v) for v in values]
    return pa.array(texts, pa.string()).to_pandas()


def _shown(pd: Any, hits: list[Hit]) -> dict[str, Any]:
    """What hits tell by themselves."""
    names = [n for n in SHOWN if n not in ("id", *_INNER) and any(n in h.fields for h in hits)]
    return {n: pd.Series([h.fields.get(n) for h in hits]) for n in names}


def _metadata(bundle: BundleFolder | None, hits: list[Hit]) -> dict[str, Any]:
    """Every column of the index, in the order of the hits."""
    if bundle is None:
        raise BundleError(
            "This answer has left the index that gave it; its own columns: to_pandas(metadata=False)."
        )
    table = _rows(bundle, [h.row for h in hits])
    return {n: _column(table.column(n)) for n in table.column_names if n not in ("id", *_INNER)}


def _rows(bundle: BundleFolder, rows: list[int]) -> Any:
    """Rows of an index, in an order, as an Arrow table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = ", ".join(map(str, sorted(set(rows)))) or "NULL"
    with bundle.tables_of(np.array(rows, np.int64)) as cursor:
        found = cursor.sql(f"SELECT * FROM every WHERE row IN ({wanted})").to_arrow_table()
    return found.take(pc.index_in(pa.array(rows, pa.int64()), found.column("row").combine_chunks()))


def _column(values: Any) -> Any:
    """A column as pandas keeps it: decimals as floats, whole numbers and truth with gaps as themselves."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_decimal(values.type):  # Arrow's own cast is a digit off
        exact = [None if v is None else float(v) for v in values.to_pylist()]
        values = pa.chunked_array([pa.array(exact, pa.float64())])
    gaps: dict[Any, Any] = {pa.bool_(): pd.BooleanDtype()}
    gaps |= {
        getattr(pa, n.lower())(): getattr(pd, f"{n}Dtype")()
        for n in ("Int8", "Int16", "Int32", "Int64")
    }
    chosen = gaps.get if values.null_count else None
    return values.to_pandas(types_mapper=chosen, date_as_object=False)
