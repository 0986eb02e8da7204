"""INaturalist Open Data: files joined on their keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.source import Source, connect
from prom3e_index.tables.text import open_text

if TYPE_CHECKING:
    import pyarrow as pa

_FILES = ("observations", "photos", "taxa", "observers")
_ROW = "row of the file"
"""Rows are numbered as they are read: joins and groups keep no order of their own."""
_NEEDED = {
    "observations": ("observation_uuid", "observer_id", "taxon_id"),
    "photos": ("photo_id", "observation_uuid", "extension", "license", "position"),
    "taxa": ("taxon_id", "ancestry", "rank", "name"),
    "observers": ("observer_id", "login", "name"),
}
_ADDED = ("image", "license", *RANKS, "scientific_name", "rights_holder")


def open_data_files(folder: Path) -> dict[str, Path]:
    """The tables of iNaturalist Open Data by name; `observers` may be absent.

    Raises:
        TableError: Another is absent.
    """
    found: dict[str, Path] = {}
    for name in _FILES:
        path = next(
            (folder / n for n in (f"{name}.csv.gz", f"{name}.csv") if (folder / n).is_file()), None
        )
        if path is not None:
            found[name] = path
        elif name != "observers":
            raise TableError(f"{folder} lacks {name}.csv.gz of iNaturalist Open Data.")
    return found


def open_inaturalist_open_data(folder: Path) -> Source:
    """INaturalist Open Data: unquoted tab-separated files joined on their keys, in the order of observations.

    `image` lists all photos of an observation by their position, those without one last, in the order of the file;
    `license` is that of the first. Of taxa and observers listed twice the first counts.

    Raises:
        TableError: A file or a column that joins them is absent.
    """
    files = open_data_files(folder)
    tables = {n: open_text(p, "tsv", delimiter="\t", quote="") for n, p in files.items()}
    for name, table in tables.items():
        lacking = [c for c in _NEEDED[name] if c not in table.columns]
        if lacking:
            raise TableError(f"{files[name]} lacks the columns {', '.join(lacking)}.")
    con, keep = connect()
    own = [c for c in tables["observations"].columns if c not in _ADDED]
    columns = [*own, *_ADDED]
    found: list[str] = []

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        if not found:
            for name in _FILES:
                _load(con, name, tables.get(name))
            found.extend(_join(con))
        selected = ", ".join(f"o.{_quoted(c)}" for c in own)
        yield from con.sql(f"SELECT {selected}, {_JOINED}").to_arrow_reader(rows)
        source.facts |= tables["observations"].facts
        source.rejected[:] = [
            (line, f"{files[n].name}: {reason}")
            for n, table in tables.items()
            for line, reason in table.rejected
        ]
        source.said[:] = [f"{files[n].name}: {s}" for n, t in tables.items() for s in t.said]
        source.said += [s for s in found if s]

    source = Source("inaturalist-open-data", columns, folder, read, keep=[*keep, con])
    source.facts = dict(tables["observations"].facts)
    return source


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _load(con: Any, name: str, source: Source | None) -> None:
    """A file as a table with its rows numbered; an absent one is empty."""
    columns = source.columns if source else list(_NEEDED[name])
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} ({_quoted(_ROW)} BIGINT, "
        + ", ".join(f"{_quoted(c)} VARCHAR" for c in columns)
        + ")"
    )
    if source is None:
        return
    import pyarrow as pa

    at = 0
    for batch in source.read(1 << 16):
        numbers = pa.array(range(at, at + batch.num_rows), pa.int64())
        at += batch.num_rows
        con.register("given", pa.record_batch([numbers, *batch.columns], [_ROW, *columns]))
        con.execute(f"INSERT INTO {name} FROM given")
        con.unregister("given")
    key = {"taxa": "taxon_id", "observers": "observer_id"}.get(name)
    if key is not None:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS FROM {name} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {_quoted(_ROW)}) = 1"
        )


def _join(con: Any) -> list[str]:
    """Make `photos_of` and `lineage`; sentences on what belongs to nothing."""
    place = f"ORDER BY TRY_CAST(position AS INT) NULLS LAST, {_quoted(_ROW)}"
    named = "photo_id IS NOT NULL AND extension IS NOT NULL"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE photos_of AS SELECT observation_uuid, "
        f"list('photos/' || photo_id || '/medium.' || extension {place}) AS image, "
        f"first(license {place}) AS license FROM photos WHERE {named} GROUP BY observation_uuid"
    )
    ranks = ", ".join(f"max(CASE WHEN a.rank = '{r}' THEN a.name END) AS \"{r}\"" for r in RANKS)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE lineage AS SELECT t.taxon_id, {ranks} FROM (SELECT taxon_id, unnest("
        "string_split(replace(coalesce(ancestry, ''), chr(92), '/') || '/' || taxon_id, '/')) AS up "
        "FROM taxa) t LEFT JOIN taxa a ON a.taxon_id = t.up GROUP BY t.taxon_id"
    )
    said = [""]
    for what, query in (
        ("photos have no photo_id or extension; not used", f"FROM photos WHERE NOT ({named})"),
        (
            "photos are of observations that are not there; not used",
            "FROM photos p WHERE NOT EXISTS (FROM observations o WHERE o.observation_uuid = p.observation_uuid)",
        ),
        (
            "observations name a taxon that taxa does not have; they have no name",
            "FROM observations o WHERE taxon_id IS NOT NULL AND "
            "NOT EXISTS (FROM taxa t WHERE t.taxon_id = o.taxon_id)",
        ),
    ):
        count = con.execute(f"SELECT count(*) {query}").fetchall()[0][0]
        if count:
            said.append(f"{count:,} {what}.")
    return said


_JOINED = (
    "p.image, p.license, "
    + ", ".join(f'l."{r}"' for r in RANKS)
    + ", t.name AS scientific_name, coalesce(nullif(u.name, ''), u.login) AS rights_holder FROM observations o "
    "LEFT JOIN photos_of p USING (observation_uuid) LEFT JOIN lineage l USING (taxon_id) "
    "LEFT JOIN taxa t USING (taxon_id) LEFT JOIN observers u USING (observer_id) "
    f'ORDER BY o."{_ROW}"'
)
