"""How fast a GBIF-like table is read, and in how much memory: splitting alone, and typed observations.

    python benchmarks/reading.py [--rows 1000000] [--form tsv|csv|quoted] [--only split|observations]

Makes a table of 50 columns as GBIF's SIMPLE_CSV has them, reads it once per measurement in a process of its own, and
prints rows a second on one core and the peak of resident memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

COLUMNS = (
    "gbifID datasetKey occurrenceID kingdom phylum class order family genus species infraspecificEpithet taxonRank "
    "scientificName verbatimScientificName verbatimScientificNameAuthorship countryCode locality stateProvince "
    "occurrenceStatus individualCount publishingOrgKey decimalLatitude decimalLongitude "
    "coordinateUncertaintyInMeters coordinatePrecision elevation elevationAccuracy depth depthAccuracy eventDate day "
    "month year taxonKey speciesKey basisOfRecord institutionCode collectionCode catalogNumber recordNumber "
    "identifiedBy dateIdentified license rightsHolder recordedBy typeStatus establishmentMeans lastInterpreted "
    "mediaType issue"
).split()
_BIRDS = (
    ("Passeriformes", "Paridae", "Parus", "major", "Linnaeus, 1758"),
    ("Passeriformes", "Corvidae", "Pica", "pica", "(Linnaeus, 1758)"),
    ("Passeriformes", "Turdidae", "Turdus", "merula", "Linnaeus, 1758"),
    ("Piciformes", "Picidae", "Picus", "viridis", "Linnaeus, 1758"),
    ("Accipitriformes", "Accipitridae", "Buteo", "buteo", "(Linnaeus, 1758)"),
)
_EPITHETS = tuple(
    f"{first}{middle}{last}"
    for first in (
        "albi",
        "nigri",
        "rubri",
        "flavi",
        "viridi",
        "longi",
        "brevi",
        "lati",
        "parvi",
        "macro",
    )
    for middle in (
        "rostr",
        "caud",
        "cept",
        "capill",
        "ven",
        "pect",
        "fasci",
        "macul",
        "lin",
        "punct",
    )
    for last in ("is", "us", "a", "um", "atus", "ata", "ifer", "ensis", "icola", "oides")
)
"""A thousand, so that the table has five thousand names of species, as many as a large download has of birds."""
_PLACES = (
    "Wienerwald",
    "Forêt de Soignes",
    "Łazienki",
    "Hampstead Heath, London",
    "Sierra de Gredos",
)


def write_table(path: Path, rows: int, form: str) -> None:
    """Write the table; one row in 20,000 of an unquoted one has a quotation mark that does not close."""
    chosen = random.Random(7)
    delimiter, mark = ("\t", "") if form == "tsv" else (",", '"')
    with path.open("w", encoding="utf-8", newline="") as f:
        f.write(delimiter.join(COLUMNS) + "\n")
        for i in range(rows):
            cells = _row(i, chosen)
            if form == "tsv" and i % 20_000 == 7:
                cells[16] = '"near the pond'
            if mark:
                whole = form == "quoted"
                cells = [f'"{c}"' if whole or "," in c else c for c in cells]
            f.write(delimiter.join(cells) + "\n")


def _row(i: int, chosen: random.Random) -> list[str]:
    order, family, genus, epithet, author = _BIRDS[i % len(_BIRDS)]
    if i % 10:  # one in ten is of five common species
        epithet = _EPITHETS[chosen.randrange(len(_EPITHETS))]
    name, day, month, year = f"{genus} {epithet}", 1 + i % 28, 1 + i % 12, 1990 + i % 34
    person = f"Observer {i % 5000}"
    return [
        str(4_000_000_000 + i), "50c9509d-22c7-4a22-a47d-8c48425ef4a7", f"https://www.inaturalist.org/observations/{i}",
        "Animalia", "Chordata", "Aves", order, family, genus, name, "", "SPECIES", f"{name} {author}", name, "",
        "AT", chosen.choice(_PLACES), "Niederösterreich", "PRESENT", "", "28eb1a3f-1c15-4a95-931a-4af90ecb574d",
        f"{chosen.uniform(35, 65):.6f}", f"{chosen.uniform(-10, 30):.6f}", str(i % 300), "", "", "", "", "",
        f"{year}-{month:02d}-{day:02d}T{i % 24:02d}:00", str(day), str(month), str(year), "9705453", "9705453",
        "HUMAN_OBSERVATION", "iNaturalist", "Observations", str(i), "", person, "2024-01-01T10:00:00", "CC_BY_NC_4_0",
        person, person, "", "", "2024-05-30T06:00:00.000Z", "StillImage", "COORDINATE_ROUNDED",
    ]  # fmt: skip


def measure(path: Path, what: str) -> None:
    """Read the table once, and print what that took."""
    from prom3e_index.tables import read_observations
    from prom3e_index.tables.sources import open_source

    begun, used = time.perf_counter(), time.process_time()
    table = open_source(path, None) if what == "split" else read_observations(path)
    rows = sum(batch.num_rows for batch in table.batches())
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what}: {rows:,} rows, {rows / used:,.0f} a second of one core ({used:.1f} s, by the clock {seconds:.1f} s), "
        f"peak {peak:,.0f} MB"
    )


def main() -> None:
    """Make the table and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--form", choices=("tsv", "csv", "quoted"), default="tsv")
    parser.add_argument("--only", choices=("split", "observations"))
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.table is not None:
        measure(given.table, given.only)
        return
    with tempfile.TemporaryDirectory(prefix="prom3e-reading-") as folder:
        path = Path(folder) / f"occurrence.{'csv' if given.form != 'tsv' else 'txt'}"
        write_table(path, given.rows, given.form)
        print(
            f"{given.rows:,} rows, {len(COLUMNS)} columns, {path.stat().st_size / 1e6:,.0f} MB ({given.form})"
        )
        for what in [given.only] if given.only else ["split", "observations"]:
            command = [sys.executable, __file__, "--table", str(path), "--only", what]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
