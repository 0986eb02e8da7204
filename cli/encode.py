"""`prom3e-index encode` and `infer`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import (
    MOST_SEED,
    Device,
    EncodeOptions,
    Hub,
    ModelName,
    config_from,
    filled,
    grouped,
)
from prom3e_index.cli.screen import progress, say


@grouped
def encode(
    table: Annotated[str, typer.Argument(help="Table, archive or folder of observations.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write.")],
    model: ModelName = None,
    hub: Hub = None,
    *,
    options: EncodeOptions,
    device: Device = "cpu",
    species: Annotated[
        str | None, typer.Option(help="Column for the array `species`; the scientific name.")
    ] = None,
    column: Annotated[
        list[str], typer.Option(help="Keep this column as an array of its name; repeat.")
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Encode a table to embeddings, presence and ids (.npz)."""
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.npz import encode_to_npz
    from prom3e_index.search.meaning import MEANINGLESS

    if output.exists():
        raise InputError(f"{output} exists already.")
    config = config_from(table, output, options, model=model, hub=hub, device=device)
    with progress() as show:
        done = encode_to_npz(config, show, species, column, write_understood)
    if done["planet"] is False:
        say(f"warning: {MEANINGLESS}", err=True)
    have = ", ".join(f"{m} {n:,}" for m, n in done["observed"].items())
    for sentence in done["said"]:
        say(sentence)
    say(f"{done['rows']:,} rows written, {done['rejected']:,} rejected; observed: {have}")


def infer(
    embeddings: Annotated[Path, typer.Argument(help=".npz with `embeddings` (n, m, d).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write.")],
    model: ModelName = None,
    given: Annotated[
        str | None, typer.Option(help="Visible modalities, image,loc; all present.")
    ] = None,
    decode: Annotated[
        str | None, typer.Option(help="expectation, mean or sample; as the model decodes.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST_SEED, help="For --decode sample.")
    ] = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Run the MVAE over embeddings: mean, log_variance, sigma_l1, tokens, reconstructed (.npz)."""
    from prom3e_index.indexer.npz import infer_npz

    done = infer_npz(
        embeddings,
        model,
        filled("--given", given),
        filled("--decode", decode),
        seed,
        output,
        hub,
        device,
    )
    say(f"{done['rows']:,} rows, visible: {', '.join(done['visible'])}")
