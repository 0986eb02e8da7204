"""`prom3e-index train`: both stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import (
    MOST_SEED,
    Climate,
    Device,
    Hub,
    Seed,
    TableOptions,
    folder,
    grouped,
    pairs,
)
from prom3e_index.cli.screen import progress, say

app = typer.Typer(
    help="Train on your own data: encoders (align, patch), and the network that completes what is missing (mvae).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _out(path: Path) -> Path:
    """A folder for a run: none that is an index, which would get a model's files into it."""
    from prom3e_index.errors import InputError

    if (path / "manifest.json").is_file():
        raise InputError(f"--output {path} is an index; give another folder.")
    folder(path)
    return path


Out = Annotated[Path, typer.Option("--output", "-o", callback=_out, help="The folder to write.")]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        help="A setting of the recipe, as precision=bf16; settings stand in training/stage_two/recipe.py.",
    ),
]


@app.command("mvae")
def mvae(
    embeddings: Annotated[
        list[Path],
        typer.Argument(
            help="Embeddings: .npz of `encode`, MultiNat .parquet, or the authors' .npy."
        ),
    ],
    out: Out,
    recipe: Annotated[
        str, typer.Option(help="Settings to start from: best or published.")
    ] = "best",
    validation: Annotated[
        Path | None,
        typer.Option(help="Embeddings of other rows, to choose settings on."),
    ] = None,
    holdout: Annotated[
        bool,
        typer.Option(
            "--holdout/--no-holdout",
            help="Without validation rows, keep a tenth of the rows, whole sites, to choose settings on.",
        ),
    ] = True,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model whose encoders made the embeddings.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Model or MVAE folder to start from."),
    ] = None,
    add: Annotated[list[str], typer.Option(help="A further modality, as dna:256.")] = [],  # noqa: B006
    embed_dim: Annotated[int | None, typer.Option(min=1, help="Width of the hidden state.")] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Transformer blocks.")] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Attention heads.")] = None,
    mlp_dim: Annotated[
        int | None, typer.Option(min=1, help="Inner width of a block's MLP.")
    ] = None,
    registers: Annotated[int | None, typer.Option(min=0, help="Register tokens.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows of one step.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the rows.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of --epochs.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_SEED, help="Number that everything drawn follows from."),
    ] = None,
    settings: Settings = [],  # noqa: B006 - Typer copies it
    device: Device = "cpu",
    hub: Hub = None,
    export: Annotated[
        str | None, typer.Option(help="`published`: also write the published layout.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store weights in half precision.")] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard", help="Write TensorBoard event files (needs the extra `tensorboard`)."
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
    summary: Annotated[
        str | None, typer.Option(help="What the model knows, for `models show`.")
    ] = None,
) -> None:
    """Fit the network that completes what is missing (MVAE) to embeddings, and write a model folder."""
    from prom3e_index.errors import InputError, near_names
    from prom3e_index.training.stage_two.recipe import RECIPES
    from prom3e_index.training.stage_two.run import MVAERun, run_mvae

    if recipe not in RECIPES:
        raise InputError(
            f"--recipe {recipe!r}{near_names(recipe, list(RECIPES))}; best or published."
        )
    if export not in (None, "published"):
        raise InputError(f"--export {export!r}; only `published` is known.")
    flags = {
        "embed_dim": embed_dim, "depth": depth, "heads": heads, "mlp_dim": mlp_dim, "registers": registers,
        "batch_size": batch_size, "epochs": epochs, "steps": steps, "lr": lr, "seed": seed,
    }  # fmt: skip
    asked = pairs(settings, "--set")
    for key in [k for k, v in flags.items() if v is not None and k in asked]:
        raise InputError(
            f"--set {key}={asked[key]} and --{key.replace('_', '-')} {flags[key]} say the same setting; give one."
        )
    given = asked | {k: v for k, v in flags.items() if v is not None}
    sizes = sorted({"embed_dim", "depth", "heads", "mlp_dim", "registers"} & given.keys())
    if init is not None and sizes:
        raise InputError(f"{', '.join(sizes)} cannot be chosen with --init, whose sizes are kept.")
    chosen = RECIPES[recipe].with_settings(given)
    with progress() as show:
        done = run_mvae(
            MVAERun(
                tuple(embeddings),
                out,
                chosen,
                validation,
                holdout,
                model,
                init,
                tuple(_width(a) for a in add),
                hub,
                device,
                export is not None,
                half,
                tensorboard,
                name,
                summary,
            ),
            show.run,
        )
    if done is None:
        return
    say(done.summary())
    say(f"model: {out}" + (f"; published layout: {done.published}" if done.published else ""))


