"""A header of two lines: above, cells that span several columns; below, the names of these."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
