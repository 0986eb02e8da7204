"""`prom3e-index look`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, LookOptions, config_from, grouped
from prom3e_index.cli.screen import progress, put_data, speaks_utf8


@grouped
def look(
    table: Annotated[
        str, typer.Argument(help="Table, archive or folder of observations; - is stdin.")
    ],
    *,
    options: LookOptions,
    urls: Annotated[
        Path | None,
        typer.Option(
            "--urls",
            help="Write the addresses of media that are not here into this file, one a line.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write all of it as JSON.")] = False,
) -> None:
    """Say what would be understood of a table: format, fields, what rows have, what is lost and why.

    Nothing is encoded and nothing is written but --urls. Files are only looked for, not read.
    """
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.indexer.look import look as run
    from prom3e_index.indexer.understood import refuse_losses
    from prom3e_index.show.escapes import json_text

    config = config_from(table, DEFAULT_INDEX, options)
    with progress() as show:
        found = run(config, urls, show)
    if as_json:
        put_data(json_text(found.as_json(), indent=1, ascii_only=not speaks_utf8()) + "\n")
    else:
        write_understood(found, err=False)
    if options.strict:
        refuse_losses(found)
