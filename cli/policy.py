"""`prom3e-index policy init`, `explain`, `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Index,
    LookOptions,
    MovedMedia,
    config_from,
    grouped,
)
from prom3e_index.cli.screen import plural, progress, put_data, say

app = typer.Typer(
    help="Sensitive species: write a policy, say what it would do, look for places that an index should hide.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def init(
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="The file to write; the screen when left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a policy to fill in, with every key explained.

    No list of sensitive taxa comes with the program. A file that is there is not written over.
    """
    from prom3e_index.errors import InputError
    from prom3e_index.policy.template import TEMPLATE
    from prom3e_index.show.escapes import in_command

    if output is None:
        put_data(TEMPLATE)
        return
    try:
        with output.open("x", encoding="utf-8") as f:
            f.write(TEMPLATE)
    except FileExistsError as e:
        raise InputError(f"{output} exists already; name another file.") from e
    say(f"{output}: fill it in, then prom3e-index policy explain {in_command(output)} TABLE")


@app.command()
@grouped
def explain(
    policy: Annotated[Path, typer.Argument(help="The policy, a TOML file.")],
    table: Annotated[
        str, typer.Argument(help="Table, archive or folder of observations; - is stdin.")
    ],
    *,
    options: LookOptions,
    keep_column: Annotated[
        list[str],
        typer.Option(help="Keep this column in generalised rows though it may tell the place."),
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Say what a policy would do to a table, rule by rule; nothing is encoded and nothing is written."""
    from prom3e_index.indexer.policy_explain import explain as run
    from prom3e_index.policy.rules import read_policy

    read = read_policy(policy)
    config = config_from(table, DEFAULT_INDEX, options, keep_columns=tuple(keep_column))
    with progress() as show:
        found = run(config, read, show)
    for sentence in found:
        say(sentence)


@app.command()
def check(index: Index = DEFAULT_INDEX, media: MovedMedia = None) -> None:
    """Look through a finished index for places that should be hidden: columns, arrays, file names, EXIF.

    Exit code 1 if there is any; each is told with its file and row. Removed rows and earlier generations count, as
    they lie in the folder too.
    """
    from prom3e_index.indexer.policy_check import check_policy

    done = check_policy(index, media)
    for sentence in done.said:
        say(sentence)
    for finding in done.findings:
        say(f"LEAK {finding}")
    if done.found > len(done.findings):
        say(f"… and {done.found - len(done.findings):,} more")
    if done.found:
        say(f"{plural(done.found, 'leak')} found; do not give this index away as it is", err=True)
        raise typer.Exit(1)
    say("no leak found")
