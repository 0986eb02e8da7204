"""What the source of a table says of hidden places, honoured with or without a policy.

iNaturalist's `private` has no point: one that stands there is the true one, and is withheld. `obscured` is a point
drawn in a cell of 0.2 degree, stated with an uncertainty above 10 km; where less is stated it may be the true one, and
becomes the cell. What a source has generalised itself, `dataGeneralizations`, is as it gave it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from prom3e_index.policy.cells import NAMES, SOURCE_CELL, WITHHOLD, strictness
from prom3e_index.policy.columns import plain
from prom3e_index.schema import quoted
from prom3e_index.tables.normalise import DRAWN_M

_MARKS = ("geoprivacy", "taxongeoprivacy", "coordinatesobscured", "obscured", "sourceobscured")
_GENERALISED = ", ".join(f"'{n}'" for n in NAMES[1:])
_TOLD = ("informationwithheld", "datageneralizations")
_HIDDEN = (
    r"hidden at the request|(?:coordinates|location|locality|place)\S* "
    r"(?:withheld|hidden|suppressed|not (?:given|shared))"
)


def source_levels(
    extra: Mapping[str, str], flags: Collection[str] = (), stated: bool = False
) -> str:
    """SQL of `seq`, `level`, whether the source `hides` it and whether it is `drawn`, of rows that their source marks.

    Args:
        extra: Metadata columns of the plan → columns of the table.
        flags: Columns of the table that the field `obscured` is read from.
        stated: Take a place for the true one only where its uncertainty is stated. Files of embeddings state none, and
            what they were encoded from was looked at then.
    """
    texts = {c: f"lower(trim({quoted(n)}::VARCHAR))" for n, c in extra.items()}
    marks = [
        t for c, t in texts.items() if plain(c) in _MARKS or c in flags and plain(c) not in _TOLD
    ]
    told = [t for c, t in texts.items() if plain(c) in _TOLD]
    private = [f"{m} = 'private'" for m in marks]
    private += [f"regexp_matches({t}, '{_HIDDEN}')" for t in told]
    own = [f"{m} IN ('obscured', 'true', 't', '1', '1.0', 'yes', 'y')" for m in marks]
    hides, drawn = (
        " OR ".join(f"coalesce({t}, false)" for t in tests) or "false" for tests in (private, own)
    )
    made = [
        f"{quoted(n)}::VARCHAR IN ({_GENERALISED})"
        for n, c in extra.items()
        if plain(c) == "placelevel"
    ]
    if made:  # as this program exports rows: their places are centres already
        drawn = f"({drawn}) AND NOT coalesce({made[0]}, false)"
    known = "coordinate_uncertainty_m" if stated else "coalesce(coordinate_uncertainty_m, 0)"
    return (
        f"SELECT seq, CASE WHEN {hides} THEN {strictness(WITHHOLD)} "
        f"WHEN ({drawn}) AND {known} < {DRAWN_M} THEN {strictness(SOURCE_CELL.name)} "
        f"ELSE 0 END AS level, {hides} AS hides, ({drawn}) OR coalesce(coordinate_uncertainty_m, 0) >= {DRAWN_M} "
        "AS drawn FROM planned WHERE coalesce(obscured, false)"
    )
