"""The section of the demo's page that sets maps of photos beside the ranges that its planet's species truly have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prom3e_index.show.cell_map import CellMap, cell_map
from prom3e_index.show.escapes import html
from prom3e_index.show.pictures import picture


@dataclass(frozen=True, eq=False)
class Range:
    """A photo's map beside the range that its species truly has.

    Attributes:
        species: Its name.
        photo: The file that was asked with.
        mapped: The map.
        true: The range.
        precision: Average precision over the cells; `auc` likewise.
        other: Average precision of a photo of another species.
        share: Share of the cells that the species lives in, which is what chance has.
        nearest: Average precision of the distance to the nearest record of the species; None where there is none.
        records: Records of it whose places are told.
    """

    species: str
    photo: str
    mapped: CellMap
    true: CellMap
    precision: float
    auc: float
    other: float
    share: float
    nearest: float | None
    records: int


def ranges_section(ranges: Sequence[Range], cells: str, command: str) -> str:
    """The best, the middle and the worst of some maps, and figures of all.

    Args:
        ranges: At least one.
        cells: The cells in words.
        command: What makes such a map.
    """
    order = sorted(ranges, key=lambda r: -r.precision)
    named = dict(enumerate([order[0]]))
    if len(order) > 1:
        named[len(order) - 1] = order[-1]
    if len(order) > 2:
        named[len(order) // 2] = order[len(order) // 2]
    words = {0: "best", len(order) - 1: "worst"} if len(order) > 1 else {0: "only"}
    rows = "".join(_row(r) for r in order)
    shown = "".join(
        _range(order[at], f"{words.get(at, 'middle')} of {len(order)}") for at in sorted(named)
    )
    near = [r.nearest for r in ranges if r.nearest is not None]
    means = (
        _mean([r.precision for r in ranges]), _mean([r.auc for r in ranges]), _mean([r.other for r in ranges]),
        _mean([r.share for r in ranges]), _mean(near) if near else "—",
    )  # fmt: skip
    return (
        "<h2 id='truth'>Beside the truth: maps from a photo</h2><section><p>Asked with a photo alone, the model says "
        f"of each cell of land ({html(cells)}) how similar it is. The planet is invented, so it is known where each "
        "species lives: the line surrounds the cells whose suitability is above a tenth of the species' highest. A map "
        "is no probability.</p>"
        f"<p class='soft'>Average precision (AP) over the cells, mean of {len(ranges)} species: <b>{means[0]}</b>; of "
        f"another species' photo {means[2]}; of chance {means[3]}. Distance to the nearest record of the species, "
        f"which a photo does not know: {means[4]}.</p>{shown}<details class='small'><summary>All {len(ranges)}: the "
        "first photos of as many species</summary><div class='wide'><table><tr><th>species</th><th></th><th>AP</th>"
        "<th>AUC</th><th>AP of another's photo</th><th>chance</th><th>AP of the nearest record</th><th>records</th>"
        f"</tr>{rows}<tr><td><b>mean</b></td><td></td>{''.join(f'<td><b>{m}</b></td>' for m in means)}<td></td></tr>"
        "</table></div></details><p class='small soft'>Such a map as GeoTIFF: "
        f"<code>{html(command)}</code></p></section>"
    )


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}"


def _near(r: Range) -> str:
    return "—" if r.nearest is None else f"{r.nearest:.3f}"


def _row(r: Range) -> str:
    return (
        f"<tr><td><i>{html(r.species)}</i></td><td></td><td>{r.precision:.3f}</td><td>{r.auc:.3f}</td>"
        f"<td>{r.other:.3f}</td><td>{r.share:.3f}</td><td>{_near(r)}</td><td>{r.records}</td></tr>"
    )


def _range(r: Range, which: str) -> str:
    source = picture(r.photo)
    shown = f"<img alt='photo of {html(r.species)}' src='{source}'>" if source else ""
    return (
        f"<div class='beside'><div>{shown}<p><i>{html(r.species)}</i> <span class='mark'>{html(which)}</span></p>"
        f"<p class='small soft'>AP {r.precision:.3f}, AUC {r.auc:.3f}; chance {r.share:.3f}, another's photo "
        f"{r.other:.3f}, nearest record {_near(r)}</p></div>"
        f"<div>{cell_map(r.mapped)}<p class='small soft'>The photo's map: percentile of the similarity. Line: the true "
        f"range.</p></div><div>{cell_map(r.true)}<p class='small soft'>The truth: suitability, as a share of its "
        f"highest. Dots: {r.records} records of the species.</p></div></div>"
    )
