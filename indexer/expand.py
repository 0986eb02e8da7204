"""Rows of an observation beyond its first: further photos and sounds, and the windows of long recordings.

    ID           the row as the table has it: its first photo, the first window of its recording, its tile
    ID#2         its second photo or sound
    ID@10-20     its recording from second 10 to 20
    ID#3@5-15    the same of its third medium

Every row carries what the table says of the observation: place, climate, name, date, licence. The other files, photo
and tile, stay with the first row: beside each of 143 windows they would be found, stored and completed 143 times.
A name that the table or the index has already gets one more `#` before its end, until it is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.errors import InputError, MediaError
from prom3e_index.indexer.parts import TABLE_ROW
from prom3e_index.indexer.plan import Progress, span_name
from prom3e_index.indexer.windows import CROPS, Windows
from prom3e_index.media.audio import MAX_SECONDS, AudioSpec
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.schema import MEDIA

if TYPE_CHECKING:
    import duckdb

UNMEASURED = "unmeasured"
"""Table of recordings that would have become windows if they are long, and whose length could not be told."""
MOST_WINDOWS = 50_000
"""Windows of one recording: three days, every five seconds."""
_NOTED = 256


def expand(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    media: Path,
    windows: Windows | None,
    heard: AudioSpec | None,
    further: bool,
    workers: int,
    timeout_s: float,
    progress: Progress,
) -> dict[str, Any]:
    """Make rows of the further media and the windows of planned observations.

    Args:
        con: The plan's connection.
        work: Its folder; what was measured of recordings is kept there, so that a plan begun anew goes on.
        media: Folder of relative media paths.
        windows: Of long recordings; None leaves each one row.
        heard: What the model's tower hears of a recording that stays one row; None where it has none for sounds.
        further: Whether further media become rows; else they are noted as lost.
        workers: Decode processes.
        timeout_s: Seconds for one file.
        progress: Told of each stage.

    Returns:
        `rows` planned; and where there are any, `long_recordings` and the `windows` they became, `further_media` that
        are rows now, or `media_left_out`; and what `_heard_in_part` counts.
    """
    con.execute(
        "CREATE TABLE IF NOT EXISTS durations (path VARCHAR, state VARCHAR, seconds DOUBLE, note VARCHAR)"
    )
    left = 0
    if not further:
        left = int(con.execute("SELECT coalesce(sum(len(more)), 0) FROM planned").fetchall()[0][0])
        con.execute(
            "INSERT INTO lost SELECT seq, m.modality, chr(39) || m.path || chr(39) || ' is a further medium of the "
            "observation, which is one row here' FROM (SELECT seq, unnest(more) AS m FROM planned)"
        )
        con.execute("UPDATE planned SET more = NULL WHERE more IS NOT NULL")
    con.execute("CREATE OR REPLACE TEMP VIEW media_rows AS " + _MEDIA_ROWS)
    con.execute("CREATE OR REPLACE TEMP TABLE spans (path VARCHAR, nth BIGINT, a DOUBLE, b DOUBLE)")
    long = 0
    if windows is not None or heard is not None:
        _measure(con, media, workers, timeout_s, progress)
    if windows is not None:
        long = _cut(con, windows)
        con.execute(f"CREATE OR REPLACE TABLE {UNMEASURED} AS " + _WITHOUT_LENGTH)
    planned, more = con.execute(
        "SELECT count(*), coalesce(sum(len(more)), 0) FROM planned"
    ).fetchall()[0]
    if not (more or long):
        return {"rows": int(planned), "media_left_out": left} | _heard_in_part(con, heard)
    con.execute("CREATE OR REPLACE TEMP TABLE parts AS " + _PARTS)
    rows, files, of_windows = con.execute(
        "SELECT count(*), count(*) FILTER (k > 1 AND coalesce(nth, 0) = 0), count(nth) FROM parts"
    ).fetchall()[0]
    _replace_planned(con)
    own = con.execute(
        "SELECT min(seq) OVER (PARTITION BY row_in) AS own FROM planned ORDER BY seq"
    ).fetchnumpy()["own"]
    (work / "embeddings").mkdir(exist_ok=True)
    np.save(work / "embeddings" / TABLE_ROW, np.asarray(own, np.int64))
    facts = {"rows": int(rows), "media_left_out": left, "further_media": int(files)}
    facts |= {"long_recordings": long, "windows": int(of_windows)}
    return facts | _heard_in_part(con, heard)


def expanded(facts: dict[str, Any]) -> dict[str, int]:
    """What a plan says of the rows that it made; nothing where each observation is one."""
    names = (
        "further_media",
        "media_left_out",
        "long_recordings",
        "windows",
        "in_crops",
        "crop_s",
        "beyond",
    )
    return {k: int(facts[k]) for k in names if facts.get(k)}


def said_of(made: Mapping[str, int], windows: Mapping[str, float] | None) -> list[str]:
    """Sentences on rows that were made, for people; `made` by `expanded`."""
    out = []
    if made.get("long_recordings") and windows:
        long, rows = made["long_recordings"], made["windows"]
        which = f"{long:,} recording" if long == 1 else f"{long:,} recordings"
        out.append(
            f"{which} longer than {windows['longer_than']:g} s became {rows:,} windows of {windows['seconds']:g} s, "
            f"one every {windows['hop']:g} s; --windows none embeds each as a "
            "whole by the published crops"
        )
    if n := made.get("further_media"):
        out.append(f"{n:,} further photos and sounds of observations are rows of their own")
    if n := made.get("media_left_out"):
        out.append(
            f"{n:,} further photos and sounds are left out: here each observation is one row"
        )
    if n := made.get("in_crops"):
        crop = made["crop_s"]
        which = "recording or span" if n == 1 else "recordings or spans"
        out.append(
            f"{n:,} {which} longer than {CROPS * crop} s, one row each, heard as a whole and in {CROPS} crops of "
            f"{crop} s: what lies between may be missed; --windows {crop} makes rows of recordings"
        )
    if n := made.get("beyond"):
        which = "recording" if n == 1 else "recordings"
        out.append(
            f"{n:,} {which} longer than {MAX_SECONDS} s, one row each, heard up to there; what follows is not"
        )
    return out


def _heard_in_part(con: duckdb.DuckDBPyConnection, heard: AudioSpec | None) -> dict[str, int]:
    """How much of planned sounds the tower does not hear.

    Returns:
        `in_crops` recordings and spans that are longer than the crops of `crop_s` seconds that it hears of them, and
        `beyond` the recordings that go on after the last second that is read of one row; nothing where there are none.
    """
    if heard is None:
        return {}
    lasts = f"CASE WHEN start_s IS NULL THEN d.seconds ELSE coalesce(end_s - start_s, {heard.window_s}) END"
    averaged = "AND start_s IS NOT NULL" if heard.every_window else ""
    crops, beyond = con.execute(
        f"SELECT count(DISTINCT (audio, start_s, end_s)) FILTER ({lasts} > {CROPS * heard.window_s} {averaged}), "
        f"count(DISTINCT audio) FILTER (start_s IS NULL AND d.seconds > {MAX_SECONDS}) "
        "FROM planned LEFT JOIN durations d ON d.path = audio"
    ).fetchall()[0]
    found = {"in_crops": int(crops), "crop_s": heard.window_s} if crops else {}
    return found | ({"beyond": int(beyond)} if beyond else {})


_MEDIA_ROWS = (
    "SELECT seq, 1 AS k, NULL::VARCHAR AS modality, audio AS sound, start_s IS NOT NULL AS spanned, "
    "NULL::VARCHAR AS path FROM planned UNION ALL "
    "SELECT seq, k + 1, m.modality, CASE m.modality WHEN 'audio' THEN m.path END, false, m.path FROM "
    "(SELECT seq, unnest(more) AS m, generate_subscripts(more, 1) AS k FROM planned)"
)
"""A row for each medium of each observation; the first stands for what the table's row has."""

