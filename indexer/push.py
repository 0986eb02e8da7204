"""An index, or shards without one, pushed into a vector store, whole or not at all.

    1  one collection a target is made and filled in the order of the rows; nothing points to it
    2  they are on the server's disk; they are counted, and a sample of them is compared with where they came from
    3  the head of the generation is written, and the store's alias moved to it: from here it is what readers open

A push that is broken off goes on where it stopped. One writer at a time: see `store_lock`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import StoreError
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.push_bulk import Bulk, place_of
from prom3e_index.indexer.push_change import mark, still_true, take_out, undo_begun
from prom3e_index.indexer.push_check import sample, verify
from prom3e_index.indexer.push_ends import begun_to, publish
from prom3e_index.indexer.push_refused import current, is_another, refuse_another, replaced
from prom3e_index.indexer.push_source import Difference, Source, drawn_askers, open_source
from prom3e_index.indexer.store_lock import writing
from prom3e_index.schema import modality_name
from prom3e_index.store.address import parse
from prom3e_index.store.engine import Engine
from prom3e_index.store.head import Head, media_of, push_anew, trimmed
from prom3e_index.store.kinds import kind_for
from prom3e_index.store.known import Summary
from prom3e_index.store.rows import Writer, fields_of, keys_of, with_vectors
from prom3e_index.store.whole import refuse_short

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        head: Of the store as it is now.
        written: Rows written, of one target.
        there: Rows that an earlier push had written already.
        changed: Whether the store is otherwise than before.
    """

    head: Head
    written: int
    there: int
    changed: bool = True


def push(
    place: str | Path,
    store: str,
    progress: Progress,
    *,
    targets: Sequence[str] | None = None,
    kind: str | None = None,
    replace_other: bool = False,
    break_lock: bool = False,
    timeout_s: float = 600.0,
    model: str | None = None,
    hub: str | Path | None = None,
    bulk: str | None = None,
    bulk_as: str | None = None,
) -> Pushed:
    """Push an index, or shards without one, into a store.

    Args:
        place: The index's folder; or the folder or address of shards, as `encode` and `build` leave them on a cluster.
        store: `milvus://HOST:PORT/NAME`.
        progress: Told of each target.
        targets: Modalities that can be searched for there; when None, those that the store has of this index, and all
            of the index where it has none.
        kind: `flat`, `ivf` or `hnsw`; when None, the one that was asked for when this index came there, else chosen
            by the number of rows; a change leaves a kind that was chosen as it is.
        replace_other: Whether what is there is replaced: another index, or this one, written anew.
        break_lock: Whether a writer that says it is at work there is taken for dead.
        timeout_s: Seconds that indexing and loading may take.
        model: Where the model that made shards is now, if it has moved: statistics and calibration are made with it.
        hub: Where its local copy of hub repositories is now; an index needs neither.
        bulk: Folder or address that the server imports files from: rows go there as files, and are not sent, but for
            those of a change.
        bulk_as: The same place as the server sees it, where that is another path.

    Raises:
        InputError: The store holds another index, or what another copy of this one has become; a target or kind is
            none; shards that are damaged or not whole; a model is named for an index.
        StoreError: Another writer is at work, or the store has lost rows, or does not do what it is asked.
    """
    address = parse(store)
    source = open_source(place, progress, model, hub)
    try:
        named = {modality_name(t, source.modalities) for t in targets or ()}
        asked = tuple(m for m in source.modalities if m in named)  # in one order, whatever was said
        engine = Engine(address)
        try:
            with writing(engine, "push", break_lock):
                if replace_other:
                    old, last = replaced(engine)
                else:
                    old, last = (head := current(engine)), head.generation if head else 0
                    if old is not None:
                        refuse_another(address, old, source.made)
                wanted = asked or source.modalities
                if old is not None and not is_another(address, old, source.made):
                    wanted = asked or tuple(old.collections)
                    kind = old.asked if kind is None else kind
                with ExitStack() as stack:
                    files = None
                    if bulk is not None:
                        files = Bulk(engine, place_of(bulk, bulk_as), timeout_s)
                        stack.callback(files.close)
                    return _push(
                        engine,
                        source,
                        wanted,
                        kind,
                        old,
                        last,
                        progress,
                        timeout_s,
                        replace_other,
                        files,
                    )
        finally:
            engine.close()
    finally:
        source.close()


