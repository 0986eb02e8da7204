"""Options that several commands share, and the progress display."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

Index = Annotated[
    Path, typer.Option("--index", "-i", envvar="PROM3E_INDEX", help="The index folder.")
]
ModelName = Annotated[str, typer.Option("--model", "-m", help="mini, taxabind, or a model folder.")]
Hub = Annotated[
    Path | None,
    typer.Option("--hub", help="Local copy of hub repositories, read as DIR/OWNER/REPO."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, …")]
Format = Annotated[str | None, typer.Option("--format", help="Force a table format.")]
Map = Annotated[list[str], typer.Option("--map", help="COLUMN=FIELD; repeat.")]
Media = Annotated[
    Path | None, typer.Option("--media", help="Folder of relative media paths; the table's.")
]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Accept media elsewhere.")]
Climate = Annotated[Path | None, typer.Option("--climate", help="Climate raster, .npy or GeoTIFF.")]
Duplicates = Annotated[
    str, typer.Option("--duplicates", help="Rows of one id: error, first or last.")
]
ExifTranspose = Annotated[bool, typer.Option("--exif-transpose", help="Turn photos upright.")]
AudioWindow = Annotated[
    bool, typer.Option("--audio-window", help="Embed every 10 s of long recordings and average.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Decode processes; one per core.")]
Recall = Annotated[
    float | None, typer.Option(help="Share of the ten nearest to be found; 1 is exact. 0.99.")
]
Memory = Annotated[
    str | None, typer.Option(help="For the FAISS files of all targets, as 8GB; no bound.")
]
Latency = Annotated[
    str | None, typer.Option(help="For one query on one core, as 5ms; exact search where it fits.")
]
Kind = Annotated[
    str | None,
    typer.Option(
        help="exact, ivf-f16, ivf-sq8, ivf-rabitq4, ivf-pqfs or hnsw-sq8; chosen by size."
    ),
]
DEFAULT_INDEX = Path("index.p3i")


def mapping(entries: list[str]) -> dict[str, str]:
    """Read `--map column=field` entries."""
    return pairs(entries, "--map", "COLUMN=FIELD")


def pairs(entries: list[str], option: str, form: str = "SETTING=VALUE") -> dict[str, str]:
    """Read the `name=value` entries of a repeated option; the last `=` divides."""
    from prom3e_index.errors import InputError

    out = {}
    for entry in entries:
        name, equals, value = entry.rpartition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} is {form}, not {entry!r}.")
        out[name] = value
    return out


def wishes(
    recall: float | None, memory: str | None, latency: str | None, kind: str | None
) -> dict[str, Any]:
    """The fields of a `Wish` that options give."""
    from prom3e_index.bundle.faiss.kinds import parse_bytes, parse_milliseconds

    given = {
        "recall": recall,
        "memory": None if memory is None else parse_bytes(memory),
        "milliseconds": None if latency is None else parse_milliseconds(latency),
        "kind": kind,
    }
    return {k: v for k, v in given.items() if v is not None}


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show stages on stderr: a bar with rate and time left on a terminal, a line per stage elsewhere."""
    if not sys.stderr.isatty():
        seen: list[str] = []

        def plain(stage: str, done: int, total: int | None) -> None:
            if stage not in seen:
                seen.append(stage)
                typer.echo(f"{stage} …", err=True)

        yield plain
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description:>16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, int] = {}
    with bar:

        def shown(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, rate="")
            task = bar.tasks[bar.task_ids.index(tasks[stage])]  # type: ignore[arg-type]
            speed = f"{task.speed:,.0f}/s" if task.speed else ""
            bar.update(tasks[stage], completed=done, total=total or None, rate=speed)  # type: ignore[arg-type]

        yield shown
