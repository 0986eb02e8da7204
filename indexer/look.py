"""Looking at a table: the plan of a build, made in a temporary folder and summed up; nothing is encoded."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from prom3e_index.errors import InputError
from prom3e_index.indexer.answering import observations_of
from prom3e_index.indexer.plan import TWICE, Progress, open_plan, plan, silent
from prom3e_index.indexer.understood import Understood, remote, understand
from prom3e_index.indexer.work import BuildConfig, table_kind
from prom3e_index.tables import EMBEDDINGS


def look(config: BuildConfig, urls: Path | None = None, progress: Progress = silent) -> Understood:
    """Read a table as `build` would, and say what was understood of it; ids in several rows are counted, not refused.

    Args:
        config: The table and how it is read; `out` and the model do not matter.
        urls: Where to write the addresses of media that would have to be fetched, one a line, each once.
        progress: Told how many rows are read.

    Raises:
        InputError: A bad option, or a file of embeddings.
        TableError: The table cannot be read.
    """
    kind = table_kind(config)
    if kind in EMBEDDINGS:
        raise InputError(
            f"{config.table} holds embeddings ({kind}), not observations with media; `evaluate` and `build` read it."
        )
    with tempfile.TemporaryDirectory(prefix="prom3e-look-") as folder:
        con = open_plan(Path(folder))
        try:
            table = observations_of(config)
            asked = config.duplicates == "error"
            plan(con, table, "first" if asked else config.duplicates, progress)
            if urls is not None:
                with urls.open("w", encoding="utf-8") as f:
                    f.writelines(f"{url}\n" for url in remote(con))
            found = understand(con, config.table, table)
            if asked and any(r.text.startswith(TWICE) for r in found.rejected):
                more = "Ids stand in several rows: `build` asks for --duplicates first or --duplicates last."
                found = replace(found, said=[*found.said, more])
            return found
        finally:
            con.close()
