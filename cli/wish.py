"""Options that choose the kind of an index."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Recall = Annotated[
    float | None,
    typer.Option(help="Share of the ten nearest that a search shall find; 1 is exact search."),
]
Memory = Annotated[
    str | None, typer.Option(help="Memory for the search files of all targets, as 8GB.")
]
Latency = Annotated[
    str | None,
    typer.Option(
        help="Time for one search on one core, as 5ms; exact search is taken where it fits."
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(help="Kind of index: exact, ivf-f16, ivf-sq8, ivf-rabitq4, ivf-pqfs or hnsw-sq8."),
]


def wishes(
    recall: float | None, memory: str | None, latency: str | None, kind: str | None
) -> dict[str, Any]:
    """The fields of a `Wish` that options give."""
    from prom3e_index.bundle.faiss.kinds import parse_bytes, parse_milliseconds

    given = {
        "recall": recall,
        "memory": None if memory is None else parse_bytes(memory),
        "milliseconds": None if latency is None else parse_milliseconds(latency),
        "kind": kind,
    }
    return {k: v for k, v in given.items() if v is not None}
