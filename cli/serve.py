"""`prom3e-index serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Device, Hub, Index, MovedMedia, OtherModel
from prom3e_index.cli.stores import Store


def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[INDEX]", help="The index; as --index.")
    ] = None,
    index: Index = DEFAULT_INDEX,
    store: Store = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; others than this machine's need --allow-host."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str],
        typer.Option(help="A further name by which the server may be asked, as lab.example."),
    ] = [],  # noqa: B006 - Typer copies it
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token, made where there is none; else each start has a new one."
        ),
    ] = None,
    no_token: Annotated[
        bool,
        typer.Option("--no-token", help="Let every program and user of this machine in."),
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    max_upload: Annotated[
        int, typer.Option(min=1, max=4096, help="Megabytes of a photo or recording that is sent.")
    ] = 50,
    marks: Annotated[
        Path | None,
        typer.Option(help="File for marks, a JSON line each."),
    ] = None,
    no_marks: Annotated[bool, typer.Option("--no-marks", help="Keep no marks.")] = False,
    originals: Annotated[
        bool,
        typer.Option(
            "--originals",
            help="Also give files as they are, with what they tell of place and maker; never of obscured observations.",
        ),
    ] = False,
    basemap: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Map below the hits, a .pmtiles of vector tiles."
        ),
    ] = None,
    expert: Annotated[
        bool, typer.Option("--expert", help="Let clients choose exact search, space, δ, γ and ε.")
    ] = False,
    rate: Annotated[
        str | None, typer.Option(help="Requests that one client may make, as 5/s or 100/min.")
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Show counts at /metrics, as Prometheus reads them.")
    ] = False,
    media: MovedMedia = None,
    model: OtherModel = None,
    hub: Hub = None,
    device: Device = "cpu",
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that decode photos and recordings.")
    ] = 2,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads of a network.")
    ] = None,
) -> None:
    """Serve an index, or a vector store: a page for browsers, and the same over HTTP for programs and QGIS.

    Prints the address, which holds a token: whoever has it may ask. Ctrl-C ends it; what runs is answered first.
    """
    import os

    from prom3e_index.cli.screen import say
    from prom3e_index.cli.start import leave, leave_quietly
    from prom3e_index.cli.stores import named_once, one_of
    from prom3e_index.errors import InputError
    from prom3e_index.server.run import new_token, read_token
    from prom3e_index.server.run import serve as run
    from prom3e_index.server.settings import MEGABYTE, Settings, parse_rate
    from prom3e_index.store.address import parse

    named = Path(named_once(folder, index))
    if folder is not None and store is not None:
        raise InputError(f"The index {folder} and --store {store} are both given; leave one out.")
    served = named if store is None else one_of(index, store)
    place = named.absolute() if store is None else Path.cwd() / parse(store).name
    if no_token and token_file is not None:
        raise InputError("--no-token and --token-file contradict each other; leave one out.")
    if no_marks and marks is not None:
        raise InputError("--no-marks and --marks contradict each other; leave one out.")
    if marks is not None and marks.is_dir():
        raise InputError(
            f"--marks is {marks}, a folder; name a file in it, as {marks / 'marks.jsonl'}."
        )
    if marks is not None and not marks.absolute().parent.is_dir():
        raise InputError(f"--marks is {marks}, and its folder does not exist. Make it first.")
    if basemap is not None and basemap.suffix != ".pmtiles":
        raise InputError(f"--basemap is {basemap}; it must be a .pmtiles of vector tiles.")
    token = None if no_token else read_token(token_file) if token_file is not None else new_token()
    settings = Settings(
        place if store is None else served,
        host,
        port,
        tuple(allow_host),
        token,
        max_upload * MEGABYTE,
        originals=originals,
        marks=None if no_marks else marks or place.with_name(f"{place.name}.marks.jsonl"),
        basemap=basemap,
        expert=expert,
        rate=None if rate is None else parse_rate(rate),
        metrics=metrics,
        device=device,
        media=media,
        model=model,
        hub=hub,
        workers=workers,
        threads=threads,
    )

    def started(address: str, once: str | None) -> None:
        say(f"{place.name} is served at\n\n    {address}\n")
        if store is not None and media is None:
            say(
                "Photos and sounds are not shown: --media FOLDER says where the store's are on this machine."
            )
        if store is not None and settings.marks is not None:
            say(f"Marks are kept in {settings.marks}.")
        if settings.token is not None:
            say("Whoever has this address may ask. Ctrl-C ends it.")
        else:
            say("Every program and user of this machine may ask. Ctrl-C ends it.")
        sys.stdout.flush()
        if open_:
            show_page(once or address)

    import sys

    run(
        settings,
        lambda line: say(line, err=True),
        started=started,
        leave=leave,
        debug=bool(os.environ.get("PROM3E_DEBUG")),
    )
    say("ended")
    leave_quietly()


def show_page(address: str) -> None:
    """Open an address in the browser, if there is one; what a browser says goes nowhere."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
