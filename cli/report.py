"""`prom3e-index report`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Device,
    Hub,
    Index,
    MovedMedia,
    OtherModel,
    Where,
    filled,
    pairs,
)
from prom3e_index.cli.screen import plural, progress, say

if TYPE_CHECKING:
    from prom3e_index.indexer.query_table import Row
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.answer_section import Section

MOST = 50
"""Questions of a page; a longer one would not open on a phone."""


def report(
    index: Index = DEFAULT_INDEX,
    image: Annotated[
        list[Path], typer.Option("--image", "--photo", help="Photo; each is a question.")
    ] = [],  # noqa: B006 - Typer copies it
    sat: Annotated[
        list[Path], typer.Option("--sat", "--tile", help="Satellite tile; each is a question.")
    ] = [],  # noqa: B006
    audio: Annotated[
        list[Path], typer.Option("--audio", "--sound", help="Recording; each is a question.")
    ] = [],  # noqa: B006
    location: Annotated[
        list[str],
        typer.Option("--location", "--place", help="Place in degrees; each is a question."),
    ] = [],  # noqa: B006
    text: Annotated[
        list[str],
        typer.Option("--text", "--name", help="Name, scientific or common; each is a question."),
    ] = [],  # noqa: B006
    queries: Annotated[
        Path | None,
        typer.Option(help="A table of questions: any modalities in each row, and `target`."),
    ] = None,
    map: Annotated[
        list[str],
        typer.Option("--map", metavar="COLUMN=FIELD", help="Which field a column of --queries is."),
    ] = [],  # noqa: B006
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            help="What to look for: image (or photo), sat (tile), loc (place), env (climate), text (name) or audio "
            "(sound).",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--hits", help="Hits of each question.")] = 8,
    where: Where = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path(
        "report.html"
    ),
    media: MovedMedia = None,
    model: OtherModel = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Write a page of what an index holds, questions with answers, how diverse places are and where species live.

    It opens without a network, on a phone too. Without questions a few are taken from the index's own observations.
    Questions of several modalities at once stand in the rows of --queries.
    """
    from prom3e_index.bundle.filters import Filter, parse_place
    from prom3e_index.cli.report_maps import map_sections
    from prom3e_index.cli.stdin import piped
    from prom3e_index.errors import InputError, MismatchError, ModelError, NotCachedError
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.report import outside_of, page_at, told_outside, write_report

    if map and queries is None:
        raise InputError("--map goes with --queries TABLE.")
    page_at(output)
    like = Query(
        target=filled("--target", target),
        k=k,
        filter=Filter(where=where),
        model=model,
        hub=hub,
        device=device,
    )
    said: list[str] = []
    with progress() as show, ExitStack() as held:
        bundle = held.enter_context(Bundle.open(index, media=media))
        files = iter(held.enter_context(piped([*image, *sat, *audio])))
        given: list[dict[str, Any]] = [{"image": next(files)} for _ in image]
        given += [{"sat": next(files)} for _ in sat]
        given += [{"audio": next(files)} for _ in audio]
        given += [{"location": parse_place(p)} for p in location] + [{"text": t} for t in text]
        rows = _rows(like, given, queries, pairs(map, "--map", "COLUMN=FIELD"))
        asked = list(islice(rows, MOST + 1))
        if len(asked) > MOST:
            said.append(f"The first {MOST} questions are shown; there are more.")
        show("questions", 0)
        put: list[tuple[Query, Section]] = []
        if asked:
            sections = _answered(bundle, asked[:MOST])
            both = zip(asked, sections, strict=False)
            put = [(row.query, s) for row, s in both if row.query is not None]
        else:
            try:
                put = own_sections(bundle, like)
                sections = [s for _, s in put]
                said.append(
                    "No question was given: these were taken from the index's own observations."
                    if sections
                    else _none_taken(like.target)
                )
            except (MismatchError, ModelError, NotCachedError) as e:
                sections = []
                said.append(f"No questions were asked: {e.typed}")
        maps = map_sections(bundle, put, like, show)
        show("page", 0)
        outside = outside_of(bundle, sections)
        write_report(output, bundle, sections, raster=_raster(bundle), said=said, maps=maps)
    for sentence in [*said, *([told_outside(outside)] if outside else [])]:
        say(sentence, err=True)
    refused = [s for s in sections if s.answer is None]
    for section in refused[:5]:
        say(f"no answer to {section.name}: {section.refused}", err=True)
    size = output.stat().st_size / 1e6
    say(
        f"{plural(len(sections), 'question')}, {len(refused)} without an answer; {output}, {size:.1f} MB"
    )
    if sections and len(refused) == len(sections):
        raise typer.Exit(1)


def _rows(
    like: Query, given: list[dict[str, Any]], table: Path | None, columns: dict[str, str]
) -> Iterator[Row]:
    """The questions: of the options, then of the table."""
    from prom3e_index.indexer.query_table import QueryTable, Row

    for one in given:
        (value,) = one.values()
        yield Row(Path(value).name if isinstance(value, Path) else str(value), replace(like, **one))
    if table is not None:
        yield from QueryTable(str(table), like, columns)


def _answered(bundle: Bundle, rows: list[Row]) -> list[Section]:
    from prom3e_index.indexer.query_batch import answered
    from prom3e_index.search.answered import Answer
    from prom3e_index.show.answer_section import Section

    return [
        Section(found, name) if isinstance(found, Answer) else Section(None, name, refused=found)
        for name, found in answered(bundle, rows, None)
    ]


def own_sections(bundle: Bundle, like: Query) -> list[tuple[Query, Section]]:
    """Questions that are taken from the index's own observations, with their answers."""
    from prom3e_index.show.answer_section import Section
    from prom3e_index.show.own_questions import own_questions

    asked = own_questions(bundle, like)
    answers = bundle.search_many([query for query, _ in asked])
    return [
        (query, Section(a, example=hit)) for a, (query, hit) in zip(answers, asked, strict=True)
    ]


def _none_taken(target: str | None) -> str:
    of = f" that have {target}" if target else ""
    return (
        f"No question was given, and none could be taken from the index's own observations: fewer than two{of} are "
        "there, or none to ask with."
    )


def _raster(bundle: Bundle) -> Path | None:
    """The climate raster that the index was built with, where it can be drawn."""
    from prom3e_index.bundle.model_place import found_again

    source = bundle.manifest["source"]
    path = found_again(bundle.path, source.get("climate"), source.get("climate_beside"))
    return path if path is not None and path.suffix == ".npy" and path.is_file() else None
