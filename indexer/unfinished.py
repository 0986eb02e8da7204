"""Work that was begun and not finished: what of it is kept, and what of it serves a corrected table or command.

Embeddings depend on a file, a place, a name, and on the weights; not on which table names them. So where the command is
corrected, or its table, the plan is made anew, and what was encoded for the earlier one is taken over value by value.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.memory_maps import release
from prom3e_index.errors import Prom3eError
from prom3e_index.indexer.beside import WORK_FILES, take_away
from prom3e_index.indexer.losses import looked_at, read_lost
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.store import ENCODED, PENDING, Store, file_states
from prom3e_index.schema import MEDIA
from prom3e_index.tables import EMBEDDINGS

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.models.folder import Model

Ints = NDArray[np.int64]
BEFORE, MOVING = "before", "before.new"
"""In a work folder: the plan and embeddings of an earlier table or command; the same while they are moved there."""
_MOVED = (
    "plan.duckdb", "plan.duckdb.wal", "planned.json", "embeddings", "lost.jsonl", BEFORE, "identity.json",
)  # fmt: skip
_LEFT = (
    "plan.duckdb.new", "plan.duckdb.new.wal", "planned.json.new", "spill", "whole.npy", "bundle", "segment",
)  # fmt: skip
_ENCODING = ("weights", "weights_content", "exif_transpose", "audio_windows")
"""Parts of an identity that an embedding depends on, beside its file or value."""
_CLIMATE = ("climate", "climate_content")
_BLOCK = 4096
_ON_CLUSTER = "cluster"


@contextmanager
def kept_where_encoded(work: Path) -> Iterator[None]:
    """Take a work folder away where what is done in it is refused, and nothing is encoded there or was set aside."""
    try:
        yield
    except Prom3eError:
        if not encoded_works(work):
            take_away(work, WORK_FILES)
        raise


def encoded_works(work: Path) -> list[Path]:
    """Of a work folder and what was set aside in it, the latest first, those that hold embeddings of an encoder."""
    return [w for w in (work, *earlier_works(work)) if encoded_rows(w)]


def encoded_rows(work: Path) -> int:
    """Embeddings of a work folder that cost the time of an encoder; those that a table brought are copied again."""
    facts = _note(work / "planned.json")
    if facts.get("format") in EMBEDDINGS:
        return 0
    if (work / _ON_CLUSTER).exists():
        return int(_note(work / _ON_CLUSTER / "encoded.json").get("items", 0))
    return sum(
        int((np.load(path, mmap_mode="r", allow_pickle=False) == ENCODED).sum())
        for path in (work / "embeddings").glob("*.state.npy")
    )


def note_encoded(work: Path, items: int) -> None:
    """Note how many items a cluster has encoded so far for a work folder."""
    path = work / _ON_CLUSTER / "encoded.json"
    path.with_suffix(".new").write_text(json.dumps({"items": items}))
    path.with_suffix(".new").replace(path)


def serves(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the embeddings of one work are also those of another: of one table or content, by the same weights."""
    if not known or "engine" in known or "engine" in wanted:
        return False  # a cluster's embeddings lie in pieces, which belong to their plan
    content, name = (known.get(k) == wanted.get(k) for k in ("table_content", "table"))
    known = as_noted(known, wanted)
    return (content or (name and known.get("table") != "-")) and all(
        known.get(k) == wanted.get(k) for k in _ENCODING
    )


