"""`prom3e-index export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prom3e_index.cli.filtering import Bbox, LicenceAllow, Near, Since, Taxon, Until
from prom3e_index.cli.options import DEFAULT_INDEX, Index, Where
from prom3e_index.cli.screen import plural, say
from prom3e_index.cli.stores import Store, one_of

if TYPE_CHECKING:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.exports.eml import About
    from prom3e_index.search.run import Bundle

_ABOUT = "of a Darwin Core Archive"


def export(
    file: Annotated[
        Path | None, typer.Argument(metavar="OUTPUT", help="The file to write.", show_default=False)
    ] = None,
    index: Index = DEFAULT_INDEX,
    store: Store = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write, as an option.")
    ] = None,
    what: Annotated[
        str, typer.Option(help="What is written: metadata (all columns) or embeddings.")
    ] = "metadata",
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="Format of the file: parquet, csv, geojson, gpkg (GeoPackage), geoparquet, h3 (counts by cells) or "
            "dwca (Darwin Core Archive).",
        ),
    ] = None,
    where: Where = None,
    near: Near = None,
    bbox: Bbox = None,
    taxon: Taxon = None,
    since: Since = None,
    until: Until = None,
    licence_allow: LicenceAllow = None,
    resolution: Annotated[
        int,
        typer.Option(help="Size of the cells of an h3 table, 0 (a continent) to 15; 5 is 253 km²."),
    ] = 5,
    title: Annotated[str | None, typer.Option(help=f"Title {_ABOUT}.")] = None,
    publisher: Annotated[
        str | None, typer.Option(help=f"Person or organisation that answers for it, {_ABOUT}.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help=f"Their mail address, {_ABOUT}.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="First name the faults that GBIF would flag; with any, nothing is written and the exit code is 1.",
        ),
    ] = False,
) -> None:
    """Write the observations, or their embeddings, for other software; all of them, or those of a filter.

    Beside the file go ATTRIBUTION.csv (whose they are), CITATION.txt and, of records of GBIF, derived_dataset.csv; an
    archive holds its own. Columns of private places are never written. With --check alone nothing is written.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.cli.render import write_said
    from prom3e_index.errors import InputError
    from prom3e_index.exports.eml import About
    from prom3e_index.exports.write import write_export
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing
    from prom3e_index.store.opening import open_index

    if (file is not None and output is not None) or (file is None and output is None and not check):
        raise InputError("Name one file to write: export FILE, or export --output FILE.")
    output = file or output
    chosen = Filter(
        where=where,
        near=near,
        bbox=bbox,
        taxon=taxon,
        since=since,
        until=until,
        licence_allow=licence_allow,
    )
    about = About(title, publisher, contact)
    bundle = open_index(one_of(index, store))
    if check:
        _check(bundle, chosen, about)
    if output is None:
        return
    written = write_export(
        bundle, output, what=what, format=format, chosen=chosen, resolution=resolution, about=about
    )
    counted = plural(written, "cell") if written.format == "h3" else f"{written:,} rows"
    say(f"{counted} in {output}")
    write_said(written)
    if written.format == "dwca" and about.lacking():
        say(f"GBIF asks for more: {', '.join(about.lacking())}", err=True)
    if means_nothing(bundle):
        say(f"warning: {MEANINGLESS}", err=True)


def _check(bundle: Bundle, chosen: Filter, about: About) -> None:
    """Name the faults; exit code 1 with any."""
    from prom3e_index.exports.check import faults
    from prom3e_index.exports.rows import Rows
    from prom3e_index.show.escapes import shown

    rows = Rows.chosen(bundle, chosen)
    found = faults(rows)
    for fault in found:
        say(shown(f"FAULT {fault}"))
    if about.lacking():
        say(f"not stated, and asked for by GBIF: {', '.join(about.lacking())}")
    if found:
        say(
            f"{plural(len(found), 'kind')} of faults in {len(rows):,} rows; nothing was written. Correct the table, "
            "leave the rows out (--where, --licence-allow), or export without --check.",
            err=True,
        )
        raise typer.Exit(1)
    say(f"{len(rows):,} rows, no fault; the country of a place is not compared")
