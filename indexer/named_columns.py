"""The columns that a user names, by the names of the plan or of the table that it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError, near_names


def resolved(
    con: Any,
    work: Path,
    species: str | None,
    asked: Sequence[str],
    options: Mapping[str, str],
) -> dict[str, str]:
    """The columns of a plan that are meant by names as the plan has them, or as the user's table has.

    Args:
        con: The plan's connection.
        work: Its folder.
        species: Of the labels; the scientific name when None.
        asked: Others.
        options: Name → the option that it was given with, where that is not `--column`.

    Raises:
        InputError: No column has such a name; names the option.
    """
    fields = json.loads((work / "planned.json").read_text())["fields"]
    columns = [str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()]
    fields_of_table = {str(c): str(f) for f, named in fields.items() for c in named if f in columns}
    of_table = {**fields_of_table} | {c.casefold(): c for c in columns} | {c: c for c in columns}
    label = species or "scientific_name"
    out = {}
    for option, name in (("--species", label), *((options.get(c, "--column"), c) for c in asked)):
        found = of_table.get(name) or of_table.get(name.casefold())
        if found is None:
            known = sorted({*columns, *fields_of_table} - {"seq", "row_in", "more", "is_part"})
            raise InputError(
                f"{option} {name!r} is no column{near_names(name, known)}; it has {', '.join(known)}."
            )
        out[name] = found
    return out