def as_noted(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A work's identity; what earlier versions did not note is taken to be as wanted."""
    return {**{k: wanted[k] for k in ("weights_content",) if k in wanted}, **known}


def set_aside(work: Path) -> None:
    """Move what was begun to `before` of its work folder; `put_together` takes back a move that was interrupted.

    Where nothing was encoded since the last time, that is dropped, and `before` stays what it is.
    """
    if not encoded_rows(work) and (work / BEFORE).is_dir():
        _drop(work, [n for n in reversed(_MOVED) if n != BEFORE])
    else:
        (work / MOVING).mkdir()
        for name in _MOVED:
            if (work / name).exists():
                (work / name).rename(work / MOVING / name)
        (work / MOVING).rename(work / BEFORE)
    _drop(work, _LEFT)


def _drop(work: Path, names: Iterable[str]) -> None:
    for path in (work / name for name in names):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def put_together(work: Path) -> None:
    """Undo a `set_aside` that was interrupted."""
    moving = work / MOVING
    if not moving.is_dir():
        return
    for name in _MOVED:
        if (moving / name).exists():
            (moving / name).rename(work / name)
    moving.rmdir()


def take_over_lengths(con: duckdb.DuckDBPyConnection, work: Path) -> None:
    """Have in a new plan how long recordings are that were measured for earlier ones."""
    for before in earlier_works(work):
        with _attached(con, before) as tables:
            if "durations" in tables:
                con.execute(
                    "CREATE TABLE IF NOT EXISTS durations AS SELECT * FROM earlier.durations LIMIT 0"
                )
                con.execute(
                    "INSERT INTO durations SELECT * FROM earlier.durations "
                    "WHERE path NOT IN (SELECT path FROM durations)"
                )


def take_over(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    model: Model,
    n: int,
    media: Path,
    progress: Progress,
) -> None:
    """Have in a new plan's arrays what was encoded for earlier ones: of the same file, place, name or climate.

    What is another file than was encoded is encoded again, one that was lost in part too; a lost one is looked for
    again.
    Afterwards the earlier work is gone; interrupted, it is taken over once more.
    """
    wanted = _note(work / "identity.json")
    taken = of = 0
    for before in earlier_works(work):
        known = _note(before / "identity.json")
        of += encoded_rows(before)
        if not serves(known, wanted):
            continue
        same_climate = all(known.get(k) == wanted.get(k) for k in _CLIMATE)
        with _attached(con, before) as tables:
            if "planned" in tables:
                for modality in model.modalities:
                    taken += _take(con, before, work, model, modality, n, media, same_climate)
    if (work / BEFORE).exists():
        shutil.rmtree(work / BEFORE)
        progress(f"took over {taken:,} of {of:,} embeddings of the build that was begun", 0, None)


def _take(
    con: duckdb.DuckDBPyConnection,
    before: Path,
    work: Path,
    model: Model,
    modality: str,
    n: int,
    media: Path,
    same_climate: bool,
) -> int:
    state_path = before / "embeddings" / f"{modality}.state.npy"
    if not state_path.is_file() or n == 0:
        return 0
    encoded = np.load(state_path, allow_pickle=False) == ENCODED
    in_part = [seq for seq, m, _ in read_lost(before) if m == modality]
    encoded[in_part] = False  # encoded again, so that what is lost of them is noted again
    where = Path(str(_note(before / "planned.json")["media"]))
    new, old = pairs(con, modality, np.flatnonzero(encoded), media, where, same_climate)
    (work / "embeddings").mkdir(exist_ok=True)
    if modality in MEDIA and len(new):
        known = before / "embeddings" / f"{modality}.files.npy"
        then = (
            np.load(known, allow_pickle=False)
            if known.is_file()
            else np.zeros(len(encoded), np.uint64)
        )
        now = _file_states(con, modality, new, media)
        same = (then[old] == now) & (now != 0)
        new, old, now = new[same], old[same], now[same]
        file_states(work / "embeddings", modality, n)[new] = now
    store = Store(work / "embeddings", modality, n, model.width)
    pending = np.asarray(store.state)[new] == PENDING
    new, old = new[pending], old[pending]
    values = np.load(before / "embeddings" / f"{modality}.npy", mmap_mode="r", allow_pickle=False)
    for at in range(0, len(new), _BLOCK):
        part = slice(at, at + _BLOCK)
        store.values[new[part]] = values[old[part]]
        release(store.values)
        store.state[new[part]] = ENCODED
        store.state.flush()
    return len(new)


def pairs(
    con: duckdb.DuckDBPyConnection,
    modality: str,
    done: Ints,
    media: Path,
    media_before: Path,
    same_climate: bool,
) -> tuple[Ints, Ints]:
    """Rows of the plan, ascending, and for each the first row of the earlier one that was encoded from the same.

    Each value of the earlier plan is one row of the join, however many rows have it.
    """
    import pyarrow as pa

    if modality in MEDIA:
        keys = [_path(modality, media), *(("start_s", "end_s") if modality == "audio" else ())]
        keys_before = [_path(modality, media_before), *keys[1:]]
    else:
        keys = keys_before = ["latitude", "longitude"] if modality == "loc" else [quoted(modality)]
    sorts = [(keys, keys_before, "true")]
    if modality == "env" and same_climate:
        sorts.append((["latitude", "longitude"], ["latitude", "longitude"], "env IS NULL"))
    con.register("done", pa.table({"seq": done}))
    query = " UNION ALL ".join(_paired(*sort) for sort in sorts)
    found = con.execute(f"SELECT * FROM ({query}) ORDER BY new").fetchnumpy()
    con.unregister("done")
    return np.asarray(found["new"], np.int64), np.asarray(found["old"], np.int64)


def _paired(keys: list[str], keys_before: list[str], which: str) -> str:
    """SQL of rows of both plans with the same values, the first of them not NULL."""
    new = ", ".join(f"{k} AS k{i}" for i, k in enumerate(keys))
    old = ", ".join(f"{k} AS k{i}" for i, k in enumerate(keys_before))
    same = " AND ".join(f"p.k{i} IS NOT DISTINCT FROM b.k{i}" for i in range(len(keys)))
    return (
        f"SELECT p.seq AS new, b.seq AS old FROM (SELECT seq, {new} FROM planned WHERE {which}) p JOIN "
        f"(SELECT min(seq) AS seq, {old} FROM earlier.planned JOIN done USING (seq) WHERE {which} "
        f"GROUP BY {', '.join(f'k{i}' for i in range(len(keys)))}) b ON {same} WHERE p.k0 IS NOT NULL"
    )


def _path(modality: str, folder: Path) -> str:
    """SQL of the whole path of a medium."""
    inside = str(folder).rstrip("/").replace("'", "''")
    cell = quoted(modality)
    return f"CASE WHEN starts_with({cell}, '/') THEN {cell} ELSE '{inside}/' || {cell} END"


def _file_states(
    con: duckdb.DuckDBPyConnection, modality: str, rows: Ints, media: Path
) -> NDArray[np.uint64]:
    """What the files of some rows of the plan are now; each file is looked at once."""
    cells = con.execute(f"SELECT {quoted(modality)} FROM planned ORDER BY seq").fetchnumpy()
    known: dict[str, int] = {}
    out = np.zeros(len(rows), np.uint64)
    for i, cell in enumerate(cells[modality][rows]):
        if cell not in known:
            known[cell] = looked_at(media / cell)[0]
        out[i] = known[cell]
    return out


def earlier_works(work: Path) -> Iterator[Path]:
    """Work that was set aside, the latest first; work that was begun once more has some inside."""
    while (work := work / BEFORE).is_dir():
        yield work


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, before: Path) -> Iterator[set[str]]:
    """The plan of earlier work as the database `earlier`; gives the names of its tables, none where it is damaged."""
    import duckdb

    path = str(before / "plan.duckdb").replace("'", "''")
    try:
        con.execute(f"ATTACH '{path}' AS earlier (READ_ONLY)")
    except duckdb.Error:
        yield set()
        return
    try:
        found = con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'earlier'"
        ).fetchall()
        yield {str(r[0]) for r in found}
    finally:
        con.execute("DETACH earlier")


def _note(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
