"""Planning a build: every row of the table is either planned or rejected with its reason.

The plan lives in `plan.duckdb` of the work folder; a build that was interrupted finds it there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.filters import quoted
from prom3e_index.errors import BundleError, InputError
from prom3e_index.schema import FIELDS
from prom3e_index.tables import Observations
from prom3e_index.tables.embedded import EmbeddedObservations

if TYPE_CHECKING:
    import duckdb

DUPLICATES = ("error", "first", "last")
PLAN = "plan.duckdb"
"""The plan's file in a work folder."""
TWICE = "duplicate id"
"""How the reason of a row begins that is refused for its id."""
Progress = Callable[[str, int, int | None], None]
"""Called with the stage's name, items done, and items in all where known."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Say nothing of the progress."""


def settings(work: Path) -> dict[str, str]:
    """Of the plan's database: bounded in memory, spilling to the work folder."""
    return {
        "memory_limit": "1GB",
        "temp_directory": str(work / "spill"),
        "threads": "2",
        "autoinstall_known_extensions": "false",
    }


def open_plan(work: Path) -> duckdb.DuckDBPyConnection:
    """Open the plan's database, bounded in memory, spilling to the work folder.

    A file that a killed process left half made is begun anew, unless the plan in it was whole.

    Raises:
        BundleError: A whole plan that cannot be read.
    """
    import duckdb

    path, config = work / PLAN, settings(work)
    try:
        return duckdb.connect(str(path), config=config)
    except duckdb.Error as e:
        if (work / "planned.json").is_file():
            raise BundleError(
                f"{path} is damaged: {str(e).splitlines()[0]} Run the same command with --restart."
            ) from e
        for left in (path, path.with_name(path.name + ".wal")):
            left.unlink(missing_ok=True)
        return duckdb.connect(str(path), config=config)


def _create_notes(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE OR REPLACE TABLE rejected (row_in BIGINT, line BIGINT, id VARCHAR, reason VARCHAR)"
    )
    con.execute("CREATE OR REPLACE TABLE lost (seq BIGINT, modality VARCHAR, reason VARCHAR)")


def plan(
    con: duckdb.DuckDBPyConnection,
    table: Observations | EmbeddedObservations,
    duplicates: str,
    progress: Progress,
) -> int:
    """Read a table into `planned`, `rejected` and `lost`.

    Rows without id (where the table has ids), with an id seen before, or with nothing to search by
    are rejected. Without an id column rows are named `row-1`, `row-2`, …. Rows that come with embeddings
    need nothing else to be searched by.

    Returns:
        Rows planned; `planned.seq` numbers them from 0 in the table's order.

    Raises:
        InputError: Duplicate ids under the policy `error`; names the first of them.
    """
    if duplicates not in DUPLICATES:
        raise InputError(f"--duplicates is {duplicates!r}; known: {', '.join(DUPLICATES)}.")
    extra = ", ".join(f"{quoted(name)} VARCHAR" for name in table.extra)
    fields = ", ".join(f"{quoted(f)} {kind}" for f, kind in FIELDS.items())
    con.execute(
        f"CREATE OR REPLACE TABLE incoming (row_in BIGINT, {fields}{', ' + extra if extra else ''}, "
        "more STRUCT(modality VARCHAR, path VARCHAR)[], refused VARCHAR, "
        "problems STRUCT(modality VARCHAR, reason VARCHAR)[])"
    )
    done = 0
    for batch in table.batches():
        con.register("batch", batch_table(batch))
        con.execute("INSERT INTO incoming BY NAME SELECT * FROM batch")
        con.unregister("batch")
        done += batch.num_rows
        progress("read", done, None)
    if "id" not in table.fields:
        con.execute("UPDATE incoming SET id = 'row-' || (row_in + 1)")
    _settle_spans(con, "id" in table.fields)
    searchable = (
        "true"
        if table.embedded
        else "image IS NOT NULL OR sat IS NOT NULL OR audio IS NOT NULL OR latitude IS NOT NULL "
        "OR text IS NOT NULL OR env IS NOT NULL"
    )
    return _settle(con, duplicates, searchable, table.rejected)


