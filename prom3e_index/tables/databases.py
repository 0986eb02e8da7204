"""Tables that have columns of their own: Parquet files, and tables of a DuckDB file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError, near_names
from prom3e_index.tables.joined import quoted
from prom3e_index.tables.source import Source, checked, connect, from_query, readable


def open_parquet(path: Path) -> Source:
    """Open one Parquet file; its folder's name adds no column."""
    query = "SELECT * FROM read_parquet(?, hive_partitioning=false, union_by_name=false)"
    con, keep = connect(path)
    with readable(f"{path}, as Parquet,"):
        described = con.execute(f"DESCRIBE {query}", [checked(path)]).fetchall()
        rows = con.execute(
            "SELECT num_rows FROM parquet_file_metadata(?)", [checked(path)]
        ).fetchall()
    columns = [str(d[0]) for d in described]
    query, said = _paths_of_embedded(query, described)
    source = from_query("parquet", con, query, [checked(path)], columns, path.parent, keep)
    source.facts["rows"] = int(rows[0][0])
    source.said += said
    return source


def open_parquets(folder: Path, names: list[str]) -> Source:
    """Open Parquet files as one table, in the order of their names; columns are matched by name.

    Names of folders such as `year=2023` are columns. Raises `TableError` where the files are different tables.
    """
    from pyarrow import parquet

    from prom3e_index.tables.parts import check_shared

    columns: dict[str, list[str]] = {}
    rows = 0
    for name in names:
        with readable(f"{folder / name}, as Parquet,"):
            about = parquet.read_metadata(folder / name)
        columns[name] = list(about.schema.to_arrow_schema().names)
        rows += about.num_rows
    said = check_shared(folder, columns)
    files = [checked(folder / n) for n in names]
    hive = str(any("=" in n for n in names)).lower()
    query = f"SELECT * FROM read_parquet(?, hive_partitioning={hive}, hive_types_autocast=false, union_by_name=true)"
    con, keep = connect(*(folder / n for n in names))
    with readable(f"{folder}, as Parquet,"):
        described = con.execute(f"DESCRIBE {query}", [files]).fetchall()
    columns_read = [str(d[0]) for d in described]
    query, embedded = _paths_of_embedded(query, described)
    source = from_query("parts", con, query, [files], columns_read, folder, keep)
    source.said += embedded
    source.facts.update(rows=rows, parts=len(names))
    source.said += [said] if said else []
    return source


def _paths_of_embedded(query: str, described: list[Any]) -> tuple[str, list[str]]:
    """A query that gives the paths of media that lie in the table itself, as `datasets` of Hugging Face writes them."""
    inside = [
        str(name)
        for name, kind, *_ in described
        if str(kind).upper().startswith("STRUCT")
        and "bytes BLOB" in str(kind)
        and "path VARCHAR" in str(kind)
    ]
    if not inside:
        return query, []
    cells = ", ".join(f"struct_extract({quoted(n)}, 'path') AS {quoted(n)}" for n in inside)
    said = (
        f"The media of {', '.join(inside)} lie in the table itself, where they are not read; their names are taken as "
        "paths. Write them to files of these names beside the table (datasets: image.save(path))."
    )
    return f"SELECT * REPLACE ({cells}) FROM ({query})", [said]


def open_duckdb(path: Path, table: str | None) -> Source:
    """Open a table of a DuckDB file: `table`, else the only one, else `observations`.

    Only stored tables are read. A view or macro is text that its author wrote and the reader would run, so it is
    refused; and nothing outside the file can be reached, whatever a table's definition says.

    Raises:
        TableError: No DuckDB file, no such table, a view of that name, or the name in two schemas.
    """
    with readable(f"{path}, as DuckDB file,"):
        con, keep = connect(attach=checked(path))
        found = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'given' "
            "ORDER BY table_name, schema_name"
        ).fetchall()
        views = [
            str(r[0])
            for r in con.execute(
                "SELECT view_name FROM duckdb_views() WHERE database_name = 'given' AND NOT internal"
            ).fetchall()
        ]
    names = [str(name) for _, name in found]
    wanted = table or (names[0] if len(names) == 1 else "observations")
    schemas = [str(schema) for schema, name in found if name == wanted]
    if wanted in views:
        raise TableError(
            f"{path}: {wanted!r} is a view; views are not run. Store it first: CREATE TABLE t AS FROM {wanted}."
        )
    if not schemas:
        raise TableError(
            f"{path} has the tables {', '.join(names) or '(none)'}, not {wanted!r}"
            f"{near_names(wanted, names)}; name one as PATH::TABLE."
        )
    if len(schemas) > 1:
        raise TableError(
            f"{path} has a table {wanted!r} in the schemas {', '.join(schemas)}; keep one of that name."
        )
    parts = ("given", schemas[0], wanted)
    query = "SELECT * FROM " + ".".join('"' + p.replace('"', '""') + '"' for p in parts)
    with readable(f"{path}, table {wanted!r},"):
        columns = [str(d[0]) for d in con.execute(f"DESCRIBE {query}").fetchall()]
    return from_query("duckdb", con, query, [], columns, path.parent, keep)
