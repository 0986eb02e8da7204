"""Indexes that were built in different ways, compared: everything but times and checksums of database files."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa

TIMES = {"created", "seconds", "command", "history", "p50_ms", "latency_ms", "certificate", "files", "machine"}  # fmt: skip


def without_times(value):
    """A manifest without what differs between two runs of the same command."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def tables(index: Path) -> dict[str, list]:
    """Every table of an index's metadata, its rows in an order of their own."""
    with duckdb.connect(str(index / "metadata.duckdb"), read_only=True) as con:
        names = [
            r[0]
            for r in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        ]
        return {n: [con.execute(f"DESCRIBE {n}").fetchall(), *sorted(map(repr, con.execute(f"FROM {n}").fetchall()))]
                for n in names}  # fmt: skip


def assert_same(one: Path, other: Path) -> None:
    """Two indexes have the same files, bit for bit, the same rows of metadata and the same manifest."""
    files = sorted(
        str(p.relative_to(one)) for p in one.rglob("*") if p.is_file() and p.name != ".lock"
    )
    assert files == sorted(
        str(p.relative_to(other)) for p in other.rglob("*") if p.is_file() and p.name != ".lock"
    )
    assert sum(f.endswith(".npy") for f in files) > 12
    for name in files:
        if Path(name).suffix in (".npy", ".faiss"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert tables(one) == tables(other)
    records = [pa.ipc.open_file(i / "records.arrow").read_all() for i in (one, other)]
    assert records[0].equals(records[1])
    statistics = [json.loads((i / "statistics.json").read_text()) for i in (one, other)]
    assert statistics[0] == statistics[1]
    manifests = [json.loads((i / "manifest.json").read_text()) for i in (one, other)]
    wrong = {
        k: (v, manifests[1].get(k))
        for k, v in manifests[0].items()
        if without_times({k: v}) != without_times({k: manifests[1].get(k)})
    }
    assert not wrong, {k: [str(v)[:1500] for v in both] for k, both in wrong.items()}
    assert [m["certificate"]["targets"][t]["recall@10"] for m in manifests[:1] for t in m["modalities"]] == [
        m["certificate"]["targets"][t]["recall@10"] for m in manifests[1:] for t in m["modalities"]]  # fmt: skip
