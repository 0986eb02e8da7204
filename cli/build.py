"""`prom3e-index build`."""

from __future__ import annotations

from typing import Annotated

import typer

from prom3e_index.cli.cluster import ClusterOptions
from prom3e_index.cli.options import (
    DEFAULT_INDEX,
    Device,
    EncodeOptions,
    Hub,
    Index,
    ModelName,
    config_from,
    grouped,
)
from prom3e_index.cli.screen import plural, progress, say
from prom3e_index.cli.wish import Kind, Latency, Memory, Recall, wishes


@grouped
def build(
    table: Annotated[
        str,
        typer.Argument(
            help="Table, archive or folder of observations, or embeddings (.npz, .parquet, .npy); - is stdin."
        ),
    ],
    index: Index = DEFAULT_INDEX,
    model: ModelName = None,
    hub: Hub = None,
    *,
    options: EncodeOptions,
    device: Device = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the index that is there.")
    ] = False,
    licence_allow: Annotated[
        str | None,
        typer.Option(
            "--licence-allow",
            help="Only rows under these licences, as cc0,by,by-nc; a photo or sound with another of its own is left "
            "out of its row. An index keeps its choice.",
        ),
    ] = None,
    hubs: Annotated[
        str | None,
        typer.Option(
            help="Correction of scores against hubs, rows that are near to everything: none, csls, softmax10 or "
            "softmax30."
        ),
    ] = None,
    target_recall: Recall = None,
    memory: Memory = None,
    latency: Latency = None,
    kind: Kind = None,
    cluster: ClusterOptions,
) -> None:
    """Encode observations, complete what they lack, and index them.

    Interrupted, the same command goes on where it stopped. Every row is indexed or stands in
    rejected.parquet with its reason.
    """
    from prom3e_index.bundle.faiss.kinds import Wish
    from prom3e_index.cli.understood import write_understood
    from prom3e_index.indexer.build import build as run
    from prom3e_index.indexer.expand import said_of
    from prom3e_index.licences import allowed_codes
    from prom3e_index.search.meaning import MEANINGLESS
    from prom3e_index.show.escapes import in_command

    config = config_from(
        table,
        index,
        options,
        model=model,
        hub=hub,
        device=device,
        licence_allow=None if licence_allow is None else allowed_codes(licence_allow),
        overwrite=overwrite,
        hubs=hubs,
        wish=Wish(**wishes(target_recall, memory, latency, kind)),
        **cluster.fields(),
    )
    with progress() as show:
        manifest = run(config, show, write_understood)
    if manifest.get("planet") is False:
        say(f"warning: {MEANINGLESS}", err=True)
    c = manifest["counts"]
    say(
        f"{c['rows_in']:,} rows in = {c['rows_indexed']:,} indexed + {c['rows_rejected']:,} rejected; "
        f"{c['files_lost']:,} files or values lost; {manifest['seconds']:.1f} s"
    )
    if c["rows"] > c["observations"]:
        say(f"{plural(c['observations'], 'observation')} = {plural(c['rows'], 'row')}")
    for sentence in said_of(manifest["source"]["expanded"], manifest["windows"]):
        say(sentence)
    have = ", ".join(f"{m} {n:,}" for m, n in manifest["observed"].items())
    say(f"observed: {have}; the rest is completed and marked")
    if c["rows_rejected"] or c["files_lost"]:
        refused = f"{index / 'rejected.parquet'}; " if c["rows_rejected"] else ""
        say(f"reasons: {refused}prom3e-index info --lost --index {in_command(index)}")
    kinds = {t["kind"] for t in manifest["segments"][0]["index"].values()}
    found = [t["recall@10"] for t in manifest["certificate"]["targets"].values()]
    lowest = min((r for r in found if r is not None), default=None)
    for sentence in manifest["certificate"]["unmet"]:
        say(f"unmet: {sentence}")
    say(f"index: {index} ({', '.join(sorted(kinds))})")
    if lowest is not None:
        say(search_words(lowest))
    reason = manifest["confidence"].get("reason")
    if reason:
        say(f"how likely an answer is right is not calibrated on these observations: {reason}")
    else:
        say("answers say how likely they are right, calibrated on these observations: see info")


def search_words(lowest: float) -> str:
    """What the certificate says of the search, so that nobody takes it for how good the answers are."""
    found = (
        "its search is exact"
        if lowest >= 1
        else f"its search finds {lowest:.1%} or more of the ten rows of exact search"
    )
    return (
        f"{found}; whether answers are right is another question: prom3e-index evaluate retrieval"
    )
