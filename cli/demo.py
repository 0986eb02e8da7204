"""`prom3e-index demo`: world, index, questions, recall, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.screen import Display, progress, say

if TYPE_CHECKING:
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

LIMIT = 500
"""Queries per direction of the recall table."""


def demo(
    folder: Annotated[
        Path, typer.Argument(help="New folder for the world, its index and the report.")
    ] = Path("demo"),
    observations: Annotated[int, typer.Option(min=1, help="Observations to invent.")] = 2000,
    seed: Annotated[
        int, typer.Option(min=0, help="Number that the observations are drawn from.")
    ] = 0,
) -> None:
    """Try everything without data: invent a world, index it, ask it questions, measure, write a report."""
    from prom3e_index.show.escapes import in_command

    with progress() as show:
        report, table = run_demo(folder, observations, seed, show)
    say(table)
    say(f"index:  {folder / 'index.p3i'}\nreport: {report}")
    say(f"page:   {in_command(_program())} serve {in_command(folder / 'index.p3i')} --open")


def _program() -> str:
    """How this program was called, for a line to be copied."""
    import sys

    called = sys.argv[0]
    return called if Path(called).name == "prom3e-index" and "/" in called else "prom3e-index"


def run_demo(folder: Path, observations: int, seed: int, show: Display) -> tuple[Path, str]:
    """Make everything under `folder`; give the report's path and the recall table as text.

    A folder that holds the same demo's world is used again, so a second run only builds what is missing.
    """
    from prom3e_index.cli.demo_maps import true_richness, truth_sections
    from prom3e_index.cli.report_maps import map_sections
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.answer_section import Section
    from prom3e_index.show.recall_section import recall_text
    from prom3e_index.show.report import write_report
    from prom3e_index.world import write_world

    world, index = folder / "world", folder / "index.p3i"
    made = folder / f"world.{observations}.{seed}"
    if not made.is_file():
        if world.exists():
            raise InputError(f"{world} is another world or an unfinished one; remove {folder}.")
        write_world(world, observations, seed, lambda n: show("world", n, observations))
        made.touch()
    if not index.exists():
        build(BuildConfig(table=str(world / "observations.csv"), out=index, model="mini"), show)
    bundle = Bundle.open(index)
    show("questions", 0)
    asked = [(q, Section(bundle.search(q))) for q in _questions(bundle, world)]
    show("recall", 0)
    records = _recall(bundle)
    maps = map_sections(bundle, asked, Query(), show, true_richness)
    maps += truth_sections(bundle, show)
    report = folder / "report.html"
    write_report(report, bundle, [s for _, s in asked], records, world / "climate.npy", maps=maps)
    return report, recall_text(records)


def _recall(bundle: Bundle) -> list[dict[str, Any]]:
    """The recall table over the world's true species; obscured places ask nothing and answer nothing."""
    import numpy as np

    from prom3e_index.evaluation.directions import recall_table

    x = np.stack([np.asarray(bundle.embeddings(m), np.float32) for m in bundle.modalities], axis=1)
    rows = bundle.sql("SELECT true_species, obscured FROM observations ORDER BY row")
    present = bundle.present.copy()
    present[np.array([bool(r[1]) for r in rows]), bundle.modalities.index("loc")] = False
    labels = np.array([r[0] for r in rows], dtype=object)
    return recall_table(bundle.model(), x, present, labels, LIMIT)


def _questions(bundle: Bundle, world: Path) -> list[Query]:
    """Five questions in different directions, from observations of the world itself."""
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.errors import InputError
    from prom3e_index.search.query import Query

    base = bundle.segments[0].media

    def one(what: str) -> tuple[Any, ...]:
        found = bundle.sql(
            f"SELECT image, audio, sat, latitude, longitude, text, family FROM observations WHERE {what} "
            "ORDER BY row LIMIT 1"
        )
        if not found:
            raise InputError(
                "The world is too small for the demo's questions; make it of 200 or more."
            )
        return found[0]

    song = one("has_audio AND has_image AND family IS NOT NULL")
    photo = one("has_image AND has_loc AND has_sat AND NOT obscured")
    named = one("text IS NOT NULL AND has_audio AND genus IS NOT NULL")
    place = one("has_loc AND has_env AND NOT obscured")
    return [
        Query(audio=base / str(song[1]), target="image", k=8),
        Query(
            image=base / str(photo[0]),
            location=(float(photo[3]), float(photo[4])),
            target="audio",
            k=6,
            filter=Filter(where="kingdom = 'Fictanimalia'"),
        ),
        Query(text=str(named[5]), target="sat", k=8),
        Query(sat=base / str(photo[2]), target="image", k=8, group_by="scientific_name"),
        Query(location=(float(place[3]), float(place[4])), target="image", k=8, observed_only=True),
    ]
