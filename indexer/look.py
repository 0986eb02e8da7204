"""Looking at a table: the plan of a build, made in a temporary folder and summed up; nothing is encoded."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prom3e_index.errors import InputError
from prom3e_index.indexer.answering import open_table, table_kind
from prom3e_index.indexer.plan import Progress, open_plan, plan, silent
from prom3e_index.indexer.understood import Understood, note_missing, remote, understand
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.tables import EMBEDDINGS


def look(config: BuildConfig, urls: Path | None = None, progress: Progress = silent) -> Understood:
    """Read a table as `build` would, and say what was understood of it.

    Args:
        config: The table and how it is read; `out` and the model do not matter.
        urls: Where to write the addresses of media that would have to be fetched, one a line, each once.
        progress: Told how many rows are read.

    Raises:
        InputError: A bad option, a file of embeddings, or ids that stand in several rows.
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
            table = open_table(config, kind, (), 0)
            plan(con, table, config.duplicates, progress)
            note_missing(con, table.media)
            if urls is not None:
                with urls.open("w", encoding="utf-8") as f:
                    f.writelines(f"{url}\n" for url in remote(con))
            return understand(con, config.table, table)
        finally:
            con.close()
