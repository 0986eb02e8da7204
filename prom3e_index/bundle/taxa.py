"""Taxa of an index: the species that a row is of, the names it is found by, and the nearest known names.

A species is made once, when rows are written, from the columns that name it: `Pica hudsonia` of a `species` of that
name, of the bare epithet beside a genus, or of `Pica hudsonia (Sabine, 1823)` alone. `--group-by species` and
`--taxon` both go by it. Names are compared in lower case, with composed accents and single spaces. A subspecies is
also known by its three words without authors, so `Parus major minor` finds `Parus major minor Temminck & Schlegel`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.predicate import bounded, cut
from prom3e_index.errors import InputError, near_names
from prom3e_index.schema import RANKS
from prom3e_index.schema import quoted as quoted
from prom3e_index.tables.names import name_kind, read_name, taxon_text

if TYPE_CHECKING:
    import duckdb

SPECIES = "taxon_species"
"""Column of the observations: the species as one name, NULL where none is known."""
GENUS = "taxon_genus"
CANONICAL = "taxon_canonical"
"""A name of three words without authors, where a row has one."""
NAMED_BY = ("genus", "species", "scientific_name")
"""Columns that a species is made of."""
LETTERS = 100
"""Of a name, for the nearest names: longer ones are no taxa."""
ADVICE_SECONDS = 5.0
"""As long as the nearest of the known names are looked for."""
_SPACES = r"'[\s\pZ]+', ' ', 'g'"
_PLAIN = r"'\([^)]*\)|[×✕✖⨯╳]|\b[xX]\b', ' ', 'g'"


def key(text: str) -> str:
    """SQL of a name as it is compared: `  Pica  HUDSONIA` → `pica hudsonia`."""
    return f"lower(nfc_normalize(trim(regexp_replace({text}, {_SPACES}))))"


def species_of(genus: str | None, species: str | None, scientific_name: str | None) -> str | None:
    """The species of a row as `Genus epithet`; None where none is known.

    `species` may be a binomial or a bare epithet. Authors, subgenera, signs of hybrids and infraspecific parts are
    left out; capitals and spaces are put right.
    """
    return _names(genus, species, scientific_name)[0]


def species_of_row(values: Mapping[str, Any]) -> str | None:
    """The species of a row by its columns: `SPECIES` where it has a value, else what those of `NAMED_BY` make."""
    return values.get(SPECIES) or species_of(*(values.get(c) for c in NAMED_BY))


def searched_names(name: str) -> list[str]:
    """The spellings that a name is looked for by: as given, and without author, subgenus or sign of a hybrid.

    The name of a subspecies or variety keeps its three words; one in doubt (`cf.`, `sp.`) is looked for as given.
    """
    above = lineage_end(name)
    if above is not None:
        return [name, above]
    out = dict.fromkeys((name, name.replace("’", "'"), name.replace("'", "’")))
    found = read_name(name)
    after = [w for w in name.split()[1:] if w not in ("×", "x")]
    whole = not after or name[:1].isupper() and not after[0][:1].islower()  # no epithet is wanting
    if (found.epithet or whole) and not found.doubtful and name_kind(name) == "scientific":
        out[found.canonical] = None
    return list(out)


def lineage_end(text: str) -> str | None:
    """The taxon that a lineage ends with (`Animalia Chordata Aves Pica pica` → `Pica pica`); None if it is none."""
    words = text.split()
    *higher, last = words if words else [""]
    capitals = all(w.isalpha() and w.istitle() for w in higher)
    if len(words) < 4 or not capitals or not last.isalpha() or name_kind(text) == "common":
        return None
    return last if last[0].isupper() else " ".join(words[-2:])


def taxon_columns(columns: Collection[str]) -> list[str]:
    """Columns that hold a taxon's names."""
    return [c for c in (*RANKS, "scientific_name", "common_name") if c in columns]


def add_species(
    con: duckdb.DuckDBPyConnection, source: str, columns: Collection[str], row: str = "e"
) -> str:
    """Make a temporary table `species_names`: each combination of `NAMED_BY` in `source`, its species and genus.

    Args:
        con: The connection.
        source: A table or view.
        columns: Its columns; those of `NAMED_BY` that it lacks count as empty.
        row: What a statement calls a row of the source.

    Returns:
        SQL that joins the table as `n` to those rows.
    """
    import pyarrow as pa

    held = [c for c in NAMED_BY if c in columns]
    kinds = ", ".join(f"{quoted(c)} VARCHAR" for c in (*held, SPECIES, GENUS, CANONICAL))
    con.execute(f"CREATE OR REPLACE TEMP TABLE species_names ({kinds})")
    if held:
        cells = ", ".join(map(quoted, held))
        found = con.sql(f"SELECT DISTINCT {cells} FROM {source}").to_arrow_table()
        for batch in found.to_batches(50_000):
            given = [
                batch.column(c).to_pylist() if c in held else [None] * len(batch) for c in NAMED_BY
            ]
            names = [_names(*row) for row in zip(*given, strict=True)]
            arrays = [*(batch.column(c) for c in held)]
            arrays += [pa.array([n[i] for n in names], pa.string()) for i in (0, 1, 2)]
            con.register(
                "named", pa.Table.from_arrays(arrays, names=[*held, SPECIES, GENUS, CANONICAL])
            )
            con.execute("INSERT INTO species_names SELECT * FROM named")
            con.unregister("named")
    same = " AND ".join(f"n.{quoted(c)} IS NOT DISTINCT FROM {row}.{quoted(c)}" for c in held)
    return f"LEFT JOIN species_names n ON {same or 'false'}"


