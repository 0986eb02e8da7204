"""The first page of `info`, what an index holds; and `info --search`, how it is searched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.cli.render import write_certificate
from prom3e_index.cli.screen import holdings, plural, say
from prom3e_index.show.escapes import shown

if TYPE_CHECKING:
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.contents import Contents, Counted

_KINDS = {
    "text": ("VARCHAR",),
    "numbers": ("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "HUGEINT", "DECIMAL", "SMALLINT", "TINYINT"),
    "days, times": ("DATE", "TIMESTAMP", "TIME"), "true or false": ("BOOLEAN",),
}  # fmt: skip
"""Kinds of columns and the DuckDB types that begin so."""
_MOST = 8
"""Values of a column that are told one by one."""
RECALL = (
    "R@10 is the share of the ten rows of exact search that the index finds; whether those are right is another "
    "question: prom3e-index evaluate retrieval"
)


def write_held(index: Path, bundle: Bundle, media: Path | None) -> None:
    """What is in an index: rows, species, years, places, licences, columns."""
    from prom3e_index.indexer.expand import said_of
    from prom3e_index.indexer.relocate import media_there
    from prom3e_index.search.in_words import worth
    from prom3e_index.show.contents import contents_of

    m, c = bundle.manifest, contents_of(bundle, _MOST)
    counts, source = m["counts"], m["source"]
    size = sum(f["bytes"] for f in m["files"].values())
    say(f"{index}: {holdings(m)}, {size / 1e6:.1f} MB, model {m['model']['name']}")
    for sentence in said_of(source.get("expanded") or {}, m.get("windows")):
        say(sentence)
    line("has", ", ".join(f"{name} {n:,}" for name, n in c.observed.items()) + " rows")
    line("species", counted(c.species, "name"))
    line("ranks", ", ".join(f"{_quoted(r)} {n:,}" for r, n in ranks(bundle)) or "none")
    line("years", _years(c))
    line("places", _places(c))
    line("policy", _policy(m, c))
    line("licences", counted(c.licences, "licence"))
    line("holders", counted(c.holders, "rights holder", 3))
    line("from", f"{source['table']} ({source['format']}), media in {source['media']}")
    there, looked_at, lacking = media_there(bundle, media)
    if looked_at:
        gone = f"; {lacking} is not: --media FOLDER, or prom3e-index relocate" if lacking else ""
        line("media", f"of {looked_at:,} files looked for {there:,} are there{gone}")
    removed = int(counts.get("rows_removed", 0))
    gone = f" + {removed:,} removed or written anew since" if removed else ""
    line(
        "rows",
        f"{counts['rows_in']:,} in = {counts['rows_indexed']:,} indexed + {counts['rows_rejected']:,} rejected{gone}; "
        f"{counts['files_lost']:,} files or values lost",
    )
    own = bundle.calibration
    if own is not None:
        line("sure", worth(own))
    else:
        why = bundle.uncalibrated
        line(
            "sure", f"not calibrated: {why}; the model's own calibration serves where it brings one"
        )
    if m["deleted"]:
        line("removed", f"{plural(int(m['deleted']['rows']), 'row')} until compact")
    line(
        "made",
        f"{m['created']} by {m['program']}, format {m['format_version']}, generation {m['generation']}",
    )
    say("columns for --where:")
    for kind, names in columns_by_kind(c.columns).items():
        say(f"  {kind:<13s} {', '.join(names)}")
    say("more: info --search, info --lost, info --json")


def calibration(bundle: Bundle) -> dict[str, Any]:
    """What is known of its answers' chances of being right, for JSON."""
    own = bundle.calibration
    if own is None:
        return {"source": None, "reason": bundle.uncalibrated}
    return {"source": own.source, "rule": own.rule, **own.quality, "lacking": dict(own.lacking)}


def contents(bundle: Bundle) -> dict[str, Any]:
    """What an index holds, for JSON."""
    from dataclasses import asdict

    from prom3e_index.show.contents import contents_of

    return {**asdict(contents_of(bundle)), "ranks": dict(ranks(bundle))}


def line(name: str, text: str) -> None:
    """A line of the page, under its name."""
    say(f"  {name:<9s} {shown(text)}")


