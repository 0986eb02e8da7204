"""The demo: world, index, questions, recall, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.evaluation.directions import recall_table
from prom3e_index.indexer.build import build
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.show.report import recall_text, write_report
from prom3e_index.world import write_world

LIMIT = 500
"""Queries per direction of the recall table."""


def run_demo(folder: Path, observations: int, seed: int, progress: Progress) -> tuple[Path, str]:
    """Make everything under `folder`; give the report's path and the recall table as text.

    A folder that holds the same demo's world is used again, so a second run only builds what is missing.
    """
    world, index = folder / "world", folder / "index.p3i"
    table = world / "observations.csv"
    made = folder / f"world.{observations}.{seed}"
    if not made.is_file():
        if world.exists():
            raise InputError(f"{world} is another world or an unfinished one; remove {folder}.")
        write_world(world, observations, seed, lambda n: progress("world", n, observations))
        made.touch()
    if not index.exists():
        build(BuildConfig(table=str(table), out=index, model="mini"), progress)
    bundle = Bundle.open(index)
    progress("questions", 0, None)
    answers = [bundle.search(q) for q in _questions(bundle, world)]
    progress("recall", 0, None)
    model = bundle.model()
    x = np.stack([np.asarray(bundle.embeddings(m), np.float32) for m in bundle.modalities], axis=1)
    present = bundle.present.copy()
    rows = bundle.sql("SELECT true_species, obscured FROM observations ORDER BY row")
    present[np.array([bool(r[1]) for r in rows]), bundle.modalities.index("loc")] = False
    records = recall_table(
        model,
        x,
        present & present.any(1, keepdims=True),
        np.array([r[0] for r in rows], dtype=object),
        LIMIT,
    )
    report = folder / "report.html"
    write_report(report, bundle, answers, records, world / "climate.npy")
    return report, recall_text(records)


def _questions(bundle: Bundle, world: Path) -> list[Query]:
    """Five questions in different directions, from observations of the world itself."""
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
