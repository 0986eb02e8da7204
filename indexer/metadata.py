"""Writing the metadata of a segment: `metadata.duckdb`, `records.arrow`, `rejected.parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.column_types import chosen_type, number, reproduced
from prom3e_index.bundle.segment_views import IS_PART, Columns
from prom3e_index.bundle.species_codes import FILE as SPECIES_FILE
from prom3e_index.bundle.species_codes import codes_of
from prom3e_index.bundle.taxa import (
    CANONICAL,
    GENUS,
    SPECIES,
    add_species,
    key,
    quoted,
    taxon_columns,
)
from prom3e_index.indexer.expand import UNMEASURED
from prom3e_index.indexer.new_array import save_array
from prom3e_index.indexer.parts import REPLACED, counted, part_cells, tell_of_parts
from prom3e_index.schema import FIELDS, RECORDS, SHOWN

if TYPE_CHECKING:
    import duckdb


def write_metadata(
    con: duckdb.DuckDBPyConnection,
    stage: Path,
    kept: NDArray[np.int64],
    present: NDArray[np.bool_],
    sigma_l1: NDArray[np.float32],
    modalities: tuple[str, ...],
    lost: Iterable[Any],
    columns: Columns,
) -> dict[str, Any]:
    """Write the observations of the kept rows, what they lost, and every row that was refused.

    Args:
        con: The plan's connection.
        stage: The bundle being made.
        kept: `seq` of each row, ascending; its position is the row number.
        present: (rows, m).
        sigma_l1: (rows,).
        modalities: Names, in the order of `present`.
        lost: Arrow tables of `seq`, `modality`, `reason` noted while encoding.
        columns: Metadata columns that the index has already, with their types.

    Returns:
        Counts: rows of the table, `rows_in`, `rows_indexed`, `rows_rejected`; the first is the sum of the next two.
        `files_lost`: files, and values of fields such as dates, that rows are indexed without. `rows` of the index,
        and the `observations` that they belong to.
    """
    import pyarrow as pa

    # Copies: the plan itself stays as it is, so that an interrupted build can come here again.
    con.execute("CREATE OR REPLACE TEMP TABLE all_lost AS SELECT * FROM lost")
    con.execute("CREATE OR REPLACE TEMP TABLE all_rejected AS SELECT * FROM rejected")
    for part in lost:
        con.register("noted", part)
        con.execute(
            "INSERT INTO all_lost SELECT DISTINCT n.* FROM noted n WHERE NOT EXISTS (SELECT 1 FROM all_lost l "
            "WHERE l.seq = n.seq AND l.modality = n.modality)"
        )
        con.unregister("noted")
    _tell_of_unmeasured(con)
    written: dict[str, Any] = {"row": np.arange(len(kept)), "seq": kept, "sigma_l1": sigma_l1}
    written |= {f"has_{m}": present[:, i] for i, m in enumerate(modalities)}
    con.register("kept", pa.table({k: pa.array(v) for k, v in written.items()}))
    names = [str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()]
    several = IS_PART in names
    if several:
        tell_of_parts(con)
    con.execute(
        "INSERT INTO all_rejected SELECT p.row_in, NULL, p.id, 'nothing left: ' || coalesce("
        "(SELECT string_agg(l.modality || ': ' || l.reason, '; ') FROM all_lost l WHERE l.seq = p.seq), '') "
        "FROM planned p WHERE p.seq NOT IN (SELECT seq FROM kept)"
        + (" AND NOT p.is_part AND p.row_in NOT IN (SELECT row_in FROM firsts)" if several else "")
    )
    con.execute(f"ATTACH '{str(stage / 'metadata.duckdb').replace(chr(39), chr(39) * 2)}' AS out")
    plain = [n for n in names if n not in ("seq", "row_in", "env", "more", "is_part")]
    extra = [n for n in plain if n not in FIELDS]
    cells = ", ".join(
        [
            *(f"p.{quoted(n)}" for n in plain if n in FIELDS and not (several and n in REPLACED)),
            *(part_cells(modalities) if several else ("false AS is_part",)),
            *_metadata_cells(con, extra, columns),
        ]
    )
    has = ", ".join(f"k.{quoted(f'has_{m}')}" for m in modalities)
    named = add_species(con, "planned", names, "p")
    con.execute(
        f"CREATE TABLE out.observations AS SELECT CAST(k.row AS BIGINT) AS row, {cells}, {has}, k.sigma_l1, "
        f"n.{SPECIES} FROM kept k JOIN planned p ON p.seq = k.seq {named} "
        f"{'JOIN firsts f ON f.row_in = p.row_in ' if several else ''}ORDER BY k.row"
    )
    con.execute(
        "CREATE TABLE out.lost AS SELECT CAST(k.row AS BIGINT) AS row, l.modality, l.reason, p.row_in FROM all_lost l "
        "JOIN kept k ON k.seq = l.seq JOIN planned p ON p.seq = l.seq ORDER BY 1, 2"
    )
    con.execute("CREATE TABLE out.rejected AS SELECT * FROM all_rejected ORDER BY row_in")
    counts = finish_tables(con, stage, len(kept))
    con.execute("DETACH out")
    con.unregister("kept")
    return counts


def _tell_of_unmeasured(con: duckdb.DuckDBPyConnection) -> None:
    """Note as lost what may lie beyond the first row of a recording whose length could not be told."""
    found = con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [UNMEASURED])
    if not found.fetchall():
        return
    con.execute(
        "INSERT INTO all_lost SELECT p.seq, 'audio', format(?, u.path, u.note) "
        f"FROM planned p JOIN {UNMEASURED} u ON u.path = p.audio WHERE p.start_s IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM all_lost l WHERE l.seq = p.seq AND l.modality = 'audio')",
        ["the length of '{}' could not be told, so that it is one row however long it is ({})"],
    )


def finish_tables(con: duckdb.DuckDBPyConnection, folder: Path, rows: int) -> dict[str, int]:
    """Write what is derived from a segment's tables in the database `out`; give its counts."""
    sort_tables(con, "out")
    write_records(con, "out.observations", folder / "records.arrow")
    names = con.sql(f"SELECT {SPECIES} FROM out.observations ORDER BY row").to_arrow_table()
    save_array(folder / SPECIES_FILE, codes_of(names.column(0)))
    path = str(folder / "rejected.parquet").replace("'", "''")
    con.execute(f"COPY (SELECT * FROM out.rejected ORDER BY row_in) TO '{path}' (FORMAT parquet)")
    rejected = int(con.execute("SELECT count(*) FROM out.rejected").fetchall()[0][0])
    modalities = "SELECT column_name[5:] FROM (DESCRIBE out.observations) WHERE starts_with(column_name, 'has_')"
    fields = ", ".join(f"'{name}'" for name in FIELDS)  # of other columns nothing is lost
    found = con.execute(
        f"SELECT count(*) FROM out.lost WHERE modality IN ({fields}) OR modality IN ({modalities})"
    )
    files = int(found.fetchall()[0][0])
    observations, of_table = counted(con, "out.observations")
    return {
        "rows_in": of_table + rejected,
        "rows_indexed": of_table,
        "rows_rejected": rejected,
        "files_lost": files,
        "observations": observations,
        "rows": rows,
    }


