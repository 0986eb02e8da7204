"""What people type for a species: how many of the first five answers are of it, by the form of its name.

    python benchmarks/names.py INDEX

INDEX is one of the demo world (`prom3e-index world W`, `prom3e-index build W/observations.csv --model mini`): its
rows have `true_species`. Each species with at least five observations is asked for as its lineage, its binomial,
with an author, and by its common name, once encoded as typed and once as the index reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.world.planet import Species, species

FIRST = 5
FORMS: dict[str, Callable[[Species], str]] = {
    "lineage": lambda s: " ".join((*s.taxon[:5], s.taxon[6])),
    "binomial": lambda s: s.taxon[6],
    "with author": lambda s: f"{s.taxon[6]} (Foo, 1999)",
    "common name": lambda s: s.common_name,
}


def shares(bundle: Bundle) -> dict[str, tuple[float, float]]:
    """By form of the name: the mean share of the right species in the first five, as typed and as read."""
    counts = dict(bundle.sql("SELECT true_species, count(*) FROM observations GROUP BY 1"))
    true = dict(bundle.sql("SELECT row, true_species FROM observations"))
    encoder = bundle.model().encoder("text")
    asked = [s for s in species() if counts.get(s.taxon[6], 0) >= FIRST]
    out = {}
    for form, name in FORMS.items():
        typed, read = [], []
        for s in asked:
            vector = np.asarray(encoder.encode([name(s)])[0], np.float32)
            for query, into in (
                (Query(embedding=vector, embedding_of="text", k=FIRST), typed),
                (Query(text=name(s), k=FIRST), read),
            ):
                hits = bundle.search(query).hits
                into.append(np.mean([true[h.row] == s.taxon[6] for h in hits]))
        out[form] = (float(np.mean(typed)), float(np.mean(read)))
    return out


def main() -> None:
    """Print the shares."""
    bundle = Bundle.open(sys.argv[1])
    print(f"{'form':<12} {'as typed':>9} {'as read':>9}")
    for form, (typed, read) in shares(bundle).items():
        print(f"{form:<12} {typed:>9.2f} {read:>9.2f}")


if __name__ == "__main__":
    main()
