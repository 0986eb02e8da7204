"""Encoding planned observations into memory-mapped arrays, a batch at a time, resumably.

For each modality there are two files: `{modality}.npy` (n, d) float16 and `{modality}.state.npy`
(n,) with 0 pending, 1 encoded, 2 absent, 3 lost; of media also `{modality}.files.npy`
(n,), which file it was. A batch's embeddings are flushed before its states, so
whatever is marked is there: a build that was killed goes on with the rows still pending. Equal files
and names are encoded once.

Which items go through an encoder together is settled by the plan: item number `i` of a modality, lost or not, belongs
to batch `i // size`. So what an encoder's products round to does not depend on where an earlier run stopped, or on
which machine of a cluster (`cluster/`) has the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.errors import MediaError
from prom3e_index.indexer.losses import Losses, Told, looked_at
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.spans import decoded_spans, readings, waiting
from prom3e_index.indexer.store import ABSENT, PENDING, Store, file_states
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.models.folder import Model
from prom3e_index.schema import MEDIA

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.encoders.forward import Rows
    from prom3e_index.indexer.work import BuildConfig


Ints = NDArray[np.int64]
Item = tuple[int, Any, Ints]
"""Its number, what is encoded, and its rows."""


def whole_values(column: str) -> str:
    """SQL of the planned rows whose value of a column is an item as a whole; spans of recordings are not."""
    spans = " AND start_s IS NULL" if column == "audio" else ""
    return f"planned WHERE {quoted(column)} IS NOT NULL{spans}"


def _groups(
    con: duckdb.DuckDBPyConnection, column: str, state: NDArray[np.uint8]
) -> Iterator[tuple[int, str, Ints]]:
    """Distinct values of a column, numbered in the table's order, with the pending rows that hold them."""
    query = (
        f"SELECT {quoted(column)} AS value, list(seq ORDER BY seq) AS seqs FROM {whole_values(column)} "
        "GROUP BY 1 ORDER BY min(seq)"
    )
    number = 0
    for batch in con.cursor().sql(query).to_arrow_reader(4096):
        values, seqs = batch.column(0), batch.column(1)
        for i in range(batch.num_rows):
            rows = np.asarray(seqs[i].values.to_numpy(zero_copy_only=False), np.int64)
            rows = rows[state[rows] == PENDING]
            if len(rows):
                yield number + i, values[i].as_py(), rows
        number += batch.num_rows


@dataclass(frozen=True)
class PlannedRows:
    """Planned rows that are to be encoded, and with what.

    Attributes:
        con: The plan's connection.
        config: The build's.
        model: Whose encoders.
        work: Folder of the plan, and of what comes of its rows.
        n: Rows.
        media: Folder of relative media paths.
        raster: Where climates are looked up; None without one.
        progress: Told of each modality.
    """

    con: duckdb.DuckDBPyConnection
    config: BuildConfig
    model: Model
    work: Path
    n: int
    media: Path
    raster: ClimateRaster | None
    progress: Progress


def embed(planned: PlannedRows) -> None:
    """Encode every modality of every planned row that is still pending.

    Files that cannot be decoded are noted in `lost.jsonl` with their reason; the row keeps its other
    modalities.
    """
    con, model = planned.con, planned.model
    (planned.work / "embeddings").mkdir(exist_ok=True)
    known = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
    for modality in model.settings.get("encoder", {}):
        column = column_of(modality, planned.raster)
        some = f"SELECT 1 FROM planned WHERE {quoted(column)} IS NOT NULL LIMIT 1"
        if column in known and con.execute(some).fetchall():
            model.encoder(modality)  # one that cannot be loaded is said before another has worked
    with DecodePool(planned.config.workers, planned.config.timeout_s) as pool:
        _embed_all(planned, known, pool)


def _embed_all(planned: PlannedRows, known: set[str], pool: DecodePool) -> None:
    con, model, work, n = planned.con, planned.model, planned.work, planned.n
    media, raster, progress = planned.media, planned.raster, planned.progress
    folder, workers = work / "embeddings", planned.config.workers
    for modality in model.modalities:
        store = Store(folder, modality, n, model.width)
        pending = int((store.state[:] == PENDING).sum())
        if pending == 0:
            continue
        column = column_of(modality, raster)
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
        size = planned.config.batch_size or encoder.batch_size
        if modality in ("loc", "env"):
            _embed_numbers(
                con, encoder, store, raster if modality == "env" else None, modality, work, progress
            )
            continue
        groups = _groups(con, column, store.state)
        total = int((store.state[:] == PENDING).sum())
        report = partial(_report, progress, f"encode {modality}", total)
        if modality not in MEDIA:
            encode_items(groups, encoder, store, size, report)
            continue
        spec = asdict(model.media_spec(modality))
        losses = Losses(work, modality, store.state, media)
        states = file_states(folder, modality, n)
        ahead = 2 * size + 2 * workers
        files: Iterable[Item] = decoded(groups, pool, modality, spec, media, losses, states, ahead)
        if modality == "audio":
            spans = waiting(readings(con, spec["window_s"]), store.state)
            files = chain(files, decoded_spans(spans, pool, spec, media, losses, states))
        encode_items(files, encoder, store, size, report)


