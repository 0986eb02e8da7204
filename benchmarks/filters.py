"""What filters and metadata cost at 10 million rows: `python benchmarks/filters.py 10000000`.

Writes the metadata of a segment as `build` does, then times what `Bundle.eligible` asks of it and how a hit's columns
are read. Each lookup is also timed without the sorted tables, as a plain scan.
"""

from __future__ import annotations

import json
import shutil
import time
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
from vectors import arguments, places

from prom3e_index.bundle.filters import Filter, lookups
from prom3e_index.bundle.held_files import HeldFiles
from prom3e_index.bundle.manifest import describe_files
from prom3e_index.bundle.metadata_database import connect_segments
from prom3e_index.bundle.segment import Segment
from prom3e_index.indexer.metadata import sort_tables, write_records
from prom3e_index.schema import SHOWN

SPECIES = 50_000


def write(folder: Path, n: int, table: Path | None) -> dict[str, float]:
    """Write `metadata.duckdb` and `records.arrow`; give the seconds of each part."""
    where = places(n, table)
    con = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")})
    con.execute(f"ATTACH '{folder / 'metadata.duckdb'}' AS out")
    con.register("place", {"latitude": where[:, 0], "longitude": where[:, 1]})
    seconds, begun = {}, time.perf_counter()
    rank = "'{}' || (hash(range) % {} // {})"
    names = {
        "kingdom": 1,
        "class": 10,
        "order": 60,
        "family": 500,
        "genus": 5_000,
        "species": SPECIES,
    }
    taxa = ", ".join(
        f'{rank.format(k + " ", SPECIES, SPECIES // v)} AS "{k}"' for k, v in names.items()
    )
    con.execute(
        "CREATE TABLE out.observations AS SELECT range AS row, 'obs-' || range AS id, latitude, longitude, "
        "DATE '2000-01-01' + (hash(range + 7) % 9000)::INTEGER AS event_start, event_start AS event_end, "
        f"event_start::VARCHAR AS event_date, {taxa}, species AS scientific_name, 'CC-BY' AS license, "
        "'observer ' || (hash(range) % 90000) AS rights_holder, 'photos/' || range || '.jpg' AS image, "
        "hash(range) % 2 = 0 AS has_image, (hash(range) % 1000)::FLOAT AS sigma_l1 "
        "FROM range(" + str(n) + ") POSITIONAL JOIN place"
    )
    con.execute("CREATE TABLE out.lost (row BIGINT, modality VARCHAR, reason VARCHAR)")
    con.execute(
        "CREATE TABLE out.rejected (row_in BIGINT, line BIGINT, id VARCHAR, reason VARCHAR)"
    )
    seconds["observations"] = time.perf_counter() - begun
    for name, run in (
        ("sorted tables", lambda: sort_tables(con, "out")),
        ("records", lambda: write_records(con, "out.observations", folder / "records.arrow")),
    ):
        begun = time.perf_counter()
        run()
        seconds[name] = time.perf_counter() - begun
    con.close()
    return {k: round(v, 1) for k, v in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    given = parser.parse_args()
    folder = given.folder / f"filters-{given.rows}"
    if not (folder / "records.arrow").is_file():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        folder.mkdir(parents=True)
        print(json.dumps({"seconds": write(folder, given.rows, given.places)}))
    sizes = {
        p.name: round(p.stat().st_size / given.rows, 1) for p in folder.iterdir() if p.is_file()
    }
    print(json.dumps({"bytes per row": sizes}))
    con, _ = connect_segments([folder / "metadata.duckdb"], [0])
    columns = [str(r[0]) for r in con.execute("DESCRIBE every").fetchall()]
    asked = {
        "near 50 km": Filter(near=(46.8, -121.7, 50.0)),
        "bbox 2 x 2 degrees": Filter(bbox=(-122.0, 46.0, -120.0, 48.0)),
        "bbox 60 x 40 degrees": Filter(bbox=(-130.0, 20.0, -70.0, 60.0)),
        "species": Filter(taxon="species 77"),
        "genus": Filter(taxon="genus 77"),
        "class": Filter(taxon="class 7"),
        "a month": Filter(since=date(2010, 5, 1), until=date(2010, 5, 31)),
        "ten years": Filter(since=date(2008, 1, 1), until=date(2017, 12, 31)),
        "has an image": Filter(observed="image"),
        "where sigma_l1 < 10": Filter(where="sigma_l1 < 10"),
        "near and a class": Filter(near=(46.8, -121.7, 500.0), taxon="class 7"),
    }
    for name, f in asked.items():
        record = {"filter": name}
        for how, tables in (("sorted", {"by_place", "by_taxon", "species"}), ("scan", set())):
            times, rows = [], 0
            for _ in range(7):
                begun = time.perf_counter()
                found = [np.sort(con.cursor().execute(q, p).fetchnumpy()["row"])
                         for q, p in lookups(f, columns, tables)]  # fmt: skip
                times.append(1000 * (time.perf_counter() - begun))
                rows = [len(r) for r in found]
            record |= {f"{how}_ms": round(float(np.median(times)), 2), "rows": rows}
        print(json.dumps(record))
    manifest = {
        "files": describe_files(folder),
        "segments": [{"name": "."}],
        "modalities": ["image"],
    }
    entry = {"name": ".", "rows": given.rows, "media": ".", "index": {}}
    segment = Segment(HeldFiles(folder, manifest["files"]), entry, 0, manifest, False)
    shown = [c for c in SHOWN if c in columns]
    rng = np.random.default_rng(0)
    segment.records([0], shown)
    times = []
    for _ in range(200):
        rows = rng.integers(0, given.rows, 10)
        begun = time.perf_counter()
        segment.records(rows.tolist(), shown)
        times.append(1000 * (time.perf_counter() - begun))
    by_sql = []
    for _ in range(9):
        rows = rng.integers(0, given.rows, 10).tolist()
        begun = time.perf_counter()
        con.cursor().execute(
            f"SELECT {', '.join(shown)} FROM every WHERE row IN (SELECT unnest(?))", [rows]
        ).fetchall()
        by_sql.append(1000 * (time.perf_counter() - begun))
    print(json.dumps({"ten hits": {"records_ms": round(float(np.median(times)), 3),
                                   "duckdb_ms": round(float(np.median(by_sql)), 2)}}))  # fmt: skip


if __name__ == "__main__":
    main()
