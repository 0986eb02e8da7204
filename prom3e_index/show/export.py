"""Hits as records, and these as CSV, Parquet and GeoJSON; whole indexes are written by `exports`.

Every file is whole or not there, also when it holds no row: it has its columns then.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prom3e_index.schema import MEDIA, SHOWN
from prom3e_index.search.answered import Hit
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.run import Bundle
from prom3e_index.show.escapes import cells, csv_lines, feature, json_text, plain
from prom3e_index.show.files import replacing

_NUMBERS = ("score", "p_right")
"""Columns of a hit that are numbers, also where no hit has one."""


def hit_columns(bundle: Bundle) -> list[str]:
    """Columns of a hit's record, in order; also those of an answer without hits."""
    own = [c for c in SHOWN if c in bundle.columns and c not in MEDIA and c != "id"]
    warned = ["warning"] if means_nothing(bundle) else []
    return [
        "rank",
        "id",
        "score",
        "completed",
        "p_right",
        *own,
        "media",
        "media_fragment",
        "observed",
        "row",
        *warned,
    ]


def records(hits: Iterable[Hit], notes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Hits as flat records that JSON can say; of an answer that means nothing each says so in `warning`."""
    warned = {"warning": MEANINGLESS} if MEANINGLESS in notes else {}
    return [{**plain(h.to_dict()), **warned} for h in hits]


def geojson(
    found: Iterable[dict[str, Any]], *, licence: str | None = None, ascii_only: bool = False
) -> str:
    """A GeoJSON FeatureCollection (RFC 7946: longitude first); records without place have no geometry.

    The licence of the whole is its `license`, where one is given.
    """
    whole: dict[str, Any] = {"type": "FeatureCollection"}
    if licence is not None:
        whole["license"] = licence
    return json_text({**whole, "features": [feature(r) for r in found]}, ascii_only=ascii_only)


def csv_text(found: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """CSV with a header; lists are joined by `|`. Cells that a spreadsheet would run are quoted by `'`."""
    out = io.StringIO()
    writer = csv_lines(out)
    writer.writerow(cells(columns))
    writer.writerows(cells(r.get(c) for c in columns) for r in found)
    return out.getvalue()


def write_parquet(found: Sequence[dict[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write records as Parquet; a column of several kinds of values, or of none and not of `_NUMBERS`, is text."""
    import pyarrow as pa
    from pyarrow import parquet

    def array(name: str, values: list[Any]) -> Any:
        try:
            made = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            made = pa.array([None if v is None else str(v) for v in values])
        empty = pa.float64() if name in _NUMBERS else pa.string()
        return made.cast(empty) if pa.types.is_null(made.type) else made

    arrays = [array(c, [r.get(c) for r in found]) for c in columns]
    table = pa.Table.from_arrays(arrays, names=list(columns))
    with replacing(path) as new, parquet.ParquetWriter(new, table.schema) as writer:
        writer.write_table(
            table
        )  # parquet.write_table removes what cannot be written, also a device or a pipe
