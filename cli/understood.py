"""What was understood of a table, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prom3e_index.cli.screen import say

if TYPE_CHECKING:
    from prom3e_index.indexer.understood import Reason, Understood

_CUT = 150
_COLUMNS = 4


def write_understood(u: Understood, *, err: bool = True) -> None:
    """Write what was understood of a table: the file, the fields, and what was lost and why."""

    def line(text: str) -> None:
        say(text, err=err)

    line(f"{u.table}: {', '.join([u.format, *_facts(u)])}")
    line(f"  {u.rows:,} rows = {u.kept:,} read + {u.refused:,} rejected; media in {u.media}")
    for sentence in u.said:
        line(f"  {sentence}")
    width = max((len(f"{f.rows:,}") for f in u.fields), default=1)
    for f in u.fields:
        gone = sum(r.rows for r in f.lost)
        more = f", {gone:,} lost" if gone else ""
        line(f"  {f.name:13s} {f.rows:>{width},} rows{more}{_named(f.columns)}")
        for reason in f.lost:
            line(f"    {_said(reason)}")
    if u.rejected:
        line("  rejected:")
        for reason in u.rejected:
            line(f"    {_said(reason)}")
    for column, field in u.unused:
        line(f"  not used: {column}; --map '{column}={field}' would")
    if u.remote:
        line(
            f"  {u.remote:,} addresses would have to be fetched: prom3e-index look … --urls FILE writes them"
        )
    if u.metadata:
        line(f"  kept as they are: {_listed(u.metadata, 12)}")


def _facts(u: Understood) -> list[str]:
    """What is known of the file, short."""
    out = []
    for key, value in u.facts.items():
        if key == "rows" or value is None or isinstance(value, bool):
            continue
        if isinstance(value, list | tuple):
            out.append(_listed([str(v) for v in value], _COLUMNS))
        else:
            number = isinstance(value, int)
            out.append(f"{value:,} {key.replace('_', ' ')}" if number else str(value))
    return out


def _named(columns: list[str]) -> str:
    return f"   from {_listed(columns, _COLUMNS)}" if columns else ""


def _listed(names: list[str], most: int) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _said(reason: Reason) -> str:
    text = reason.text if len(reason.text) <= _CUT else f"{reason.text[:_CUT]}…"
    ids = [i for i in reason.ids if i is not None]
    where = f"  ({', '.join(ids)}{', …' if reason.rows > len(ids) else ''})" if ids else ""
    return f"{reason.rows:,} × {text}{where}"