def ranks(bundle: Bundle) -> list[tuple[str, int]]:
    """Each rank of which rows have a name, and how many different ones."""
    from prom3e_index.bundle.taxa import quoted
    from prom3e_index.schema import RANKS

    held = {r: r for r in RANKS if r in bundle.columns}
    if "taxon_species" in bundle.columns:
        held["species"] = "taxon_species"
    if not held:
        return []
    asked = ", ".join(f"count(DISTINCT {quoted(column)})" for column in held.values())
    (found,) = bundle.sql(f"SELECT {asked} FROM observations")
    return [(rank, int(n)) for rank, n in zip(held, found, strict=True) if n]


def counted(c: Counted, what: str, most: int = _MOST) -> str:
    """Values and their rows, the commonest first; rows without one."""
    told = ", ".join(f"{value} ({n:,})" for value, n in c.values[:most])
    left = c.others + len(c.values[most:])
    rows = c.other_rows + sum(n for _, n in c.values[most:])
    others = f" and {left:,} more ({rows:,})" if left else ""
    without = f"{plural(c.without, 'row')} without a {what}" if c.without else ""
    kinds = len(c.values) + c.others
    return (
        "; ".join(part for part in (f"{kinds:,}: {told}{others}" if kinds else "", without) if part)
        or "none"
    )


def _years(c: Contents) -> str:
    undated = f"{plural(c.undated, 'row')} without a date" if c.undated else ""
    if not c.years:
        return undated or "none"
    first, last = c.years[0][0], c.years[-1][0]
    every = ", ".join(f"{y} {n:,}" for y, n in c.years)
    few = every if len(c.years) <= _MOST else f"most in {max(c.years, key=lambda y: y[1])[0]}"
    return "; ".join(part for part in (f"{first} to {last}: {few}", undated) if part)


def _places(c: Contents) -> str:
    if c.extent is None:
        return "none"
    west, south, east, north = c.extent
    hidden = f"; {c.obscured:,} obscured by their source or generalised" if c.obscured else ""
    lacking = f"; {plural(c.rows - c.places, 'row')} without a place" if c.rows > c.places else ""
    return f"{c.places:,}: latitude {south:.5g} to {north:.5g}, longitude {west:.5g} to {east:.5g}{hidden}{lacking}"


def _policy(manifest: dict[str, Any], c: Contents) -> str:
    """The policy that an index was built with, and how many rows have which level."""
    policy = manifest.get("policy")
    if policy is None:
        hidden = (
            "places that their source hides are as it gave them"
            if c.obscured
            else "places are as given"
        )
        return f"none: {hidden}"
    rows = ", ".join(f"{level} {n:,}" for level, n in policy.get("rows", {}).items())
    review = f"; to be reviewed {policy['review']}" if policy.get("review") else ""
    return f"{policy['name']} ({policy['sha256'][:12]}): {rows or 'no rows'}{review}"


def columns_by_kind(typed: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Kind → the columns that can be asked for, as they are written in a predicate; of names and DuckDB's types."""
    out: dict[str, list[str]] = {}
    for name, type in typed:
        listed = type.endswith("]") or type.startswith(("STRUCT", "MAP"))
        kinds = (k for k, types in _KINDS.items() if type.startswith(types) and not listed)
        out.setdefault(next(kinds, "others"), []).append(_quoted(name))
    order = [*_KINDS, "others"]
    return {k: out[k] for k in order if k in out}


def _quoted(name: str) -> str:
    from prom3e_index.bundle.taxa import quoted

    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and name not in ("order", "group", "from", "to")
    return name if plain else quoted(name)


def write_search(bundle: Bundle) -> None:
    """How an index is searched: its model, the kind of each target's index, the certificate."""
    m: dict[str, Any] = bundle.manifest
    say(
        f"model: {m['model']['name']}, decode {m['model']['decode']}, hidden {m['model']['hidden']}, "
        f"EXIF rotation {'applied' if m['model']['exif_transpose'] else 'not applied'}, "
        f"hub correction {m.get('hubs', {}).get('method', 'none')}"
    )
    say("fingerprints: " + ", ".join(f"{k} {v}" for k, v in m["fingerprints"].items()))
    gone = int(m["deleted"]["rows"]) if m["deleted"] else 0
    if len(m["segments"]) > 1 or gone:
        say(f"segments: {len(m['segments'])}, {gone:,} removed rows until compact")
    for target, point in m["segments"][0]["index"].items():
        how = ", ".join(
            f"{k} {point[k]}" for k in ("probes", "candidates", "beam") if point.get(k, 0) > 1
        )
        why = f": {point['why']}" if point.get("why") else ""
        say(f"  {target:6s} {point['kind']}{' (' + how + ')' if how else ''}{why}")
    write_certificate(m)
    if m.get("certificate"):
        say(RECALL)
