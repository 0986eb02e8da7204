"""Whether names are the invented planet's: what `mini` knows, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from prom3e_index.world import planet


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    """First words of every scientific name of the planet, in small letters."""
    return frozenset(name.split()[0].lower() for s in planet.species() for name in s.taxon)


def of_planet(names: Iterable[tuple[str | None, int]]) -> bool | None:
    """Whether most of some names are the planet's; None without any name.

    Args:
        names: Names of taxa at any rank, or whole lineages, and how often each stands; what is empty does not count.
    """
    own = others = 0
    for name, count in names:
        words = (name or "").split()
        if words and words[0].lower() in _words():
            own += count
        elif words:
            others += count
    return own > others if own or others else None
