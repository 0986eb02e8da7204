"""Taxonomic names as BioCLIP was trained to read them.

Source: BioCLIP (Stevens et al. 2024), the "taxonomic name" text type: kingdom to genus capitalised,
the epithet in lower case, authorship and infraspecific parts cut, empty ranks dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prom3e_index.schema import RANKS

_CUT = re.compile(r"[,(0-9].*$|\s(?:ssp|subsp|var|f|cf|aff|sp|spp)\.?(?:\s.*)?$", re.IGNORECASE)
_EPITHET = re.compile(r"^[a-zà-öø-ÿ×-]{2,}$")


def _clean(value: str | None) -> str:
    return " ".join((value or "").split())


def binomial(scientific_name: str | None) -> tuple[str, str]:
    """Split a scientific name into genus and epithet; either may be empty.

    `Pica hudsonia (Sabine, 1823)` gives `("Pica", "hudsonia")`, `Corvidae` gives `("Corvidae", "")`.
    """
    words = _CUT.sub("", _clean(scientific_name)).split()
    if not words:
        return "", ""
    epithet = words[1] if len(words) > 1 and _EPITHET.match(words[1]) else ""
    return words[0].capitalize(), epithet


def taxon_text(ranks: Mapping[str, str | None], scientific_name: str | None = None) -> str:
    """Build the text of a taxon: `Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia`.

    Args:
        ranks: Values by rank name; `species` may be a binomial or a bare epithet.
        scientific_name: Used where `genus` or `species` is empty.

    Returns:
        The ranks that are known, single spaces between; without any rank the binomial alone; an
        empty string when nothing is known.
    """
    values = {rank: _clean(ranks.get(rank)) for rank in RANKS}
    species = values["species"]
    genus, epithet = binomial(species or scientific_name)
    if species and not epithet and _EPITHET.match(species):  # `species` holds the epithet alone
        genus, epithet = values["genus"], species
    higher = [values[r].capitalize() for r in RANKS[:5]]
    higher = ["Animalia" if h == "Metazoa" else h for h in higher]
    own_genus = _clean(values["genus"]).capitalize()
    if not own_genus and (epithet or not any(higher)):
        own_genus = genus  # a one-word name is a genus only when no higher rank says otherwise
    return " ".join(part for part in (*higher, own_genus, epithet) if part)
