"""The first section of a page: what an index holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prom3e_index.policy.cells import SOURCE_CELL
from prom3e_index.search.in_words import word
from prom3e_index.search.run import Bundle
from prom3e_index.show.answer_section import cut
from prom3e_index.show.contents import Contents, Counted, contents_of
from prom3e_index.show.escapes import html
from prom3e_index.show.maps import Mark, cell_of, map_of

CELLS = 60
"""Places of the map along its longer side; those of one cell are one dot."""
_DOTS = 1_500


def overview(bundle: Bundle, has_land: bool) -> str:
    """Counts, places, years, names, licences, what was observed and what was lost."""
    c = contents_of(bundle)
    rows = f" in {c.rows:,} rows" if c.rows != c.observations else ""
    cards = [
        _card("Observed; the model completed the rest", _bars(_observed(c), c.rows)),
        _card("When", _years(c)),
        _card("Species", _counted(c.species, c.rows, "without a name", italic=True)),
        _card("Licences", _counted(c.licences, c.rows, "without a licence")),
        _card("Rights holders", _counted(c.holders, c.rows, "without a holder")),
        _card("Lost and refused", _lost(c, bundle.manifest)),
    ]
    columns = ", ".join(f"<code>{cut(name)}</code>" for name, _ in c.columns[:120])
    more = f" and {len(c.columns) - 120:,} more" if len(c.columns) > 120 else ""
    where = _card("Where", _places(bundle, c, has_land))
    return (
        f"<h2 id='index'>What the index holds</h2><p class='soft'>{c.observations:,} observations{rows}.</p>"
        f"{where}<div class='cards'>{''.join(cards)}</div><section class='small'><details><summary>"
        f"{len(c.columns):,} columns that a filter may ask for</summary><p>{columns}{more}</p></details></section>"
    )


def _card(title: str, body: str) -> str:
    return f"<section><h3>{html(title)}</h3>{body}</section>"


def _observed(c: Contents) -> list[tuple[str, int, str]]:
    return [(html(word(m)), n, f"{n:,} of {c.rows:,}") for m, n in c.observed.items()]


def _bars(values: Sequence[tuple[str, int, str]], most: int) -> str:
    """(label, count, what is said of it), a bar each; labels are harmless already."""
    out = []
    for label, count, said in values:
        share = 100 * count / most if most else 0
        out.append(
            f"<li><i style='width:{share:.1f}%'></i><span>{label}</span><span>{html(said)}</span></li>"
        )
    return f"<ul class='bars'>{''.join(out)}</ul>"


def _counted(c: Counted, rows: int, without: str, italic: bool = False) -> str:
    if not c.values:
        return "<p class='soft'>None stated.</p>"
    most = max(n for _, n in c.values)
    tag = ("<i>", "</i>") if italic else ("", "")
    bars = _bars([(f"{tag[0]}{cut(v, 80)}{tag[1]}", n, f"{n:,}") for v, n in c.values], most)
    rest = []
    if c.others:
        rest.append(f"{c.others:,} more, in {c.other_rows:,} rows")
    if c.without:
        rest.append(f"{c.without:,} of {rows:,} rows {without}")
    return bars + (f"<p class='soft small'>{'; '.join(rest)}.</p>" if rest else "")


def _years(c: Contents) -> str:
    undated = f"{c.undated:,} of {c.rows:,} rows have no date." if c.undated else ""
    if not c.years:
        return f"<p class='soft'>{undated or 'No dates.'}</p>"
    first, last = c.years[0][0], c.years[-1][0]
    width = max(1, -(-(last - first + 1) // CELLS))  # years of a bar
    heights: dict[int, int] = {}
    for year, n in c.years:
        heights[(year - first) // width] = heights.get((year - first) // width, 0) + n
    count, top = (last - first) // width + 1, max(heights.values())
    step = 700 / count
    bars = []
    for i, n in sorted(heights.items()):
        begin = first + i * width
        named = f"{begin}" if width == 1 else f"{begin} to {min(begin + width - 1, last)}"
        tall, wide = max(1.5, 150 * n / top), max(1.0, min(step - 2, 60))
        bars.append(
            f"<g><title>{named}: {n:,} rows</title><rect class='bar' x='{10 + (i + 0.5) * step - wide / 2:.1f}' "
            f"y='{160 - tall:.1f}' width='{wide:.1f}' height='{tall:.1f}' rx='2'/></g>"
        )
    named = f"{first}" if first == last else f"{first} to {last}"
    return (
        f"<svg viewBox='0 0 720 166' role='img' aria-label='rows by year'><path class='grid' d='M10 160.5H710'/>"
        f"{''.join(bars)}</svg><p class='soft small'>{named}; the highest bar has {top:,} rows. {undated}</p>"
    )


def _places(bundle: Bundle, c: Contents, has_land: bool) -> str:
    if c.extent is None:
        return "<p class='soft'>No places.</p>"
    west, south, east, north = c.extent
    cell = max(east - west, north - south) / CELLS
    one = (
        "latitude, longitude"
        if not cell
        else f"floor(latitude / {cell!r}), floor(longitude / {cell!r})"
    )
    known = "obscured" in bundle.columns
    where = " AND NOT coalesce(obscured, false)" if known else ""
    found = bundle.sql(
        "SELECT avg(latitude), avg(longitude), count(*) AS n FROM observations WHERE latitude IS NOT NULL AND "
        f"longitude IS NOT NULL{where} GROUP BY {one} ORDER BY n DESC LIMIT {_DOTS}"
    )
    top = max((int(r[2]) for r in found), default=1)
    marks = _cells(bundle) if c.obscured and known else []
    marks += [
        Mark(float(a), float(o), f"{int(n):,} rows", radius=3.0 + 9.0 * (int(n) / top) ** 0.5)
        for a, o, n in found
    ]
    missing = f" {c.rows - c.places:,} rows have no place." if c.rows > c.places else ""
    hidden = (
        f" {c.obscured:,} places were obscured by their source or generalised by a policy; they are drawn as cells."
        if c.obscured
        else ""
    )
    extent = f"Latitude {south:.2f} to {north:.2f}, longitude {west:.2f} to {east:.2f}."
    return (
        map_of(marks, "map of observations", None, has_land)
        + f"<p class='soft small'>{extent}{missing}{hidden}</p>"
    )


def _cells(bundle: Bundle) -> list[Mark]:
    """Cells of places that are hidden: of their levels, else those that their source draws."""
    level = "place_level" if "place_level" in bundle.columns else "NULL::VARCHAR"
    side = SOURCE_CELL.degrees
    middle = f"CASE WHEN l IS NULL THEN round(floor({{0}} / {side} + 1e-9) * {side} + {side} / 2, 6) ELSE {{0}} END"
    found = bundle.sql(
        f"SELECT l, {middle.format('latitude')} AS a, {middle.format('longitude')} AS o, count(*) AS n FROM "
        f"(SELECT latitude, longitude, {level} AS l FROM observations WHERE obscured AND latitude IS NOT NULL AND "
        f"longitude IS NOT NULL) GROUP BY ALL ORDER BY n DESC, a, o LIMIT {_DOTS}"
    )
    return [
        Mark(
            float(a),
            float(o),
            f"{int(n):,} rows in this cell",
            cell=cell_of(float(a), float(o), level),
        )
        for level, a, o, n in found
    ]


def _lost(c: Contents, manifest: dict[str, Any]) -> str:
    counts = manifest.get("counts", {})
    read, refused = int(counts.get("rows_in", c.rows)), int(counts.get("rows_rejected", 0))
    lost = int(counts.get("files_lost", 0))
    said = f"<p>{read:,} rows read, {refused:,} refused; {lost:,} files or values lost.</p>"
    items = [f"<li>{n:,} × refused: {cut(reason, 240)}</li>" for reason, n in c.rejected]
    items += [f"<li>{n:,} × {html(word(m))}: {cut(reason, 240)}</li>" for m, reason, n in c.lost]
    return said + (f"<ul class='small'>{''.join(items)}</ul>" if items else "")
