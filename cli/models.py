"""`prom3e-index models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prom3e_index.cli.options import Hub
from prom3e_index.cli.screen import say

app = typer.Typer(help="Models: list, show, pull.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models() -> None:
    """List the models that come with the program."""
    from prom3e_index.models.folder import Model, built_in

    for name in built_in():
        say(f"{name:10s} {Model.open(name).summary}")


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="mini, taxabind, or a model folder.")],
    hub: Hub = None,
) -> None:
    """Say what a model is, where its parts come from, and which are on this machine."""
    from prom3e_index.errors import Prom3eError
    from prom3e_index.models.folder import Model
    from prom3e_index.models.hub_cache import locate, pinned

    m = Model.open(model, hub=hub)
    say(f"{m.name}: {m.summary}")
    say(
        f"modalities {', '.join(m.modalities)}; width {m.width}; decode {m.decode}; hidden {m.hidden}"
    )
    bank = m.settings.get("hubs", {}).get("bank")
    say(f"against hubs: {m.hubs} by default; bank of training queries: {bank or 'none'}")
    parts = {f"encoder {k}": k for k in m.settings.get("encoder", {})}
    for label, key in {**parts, "mvae": None}.items():
        try:
            source = m.source(key) if key else m.mvae_source
        except Prom3eError:
            source = str(m.settings["encoder"][key]["source"])
        if source is None:
            say(f"{label:14s} none yet; `prom3e-index train mvae` fits one")
            continue
        try:
            path = locate(source, m.folder, hub)
            files = (
                [path]
                if path.is_file()
                else [p for p in path.iterdir() if p.is_file() and p.name != bank]
            )
            state = f"{sum(p.stat().st_size for p in files) / 1e6:.1f} MB in {path}"
        except Prom3eError as e:
            state = str(e)
        commit = pinned().get(source.removeprefix("hf:"))
        say(f"{label:14s} {source}{' @ ' + commit[:8] if commit else ''}: {state}")


@app.command()
def pull(
    model: Annotated[
        str, typer.Argument(help="A model whose weights lie on the hub.")
    ] = "taxabind",
    revision: Annotated[
        str, typer.Option(help="Branch, tag or commit to pin, the first time.")
    ] = "main",
) -> None:
    """Download a model's weights once, and pin each repository to its commit."""
    from prom3e_index.models.folder import Model
    from prom3e_index.models.hub_cache import HUB_PREFIX, locate
    from prom3e_index.models.hub_cache import pull as download

    m = Model.open(model)
    config = m.settings.get("config", "")
    if config.startswith(HUB_PREFIX):
        download([config.removeprefix(HUB_PREFIX)], revision)
        locate(config, Path(m.folder), None)
    sources = [m.source(k) for k in m.settings.get("encoder", {})] + [m.mvae_source or ""]
    repos = sorted({s.removeprefix(HUB_PREFIX) for s in sources if s.startswith(HUB_PREFIX)})
    for repo, commit in download(repos, revision).items():
        say(f"{repo} @ {commit}")
    if not repos:
        say(f"{m.name} needs nothing from the hub")
