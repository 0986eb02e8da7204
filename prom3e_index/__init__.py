"""Search ecological observations by anything: photo, recording, place, tile, climate or name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.search.query import Answer, Hit, Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.tables import read_observations

__version__ = "0.1.0"
__all__ = ["Answer", "Bundle", "Filter", "Hit", "Query", "read_observations"]

_HOME = {
    "Answer": "search.query",
    "Bundle": "search.run",
    "Filter": "bundle.filters",
    "Hit": "search.query",
    "Query": "search.query",
    "read_observations": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'prom3e_index' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"prom3e_index.{_HOME[name]}"), name)