def _names(
    genus: str | None, species: str | None, scientific_name: str | None
) -> tuple[str | None, str | None, str | None]:
    """Species and genus of a row, and its name below the species."""
    words = taxon_text({"genus": genus, "species": species}, scientific_name).split()
    first = words[0] if words and words[0][:1].isupper() else None
    below = next(
        (n.canonical for n in map(read_name, (scientific_name, species)) if n.infraspecific), None
    )
    return " ".join(words) if len(words) > 1 else None, first, below


def taxon_lookup(
    name: str, columns: Collection[str], sorted_tables: Collection[str]
) -> tuple[str, list[Any]]:
    """SQL, with parameters, of the rows that have a name at any rank; some may come twice.

    Args:
        name: As it was asked for.
        columns: Columns of the observations table.
        sorted_tables: `by_taxon` where the taxa are sorted in every segment, `species` where they hold the names
            that species are found by. Else the names are made here from every distinct scientific name.
    """
    names = searched_names(name)
    keys = ", ".join(key("?") for _ in names)
    parts, params = [], []
    if "by_taxon" in sorted_tables:
        parts.append(
            f"SELECT row FROM by_taxon SEMI JOIN (SELECT segment, taxon FROM taxa WHERE name IN ({keys})) "
            "USING (segment, taxon)"
        )
        params += names
    if not {"by_taxon", "species"} <= set(sorted_tables):
        parts.append(_by_scan(columns, keys, len(names)))
        params += _scan_parameters(columns, names)
    return " UNION ALL ".join(parts), params


def named_test(name: str, columns: Collection[str]) -> tuple[str, list[str]]:
    """SQL, with parameters, of whether a row has a name at any rank, by its cells alone."""
    names = searched_names(name)
    keys = ", ".join(key("?") for _ in names)
    tests, params = [], []
    for column in taxon_columns(columns):
        tests.append(f"{key(quoted(column))} IN ({keys})")
        params += names
    for column in (c for c in NAMED_BY if c in columns):
        tests.append(_begins(column, len(names)))
        params += names
    return " OR ".join(tests) or "false", params


def _begins(column: str, count: int) -> str:
    """SQL of whether a cell begins with one of so many names."""
    plain = key(f"regexp_replace({quoted(column)}, {_PLAIN})")
    return " OR ".join(f"starts_with({plain} || ' ', {key('?')} || ' ')" for _ in range(count))


def _by_scan(columns: Collection[str], keys: str, count: int) -> str:
    tests = [f"{key(quoted(c))} IN ({keys})" for c in taxon_columns(columns)]
    for column in (c for c in NAMED_BY if c in columns):
        tests.append(
            f"{quoted(column)} IN (SELECT {quoted(column)} FROM (SELECT DISTINCT {quoted(column)} FROM every) "
            f"WHERE {_begins(column, count)})"
        )
    return f"SELECT row FROM every WHERE {' OR '.join(tests) or 'false'}"


def _scan_parameters(columns: Collection[str], names: list[str]) -> list[str]:
    uses = len(taxon_columns(columns)) + sum(c in columns for c in NAMED_BY)
    return names * uses


def unknown_taxon(
    con: duckdb.DuckDBPyConnection, name: str, columns: list[str], sorted_tables: Collection[str]
) -> str:
    """Advice for a taxon that no observation has: the nearest names of observations, or an empty string.

    Names that only removed rows have are not told. Of a name and of those known the first 100 letters count.
    """
    name = " ".join(name[: 4 * LETTERS].split())[:LETTERS]
    if "by_taxon" in sorted_tables:
        held = "SELECT DISTINCT segment, taxon FROM by_taxon"
        if con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'removed'").fetchall():
            held += " ANTI JOIN removed USING (row)"
        union = f"SELECT written AS name FROM taxa SEMI JOIN ({held}) USING (segment, taxon)"
    else:
        names = taxon_columns(columns)
        union = " UNION ".join(f"SELECT {quoted(c)} AS name FROM observations" for c in names)
        if not union:
            return ""
    try:
        with bounded(con, f"--taxon {cut(name)}", ADVICE_SECONDS):
            found = con.execute(
                f"SELECT DISTINCT name FROM ({union}) WHERE length(name) BETWEEN ? AND ? "
                f"ORDER BY levenshtein({key('name')}, {key('?')}), name LIMIT 50",
                [len(name) // 3, min(LETTERS, 3 * len(name)), name],
            ).fetchall()
    except InputError:
        return "; its nearest names were not found in time"
    return near_names(name, [str(r[0]) for r in found])


def sorted_tables(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Which of `by_place` and `by_taxon` every segment has, and `species` where all have their species' names."""
    held = con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    out = {str(r[0]) for r in held} & {"by_place", "by_taxon"}
    if "by_taxon" in out:
        columns = {str(r[0]) for r in con.execute("DESCRIBE taxa").fetchall()}
        # The view shows NULL for segments of earlier versions, whose taxa have no such column.
        if "named" in columns:
            lacking = con.execute("SELECT count(*) FROM taxa WHERE named IS NULL").fetchall()[0][0]
            out |= set() if lacking else {"species"}
    return frozenset(out)
