"""A table of queries: every row a question, its columns read as those of observations are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.schema import MEDIA, NAMES, modality_name
from prom3e_index.search.query import Query
from prom3e_index.tables import EMBEDDINGS, Observations, read_observations, recognise


@dataclass(frozen=True)
class Row:
    """One row of a table of queries.

    Attributes:
        name: Its id, or `row-N` where the table has none.
        query: What it asks; None where it cannot be asked.
        refused: Why not.
    """

    name: str
    query: Query | None
    refused: str = ""


class QueryTable:
    """The queries of a table, read from the start as often as it is iterated.

    Columns are told by the names that tables of observations have. A column `target` says what each row searches
    for. A row that gives a value which cannot be read is refused: it would be answered by less than it shows.

    Args:
        table: As `build` takes it.
        like: What all rows have in common: target, filters, number of hits.
        columns: Column → field, where the names alone do not tell.
        media: Folder that relative paths start from; the table's when None. Files elsewhere are read too.

    Raises:
        TableError, InputError: See `read_observations`.
    """

    def __init__(
        self,
        table: str,
        like: Query,
        columns: Mapping[str, str] | None = None,
        media: Path | None = None,
    ) -> None:
        if recognise(Path(table.partition("::")[0])) in EMBEDDINGS:
            raise InputError(
                f"{table} holds embeddings; --queries reads tables of files, places and names. Search by "
                "embeddings from Python: bundle.search_many(Query(embedding=…, embedding_of=…) for …)."
            )
        self._table, self._like = table, like
        self._columns, self._media = dict(columns or {}), media
        self._open()

    def _open(self) -> Observations:
        return read_observations(self._table, self._columns, media=self._media, allow_outside=True)

    def __iter__(self) -> Iterator[Row]:
        table = self._open()
        for batch in table.batches():
            for cells in batch.to_pylist():
                yield self._row(table, cells)
        for line, reason in table.rejected:
            yield Row("" if line is None else f"line {line}", None, reason)

    def _row(self, table: Observations, cells: dict[str, Any]) -> Row:
        name = cells["id"] or f"row-{cells['row_in'] + 1}"
        written = cells["text"] or cells["scientific_name"] or cells["common_name"]
        lost = [p for p in cells["problems"] or () if p["modality"] in NAMES]
        lost = [p for p in lost if p["modality"] != "text" or not written]
        if lost:
            return Row(name, None, "; ".join(f"{p['modality']}: {p['reason']}" for p in lost))
        given: dict[str, Any] = {}
        for m in MEDIA:
            files = [cells[m]] if cells[m] else []
            files += [e["path"] for e in cells.get("more") or () if e["modality"] == m]
            if files:
                paths = [str(table.media / f) for f in files]
                given[m] = paths if len(paths) > 1 else paths[0]
        if "audio" in given and cells.get("start_s") is not None:
            given["audio_span"] = (cells["start_s"], cells.get("end_s"))
        if cells["latitude"] is not None:
            given["location"] = (cells["latitude"], cells["longitude"])
        if cells["env"] is not None:
            given["env"] = cells["env"]
        if written:
            given["text"] = written
        if not given:
            return Row(name, None, "the row gives nothing to search by")
        target = next((cells[c] for c in table.extra if c.lower() == "target" and cells[c]), None)
        try:
            given |= {"target": modality_name(target)} if target else {}
        except InputError as e:
            return Row(name, None, str(e))
        return Row(name, replace(self._like, **given))
