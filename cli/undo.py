"""`prom3e-index remove`, `restore`, `history`: what is taken from an index, and put back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prom3e_index.cli.options import DEFAULT_INDEX, Index, Where
from prom3e_index.cli.render import write_state
from prom3e_index.cli.screen import plural, progress, say
from prom3e_index.cli.stores import AlsoStore, also, bring, follows

if TYPE_CHECKING:
    from prom3e_index.indexer.removal import Removal


def remove(
    index: Index = DEFAULT_INDEX,
    where: Where = None,
    ids: Annotated[Path | None, typer.Option(help="A text file with one id a line.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Remove more than a tenth of the index without a question."
        ),
    ] = False,
    store: AlsoStore = None,
) -> None:
    """Remove observations from what is found; `restore` puts them back until `compact`.

    Without --where or --ids nothing is removed. More than a tenth of the index is removed after a question only, or
    with --yes. Ids that no observation has are said, and exit code 1.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.change import remove as run
    from prom3e_index.indexer.removal import MUCH, ids_of, removal

    if (where is None) == (ids is None):
        raise InputError("Say what to remove: either --where PREDICATE or --ids FILE.")
    wanted = None if ids is None else ids_of(ids)
    found = removal(index, Filter(where=where), wanted)
    if dry_run:
        _say_meant(index, found)
        _say_unknown(found)
        return
    follows(index, store)
    if found.share > MUCH and not yes:
        _ask(index, found)
    with progress() as show:
        done = run(index, Filter(where=where), wanted, show, found)
    rows = (
        f"rows of {plural(done.observations, 'observation')} "
        if done.removed > done.observations
        else ""
    )
    nothing = "; ".join(["nothing to remove", *found.empty])
    say(f"{done.removed:,} {rows}removed" if done.removed else nothing)
    write_state(index, done.manifest)
    if done.removed:
        say_way_back(index, found.generation, store)
    bring(index, store, bool(done.removed))
    _say_unknown(found)


def say_way_back(index: Path, generation: int, store: str | None) -> None:
    """How a change is undone, in a store too where it was brought into one."""
    from prom3e_index.show.escapes import in_command

    say(
        f"undo: prom3e-index restore --at {generation} --index {in_command(index)}{also(store)}, until compact"
    )


def _meant(found: Removal) -> str:
    rows = f" in {len(found.rows):,} rows" if len(found.rows) > found.observations else ""
    return (
        f"{found.observations:,} of {plural(found.of_observations, 'observation')}{rows} "
        f"({found.share:.1%} of the index)"
    )


def _say_meant(index: Path, found: Removal) -> None:
    from prom3e_index.show.escapes import shown

    if not len(found.rows):
        say("; ".join([f"nothing would be removed from {index}", *found.empty]))
        return
    say(f"would be removed from {index}: {_meant(found)}")
    for key, name in found.first:
        say(f"  {shown(key)}" + (f"  {shown(name)}" if name else ""))
    if len(found.rows) > len(found.first):
        say(f"  … and {len(found.rows) - len(found.first):,} more rows")
    say("nothing was changed (--dry-run)")


def _ask(index: Path, found: Removal) -> None:
    """Go on only where somebody at a terminal says so."""
    from prom3e_index.errors import InputError

    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(
            f"{_meant(found)} would be removed from {index}, more than a tenth, and nobody can be asked here; nothing "
            "was changed. Look first with --dry-run; say --yes to remove them."
        )
    say(f"Remove {_meant(found)} from {index}? [y/N]", err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say("nothing was changed", err=True)
        raise typer.Exit(1)


def _say_unknown(found: Removal) -> None:
    """Say which ids no observation has; exit code 1 then."""
    if found.unknown:
        shown = ", ".join(repr(i[:80]) for i in found.unknown[:5])
        say(f"{len(found.unknown):,} ids are not in the index: {shown}", err=True)
        raise typer.Exit(1)


def restore(
    at: Annotated[int, typer.Option("--at", min=1, help="The generation; `history` lists them.")],
    index: Index = DEFAULT_INDEX,
    store: AlsoStore = None,
) -> None:
    """Make the index what it was in an earlier generation: undo remove, update or add, until `compact`.

    It becomes a new generation, so a restore can be undone too. Nothing is encoded again.
    """
    from prom3e_index.indexer.restore import restore as run

    follows(index, store)
    with progress() as show:
        done = run(index, at, show)
    say(f"{plural(done.back, 'row')} back, {plural(done.gone, 'row')} gone: as in generation {at}")
    write_state(index, done.manifest)
    say_way_back(index, int(done.manifest["generation"]) - 1, store)
    bring(index, store, True)


def history(index: Index = DEFAULT_INDEX) -> None:
    """Say what changed in each generation, and which can still be looked at (--at) or restored."""
    from prom3e_index.bundle.manifest import read_manifest

    manifest = read_manifest(index)
    for entry in manifest["history"]:
        there = manifest.get("oldest", 1) <= entry["generation"]
        of = f" (as generation {entry['of']})" if "of" in entry else ""
        say(
            f"{entry['generation']:>5}  {entry['created']}  {entry['action']:8s} "
            f"+{entry['added']:,} −{entry['removed']:,}{of}{'' if there else '  (compacted away)'}"
        )


def say_ended(before: dict[str, Any]) -> None:
    """What can no longer be read once an index is one segment of one generation; `before` is its manifest then."""
    gone = int(before["deleted"]["rows"]) if before["deleted"] else 0
    first, last = int(before.get("oldest", 1)), int(before["generation"])
    which = f"generation {last}" if first == last else f"generations {first} to {last}"
    removed = f"{plural(gone, 'removed row')} left the files; " if gone else ""
    say(f"{removed}{which} can no longer be looked at or restored")
