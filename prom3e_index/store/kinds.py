"""How collections of a store are made and searched."""

from __future__ import annotations

from dataclasses import dataclass, field

from prom3e_index.errors import InputError

KINDS = ("flat", "ivf", "hnsw")
EXACT_BELOW = 20_000
"""Rows up to which every one is scored, unless another kind is asked for."""


@dataclass(frozen=True)
class Kind:
    """How a collection is searched.

    Attributes:
        name: `flat` scores every row, `ivf` those of some lists, `hnsw` those along a graph.
        lists: Of `ivf`.
        links, build: Of `hnsw`: edges of a row, and candidates while it is built.
        beam: Lists looked through, or candidates kept, unless a search says more.
    """

    name: str = "flat"
    lists: int = 0
    links: int = 32
    build: int = 200
    beam: int = 128

    def parameters(self) -> tuple[str, dict[str, int]]:
        """Milvus's name of the index, and its parameters."""
        return {
            "flat": ("FLAT", {}),
            "ivf": ("IVF_FLAT", {"nlist": self.lists}),
            "hnsw": ("HNSW", {"M": self.links, "efConstruction": self.build}),
        }[self.name]

    def search(self, k: int, beam: int | None = None) -> dict[str, int]:
        """Parameters of a search for k rows; never fewer than the kind allows."""
        beam = beam or self.beam
        return {
            "flat": {},
            "ivf": {"nprobe": max(1, min(beam, self.lists))},
            "hnsw": {"ef": min(32_768, max(beam, k))},
        }[self.name]


@dataclass(frozen=True)
class Fields:
    """Fields of a collection: a row number, a vector of a width, and scalars by their names in Milvus.

    Attributes:
        width: Of the vector.
        scalars: Name → `INT64`, `DOUBLE`, `BOOL`, `VARCHAR`, `JSON` or `ARRAY` of whole numbers.
    """

    width: int
    scalars: dict[str, str] = field(default_factory=dict)


def kind_for(rows: int, name: str | None) -> Kind:
    """How so many rows are searched: as asked, else every row is scored of few, and lists are looked through of many.

    Lists rather than a graph: with filters, and for queries of another modality than the rows', they find more.

    Raises:
        InputError: No such kind.
    """
    if name is not None and name not in KINDS:
        raise InputError(f"--kind is {name!r:.60}; a store has {', '.join(KINDS)}.")
    name = name or ("flat" if rows <= EXACT_BELOW else "ivf")
    if name == "ivf":
        lists = int(min(65_536, max(1, 4 * rows**0.5)))
        return Kind("ivf", lists=lists, beam=max(1, min(lists, 64)))
    return Kind(name)
