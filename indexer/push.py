"""An index pushed into a vector store, whole or not at all.

    1  one collection a target is made and filled in the order of the rows; nothing points to it
    2  the rows are counted, and a sample of them is compared with the index
    3  the head of the generation is written, and the store's alias moved to it: from here it is what readers open

A push that is broken off goes on where it stopped. One writer at a time: see `store_lock`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.stored import to_dict
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.store_lock import writing
from prom3e_index.schema import modality_name
from prom3e_index.store.address import Address, parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import (
    Head,
    firsts_of,
    head_name,
    media_of,
    read_head,
    trimmed,
    write_head,
)
from prom3e_index.store.kinds import KINDS, Kind
from prom3e_index.store.known import Summary
from prom3e_index.store.rows import Writer, fields_of, keys_of, with_vectors

ROWS = 2048
"""Rows that are written together."""
SAMPLE = 64
"""Rows that are compared with the index once all are written."""
EXACT_BELOW = 20_000
"""Rows up to which every one is scored, unless another kind is asked for."""


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        head: Of the store as it is now.
        written: Rows written, of one target.
        there: Rows that an earlier push had written already.
    """

    head: Head
    written: int
    there: int


def kind_for(rows: int, name: str | None) -> Kind:
    """How so many rows are searched: as asked, else every row is scored of few, and a graph followed of many.

    Raises:
        InputError: No such kind.
    """
    if name is not None and name not in KINDS:
        raise InputError(f"--kind is {name!r:.60}; a store has {', '.join(KINDS)}.")
    name = name or ("flat" if rows <= EXACT_BELOW else "hnsw")
    if name == "ivf":
        lists = int(min(65_536, max(1, 4 * rows**0.5)))
        return Kind("ivf", lists=lists, beam=max(1, min(lists, 64)))
    return Kind(name)


def push(
    index: Path,
    store: str,
    progress: Progress,
    *,
    targets: Sequence[str] | None = None,
    kind: str | None = None,
    replace_other: bool = False,
    break_lock: bool = False,
    timeout_s: float = 600.0,
) -> Pushed:
    """Push an index into a store.

    Args:
        index: Its folder.
        store: `milvus://HOST:PORT/NAME`.
        progress: Told of each target.
        targets: Modalities that can be searched for there; all of the index when None.
        kind: `flat`, `ivf` or `hnsw`; chosen by the number of rows when None.
        replace_other: Whether another index of that name may be replaced.
        break_lock: Whether a writer that says it is at work there is taken for dead.
        timeout_s: Seconds that indexing and loading may take.

    Raises:
        InputError: The store holds another index, or a target or kind is none.
        StoreError: Another writer is at work, or the store does not do what it is asked.
    """
    address = parse(store)
    with BundleFolder.open(index) as bundle:
        wanted = tuple(
            dict.fromkeys(modality_name(t, bundle.modalities) for t in targets or bundle.modalities)
        )
        engine = Engine(address)
        try:
            with writing(engine, "push", break_lock):
                old = current(engine)
                token = _token(bundle, wanted, kind)
                if old is not None and not replace_other:
                    _refuse_another(address, old, bundle)
                return _push(engine, bundle, wanted, kind, token, old, progress, timeout_s)
        finally:
            engine.close()


def current(engine: Engine) -> Head | None:
    """The head that readers open now; None where there is none."""
    name = engine.current(engine.address.name)
    return None if name is None else read_head(engine, name)


def _token(bundle: BundleFolder, targets: Sequence[str], kind: str | None) -> str:
    """A name for what is pushed: the same for a push that goes on, another for any other."""
    m = bundle.manifest
    made = (
        m["history"][0],
        m["generation"],
        m["created"],
        m["fingerprints"],
        m["rows"],
        list(targets),
        kind,
    )
    return hashlib.blake2b(repr(made).encode(), digest_size=6).hexdigest()


def _refuse_another(address: Address, old: Head, bundle: BundleFolder) -> None:
    theirs, mine = (m["history"][0].get("created") for m in (old.manifest, bundle.manifest))
    if theirs != mine:
        raise InputError(
            f"{address} holds another index, built {theirs}; this one was built {mine}. Push it under another name, or "
            f"take the place of that one: `prom3e-index push INDEX --store {address} --replace`."
        )


