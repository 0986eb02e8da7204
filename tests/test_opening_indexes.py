"""Opening indexes: many segments with few descriptors, on systems where `/dev/fd` shares offsets, and foreign metadata."""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import os
import resource
import shutil

import duckdb
import numpy as np
import pytest

from prom3e_index.bundle import held_files
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.memory_maps import Pages, stored_array
from prom3e_index.bundle.metadata_database import connect_segments
from prom3e_index.errors import BundleError
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle


def of_segments(source, out, count):
    """An index whose rows stand in `count` segments, each a copy of the first."""
    shutil.copytree(source, out)
    manifest = json.loads((out / "manifest.json").read_text())
    first, files = manifest["segments"][0], dict(manifest["files"])
    for number in range(2, count + 1):
        name = f"segments/{number:06d}"
        for file, entry in files.items():
            (out / name / file).parent.mkdir(parents=True, exist_ok=True)
            os.link(out / file, out / name / file)
            manifest["files"][f"{name}/{file}"] = entry
        manifest["segments"].append({**first, "name": name})
    manifest["rows"] = manifest["places"] = first["rows"] * count
    manifest["counts"]["rows"] = manifest["counts"]["observations"] = manifest["rows"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out


def descriptors():
    return len(os.listdir("/dev/fd"))


def answers(bundle, f=None):
    query = Query(location=(10, 20), target="text", k=70, filter=f or Filter())
    return [(h.row, round(h.score, 5), h.fields["id"]) for h in bundle.search(query).hits]


@pytest.mark.parametrize("count, limit", [(1, None), (2, None), (60, None), (60, 160)])
def test_many_segments_answer_as_numpy_with_few_descriptors(bundle_path, tmp_path, count, limit):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    index = of_segments(bundle_path, tmp_path / "i.p3i", count)
    before = descriptors()
    if limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + limit, hard))
    try:
        with Bundle.open(index) as bundle:
            vectors = np.asarray(bundle.vectors("text"), np.float32)
            ids = [r[0] for r in bundle.sql("SELECT id FROM every ORDER BY row")]
            query = vectors[7]
            ((scores,), (rows,), _) = bundle.nearest("text", query[None], 75)
            exact = np.round(vectors @ query, 6)
            where = Filter(where="latitude > 0", near=(10.0, 20.0, 9000.0))
            found = bundle.eligible(where)
            one = Bundle.open(bundle_path).eligible(where)
            held = descriptors() - before
            assert len(answers(bundle, where)) == min(70, len(found))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ids == ids[:60] * count and len(vectors) == 60 * count
    assert np.allclose(scores, -np.sort(-exact)[: len(scores)], atol=2e-6)
    assert np.allclose(exact[rows], scores, atol=2e-6) and len(scores) == min(75, 60 * count)
    assert found.tolist() == [r + 60 * i for i in range(count) for r in one.tolist()]
    assert held <= (limit or 7 * count + 24)


def test_closing_gives_everything_back_and_given_arrays_stay(bundle_path):
    Bundle.open(bundle_path).close()
    before = descriptors()
    with Bundle.open(bundle_path) as bundle:
        vectors = bundle.vectors("loc")
        copy = np.array(vectors)
        answers(bundle)
    del bundle
    assert descriptors() <= before and np.array_equal(vectors, copy)


def test_where_dev_fd_shares_its_offset_everything_is_answered_the_same(bundle_path, monkeypatch):
    expected = answers(Bundle.open(bundle_path))

    def shared(opener):
        def opened(path, *given, **more):
            name = os.fspath(path) if not isinstance(path, int) else ""
            if str(name).startswith("/dev/fd/"):
                path = os.dup(int(str(name).rsplit("/", 1)[1]))  # one offset with the descriptor
                if opener is os.open:
                    return path
            return opener(path, *given, **more)

        return opened

    for module, name in ((builtins, "open"), (io, "open"), (os, "open")):
        monkeypatch.setattr(module, name, shared(getattr(module, name)))
    monkeypatch.setattr(held_files, "REOPENS", False)
    for _ in range(2):
        bundle = Bundle.open(bundle_path)
        assert answers(bundle) == expected == answers(bundle)


def test_without_dev_fd_a_file_that_another_took_the_place_of_is_said(
    bundle_path, tmp_path, monkeypatch
):
    monkeypatch.setattr(held_files, "REOPENS", False)
    shutil.copytree(bundle_path, tmp_path / "i.p3i")
    bundle = Bundle.open(tmp_path / "i.p3i")
    path = tmp_path / "i.p3i/faiss/text.faiss"
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    with pytest.raises(BundleError, match="was taken away since this index was opened"):
        answers(bundle)


