"""Questions to an index that are taken from its own observations, for a page that was given none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prom3e_index.bundle.taxa import quoted
from prom3e_index.schema import modality_name
from prom3e_index.search.answered import Hit
from prom3e_index.search.hits import hits_of
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

PAIRS = (
    ("image", "image"), ("audio", "image"), ("image", "audio"), ("text", "image"), ("loc", "image"), ("sat", "image"),
    ("audio", "audio"), ("text", "audio"), ("loc", "text"),
)  # fmt: skip
"""What is given and searched for, the most telling first."""
MOST = 5


def own_questions(bundle: Bundle, like: Query, most: int = MOST) -> list[tuple[Query, Hit]]:
    """A few questions in different directions, each with the observation that asks; it does not answer itself.

    They are asked with stored embeddings, so neither files nor encoders are needed.

    Args:
        bundle: The index.
        like: What all have in common: number of hits, filter, model.
        most: At most as many.
    """
    own = "observation" if "observation" in bundle.columns else "id"
    out: list[tuple[Query, Hit]] = []
    asked: list[str] = []
    wanted = None if like.target is None else modality_name(like.target, bundle.modalities)
    for given, target in _pairs(wanted):
        if len(out) == most or not {given, target} <= set(bundle.modalities):
            continue
        found = _asking(bundle, own, given, target, asked)
        if found is None:
            continue
        row, name = found
        segment, place = bundle.segment_of(row)
        vector = np.asarray(segment.embeddings(given)[place], np.float32)
        others = f"{quoted(own)} <> '{name.replace(chr(39), chr(39) * 2)}'"
        where = f"({like.filter.where}\n) AND {others}" if like.filter.where else others
        query = replace(
            like,
            embedding=vector,
            embedding_of=given,
            target=target,
            filter=replace(like.filter, where=where),
        )
        (hit,) = hits_of(bundle, given, np.zeros(1, np.float32), np.array([row]))
        out.append((query, replace(hit, rank=0)))
        asked.append(name)
    return out


def _pairs(wanted: str | None) -> list[tuple[str, str]]:
    """What is given and searched for; a target that no pair has is asked with all that others are asked with."""
    if wanted is None:
        return list(PAIRS)
    told = [pair for pair in PAIRS if pair[1] == wanted]
    return told or [(given, wanted) for given in dict.fromkeys([*(g for g, _ in PAIRS), wanted])]


def _asking(
    bundle: Bundle, own: str, given: str, target: str, but: list[str]
) -> tuple[int, str] | None:
    """Row and observation that ask: one with a name where there is one; None where nothing could be found."""
    named = [quoted(c) for c in ("taxon_species", "scientific_name") if c in bundle.columns]
    order = f"{named[0]} IS NULL, " if named else ""
    hidden = (
        " AND NOT coalesce(obscured, false)"
        if given == "loc" and "obscured" in bundle.columns
        else ""
    )
    found = bundle.sql(
        f"SELECT row, {quoted(own)} FROM observations WHERE {quoted('has_' + given)}{hidden} AND "
        f"{quoted(own)} NOT IN (SELECT unnest(?::VARCHAR[])) ORDER BY {order} row LIMIT 1",
        [but],
    )
    ((others,),) = bundle.sql(f"SELECT count(*) FROM observations WHERE {quoted('has_' + target)}")
    if not found or others < 2:
        return None
    return int(found[0][0]), str(found[0][1])
