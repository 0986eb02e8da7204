"""A table of queries: every row a question, its columns read as those of observations are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.schema import MEDIA, NAMES, modality_name
from prom3e_index.search.query import Query
from prom3e_index.search.spans import seconds_of, split_span
from prom3e_index.tables import EMBEDDINGS, Observations, read_observations, recognise
from prom3e_index.tables.finding import Found


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
        table = read_observations(self._table, self._columns, media=self._media, allow_outside=True)
        table.finder.find = _with_spans(table.finder.find)  # type: ignore[method-assign, assignment]
        return table

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
        if "audio" in given:
            try:
                given |= _span(table, cells)
            except ValueError as e:
                return Row(name, None, f"audio: {e}")
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
            return Row(name, replace(self._like, **given))
        except InputError as e:
            return Row(name, None, e.typed)


_START = {"start_s", "start", "start (s)", "start_time", "begin", "begin_time", "begin time (s)"}
_END = {"end_s", "end", "end (s)", "end_time", "end time (s)"}


def _span(table: Observations, cells: dict[str, Any]) -> dict[str, Any]:
    """The span of a row's recording, by its start and end; seconds, or minutes and seconds as 7:10.

    Raises:
        ValueError: A start or an end is none.
    """
    bounds: list[float | None] = []
    for field, names in (("start_s", _START), ("end_s", _END)):
        column = next((c for c in table.extra if c.strip().lower() in names and cells[c]), None)
        value = cells.get(field)
        if value is None and column is not None:
            try:
                value = seconds_of(str(cells[column]))
            except ValueError:
                raise ValueError(f"{column} {cells[column]!r:.60} is no time in seconds") from None
        bounds.append(value)
    return {} if bounds == [None, None] else {"audio_span": (bounds[0] or 0.0, bounds[1])}


def _with_spans(find: Callable[[str], Found]) -> Callable[[str], Found]:
    """A finder of media that also knows `x.wav@7:00-7:10`, as a query on the command line does."""

    def found(text: str) -> Found:
        path, reason = find(text)
        name, at, span = text.rpartition("@")
        if path is None and at and name:
            try:
                asked = split_span(text)[1]
            except InputError as e:
                return None, e.typed
            whole = find(name)[0] if asked is not None else None
            return (f"{whole}@{span}", None) if whole is not None else (None, reason)
        return path, reason

    return found
