"""TaxaBench-8k as published: a table, and folders of files that are named by its ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prom3e_index.tables.source import Source
from prom3e_index.tables.text import open_text

if TYPE_CHECKING:
    import pyarrow as pa

TAXABENCH_MEDIA = ("taxabench_images", "taxabench_sound", "sat_images/sentinel")


def open_taxabench(folder: Path) -> Source:
    """Open `test_df.csv` and folders of files named by observation id."""
    source = open_text(folder / "test_df.csv", "csv")
    source.format, source.media = "taxabench", folder

    def by_id(name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if (folder / name).is_dir():
            for p in sorted((folder / name).iterdir()):
                found.setdefault(p.name.partition("_")[0].partition(".")[0], []).append(
                    f"{name}/{p.name}"
                )
        return found

    images, sounds, tiles = (by_id(n) for n in TAXABENCH_MEDIA)

    def file(row: int, table: pa.RecordBatch) -> tuple[str | None, str | None, str | None]:
        key, kind = (
            str(table.column(c)[row].as_py() or "").strip() for c in ("id", "sound_format")
        )
        stated = f"taxabench_sound/{key}.{kind}"
        have = sounds.get(key, [])
        return (
            next(iter(images.get(key, [])), None),
            stated if stated in have else next(iter(have), None),
            next(iter(tiles.get(key, [])), None),
        )

    plain = source.read

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in plain(rows):
            found = [file(i, batch) for i in range(batch.num_rows)]
            cells = {n: batch.column(i) for i, n in enumerate(batch.schema.names)}
            for i, name in enumerate(("image", "audio", "sat")):
                cells[name] = pa.array([f[i] for f in found], pa.string())
            yield pa.RecordBatch.from_pydict(cells)

    source.read = read
    source.columns = [
        *source.columns,
        *(n for n in ("image", "audio", "sat") if n not in source.columns),
    ]
    return source
