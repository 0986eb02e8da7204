"""The page of `info --store`: what a vector store holds, as its head tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prom3e_index.cli.held import columns_by_kind, counted, line
from prom3e_index.cli.render import write_certificate
from prom3e_index.cli.screen import plural, put_data, say, speaks_utf8
from prom3e_index.cli.stores import numbered
from prom3e_index.show.contents import INNER, Counted, species_named
from prom3e_index.show.escapes import json_text, shown

if TYPE_CHECKING:
    from prom3e_index.store.opened import StoreBundle

_WIDE = "where removed rows may have been too"
"""Of bounds, which a store only ever widens."""


def write_store(store: StoreBundle, search: bool) -> None:
    """What a store holds and how it is searched; with `search` the latter alone."""
    m, head = store.manifest, store.head
    model = shown(str(m["model"]["name"]))
    say(f"{store.address}: {head.rows:,} rows, {numbered(head)}, model {model}")
    line("targets", f"{', '.join(store.targets)}, found by {head.kind['name']}")
    if not search:
        _write_rows(store)
    if m.get("certificate"):
        write_certificate(m)
    else:
        say(f"certificate: none; prom3e-index certify --store {store.address} makes one")


def _write_rows(store: StoreBundle) -> None:
    m, summary = store.manifest, store.summary
    line("has", ", ".join(f"{name} {n:,}" for name, n in m.get("observed", {}).items()) + " rows")
    line("species", _counted(_species(store), "name"))
    line("years", _years(store))
    line("places", _places(store))
    line("licences", _counted(summary.licences, "licence"))
    line("media", ", ".join(dict.fromkeys(map(str, store.media_known))) + ", of who pushed it")
    line("made", f"{m['created']} by {m.get('program', 'prom3e-index')}")
    say("columns for --where:")
    asked = [c for c in store.column_types.items() if c[0] not in INNER]
    for kind, names in columns_by_kind(asked).items():
        say(f"  {kind:<13s} {shown(', '.join(names))}")


def write_store_json(store: StoreBundle) -> None:
    """The manifest of its index, and what the head of the store tells, as JSON."""
    head = store.head
    own: dict[str, Any] = {
        "address": str(store.address),
        "generation": head.generation,
        "rows": head.rows,
        "targets": store.targets,
        "kind": head.kind,
        "columns": store.column_types,
        "contents": store.summary.to_dict(),
    }
    put_data(
        json_text({**store.manifest, "store": own}, indent=1, ascii_only=not speaks_utf8()) + "\n"
    )


def _species(store: StoreBundle) -> list[tuple[Any, int]]:
    named = store.metadata.named()
    held = {str(name) for name, *_ in named.execute("DESCRIBE observations").fetchall()}
    query = f"SELECT {species_named(held)}, sum(rows) FROM observations GROUP BY 1"
    return [(value, int(n)) for value, n in named.execute(query).fetchall()]


def _counted(found: list[tuple[Any, int]], what: str) -> str:
    held = sorted(((str(v), n) for v, n in found if v is not None), key=lambda e: (-e[1], e[0]))
    without = sum(n for v, n in found if v is None)
    return counted(Counted(tuple(held), without=without), what)


def _years(store: StoreBundle) -> str:
    ((first, last),) = store.summary.days
    undated = store.summary.lacking("event_start")
    parts = [f"{first.year} to {last.year}, {_WIDE}"] if first and last else []
    parts += [f"{plural(undated, 'row')} without a date"] if undated else []
    return "; ".join(parts) or "none"


def _places(store: StoreBundle) -> str:
    ((west, south, east, north),) = store.summary.extent
    if west is None:
        return "none"
    lacking = store.summary.lacking("latitude")
    without = f"; {plural(lacking, 'row')} without a place" if lacking else ""
    return (
        f"{store.rows - lacking:,}: latitude {south:.5g} to {north:.5g}, longitude {west:.5g} to {east:.5g}, "
        f"{_WIDE}{without}"
    )