def _push(
    engine: Engine,
    bundle: BundleFolder,
    targets: Sequence[str],
    asked: str | None,
    token: str,
    old: Head | None,
    progress: Progress,
    timeout_s: float,
) -> Pushed:
    store, kind = engine.address.name, kind_for(bundle.rows, asked)
    names = {t: f"{store}__{bundle.modalities.index(t)}_{token}" for t in targets}
    if old is not None and old.collections == names:
        return Pushed(old, 0, old.rows)
    width = bundle.vectors(targets[0]).shape[1]
    fields = fields_of(bundle.modalities, width)
    there = min(_begun(engine, name, bundle) for name in names.values())
    for name in names.values():
        engine.create(name, fields, kind, f"prom3e-index {store}")
    types = dict(bundle.sql("SELECT column_name, column_type FROM (DESCRIBE observations)"))
    keys = keys_of({str(k): str(v) for k, v in types.items()})
    generation = 1 if old is None else old.generation + 1
    written, summary = 0, Summary()
    import duckdb

    writer = Writer(duckdb.connect(), keys, bundle.modalities)
    own = duckdb.connect()
    for table in blocks(bundle):
        summary.count(own, table.drop_columns(["row"]))
        numbers = table.column("row").to_numpy()
        progress("push", int(numbers[0]), bundle.places)
        if len(numbers) and int(numbers[-1]) < there:
            continue
        scalars = writer.scalars(table, generation)
        for target, name in names.items():
            engine.insert(name, with_vectors(scalars, bundle.vectors(target)[numbers]), there > 0)
        written += len(scalars)
    progress("push", bundle.places, bundle.places)
    engine.ready(list(names.values()), timeout_s)
    verify(engine, names, bundle.rows, generation, _checked(bundle, writer))
    head = Head(
        generation=generation,
        rows=bundle.rows,
        places=bundle.places,
        collections=names,
        kind=asdict(kind),
        columns=keys,
        order=bundle.columns,
        manifest=trimmed(bundle.manifest),
        firsts=firsts_of(bundle.manifest),
        statistics=bundle.statistics,
        calibration=None if bundle.calibration is None else to_dict(bundle.calibration),
        media=media_of(bundle.manifest),
        summary=summary.to_dict(),
    )
    publish(engine, head, old)
    return Pushed(head, written, bundle.rows - written)


def blocks(bundle: BundleFolder) -> Iterator[Any]:
    """The observations of an index as Arrow tables, by row."""
    import pyarrow as pa

    live = bundle.live
    for at in range(0, len(live), ROWS):
        low, high = int(live[at]), int(live[min(at + ROWS, len(live)) - 1])
        query = f"SELECT * FROM observations WHERE row BETWEEN {low} AND {high} ORDER BY row"
        with bundle.reader(query, ROWS) as batches:
            yield pa.Table.from_batches(list(batches), batches.schema)


def _begun(engine: Engine, name: str, bundle: BundleFolder) -> int:
    """Row number up to which a push that was broken off had written all rows of a collection."""
    if name not in engine.names(name):
        return 0
    engine.ready([name])
    live = bundle.live
    low, high = 0, len(live)
    while low < high:  # rows are written in their order, so what is there begins with the first
        middle = (low + high + 1) // 2
        bound = int(live[middle - 1])
        if engine.count(name, f"row <= {bound}", strong=True) >= middle:
            low = middle
        else:
            high = middle - 1
    return 0 if not low else int(live[low - 1]) + 1


Check = Callable[[str, Sequence[int]], tuple[np.ndarray[Any, Any], list[dict[str, Any]]]]


def _checked(bundle: BundleFolder, writer: Writer) -> Check:
    """What a sample of rows must have: vectors, and scalars, by their numbers."""
    import pyarrow as pa

    def held(target: str, rows: Sequence[int]) -> tuple[Any, list[dict[str, Any]]]:
        numbers = ", ".join(map(str, rows))
        with bundle.reader(
            f"SELECT * FROM observations WHERE row IN ({numbers}) ORDER BY row"
        ) as b:
            table = pa.Table.from_batches(list(b), b.schema)
        return bundle.vectors(target)[np.array(rows)], writer.scalars(table, 0)

    return held


def verify(
    engine: Engine, names: dict[str, str], rows: int, generation: int, check: Check, seed: int = 0
) -> None:
    """Count the rows of every collection as the next generation has them, and compare a sample.

    Raises:
        StoreError: They are not as they were written; says which and how many.
    """
    where = f"born <= {generation} and gone > {generation}"
    for target, name in names.items():
        found = engine.count(name, where, strong=True)
        if found != rows:
            raise StoreError(
                f"{engine.address}: {target} has {found:,} rows after {rows:,} were written. Push again: it goes on."
            )
        sample = _sample(engine, name, where, seed)
        if not sample:
            continue
        vectors, scalars = check(target, sample)
        held = engine.rows(name, sample, ["vector", "id", "taxa", "columns"], strong=True)
        for row, vector, scalar in zip(sample, vectors, scalars, strict=True):
            mine = {k: scalar[k] for k in ("id", "taxa", "columns")}
            theirs = {k: held[row][k] for k in mine}
            theirs["taxa"] = [int(t) for t in theirs["taxa"]]
            same = np.array_equal(
                np.asarray(held[row]["vector"], np.float32), vector.astype(np.float32)
            )
            if not same or mine != theirs:
                raise StoreError(
                    f"{engine.address}: row {row} of {target} is otherwise than it was written. Push it anew: "
                    f"`prom3e-index push INDEX --store {engine.address} --replace`."
                )


def _sample(engine: Engine, name: str, where: str, seed: int) -> list[int]:
    """Numbers of some rows, drawn by chance over the range that there is."""
    first = engine.fetch(name, where, ["row"], SAMPLE)
    return sorted(int(r["row"]) for r in first)


def publish(engine: Engine, head: Head, old: Head | None) -> None:
    """Write a head, let readers have it, and take away what no reader of it or the one before needs."""
    store = engine.address.name
    token = hashlib.blake2b(
        repr(sorted(head.collections.items())).encode(), digest_size=3
    ).hexdigest()
    name = head_name(store, head.generation, token)
    before = engine.current(store)
    write_head(engine, name, head)
    engine.point(store, name)
    kept = {name, before, *head.collections.values(), *(old.collections.values() if old else ())}
    stale = [n for n in engine.names(f"{store}__") if n not in kept and not n.endswith("__writer")]
    engine.drop(stale)