def _width(entry: str) -> tuple[str, int]:
    from prom3e_index.errors import InputError

    name, _, width = entry.partition(":")
    if not name.isidentifier() or not width.isdigit():
        raise InputError(f"--add is NAME:WIDTH, dna:256, not {entry!r}.")
    return name, int(width)


@app.command("align")
@grouped
def align(
    modality: Annotated[
        str, typer.Argument(help="What is aligned: sat, loc, env, audio, or image+text.")
    ],
    table: Annotated[str, typer.Argument(help="Table of observations with photos.")],
    out: Out,
    init: Annotated[
        str,
        typer.Option(
            help="Folder in the published layout to start from; one without weights starts from random ones. "
            "package:geoclip for places."
        ),
    ],
    anchor: Annotated[
        str | None,
        typer.Option(help="Model, or open_clip folder, whose photo encoder stays as it is."),
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Loss: supcon, supcon-sum, infonce or masked.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the rows.")] = 20,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows of one step.")] = None,
    lr: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-4,
    warmup: Annotated[
        float, typer.Option(help="Share of the updates in which the rate rises.")
    ] = 0.0,
    schedule: Annotated[
        str, typer.Option(help="How the rate falls: restarts (published) or cosine.")
    ] = "restarts",
    accumulate: Annotated[int, typer.Option(min=1, help="Steps of one update.")] = 8,
    gather: Annotated[
        bool,
        typer.Option("--gather", help="Under torchrun, contrast with the rows of all processes."),
    ] = False,
    precision: Annotated[
        str, typer.Option(help="Precision of products: float32, tf32 (GPU) or bf16.")
    ] = "float32",
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Vary photos and tiles by crops, flips and blur, sounds by rolls and noise.",
        ),
    ] = True,
    seed: Seed = 0,
    species: Annotated[str | None, typer.Option(help="Column that tells species apart.")] = None,
    *,
    options: TableOptions,
    climate: Climate = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded media, shared by runs over one table.")
    ] = None,
    device: Device = "cpu",
    hub: Hub = None,
    half: Annotated[bool, typer.Option("--half", help="Store weights in half precision.")] = False,
) -> None:
    """Fit an encoder to photos whose encoder stays as it is, and write its folder.

    An interrupted run goes on when the same command is run again.
    """
    from prom3e_index.schema import modality_name
    from prom3e_index.training.stage_one.align import PUBLISHED_BATCH, PUBLISHED_LOSS, AlignConfig
    from prom3e_index.training.stage_one.run import TOGETHER, AlignRun, run_align

    name = modality if modality == TOGETHER else modality_name(modality)
    config = AlignConfig(
        loss=loss or PUBLISHED_LOSS.get(name, "supcon"),
        epochs=epochs,
        batch_size=batch_size or PUBLISHED_BATCH.get(name, 256),
        accumulate=accumulate,
        gather=gather,
        lr=lr,
        warmup=warmup,
        schedule=schedule,
        augment=augment,
        seed=seed,
        precision=precision,
    )
    run = AlignRun(
        name, table, out, init, anchor, config, options.columns, options.table_format, options.media,
        options.allow_outside, climate, species, hub, device, half, cache, options.encoding,
    )  # fmt: skip
    with progress() as show:
        done = run_align(run, show, show.run)
    if done is None:
        return
    for line in done.refused:
        say(f"not used: {line}", err=True)
    say(
        f"{done.rows:,} rows with photo and {name}, {len(done.refused):,} files refused; last mean loss "
        f"{done.loss:.3f}, products in {precision}; encoder: {out}"
    )


@app.command("patch")
@grouped
def patch(
    before: Annotated[
        Path, typer.Argument(help="open_clip folder of the weights before fine-tuning.")
    ],
    after: Annotated[Path, typer.Argument(help="open_clip folder of the same network after it.")],
    table: Annotated[
        str, typer.Argument(help="Table of observations with photos and names, to choose on.")
    ],
    out: Out,
    points: Annotated[int, typer.Option(min=1, help="How many mixes are tried.")] = 10,
    *,
    options: TableOptions,
    device: Device = "cpu",
) -> None:
    """Mix weights before and after fine-tuning, and keep the mix that names photos best."""
    from prom3e_index.training.stage_one.observations import read_rows
    from prom3e_index.training.stage_one.patch import run_patch

    rows = read_rows(
        table,
        columns=options.columns,
        format=options.table_format,
        media=options.media,
        allow_outside=options.allow_outside,
        encoding=options.encoding,
    )
    with progress() as show:
        done = run_patch(before, after, rows, out, show, points, device)
    say(done.table())
    say(f"kept a = {done.best:g}; grid: {out / 'patch.json'}")
