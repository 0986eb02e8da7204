"""`prom3e-index query`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from prom3e_index.cli.filtering import Bbox, LicenceAllow, Near, Since, Taxon, Until
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
from prom3e_index.cli.stores import Store, one_of, rows_named


def query(
    index: Index = DEFAULT_INDEX,
    store: Store = None,
    image: Annotated[
        list[Path],
        typer.Option(
            "--image",
            "--photo",
            help="Photo to ask with; - is stdin. Several are averaged.",
        ),
    ] = [],  # noqa: B006 - Typer copies it
    sat: Annotated[
        list[Path],
        typer.Option(
            "--sat", "--tile", help="Satellite tile to ask with, RGB or a Sentinel-2 GeoTIFF."
        ),
    ] = [],  # noqa: B006
    audio: Annotated[
        list[Path],
        typer.Option(
            "--audio", "--sound", help="Recording to ask with; call.wav@7:00-7:10 is a span of it."
        ),
    ] = [],  # noqa: B006
    location: Annotated[
        str | None,
        typer.Option("--location", "--place", help="Place to ask with, in degrees."),
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            "--climate-values",
            help="Climate to ask with: 20 values scaled as the model's raster, separated by commas, or a .npy of "
            "them.",
        ),
    ] = None,
    text: Annotated[
        list[str], typer.Option("--text", "--name", help="Name to ask with, scientific or common.")
    ] = [],  # noqa: B006
    embedding: Annotated[
        Path | None,
        typer.Option(help="An embedding to ask with, a .npy vector; --as says of what."),
    ] = None,
    embedding_of: Annotated[
        str | None,
        typer.Option(
            "--as",
            "--embedding-of",
            help="Modality of --embedding: image, sat, loc, env, text or audio.",
        ),
    ] = None,
    like: Annotated[
        list[str],
        typer.Option(
            "--like",
            help="Observation of the index to ask with, by its id: what the index holds of it. Several are averaged.",
        ),
    ] = [],  # noqa: B006
    by: Annotated[
        list[str],
        typer.Option(
            "--by", help="What of --like to ask with, as image; all that it has by default."
        ),
    ] = [],  # noqa: B006
    more: Annotated[
        list[str],
        typer.Option(
            "--more", help="Observation marked as wanted, by its id: moves the query there."
        ),
    ] = [],  # noqa: B006
    less: Annotated[
        list[str],
        typer.Option(
            "--less", help="Observation marked as unwanted, by its id: moves the query away."
        ),
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
    k: Annotated[int, typer.Option("-k", "--hits", help="How many hits.")] = 10,
    space: Annotated[
        str,
        typer.Option(
            help="Where query and rows are compared: hybrid, encoder, reconstructed or hidden."
        ),
    ] = "hybrid",
    delta: Annotated[
        float | None, typer.Option(help="δ: share of the completed target in the query, 0 to 1.")
    ] = None,
    gamma: Annotated[
        float | None, typer.Option(help="γ: share of the model's hidden state, 0 to 1.")
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            help="ε: share of reconstruction in the rows, 0 to 1. Another than the index's costs a scan, or "
            "completes up to 100,000 rows again."
        ),
    ] = None,
    observed_only: Annotated[
        bool, typer.Option("--observed-only", help="No hits that the model has completed.")
    ] = False,
    where: Where = None,
    near: Near = None,
    bbox: Bbox = None,
    taxon: Taxon = None,
    since: Since = None,
    until: Until = None,
    licence_allow: LicenceAllow = None,
    group_by: Annotated[
        str | None,
        typer.Option(help="At most one hit of each value of this column, as species."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also say what confidence rests on, and how it was found: space, δ, γ, ε, ‖σ‖₁, milliseconds.",
        ),
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Score every eligible row, whatever kind the index is.")
    ] = False,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence/--no-confidence",
            help="Say how likely the first hit is right, which species it may be and what to add, as the index's own "
            "observations told or, in a small index, the model's validation rows.",
        ),
    ] = True,
    at: Annotated[
        int | None,
        typer.Option(help="Ask an earlier generation of the index; `history` lists them."),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="A table of queries, read as `build` reads tables: any modalities in each row, and `target`. With "
            "-o FILE an interrupted run goes on."
        ),
    ] = None,
    map: Annotated[
        list[str], typer.Option("--map", help="Which field a column of --queries is.")
    ] = [],  # noqa: B006
    media: MovedMedia = None,
    queries_media: Annotated[
        Path | None, typer.Option(help="Folder that relative paths in --queries start from.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode media of --queries.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard unfinished answers to other queries.")
    ] = False,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="Format of the answer: table, json, jsonl, csv, geojson, parquet, gpkg, geoparquet, h3 or dwca; of "
            "--queries jsonl, csv or parquet.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer into this file.")
    ] = None,
    model: OtherModel = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Find observations by a photo, sound, place, tile, climate or name, or by several of them."""
    from dataclasses import replace
    from time import perf_counter

    begun = perf_counter()
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.cli.render import FORMATS, NEED_A_FILE, write_answer
    from prom3e_index.cli.stdin import piped
    from prom3e_index.errors import InputError
    from prom3e_index.search.query import Query
    from prom3e_index.show.endings import format_of, not_the_table
    from prom3e_index.show.export import hit_columns
    from prom3e_index.store.opening import open_index

    output = None if output == Path("-") else output
    if queries is None:
        format = format_of(format, output, FORMATS, "table")
        if format in NEED_A_FILE and output is None:
            raise InputError(f"--format {format} needs --output FILE.")
    elif explain:
        raise InputError("--explain is for one query; leave it out with --queries.")
    if (embedding is None) != (embedding_of is None):
        raise InputError("--embedding FILE.npy and --as MODALITY go together.")
    asked = Query(
        location=location,
        env=climate_values(env) if env is not None else None,
        embedding=_vector(embedding) if embedding is not None else None,
        embedding_of=embedding_of,
        target=filled("--target", target),
        k=k,
        space=space,  # type: ignore[arg-type]  # checked by the search
        delta=delta,
        gamma=gamma,
        epsilon=epsilon,
        observed_only=observed_only,
        filter=Filter(
            where=where,
            near=near,
            bbox=bbox,
            taxon=taxon,
            since=since,
            until=until,
            licence_allow=licence_allow,
        ),
        group_by=group_by,
        exact=exact,
        confidence=confidence,
        model=model,
        hub=hub,
        device=device,
    )
    marked = like or by or more or less
    own = asked.given() or asked.embedding is not None or image or sat or audio or text or marked
    if queries is not None and own:
        raise InputError(
            "--queries says what is given in each row; leave out --image, --text, --like and the others."
        )
    if queries is None and (map or queries_media or workers or restart):
        raise InputError("--map, --queries-media, --workers and --restart go with --queries TABLE.")
    bundle = open_index(
        one_of(index, store), gpu=device.startswith("cuda") and device, at=at, media=media
    )
    not_the_table(output, bundle.manifest)
    if marked:
        named = rows_named(bundle, {"like": like, "more": more, "less": less})
        asked = replace(
            asked,
            like=named["like"] or None,
            like_by=tuple(by) or None,
            more=named["more"],
            less=named["less"],
        )
    if queries is not None:
        from prom3e_index.cli.query_many import query_many

        with piped([queries]) as (table,):
            query_many(
                bundle, asked, table, pairs(map, "--map", "COLUMN=FIELD"), queries_media, output, format, workers,
                restart,
            )  # fmt: skip
        return
    with piped([*image, *sat, *audio]) as files:
        given = iter(files)
        several: dict[str, list[Any]] = {
            "image": [next(given) for _ in image],
            "sat": [next(given) for _ in sat],
        }
        several |= {"audio": list(given), "text": text}
        asked = replace(asked, **{m: one_or_all(v) for m, v in several.items()})
        opened = perf_counter() - begun
        answer = bundle.search(asked)
        answer.search["milliseconds"] |= {"open": round(opened * 1000, 2)}
        assert format is not None  # decided above
        write_answer(answer, format, output, hit_columns(bundle), explain)


def one_or_all(given: list[Any]) -> Any:
    """What a query takes: None, one, or a list."""
    return (given[0] if len(given) == 1 else given) if given else None


def _vector(path: Path) -> list[float]:
    import numpy as np

    from prom3e_index.errors import InputError

    try:
        values = np.load(path, allow_pickle=False)
        if getattr(values, "dtype", np.dtype(object)).kind not in "fiu":
            raise ValueError("it holds no array of numbers")
        return [float(v) for v in values.reshape(-1)]
    except (OSError, ValueError, TypeError, EOFError) as e:
        raise InputError(f"{path} cannot be read as a plain .npy vector: {e}.") from e


def climate_values(text: str) -> list[float]:
    """What `--env` gives: numbers between commas, or those of a .npy."""
    from prom3e_index.errors import InputError

    if text.endswith(".npy"):
        return _vector(Path(text))
    try:
        return [float(v) for v in text.split(",")]
    except ValueError:
        raise InputError(
            f"--env is 20 numbers separated by commas, or a .npy file; not {text[:60]!r}."
        ) from None