def column_of(modality: str, raster: object | None) -> str:
    """The column that says which rows have something to be encoded."""
    if modality == "loc" or (modality == "env" and raster is not None):
        return "latitude"
    return modality


def _report(progress: Progress, stage: str, total: int, done: int) -> None:
    progress(stage, done, total)


class Kept(Protocol):
    """Where rows that were encoded go."""

    def put(self, rows: list[Ints], embeddings: NDArray[np.float32]) -> None:
        """Keep embeddings (k, d), each for all of its rows."""
        ...


def encode_items(
    items: Iterable[Item], encoder: Any, store: Kept, size: int, report: Callable[[int], None]
) -> None:
    """Encode items in the batches of `size` that their numbers put them in, each to all of its rows.

    `report` is told the rows done.

    A card is given a batch before the rows of the one before are asked for, so it works while these are stored.
    """
    batch: list[Any] = []
    of: list[Ints] = []
    begun: tuple[list[Ints], Rows] | None = None
    done = 0

    def stored(rows_of: list[Ints], embeddings: NDArray[np.float32]) -> None:
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

    open_batch = 0
    for number, item, rows in items:
        if batch and number // size != open_batch:
            flush()
        open_batch = number // size
        batch.append(item)
        of.append(rows)
        if len(batch) == size:
            flush()
    if batch:
        flush()
    settle()


def decoded(
    groups: Iterable[tuple[int, str, Ints]],
    pool: DecodePool,
    modality: str,
    spec: dict[str, Any],
    media: Path,
    losses: Told,
    states: NDArray[np.uint64],
    ahead: int,
) -> Iterator[Item]:
    """Decoded files with their numbers and rows; one that is not there or cannot be decoded is noted and left out.

    Of each row's file, `states` gets what it was before it was decoded.
    """

    def tasks() -> Iterator[tuple[tuple[int, Ints, Path], Task]]:
        for number, value, rows in groups:
            state, reason = looked_at(media / value)
            if reason is None:
                states[rows] = state
                yield (number, rows, media / value), Task(modality, media / value, spec)
            else:
                losses.add(rows, reason)

    for (number, rows, path), result in pool.map(tasks(), ahead=ahead):
        if (note := pool.notes.pop(path, None)) is not None:
            losses.note(rows, f"{path}: {note}")
        if isinstance(result, MediaError):
            losses.add(rows, str(result))
        else:
            yield number, result, rows
    losses.write()


def numbers_of(modality: str, raster: object | None) -> str:
    """SQL of planned places, or of climates: `seq`, `latitude`, `longitude`, `env`, in the table's order."""
    if modality == "loc":
        return "SELECT seq, latitude, longitude, NULL AS env FROM planned WHERE latitude IS NOT NULL ORDER BY seq"
    if raster is not None:
        return (
            "SELECT seq, latitude, longitude, env FROM planned "
            "WHERE latitude IS NOT NULL OR env IS NOT NULL ORDER BY seq"
        )
    return "SELECT seq, NULL AS latitude, NULL AS longitude, env FROM planned WHERE env IS NOT NULL ORDER BY seq"


NUMBERS = 4096
"""Places or climates of one batch."""


def numbers(
    batch: Any, modality: str, raster: ClimateRaster | None, inputs: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What an encoder reads of rows of `numbers_of`, and which of them are known.

    A row's own climate goes before the raster's at its place.

    Args:
        batch: (n) rows as an Arrow batch or table.
        modality: `loc` or `env`.
        raster: Where climates are looked up.
        inputs: Values of a climate.

    Returns:
        (n, 2) degrees or (n, inputs), and (n,).
    """
    known = np.ones(batch.num_rows, bool)
    lat, lon = (batch.column(n).to_numpy(zero_copy_only=False) for n in ("latitude", "longitude"))
    if modality == "loc":
        return np.asarray(np.stack([lat, lon], 1), np.float32), known
    own = batch.column("env").to_pylist()
    values = np.zeros((len(own), inputs), np.float32)
    lacking = np.array([v is None for v in own], bool)
    if raster is not None and lacking.any():
        values[lacking], known[lacking] = raster.lookup(lat[lacking], lon[lacking])
    for i, v in enumerate(own):
        if v is not None:
            values[i] = v
    return values, known


def no_climate(raster: ClimateRaster) -> str:
    """Why a row has lost its climate."""
    return f"{raster.path.name} has no climate at this place"


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
    losses = Losses(work, modality, store.state)
    done = 0
    query = numbers_of(modality, raster)
    for batch in con.cursor().sql(query).to_arrow_reader(NUMBERS):
        seq = np.asarray(batch.column(0).to_numpy(zero_copy_only=False), np.int64)
        todo = store.state[seq] == PENDING
        if todo.any():
            values, known = numbers(batch, modality, raster, getattr(encoder, "inputs", 2))
            if raster is not None and (todo & ~known).any():
                losses.add(seq[todo & ~known], no_climate(raster))
            todo &= known
            if todo.any():
                store.put([row[None] for row in seq[todo]], encoder.encode(values[todo]))
        done += len(seq)
        progress(f"encode {modality}", done, None)
    losses.write()
