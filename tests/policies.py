"""What tests of policies share: tables of birds with places that are to be hidden, policies, and indexes of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy

TRUE = {"f1": (52.31312, 13.44531), "f2": (40.12345, -100.45671), "f3": (-33.85673, 151.21532)}
"""Places of gyrfalcons, each at least 3 km from the centre of its cell of 0.1 degree."""
OPEN = {"p1": (48.20815, 16.37382), "p2": (10.12342, 20.56785), "p3": (-45.03127, 168.66264)}
RULE = '[[rule]]\ntaxon = "Falco rusticolus"\nlevel = "0.1deg"\n'


def quiet(*_) -> None:
    return


def write_policy(folder: Path, text: str = RULE, name: str = "p.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    columns = list(dict.fromkeys(c for row in rows for c in row))
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, columns, restval="")
        out.writeheader()
        out.writerows(rows)
    return path


def birds(places: dict[str, tuple[float, float]] | None = None) -> list[dict[str, object]]:
    """Three falcons and three tits; places of some are given otherwise."""
    known = {**TRUE, **OPEN, **(places or {})}
    return [
        {
            "id": key, "species": "Falco rusticolus" if key.startswith("f") else "Parus major",
            "latitude": place[0], "longitude": place[1], "eventDate": f"2024-05-0{i}", "recordedBy": f"Observer {i}",
        }
        for i, (key, place) in enumerate(known.items(), 1)
    ]  # fmt: skip


def built(
    folder: Path,
    rows: list[dict[str, object]],
    policy: str | None = RULE,
    name: str = "t",
    **options,
) -> Path:
    """An index of rows by `mini`, with a policy."""
    table = write_rows(folder / f"{name}.csv", rows)
    read = None if policy is None else read_policy(write_policy(folder, policy, f"{name}.toml"))
    out = folder / f"{name}.p3i"
    build(
        BuildConfig(table=str(table), out=out, model="mini", workers=1, policy=read, **options),
        quiet,
    )
    return out


def rows_of(index: Path, columns: str, where: str = "true") -> dict[str, tuple]:
    """Cells of the built segment's rows by id, read by DuckDB alone."""
    with duckdb.connect(str(index / "metadata.duckdb"), read_only=True) as con:
        found = con.execute(
            f"SELECT id, {columns} FROM observations WHERE {where} ORDER BY row"
        ).fetchall()
    return {r[0]: r[1:] for r in found}


def files_with(folder: Path, *texts: str) -> list[str]:
    """Files under a folder whose bytes, as they are or unpacked by DuckDB, hold one of some texts."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as con:
                tables = [
                    r[0] for r in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
                ]
                data += "\n".join(
                    str(con.execute(f"SELECT * FROM {t}").fetchall()) for t in tables
                ).encode()
        if path.suffix == ".parquet":
            data += str(duckdb.sql(f"SELECT * FROM '{path}'").fetchall()).encode()
        if any(t.encode() in data for t in texts):
            found.append(path.relative_to(folder).as_posix())
    return found


def log_of(index: Path) -> list[dict]:
    return [json.loads(line) for line in (index / "policy.log.jsonl").read_text().splitlines()]
