"""`prom3e-index add`, `update`, `remove`, `compact`, `rebuild`, `certify`, `history`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    AllowOutside,
    Climate,
    Device,
    Duplicates,
    Format,
    Hub,
    Index,
    Kind,
    Latency,
    Map,
    Media,
    Memory,
    Recall,
    Workers,
    mapping,
    progress,
    wishes,
)

Table = Annotated[
    str, typer.Argument(help="Table, archive or folder of observations, or embeddings.")
]
Restart = Annotated[bool, typer.Option("--restart", help="Discard an unfinished one.")]


def _with_table(update: bool, help: str) -> Callable[..., None]:
    """`add` and `update`: the same options, rows that are new or rows that are known."""

    def command(
        table: Table,
        index: Index = DEFAULT_INDEX,
        hub: Hub = None,
        format: Format = None,
        map: Map = [],  # noqa: B006 - Typer copies it
        media: Media = None,
        allow_outside: AllowOutside = False,
        climate: Climate = None,
        duplicates: Duplicates = "error",
        device: Device = "cpu",
        workers: Workers = None,
        restart: Restart = False,
    ) -> None:
        from prom3e_index.indexer.change import add as run
        from prom3e_index.indexer.work import BuildConfig

        config = BuildConfig(
            table=table,
            out=index,
            hub=hub,
            format=format,
            columns=mapping(map),
            media=media,
            allow_outside=allow_outside,
            climate=climate,
            duplicates=duplicates,
            device=device,
            restart=restart,
        )
        if workers is not None:
            config = replace(config, workers=workers)
        with progress() as show:
            done = run(index, config, show, update)
        said = [f"{done.added:,} {'written anew' if update else 'added'}"]
        if not update:
            said.append(f"{done.known:,} were there already")
        typer.echo(f"{', '.join(said)}, {done.rejected:,} rejected")
        if done.rejected:
            name = done.manifest["segments"][-1]["name"]
            typer.echo(f"reasons: {index / name / 'rejected.parquet'}; prom3e-index info --lost")
        _state(index, done.manifest)

    command.__doc__ = help
    return command


add = _with_table(
    False, "Add the observations of a table that the index does not hold; only they are encoded."
)
update = _with_table(
    True, "Replace the observations that have the ids of a table's rows; the ids stay."
)


def _state(index: Path, manifest: dict[str, Any]) -> None:
    gone = manifest["counts"].get("rows_removed", 0)
    more = f"; {gone:,} removed rows stay in its files until compact" if gone else ""
    typer.echo(
        f"{index}: generation {manifest['generation']}, {manifest['rows']:,} observations{more}"
    )


def remove(
    index: Index = DEFAULT_INDEX,
    where: Annotated[str | None, typer.Option(help="SQL predicate over the observations.")] = None,
    ids: Annotated[Path | None, typer.Option(help="A text file with one id per line.")] = None,
) -> None:
    """Remove observations from what is found; `compact` takes them out of the files.

    Without --where or --ids nothing is removed. Ids that no observation has are said, and exit code 1.
    """
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.errors import InputError
    from prom3e_index.indexer.change import remove as run

    if (where is None) == (ids is None):
        raise InputError("Say what to remove: either --where PREDICATE or --ids FILE.")
    wanted = None if ids is None else _lines(ids)
    with progress() as show:
        done = run(index, Filter(where=where), wanted, show)
    typer.echo(f"{done.removed:,} removed" if done.removed else "nothing to remove")
    _state(index, done.manifest)
    if done.unknown:
        shown = ", ".join(repr(i[:80]) for i in done.unknown[:5])
        typer.echo(f"{len(done.unknown):,} ids are not in the index: {shown}", err=True)
        raise typer.Exit(1)


def _lines(path: Path) -> list[str]:
    from prom3e_index.errors import InputError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path} cannot be read as lines of UTF-8: {e}.") from e
    ids = list(dict.fromkeys(line.rstrip("\r") for line in text.split("\n")))
    return [i for i in ids if i]


def compact(index: Index = DEFAULT_INDEX) -> None:
    """Write the index anew without its removed rows; they leave every file, earlier generations go."""
    from prom3e_index.indexer.compact import compact as run

    with progress() as show:
        manifest = run(index, show)
    _state(index, manifest)


def rebuild(
    index: Index = DEFAULT_INDEX,
    target_recall: Recall = None,
    memory: Memory = None,
    latency: Latency = None,
    kind: Kind = None,
) -> None:
    """Restore damaged FAISS files and vectors from what is stored, or choose another kind of index.

    What is not given stays as the index was built. Removed rows and earlier generations go, as with `compact`.
    """
    from prom3e_index.indexer.compact import compact as run

    chosen = wishes(target_recall, memory, latency, kind)
    with progress() as show:
        manifest = run(index, show, chosen, "rebuild")
    _state(index, manifest)
    write_certificate(manifest)


def certify(
    index: Index = DEFAULT_INDEX,
    queries: Annotated[int, typer.Option(min=1, help="Per target.")] = 128,
    store: Annotated[bool, typer.Option("--store", help="Put it into the manifest.")] = False,
) -> None:
    """Measure again what the search finds of the exact answer, and how fast, on this machine."""
    from prom3e_index.errors import BundleError
    from prom3e_index.indexer.certify import certify as measure
    from prom3e_index.indexer.generation import changing, commit, successor
    from prom3e_index.search.run import Bundle

    bundle = Bundle.open(index)
    with progress() as show:
        made = measure(bundle, bundle.model(), show, queries)
    write_certificate({**bundle.manifest, "certificate": made})
    if store:
        with changing(index, "certify") as old:
            if old["generation"] != made["generation"]:
                raise BundleError(
                    f"{index} became generation {old['generation']} while generation {made['generation']} was "
                    "measured; certify it again."
                )
            new = {**successor(old, "certify"), "certificate": made}
            made["generation"] = new["generation"]
            commit(index, old, new)
        _state(index, new)


def history(index: Index = DEFAULT_INDEX) -> None:
    """Say what changed in each generation, and which can still be looked at with --at."""
    from prom3e_index.bundle.manifest import read_manifest

    manifest = read_manifest(index)
    for entry in manifest["history"]:
        there = manifest.get("oldest", 1) <= entry["generation"]
        typer.echo(
            f"{entry['generation']:>5}  {entry['created']}  {entry['action']:8s} "
            f"+{entry['added']:,} −{entry['removed']:,}{'' if there else '  (compacted away)'}"
        )


def write_certificate(manifest: dict[str, Any]) -> None:
    """The certificate as a table."""
    made = manifest["certificate"]
    if made.get("stale"):
        typer.echo(f"certificate: of an earlier generation, not made anew: {made['stale']}")
    if "targets" not in made:  # format 1
        recall = ", ".join(f"{k} {v}" for k, v in made.get("recall@10", {}).items())
        typer.echo(f"certificate of {made.get('queries', 0)} queries: recall@10 {recall}")
        return
    typer.echo(
        f"certificate: {made['queries']:,} cross-modal queries over {made['rows']:,} rows, generation "
        f"{made['generation']}, {made['created']}, {made['machine']}, FAISS {made['versions']['faiss']}"
    )
    head = (
        "target",
        "kind",
        "R@1",
        "R@10",
        "R@100",
        "p50",
        "p95",
        "p99 ms",
        "QPS",
        "B/row disk",
        "memory",
    )
    typer.echo("  " + " ".join(f"{h:>10s}" for h in head))
    keys = ("recall@1", "recall@10", "recall@100", "p50_ms", "p95_ms", "p99_ms", "batch_qps",
            "disk_bytes_per_row", "memory_bytes_per_row")  # fmt: skip
    for target, m in made["targets"].items():
        cells = [target, m["kind"], *("–" if m.get(k) is None else f"{m[k]:g}" for k in keys)]
        typer.echo("  " + " ".join(f"{c:>10s}" for c in cells))
    for sentence in made.get("unmet", ()):
        typer.echo(f"  unmet: {sentence}")
    for target, m in made["targets"].items():
        if "filtered" in m:
            worst = min(m["filtered"], key=lambda f: f["recall@10"])
            short = sum(f["short"] for f in m["filtered"])
            typer.echo(
                f"  {target} filtered: recall@10 at least {worst['recall@10']:g} ({worst['share']:.1%} of the rows, "
                f"{worst['rows']}); {short} answers short of ten"
            )