def _settle_spans(con: duckdb.DuckDBPyConnection, ids: bool) -> None:
    """Rows that hear spans of one recording: those of one id are one observation, and get names of their own.

    Of a table without ids all rows with a span of the same recording are one observation, named by its path. A row
    whose span cannot be told has lost its recording: the whole of it is not what the row names. Where other rows of its
    id have theirs, it is refused.
    """
    con.execute(
        "UPDATE incoming SET start_s = NULL, end_s = NULL, problems = list_append(coalesce(problems, []), "
        "{'modality': 'start_s', 'reason': chr(39) || format('{} to {}', start_s, end_s) || chr(39) || "
        "' is no span of seconds'}) WHERE start_s < 0 OR end_s <= coalesce(start_s, 0)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE unheard AS SELECT row_in FROM incoming WHERE audio IS NOT NULL "
        "AND start_s IS NULL AND list_contains(list_transform(problems, lambda p: p.modality), 'start_s')"
    )
    con.execute(
        "UPDATE incoming SET end_s = NULL, audio = NULL, problems = list_append(problems, {'modality': 'audio', "
        "'reason': chr(39) || audio || chr(39) || ' is not heard: which span of it is meant cannot be told'}) "
        "WHERE row_in IN (SELECT row_in FROM unheard)"
    )
    con.execute("UPDATE incoming SET start_s = 0 WHERE start_s IS NULL AND end_s IS NOT NULL")
    spanned = "audio IS NOT NULL AND start_s IS NOT NULL"
    if not con.execute(f"SELECT count(*) FROM incoming WHERE {spanned}").fetchall()[0][0]:
        return
    if not ids:
        con.execute(
            f"UPDATE incoming SET observation = audio WHERE observation IS NULL AND {spanned}"
        )
        return
    con.execute(
        "UPDATE incoming SET refused = list_last(problems).reason WHERE refused IS NULL "
        "AND row_in IN (SELECT row_in FROM unheard) "
        f"AND id IN (SELECT id FROM incoming WHERE refused IS NULL AND {spanned})"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE several AS SELECT row_in, row_number() OVER (PARTITION BY id ORDER BY row_in) "
        "AS nth FROM incoming WHERE refused IS NULL AND id IN (SELECT id FROM incoming WHERE refused IS NULL "
        f"GROUP BY id HAVING count(*) > 1 AND bool_and({spanned}) "
        "AND count(DISTINCT (audio, start_s, end_s)) = count(*))"
    )
    con.execute(
        "UPDATE incoming i SET observation = coalesce(observation, id), "
        f"id = CASE nth WHEN 1 THEN id ELSE id || {span_name('start_s', 'end_s')} END "
        "FROM several s WHERE s.row_in = i.row_in"
    )
    con.execute("DROP TABLE several")


def span_name(start: str, end: str) -> str:
    """SQL of what the name of a row that hears a span ends in, as `@10-20`."""
    number = "rtrim(rtrim(printf('%.3f', {}), '0'), '.')"
    return f"'@' || {number.format(start)} || coalesce('-' || {number.format(end)}, '')"


def batch_table(batch: Any) -> Any:
    """An Arrow batch as a table, which DuckDB can scan."""
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _settle(
    con: duckdb.DuckDBPyConnection,
    duplicates: str,
    searchable: str,
    unsplit: list[tuple[int | None, str]],
) -> int:
    """Turn `incoming` into `planned`, `rejected` and `lost`."""
    _create_notes(con)
    twice = con.execute(
        "SELECT id, count(*), min(row_in) + 1, count(*) OVER () FROM incoming "
        "WHERE id IS NOT NULL AND refused IS NULL GROUP BY id "
        "HAVING count(*) > 1 ORDER BY min(row_in) LIMIT 1"
    ).fetchall()
    if twice and duplicates == "error":
        first, count, row, ids = twice[0]
        raise InputError(
            f"{ids} ids stand in several rows; the first is {first[:80]!r}, {count} times, from "
            f"row {row}. Choose: --duplicates first or --duplicates last."
        )
    order = "ASC" if duplicates == "first" else "DESC"
    con.execute(
        "CREATE OR REPLACE TABLE verdict AS SELECT row_in, CASE "
        "WHEN refused IS NOT NULL THEN refused WHEN id IS NULL THEN 'the row has no id' "
        f"WHEN row_number() OVER (PARTITION BY id, refused IS NULL ORDER BY row_in {order}) > 1 "
        f"THEN '{TWICE}; the {duplicates} row with it is kept' "
        f"WHEN NOT ({searchable}) THEN 'nothing to search by' || "
        "CASE WHEN len(problems) > 0 THEN ': ' || array_to_string("
        "list_transform(problems, lambda p: p.modality || ': ' || p.reason), '; ') ELSE '' END "
        "END AS reason FROM incoming"
    )
    con.execute(
        "INSERT INTO rejected SELECT i.row_in, NULL, i.id, v.reason FROM incoming i "
        "JOIN verdict v USING (row_in) WHERE v.reason IS NOT NULL ORDER BY i.row_in"
    )
    if unsplit:
        con.executemany(
            "INSERT INTO rejected VALUES (NULL, ?, NULL, ?)",
            [[n, reason if n is None else f"line {n}: {reason}"] for n, reason in unsplit],
        )
    con.execute(
        "CREATE OR REPLACE TABLE planned AS SELECT row_number() OVER (ORDER BY row_in) - 1 AS seq, "
        "i.* REPLACE (coalesce(i.observation, i.id) AS observation) "
        "FROM incoming i JOIN verdict v USING (row_in) WHERE v.reason IS NULL ORDER BY i.row_in"
    )
    con.execute(
        "INSERT INTO lost SELECT seq, p.modality, p.reason FROM "
        "(SELECT seq, unnest(problems) AS p FROM planned)"
    )
    con.execute("DROP TABLE incoming")
    con.execute("DROP TABLE verdict")
    for name in ("problems", "refused"):
        con.execute(f"ALTER TABLE planned DROP COLUMN {name}")
    return int(con.execute("SELECT count(*) FROM planned").fetchall()[0][0])