_WITHOUT_LENGTH = (
    "SELECT path, note FROM durations WHERE seconds IS NULL AND note IS NOT NULL "
    "AND path IN (SELECT sound FROM media_rows WHERE NOT spanned)"
)

_PARTS = (
    "SELECT r.seq AS old, r.k, r.modality, r.path, r.sound, s.nth, s.a, s.b, "
    "r.k > 1 OR coalesce(s.nth, 0) > 0 AS part, "
    "row_number() OVER (ORDER BY r.seq, r.k, coalesce(s.nth, 0)) - 1 AS seq "
    "FROM media_rows r LEFT JOIN spans s ON s.path = r.sound AND NOT r.spanned"
)


def _replace_planned(con: duckdb.DuckDBPyConnection) -> None:
    """Give the plan a row for each part."""
    first = "p.k = 1 AND coalesce(p.nth, 0) = 0"
    files = ", ".join(
        f"CASE WHEN {first} THEN o.{m} WHEN p.k > 1 AND p.modality = '{m}' THEN p.path END AS {m}"
        for m in MEDIA
        if m != "audio"
    )
    _name(con)
    con.execute(
        "CREATE OR REPLACE TABLE expanded AS SELECT o.* EXCLUDE (more) REPLACE (p.seq AS seq, p.id AS id, "
        f"{files}, p.sound AS audio, CASE WHEN p.nth IS NULL AND p.k = 1 THEN o.start_s ELSE p.a END AS start_s, "
        "CASE WHEN p.nth IS NULL AND p.k = 1 THEN o.end_s ELSE p.b END AS end_s), p.part AS is_part "
        "FROM parts p JOIN planned o ON o.seq = p.old ORDER BY p.seq"
    )
    con.execute(
        "CREATE OR REPLACE TABLE lost AS SELECT l.* REPLACE (p.seq AS seq) FROM lost l "
        "JOIN parts p ON p.old = l.seq AND NOT p.part"
    )
    con.execute("DROP TABLE planned")
    con.execute("ALTER TABLE expanded RENAME TO planned")


