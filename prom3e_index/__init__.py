"""Search ecological observations by anything: photo, recording, place, tile, climate or name.

    from prom3e_index import Bundle, Filter, Query, build

    built = build("observations.csv")  # shows rows in, indexed, refused, lost
    with Bundle.open("index.p3i") as bundle:
        answer = bundle.search(Query(image="heron.jpg", filter=Filter(near=(48.2, 16.3, 50)), k=5))
        names = [(hit.rank, hit.fields["scientific_name"], hit.score, hit.kind) for hit in answer]
        table = answer.to_pandas()

`look` says beforehand what is understood of a table; `build`, `add`, `update`, `remove` and `restore` make and change
indexes and `export` writes them for other software, each with the options of its command. Whatever goes wrong on
purpose is a `Prom3eError` whose message says what to do. Nothing is printed.
"""

from __future__ import annotations

import os as _os
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

_threads = _os.environ.get("OMP_NUM_THREADS", "")
if _threads.isdecimal() and int(_threads) and "numba" not in _sys.modules:
    # numba would ask OpenMP for every core, and torch, which shares it, would compute with as many from then on: slower
    # where one was wanted, and another last bit in the second build of a process than in the first
    _os.environ.setdefault("NUMBA_NUM_THREADS", _threads)

if _TYPE_CHECKING:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.errors import Prom3eError
    from prom3e_index.indexer.index_calls import export, remove, restore
    from prom3e_index.indexer.table_calls import add, build, look, update
    from prom3e_index.search.answered import Answer, Hit
    from prom3e_index.search.frame import to_pandas
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.tables import read_observations

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Bundle",
    "Filter",
    "Hit",
    "Prom3eError",
    "Query",
    "add",
    "build",
    "export",
    "look",
    "read_observations",
    "remove",
    "restore",
    "to_pandas",
    "update",
]

_HOME = {
    "Answer": "search.answered",
    "Bundle": "search.run",
    "Filter": "bundle.filters",
    "Hit": "search.answered",
    "Prom3eError": "errors",
    "Query": "search.query",
    "add": "indexer.table_calls",
    "build": "indexer.table_calls",
    "export": "indexer.index_calls",
    "look": "indexer.table_calls",
    "read_observations": "tables",
    "remove": "indexer.index_calls",
    "restore": "indexer.index_calls",
    "to_pandas": "search.frame",
    "update": "indexer.table_calls",
}
"""Where each public name stands; it is imported when it is asked for, so that `import prom3e_index` costs nothing."""


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'prom3e_index' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"prom3e_index.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
