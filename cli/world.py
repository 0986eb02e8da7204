"""`prom3e-index world`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.screen import progress, say


def world(
    folder: Annotated[Path, typer.Argument(help="New folder.")],
    observations: Annotated[int, typer.Option(min=1, help="Observations to invent.")] = 2000,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Number that the observations are drawn from; the planet stays the same."
        ),
    ] = 0,
) -> None:
    """Invent observations of a planet, with photos, songs and tiles as files."""
    from prom3e_index.world import write_world

    with progress() as show:
        table = write_world(
            folder, observations, seed, lambda done: show("world", done, observations)
        )
    say(f"{observations:,} observations in {table}")
