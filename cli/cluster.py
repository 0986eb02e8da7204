"""Options of commands whose work a cluster can do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class ClusterOptions:
    """Where rows are encoded and completed."""

    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="What does the work: ray, the machines of a cluster, with the same result. Needs the extra `ray`.",
        ),
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="Address of the Ray cluster, as auto or HOST:PORT."),
    ] = None
    shards: Annotated[
        str | None,
        typer.Option(
            "--shards",
            help="With --engine ray: folder that all machines share, or address as s3://BUCKET/NAME, where finished "
            "parts are kept.",
        ),
    ] = None
    media_address: Annotated[
        str | None,
        typer.Option(
            "--media-address",
            help="With --engine ray: address that machines read relative media paths from, as s3://BUCKET/NAME.",
        ),
    ] = None

    def fields(self) -> dict[str, Any]:
        """As a configuration has them."""
        return asdict(self)
