"""Options that choose among observations, by place, name, day and licence."""

from __future__ import annotations

from typing import Annotated

import typer

Near = Annotated[
    str | None,
    typer.Option("--near", help="Only rows this near, as 48.2,16.3,50km."),
]
Bbox = Annotated[
    str | None,
    typer.Option("--bbox", help="Only rows in this box, in degrees, as 16,48,17,49."),
]
Taxon = Annotated[
    str | None,
    typer.Option(
        "--taxon",
        help="Only rows of this taxon, a whole name at any rank, scientific or common; authors and capitals do not "
        "matter.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--from", "--since", help="Only rows from this day on: 2023, 2023-06 or 2023-06-15."
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--to",
        "--until",
        help="Only rows until this day, the last day of a year or month: 2023, 2023-06 or 2023-06-15.",
    ),
]
LicenceAllow = Annotated[
    str | None,
    typer.Option(
        "--licence-allow",
        help="Only rows under these licences, as cc0,by,by-nc: of the observation, and of its photo and sound where "
        "their own are known; arr is none, unknown one that is none of the known.",
    ),
]
