"""`prom3e-index info --lost`: what rows are without, and which were refused, summed up or each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prom3e_index.cli.screen import plural, put_data, say
from prom3e_index.show.escapes import shown

if TYPE_CHECKING:
    from prom3e_index.indexer.lost_rows import LostKind
    from prom3e_index.search.run import Bundle


def write_lost_csv(bundle: Bundle) -> None:
    """A line for each loss and each refused row."""
    import io

    from prom3e_index.indexer.lost_rows import COLUMNS, lost_rows
    from prom3e_index.show.escapes import cells, csv_lines

    part = io.StringIO()
    lines = csv_lines(part)
    lines.writerow(COLUMNS)
    for row in lost_rows(bundle):
        lines.writerow(cells(row[c] for c in COLUMNS))
        if part.tell() > 1 << 16:
            put_data(part.getvalue())
            part.seek(0)
            part.truncate()
    put_data(part.getvalue())


def write_lost(bundle: Bundle) -> None:
    """Losses by field and reason, with the first ids of each; then the refused rows so."""
    from prom3e_index.indexer.lost_rows import lost_kinds, mended

    kinds = lost_kinds(bundle)
    lost = [k for k in kinds if k.field is not None]
    refused = [k for k in kinds if k.field is None]
    for field in dict.fromkeys(k.field for k in lost):
        own = [k for k in lost if k.field == field]
        say(f"{field}: {sum(k.rows for k in own):,} lost")
        _write(own)
    if refused:
        say(f"refused: {plural(sum(k.rows for k in refused), 'row')}")
        _write(refused)
    if not kinds:
        say("nothing was lost, and no row was refused")
    since = mended(bundle)
    if since:
        say(f"{plural(since, 'row')} refused before, and added since")
    if any(k.rows > 1 for k in kinds):
        say("a line for each, as CSV: prom3e-index info --lost --csv")


def _write(kinds: list[LostKind]) -> None:
    for kind in kinds:
        say(f"  {kind.rows:,}  {shown(kind.reason)}")
        names = [_name(key, row) for key, row in kind.first]
        more = ", …" if kind.rows > len(names) else ""
        if any(names):
            say(f"      {', '.join(filter(None, names))}{more}")


def _name(key: str | None, row: int | None) -> str:
    where = "" if row is None else f"row {row}"
    if key is None:
        return where
    return f"{shown(key)} ({where})" if where else shown(key)