def sift_known(con: duckdb.DuckDBPyConnection, known: Any, update: bool) -> dict[str, int]:
    """Take out of a plan what an index already holds, or what it does not.

    Args:
        con: The plan's connection.
        known: Arrow reader of the index's rows: `id`, `observation`, and whether each `is_part` of an observation.
        update: Keep rows whose ids are known, and reject others; else keep the new ones.

    Returns:
        `rows` left and, when not updating, `known` rows passed over.
    """
    con.register("incoming_ids", known)
    con.execute("CREATE OR REPLACE TEMP TABLE known AS SELECT * FROM incoming_ids")
    con.unregister("incoming_ids")
    con.execute(
        "INSERT INTO rejected SELECT p.row_in, NULL, p.id, chr(39) || p.id || chr(39) || ' is the index''s name of a "
        "further photo or window of observation ' || k.observation || '; give the row another id' "
        "FROM planned p JOIN known k ON k.id = p.id AND k.is_part ORDER BY p.row_in"
    )
    con.execute("DELETE FROM planned WHERE id IN (SELECT id FROM known WHERE is_part)")
    held = "EXISTS (SELECT 1 FROM known k WHERE k.id = p.id)"
    passed = int(con.execute(f"SELECT count(*) FROM planned p WHERE {held}").fetchall()[0][0])
    if update:
        con.execute(
            "INSERT INTO rejected SELECT row_in, NULL, id, 'no observation of the index has this id; add it' "
            f"FROM planned p WHERE NOT {held} ORDER BY row_in"
        )
    keep = held if update else f"NOT {held}"
    con.execute(
        "CREATE OR REPLACE TABLE kept AS SELECT row_number() OVER (ORDER BY seq) - 1 AS new, seq AS old "
        f"FROM planned p WHERE {keep}"
    )
    con.execute(
        "CREATE OR REPLACE TABLE planned AS SELECT p.* REPLACE (k.new AS seq) FROM planned p "
        "JOIN kept k ON k.old = p.seq ORDER BY k.new"
    )
    con.execute(
        "CREATE OR REPLACE TABLE lost AS SELECT l.* REPLACE (k.new AS seq) FROM lost l "
        "JOIN kept k ON k.old = l.seq"
    )
    rows = int(con.execute("SELECT count(*) FROM planned").fetchall()[0][0])
    con.execute("DROP TABLE kept")
    return {"rows": rows} if update else {"rows": rows, "known": passed}


def sift_told(con: duckdb.DuckDBPyConnection, told: Any) -> dict[str, int]:
    """Take out of a plan's rejected rows those that an index already lists with the same id and reason.

    Args:
        con: The plan's connection.
        told: Arrow reader of the index's rejected `id`s and `reason`s.

    Returns:
        `told` rows that were taken out.
    """
    con.register("told_before", told)
    con.execute("CREATE OR REPLACE TEMP TABLE told AS SELECT DISTINCT id, reason FROM told_before")
    con.unregister("told_before")
    gone = con.execute(
        "DELETE FROM rejected r WHERE EXISTS (SELECT 1 FROM told t WHERE t.id = r.id AND t.reason = r.reason)"
    ).fetchall()
    con.execute("DROP TABLE told")
    return {"told": int(gone[0][0])}


def count_incomplete(con: duckdb.DuckDBPyConnection, lacking: Any) -> int:
    """How many planned rows have files, and ids of observations that an index has without a file that it lost.

    Args:
        con: The plan's connection.
        lacking: Arrow reader of those `id`s.
    """
    con.register("lacking", lacking)
    found = con.execute(
        "SELECT count(*) FROM planned WHERE id IN (SELECT id FROM lacking) AND "
        "(image IS NOT NULL OR sat IS NOT NULL OR audio IS NOT NULL)"
    ).fetchall()
    con.unregister("lacking")
    return int(found[0][0])
