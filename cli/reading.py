"""How the commands that read a table hand its options on."""

from __future__ import annotations

from typing import Any

from prom3e_index.cli.options import TableOptions


def of_table(options: TableOptions) -> dict[str, Any]:
    """What is given of how a table is read, as `read_observations` takes it."""
    given = {
        "columns": options.columns,
        "format": options.table_format,
        "media": options.media,
        "allow_outside": options.allow_outside,
        "encoding": options.encoding,
    }
    return {k: v for k, v in given.items() if v}
