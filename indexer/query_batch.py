"""Answering a table of queries into a file: part by part, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from prom3e_index.errors import BundleError, InputError, Prom3eError
from prom3e_index.indexer.beside import real_path
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.query_table import QueryTable, Row
from prom3e_index.indexer.work import read_note, write_note
from prom3e_index.search import in_words
from prom3e_index.search.answered import Answer
from prom3e_index.search.batch import answers
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.show.export import records
from prom3e_index.show.files import replacing
from prom3e_index.show.query_rows import FORMATS, columns_of, part_written, parts_joined
from prom3e_index.tables import content

PART = 1_024
"""Queries of a part: what a run that is killed does again at most."""


@dataclass(frozen=True)
class QueryBatch:
    """A table of queries and where its answers go.

    Attributes:
        table: The queries; see `QueryTable`.
        like: What all queries have in common.
        out: The file to write; its parts lie in `out.parts` until it is whole.
        format: One of `FORMATS`.
        columns: Column → field.
        media: Folder of the queries' relative media paths; the table's when None.
        workers: Decode processes; one per core when None.
        restart: Discard the parts of another table, index or settings.
    """

    table: str
    like: Query
    out: Path
    format: str
    columns: dict[str, str] = field(default_factory=dict)
    media: Path | None = None
    workers: int | None = None
    restart: bool = False


@dataclass
class Done:
    """What came of a table of queries: `rows` = `answered` + `refused`; why, and how often, in `reasons`."""

    rows: int = 0
    answered: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, found: Answer | str) -> None:
        """Count one row."""
        self.rows += 1
        if isinstance(found, Answer):
            self.answered += 1
        else:
            self.refused += 1
            if found in self.reasons or len(self.reasons) < 1_000:
                self.reasons[found] = self.reasons.get(found, 0) + 1

    def as_json(self) -> dict[str, Any]:
        """As it is noted beside the parts."""
        return asdict(self)


def answered(
    bundle: Bundle, rows: Iterable[Row], workers: int | None
) -> Iterator[tuple[str, Answer | str]]:
    """Each row's name and answer, or why there is none, in the rows' order."""
    waiting: deque[Row] = deque()

    def asked() -> Iterator[Query]:
        for row in rows:
            waiting.append(row)
            if row.query is not None:
                yield row.query

    for found in answers(bundle, asked(), workers):
        while waiting[0].query is None:
            row = waiting.popleft()
            yield row.name, row.refused
        row = waiting.popleft()
        yield row.name, found.typed if isinstance(found, Prom3eError) else found
    yield from ((row.name, row.refused) for row in waiting)


def row_records(name: str, found: Answer | str) -> list[dict[str, Any]]:
    """The lines of one query: one a hit; a single one without a hit where it found none or was refused."""
    if isinstance(found, str):
        return [{"query": name, "error": found}]
    said = found.query
    more = {
        "query": name,
        "target": said["target"],
        "confidence": in_words.confidence(said) or None,
        "species_set": said["species_set"]["names"],
        "notes": list(found.notes),
    }
    return [{**more, **r} for r in records(found.hits, found.notes)] or [more]


@full_disk_said
def answer_table(bundle: Bundle, batch: QueryBatch, progress: Progress) -> Done:
    """Answer a table of queries into a file.

    Raises:
        InputError: Another format, an output that is there already, or parts of other work beside it.
    """
    if batch.format not in FORMATS:
        raise InputError(
            f"--queries writes {', '.join(FORMATS)}, not {batch.format!r}; the file's ending or --format says which."
        )
    if batch.out.exists() and not (batch.out.is_file() or batch.out.is_dir()):
        raise InputError(
            f"{batch.out} is no file that could be replaced when every answer is there; leave --output out, and "
            "-f jsonl or csv goes to stdout."
        )
    out = real_path(batch.out)
    if out.is_dir():
        raise InputError(f"{batch.out} is a folder; name a file to write.")
    if not out.parent.is_dir():
        raise InputError(f"{batch.out} cannot be written: there is no folder {out.parent}.")
    if out.exists() and out == real_path(Path(batch.table.partition("::")[0])):
        raise InputError(
            f"{batch.out} holds the queries, and would be replaced by their answers; name another file."
        )
    table = QueryTable(batch.table, batch.like, batch.columns, batch.media)
    with locked(out, "query"):
        return _answer_table(bundle, batch, table, out, progress)


def parts_of(out: Path) -> Path:
    """Where the parts of an output lie until it is whole."""
    return out.with_name(out.name + ".parts")


def _answer_table(
    bundle: Bundle, batch: QueryBatch, table: QueryTable, out: Path, progress: Progress
) -> Done:
    parts = _parts(bundle, batch, out)
    columns = columns_of(bundle)
    note = read_note(parts / "done.json") or {"parts": 0}
    count = int(note.pop("parts"))
    done = Done(**note)
    if done.rows:
        progress(f"{done.rows:,} queries are answered already", 0, None)
    rows = islice(iter(table), done.rows, None)
    every = answered(bundle, rows, batch.workers)
    while True:
        lines: list[dict[str, Any]] = []
        before = done.rows
        for name, found in islice(every, PART):
            done.count(found)
            lines += row_records(name, found)
            progress("queries", done.rows, None)
        if done.rows == before:
            break
        part_written(parts / f"{count:06d}", batch.format, columns, lines)
        count += 1
        write_note(parts / "done.json", {"parts": count, **done.as_json()})
    with replacing(out) as new:
        parts_joined(_names(parts, count), batch.format, columns, new)
    _take_away(parts)
    return done


def _names(parts: Path, count: int) -> Sequence[Path]:
    return [parts / f"{i:06d}" for i in range(count)]


def _parts(bundle: Bundle, batch: QueryBatch, out: Path) -> Path:
    """The folder of parts of this work, made or found again."""
    parts = parts_of(out)
    made_of = {
        "table": content(Path(batch.table.partition("::")[0])),
        "name": batch.table.partition("::")[2],
        "index": bundle.identity,
        "asked": repr({**vars(batch.like), "filter": vars(batch.like.filter)}),
        "format": batch.format,
        "columns": batch.columns,
        "media": str(batch.media.resolve()) if batch.media else "",
    }
    if parts.is_symlink() or (parts.exists() and not parts.is_dir()):
        raise BundleError(f"{parts} is no folder of parts; move it away, its name is needed here.")
    if parts.exists():
        known = read_note(parts / "identity.json")
        strange = [p.name for p in parts.iterdir() if not _ours(p.name)]
        if strange:
            raise BundleError(
                f"{parts} is no folder of parts: it holds {strange[0]}. Move it away; its name is needed here."
            )
        if known != made_of and known is not None and not batch.restart:
            raise InputError(
                f"{parts} holds answers to other queries, of another index or with other settings; pass --restart to "
                "discard them."
            )
        if known != made_of or batch.restart:
            _take_away(parts)
    if not parts.exists():
        parts.mkdir()
        write_note(parts / "identity.json", made_of)
    return parts


def _ours(name: str) -> bool:
    known = ("identity.json", "identity.json.new", "done.json", "done.json.new")
    return name in known or (name.partition(".")[0].isdigit() and len(name) <= 10)


def _take_away(parts: Path) -> None:
    for path in list(parts.iterdir()):
        path.unlink()
    parts.rmdir()