def _metadata_cells(
    con: duckdb.DuckDBPyConnection, names: Sequence[str], columns: Columns
) -> list[str]:
    """SQL of the metadata columns of the plan; notes the texts that do not fit a column the index has.

    A column keeps the type that it got when it was first written; such a text then stands in the column beside.
    """
    known = {name.lower(): name for name in columns}
    beside = {c["text"].lower() for c in columns.values() if "text" in c}
    out = []
    for name in names:
        cell = f"p.{quoted(name)}"
        if name.lower() not in known:
            kind, shown = chosen_type(con, "planned", name), name
            while shown.lower() in beside or shown.lower() in known:
                shown = f"source_{shown}"
            out.append(f"{number(cell, kind)} AS {quoted(shown)}")
            continue
        column = columns[known[name.lower()]]
        kind = column["type"]
        out.append(f"{number(cell, kind)} AS {quoted(known[name.lower()])}")
        other = f"{cell} IS NOT NULL AND NOT coalesce({reproduced(cell, kind)}, false)"
        if not con.execute(f"SELECT count(*) FROM planned p WHERE {other}").fetchall()[0][0]:
            continue
        out.append(f"CASE WHEN {other} THEN {cell} END AS {quoted(column['text'])}")
        con.execute(
            f"INSERT INTO all_lost SELECT p.seq, ?, {cell} || ? FROM planned p WHERE {other}",
            [
                name,
                f" is not written as the index's {kind} {name}; the text is in {column['text']}",
            ],
        )
    return out


