"""A header of two lines: groups of columns above their names; or names above their labels or units."""

from __future__ import annotations

import re
from collections.abc import Sequence

FEWEST = 2
"""Records below by which a line of labels or units is told from an observation."""
_UNITS = frozenset(
    """
    % ° deg degree degrees degrees_north degrees_east decimal_degrees dd wgs84 m metre metres meter meters km cm mm
    s sec second seconds h hour hours min hz khz db c °c degc f kg g count individuals number numeric integer float
    string text date time yyyy-mm-dd yyyy-mm-ddthh:mm:ss yyyy/mm/dd dd.mm.yyyy dd/mm/yyyy mm/dd/yyyy hh:mm hh:mm:ss
    """.split()
)
_NOTHING = frozenset(
    """
    - – ? na n/a nan none null unknown unbekannt inconnu desconocido sconosciuto onbekend obscured hidden private secret
    withheld sensitive protected masked confidential suppressed geheim verborgen geschützt gesperrt masqué flouté caché
    oculto privado protegido geheimgehalten afgeschermd dold skjermet
    """.split()
)
"""What observations have in place of a value that is not known, or not told."""
_VALUE = re.compile(r"[-+]?[0-9]+([.,:/ -][0-9]+)*\Z")


def joined(above: Sequence[str], below: Sequence[str]) -> list[str] | None:
    """The names of columns that two lines give together; None where the second is none of names.

    It is one where every cell of it stands under an empty one, or under the first of a group of these, and no column
    that has its name above has another below: what merged cells of a spreadsheet leave. A name below that is not the
    only one of its kind, or is a letter or two, gets that above before it. One cell above all others is a title.

    Args:
        above: The header, empty where a cell above spans further columns.
        below: The next record.
    """
    width = max(len(above), len(below))
    up = [*map(str.strip, above), *[""] * (width - len(above))]
    down = [*map(str.strip, below), *[""] * (width - len(below))]
    filled = [d for d in down if d]
    if (
        sum(map(bool, up)) < 2
        or len(filled) < 2
        or any(_VALUE.match(d) for d in filled)
        or not up[0] + down[0]
    ):
        return None
    group, names, grouped = "", [], 0
    for at, (u, d) in enumerate(zip(up, down, strict=True)):
        heads = u and d and at + 1 < width and not up[at + 1] and down[at + 1]
        if u and d and not heads:
            return None
        if u:
            group = u if heads else ""
        elif d and not group:
            return None
        elif not d:
            group = ""
        grouped += bool(not u and d)
        only = down.count(d) == 1 and d not in up and len(d) > 2
        names.append(u if not d else d if only else f"{group} {d}")
    return names if grouped else None


def is_labels(cells: Sequence[str], later: Sequence[Sequence[str]]) -> bool:
    """Whether a record under a header holds labels or units of the columns, and is no observation.

    It is one that holds no value, and words or units in two columns or more, of all that it fills, that hold values
    alone in the records below. Labels differ from each other; what stands for an unknown value is no label.

    Args:
        cells: The record below the header.
        later: Those below it; fewer than `FEWEST` tell nothing.
    """
    if len(later) < FEWEST:
        return False
    filled = {i: c.strip() for i, c in enumerate(cells) if c.strip()}
    if any(_VALUE.match(c) for c in filled.values()):
        return False
    valued = []
    for i, word in filled.items():
        below = [c for r in later if i < len(r) and (c := r[i].strip())]
        if len(below) >= FEWEST and all(_VALUE.match(c) for c in below):
            valued.append(word.strip("()[]").casefold())
    labels = [w for w in valued if w.replace(" ", "_") not in _UNITS]
    return len(valued) > 1 and len(set(labels)) == len(labels) and not _NOTHING.intersection(labels)
