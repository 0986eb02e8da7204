"""Seconds, bytes and peak memory of each export: `python benchmarks/exporting.py 100000 [gpkg,dwca]`.

Makes the metadata of an index of that many rows in two segments, GBIF-like, of which one in nine has no place and
one in a hundred was removed, then writes each format in a process of its own and prints a line for it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np

from prom3e_index.bundle.metadata_database import MetadataDatabase
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.write import FORMATS, write_rows

ENDING = {"geoparquet": "geoparquet", "h3": "h3.parquet", "dwca": "zip"}
SEGMENTS = 2


def segment(path: Path, first: int, rows: int) -> None:
    """Write a segment's `metadata.duckdb`: 46 columns."""
    path.unlink(missing_ok=True)
    con = duckdb.connect(str(path), config={"threads": "1"})
    n = f"(range + {first})"
    name = f"'Genus' || hash({n}) % 900 || ' species' || hash({n}) % 5000"
    more = ", ".join(
        f"'{c} ' || hash({n} + {i}) % 2000 AS {c}"
        for i, c in enumerate(
            "country stateProvince county locality habitat samplingProtocol identifiedBy institutionCode "
            "collectionCode catalogNumber occurrenceRemarks".split()
        )
    )
    con.execute(
        f"CREATE TABLE observations AS SELECT range AS row, 'urn:catalog:x:' || {n} AS id, "
        "CASE WHEN range % 3 = 0 THEN 'photos/' || range || '.jpg' END AS image, NULL::VARCHAR AS sat, "
        f"NULL::VARCHAR AS audio, CASE WHEN range % 9 > 0 THEN hash({n}) % 1700000 / 1e4 - 85 END::DOUBLE AS latitude, "
        f"CASE WHEN range % 9 > 0 THEN hash({n} + 7) % 3600000 / 1e4 - 180 END::DOUBLE AS longitude, "
        f"(hash({n}) % 400)::DOUBLE AS coordinate_uncertainty_m, range % 50 = 0 AS obscured, "
        f"strftime(DATE '2000-01-01' + (hash({n}) % 9000)::INTEGER, '%Y-%m-%d') AS event_date, "
        f"DATE '2000-01-01' + (hash({n}) % 9000)::INTEGER AS event_start, "
        f"DATE '2000-01-01' + (hash({n}) % 9000)::INTEGER AS event_end, 'Animalia' AS kingdom, 'Chordata' AS phylum, "
        f"'Aves' AS class, 'Order' || hash({n}) % 40 AS order, 'Family' || hash({n}) % 240 AS family, "
        f"'Genus' || hash({n}) % 900 AS genus, {name} AS species, {name} AS scientific_name, NULL::VARCHAR AS "
        f"common_name, {name} AS text, "
        f"['CC0', 'CC_BY_4_0', 'CC_BY_NC_4_0', 'CC BY-ND'][(1 + hash({n}) % 4)::INTEGER] AS license, "
        f"'Holder ' || hash({n}) % 20000 AS rights_holder, 'data set ' || hash({n}) % 300 AS source, "
        f"'urn:catalog:x:' || {n} AS observation, NULL::DOUBLE AS start_s, NULL::DOUBLE AS end_s, false AS is_part, "
        f"'HUMAN_OBSERVATION' AS basisOfRecord, {more}, 'https://example.org/' || {n} || '.jpg' AS image_url, "
        f"range % 3 = 0 AS has_image, false AS has_audio, 0.5::FLOAT AS sigma_l1, {name} AS taxon_species "
        f"FROM range({rows})"
    )
    for other in ("lost (row BIGINT, modality VARCHAR, reason VARCHAR, row_in BIGINT)",
                  "rejected (row_in BIGINT, line BIGINT, id VARCHAR, reason VARCHAR)"):  # fmt: skip
        con.execute(f"CREATE TABLE {other}")
    con.close()


def held(folder: Path, rows: int) -> Any:
    """What an export asks of an opened index, over these segments alone."""
    part = rows // SEGMENTS
    paths = [folder / f"{i}.duckdb" for i in range(SEGMENTS)]
    removed = np.arange(rows) % 100 == 99
    found = MetadataDatabase(paths, [i * part for i in range(SEGMENTS)], rows, removed, None)
    live = np.flatnonzero(~removed)
    return SimpleNamespace(
        metadata=found, sql=found.sql, reader=found.reader, columns=found.columns, eligible=found.eligible,
        live=live, rows=len(live), several=False, path=folder / "i.p3i",
        manifest={"source": {"fields": {"id": ["occurrenceID"]}}, "generation": 1, "model": {"name": "none"}},
    )  # fmt: skip


def peak_mb() -> int:
    """The most memory that this process had, in megabytes: what a parent had is not in it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024  # type: ignore[index]


def one(folder: Path, rows: int, format: str) -> None:
    """Write one format and print what it took."""
    bundle = held(folder, rows)
    before = peak_mb()
    file = folder / f"out.{ENDING.get(format, format)}"
    begun, processor = time.perf_counter(), time.process_time()
    written = write_rows(Rows.chosen(bundle), file, format)
    seconds = {
        "seconds": time.perf_counter() - begun,
        "processor_s": time.process_time() - processor,
    }
    line = {
        "format": format,
        "rows": len(bundle.live),
        "written": int(written),
        "bytes": file.stat().st_size,
    }
    line |= {k: round(v, 2) for k, v in seconds.items()}
    print(json.dumps(line | {"peak_MB": peak_mb(), "before_MB": before}))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        one(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        count = int(sys.argv[1]) // SEGMENTS * SEGMENTS
        place = Path("exporting")
        place.mkdir(exist_ok=True)
        for i in range(SEGMENTS):
            segment(place / f"{i}.duckdb", i * count // SEGMENTS, count // SEGMENTS)
        for each in sys.argv[2].split(",") if len(sys.argv) > 2 else FORMATS:
            subprocess.run([sys.executable, __file__, str(place), str(count), each], check=True)
