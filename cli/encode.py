"""`prom3e-index encode` and `infer`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import (
    AllowOutside,
    AudioWindow,
    Climate,
    Device,
    Duplicates,
    ExifTranspose,
    Format,
    Hub,
    Map,
    Media,
    ModelName,
    mapping,
    progress,
)


def encode(
    table: Annotated[str, typer.Argument(help="Table, archive or folder of observations.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write.")],
    model: ModelName = "mini",
    hub: Hub = None,
    format: Format = None,
    map: Map = [],  # noqa: B006 - Typer copies it
    media: Media = None,
    allow_outside: AllowOutside = False,
    climate: Climate = None,
    duplicates: Duplicates = "error",
    device: Device = "cpu",
    exif_transpose: ExifTranspose = False,
    audio_window: AudioWindow = False,
    species: Annotated[
        str | None, typer.Option(help="Column for the array `species`; the scientific name.")
    ] = None,
    column: Annotated[
        list[str], typer.Option(help="Keep this column as an array of its name; repeat.")
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Encode a table to embeddings, presence and ids (.npz)."""
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.npz import encode_to_npz
    from prom3e_index.indexer.work import BuildConfig

    if output.exists():
        raise InputError(f"{output} exists already.")
    config = BuildConfig(
        table=table,
        out=output,
        model=model,
        hub=hub,
        format=format,
        columns=mapping(map),
        media=media,
        allow_outside=allow_outside,
        climate=climate,
        duplicates=duplicates,
        device=device,
        exif_transpose=exif_transpose,
        audio_windows=audio_window,
    )
    with progress() as show:
        done = encode_to_npz(config, show, species, column)
    have = ", ".join(f"{m} {n:,}" for m, n in done["observed"].items())
    typer.echo(f"{done['rows']:,} rows written, {done['rejected']:,} rejected; observed: {have}")


def infer(
    embeddings: Annotated[Path, typer.Argument(help=".npz with `embeddings` (n, m, d).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write.")],
    model: ModelName = "mini",
    given: Annotated[
        str | None, typer.Option(help="Visible modalities, image,loc; all present.")
    ] = None,
    decode: Annotated[str, typer.Option(help="expectation, mean or sample.")] = "expectation",
    seed: Annotated[int | None, typer.Option(help="For --decode sample.")] = None,
    hub: Hub = None,
) -> None:
    """Run the MVAE over embeddings: mean, log_variance, sigma_l1, tokens, reconstructed (.npz)."""
    from prom3e_index.indexer.npz import infer_npz

    done = infer_npz(embeddings, model, given, decode, seed, output, hub)
    typer.echo(f"{done['rows']:,} rows, visible: {', '.join(done['visible'])}")
