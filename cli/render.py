"""What commands answer: hits on screen and in files, an index's state, its certificate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.cli.explained import below, explained, notes, told
from prom3e_index.cli.screen import (
    colours,
    holdings,
    plural,
    put,
    put_data,
    say,
    speaks_utf8,
)

if TYPE_CHECKING:
    from prom3e_index.exports.write import Exported
    from prom3e_index.search.answered import Answer

FORMATS = (
    "table",
    "json",
    "jsonl",
    "csv",
    "geojson",
    "parquet",
    "gpkg",
    "geoparquet",
    "h3",
    "dwca",
)
NEED_A_FILE = ("parquet", "gpkg", "geoparquet", "h3", "dwca")
COLUMNS = ("#", "score", "", "name", "id", "place", "date", "licence", "rights holder")
FILE_WIDTH = 160
"""Columns of a table in a file or a pipe."""
_WHOLE = 3
_NARROW = 8
"""The first columns are never broken; another is at least this wide, or its longest cell."""


def write_answer(
    answer: Answer,
    format: str,
    output: Path | None,
    columns: Sequence[str] = (),
    explain: bool = False,
) -> None:
    """Write an answer in one of `FORMATS`, to a file or stdout; `columns` are those of CSV on stdout.

    What is said beside the hits goes to stderr where the format has no place for it, and what was written too.
    """
    from prom3e_index.exports import answers
    from prom3e_index.search.run import Bundle
    from prom3e_index.show import export
    from prom3e_index.show.escapes import json_text
    from prom3e_index.show.files import write_text

    found = export.records(answer.hits, answer.notes)
    ascii_only = output is None and not speaks_utf8()
    if format == "table":
        if output is None:
            width = None if sys.stdout.isatty() else FILE_WIDTH
            put(table(answer, colours(sys.stdout), width, explain))
            return
        text = table(answer, explain=explain)
    elif format == "json":
        text = json_text(answer.to_dict(), indent=2, ascii_only=ascii_only) + "\n"
    elif format == "jsonl":
        text = "".join(json_text(r, ascii_only=ascii_only) + "\n" for r in found)
    elif format == "csv" and output is None:
        text = export.csv_text(found, columns)
    elif format == "geojson" and output is None:
        text = export.geojson(found, ascii_only=ascii_only) + "\n"
    if format not in ("table", "json"):  # which hold them
        for line in [f"note: {t}" for t in told(answer)] + notes(answer):
            say(line, err=True)
    if explain and format != "table":
        for line in explained(answer):
            say(line, err=True)
    if output is None:
        put_data(text)
        return
    if format in answers.FORMATS:
        assert isinstance(answer.bundle, Bundle)  # that answered
        written = answers.write_hits(answer, answer.bundle, output, format)
        write_said(written, err=True)
    else:
        write_text(output, text)
    if output.is_file():
        say(f"{plural(len(answer.hits), 'hit')} in {output}", err=True)


def write_said(written: Exported, *, err: bool = False) -> None:
    """What is to be known of an export: its licence, what was left out, what lies beside it."""
    for note in written.notes:
        say(note, err=err)
    if written.licence is not None:
        say(f"licence of the whole: {written.licence}", err=err)
    if written.beside:
        say(f"beside it: {', '.join(f.name for f in written.beside)}", err=err)


def table(
    answer: Answer, bold: bool = False, width: int | None = FILE_WIDTH, explain: bool = False
) -> str:
    """The answer for people: the question, a table of hits, what is to be known of it.

    Args:
        answer: What was found.
        bold: Set the head off by bold letters.
        width: Columns; the terminal's when None. Where they are too few for a table, each hit is a
            paragraph, so that nothing is lost.
        explain: Also say how it was found.
    """
    from rich.console import Console

    from prom3e_index.search.meaning import MEANINGLESS
    from prom3e_index.show.escapes import shown

    console = Console(
        width=width, highlight=False, markup=False, emoji=False, soft_wrap=False,
        force_terminal=bold, no_color=not bold,
    )  # fmt: skip
    q = answer.query
    with console.capture() as captured:
        if MEANINGLESS in answer.notes:
            console.print(f"warning: {MEANINGLESS}")
        console.print(shown(f"{' + '.join(map(_given, q['given'].items()))} → {q['target']}"))
        if answer.hits:
            _print_hits(console, [_cells(h) for h in answer.hits])
        for line in below(answer, explain):
            console.print(shown(line))
    return captured.get()


def _given(part: tuple[str, Any]) -> str:
    """A modality of the question; how many, where several files were averaged."""
    name, value = part
    several = isinstance(value, list) and value and isinstance(value[0], str)
    return f"{name} (mean of {len(value)})" if several and len(value) > 1 else name


def _print_hits(console: Any, rows: list[list[str]]) -> None:
    """A table where it fits, else a paragraph per hit."""
    from rich.cells import cell_len
    from rich.table import Table

    widest = [max(map(cell_len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    least = [n if i < _WHOLE else min(n, _NARROW) for i, n in enumerate(widest)]
    if sum(least) + 2 * (len(least) - 1) > console.width:
        for row in rows:
            console.print(" ".join(row[:_WHOLE]))
            for name, value in zip(COLUMNS[_WHOLE:], row[_WHOLE:], strict=True):
                if value:
                    console.print(f"{name}: {value}", overflow="fold")
        return
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, (name, few) in enumerate(zip(COLUMNS, least, strict=True)):
        grid.add_column(
            name, justify="right" if i < 2 else "left", overflow="fold", min_width=few,
            no_wrap=i < _WHOLE,
        )  # fmt: skip
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def _cells(h: Any) -> list[str]:
    from prom3e_index.search.spans import span_text
    from prom3e_index.show.escapes import shown

    f = h.fields
    place = "" if f.get("latitude") is None else f"{f['latitude']:.3f}, {f['longitude']:.3f}"
    where = f["id"]
    if f.get("start_s") is not None:
        where = f"{f.get('observation') or where} {span_text(f['start_s'], f['end_s'])}"
    cells = (
        h.rank,
        f"{h.score:.4f}",
        "completed" if h.completed else "observed",
        f.get("scientific_name") or f.get("common_name") or "—",
        where,
        place + (" (obscured)" if f.get("obscured") else ""),
        *("" if f.get(k) is None else f[k] for k in ("event_date", "license", "rights_holder")),
    )
    return [shown(c) for c in cells]


def write_state(index: Path, manifest: dict[str, Any]) -> None:
    """What an index holds after a change."""
    gone = int(manifest["deleted"]["rows"]) if manifest["deleted"] else 0
    more = f"; {gone:,} removed rows stay in its files until compact" if gone else ""
    say(f"{index}: generation {manifest['generation']}, {holdings(manifest)}{more}")


def _searched_by(made: dict[str, Any]) -> str:
    """What searched, with its version."""
    named = made["versions"]
    return str(named["store"]) if "store" in named else f"FAISS {named['faiss']}"


def write_certificate(manifest: dict[str, Any]) -> None:
    """The certificate as a table."""
    made = manifest.get("certificate")
    if made is None:
        say("certificate: none; prom3e-index certify makes one")
        return
    if made.get("stale"):
        say(f"certificate: of an earlier generation, not made anew: {made['stale']}")
    if "targets" not in made:  # format 1
        recall = ", ".join(f"{k} {v}" for k, v in made.get("recall@10", {}).items())
        say(f"certificate of {made.get('queries', 0)} queries: recall@10 {recall}")
        return
    own = "the store's own " if "store" in made["versions"] else ""
    say(
        f"certificate: {made['queries']:,} cross-modal queries over {made['rows']:,} rows, "
        f"{own}generation {made['generation']}, {made['created']}, {made['machine']}, {_searched_by(made)}"
    )
    timed = {t["timed"] for t in made["targets"].values() if t.get("timed")}
    if timed:
        few = f"{min(timed)} to {max(timed)}" if len(timed) > 1 else f"{max(timed)}"
        say(f"p50, p95 and p99 are of {few} single queries a target")
    head = (
        "target",
        "kind",
        "R@1",
        "R@10",
        "R@100",
        "p50",
        "p95",
        "p99 ms",
        "QPS",
        "B/row disk",
        "memory",
    )
    say("  " + " ".join(f"{h:>10s}" for h in head))
    keys = ("recall@1", "recall@10", "recall@100", "p50_ms", "p95_ms", "p99_ms", "batch_qps",
            "disk_bytes_per_row", "memory_bytes_per_row")  # fmt: skip
    for target, m in made["targets"].items():
        cells = [target, m["kind"], *("–" if m.get(k) is None else f"{m[k]:g}" for k in keys)]
        say("  " + " ".join(f"{c:>10s}" for c in cells))
    for sentence in made.get("unmet", ()):
        say(f"  unmet: {sentence}")
    for target, m in made["targets"].items():
        if m.get("filtered"):  # none of Milvus Lite without species
            worst = min(m["filtered"], key=lambda f: f["recall@10"])
            short = sum(f["short"] for f in m["filtered"])
            say(
                f"  {target} filtered: recall@10 at least {worst['recall@10']:g} ({worst['share']:.1%} of the rows, "
                f"{worst['rows']}); {short} answers short of ten"
            )
