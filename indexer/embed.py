"""Encoding planned observations into memory-mapped arrays, a batch at a time, resumably.

For each modality there are two files: `{modality}.npy` (n, d) float16 and `{modality}.state.npy`
(n,) with 0 pending, 1 encoded, 2 absent, 3 lost; of media also `{modality}.files.npy`
(n,), which file it was. A batch's embeddings are flushed before its states, so
whatever is marked is there: a build that was killed goes on with the rows still pending. Equal files
and names are encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.errors import MediaError
from prom3e_index.indexer.losses import Losses, looked_at
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.spans import decoded_spans
from prom3e_index.indexer.store import ABSENT, PENDING, Store, file_states
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.models.folder import Model
from prom3e_index.schema import MEDIA

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.encoders.forward import Rows


def _groups(
    con: duckdb.DuckDBPyConnection, column: str, state: NDArray[np.uint8]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Distinct values of a column with the pending rows that hold them, in the table's order."""
    query = (
        f"SELECT {quoted(column)} AS value, list(seq ORDER BY seq) AS seqs FROM planned "
        f"WHERE {quoted(column)} IS NOT NULL{' AND start_s IS NULL' if column == 'audio' else ''} "
        "GROUP BY 1 ORDER BY min(seq)"
    )
    for batch in con.cursor().sql(query).to_arrow_reader(4096):
        values, seqs = batch.column(0), batch.column(1)
        for i in range(batch.num_rows):
            rows = np.asarray(seqs[i].values.to_numpy(zero_copy_only=False), np.int64)
            rows = rows[state[rows] == PENDING]
            if len(rows):
                yield values[i].as_py(), rows


def embed(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    work: Path,
    n: int,
    *,
    media: Path,
    raster: ClimateRaster | None,
    workers: int,
    batch_size: int | None,
    timeout_s: float,
    progress: Progress,
) -> None:
    """Encode every modality of every planned row that is still pending.

    Files that cannot be decoded are noted in `lost.jsonl` with their reason; the row keeps its other
    modalities.
    """
    folder = work / "embeddings"
    folder.mkdir(exist_ok=True)
    known = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
    for modality in model.settings.get("encoder", {}):
        column = _column_of(modality, raster)
        some = f"SELECT 1 FROM planned WHERE {quoted(column)} IS NOT NULL LIMIT 1"
        if column in known and con.execute(some).fetchall():
            model.encoder(modality)  # one that cannot be loaded is said before another has worked
    for modality in model.modalities:
        store = Store(folder, modality, n, model.width)
        pending = int((store.state[:] == PENDING).sum())
        if pending == 0:
            continue
        column = _column_of(modality, raster)
        if column not in known or modality not in model.settings.get("encoder", {}):
            store.state[:] = ABSENT
            store.state.flush()
            continue
        absent = con.execute(
            f"SELECT seq FROM planned WHERE {quoted(column)} IS NULL"
            + (" AND env IS NULL" if modality == "env" else "")
        ).fetchnumpy()["seq"]
        absent = np.asarray(absent, np.int64)
        store.state[absent[store.state[absent] == PENDING]] = ABSENT
        if not (store.state[:] == PENDING).any():
            store.state.flush()
            continue
        encoder = model.encoder(modality)
        size = batch_size or encoder.batch_size
        if modality in ("loc", "env"):
            _embed_numbers(
                con, encoder, store, raster if modality == "env" else None, modality, work, progress
            )
            continue
        groups = _groups(con, column, store.state)
        total = int((store.state[:] == PENDING).sum())
        report = partial(_report, progress, f"encode {modality}", total)
        if modality not in MEDIA:
            _encode(groups, encoder, store, size, report)
            continue
        spec = asdict(model.media_spec(modality))
        with DecodePool(workers, timeout_s) as pool:
            ahead = 2 * size + 2 * workers
            files: Iterable[Any] = _decoded(groups, pool, modality, spec, media, work, store, ahead)
            if modality == "audio":
                files = chain(files, decoded_spans(con, pool, spec, media, work, store))
            _encode(files, encoder, store, size, report)


def _column_of(modality: str, raster: ClimateRaster | None) -> str:
    """The column that says which rows have something to be encoded."""
    if modality == "loc" or (modality == "env" and raster is not None):
        return "latitude"
    return modality


def _report(progress: Progress, stage: str, total: int, done: int) -> None:
    progress(stage, done, total)