def _token(source: Source, targets: Sequence[str], kind: str | None, last: int) -> str:
    """A name for what is pushed: the same for a push that goes on, another for any other."""
    m = source.made
    made = (
        m["history"][0],
        m["generation"],
        m["created"],
        m["fingerprints"],
        m["rows"],
        (m.get("shards") or {}).get("plan"),
        list(targets),
        kind,
        last,
    )
    return hashlib.blake2b(repr(made).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class _Filling:
    """Collections that rows are being written to.

    Attributes:
        names: Target → collection.
        keys: Of the columns.
        generation: That the rows are seen from.
    """

    engine: Engine
    source: Source
    names: dict[str, str]
    keys: dict[str, Any]
    generation: int

    def fill(self, rows: Ints, progress: Progress, again: bool) -> int:
        """Write rows; give their number."""
        import duckdb

        writer = Writer(duckdb.connect(), self.keys, self.source.modalities)
        done = 0
        for table, vectors in self.source.filled(rows, list(self.names)):
            progress("push", done, len(rows))
            scalars = writer.scalars(table, self.generation)
            for target, name in self.names.items():
                self.engine.insert(name, with_vectors(scalars, vectors[target]), again)
            done += len(scalars)
        progress("push", len(rows), len(rows))
        return done

    def fill_by(self, files: Bulk, firsts: Mapping[str, int], progress: Progress) -> int:
        """Have the rows of each target imported from a row number on; give their number."""
        import duckdb

        writer = Writer(duckdb.connect(), self.keys, self.source.modalities)
        return files.fill(self.source, firsts, self.names, writer, self.generation, progress)

    def check(self, rows: Sequence[int], fresh: bool) -> None:
        """Count the rows of every collection, and compare some; what is wrong and `fresh` is taken away.

        Raises:
            StoreError: They are not as they were written.
        """
        import duckdb

        writer = Writer(duckdb.connect(), self.keys, self.source.modalities)
        held = list(self.source.filled(np.array(rows, np.int64), list(self.names)))
        scalars = [s for t, _ in held for s in writer.scalars(t, 0)]
        targets = {name: target for target, name in self.names.items()}

        def verified(name: str) -> str:
            vectors = np.concatenate([v[targets[name]] for _, v in held])
            return verify(self.engine, name, self.source.rows, self.generation, scalars, vectors)

        wrong = next(filter(None, self.engine.of_each(targets, verified)), "")
        if wrong and fresh:
            self.engine.drop(self.names.values())
            raise StoreError(f"{wrong} Nothing of it is kept; push again.")
        if wrong:
            again = push_anew(self.engine.address, self.source.made)
            raise StoreError(f"{wrong} Push it anew: {again}.")


def _push(
    engine: Engine,
    source: Source,
    targets: Sequence[str],
    asked: str | None,
    old: Head | None,
    last: int,
    progress: Progress,
    timeout_s: float,
    anew: bool,
    files: Bulk | None,
) -> Pushed:
    if old is not None and not anew and set(targets) == set(old.collections):
        change = source.difference(old) if asked in (None, old.kind["name"]) else None
        if change is not None:
            with closing(change.before):
                return _push_change(engine, source, old, change, asked, progress, timeout_s)
    source.check()
    kind = kind_for(source.rows, asked)
    token = _token(source, targets, asked, last)
    names = {t: f"{engine.address.name}__{source.modalities.index(t)}_{token}" for t in targets}
    held = set(engine.names(f"{engine.address.name}__")).intersection(names.values())
    fields = fields_of(source.modalities, source.width)
    if files is not None:
        files.settle(held)

    def begun(name: str) -> int:
        return begun_to(engine, name, source, timeout_s) if name in held else 0

    there = dict(zip(names, engine.of_each(names.values(), begun), strict=True))
    for name in names.values():
        if name not in held:
            engine.create(name, fields, kind, f"prom3e-index {engine.address.name}")
    filling = _Filling(engine, source, names, keys_of(source.types), last + 1)
    if files is not None:
        written = filling.fill_by(files, there, progress)
    else:
        first = min(there.values())
        again = bool(held)  # of some targets more is there than of others
        written = filling.fill(source.live[source.live >= first], progress, again)
    engine.ready(list(names.values()), timeout_s)
    filling.check(sample(source.live), fresh=True)
    head = _head(filling, asdict(kind), asked, _counted(source, Summary(), source.live))
    publish(engine, head, old, drawn_askers(source))
    return Pushed(head, written, source.rows - written)


def _push_change(
    engine: Engine,
    source: Source,
    old: Head,
    change: Difference,
    asked: str | None,
    progress: Progress,
    timeout_s: float,
) -> Pushed:
    """Bring what has changed of an index into its store; a store that has it all stays as it is."""
    refuse_short(engine, old)
    same = source.is_in(old) and asked == old.asked
    if same and not len(change.added) and not len(change.removed):
        return Pushed(old, 0, old.rows, changed=False)
    undo_begun(engine, old)
    keys = keys_of(source.types, old.columns)
    filling = _Filling(engine, source, old.collections, keys, old.generation + 1)
    filling.fill(change.added, progress, True)
    removed = change.removed.tolist()
    engine.of_each(
        old.collections.values(), lambda name: mark(engine, name, removed, filling.generation)
    )
    engine.ready(list(old.collections.values()), timeout_s)
    filling.check(sample(change.added if len(change.added) else source.live), fresh=False)
    summary = _counted(change.before, Summary(old.summary, old.rows), change.removed, -1)
    head = replace(
        _head(filling, old.kind, asked, _counted(source, summary, change.added)),
        certificate=still_true(old.certificate, len(change.added) + len(change.removed)),
    )
    publish(engine, head, old, drawn_askers(source))
    take_out(engine, head)
    return Pushed(head, len(change.added), source.rows - len(change.added))


def _counted(source: Source, summary: Summary, rows: Ints, sign: int = 1) -> Summary:
    """A summary with some rows counted in, or out of it."""
    import duckdb

    con = duckdb.connect()
    for table in source.tables(rows):
        summary.count(con, table.drop_columns(["row"]), sign)
    return summary


def _head(filling: _Filling, kind: dict[str, Any], asked: str | None, summary: Summary) -> Head:
    source = filling.source
    return Head(
        generation=filling.generation,
        rows=source.rows,
        places=source.places,
        collections=filling.names,
        kind=kind,
        columns=filling.keys,
        order=source.columns,
        manifest=trimmed(source.manifest),
        firsts=source.firsts,
        statistics=source.statistics,
        calibration=source.calibration,
        media=media_of(source.manifest),
        summary=summary.to_dict(),
        asked=asked,
    )
