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
    npz,
)
from prom3e_index.cli.screen import progress, say


@grouped
def encode(
    table: Annotated[
        str, typer.Argument(help="Table, archive or folder of observations; - is stdin.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=npz, help="The .npz file to write.")
    ],
    model: ModelName = None,
    hub: Hub = None,
    *,
    options: EncodeOptions,
    device: Device = "cpu",
    species: Annotated[
        str | None, typer.Option(help="Column that says the species, kept as the array `species`.")
    ] = None,
    column: Annotated[
        list[str],
        typer.Option(
            help="Keep this column too, as an array of its name; `split` with train, val and test is read by train "
            "and evaluate."
        ),
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Encode a table into a file of embeddings (.npz), to train or to measure with."""
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
    embeddings: Annotated[
        Path,
        typer.Argument(
            help="What `encode` writes: an .npz with `embeddings` (rows, modalities, width)."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=npz, help="The .npz file to write.")
    ],
    model: ModelName = None,
    given: Annotated[
        str | None, typer.Option(help="What the model is shown, as image,loc.")
    ] = None,
    decode: Annotated[
        str | None,
        typer.Option(help="How what is missing is decoded: expectation, mean or sample."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_SEED, help="Number that --decode sample is drawn from."),
    ] = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Write what the completing network (MVAE) makes of embeddings (.npz).

    Arrays: mean, log_variance, sigma_l1, tokens, reconstructed.
    """
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