def sort_tables(con: duckdb.DuckDBPyConnection, database: str) -> None:
    """Make the tables that places and taxa are looked up in: rows sorted by them, so that few blocks are read."""
    source = f"{database}.observations"
    con.execute(
        f"CREATE TABLE {database}.by_place AS SELECT row, latitude, longitude FROM {source} "
        "WHERE latitude IS NOT NULL ORDER BY floor(latitude / 2), floor(longitude / 2), row"
    )
    columns = [str(r[0]) for r in con.execute(f"DESCRIBE {source}").fetchall()]
    names = taxon_columns(columns)
    lineage = "concat_ws(chr(31), " + ", ".join(f"coalesce({quoted(c)}, '')" for c in names) + ")"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE lineages AS SELECT *, row_number() OVER (ORDER BY key) - 1 AS taxon "
        f"FROM (SELECT {lineage} AS key, {', '.join(f'min({quoted(c)}) AS {quoted(c)}' for c in names)} "
        f"FROM {source} GROUP BY 1)"
    )
    con.execute(
        f"CREATE TABLE {database}.by_taxon AS SELECT l.taxon, o.row FROM {source} o "
        f"JOIN lineages l ON l.key = {lineage.replace('coalesce(', 'coalesce(o.')} ORDER BY 1, 2"
    )
    named = add_species(con, "lineages", names)
    each = " UNION ".join(
        f"SELECT taxon, {key(c)} AS name, {c} AS written FROM lineages e {named} WHERE {c} IS NOT NULL"
        for c in (
            *(f"e.{quoted(c)}" for c in names),
            f"n.{SPECIES}",
            f"n.{GENUS}",
            f"n.{CANONICAL}",
        )
    )
    con.execute(
        f"CREATE TABLE {database}.taxa AS SELECT *, true AS named FROM ({each}) ORDER BY name, taxon, written"
    )
    con.execute("DROP TABLE lineages")


def write_records(con: duckdb.DuckDBPyConnection, source: str, path: Path) -> None:
    """Write the columns that hits show to an Arrow file in batches of `RECORDS` rows, read by position."""
    import pyarrow as pa

    known = [str(r[0]) for r in con.execute(f"DESCRIBE {source}").fetchall()]
    selected = ", ".join(quoted(c) for c in SHOWN if c in known)
    reader = (
        con.cursor().sql(f"SELECT {selected} FROM {source} ORDER BY row").to_arrow_reader(RECORDS)
    )
    with path.open("wb") as f, pa.ipc.new_file(f, reader.schema) as writer:
        held: list[Any] = []
        rows = 0
        for batch in reader:
            held.append(batch)
            rows += batch.num_rows
            while rows >= RECORDS:
                whole = pa.Table.from_batches(held).combine_chunks()
                writer.write_table(whole.slice(0, RECORDS).combine_chunks())
                held = whole.slice(RECORDS).to_batches()
                rows -= RECORDS
        if rows:
            writer.write_table(pa.Table.from_batches(held).combine_chunks())
