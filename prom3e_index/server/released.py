"""What is told of an observation: all its columns that may leave an index, by the one way out that exports have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.exports.rows import Rows
from prom3e_index.licences import code_of, url_of
from prom3e_index.schema import MEDIA
from prom3e_index.search.run import Bundle
from prom3e_index.server.hit_said import RESERVED, links_of, media_licences, place_said, span_said
from prom3e_index.server.kept_media import check_row, shown_of
from prom3e_index.server.mapped import geometry
from prom3e_index.server.problems import Problem, not_found
from prom3e_index.show.escapes import plain

_INNER = (*MEDIA, "row", "is_part", "env")
"""Columns that are told in another form, or not at all: files by their addresses, vectors not."""


def observations_said(bundle: Bundle, rows: Sequence[int], generation: int) -> list[dict[str, Any]]:
    """Some observations with all that may be told of them, in the order of `rows`."""
    numbers = np.array(rows, np.int64)
    if not len(numbers):
        return []
    cells = Rows(bundle, numbers).records()
    files = shown_of(bundle, [int(r) for r in rows])
    rights = media_licences(bundle, [int(r) for r in rows])
    has = dict(zip(numbers.tolist(), bundle.observed(numbers), strict=True))
    return [
        _said(
            bundle,
            record,
            has[int(record["row"])],
            files[int(record["row"])],
            rights.get(int(record["row"]), {}),
            generation,
        )
        for record in cells
    ]


def observation_said(bundle: Bundle, row: int) -> dict[str, Any]:
    """An observation with all that may be told of it.

    Raises:
        Problem: 404, the index has no such row.
    """
    check_row(bundle, row)
    return observations_said(bundle, [row], bundle.generation)[0]


def _said(
    bundle: Bundle,
    record: dict[str, Any],
    has: NDArray[np.bool_],
    files: Any,
    rights: dict[str, str],
    generation: int,
) -> dict[str, Any]:
    row, f = int(record["row"]), plain(record)
    observed = [m for m, h in zip(bundle.modalities, has, strict=True) if h]
    licence = f.get("license")
    return {
        "row": row,
        "id": str(f["id"]),
        "observed": observed,
        "completed_modalities": [m for m in bundle.modalities if m not in observed],
        "scientific_name": f.get("scientific_name"),
        "common_name": f.get("common_name"),
        **place_said(f),
        "event_date": f.get("event_date"),
        "license": licence,
        "license_code": code_of(licence),
        "license_url": url_of(licence),
        "license_said": licence or RESERVED,
        "media_licenses": rights,
        "rights_holder": f.get("rights_holder"),
        "source": f.get("source"),
        "span": span_said(f),
        "fields": {k: v for k, v in f.items() if told(k) and v is not None},
        "links": links_of(row, files, span_said(f), generation),
    }


def told(column: str) -> bool:
    """Whether a column is among the fields that are told as they stand."""
    return (
        column not in _INNER and not column.startswith("has_") and not column.startswith("taxon_")
    )


def row_of_id(bundle: Bundle, id: str) -> int:
    """The row of an observation by its id.

    Raises:
        Problem: 404, none has it; 409, several have.
    """
    found = bundle.with_ids([id])
    if not found:
        raise not_found(f"The index has no observation {id[:100]!r}.", "id")
    if len(found) > 1:
        raise Problem(
            409,
            "ambiguous",
            "Several observations",
            f"Several rows have the id {id[:100]!r}.",
            "id",
        )
    return found[0][0]


def feature(said: dict[str, Any]) -> dict[str, Any]:
    """An observation as GeoJSON; of an obscured place the cell."""
    known = (
        "row", "observed", "completed_modalities", "obscured", "generalised", "coordinate_uncertainty_m", "license",
        "license_url", "rights_holder",
    )  # fmt: skip
    own = {k: v for k, v in said["fields"].items() if k not in ("latitude", "longitude", "id")}
    return {
        "type": "Feature",
        "id": said["row"],
        "geometry": geometry(said),
        "properties": {
            "id": said["id"], **own, **{k: said[k] for k in known},
            **{f"link_{k}": v for k, v in said["links"].items() if v},
        },
    }  # fmt: skip


def public_columns(bundle: Bundle) -> list[dict[str, str]]:
    """Columns that are told, with their DuckDB types."""
    held = bundle.column_types
    few = Rows(bundle, np.zeros(0, np.int64)).columns
    return [{"name": c, "type": held[c]} for c in few if told(c)]
