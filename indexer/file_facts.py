"""Place, date, name and rights of observations from what their files say, where the table has none.

A table's own value is never changed. The place of an obscured observation stays unknown: its photo would tell it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import MediaError
from prom3e_index.indexer.plan import Progress
from prom3e_index.media.facts import MediaFacts
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.tables.dates import read_days
from prom3e_index.tables.names import name_kind, taxon_text

if TYPE_CHECKING:
    import duckdb

COLUMN = "from_file"
"""Metadata column that says what of a row comes from its files, and which notes of theirs: `place, date (EXIF)`."""

_BATCH = 1000
_NAMES = ("scientific_name", "common_name", "species", "genus", "text")
_LACKS = {
    "place": "latitude IS NULL AND NOT coalesce(obscured, false)",
    "date": "event_date IS NULL",
    "name": " AND ".join(f"{n} IS NULL" for n in _NAMES),
}
"""What is looked for in files, and which rows lack it."""
_MORE = {"licence": "license IS NULL", "rights holder": "rights_holder IS NULL"}
"""What is taken too of files that are read anyway."""
_ELSEWHERE = (
    "SELECT path FROM (SELECT unnest([image, audio]) AS path, latitude, longitude FROM planned WHERE latitude IS NOT "
    "NULL AND NOT coalesce(obscured, false)) WHERE path IS NOT NULL GROUP BY path "
    "HAVING max(latitude) - min(latitude) > 0.01 OR max(longitude) - min(longitude) > 0.01"
)
"""Files that observations more than about a kilometre apart share."""
_FILLED = (
    "latitude", "longitude", "coordinate_uncertainty_m", "event_date", "event_start", "event_end", "scientific_name",
    "common_name", "text", "license", "rights_holder", COLUMN,
)  # fmt: skip


def take_file_facts(
    con: duckdb.DuckDBPyConnection,
    media: Path,
    workers: int,
    timeout_s: float,
    progress: Progress,
) -> list[str]:
    """Fill what planned rows lack from their photos and recordings; what an earlier call read is not read again.

    Only files of rows that lack a place, a date or a name are opened, and of those only the headers are read, in decode
    processes.

    Returns:
        A sentence for each thing that was taken, and for each reason why something was not, with its count.
    """
    _read(con, media, workers, timeout_s, progress)
    con.execute("BEGIN")
    try:
        said = _fill(con)
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return said


def _lacking() -> str:
    return "(" + " OR ".join(f"({q})" for q in _LACKS.values()) + ")"


def _read(
    con: duckdb.DuckDBPyConnection,
    media: Path,
    workers: int,
    timeout_s: float,
    progress: Progress,
) -> None:
    """Note what each file says in the plan's table `file_facts`, some at a time."""
    import pyarrow as pa

    con.execute("CREATE TABLE IF NOT EXISTS file_facts (path VARCHAR, facts VARCHAR)")
    paths = (
        "SELECT path FROM (SELECT unnest([image, audio]) AS path, min(seq) AS seq FROM planned WHERE "
        f"{_lacking()} GROUP BY 1) WHERE path IS NOT NULL AND path NOT IN (SELECT path FROM file_facts) ORDER BY seq"
    )
    left = int(con.execute(f"SELECT count(*) FROM ({paths})").fetchall()[0][0])
    if not left:
        return
    noted: list[tuple[str, str]] = []
    done = 0

    def tasks() -> Iterator[tuple[str, Task]]:
        for batch in con.cursor().sql(paths).to_arrow_reader(_BATCH):
            for path in batch.column(0).to_pylist():
                yield path, Task("facts", media / path, {})

    def note() -> None:
        paths, facts = zip(*noted, strict=True)
        con.register("noted", pa.table({"path": paths, "facts": facts}))
        con.execute("INSERT INTO file_facts BY NAME SELECT * FROM noted")
        con.unregister("noted")
        noted.clear()
        progress("read what files say", done, left)

    with DecodePool(workers, timeout_s) as pool:
        for path, result in pool.map(tasks(), ahead=4 * workers + 64):
            text = pool.notes.pop(media / path, "{}")
            noted.append((path, "{}" if isinstance(result, MediaError) else text))
            done += 1
            if len(noted) == _BATCH:
                note()
    if noted:
        note()


