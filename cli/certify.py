"""`prom3e-index certify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Hub, Index, MovedModel
from prom3e_index.cli.render import write_certificate, write_state
from prom3e_index.cli.screen import progress
from prom3e_index.cli.stores import BreakLock, Store, one_of


def certify(
    index: Index = DEFAULT_INDEX,
    sample: Annotated[int, typer.Option(min=1, help="Queries asked per target.")] = 128,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep the result in the index, where `info --search` shows it."
        ),
    ] = False,
    store: Store = None,
    break_lock: BreakLock = False,
    model: MovedModel = None,
    hub: Hub = None,
) -> None:
    """Measure again what the search finds of the exact answer, and how fast, on this machine.

    Of a store, with --store, it is measured from here, and the result is kept there.
    """
    from prom3e_index.errors import BundleError
    from prom3e_index.indexer.beside import real_path
    from prom3e_index.indexer.certify import certify as measure
    from prom3e_index.indexer.generation import changing, commit, successor
    from prom3e_index.search.run import Bundle

    if store is not None:
        _of_store(str(one_of(index, store)), sample, model, hub, break_lock)
        return
    bundle = Bundle.open(index, model=model, hub=hub)
    with progress() as show:
        made = measure(bundle, bundle.model(), show, sample)
    write_certificate({**bundle.manifest, "certificate": made})
    if keep:
        index = real_path(index)
        with changing(index, "certify") as old:
            if old["generation"] != made["generation"]:
                raise BundleError(
                    f"{index} became generation {old['generation']} while generation {made['generation']} "
                    "was measured; certify it again."
                )
            new = {**successor(old, "certify"), "certificate": made}
            made["generation"] = new["generation"]
            commit(index, old, new)
        write_state(index, new)


def _of_store(
    store: str, sample: int, model: str | None, hub: Path | None, break_lock: bool
) -> None:
    """Measure a store, and keep the result there."""
    from prom3e_index.indexer.certify_store import certify_store
    from prom3e_index.indexer.certify_store import keep as kept
    from prom3e_index.store.opened import StoreBundle

    with StoreBundle.open(store, model=model, hub=hub) as bundle:
        with progress() as show:
            made = certify_store(bundle, bundle.model(), show, sample)
        made = kept(bundle, made, break_lock)
    write_certificate({"certificate": made})
