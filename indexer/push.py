"""An index pushed into a vector store, whole or not at all.

    1  one collection a target is made and filled in the order of the rows; nothing points to it
    2  the rows are counted, and a sample of them is compared with the index
    3  the head of the generation is written, and the store's alias moved to it: from here it is what readers open

A push that is broken off goes on where it stopped. One writer at a time: see `store_lock`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.stored import to_dict
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.push_change import (
    Difference,
    difference,
    mark,
    still_true,
    take_out,
    undo_begun,
)
from prom3e_index.indexer.push_check import blocks, drawn_askers, sample, verify
from prom3e_index.indexer.store_lock import writing
from prom3e_index.schema import modality_name
from prom3e_index.store.address import Address, parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import (
    Askers,
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

Ints = NDArray[np.int64]
MANY = 2_000
"""Rows from which on a push waits until they are on disk and indexed; fewer are searched one by one meanwhile."""
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
        replace_other: Whether what is there is replaced: another index, or this one, written anew.
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
                if old is not None and not replace_other:
                    _refuse_another(address, old, bundle)
                return _push(engine, bundle, wanted, kind, old, progress, timeout_s, replace_other)
        finally:
            engine.close()


def current(engine: Engine) -> Head | None:
    """The head that readers open now; None where there is none."""
    name = engine.current(engine.address.name)
    return None if name is None else read_head(engine, name)


def _token(bundle: BundleFolder, targets: Sequence[str], kind: str | None, old: Head | None) -> str:
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
        0 if old is None else old.generation,
    )
    return hashlib.blake2b(repr(made).encode(), digest_size=6).hexdigest()


def _refuse_another(address: Address, old: Head, bundle: BundleFolder) -> None:
    theirs, mine = (m["history"][0].get("created") for m in (old.manifest, bundle.manifest))
    if theirs != mine:
        raise InputError(
            f"{address} holds another index, built {theirs}; this one was built {mine}. Push it under another name, or "
            f"take the place of that one: `prom3e-index push INDEX --replace --store {address}`."
        )


@dataclass(frozen=True)
class _Filling:
    """Collections that rows are being written to.

    Attributes:
        names: Target → collection.
        keys: Of the columns.
        generation: That the rows are seen from.
    """

    engine: Engine
    bundle: BundleFolder
    names: dict[str, str]
    keys: dict[str, Any]
    generation: int

    def fill(self, rows: Ints, progress: Progress, again: bool) -> int:
        """Write rows; give their number."""
        import duckdb

        writer = Writer(duckdb.connect(), self.keys, self.bundle.modalities)
        done = 0
        for table in blocks(self.bundle, rows):
            progress("push", done, len(rows))
            numbers = table.column("row").to_numpy()
            scalars = writer.scalars(table, self.generation)
            for target, name in self.names.items():
                vectors = np.asarray(self.bundle.vectors(target)[numbers])
                self.engine.insert(name, with_vectors(scalars, vectors), again)
            done += len(scalars)
        progress("push", len(rows), len(rows))
        return done

    def check(self, rows: Sequence[int], fresh: bool) -> None:
        """Count the rows of every collection, and compare some; what is wrong and `fresh` is taken away.

        Raises:
            StoreError: They are not as they were written.
        """
        import duckdb

        writer = Writer(duckdb.connect(), self.keys, self.bundle.modalities)
        scalars = [s for t in blocks(self.bundle, np.array(rows)) for s in writer.scalars(t, 0)]
        for target, name in self.names.items():
            vectors = np.asarray(self.bundle.vectors(target)[np.array(rows, np.int64)])
            wrong = verify(self.engine, name, self.bundle.rows, self.generation, scalars, vectors)
            if wrong and fresh:
                self.engine.drop(self.names.values())
                raise StoreError(f"{wrong} Nothing of it is kept; push again.")
            if wrong:
                again = f"`prom3e-index push INDEX --replace --store {self.engine.address}`"
                raise StoreError(f"{wrong} Push it anew: {again}.")


def _push(
    engine: Engine,
    bundle: BundleFolder,
    targets: Sequence[str],
    asked: str | None,
    old: Head | None,
    progress: Progress,
    timeout_s: float,
    anew: bool,
) -> Pushed:
    names = {t: f"{engine.address.name}__{bundle.modalities.index(t)}_" for t in targets}
    change = None
    if old is not None and not anew and (asked is None or asked == old.kind["name"]):
        change = difference(bundle, old, names)
    if old is not None and change is not None:
        with change.before:
            return _push_change(engine, bundle, old, change, progress, timeout_s)
    kind = kind_for(bundle.rows, asked)
    token = _token(bundle, targets, asked, old)
    names = {t: n + token for t, n in names.items()}
    there = min(_begun(engine, name, bundle) for name in names.values())
    fields = fields_of(bundle.modalities, bundle.vectors(targets[0]).shape[1])
    held = engine.names(engine.address.name)
    for name in names.values():
        if name not in held:
            engine.create(name, fields, kind, f"prom3e-index {engine.address.name}")
    generation = 1 if old is None else old.generation + 1
    filling = _Filling(engine, bundle, names, keys_of(_types(bundle)), generation)
    written = filling.fill(bundle.live[bundle.live >= there], progress, there > 0)
    indexed = kind.name != "flat" or bundle.rows > MANY
    engine.ready(list(names.values()), timeout_s, written=indexed)
    filling.check(sample(bundle.live), fresh=True)
    head = _head(filling, asdict(kind), _counted(bundle, Summary(), bundle.live))
    publish(engine, head, old, drawn_askers(bundle))
    return Pushed(head, written, bundle.rows - written)


def _push_change(
    engine: Engine,
    bundle: BundleFolder,
    old: Head,
    change: Difference,
    progress: Progress,
    timeout_s: float,
) -> Pushed:
    """Bring what has changed of an index into its store; a store that has it all stays as it is."""
    same = old.manifest == trimmed(bundle.manifest)
    if same and not len(change.added) and not len(change.removed):
        return Pushed(old, 0, old.rows)
    undo_begun(engine, old)
    keys = keys_of(_types(bundle), old.columns)
    filling = _Filling(engine, bundle, old.collections, keys, old.generation + 1)
    filling.fill(change.added, progress, True)
    for name in old.collections.values():
        mark(engine, name, change.removed.tolist(), filling.generation)
    many = len(change.added) + len(change.removed) > MANY
    engine.ready(list(old.collections.values()), timeout_s, written=many)
    filling.check(sample(change.added if len(change.added) else bundle.live), fresh=False)
    summary = _counted(change.before, Summary(old.summary, old.rows), change.removed, -1)
    head = replace(
        _head(filling, old.kind, _counted(bundle, summary, change.added)),
        certificate=still_true(old.certificate, len(change.added) + len(change.removed)),
    )
    publish(engine, head, old, drawn_askers(bundle))
    take_out(engine, head)
    return Pushed(head, len(change.added), bundle.rows - len(change.added))


def _types(bundle: BundleFolder) -> dict[str, str]:
    found = bundle.sql("SELECT column_name, column_type FROM (DESCRIBE observations)")
    return {str(name): str(kind) for name, kind in found}


def _counted(bundle: BundleFolder, summary: Summary, rows: Ints, sign: int = 1) -> Summary:
    """A summary with some rows counted in, or out of it."""
    import duckdb

    con = duckdb.connect()
    for table in blocks(bundle, rows):
        summary.count(con, table.drop_columns(["row"]), sign)
    return summary


def _head(filling: _Filling, kind: dict[str, Any], summary: Summary) -> Head:
    bundle = filling.bundle
    return Head(
        generation=filling.generation,
        rows=bundle.rows,
        places=bundle.places,
        collections=filling.names,
        kind=kind,
        columns=filling.keys,
        order=bundle.columns,
        manifest=trimmed(bundle.manifest),
        firsts=firsts_of(bundle.manifest),
        statistics=bundle.statistics,
        calibration=None if bundle.calibration is None else to_dict(bundle.calibration),
        media=media_of(bundle.manifest),
        summary=summary.to_dict(),
    )


def _begun(engine: Engine, name: str, bundle: BundleFolder) -> int:
    """Row number up to which a push that was broken off had written all rows of a collection."""
    if name not in engine.names(name):
        return 0
    engine.ready([name], written=False)
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


def publish(engine: Engine, head: Head, old: Head | None, askers: Askers) -> None:
    """Write a head with its askers, let readers have it, and take away what no reader of it or the one before needs."""
    store = engine.address.name
    token = hashlib.blake2b(
        repr(sorted(head.collections.items())).encode(), digest_size=3
    ).hexdigest()
    name = head_name(store, head.generation, token)
    before = engine.current(store)
    write_head(engine, name, head, askers)
    engine.point(store, name)
    kept = {name, before, *head.collections.values(), *(old.collections.values() if old else ())}
    stale = [n for n in engine.names(f"{store}__") if n not in kept and not n.endswith("__writer")]
    engine.drop(stale)
