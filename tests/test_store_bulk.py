"""Rows that a real server imports from files are the rows that are sent to it; what it does not take is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import plain_index
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import silent
from prom3e_index.search.query import Query


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """500 rows with a name, a quote, a number and a hole in every kind of column."""
    folder = tmp_path_factory.mktemp("bulk")
    x, present = plain_index.rows(500, seed=4)
    i = np.arange(500)
    part = plain_index.write(
        folder / "a.npz", x, present,
        group=i % 10, finder=np.array([f"o'Né\n\"{n}\"\\" if n % 3 else "" for n in i]), latitude=i / 10, longitude=-i / 5,
        event_date=np.array([f"2024-{1 + n % 12:02d}-07" for n in i]), license=np.where(i % 2, "CC0", "CC BY 4.0"),
        scientific_name=np.array([f"Genus{n % 7} species{n % 20}" if n % 5 else "" for n in i]),
    )  # fmt: skip
    plain_index.made(folder, [part]).close()
    return folder / "i.p3i"


def pushed(index, store, targets=("image", "loc"), **more):
    from prom3e_index.indexer.push import push

    return push(index, store, silent, targets=targets, **more)


def held(store):
    """Every field of every row, of each target."""
    from prom3e_index.store.opened import StoreBundle

    with StoreBundle.open(store) as opened:
        out = {}
        for target, name in opened.head.collections.items():
            fields = opened.engine.field_names(name)
            rows = opened.engine.rows(name, range(opened.rows), fields, strong=True)
            count = opened.engine.count(name, "row >= 0", strong=True)
            assert count == len(rows) == opened.rows
            out[target] = {
                n: {f: [int(t) for t in r[f]] if f == "taxa" else list(map(float, r[f])) if f == "vector" else r[f]
                    for f in fields} for n, r in sorted(rows.items())}  # fmt: skip
        return out


@pytest.fixture
def place(server) -> Path:
    """Where files are given to the server, which reads any folder of its machine where it has no bucket."""
    return server.folder / "given"


@pytest.mark.cluster
def test_imported_rows_are_those_that_are_sent(server, index, place, monkeypatch, tmp_path):
    from prom3e_index.indexer import push_bulk
    from prom3e_index.indexer.change import remove
    from prom3e_index.store.opened import StoreBundle

    sent, given = f"{server.address}/sent", f"{server.address}/given"
    pushed(index, sent)
    monkeypatch.setattr(push_bulk, "FILE_BYTES", 4 * 640 * 300)  # two files a target
    start, calls = push_bulk.Imports.start, []

    def breaking(self, name, path):
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return start(self, name, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(push_bulk.Imports, "start", breaking)
        pushed(index, given, bulk=str(place))
    assert not list(place.iterdir()) and [Path(c).name for c in calls[:3]] == [
        "image-000000000000.parquet", "loc-000000000000.parquet", "image-000000000300.parquet"]  # fmt: skip
    done = pushed(index, given, bulk=str(place))
    assert (done.written, done.there) == (200, 300)  # of `loc`, broken off before its second file
    assert held(given) == held(sent)
    assert not list(place.iterdir())  # no file is left
    query = Query(location=(5, 5), target="image", k=40, filter=Filter(where='"group" IN (1, 2) AND latitude > 3'))  # fmt: skip
    with StoreBundle.open(sent) as one, StoreBundle.open(given) as two:
        assert [(h.row, h.score, h.fields) for h in one.search(query)] == [(h.row, h.score, h.fields) for h in two.search(query)]  # fmt: skip

    own = shutil.copytree(index, tmp_path / "own.p3i")  # what was imported changes as what was sent
    remove(own, Filter(where="row < 30"), None, silent)
    assert pushed(own, given, bulk=str(place)).head.generation == 2
    with StoreBundle.open(given) as store:
        assert (store.rows, store.count("row < 40")) == (470, 10)


@pytest.mark.cluster
def test_what_the_server_does_not_take_is_told_with_its_reason(server, index, place, monkeypatch, tmp_path):  # fmt: skip
    from prom3e_index.indexer import push_bulk
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine

    whole, store = push_bulk.file_table, f"{server.address}/wrong_bulk"

    def fixed(schema, scalars, vectors):
        table = whole(schema, scalars, vectors)
        wide = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1])  # fmt: skip
        return table.set_column(table.column_names.index("vector"), "vector", wide)

    def more(schema, scalars, vectors):
        return whole(schema, scalars, vectors).append_column("other", pa.array(range(len(scalars))))

    class AsItComes(pq.ParquetWriter):
        """A writer of whatever the first table has."""

        def __init__(self, sink, schema):
            self._sink = sink

        def __exit__(self, *_):
            pass

        def __enter__(self):
            return self

        def write_table(self, table):
            pq.write_table(table, self._sink)

    for otherwise, says in ((fixed, "fixed_size_list"), (more, "other is not in schema")):
        with monkeypatch.context() as patch:
            patch.setattr(push_bulk, "file_table", otherwise)
            patch.setattr(push_bulk.pq, "ParquetWriter", AsItComes)
            with pytest.raises(StoreError, match=rf"import of {place}/prom3e-wrong_bulk/image-0+.parquet into .* failed: .*{says}"):  # fmt: skip
                pushed(index, store, ["image"], bulk=str(place))
        assert not list(place.iterdir())
    with pytest.raises(StoreError, match="given/nowhere/prom3e-wrong_bulk/.* (failed|cannot be imported)"):  # fmt: skip
        pushed(index, store, ["image"], bulk=str(place), bulk_as=str(place / "nowhere"))
    engine = Engine(parse(store))
    assert engine.current("wrong_bulk") is None  # nobody reads what is not whole
    engine.close()


def test_files_have_the_fields_of_a_collection_and_no_other():
    from prom3e_index.store.bulk import file_table, schema_of
    from prom3e_index.store.kinds import Fields

    fields = Fields(3, {"of": "INT64", "taxa": "ARRAY", "columns": "JSON", "id": "VARCHAR", "is_part": "BOOL", "latitude": "DOUBLE"})  # fmt: skip
    rows = [
        {"row": 4, "of": 2**62, "taxa": [], "columns": {"c0": 'é"\n'}, "id": "a'", "is_part": True, "latitude": 1e300},
        {"row": 5, "of": -1, "taxa": [2**62, 1], "columns": {}, "id": "", "is_part": False, "latitude": 0.1},
    ]  # fmt: skip
    vectors = np.array([[0.1, 2, -3], [4, 5, 6]], np.float16)
    table = file_table(schema_of(fields), rows, vectors)
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    read = table.to_pylist()
    assert [r.pop("vector") for r in read] == vectors.astype(np.float32).tolist()
    assert [r.pop("columns") for r in read] == ['{"c0": "é\\"\\n"}', "{}"]
    assert read == [{k: v for k, v in r.items() if k != "columns"} for r in rows]


def test_where_the_server_sees_a_place():
    from prom3e_index.indexer.push_bulk import place_of

    assert place_of("/data/in/", None).there == "/data/in"
    assert place_of("/data/in", "/var/lib/in/").there == "/var/lib/in"
    assert place_of("s3://bucket/some/in?region=eu", None).there == "some/in"
    assert place_of("s3://bucket", None).there == ""


def test_an_import_that_does_not_end_is_not_waited_for_for_ever():
    pytest.importorskip("pymilvus")
    from prom3e_index.store.address import parse
    from prom3e_index.store.bulk import Imports

    class State:
        state, state_name, failed_reason = 2, "Started", ""

    class Server:
        asked = 0

        def get_bulk_insert_state(self, task, using):
            self.asked += 1
            return State()

        def list_bulk_insert_tasks(self, limit, name, using):
            return [State()]

    class Engine:
        address = parse("milvus://127.0.0.1:9/birds")

    imports, server = object.__new__(Imports), Server()
    imports._engine, imports._utility, imports._using, imports._timeout_s = (
        Engine(),
        server,
        "",
        0.5,
    )
    with pytest.raises(
        StoreError, match=r"birds: the import of /a/b into c is Started after 0.5 s"
    ):
        imports.wait({7: "/a/b into c"})
    assert server.asked >= 2
    with pytest.raises(StoreError, match="an earlier import into c has not ended in 0.5 s"):
        imports.settle("c")
    State.state = 6
    imports.settle("c")
    imports.wait({7: "/a/b into c"})


@pytest.mark.cluster
def test_milvus_lite_imports_no_files(lite, index, tmp_path):
    with pytest.raises(InputError, match="Milvus Lite, which imports no files"):
        pushed(index, f"{lite}/bulk", bulk=str(tmp_path))
