"""The species-occurrence cube: how many records of each species each cell has in each month, for other software."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prom3e_index.maps.occurrences import UNKNOWN, Occurrences
from prom3e_index.maps.placed import Placed, stated_or
from prom3e_index.show.files import replacing

_DAY_S = 86_400


def write_cube(
    path: Path, found: Occurrences, placed: Placed, codes: dict[int, str], grid: str
) -> int:
    """Write `cube.parquet`: a row for each species, cell and month that has records.

    Columns are those of GBIF's cubes: `yearmonth` (`2020-05`, of the first day; empty where none is known),
    `<grid>cellcode`, `specieskey` (GBIF's number where the table has it), `kingdom` to `species`, `occurrences`,
    `mincoordinateuncertaintyinmeters` (1,000 where it is not stated), `mintemporaluncertainty` in seconds,
    `familycount` (records of the family in that cell and month), `distinctobservers`. A record lies in the cell that
    `place` gave it: that of its point, or of a place drawn within its uncertainty.

    Args:
        path: The file.
        found: The records.
        placed: Those that count.
        codes: Cell → its code.
        grid: What the column of codes is called by: `h3`, `ease`.

    Returns:
        Records in the cube.
    """
    import duckdb
    import pyarrow as pa
    from pyarrow import parquet

    rows, kind = placed.row, found.species[placed.row]
    day, until = found.day[rows], found.until[rows]
    known = day != UNKNOWN
    month = np.where(known, day, 0).astype("datetime64[D]").astype("datetime64[M]")
    months, which = np.unique(month, return_inverse=True)
    text = pa.array(np.datetime_as_string(months).tolist(), pa.string())
    text = text.take(pa.array(which.reshape(-1), mask=~known))
    spread = (np.maximum(until - day, 0) + 1) * _DAY_S
    cells, own = np.unique(placed.cell, return_inverse=True)
    records = pa.table(
        {
            "yearmonth": text,
            "cell": own.reshape(-1),
            "species": kind,
            "unsure": stated_or(found)[rows],
            "spread": pa.array(spread, mask=~known),
            "who": pa.array(found.observer[rows], mask=found.observer[rows] == UNKNOWN),
        }
    )
    names = pa.table(
        {
            "code": np.arange(len(found.names)),
            "specieskey": pa.array([r["key"] for r in found.ranks], pa.string()),
            **{
                rank: pa.array([r[rank] for r in found.ranks], pa.string())
                for rank in ("kingdom", "phylum", "class", "order", "family", "genus")
            },
            "species": pa.array(found.names, pa.string()),
        }
    )
    places = pa.table(
        {
            "cell": np.arange(len(cells)),
            "cellcode": pa.array([codes[int(c)] for c in cells], pa.string()),
        }
    )
    with duckdb.connect(config={"memory_limit": "1GB"}) as con:
        for name, table in (("records", records), ("names", names), ("places", places)):
            con.register(name, table)
        cube = con.sql(
            "WITH held AS (SELECT yearmonth, cell, species AS code, count(*) AS occurrences, min(unsure) AS unsure, "
            "min(spread) AS spread, count(DISTINCT who) AS watched FROM records GROUP BY ALL) "
            f'SELECT yearmonth, cellcode AS "{grid}cellcode", specieskey, kingdom, phylum, class, "order", family, '
            "genus, n.species, occurrences, unsure AS mincoordinateuncertaintyinmeters, "
            "spread AS mintemporaluncertainty, CASE WHEN family IS NULL THEN NULL ELSE "
            "sum(occurrences) OVER (PARTITION BY yearmonth, cell, kingdom, family) END::BIGINT AS familycount, "
            "watched AS distinctobservers FROM held JOIN names n USING (code) JOIN places USING (cell) "
            "ORDER BY cellcode, n.species, yearmonth"
        ).to_arrow_table()
    with replacing(path) as new:
        parquet.write_table(cube, new, compression="zstd")
    return int(np.sum(cube.column("occurrences").to_numpy())) if cube.num_rows else 0
