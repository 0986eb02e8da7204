"""`prom3e-index evaluate`: retrieval, probe, uncertainty, redraw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from prom3e_index.cli.options import Device, EncodeOptions, Hub, config_from, folder, grouped
from prom3e_index.cli.results_folder import results_folder
from prom3e_index.cli.screen import progress, say

app = typer.Typer(
    help="Measure a model on your own rows: retrieval, probes, uncertainty; every number has its interval.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Data = Annotated[
    str,
    typer.Argument(
        help="An index, embeddings (.npz, .parquet, .npy), or a table, which is encoded first."
    ),
]
ModelOf = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Model: taxabind, geoclip (probes of places), mini (the demo world), or a model folder.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        callback=folder,
        help="Folder of the results.",
        show_default="evaluation/DATA-MODEL",
    ),
]
AllowSeen = Annotated[
    bool,
    typer.Option(
        "--allow-seen",
        help="Also report rows that were trained on, or share a photo or sound with such; the results carry a "
        "warning.",
    ),
]
Species = Annotated[str | None, typer.Option(help="Column that says the species.")]
Rows = Annotated[int, typer.Option(min=1, help="At most this many rows, drawn with --seed.")]
Seed = Annotated[int, typer.Option(min=0, help="Number that draws and intervals follow from.")]


def embeddings(
    config: Any,
    options: EncodeOptions,
    species: str | None = None,
    columns: tuple[str, ...] = (),
    given_by: Mapping[str, str] | None = None,
) -> Any:
    """The configuration with embeddings to read: a table is encoded into the results' folder first.

    Settings that no data can meet are refused before that.
    """
    from prom3e_index.errors import InputError
    from prom3e_index.evaluation.opened import open_evaluated
    from prom3e_index.indexer.npz import encoded

    open_evaluated(config)
    made = config.out / "embeddings.npz"
    build = config_from(
        config.source, made, options, model=config.model or "", hub=config.hub, device=config.device
    )
    with progress() as show:
        path = encoded(build, show, species, columns, given_by or {})
    if path.parent != made.parent and options.given():
        raise InputError(
            f"{config.source} is encoded already; {', '.join(options.given())} is for tables that are encoded first."
        )
    return replace(config, data=path)


@app.command("retrieval")
@grouped
def retrieval(
    data: Data,
    model: ModelOf = None,
    output: Out = None,
    allow_seen: AllowSeen = False,
    validation: Annotated[
        Path | None, typer.Option(help="Other embeddings, to choose the weights of the mixture on.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(help="Embeddings for the ridge baseline and the corrections against hubs."),
    ] = None,
    direction: Annotated[
        list[str],
        typer.Option(
            "--direction",
            help="A direction to measure beside the 30 of one modality each, as 'image+sat->text'.",
        ),
    ] = [],  # noqa: B006 - Typer copies it
    all_combinations: Annotated[
        bool,
        typer.Option(
            "--all-combinations", help="Measure every set of modalities with every target."
        ),
    ] = False,
    space: Annotated[
        list[str],
        typer.Option(
            "--space", help="A space to measure: encoder, reconstructed, hidden or hybrid."
        ),
    ] = [],  # noqa: B006
    species: Species = None,
    rows: Rows = 20_000,
    seed: Seed = 0,
    taxa: Annotated[
        bool, typer.Option(help="Also count answers of the same genus, family and order.")
    ] = True,
    paper: Annotated[
        bool, typer.Option("--paper", help="Score by the published formula: δ alone, γ and ε 0.")
    ] = False,
    hub: Hub = None,
    device: Device = "cpu",
    *,
    options: EncodeOptions,
) -> None:
    """Measure how often the right row or species comes first, in every direction and space, with intervals."""
    from prom3e_index.evaluation.pages.output import screen
    from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
    from prom3e_index.evaluation.retrieval.scoring import BASE_SPACES

    config = RetrievalConfig(
        data=Path(data),
        out=output or results_folder(data, model),
        model=model,
        hub=hub,
        device=device,
        validation=validation,
        train=train,
        species=species,
        directions=tuple(direction),
        every=all_combinations,
        spaces=cast(Any, tuple(space)) or BASE_SPACES,
        rows=rows,
        seed=seed,
        taxa=taxa,
        paper=paper,
        source=data,
        allow_seen=allow_seen,
    )
    config = embeddings(config, options, species)
    if config.data != Path(data):
        config = replace(config, species=None)  # the column is the array `species` now
    with progress() as show:
        results = evaluate_retrieval(config, show)
    say(screen(results).rstrip("\n"))
    say(f"{config.out / 'report.html'}, results.json, results.csv, results.md, ranks.npz")


@app.command("probe")
@grouped
def probe(
    data: Data,
    labels: Annotated[
        list[str], typer.Option("--labels", help="Column to read from the embeddings.")
    ],
    task: Annotated[
        str,
        typer.Option(
            help="What the column is: classification, regression, or single-positive (one of many classes known)."
        ),
    ],
    model: ModelOf = None,
    output: Out = None,
    allow_seen: AllowSeen = False,
    given: Annotated[
        str | None, typer.Option(help="What the model is shown, as loc or image,loc.")
    ] = None,
    representation: Annotated[
        list[str],
        typer.Option(
            help="What is read: encoder, reconstructed, mean, modality, registers or all."
        ),
    ] = [],  # noqa: B006
    split: Annotated[
        str | None,
        typer.Option(
            help="How rows are held out: random, site (whole cells of one degree), or a column with train and "
            "test.",
            show_default="column split if there is one; else site and random, random without coordinates",
        ),
    ] = None,
    rows: Rows = 100_000,
    seed: Seed = 0,
    hub: Hub = None,
    device: Device = "cpu",
    *,
    options: EncodeOptions,
) -> None:
    """Measure what linear models read from embeddings, beside raw coordinates and the mean."""
    from prom3e_index.evaluation.probe.run import ProbeConfig, evaluate_probe, markdown

    columns = (*labels, split) if split and split not in ("random", "site") else tuple(labels)
    config = ProbeConfig(
        data=Path(data),
        out=output or results_folder(data, model),
        labels=tuple(labels),
        task=cast(Any, task),
        model=model,
        hub=hub,
        device=device,
        given=tuple(given.replace("+", ",").split(",")) if given else (),
        representations=tuple(representation),
        split=split,
        rows=rows,
        seed=seed,
        source=data,
        allow_seen=allow_seen,
    )
    given_by = dict.fromkeys(columns, "--split") | dict.fromkeys(labels, "--labels")
    config = embeddings(config, options, None, columns, given_by)
    with progress() as show:
        results = evaluate_probe(config, show)
    say(markdown(results).rstrip("\n"))
    say(f"\n{config.out / 'probe.md'}, probe.json")


@app.command("uncertainty")
@grouped
def uncertainty(
    data: Data,
    model: ModelOf = None,
    output: Out = None,
    allow_seen: AllowSeen = False,
    species: Species = None,
    rows: Rows = 3000,
    pictures: Annotated[
        str, typer.Option(help="How embeddings are drawn: umap, pca or none.")
    ] = "umap",
    seed: Seed = 0,
    hub: Hub = None,
    device: Device = "cpu",
    *,
    options: EncodeOptions,
) -> None:
    """Measure what tells wrong answers from right ones, what to add, and what the model's own uncertainty says."""
    from prom3e_index.evaluation.pages.output import number
    from prom3e_index.evaluation.pages.said import said_text
    from prom3e_index.evaluation.pages.signals_words import screen
    from prom3e_index.evaluation.uncertainty.run import UncertaintyConfig, evaluate_uncertainty

    config = UncertaintyConfig(
        data=Path(data),
        out=output or results_folder(data, model),
        model=model,
        hub=hub,
        device=device,
        species=species,
        rows=rows,
        seed=seed,
        pictures=None if pictures == "none" else pictures,
        source=data,
        allow_seen=allow_seen,
    )
    config = embeddings(config, options, species)
    if config.data != Path(data):
        config = replace(config, species=None)  # the column is the array `species` now
    with progress() as show:
        found = evaluate_uncertainty(config, show)
    say(said_text(found["facts"]).rstrip("\n"))
    say(screen(found))
    for step in found["adding"]:
        say(
            f"{step['visible']} shown ({step['sets']} sets): ‖σ‖₁ {number(step['sigma_l1'])}, "
            f"error of the hidden {number(step['error'])}"
        )
    say(f"with the gap of pairs: ‖σ‖₁ Spearman {number(found['pairs_agreement']['spearman'])}")
    say(f"{config.out / 'uncertainty.html'}, uncertainty.json, uncertainty.csv")


@app.command("redraw")
def redraw(
    folder: Annotated[Path, typer.Argument(help="Folder of results of `evaluate retrieval`.")],
) -> None:
    """Make tables and pictures anew from stored ranks, without measuring again."""
    from prom3e_index.evaluation.pages.output import screen
    from prom3e_index.evaluation.retrieval.run import redraw as run

    say(screen(run(folder)).rstrip("\n"))
