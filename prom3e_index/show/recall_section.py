"""The table of recall, of the demo's planet: for a terminal and for a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from prom3e_index.show.escapes import html

SPACES = ("encoder", "reconstructed", "hybrid")


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


def recall_section(records: list[dict[str, Any]]) -> str:
    """The section of a page: every direction, three spaces, with the intervals as titles."""

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