def _fill(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Put what was noted into the rows that lack it; say what."""
    import pyarrow as pa

    if not con.execute("SELECT count(*) FROM file_facts WHERE facts <> '{}'").fetchall()[0][0]:
        return []
    lacks = ", ".join(f"({q})" for q in (_LACKS | _MORE).values())
    rows = con.cursor().execute(
        f"WITH elsewhere AS ({_ELSEWHERE}) SELECT p.seq, i.facts, p.image IN (FROM elsewhere), a.facts, "
        f"p.audio IN (FROM elsewhere), p.image IS NOT NULL AND p.audio IS NOT NULL, {lacks} FROM planned p "
        "LEFT JOIN file_facts i ON i.path = p.image "
        f"LEFT JOIN file_facts a ON a.path = p.audio WHERE {_lacking()} "
        "AND (coalesce(i.facts, '{}') <> '{}' OR coalesce(a.facts, '{}') <> '{}') ORDER BY p.seq"
    )
    counts: Counter[tuple[str, str]] = Counter()
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE taken AS SELECT seq, {', '.join(_FILLED[:-1])}, "
        f"NULL::VARCHAR AS {COLUMN} FROM planned LIMIT 0"
    )
    while part := rows.fetchmany(_BATCH):
        taken: dict[str, list[Any]] = {name: [] for name in ("seq", *_FILLED)}
        for seq, image, of_many, audio, heard_of_many, both, *wanted in part:
            wants = [w for w, lacking in zip(_LACKS | _MORE, wanted, strict=True) if lacking]
            files = [(image, of_many, "photo"), (audio, heard_of_many, "sound")]
            found = [
                (_parsed(text), many, which if both else "") for text, many, which in files if text
            ]
            values = _of_row(wants, found, counts)
            if values:
                for name, column in taken.items():
                    column.append(seq if name == "seq" else values.get(name))
        if taken["seq"]:
            con.register("part", pa.table({k: _array(k, v) for k, v in taken.items()}))
            con.execute("INSERT INTO taken BY NAME SELECT * FROM part")
            con.unregister("part")
    if counts:
        con.execute(f"ALTER TABLE planned ADD COLUMN IF NOT EXISTS {COLUMN} VARCHAR")
        con.execute(
            f"UPDATE planned SET {', '.join(f'{c} = coalesce(t.{c}, planned.{c})' for c in _FILLED)} "
            "FROM taken t WHERE t.seq = planned.seq"
        )
    con.execute("DROP TABLE taken")
    shared = con.execute(
        f"SELECT count(*) FROM file_facts WHERE facts <> '{{}}' AND path IN ({_ELSEWHERE})"
    ).fetchall()[0][0]
    said = [
        f"{n:,} observations took their {what} from what their files say ({kind})"
        for (what, kind), n in counts.items()
    ]
    if shared:
        said.append(
            f"{shared:,} files belong to observations at several places, which take no place, date or name of them"
        )
    unused: Counter[str] = Counter()
    notes = con.cursor().execute("SELECT facts FROM file_facts WHERE contains(facts, 'unused')")
    while part := notes.fetchmany(_BATCH):
        for (text,) in part:
            unused.update(_parsed(text).unused)
    return said + [f"{n:,} files: {reason}; not used" for reason, n in unused.most_common(20)]


def _of_row(
    wants: list[str], files: list[tuple[MediaFacts, bool, str]], counts: Counter[tuple[str, str]]
) -> dict[str, Any]:
    """What a row takes: of each thing it lacks that of the first file that says it.

    Args:
        wants: What it lacks.
        files: What its files say; whether observations at other places have the same file, which then dates, places and
            names none of them; and its word where the row has another file too, whose rights are its own.
        counts: Gets what was taken, by kind of note.
    """
    out: dict[str, Any] = {}
    took: dict[str, list[str]] = {}
    for what in wants:
        said = [
            (facts, word, values)
            for facts, elsewhere, word in files
            if (values := _VALUES[what](facts)) and (what in _MORE or not elsewhere)
        ]
        for facts, word, values in said if what in _MORE else said[:1]:
            for name, value in values.items():
                alike = len(said) == len(files) and all(v == values for *_, v in said)
                own = f"{value} ({word})" if word and what in _MORE and not alike else value
                out[name] = f"{out[name]}; {own}" if name in out and not alike else own
            if what not in took.setdefault(facts.kind, []):
                took[facts.kind].append(what)
                counts[what, facts.kind] += 1
    if took:
        out[COLUMN] = "; ".join(f"{', '.join(what)} ({kind})" for kind, what in took.items())
    return out


def _place(facts: MediaFacts) -> dict[str, Any]:
    if facts.latitude is None or facts.longitude is None:
        return {}
    return {
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "coordinate_uncertainty_m": facts.uncertainty_m,
    }


def _date(facts: MediaFacts) -> dict[str, Any]:
    first, last, _ = read_days(facts.when) if facts.when else (None, None, None)
    if first is None:
        return {}
    return {"event_date": facts.when, "event_start": first, "event_end": last}


def _name(facts: MediaFacts) -> dict[str, Any]:
    kind = name_kind(facts.species) if facts.species else "nothing"
    if kind == "common":
        return {"common_name": facts.species}
    text = taxon_text({}, facts.species) if kind == "scientific" else ""
    return {"scientific_name": facts.species, "text": text} if text else {}


_VALUES: dict[str, Callable[[MediaFacts], dict[str, Any]]] = {
    "place": _place,
    "date": _date,
    "name": _name,
    "licence": lambda facts: {"license": facts.licence} if facts.licence else {},
    "rights holder": lambda facts: {"rights_holder": facts.rights} if facts.rights else {},
}


def _parsed(text: str) -> MediaFacts:
    try:
        return MediaFacts.from_json(json.loads(text))
    except ValueError:
        return MediaFacts()


def _array(column: str, values: list[Any]) -> Any:
    import pyarrow as pa

    kinds = {
        "seq": pa.int64(),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
        "coordinate_uncertainty_m": pa.float64(),
        "event_start": pa.date32(),
        "event_end": pa.date32(),
    }
    return pa.array(values, kinds.get(column, pa.string()))
