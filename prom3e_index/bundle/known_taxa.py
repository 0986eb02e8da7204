"""The taxa of an index by any name that people give them, with the lineage that the tables gave their rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.segment_views import observation_of
from prom3e_index.bundle.taxa import (
    SPECIES,
    named_test,
    quoted,
    searched_names,
    species_of,
    taxon_lookup,
)
from prom3e_index.schema import RANKS
from prom3e_index.tables.names import binomial, read_name, taxon_text

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class KnownTaxon:
    """A taxon of an index.

    Attributes:
        name: `Parus major`, or the name of a higher rank.
        rank: `species`, or one of the higher ranks.
        text: Its lineage as its rows have it, most of them; for a higher rank down to that.
        rows: Observations of it.
        common: Whether it was asked for by a common name.
    """

    name: str
    rank: str
    text: str
    rows: int
    common: bool


def folded(name: str | None) -> str:
    """A name as it is compared: lower case, composed accents, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name or "").split()).lower()


def known_taxa(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Collection[str],
    sorted_tables: Collection[str],
    several: bool = False,
    counted: str | None = None,
) -> list[KnownTaxon]:
    """The taxa that a name is of, those of most observations first.

    Args:
        con: A cursor of its own.
        name: Scientific or common, of any rank, in any spelling of `searched_names`.
        columns: Of the observations.
        sorted_tables: See `taxon_lookup`; indexes of earlier versions are scanned.
        several: Whether some observation has several rows, of which one is counted.
        counted: SQL of the `count` of a combination of names, where a row of the table stands for more than one.
    """
    counted = (
        counted or f"count({f'DISTINCT {observation_of(columns)}' if several else '*'}) AS count"
    )
    held = [c for c in (*RANKS, "scientific_name", "common_name", SPECIES, "text") if c in columns]
    shown = ", ".join(map(quoted, held))
    order = f"ORDER BY count DESC, {shown}"
    if {"by_taxon", "species"} <= set(sorted_tables):
        query, params = taxon_lookup(name, columns, sorted_tables)
        rows = con.execute(
            f"SELECT {shown}, {counted} FROM observations SEMI JOIN ({query}) USING (row) GROUP BY ALL {order}",
            params,
        ).fetchall()
    else:  # each combination of names is compared once
        test, params = named_test(name, columns)
        # by way of a table, for DuckDB would test the rows before it groups them
        grouped = f"SELECT {shown}, {counted} FROM observations GROUP BY ALL"
        con.execute(f"CREATE OR REPLACE TEMP TABLE named_rows AS {grouped}")
        rows = con.execute(f"SELECT * FROM named_rows WHERE {test} {order}", params).fetchall()
    wanted = {folded(n) for n in searched_names(name)}
    found: dict[tuple[str, str], KnownTaxon] = {}
    for *cells, count in rows:
        taxon = _taxon(dict(zip(held, cells, strict=True)), wanted, int(count))
        if taxon is not None:
            seen = found.get((taxon.rank, taxon.name))
            found[taxon.rank, taxon.name] = (
                taxon
                if seen is None
                else KnownTaxon(
                    seen.name, seen.rank, seen.text, seen.rows + taxon.rows, seen.common
                )
            )
    return sorted(found.values(), key=lambda t: (-t.rows, t.name))


def _taxon(row: dict[str, Any], wanted: set[str], count: int) -> KnownTaxon | None:
    """What of a row has one of the names: its species, or one of its higher ranks."""
    scientific = row.get("scientific_name")
    species = row.get(SPECIES) or species_of(row.get("genus"), row.get("species"), scientific)
    common = folded(row.get("common_name")) in wanted
    for i, rank in enumerate(RANKS[:6]):
        value = str(row.get(rank) or "")
        if value and {folded(value), folded(binomial(value)[0])} & wanted:
            text = taxon_text({r: row.get(r) for r in RANKS[: i + 1]})
            return KnownTaxon(text.split()[-1], rank, text, count, False) if text else None
    if species is not None and folded(species.split()[0]) in wanted:
        ranks = {r: row.get(r) for r in RANKS[:5]} | {"genus": species.split()[0]}
        return KnownTaxon(species.split()[0], "genus", taxon_text(ranks), count, False)
    text = row.get("text") or taxon_text({r: row.get(r) for r in RANKS}, scientific)
    if not text:
        return None
    if species is not None:
        return KnownTaxon(species, "species", text, count, common)
    return KnownTaxon(read_name(scientific).genus or text, "taxon", text, count, common)
