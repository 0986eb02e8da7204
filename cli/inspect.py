"""`prom3e-index info`, `verify`, `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Hub, Index, MovedMedia, MovedModel
from prom3e_index.cli.screen import put_data, say, speaks_utf8
from prom3e_index.cli.stores import Store, one_of
from prom3e_index.show.escapes import json_text

if TYPE_CHECKING:
    from prom3e_index.indexer.verify import Check


def info(
    index: Index = DEFAULT_INDEX,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Write the whole manifest, what the rows hold and how sure answers are, as JSON.",
        ),
    ] = False,
    media: MovedMedia = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="Say what rows lost and which were refused, and why.")
    ] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="With --lost: a line for each, with ids and rows.")
    ] = False,
    search: Annotated[
        bool,
        typer.Option("--search", help="How it is searched, and what that finds: the certificate."),
    ] = False,
    store: Store = None,
) -> None:
    """Say what an index holds: species, years, places, licences, and the columns that --where can ask for.

    Of a store, with --store, also how it is searched, and what was measured of that.
    """
    from prom3e_index.cli.held import calibration, contents, write_held, write_search
    from prom3e_index.cli.held_store import write_store, write_store_json
    from prom3e_index.cli.lost import write_lost, write_lost_csv
    from prom3e_index.errors import InputError
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.opened import StoreBundle

    if csv and not lost:
        raise InputError("--csv goes with --lost; `export` writes the observations as CSV.")
    if store is not None:
        if lost or media is not None:
            raise InputError(
                f"What rows lost, and whether media are there, is told of an index folder, not of {store}; leave out "
                "--lost and --media."
            )
        with StoreBundle.open(str(one_of(index, store))) as opened:
            if as_json:
                write_store_json(opened)
            else:
                write_store(opened, search)
        return
    bundle = Bundle.open(index)
    m = bundle.manifest
    if as_json:
        whole = {**m, "contents": contents(bundle), "calibration": calibration(bundle)}
        put_data(json_text(whole, indent=1, ascii_only=not speaks_utf8()) + "\n")
        return
    if lost:
        (write_lost_csv if csv else write_lost)(bundle)
        return
    if means_nothing(bundle):
        say(f"warning: {MEANINGLESS}")
    if search:
        write_search(bundle)
    else:
        write_held(index, bundle, media)


def verify(
    index: Index = DEFAULT_INDEX,
    sample: Annotated[int, typer.Option(min=1, help="How many rows and files are compared.")] = 20,
    media: MovedMedia = None,
    model: MovedModel = None,
    hub: Hub = None,
) -> None:
    """Check that an index is whole: checksums, counts, keys, and a sample encoded again.

    Exit code 1 if anything differs.

    `–` stands before what could not be compared, because the files are not there.
    """
    from prom3e_index.indexer.verify import verify as run
    from prom3e_index.search.run import Bundle

    checks = run(Bundle.open(index, model=model, hub=hub), sample, media=media)
    for check in checks:
        say(_line(check))
    if not all(check.ok for check in checks):
        say("Restore the index from a copy, or run prom3e-index rebuild.", err=True)
        raise typer.Exit(1)


def _line(check: Check) -> str:
    mark = "FAIL" if not check.ok else "ok  " if check.compared else "–   "
    return f"{mark} {check.name}: {check.detail}"


def doctor(
    index: Index = DEFAULT_INDEX,
    conformance: Annotated[
        bool,
        typer.Option(
            "--conformance", help="Prove that every path of the search agrees on this machine."
        ),
    ] = False,
) -> None:
    """Say what is installed, whether there is a GPU, where weights are cached, what can be written.

    Whether a model is complete here says `models show NAME`.

    With --conformance every kind of index, filtered and not, is compared with float64 arithmetic, and a GPU
    with the CPU; exit code 1 if anything differs.
    """
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import prom3e_index

    say(
        f"prom3e-index {prom3e_index.__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    for name in (
        "torch",
        "torchvision",
        "open_clip_torch",
        "transformers",
        "laion-clap",
        "geoclip",
        "duckdb",
        "pyarrow",
        "numpy",
        "pillow",
        "soundfile",
        "av",
        "rasterio",
    ):
        try:
            say(f"  {name:16s} {version(name)}")
        except PackageNotFoundError:
            say(f"  {name:16s} not installed")
    import torch

    from prom3e_index.models.libraries import faiss_said

    for line in faiss_said():
        say(line)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    say(f"GPU: {', '.join(gpus) or 'none'}")
    from prom3e_index.models.hub_cache import lock_file, pinned

    say(
        f"hub: {len(pinned())} repositories pinned in {lock_file()}"
        f"{'; offline (HF_HUB_OFFLINE)' if os.environ.get('HF_HUB_OFFLINE') else ''}"
    )
    parent = index.resolve().parent
    say(f"write access to {parent}: {'yes' if os.access(parent, os.W_OK) else 'no'}")
    if conformance:
        from prom3e_index.indexer.conformance import conformance as run

        checks = []
        for check in run():
            checks.append(check)
            say(_line(check))
        if not all(check.ok for check in checks):
            raise typer.Exit(1)
