"""`prom3e-index certify`."""

from __future__ import annotations

from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Hub, Index, MovedModel
from prom3e_index.cli.render import write_certificate, write_state
from prom3e_index.cli.screen import progress


def certify(
    index: Index = DEFAULT_INDEX,
    sample: Annotated[int, typer.Option(min=1, help="Queries asked per target.")] = 128,
    store: Annotated[
        bool,
        typer.Option(
            "--store", help="Keep the result in the index, where `info --search` shows it."
        ),
    ] = False,
    model: MovedModel = None,
    hub: Hub = None,
) -> None:
    """Measure again what the search finds of the exact answer, and how fast, on this machine."""
    from prom3e_index.errors import BundleError
    from prom3e_index.indexer.beside import real_path
    from prom3e_index.indexer.certify import certify as measure
    from prom3e_index.indexer.generation import changing, commit, successor
    from prom3e_index.search.run import Bundle

    bundle = Bundle.open(index, model=model, hub=hub)
    with progress() as show:
        made = measure(bundle, bundle.model(), show, sample)
    write_certificate({**bundle.manifest, "certificate": made})
    if store:
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
