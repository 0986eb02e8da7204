"""`prom3e-index encode` and `infer`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.cluster import ClusterOptions
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
from prom3e_index.cli.screen import plural, progress, say

if TYPE_CHECKING:
    from prom3e_index.indexer.work import BuildConfig


@grouped
def encode(
    table: Annotated[
        str, typer.Argument(help="Table, archive or folder of observations; - is stdin.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="The .npz file to write; with --engine ray a folder or address for shards of completed rows.",
        ),
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
    cluster: ClusterOptions,
) -> None:
    """Encode a table into a file of embeddings (.npz), to train or to measure with.

    With --engine ray: into shards of completed rows, to be searched.
    """
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.cluster.encode_shards import shards_work
    from prom3e_index.indexer.engine import checked_engine
    from prom3e_index.indexer.npz import encode_to_npz
    from prom3e_index.indexer.work import table_kind
    from prom3e_index.search.meaning import MEANINGLESS

    given: dict[str, Any] = {"model": model, "hub": hub, "device": device, **cluster.fields()}
    if cluster.engine is not None:
        if species is not None or column:
            raise InputError("Shards hold every column: leave out --species and --column.")
        _encode_shards(config_from(table, shards_work(output), options, **given), output)
        return
    path = npz(Path(output))
    if path.exists():
        raise InputError(f"{path} exists already.")
    config = config_from(table, path, options, **given)
    checked_engine(config, table_kind(config))
    with progress() as show:
        done = encode_to_npz(config, show, species, column, write_understood)
    if done["planet"] is False:
        say(f"warning: {MEANINGLESS}", err=True)
    have = ", ".join(f"{m} {n:,}" for m, n in done["observed"].items())
    for sentence in done["said"]:
        say(sentence)
    say(f"{done['rows']:,} rows written, {done['rejected']:,} rejected; observed: {have}")


def _encode_shards(config: BuildConfig, place: str) -> None:
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.cluster.encode_shards import encode_to_shards

    if config.shards is not None:
        raise InputError("encode writes shards to --output; leave out --shards.")
    with progress() as show:
        done = encode_to_shards(replace(config, shards=place), show, write_understood)
    counts = done["counts"]
    say(
        f"{counts['rows_in']:,} rows in = {counts['rows_indexed']:,} completed + {counts['rows_rejected']:,} rejected; "
        f"{counts['files_lost']:,} files or values lost"
    )
    say(f"{done['rows']:,} rows in {plural(done['shards'], 'shard')}: {place}")


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
