"""A name as people type it, read as the taxon of the index that it is of: its lineage, as the tables gave it."""

from __future__ import annotations

import re

from prom3e_index.bundle.known_taxa import KnownTaxon, folded
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.predicate import cut
from prom3e_index.bundle.taxa import lineage_end
from prom3e_index.schema import RANKS
from prom3e_index.tables.names import name_kind, read_name

_LONGEST = 200
_MOST_WORDS = 8
_TOLD = 3
"""Further taxa of a name that an answer tells."""


def read_text(bundle: BundleFolder, text: str) -> tuple[str, str | None]:
    """What is asked for where a query's text is a name: the lineage that the index has for it.

    A binomial, a name with author, in other capitals, of a higher rank, or a common name becomes the text that the
    rows of that taxon have; of several taxa the one with most observations. A species that the index lacks gets the
    lineage of its genus. A whole lineage, and a text that is no name of the index, is asked as typed.

    Returns:
        The text to be encoded; and a sentence that says what was read, None where the text is asked as typed and is
        a lineage or too long for a name.
    """
    typed = " ".join(text.split())
    if len(typed) > _LONGEST or len(typed.split()) > _MOST_WORDS:
        return text, None
    if lineage_end(typed) is not None:
        return text, None
    shown = repr(typed[:60])
    taxa = bundle.metadata.known_taxa(typed, bundle.several)
    if taxa:
        return taxa[0].text, f"{shown} is {_what(typed, taxa)}; asked as {taxa[0].text!r}"
    kind = name_kind(typed)
    name = read_name(typed)
    if kind == "scientific" and name.infraspecific:
        above = bundle.metadata.known_taxa(f"{name.genus} {name.epithet}")
        if above:
            asked = above[0].text
            return asked, f"{shown} is not in this index, its species is; asked as {asked!r}"
    if kind == "scientific" and name.epithet:
        genus = next((t for t in bundle.metadata.known_taxa(name.genus) if t.rank == "genus"), None)
        if genus is not None:
            asked = f"{genus.text} {name.epithet}"
            near = bundle.unknown_taxon(typed)
            return asked, f"{shown} is not in this index, its genus is{near}; asked as {asked!r}"
    asked = name.canonical if kind == "scientific" and _cited(typed) and name.canonical else text
    near = bundle.unknown_taxon(typed) if len(typed.split()) <= 3 else ""
    how = "typed" if asked == text else repr(asked)
    return asked, f"this index has no taxon {cut(typed)}{near}; asked as {how}"


def _cited(name: str) -> bool:
    """Whether a name has an author, by a year, brackets or a shortened word."""
    return bool(re.search(r"\d{4}|\(|\b[A-Z][\w-]*\.", name))


def _what(typed: str, taxa: list[KnownTaxon]) -> str:
    """What the first of some taxa is to the index, and which others have the same name."""
    first, *others = taxa
    higher = first.rank in RANKS[:6]
    if not others and not higher and folded(first.name) == folded(typed):
        return f"in this index ({_count(first)})"
    what = f"the {first.rank} {first.name}" if higher else f"a name of {first.name}"
    if first.common:
        what = f"the common name of {first.name}"
    out = f"{what} in this index ({_count(first)})"
    if others:
        names = ", ".join(f"{t.name} ({_count(t)})" for t in others[:_TOLD])
        more = f" and {len(others) - _TOLD:,} more" if len(others) > _TOLD else ""
        out += f", and of {names}{more}, which are asked for by their scientific names"
    return out


def _count(taxon: KnownTaxon) -> str:
    return f"{taxon.rows:,} observation{'s' if taxon.rows != 1 else ''}"
