"""`prom3e-index query`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Device, Hub, Index, Where, filled


def query(
    index: Index = DEFAULT_INDEX,
    image: Annotated[Path | None, typer.Option(help="Photo.")] = None,
    sat: Annotated[Path | None, typer.Option(help="Satellite tile.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Recording.")] = None,
    location: Annotated[str | None, typer.Option(help="LATITUDE,LONGITUDE in degrees.")] = None,
    env: Annotated[
        str | None, typer.Option(help="20 scaled climate values, or a .npy of them.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Taxonomic name.")] = None,
    embedding: Annotated[Path | None, typer.Option(help="A .npy vector, with --as.")] = None,
    embedding_of: Annotated[
        str | None, typer.Option("--as", help="Modality of --embedding.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Modality searched for.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Hits.")] = 10,
    space: Annotated[
        str, typer.Option(help="hybrid, encoder, reconstructed or hidden.")
    ] = "hybrid",
    delta: Annotated[
        float | None, typer.Option(help="δ, share of the completed target in the query.")
    ] = None,
    gamma: Annotated[float | None, typer.Option(help="γ, share of the hidden block.")] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            help="ε, share of reconstruction in the gallery. 0 costs a scan; others complete up to 100,000 "
            "observations again, seconds per ten thousand."
        ),
    ] = None,
    observed_only: Annotated[
        bool, typer.Option("--observed-only", help="No completed hits.")
    ] = False,
    where: Where = None,
    near: Annotated[
        str | None, typer.Option(help="LATITUDE,LONGITUDE,RADIUS with km or m.")
    ] = None,
    bbox: Annotated[str | None, typer.Option(help="WEST,SOUTH,EAST,NORTH in degrees.")] = None,
    taxon: Annotated[
        str | None,
        typer.Option(
            help="A name at any rank: the whole name, not a part of it; authors and capitals do not matter."
        ),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="First day.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="At most one hit per value of this column, or `species`; values are compared whole."
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Score every eligible row, whatever the index.")
    ] = False,
    at: Annotated[int | None, typer.Option(help="An earlier generation; see history.")] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="table, json, jsonl, csv, geojson or parquet.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there.")] = None,
    model: Annotated[str | None, typer.Option(help="When not the index's own.")] = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Search by any set of modalities; --target says what to look for."""
    from prom3e_index.bundle.filters import (
        Filter,
        parse_bbox,
        parse_day,
        parse_near,
        parse_place,
    )
    from prom3e_index.cli.render import FORMATS, write_answer
    from prom3e_index.errors import InputError, near_names
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.export import hit_columns

    if format not in FORMATS:
        raise InputError(
            f"Unknown format {format!r}; known: {', '.join(FORMATS)}{near_names(format, FORMATS)}."
        )
    if format == "parquet" and output is None:
        raise InputError("--format parquet needs --output FILE.")
    if (embedding is None) != (embedding_of is None):
        raise InputError("--embedding FILE.npy and --as MODALITY go together.")
    asked = Query(
        image=image,
        sat=sat,
        audio=audio,
        location=parse_place(location) if location is not None else None,
        env=_climate(env) if env is not None else None,
        text=text,
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
            near=parse_near(near) if near is not None else None,
            bbox=parse_bbox(bbox) if bbox is not None else None,
            taxon=filled("--taxon", taxon),
            since=parse_day(since, last=False) if since is not None else None,
            until=parse_day(until, last=True) if until is not None else None,
        ),
        group_by=group_by,
        exact=exact,
        model=model,
        hub=hub,
        device=device,
    )
    first, last = asked.filter.since, asked.filter.until
    if first is not None and last is not None and first > last:
        raise InputError(f"--from {since} lies after --to {until}; no day is both.")
    bundle = Bundle.open(index, gpu=device.startswith("cuda") and device, at=at)
    write_answer(bundle.search(asked), format, output, hit_columns(bundle))


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


def _climate(text: str) -> list[float]:
    from prom3e_index.errors import InputError

    if text.endswith(".npy"):
        return _vector(Path(text))
    try:
        return [float(v) for v in text.split(",")]
    except ValueError:
        raise InputError(
            f"--env is 20 numbers separated by commas, or a .npy file; not {text[:60]!r}."
        ) from None
