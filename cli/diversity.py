"""`prom3e-index diversity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import Device, Hub, Seed, TableOptions, folder, grouped
from prom3e_index.cli.reading import of_table
from prom3e_index.cli.screen import plural, progress, say


@grouped
def diversity(
    source: Annotated[
        str, typer.Argument(metavar="TABLE|INDEX", help="A table of observations, or an index.")
    ],
    *,
    region: Annotated[
        str | None,
        typer.Option(
            help="world, conus, a country (AUT), a state (US-CA), a box W,S,E,N or a .geojson."
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(help="Cells: 25km, 0.1deg, 250x500 (rows x columns of the region) or h3:5."),
    ] = None,
    crs: Annotated[
        str | None, typer.Option(help="EPSG code of the projection that kilometres are of.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="A GeoTIFF whose cells are taken, exactly.")
    ] = None,
    mask: Annotated[
        str, typer.Option(help="Which cells count: land, climate, none, a .geojson or a .tif.")
    ] = "land",
    climate: Annotated[
        Path | None,
        typer.Option(
            help="With --mask climate: a raster, .npy or GeoTIFF, with a value where cells count."
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="What counts as one: observer-day (a species, an observer, a day), or record."
        ),
    ] = None,
    rarefy: Annotated[
        int | None, typer.Option(help="Records that the species of each cell are compared at.")
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(help="Cells of the Gaussian of the smoothed bands; 0 smooths none."),
    ] = None,
    chao1: Annotated[
        bool,
        typer.Option("--chao1", help="Also Chao's lower bound, which still follows the effort."),
    ] = False,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper",
            help="The paper's recipe as printed: 250 x 500 cells, raw counts, its filter.",
        ),
    ] = False,
    options: TableOptions,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Model of the uncertainty of places; none leaves it."),
    ] = None,
    hub: Hub = None,
    device: Device = "cpu",
    samples: Annotated[
        int, typer.Option(help="Places in each cell that the model is asked about: 1, 4, 9, …")
    ] = 4,
    assign: Annotated[
        str,
        typer.Option(
            help="Cell of a record: of its point, or of a place drawn within its uncertainty (random)."
        ),
    ] = "point",
    seed: Seed = 0,
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=folder, help="New folder for the map.")
    ] = Path("diversity"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a map that stands there.")
    ] = False,
) -> None:
    """Map how diverse places are: species rarefied to equally many records, which do not follow the effort.

    Raw counts, Shannon's entropy, Hill numbers, coverage and what the model says of each cell stand beside. Rows whose
    places are obscured or generalised count in no cell.
    """
    from prom3e_index.diversity.run import DiversityConfig
    from prom3e_index.diversity.run import diversity as run

    config = DiversityConfig(
        source, output, region, grid, crs, like, mask, climate, unit, rarefy, smooth, chao1, paper,
        model, hub, device, samples, assign, seed, overwrite, of_table(options),
    )  # fmt: skip
    with progress() as show:
        told = run(config, show)
    say(
        f"{told['records']:,} of {plural(told['rows'], 'row')} count, {plural(told['cells_with_records'], 'cell')} of "
        f"{told['mask']['cells']:,}; {told['species']:,} species"
    )
    for reason, n in told["left_out"].items():
        say(f"  left out {n:,}: {reason}")
    for name, found in told["effort"].items():
        if found["spearman"] is not None:
            say(
                f"  {name:22s} Spearman with the effort {found['spearman']:+.3f}, {plural(found['cells'], 'cell')}"
            )
    if told["compared"].get("coverage", {}).get("reason"):
        say(f"  nothing is compared at equal coverage: {told['compared']['coverage']['reason']}")
    if told["model"]["reason"]:
        say(f"  of the model: {told['model']['reason']}")
    say(f"map: {output / 'diversity.tif'}\nreport: {output / 'report.html'}")
