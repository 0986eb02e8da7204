"""`prom3e-index world` and `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import progress


def world(
    folder: Annotated[Path, typer.Argument(help="New folder.")],
    observations: Annotated[int, typer.Option(help="Rows of the table.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the observations; the planet stays the same.")] = 0,
) -> None:
    """Make an invented planet's observations with real files."""
    from prom3e_index.world import write_world

    with progress() as show:
        table = write_world(
            folder, observations, seed, lambda done: show("world", done, observations)
        )
    typer.echo(f"{observations:,} observations in {table}")


def demo(
    folder: Annotated[
        Path, typer.Argument(help="New folder for the world, index and report.")
    ] = Path("demo"),
    observations: Annotated[int, typer.Option(help="Rows of the table.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the observations.")] = 0,
) -> None:
    """Make a world, index it, ask it questions, measure recall, write a report with pictures."""
    from prom3e_index.cli.demo import run_demo

    with progress() as show:
        report, table = run_demo(folder, observations, seed, show)
    typer.echo(table)
    typer.echo(f"index:  {folder / 'index.p3i'}\nreport: {report}")