def _name(con: duckdb.DuckDBPyConnection) -> None:
    """Name every part; see the head of this file."""
    con.execute("CREATE TEMP TABLE IF NOT EXISTS known (id VARCHAR, observation VARCHAR)")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE parts AS SELECT p.*, o.id AS base, o.id, CASE WHEN p.part THEN "
        "CASE WHEN p.k > 1 THEN '#' || p.k ELSE '' END || "
        f"CASE WHEN p.nth IS NULL THEN '' ELSE {span_name('p.a', 'p.b')} END ELSE '' END AS tail "
        "FROM parts p JOIN planned o ON o.seq = p.old"
    )
    con.execute("UPDATE parts SET id = base || tail WHERE part")
    taken = (
        "part AND (id IN (SELECT id FROM parts GROUP BY id HAVING count(*) > 1) "
        "OR id IN (SELECT k.id FROM known k WHERE k.observation <> parts.base))"
    )
    while con.execute(f"SELECT count(*) FROM parts WHERE {taken}").fetchall()[0][0]:
        con.execute(f"UPDATE parts SET tail = '#' || tail, id = base || '#' || tail WHERE {taken}")


def _measure(
    con: duckdb.DuckDBPyConnection, media: Path, workers: int, timeout_s: float, progress: Progress
) -> None:
    """Note how long each recording is that has no span.

    One that cannot be read is tried once more, after all others: a decoder may have been ended for want of time or
    memory. Then it has no length, and the note says why; another run tries again.
    """
    import pyarrow as pa

    found = con.execute(
        "SELECT DISTINCT sound FROM media_rows WHERE sound IS NOT NULL AND NOT spanned ORDER BY 1"
    ).fetchall()
    known = dict(
        con.execute("SELECT path, state FROM durations WHERE seconds IS NOT NULL").fetchall()
    )
    states = {str(p): _state(media / str(p)) for (p,) in found}
    todo = [p for p, state in states.items() if state is not None and known.get(p) != state]
    if not todo:
        return
    text = pa.string()
    kinds = {"path": text, "state": text, "seconds": pa.float64(), "note": text}
    noted: list[tuple[str, str | None, float | None, str | None]] = []

    def note() -> None:
        columns = dict(zip(kinds, zip(*noted, strict=True), strict=True))
        con.register("measured", pa.table(columns, pa.schema(kinds)))
        con.execute("DELETE FROM durations WHERE path IN (SELECT path FROM measured)")
        con.execute("INSERT INTO durations BY NAME SELECT * FROM measured")
        con.unregister("measured")
        noted.clear()

    again: list[str] = []
    done = 0
    with DecodePool(workers, timeout_s) as pool:
        for paths, last in ((todo, False), (again, True)):
            tasks = ((p, Task("duration", media / p, {})) for p in paths)
            for path, result in pool.map(tasks):
                if isinstance(result, MediaError):
                    if not last:
                        again.append(path)
                        continue
                    noted.append((path, states[path], None, str(result).replace(f"{media}/", "")))
                else:
                    why = pool.notes.pop(media / path, None)
                    noted.append((path, states[path], float(result[0]), why))
                done += 1
                if len(noted) == _NOTED:
                    note()
                    progress("measure recordings", done, len(todo))
    if noted:
        note()
    progress("measure recordings", len(todo), len(todo))


def _state(path: Path) -> str | None:
    """Tells a file from what it was; None where none is."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _cut(con: duckdb.DuckDBPyConnection, windows: Windows) -> int:
    """Make the table `spans` of the windows of long recordings; give how many recordings these are.

    Starts are whole hops while a window fits; the last ends with the recording.
    """
    w, hop = windows.seconds, windows.hop
    con.execute(
        "CREATE OR REPLACE TEMP TABLE long AS SELECT DISTINCT path, seconds, "
        f"floor((seconds - {w}) / {hop} + 1e-9)::BIGINT + 1 AS n FROM durations WHERE seconds > {windows.longer_than} "
        "AND path IN (SELECT sound FROM media_rows WHERE NOT spanned)"
    )
    most = con.execute("SELECT path, n FROM long ORDER BY n DESC LIMIT 1").fetchall()
    if most and most[0][1] > MOST_WINDOWS:
        raise InputError(
            f"{most[0][0]} would become {most[0][1]:,} windows, more than {MOST_WINDOWS:,}; cut the file, or give "
            "--hop more seconds."
        )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE spans AS SELECT path, nth, round(nth * {hop}, 3) AS a, "
        f"round(nth * {hop} + {w}, 3) AS b FROM (SELECT path, unnest(range(n)) AS nth FROM long) UNION ALL "
        f"SELECT path, n, floor((seconds - {w}) * 1000) / 1000, floor((seconds - {w}) * 1000) / 1000 + {w} FROM long "
        f"WHERE seconds - ((n - 1) * {hop} + {w}) > 0.01"
    )
    con.execute(  # of a shorter one it is said when it is decoded
        "INSERT INTO lost SELECT DISTINCT r.seq, 'audio', d.path || ': ' || d.note FROM media_rows r "
        "JOIN durations d ON d.path = r.sound JOIN long l ON l.path = d.path WHERE NOT r.spanned AND d.note IS NOT NULL"
    )
    return int(con.execute("SELECT count(*) FROM long").fetchall()[0][0])