def _encode(
    items: Iterable[tuple[Any, NDArray[np.int64]]],
    encoder: Any,
    store: Store,
    size: int,
    report: Callable[[int], None],
) -> None:
    """Encode items in batches of `size`, each to all of its rows; report the rows done.

    A card is given a batch before the rows of the one before are asked for, so it works while these are stored.
    """
    batch: list[Any] = []
    of: list[NDArray[np.int64]] = []
    begun: tuple[list[NDArray[np.int64]], Rows] | None = None
    done = 0

    def stored(rows_of: list[NDArray[np.int64]], embeddings: NDArray[np.float32]) -> None:
        nonlocal done
        store.put(rows_of, embeddings)
        done += sum(len(rows) for rows in rows_of)
        report(done)

    def settle() -> None:
        nonlocal begun
        if begun is not None:
            (rows_of, embeddings), begun = begun, None
            stored(rows_of, embeddings())

    def flush() -> None:
        nonlocal begun
        if encoder.forward.ahead:
            coming = list(of), encoder.begin(batch)
            settle()
            begun = coming
        else:
            stored(of, encoder.encode(batch))
        batch.clear()
        of.clear()

    for item, rows in items:
        batch.append(item)
        of.append(rows)
        if len(batch) == size:
            flush()
    if batch:
        flush()
    settle()


def _decoded(
    groups: Iterator[tuple[str, NDArray[np.int64]]],
    pool: DecodePool,
    modality: str,
    spec: dict[str, Any],
    media: Path,
    work: Path,
    store: Store,
    ahead: int,
) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
    """Decoded files with their rows; a file that is not there or cannot be decoded is noted and left out."""
    losses = Losses(work, modality, store.state, media)
    states = file_states(work / "embeddings", modality, len(store.state))

    def tasks() -> Iterator[tuple[tuple[NDArray[np.int64], Path], Task]]:
        for value, rows in groups:
            state, reason = looked_at(media / value)
            if reason is None:
                states[rows] = state
                yield (rows, media / value), Task(modality, media / value, spec)
            else:
                losses.add(rows, reason)

    for (rows, path), result in pool.map(tasks(), ahead=ahead):
        if (note := pool.notes.pop(path, None)) is not None:
            losses.note(rows, f"{path}: {note}")
        if isinstance(result, MediaError):
            losses.add(rows, str(result))
        else:
            yield result, rows
    losses.write()


def _embed_numbers(
    con: duckdb.DuckDBPyConnection,
    encoder: Any,
    store: Store,
    raster: ClimateRaster | None,
    modality: str,
    work: Path,
    progress: Progress,
) -> None:
    """Encode places, or climates: a row's own 20 values first, else the raster's at its place.

    A row at whose place the raster knows nothing has lost its climate, and is noted so.
    """
    if modality == "loc":
        query = (
            "SELECT seq, latitude, longitude FROM planned WHERE latitude IS NOT NULL ORDER BY seq"
        )
    elif raster is not None:
        query = (
            "SELECT seq, latitude, longitude, env FROM planned "
            "WHERE latitude IS NOT NULL OR env IS NOT NULL ORDER BY seq"
        )
    else:
        query = "SELECT seq, NULL, NULL, env FROM planned WHERE env IS NOT NULL ORDER BY seq"
    losses = Losses(work, modality, store.state)
    done = 0
    for batch in con.cursor().sql(query).to_arrow_reader(4096):
        seq = np.asarray(batch.column(0).to_numpy(zero_copy_only=False), np.int64)
        todo = store.state[seq] == PENDING
        if todo.any():
            if modality == "loc":
                place = np.stack(
                    [batch.column(i).to_numpy(zero_copy_only=False) for i in (1, 2)], 1
                )
                values = np.asarray(place, np.float32)
            else:
                own = batch.column(3).to_pylist()
                values = np.zeros((len(seq), encoder.inputs), np.float32)
                lacking = np.array([v is None for v in own])
                if raster is not None and lacking.any():
                    lat, lon = (batch.column(i).to_numpy(zero_copy_only=False) for i in (1, 2))
                    values[lacking], known = raster.lookup(lat[lacking], lon[lacking])
                    lost = seq[lacking][~known & todo[lacking]]
                    if len(lost):
                        reason = f"{raster.path.name} has no climate at this place"
                        losses.add(lost, reason)
                        todo &= ~np.isin(seq, lost)
                for i, v in enumerate(own):
                    if v is not None:
                        values[i] = v
            if todo.any():
                store.put([row[None] for row in seq[todo]], encoder.encode(values[todo]))
        done += len(seq)
        progress(f"encode {modality}", done, None)
    losses.write()
