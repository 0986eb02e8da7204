"""Verifying: what hits show is what the table says, and what cannot be compared is not called ok."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from changes import manifest_of, rewrite_manifest

from prom3e_index.bundle.manifest import checksum
from prom3e_index.indexer import verify as module
from prom3e_index.indexer.verify import verify
from prom3e_index.search.run import Bundle


def checks_of(index: Path, *names: str, **kwargs) -> dict:
    return {c.name: c for c in verify(Bundle.open(index), **kwargs) if not names or c.name in names}


def described_anew(index: Path, name: str) -> None:
    """Let the manifest describe a file as it is now, so that its checksum hides nothing."""
    files = manifest_of(index)["files"]
    files[name] = {"bytes": (index / name).stat().st_size, "sha256": checksum(index / name)}
    rewrite_manifest(index, files=files)


def write_records(path: Path, table: pa.Table) -> None:
    with path.open("wb") as f, pa.ipc.new_file(f, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("row", [0, 11, 23])
def test_one_other_cell_in_the_records_is_found(index, mini, monkeypatch, fast, row):
    path = index / "records.arrow"
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    assert checks_of(index, "records")["records"].detail == "24 rows as in the table"
    ids = table["id"].to_pylist()
    ids[row] = "another"
    at = table.column_names.index("id")
    write_records(path, table.set_column(at, "id", pa.array(ids, table.schema.field("id").type)))
    described_anew(index, "records.arrow")
    check = checks_of(index, "records")["records"]
    assert not check.ok and check.detail.startswith(f"row {row} is shown as ")
    assert "'another'" in check.detail and f"'a{row}'" in check.detail


@pytest.mark.parametrize("rows", [0, 23, 25])
def test_records_of_more_or_fewer_rows_are_found(index, fast, rows):
    path = index / "records.arrow"
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    table = pa.concat_tables([table, table]).slice(0, rows)
    write_records(path, table.combine_chunks())
    described_anew(index, "records.arrow")
    assert not checks_of(index, "records")["records"].ok


def test_files_that_are_not_there_are_not_compared_and_not_called_ok(bundle_path, world, tmp_path):
    """The index knows the folder it was built from; that has moved."""
    index, moved = tmp_path / "i.p3i", tmp_path / "moved"
    shutil.copytree(bundle_path, index)
    shutil.copytree(world, moved)
    segments = manifest_of(index)["segments"]
    gone = tmp_path / "gone"
    rewrite_manifest(index, segments=[{**s, "media": str(gone), "beside": None} for s in segments])
    names = [f"re-encode {m}" for m in ("image", "sat", "audio")]
    checks = checks_of(index, *names, sample=3)
    assert [c.compared for c in checks.values()] == [False] * 3
    for check in checks.values():
        assert re.match(rf"none of [123] files is there, as {re.escape(str(gone))}/", check.detail)
        assert check.detail.endswith("verify --media FOLDER")
    checks = checks_of(index, *names, sample=3, media=moved)
    assert all(c.ok and c.compared for c in checks.values())
    assert all(re.match(r"([123]) of \1 files are there", c.detail) for c in checks.values())
    shown = duckdb.connect(str(index / "metadata.duckdb"), read_only=True)
    (photo,) = shown.execute("SELECT image FROM observations WHERE has_image LIMIT 1").fetchone()
    shown.close()
    (moved / photo).unlink()
    check = checks_of(index, "re-encode image", sample=60, media=moved)["re-encode image"]
    of = Bundle.open(index).sql("SELECT count(*) FROM observations WHERE has_image")[0][0]
    lost = Bundle.open(index).sql("SELECT count(*) FROM observations WHERE image = ?", [photo])[0][
        0
    ]
    assert check.ok and check.detail.startswith(f"{of - lost} of {of} files are there")


def test_the_command_marks_what_was_not_compared(bundle_path, tmp_path, monkeypatch, capsys):
    from prom3e_index.cli import inspect

    checks = [
        module.Check("one", True, "x"),
        module.Check("two", True, "y", False),
        module.Check("three", False, "z"),
    ]
    assert [inspect._line(c) for c in checks] == ["ok   one: x", "–    two: y", "FAIL three: z"]
