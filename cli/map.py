"""`prom3e-index map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Device,
    Hub,
    Index,
    OtherModel,
    TableOptions,
    folder,
    grouped,
)
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    pass


@grouped
def map_(
    index: Index = DEFAULT_INDEX,
    *,
    image: Annotated[
        list[Path],
        typer.Option("--image", "--photo", help="Photo to ask with; several are averaged."),
    ] = [],  # noqa: B006 - Typer copies it
    sat: Annotated[
        list[Path], typer.Option("--sat", "--tile", help="Satellite tile to ask with.")
    ] = [],  # noqa: B006
    audio: Annotated[
        list[Path], typer.Option("--audio", "--sound", help="Recording to ask with.")
    ] = [],  # noqa: B006
    location: Annotated[
        str | None, typer.Option("--location", "--place", help="Place to ask with, in degrees.")
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            "--env", "--climate-values", help="Climate to ask with: 20 values, or a .npy of them."
        ),
    ] = None,
    text: Annotated[
        list[str], typer.Option("--text", "--name", help="Name to ask with, scientific or common.")
    ] = [],  # noqa: B006
    taxon: Annotated[
        str | None,
        typer.Option(
            "--taxon",
            help="Ask with the index's own observations of this taxon, in place of a query.",
        ),
    ] = None,
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            help="A table or an index: map --taxon from its records alone, as --model (geoclip) sees places.",
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold", help="With --records, also a band of presence: lpt, lpt-r or tss."
        ),
    ] = None,
    components: Annotated[
        str | None,
        typer.Option(
            "--components",
            help="Map no query but what --model tells places apart by: encoder, mean, registers or all.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="What is shown: world, conus, a country (AUT), a state (US-CA), a box, or a .geojson of polygons.",
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid",
            help="Cells: 25km, 0.1deg, 5min, 250x500 (rows x columns of the region), or h3:5.",
        ),
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option("--crs", help="Reference system of kilometres, an EPSG code as 5070 or 3035."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", help="A raster whose grid and reference system are taken exactly."),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", help="Places of a cell that are averaged: 1, 4, 9 or 16.")
    ] = 4,
    mask: Annotated[
        str,
        typer.Option(
            "--mask",
            help="Cells that are mapped: land, climate (where --climate has values), none, or a .geojson or .tif.",
        ),
    ] = "land",
    climate: Annotated[
        Path | None,
        typer.Option(
            "--climate",
            help="Climate raster, so that cells have a climate besides a place; with --records or --components for "
            "--mask climate alone.",
        ),
    ] = None,
    tiles: Annotated[
        Path | None,
        typer.Option(
            "--tiles",
            help="Folder of satellite tiles, so that cells have one: georeferenced, or named ID_LATITUDE_LONGITUDE.png "
            "or by a cell's code.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="Where query and cells are compared: hybrid, encoder, reconstructed or hidden.",
        ),
    ] = None,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper",
            help="As the paper's maps: the query's own embedding with what each cell is completed to.",
        ),
    ] = False,
    expected_error: Annotated[
        bool | None,
        typer.Option(
            "--expected-error/--no-expected-error",
            help="Ask the index for the error that is expected at each cell, where it is calibrated; of up to 20,000 "
            "cells it is asked anyway.",
        ),
    ] = None,
    validate: Annotated[
        str | None,
        typer.Option(
            "--validate",
            help="Judge the map by the records of a table or an index, or by the index's own: own. Each is left out of "
            "what judges it.",
        ),
    ] = None,
    validate_taxon: Annotated[
        str | None,
        typer.Option("--validate-taxon", help="Whose records --validate takes as presences."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            help="Judge the map by a published range too: a JSON file laid out as SINR's iucn_res_5.json.",
        ),
    ] = None,
    truth_taxon: Annotated[
        str | None,
        typer.Option("--truth-taxon", help="The taxon's key in the file of --truth."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder where cells are kept for the next query.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no cells.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=folder, help="Folder that is made.")
    ] = Path("map"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the map in that folder.")
    ] = False,
    options: TableOptions,
    model: OtherModel = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Map where a photo, sound, name or taxon may live, as GeoTIFF, picture and JSON; no probability."""
    from prom3e_index.cli.mapping import from_records, of_model, say_of
    from prom3e_index.cli.query import climate_values, one_or_all
    from prom3e_index.cli.reading import of_table
    from prom3e_index.cli.screen import progress
    from prom3e_index.cli.stdin import piped
    from prom3e_index.grid.grid import Grid
    from prom3e_index.grid.write import check_folder
    from prom3e_index.maps.files import write_map
    from prom3e_index.maps.occurrences import read_occurrences
    from prom3e_index.maps.records import RecordsConfig
    from prom3e_index.maps.run import MapConfig, make_map
    from prom3e_index.maps.spaces import maps_space
    from prom3e_index.maps.truth import judged_by_range
    from prom3e_index.maps.validate import OWN, validated
    from prom3e_index.models.folder import Model
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

    check_folder(output, overwrite)
    if paper and space is not None:
        raise InputError(f"--paper is a space of its own; leave out --space {space}.")
    table = of_table(options)
    if table and records is None and validate in (None, OWN):
        raise InputError(
            f"{', '.join(options.given())} says how a table is read: that of --records or of --validate TABLE."
        )
    if like is not None and (
        own := [
            o for o, v in (("--grid", grid), ("--crs", crs), ("--region", region)) if v is not None
        ]
    ):
        raise InputError(f"--like takes a raster's region and cells; leave {', '.join(own)} out.")
    if region is None and records is None:
        region = "world"
    grid = "25km" if grid is None else grid
    asked = [*image, *sat, *audio, *text, *(v for v in (location, env) if v is not None)]
    of_index = {
        "--space": space,
        "--paper": paper,
        "--validate": validate,
        "--validate-taxon": validate_taxon,
        "--truth": truth,
        "--truth-taxon": truth_taxon,
        "--cache": cache,
        "--no-cache": no_cache,
        "--tiles": tiles,
        "--expected-error": expected_error,
    }
    if components is not None:
        without = {"--taxon": taxon, "--records": records, "--threshold": threshold}
        _refuse("--components maps what a model tells apart", asked, without | of_index)
        if model is None:
            raise InputError(
                "--components needs --model: whose places are mapped, such as geoclip."
            )
        cells = Grid.like(like) if like is not None else Grid.of(region or "", grid, crs)
        opened = Model.open(model, hub=hub, device=device)
        of_model(opened, components, cells, mask, climate, samples, output, overwrite)
        return
    if records is not None:
        _refuse("--records maps --taxon from records alone", asked, of_index)
        if taxon is None:
            raise InputError("--records needs --taxon NAME: which taxon of them is mapped.")
        from_records(
            RecordsConfig(
                records, taxon, model or "geoclip", region, grid, crs, like, samples, mask, climate, threshold,
                hub=hub, device=device, table=table,
            ),
            output,
            overwrite,
        )  # fmt: skip
        return
    if threshold is not None:
        raise InputError("--threshold goes with --records; of a query no binary map is made.")
    if validate_taxon is not None and validate is None:
        raise InputError("--validate-taxon goes with --validate TABLE.")
    if truth_taxon is not None and truth is None:
        raise InputError("--truth-taxon goes with --truth FILE.")
    config = MapConfig(
        region=region or "", cells=grid, crs=crs, like=like, samples=samples, mask=mask, climate=climate,
        tiles=tiles, expected_error=expected_error, paper=paper, cache=cache, keep=not no_cache,
    )  # fmt: skip
    with piped([*image, *sat, *audio]) as files, Bundle.open(index) as bundle, progress() as show:
        given = iter(files)
        several: dict[str, list[Any]] = {
            "image": [next(given) for _ in image],
            "sat": [next(given) for _ in sat],
        }
        several |= {"audio": list(given), "text": text}
        opened = bundle.model(model, hub, device)
        query = Query(
            **{m: one_or_all(v) for m, v in several.items()},
            location=location,
            env=climate_values(env) if env is not None else None,
            space=space or ("hybrid" if taxon else maps_space(opened)),  # type: ignore[arg-type]  # checked by the query
            model=model,
            hub=hub,
            device=device,
        )
        others = None
        if validate not in (None, OWN):  # what is wrong with it is said before minutes of mapping
            others = read_occurrences(validate, progress=show, **table)
            if (named := validate_taxon or taxon) is not None:
                others.of_taxon(named)
        mapped = make_map(bundle, query, config, taxon, show)
        judged = None
        if validate is not None:
            judged = validated(bundle, mapped, validate, validate_taxon, table=table, found=others)
        published = None if truth is None else judged_by_range(mapped, truth, truth_taxon)
        facts = write_map(output, bundle, opened, mapped, judged, overwrite, published)
    say_of(output, facts, judged)


def _refuse(way: str, asked: list[Any], others: dict[str, Any]) -> None:
    """Refuse what a way of mapping has no use for: nothing that is given is passed over."""
    given = ["a query"] if asked else []
    given += [name for name, value in others.items() if value not in (None, False)]
    if given:
        raise InputError(f"{way}; leave {', '.join(given)} out.")
