"""`prom3e-index query --queries TABLE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from prom3e_index.cli.screen import keeps, progress, put_data, say

if TYPE_CHECKING:
    from prom3e_index.indexer.query_batch import Done
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

_MOST_REASONS = 5


def query_many(
    bundle: Bundle,
    like: Query,
    table: Path,
    columns: dict[str, str],
    media: Path | None,
    output: Path | None,
    format: str | None,
    workers: int | None,
    restart: bool,
) -> None:
    """Answer a table of queries into a file, or onto stdout as lines."""
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.query_batch import QueryBatch, answer_table, parts_of
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing
    from prom3e_index.show.endings import format_of
    from prom3e_index.show.query_rows import FORMATS

    kind = format_of(format, output, FORMATS, "jsonl" if output is None else None)
    if output is None and kind == "parquet":
        raise InputError("--format parquet needs --output FILE.")
    if means_nothing(bundle):
        say(f"warning: {MEANINGLESS}", err=True)
    if output is None:
        done = _to_stdout(bundle, like, str(table), columns, media, kind, workers)
    else:
        batch = QueryBatch(str(table), like, output, kind, columns, media, workers, restart)
        keeps(f"what was answered is kept in {parts_of(output)}, and the same command goes on")
        with progress() as show:
            done = answer_table(bundle, batch, show)
        keeps("")
    say(
        f"{done.rows:,} queries = {done.answered:,} answered + {done.refused:,} refused"
        + (f"; {output}" if output is not None else ""),
        err=True,
    )
    most = sorted(done.reasons.items(), key=lambda r: -r[1])
    for reason, count in most[:_MOST_REASONS]:
        say(f"  refused {count:,}: {reason}", err=True)
    if len(done.reasons) > _MOST_REASONS:
        say(f"  and {len(done.reasons) - _MOST_REASONS:,} other reasons: column `error`", err=True)
    if done.rows and not done.answered:
        raise typer.Exit(1)


def _to_stdout(
    bundle: Bundle,
    like: Query,
    table: str,
    columns: dict[str, str],
    media: Path | None,
    format: str,
    workers: int | None,
) -> Done:
    """Write answers as they come; nothing of them is kept here."""
    import io

    from prom3e_index.indexer.query_batch import Done, answered, row_records
    from prom3e_index.indexer.query_table import QueryTable
    from prom3e_index.show.query_rows import columns_of, csv_head, write_lines

    done, named = Done(), columns_of(bundle)
    if format == "csv":
        put_data(",".join(csv_head(named)) + "\n")
    with progress() as show:
        for name, found in answered(bundle, QueryTable(table, like, columns, media), workers):
            lines = io.StringIO()
            write_lines(lines, format, named, row_records(name, found))
            put_data(lines.getvalue())
            if sys.stdout is not None and sys.stdout.isatty() is False and done.rows % 64 == 63:
                sys.stdout.flush()
            done.count(found)
            show("queries", done.rows, None)
    return done
