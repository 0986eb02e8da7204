"""Answers on screen and in files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from prom3e_index.search.query import Answer

FORMATS = ("table", "json", "jsonl", "csv", "geojson", "parquet")


def write_answer(answer: Answer, format: str, output: Path | None) -> None:
    """Write an answer in one of `FORMATS`, to a file or stdout."""
    records = [h.to_dict() for h in answer.hits]
    if format == "parquet":
        from prom3e_index.show.export import write_parquet

        assert output is not None  # checked by the command
        write_parquet(records, output)
        return
    if format == "table":
        text = table(answer, None if output else sys.stdout.isatty())
    elif format == "json":
        text = json.dumps(answer.to_dict(), ensure_ascii=False, indent=2) + "\n"
    elif format == "jsonl":
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    else:
        from prom3e_index.show.export import csv_text, geojson

        text = csv_text(records) if format == "csv" else geojson(records) + "\n"
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)


def table(answer: Answer, terminal: bool | None) -> str:
    """The answer for people: the question, a table of hits, how it was found."""
    from rich.console import Console
    from rich.table import Table

    q, s = answer.query, answer.search
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("#", "score", "", "name", "id", "place", "date", "licence", "rights holder"):
        grid.add_column(
            name, justify="right" if name in ("#", "score") else "left", overflow="fold"
        )
    for h in answer.hits:
        f = h.fields
        place = "" if f.get("latitude") is None else f"{f['latitude']:.3f}, {f['longitude']:.3f}"
        place += " (obscured)" if f.get("obscured") else ""
        mark = "completed" if h.completed else "observed"
        name = f.get("scientific_name") or f.get("common_name") or "—"
        cells = (
            str(h.rank),
            f"{h.score:.4f}",
            mark,
            name,
            str(f["id"]),
            place,
            _cell(f.get("event_date")),
            _cell(f.get("license")),
            _cell(f.get("rights_holder")),
        )
        grid.add_row(*cells)
    width = None if terminal else 160
    console = Console(
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        force_terminal=bool(terminal),
        no_color=not terminal,
    )
    w = q["weights"]
    with console.capture() as captured:
        console.print(
            f"{' + '.join(q['given'])} → {q['target']}   space {q['space']}  "
            f"δ {w['delta']:g}  γ {w['gamma']:g}  ε {w['epsilon']:g}"
            + (f"  against hubs {q['hubs']}" if q["hubs"] != "none" else "")
        )
        if answer.hits:
            console.print(grid)
        for note in s["notes"]:
            console.print(f"note: {note}")
        total = sum(s["milliseconds"].values())
        console.print(
            f"{s['eligible']:,} of {s['rows']:,} rows eligible; {s['path']}; {total:.0f} ms"
        )
        advice = q["add_next"]
        more = (
            (
                f"; adding {advice['modality']} would lower it most (by {-advice['sigma_l1_change']:.3g} in "
                f"{advice['rows']} observations here)"
            )
            if advice
            else ""
        )
        console.print(
            f"uncertainty ‖σ‖₁ {q['sigma_l1']:g}, above {q['sigma_percentile']:g} % of the "
            f"observations{more}"
        )
    return captured.get()


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
