"""An HTML page of answers that opens without a network: maps, photos, spectrograms, recall."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.schema import MEDIA
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.query import Answer, Hit
from prom3e_index.search.run import Bundle
from prom3e_index.search.spans import span_text, split_span
from prom3e_index.show.escapes import html, on_earth
from prom3e_index.show.files import write_text
from prom3e_index.show.pictures import land_map, picture, plain_map

SPACES = ("encoder", "reconstructed", "hybrid")
STYLE = """
:root { --ink: #1d2a24; --soft: #5c6b63; --line: #d9e0da; --card: #ffffff; --page: #f4f6f2; --leaf: #2f6f4f; --guess: #a45a1b; }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 28px; margin: 0 0 4px } h2 { font-size: 20px; margin: 40px 0 8px }
p { margin: 6px 0 } .soft { color: var(--soft) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px; margin: 16px 0 }
.ask { display: grid; grid-template-columns: 260px 1fr; gap: 18px; align-items: start }
.ask img, figure img { width: 100%; border-radius: 8px; display: block; background: #e7ebe6 }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 14px; margin-top: 16px }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; padding: 8px }
figure img { height: 130px; object-fit: cover } .none { height: 130px; display: grid; place-items: center; color: var(--soft); background: #eef1ec; border-radius: 8px; font-size: 13px }
figcaption { font-size: 13px; line-height: 1.4; margin-top: 6px; overflow-wrap: anywhere }
.mark { display: inline-block; border-radius: 99px; padding: 0 8px; font-size: 12px; color: #fff; background: var(--leaf) }
.mark.completed { background: var(--guess) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; width: 100% }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right } th:first-child, td:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
.wide { overflow-x: auto } svg { width: 100%; height: auto; border-radius: 8px }
@media (max-width: 700px) { .ask { grid-template-columns: 1fr } }
"""


def recall_text(records: list[dict[str, Any]]) -> str:
    """The recall table for a terminal: recall@1 of three spaces, and their means."""
    lines = [
        f"{'direction':16s} {'match':13s} {'rows':>5s} {'gallery':>7s}  "
        + "  ".join(f"{s:>13s}" for s in SPACES)
        + "   (recall@1)"
    ]
    for r in records:
        cells = "  ".join(f"{r[s]['recall@1']:13.3f}" for s in SPACES)
        lines.append(
            f"{r['given'] + ' → ' + r['target']:16s} {r['match']:13s} {r['rows']:5d} {r['gallery']:7d}  {cells}"
        )
    means = (
        "  ".join(f"{np.mean([r[s]['recall@1'] for r in records]):13.3f}" for s in SPACES)
        if records
        else ""
    )
    lines.append(f"{'mean':16s} {'':13s} {'':5s} {'':7s}  {means}")
    return "\n".join(lines)


def write_report(
    path: Path,
    bundle: Bundle,
    answers: list[Answer],
    records: list[dict[str, Any]],
    raster: Path | None,
) -> None:
    """Write the page.

    Args:
        path: The HTML file; everything is inside it.
        bundle: Where the answers come from.
        answers: One section each.
        records: From `recall.recall_table`; the table is left out when empty.
        raster: Climate raster (`.npy`) drawn as the map's background.
    """
    background = (
        land_map(np.load(raster, mmap_mode="r", allow_pickle=False)) if raster else plain_map()
    )
    m = bundle.manifest
    c = m["counts"]
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' "
        "content='width=device-width, initial-scale=1'><title>prom3e-index report</title>"
        f"<style>{STYLE}</style><main><h1>What the observations answer</h1>"
        f"<p class='soft'>{m['rows']:,} observations, model {html(Path(m['model']['name']).name)}; "
        f"{c['rows_in']:,} rows in = {c['rows_indexed']:,} indexed + {c['rows_rejected']:,} rejected. "
        "<span class='mark'>observed</span> the observation has the modality searched for; "
        "<span class='mark completed'>completed</span> the model filled it in.</p>"
    ]
    if means_nothing(bundle):
        parts.append(f"<p><b>{html(MEANINGLESS)}</b></p>")
    parts += [_answer(a, background) for a in answers]
    if records:
        parts.append(_recall(records))
    parts.append("</main></html>")
    write_text(path, "".join(parts))


def _answer(a: Answer, background: str) -> str:
    q, s = a.query, a.search
    shown = []
    each = ((m, v) for m, given in q["given"].items() for v in _each(given))
    for modality, value in each:
        source = _asked_picture(modality, value)
        label = (
            f"<b>{html(modality)}</b> {html(Path(str(value)).name if source else _value(value))}"
        )
        image = f"<img alt='query {html(modality)}' src='{source}'>" if source else ""
        shown.append(f"<div>{image}<p>{label}</p></div>")
    advice = q["add_next"]
    more = f"; adding <b>{html(advice['modality'])}</b> would lower it most" if advice else ""
    said = ", ".join(f"{name} {value}" for name, value in q["filters"].items())
    filters = f"; filters: {html(said)}" if said else ""
    notes = "".join(f"<p>{html(n)}</p>" for n in s["notes"])
    w = q["weights"]
    return (
        f"<h2>{html(' + '.join(q['given']))} → {html(q['target'])}</h2><section><div class='ask'>"
        f"<div>{''.join(shown)}</div><div>{_map(a, background)}<p class='soft'>{s['eligible']:,} of "
        f"{s['rows']:,} rows eligible, {html(s['path'])}{filters}. Space {html(q['space'])}, δ {w['delta']:g}, "
        f"γ {w['gamma']:g}, ε {w['epsilon']:g}. Uncertainty ‖σ‖₁ {q['sigma_l1']:g}, "
        f"{a.standing}{more}.</p>{notes}</div></div>"
        f"<div class='hits'>{''.join(_hit(h) for h in a.hits)}</div></section>"
    )


def _each(given: Any) -> list[Any]:
    """The files or names of a modality, one by one; a place or a climate is one."""
    several = isinstance(given, list) and any(isinstance(v, str) for v in given)
    return given if several else [given]


def _asked_picture(modality: str, value: Any) -> str | None:
    """A picture of what a query gives, of a recording from the second on that it asks for."""
    if modality not in MEDIA:
        return None
    if modality != "audio":
        return picture(str(value))
    file, span = split_span(str(value))
    return picture(str(file), None if span is None else span[0])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{v:.3f}" for v in value[:4])
    return str(value)


def _hit(h: Hit) -> str:
    f = h.fields
    source = picture(h.media, f.get("start_s") if h.heard else None)
    kind = "completed" if h.completed else "observed"
    name = f.get("scientific_name") or "no name"
    image = (
        f"<img alt='{html(name)}' src='{source}'>" if source else "<div class='none'>no file</div>"
    )
    if h.media_fragment and h.media:
        when = span_text(f["start_s"], f["end_s"])
        address = html(f"{Path(h.media).absolute().as_uri()}#{h.media_fragment}")
        image += f"<audio controls preload='none' src='{address}'></audio>{html(when)}"
    rights = " · ".join(html(v) for v in (f.get("license"), f.get("rights_holder")) if v)
    obscured = " (place obscured)" if f.get("obscured") else ""
    return (
        f"<figure>{image}<figcaption><b>{h.rank}.</b> {h.score:.3f} <span class='mark {kind}'>{kind}</span><br>"
        f"<i>{html(name)}</i><br>{html(f.get('observation') or f['id'])}{obscured}<br>"
        f"<span class='soft'>{html(f.get('event_date') or '')} {rights}</span></figcaption></figure>"
    )


def _map(a: Answer, background: str) -> str:
    marks = []
    for h in reversed(a.hits):
        latitude, longitude = h.fields.get("latitude"), h.fields.get("longitude")
        if latitude is None or longitude is None or not on_earth(longitude, latitude):
            continue
        x, y = (longitude + 180) * 2, (90 - latitude) * 2
        colour = "#a45a1b" if h.completed else "#2f6f4f"
        marks.append(
            f"<g><title>{h.rank}. {html(h.fields.get('scientific_name') or h.fields['id'])}</title>"
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='9' fill='{colour}' stroke='#fff' stroke-width='1.5'/>"
            f"<text x='{x:.1f}' y='{y + 4:.1f}' text-anchor='middle' font-size='11' fill='#fff'>{h.rank}</text></g>"
        )
    place = a.query["given"].get("loc")
    if place:
        x, y = (place[1] + 180) * 2, (90 - place[0]) * 2
        marks.append(
            f"<path d='M{x - 8:.1f} {y:.1f}h16M{x:.1f} {y - 8:.1f}v16' stroke='#c0182b' stroke-width='3'/>"
        )
    lines = "".join(f"<path d='M0 {90 * i}H720' stroke='#00000018'/>" for i in range(1, 4))
    lines += "".join(f"<path d='M{120 * i} 0V360' stroke='#00000018'/>" for i in range(1, 6))
    return (
        f"<svg viewBox='0 0 720 360' role='img' aria-label='map of hits'><image href='{background}' width='720' "
        f"height='360' preserveAspectRatio='none'/>{lines}{''.join(marks)}</svg>"
    )


def _recall(records: list[dict[str, Any]]) -> str:
    def cell(r: dict[str, Any], space: str) -> str:
        value, (low, high) = r[space]["recall@1"], r[space]["interval"]
        shade = f"background: rgba(47, 111, 79, {0.75 * value:.2f}); color: {'#fff' if value > 0.6 else 'inherit'}"
        return f"<td style='{shade}' title='95 % interval {low:.3f} to {high:.3f}'>{value:.3f}</td>"

    rows = "".join(
        f"<tr><td>{html(r['given'])} → {html(r['target'])}</td><td>{html(r['match'])}</td><td>{r['rows']}</td>"
        f"<td>{r['gallery']}</td>{''.join(cell(r, s) for s in SPACES)}"
        f"<td>{r['hybrid']['recall@10']:.3f}</td></tr>"
        for r in records
    )
    means = "".join(
        f"<td><b>{np.mean([r[s]['recall@1'] for r in records]):.3f}</b></td>" for s in SPACES
    )
    ten = np.mean([r["hybrid"]["recall@10"] for r in records])
    return (
        "<h2>Recall</h2><section class='wide'><p class='soft'>Share of queries whose first answer is right. The "
        "gallery holds observed items only and is completed without the modality that asks. Same item: the very "
        "tile, place or climate; same species: another observation of it. Hover for 95 % bootstrap intervals.</p>"
        "<table><tr><th>direction</th><th>match</th><th>queries</th><th>gallery</th><th>encoder</th>"
        f"<th>reconstructed</th><th>hybrid</th><th>hybrid recall@10</th></tr>{rows}"
        f"<tr><td><b>mean</b></td><td></td><td></td><td></td>{means}<td><b>{ten:.3f}</b></td></tr></table></section>"
    )
