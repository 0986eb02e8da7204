"""`prom3e-index map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Device, Hub, Index, OtherModel
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid
    from prom3e_index.maps.records import RecordsConfig
    from prom3e_index.models.folder import Model


def map_(
    index: Index = DEFAULT_INDEX,
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
        str,
        typer.Option(
            "--grid",
            help="Cells: 25km, 0.1deg, 5min, 250x500 (rows x columns of the region), or h3:5.",
        ),
    ] = "25km",
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
            "--climate", help="Climate raster, so that cells have a climate besides a place."
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
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder where cells are kept for the next query.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no cells.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that is made.")] = Path(
        "map"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the map in that folder.")
    ] = False,
    model: OtherModel = None,
    hub: Hub = None,
    device: Device = "cpu",
) -> None:
    """Map where a photo, sound, name or taxon may live, as GeoTIFF, picture and JSON; no probability."""
    from prom3e_index.cli.query import climate_values, one_or_all
    from prom3e_index.cli.screen import progress, say
    from prom3e_index.cli.stdin import piped
    from prom3e_index.grid.grid import Grid
    from prom3e_index.maps.files import write_map
    from prom3e_index.maps.records import RecordsConfig
    from prom3e_index.maps.run import MapConfig, make_map
    from prom3e_index.maps.spaces import maps_space
    from prom3e_index.maps.validate import validated
    from prom3e_index.models.folder import Model
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; name another folder with -o, or give --overwrite.")
    if paper and space is not None:
        raise InputError(f"--paper is a space of its own; leave out --space {space}.")
    asked = [*image, *sat, *audio, *text, *(v for v in (location, env) if v is not None)]
    of_index = {
        "--space": space,
        "--paper": paper,
        "--validate": validate,
        "--validate-taxon": validate_taxon,
        "--cache": cache,
        "--no-cache": no_cache,
    }
    if components is not None:
        without = {
            "--taxon": taxon,
            "--records": records,
            "--threshold": threshold,
            "--climate": climate,
        }
        _refuse("--components maps what a model tells apart", asked, without | of_index)
        if model is None:
            raise InputError(
                "--components needs --model: whose places are mapped, such as geoclip."
            )
        cells = Grid.like(like) if like is not None else Grid.of(region or "world", grid, crs)
        opened = Model.open(model, hub=hub, device=device)
        _of_model(opened, components, cells, mask, samples, output, overwrite)
        return
    if records is not None:
        _refuse("--records maps --taxon from records alone", asked, of_index)
        if taxon is None:
            raise InputError("--records needs --taxon NAME: which taxon of them is mapped.")
        _from_records(
            RecordsConfig(
                records, taxon, model or "geoclip", region, grid, crs, like, samples, mask, climate, threshold,
                hub=hub, device=device,
            ),
            output,
            overwrite,
        )  # fmt: skip
        return
    if threshold is not None:
        raise InputError("--threshold goes with --records; of a query no binary map is made.")
    if validate_taxon is not None and validate is None:
        raise InputError("--validate-taxon goes with --validate TABLE.")
    config = MapConfig(
        region=region or "world", cells=grid, crs=crs, like=like, samples=samples, mask=mask, climate=climate,
        paper=paper, cache=cache, keep=not no_cache,
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
        mapped = make_map(bundle, query, config, taxon, show)
        judged = None
        if validate is not None:
            judged = validated(bundle, mapped, validate, validate_taxon)
        facts = write_map(output, bundle, opened, mapped, judged, overwrite)
    spread = facts["similarity"]
    say(
        f"{output}: {facts['query']}, {facts['cells']:,} cells of {facts['grid']['name']}; similarity "
        f"{spread['lowest']:.2f} to {spread['highest']:.2f}, which is no probability"
    )
    if judged is not None:
        for line in _judged(judged):
            say(f"  {line}")
    say(
        f"  {facts['extrapolated_share']:.0%} of the cells lie beyond what the index's observations know",
        err=True,
    )
    if facts["means_nothing"]:
        from prom3e_index.search.meaning import MEANINGLESS

        say(f"  {MEANINGLESS}", err=True)


def _refuse(way: str, asked: list[Any], others: dict[str, Any]) -> None:
    """Refuse what a way of mapping has no use for: nothing that is given is passed over."""
    given = ["a query"] if asked else []
    given += [name for name, value in others.items() if value not in (None, False)]
    if given:
        raise InputError(f"{way}; leave {', '.join(given)} out.")


def _from_records(config: RecordsConfig, output: Path, overwrite: bool) -> None:
    from prom3e_index.cli.screen import progress, say
    from prom3e_index.maps.records import map_of_records
    from prom3e_index.maps.records_files import write_records_map
    from prom3e_index.maps.records_fit import summary

    with progress() as show:
        made = map_of_records(config, show)
        facts = write_records_map(output, made, overwrite)
    say(
        f"{output}: {facts['taxon']}, {facts['presence_cells']:,} cells with records against "
        f"{facts['target_group'] or 'uniform cells'}, {facts['cells']:,} cells of {facts['grid']['name']}; relative "
        "suitability, which is no probability"
    )
    for line in summary(made.facts["validation"]):
        say(f"  {'; '.join(line)}")
    say(f"  {facts['honest']}")
    for reason, n in facts["left_out"].items():
        say(f"  left out {n:,}: {reason}", err=True)


def _of_model(
    model: Model, what: str, grid: Grid, kind: str, samples: int, output: Path, overwrite: bool
) -> None:
    from prom3e_index.cli.screen import progress, say
    from prom3e_index.evaluation.probe.representations import known_representation, of_places
    from prom3e_index.grid.masks import PLANET, mask_of
    from prom3e_index.maps.cell_places import embed_cells
    from prom3e_index.maps.components import write_components

    known_representation(model, what)
    mask = mask_of(grid, PLANET if model.planet and kind == "land" else kind)
    with progress() as show:
        at = embed_cells(model.encoder("loc"), grid, mask.cells, samples, show)
        values = of_places(model, at, what)
        facts = write_components(
            output, grid, mask, values, model, what, samples=samples, overwrite=overwrite
        )
    say(
        f"{output}: three independent components of {what} of {model.name}, {facts['cells']:,} cells of "
        f"{facts['grid']['name']}; colours have no unit"
    )


def _judged(found: dict[str, Any]) -> list[str]:
    """What a validation found, in lines."""
    block, random, curve = found["auc_by_blocks"], found["auc_by_random_folds"], found["boyce"]
    lines = [
        f"judged by {found['presences']:,} records of {found['taxon']}, {found['background_records']:,} of other taxa",
        f"average precision {found['average_precision']:.3f} (by chance {found['average_precision_by_chance']:.3f}); "
        f"Boyce {curve['index']:+.2f} ({curve['low']:+.2f} to {curve['high']:+.2f})",
        f"AUC in blocks of 5 degrees {block['map']:.3f}, distance alone {block['distance_alone']:.3f}; in random folds "
        f"{random['map']:.3f}, distance alone {random['distance_alone']:.3f}, which flatters",
    ]
    return [*lines, *([curve["warning"]] if curve["warning"] else [])]