@pytest.mark.parametrize("array", [
    np.zeros((0, 4), np.float16), np.arange(6, dtype=np.int32), np.ones((3, 2), bool), np.zeros((5, 1), np.float16),
])  # fmt: skip
def test_arrays_from_a_descriptor_are_those_written(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with (tmp_path / "a.npy").open("rb") as f:
        read = stored_array(np.asarray(Pages(f.fileno())))
    assert read.dtype == array.dtype and np.array_equal(read, array) and not read.flags.writeable


@pytest.mark.parametrize("head", [
    b"{'descr': '<f2', 'fortran_order': False, 'shape': (99999999999999, 9999999999), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': '<f2', 'fortran_order': True, 'shape': (1,), }",
    b"{'descr': '<f2', 'fortran_order': False, 'shape': (-1,), }",
    b"(" * 5_000, b"\xff", b"", b"{'descr': [('a', '<f2')], 'fortran_order': False, 'shape': (1,), }",
])  # fmt: skip
def test_headers_that_ask_for_anything_else_are_refused(head):
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0\0"
    with pytest.raises(ValueError):
        stored_array(np.frombuffer(data, np.uint8))


FOREIGN = {
    "view": "CREATE VIEW v AS SELECT content FROM read_text('{secret}')",
    "schema": "CREATE SCHEMA x",
    "macro": "CREATE MACRO lower(a) AS a",
    "sequence": "CREATE SEQUENCE q",
    "table": "CREATE TABLE secrets (a INT)",
    "index": "CREATE INDEX i ON observations (id)",
    "computed column": "CREATE OR REPLACE TABLE lost (row BIGINT, modality VARCHAR, reason VARCHAR AS (modality || 'x'))",
}


@pytest.fixture
def index(bundle_path, tmp_path):
    (tmp_path / "secret.txt").write_text("TOPSECRET")
    shutil.copytree(bundle_path, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


def changed(index, *statements):
    """Change the metadata and have the manifest agree, as someone who hands an index on could."""
    path = index / "metadata.duckdb"
    con = duckdb.connect(str(path))
    for statement in statements:
        con.execute(statement.format(secret=index.parent / "secret.txt"))
    con.close()
    manifest = json.loads((index / "manifest.json").read_text())
    data = path.read_bytes()
    manifest["files"]["metadata.duckdb"] = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (index / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("kind", FOREIGN)
def test_metadata_with_anything_but_our_tables_are_refused(index, kind):
    changed(index, FOREIGN[kind])
    with pytest.raises(BundleError, match=f"holds the {kind} "):
        Bundle.open(index)


def test_a_view_in_place_of_a_table_never_runs(index):
    statements = [
        "CREATE SCHEMA x", "CREATE TABLE x.rejected AS FROM main.rejected", "DROP TABLE main.rejected",
        "CREATE VIEW main.rejected AS SELECT 1::BIGINT AS row_in, NULL::BIGINT AS line, 'a' AS id, content AS reason "
        "FROM read_text('{secret}')",
    ]  # fmt: skip
    changed(index, *statements)
    from prom3e_index.indexer.compact import compact

    for use in (Bundle.open, lambda i: compact(i, lambda *_: None, action="rebuild")):
        with pytest.raises(BundleError, match="holds the view 'rejected'"):
            use(index)


@pytest.mark.parametrize("statement, words", [
    ("ALTER TABLE observations ALTER latitude TYPE VARCHAR", "'latitude' is VARCHAR"),
    ("ALTER TABLE observations ALTER has_image TYPE VARCHAR", "'has_image' is VARCHAR"),
    ("ALTER TABLE observations ADD COLUMN extra BLOB", "'extra' is BLOB"),
    ("ALTER TABLE observations DROP COLUMN sigma_l1", "lack the column 'sigma_l1'"),
    ("UPDATE observations SET row = row + 7 WHERE row = 59", "up to number 66"),
    ("DROP TABLE observations", "have no observations"),
    ("DROP TABLE lost", "from 0 on have no table 'lost'"),
    ("DROP TABLE rejected", "from 0 on have no table 'rejected'"),
])  # fmt: skip
def test_tables_that_are_not_ours_in_form_are_refused(index, statement, words):
    changed(index, statement)
    with pytest.raises(BundleError, match=words):
        Bundle.open(index)


@pytest.mark.parametrize("data", [b"", b"x" * 9_000, b"SQLite format 3\0" + b"\0" * 9_000])
def test_what_is_no_database_is_said(index, data):
    (index / "metadata.duckdb").write_bytes(data)
    with pytest.raises(BundleError, match="cannot be opened"):
        connect_segments([index / "metadata.duckdb"], [0])


def test_writing_beside_reads_and_writes_nothing_elsewhere(index, tmp_path):
    out = tmp_path / "stage"
    out.mkdir()
    con, _ = connect_segments([index / "metadata.duckdb"], [0], out=out / "m.duckdb")
    con.execute("CREATE TABLE out.t AS SELECT count(*) AS n FROM every")
    con.execute(f"COPY out.t TO '{out}/t.parquet' (FORMAT parquet)")
    for statement in (
        f"SELECT * FROM read_text('{tmp_path}/secret.txt')", f"COPY out.t TO '{tmp_path}/t.csv'",
        f"SELECT * FROM read_text('{out}/../secret.txt')", f"ATTACH '{tmp_path}/new.duckdb' AS n", "INSTALL httpfs",
        "SET enable_external_access = true",
    ):  # fmt: skip
        with pytest.raises(duckdb.Error):
            con.execute(statement)
    assert con.execute("FROM out.t").fetchall() == [(60,)]
    con.close()
