"""`prom3e-index models`."""

from __future__ import annotations

from typing import Annotated

import typer

from prom3e_index.cli.options import Hub
from prom3e_index.cli.screen import say

app = typer.Typer(
    help="Say which models there are and what they are, and download them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_models() -> None:
    """List the models that come with the program: size, licence, whether they are on this machine."""
    from prom3e_index.models.folder import Model, built_in
    from prom3e_index.models.parts import in_words, licences, parts_of

    for name in built_in():
        model = Model.open(name)
        parts = parts_of(model)
        sizes = [p.size for p in parts]
        total = in_words(None if None in sizes else sum(s or 0 for s in sizes))
        here = sum(p.path is not None for p in parts)
        where = "here" if here == len(parts) else f"{here} of {len(parts)} parts here"
        say(f"{name:10s} {total}, {where}; licence: {licences(parts)}")
        say(f"{'':10s} {model.summary}")


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="taxabind, geoclip, mini, or a model folder.")],
    hub: Hub = None,
) -> None:
    """Say what a model is, where its parts come from, how large they are, and which are on this machine."""
    from prom3e_index.models.folder import Model
    from prom3e_index.models.hub_cache import pinned
    from prom3e_index.models.parts import in_words, lacking, parts_of
    from prom3e_index.models.seen_parts import seen_by

    m = Model.open(model, hub=hub)
    say(f"{m.name}: {m.summary}")
    say(
        f"modalities {', '.join(m.modalities)}; width {m.width}; decode {m.decode}; hidden {m.hidden}"
    )
    bank = "yes" if m.has_bank else "none"
    say(f"against hubs: {m.hubs} by default; bank of training queries: {bank}")
    seen, unknown = seen_by(m)
    if seen is None:
        say("trained on: not stated")
    else:
        chosen = f", its weights chosen on {seen.chosen.n:,}" if seen.chosen else ""
        rows = f"{seen.n:,} rows" if seen.n else "not stated"
        say(f"trained on: {rows}{chosen}; `evaluate` tells which rows it has seen")
        for what in unknown if seen.n else ():
            say(f"not stated: what {what} trained on")
    commits = pinned()
    for part in parts_of(m):
        commit = commits.get(part.repository or "")
        source = part.source + (f" @ {commit[:8]}" if commit else "")
        where = f"in {part.path}" if part.path else "not on this machine"
        what = "+".join(part.what)
        say(f"{what:14s} {in_words(part.size)}, licence {part.licence}; {source}: {where}")
    if m.mvae_source is None and len(m.modalities) == 1:
        say(
            f"mvae           none: {m.modalities[0]} alone cannot be completed; for `evaluate probe`"
        )
    elif m.mvae_source is None:
        say("mvae           none yet; `prom3e-index train mvae` fits one")
    missing = lacking(m)
    if missing is not None:
        say(missing)


@app.command()
def pull(
    model: Annotated[
        str, typer.Argument(help="A model whose weights lie on the hub.")
    ] = "taxabind",
    revision: Annotated[
        str, typer.Option(help="Branch, tag or commit that is taken the first time, and kept.")
    ] = "main",
) -> None:
    """Download a model's weights once, and pin each repository to its commit."""
    from prom3e_index.errors import NotCachedError
    from prom3e_index.models.folder import Model
    from prom3e_index.models.hub_cache import HUB_PREFIX
    from prom3e_index.models.hub_cache import pull as download
    from prom3e_index.models.parts import not_pulled, parts_of

    m = Model.open(model)
    config = m.settings.get("config", "")
    try:
        if config.startswith(HUB_PREFIX):
            download([config.removeprefix(HUB_PREFIX)], revision)
        repos = [p.repository for p in parts_of(m) if p.repository]
        commits = download(repos, revision)
    except NotCachedError as e:
        raise NotCachedError(not_pulled(m, str(e))) from e
    for repo, commit in commits.items():
        say(f"{repo} @ {commit}")
    if not repos:
        say(f"{m.name} needs nothing from the hub")
