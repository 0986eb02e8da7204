"""Taxa of an index by the beginning of any of their names, as somebody types; else by names that are near."""

from __future__ import annotations

from typing import Any

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.known_taxa import KnownTaxon
from prom3e_index.bundle.predicate import bounded
from prom3e_index.bundle.taxa import SPECIES, key, quoted, taxon_columns
from prom3e_index.search.run import Bundle
from prom3e_index.server.problems import Problem

SECONDS = 3.0
"""As long as names are looked for: whoever types has typed on by then."""
_CANDIDATES = 40
_ESCAPED = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def completed(bundle: Bundle, typed: str, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Taxa whose names begin with what was typed, those of most observations first.

    Words within a name count as beginnings too: `magpie` finds the Eurasian magpie, after those that begin so.

    Returns:
        Name, rank, common name and observations of each; and whether they are only near to what was typed.

    Raises:
        InputError: It takes too long.
    """
    names = _beginning(bundle, typed)
    near = not names
    if near:
        names = _near(bundle, typed)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in names:
        for taxon in bundle.metadata.known_taxa(name, bundle.several):
            one = found.setdefault((taxon.rank, taxon.name), _said(taxon))
            if taxon.common and one["common"] is None:
                one["common"] = name
        if len(found) >= 3 * limit:
            break
    told = list(found.values())[: 3 * limit]
    if not near:  # near names stay in the order of nearness
        told.sort(key=lambda t: (-t["rows"], t["name"]))
    for one in told[:limit]:
        if one["common"] is None and one["rank"] == "species":
            one["common"] = _common(bundle, one["name"])
    return told[:limit], near


def check_taxon(bundle: Bundle, name: str) -> None:
    """Refuse to search among observations of a taxon that none is of.

    Raises:
        Problem: 422, with the names that are near.
    """
    found = bundle.eligible(Filter(taxon=name))
    if found is None or len(found):
        return
    near = _near(bundle, name)
    asked = f" Did you mean {', '.join(near)}?" if near else ""
    raise Problem(
        422, "unknown-taxon", "No such taxon", f"No observation is of {name[:100]!r}.{asked}",
        "filter.taxon", near,
    )  # fmt: skip


def _near(bundle: Bundle, typed: str) -> list[str]:
    """Names of the index that are near; none where they were not found in time."""
    said = bundle.unknown_taxon(typed)
    told = said.removeprefix("; nearest: ")
    return [n for n in told.split(", ") if n] if told != said else []


def _said(taxon: KnownTaxon) -> dict[str, Any]:
    return {"name": taxon.name, "rank": taxon.rank, "common": None, "rows": taxon.rows}


def _beginning(bundle: Bundle, typed: str) -> list[str]:
    """Names as they are written, that begin so; then those of which a later word does."""
    pattern = " ".join(typed.split()).translate(_ESCAPED)
    con = bundle.metadata.named()
    source = "SELECT written, name FROM taxa"
    if "by_taxon" not in bundle.metadata.sorted_tables:
        columns = [c for c in (*taxon_columns(bundle.columns), SPECIES) if c in bundle.columns]
        if not columns:
            return []
        each = (f"SELECT {quoted(c)} AS written, {key(quoted(c))} AS name" for c in columns)
        source = " UNION ".join(f"{e} FROM observations" for e in each)
    like = f"{key('?::VARCHAR')} || '%' ESCAPE '\\'"
    begins, within = f"name LIKE {like}", f"name LIKE '% ' || {like}"
    with bounded(con, f"taxon {typed[:60]!r}", SECONDS):
        rows = con.execute(
            f"SELECT any_value(written), name, bool_or({begins}) AS first FROM ({source}) WHERE {begins} OR {within} "
            f"GROUP BY name ORDER BY first DESC, length(name), name LIMIT {_CANDIDATES}",
            [pattern] * 3,
        ).fetchall()
    return [str(r[0]) for r in rows]


def _common(bundle: Bundle, species: str) -> str | None:
    """The common name that most rows of a species have."""
    if "common_name" not in bundle.columns or "taxon_species" not in bundle.columns:
        return None
    query = (
        "SELECT common_name FROM observations WHERE taxon_species = ? AND common_name IS NOT NULL GROUP BY 1 "
        f"ORDER BY {bundle.metadata.counted} DESC, 1 LIMIT 1"
    )
    found = bundle.metadata.named().execute(query, [species]).fetchone()
    return None if found is None else str(found[0])
