"""The section of a page that says where a species lives, as far as the index and its model tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prom3e_index.show.cell_map import CellMap, cell_map
from prom3e_index.show.escapes import html

TITLE = "<h2 id='ranges'>Where a species lives</h2>"
CAUTION = (
    "A map shows how similar each cell is to what is asked with. It is no probability of occurrence: it follows what "
    "the model learned from, and that follows where people went. Validate it before it is used."
)


@dataclass(frozen=True)
class Judged:
    """How well a map orders records of its taxon and those of others, which it has not seen.

    Attributes:
        taxon: Whose records are presences.
        presences: How many; `others` of other taxa are the background.
        blocks: AUC in blocks of 5°; None where nothing could be judged in them.
        distance: AUC there of the distance to the nearest known record alone; None likewise.
        folds: Folds of blocks that could be judged.
    """

    taxon: str
    presences: int
    others: int
    blocks: float | None
    distance: float | None
    folds: int


@dataclass(frozen=True, eq=False)
class Range:
    """A map of what is asked for, or why there is none.

    Attributes:
        name: The species, or what is asked with.
        how: By what it is asked: `name`, `photo`, `sound`.
        words: What is asked with, in a sentence.
        command: What makes such a map; empty where a reader could not ask so.
        mapped: Percentile of the similarity; None without a map.
        refused: Why there is none.
        similarity: Least, median and most.
        cells: The cells in words.
        beyond: Share of the cells that lie beyond what the index's observations know; None where it is not known.
        places: Records of the species that are dots.
        hidden: Records of it that are not, since their place is hidden or unknown.
        judged: How good it is; None where it is not judged.
        unjudged: Why it is not.
        picture: What was asked with, as a `data:` address; `rights`, whose it is.
        licences: Of the records, as they are taken together.
    """

    name: str
    how: str
    words: str
    command: str
    mapped: CellMap | None = None
    refused: str = ""
    similarity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cells: str = ""
    beyond: float | None = None
    places: int = 0
    hidden: int = 0
    judged: Judged | None = None
    unjudged: str = ""
    picture: str | None = None
    rights: str = ""
    licences: str = ""


@dataclass(frozen=True, eq=False)
class Ranges:
    """All maps of a section.

    Attributes:
        maps: Each; none where `why` says so.
        rule: Which species are mapped, in a sentence.
        beyond: How far each cell lies from what the index knows, and what that is; by the cells in words, since it is
            the same for all maps of them.
        why: Why there is no map.
        remedy: A command that may be of use then.
        lines: What the maps share, as HTML.
    """

    maps: Sequence[Range] = ()
    rule: str = ""
    beyond: Mapping[str, tuple[CellMap, str]] = field(default_factory=dict)
    why: str = ""
    remedy: str = ""
    lines: str = ""


def ranges_section(r: Ranges) -> str:
    """A map of each species or question, how good it is, and where it says less."""
    if not r.maps:
        more = f"<p class='small soft'><code>{html(r.remedy)}</code></p>" if r.remedy else ""
        return f"{TITLE}<section><p>{html(r.why)}</p>{more}</section>"
    shown = "".join(_range(one) for one in r.maps)
    beyond = "".join(
        f"<div><h3>Where the maps say less</h3>{cell_map(drawn)}<p class='small soft'>{html(cells)}. {html(words)} No "
        "map is to be believed there.</p></div>"
        for cells, (drawn, words) in r.beyond.items()
    )
    mapped = [one for one in r.maps if one.mapped is not None]
    return (
        f"{TITLE}<section>{r.lines}<p class='warn'>{html(CAUTION)}</p><p>{html(r.rule)}</p><div class='pairs'>{shown}"
        f"{beyond}</div>{_table(mapped) if mapped else ''}</section>"
    )


def _range(r: Range) -> str:
    head = f"<h3><i>{html(r.name)}</i> <span class='mark'>by {html(r.how)}</span></h3>"
    if r.mapped is None:
        return f"<div>{head}<p class='small'>No map: {html(r.refused)}</p>{_command(r)}</div>"
    photo = ""
    if r.picture:
        photo = (
            f"<div class='aside'><img alt='{html(r.how)} that is asked with' src='{r.picture}'>"
            f"<span>{html(r.rights)}</span></div>"
        )
    hidden = (
        f" {r.hidden:,} more are not shown: their place is hidden or unknown." if r.hidden else ""
    )
    dots = f"Dots: {r.places:,} records of the species.{hidden}" if r.places else hidden
    hatched = (
        f"Hatched, {r.beyond:.0%}: beyond what the index's observations know. " if r.beyond else ""
    )
    return (
        f"<div>{head}{cell_map(r.mapped)}{photo}<p class='small soft'>{html(r.words)} Colours: share of "
        f"the cells that are no more similar, in per cent; similarity {r.similarity[0]:.2f} to {r.similarity[2]:.2f}. "
        f"{hatched}{html(dots)} {html(told(r))}</p>{_command(r)}</div>"
    )


def told(r: Range) -> str:
    """How good a map is, in a sentence."""
    j = r.judged
    if j is None:
        return f"Not judged: {r.unjudged}"
    of = f"{j.presences:,} records of {j.taxon} against {j.others:,} of others"
    if j.blocks is None or j.distance is None:
        return f"Not judged in blocks of 5°: {of} do not lie in blocks that could be left out."
    better = (
        "better than distance alone."
        if j.blocks > j.distance
        else "no better than how near the nearest record is."
    )
    return (
        f"Judged by {of}, in blocks of 5° that the map has not seen: AUC {j.blocks:.3f}, distance alone "
        f"{j.distance:.3f}: {better}"
    )


def _command(r: Range) -> str:
    return f"<p class='small soft'><code>{html(r.command)}</code></p>" if r.command else ""


def _table(maps: Sequence[Range]) -> str:
    rows = "".join(
        f"<tr><td><i>{html(r.name)}</i></td><td>{html(r.how)}</td><td>{r.places:,}</td><td>{r.similarity[0]:.3f}</td>"
        f"<td>{r.similarity[1]:.3f}</td><td>{r.similarity[2]:.3f}</td><td>{_share(r.beyond)}</td>"
        f"{_judged(r.judged)}<td>{html(r.licences or 'not stated')}</td></tr>"
        for r in maps
    )
    return (
        "<details class='small' open><summary>The maps in figures</summary><div class='wide'><table><tr>"
        "<th>species</th><th>asked by</th><th>records</th><th>least similar</th><th>median</th><th>most</th>"
        "<th>cells beyond</th><th>AUC in blocks</th><th>distance alone</th><th>folds judged</th>"
        "<th>licence of the records</th></tr>"
        f"{rows}</table></div></details>"
    )


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0%}"


def _judged(j: Judged | None) -> str:
    if j is None:
        return "<td>—</td><td>—</td><td>0</td>"
    return f"<td>{_auc(j.blocks)}</td><td>{_auc(j.distance)}</td><td>{j.folds}</td>"


def _auc(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"
