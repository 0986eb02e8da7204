"""The page of a diversity map: pictures, what follows the effort, what goes with what. Opens offline."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from prom3e_index.diversity.bands import Measured
from prom3e_index.show.escapes import html
from prom3e_index.show.style import STYLE

_DASH = "—"
_MORE = "img.map { width: 100%; max-width: 980px; background: #fff; border-radius: 8px }"


def page(told: Mapping[str, Any], pictures: Sequence[tuple[Measured, bytes]]) -> str:
    """The page as text.

    Args:
        told: What `diversity.json` says.
        pictures: PNG of bands, the default map first.
    """
    days = told["days"]
    when = f", {days[0]} to {days[1]}" if days else ""
    recipe = (
        "The paper's recipe, as it is printed: its maps follow the effort."
        if told["recipe"] == "paper"
        else "The first maps can be compared between cells; those that follow the effort cannot, and say so."
    )
    parts = [
        f"<h1>Diversity</h1><p class='soft'>{told['records']:,} records of {told['species']:,} species in "
        f"{told['cells_with_records']:,} of {told['mask']['cells']:,} cells ({html(told['grid']['name'])}; mask: "
        f"{html(told['mask']['words'])}){when}.</p><p class='warn'>A map of what was seen and reported, not of what "
        f"lives there. {recipe}</p>"
    ]
    for title, wanted in (
        ("What can be compared", lambda b: not b.follows and not _of_model(b)),
        ("What follows the effort", lambda b: b.follows),
        ("What the model says", _of_model),
    ):
        shown = [_picture(b, drawn) for b, drawn in pictures if wanted(b)]
        if shown:
            parts.append(f"<h2>{title}</h2>{''.join(shown)}")
    if told["model"]["reason"]:
        parts.append(f"<p class='soft'>Of the model: {html(told['model']['reason'])}.</p>")
    parts += [_effort(told), _correlations(told), _left_out(told)]
    parts.append(
        f"<p class='soft small'>{html(told['program'])}. Licences of the records: {_licences(told)}.</p>"
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        f'img-src data:"><title>Diversity</title><style>{STYLE}{_MORE}</style></head><body><main>{"".join(parts)}'
        "</main></body></html>\n"
    )


def _of_model(band: Measured) -> bool:
    return band.name in ("sigma_l1", "entropy")


def _picture(band: Measured, drawn: bytes) -> str:
    address = "data:image/png;base64," + base64.b64encode(drawn).decode()
    return f"<section><img class='map' alt='{html(band.words)}' src='{address}'></section>"


def _number(value: float | None, digits: int = 3) -> str:
    return _DASH if value is None else f"{value:.{digits}f}"


def _effort(told: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html(name)}</td><td>{_number(e['spearman'])}</td><td>{e['cells']:,}</td></tr>"
        for name, e in told["effort"].items()
    )
    return (
        "<h2>How far each band follows the effort</h2><section class='wide'><p class='soft'>Spearman's correlation "
        "with the individuals counted in a cell, over cells. Near 1 a band is a map of the observers.</p><table>"
        f"<tr><th>band</th><th>ρ</th><th>cells</th></tr>{rows}</table></section>"
    )


def _correlations(told: Mapping[str, Any]) -> str:
    rows = ""
    for model, of in told["correlations"].items():
        for band, ways in of.items():
            for way, found in ways.items():
                for name in ("raw", "partial"):
                    rows += _correlation((f"{model} and {band}", way, name), found, found[name])
    if not rows:
        return ""
    return (
        "<h2>What goes with the model's bands</h2><section class='wide'><p class='soft'>Spearman's ρ over cells with "
        "records; partial: given the logarithm of their number. Intervals: 95 %, blocks of 5° resampled. p: share of "
        "maps shifted over each other that correlate as strongly; of smooth maps that have nothing to do with each "
        "other the usual p calls most significant.</p><table><tr><th>bands</th><th></th><th></th><th>ρ</th>"
        f"<th>95 %</th><th>p</th><th>cells</th></tr>{rows}</table></section>"
    )


def _correlation(
    names: Sequence[str], found: Mapping[str, Any], one: Mapping[str, Any] | None
) -> str:
    cells = "".join(f"<td>{html(n)}</td>" for n in names)
    if one is None:
        return f"<tr>{cells}<td>{_DASH}</td><td></td><td></td><td>{found['cells']:,}</td></tr>"
    low_high = one["interval"]
    spread = _DASH if low_high is None else f"{low_high[0]:.3f} to {low_high[1]:.3f}"
    return (
        f"<tr>{cells}<td>{_number(one['rho'])}</td><td>{spread}</td><td>{_number(one['p'])}</td>"
        f"<td>{found['cells']:,}</td></tr>"
    )


def _left_out(told: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html(why)}</td><td></td><td>{n:,}</td></tr>"
        for why, n in told["left_out"].items()
    )
    rows += f"<tr><td>counted</td><td></td><td>{told['records']:,}</td></tr>"
    rows += f"<tr><td>all rows</td><td></td><td>{told['rows']:,}</td></tr>"
    unit = told["unit"]
    alone = ""
    if unit != "record":
        who = told["observed_by"]
        alone = (
            f" {told['individuals']:,} individuals are counted: a species that one observer"
            f"{f' ({html(who)})' if who else ''} saw on one day in one cell is one. {told['counted_alone']:,} records "
            "whose observer or day is not known count one each."
        )
    drawn = ""
    if told["assigned"] == "random":
        drawn = (
            f" Each record counts in the cell of a place drawn within its uncertainty (seed {told['seed']}), of "
            "1,000 m where none is stated."
        )
    return (
        f"<h2>What was counted</h2><section class='wide'><p>Unit: {html(unit)}.{alone}{drawn}</p><table><tr>"
        f"<th>rows</th><th></th><th></th></tr>{rows}</table></section>"
    )


def _licences(told: Mapping[str, Any]) -> str:
    named = {"not stated" if k == "None" else k: n for k, n in told["licences"].items()}
    return html(", ".join(f"{k} {n:,}" for k, n in named.items()) or "none")
