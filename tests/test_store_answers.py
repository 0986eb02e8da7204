"""A store gives the answers of its folder: hits, scores, what is said of them, files that are written of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, ModelError, StoreError
from prom3e_index.search.query import Query

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", params=["lite", "server"])
def store(bundle_path, request):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    place = request.getfixturevalue(request.param)
    address = f"{place if request.param == 'lite' else place.address}/answers"
    some = ["image", "sat", "loc", "audio"] if request.param == "server" else None
    done = push(bundle_path, address, lambda *_: None, targets=some)
    assert done.written == done.head.rows == 60
    with StoreBundle.open(address) as bundle:
        yield bundle


def asked(bundle):
    family = bundle.sql("SELECT family FROM observations WHERE family IS NOT NULL LIMIT 1")[0][0]
    return {
        "a place for photos": Query(location=(5, 5), target="image", k=10),
        "a name for sounds": Query(text=family, target="audio", k=7),
        "two things": Query(location=(5, 5), text=family, target="image", k=60),
        "filtered": Query(location=(5, 5), target="sat", k=60, filter=Filter(near=(10.0, 20.0, 6000.0))),
        "observed alone": Query(location=(5, 5), target="image", k=60, observed_only=True),
        "nothing left": Query(location=(5, 5), target="image", filter=Filter(where="latitude > 1000")),
        "no such taxon": Query(location=(5, 5), target="image", filter=Filter(taxon="Nothing at all")),
        "no such licence": Query(location=(5, 5), target="image", filter=Filter(licence_allow="by-nd")),
        "dates": Query(location=(5, 5), target="image", k=60, filter=Filter(since="2024-06")),
        "like a row": Query(like=(3,), like_by=("loc",), target="image", k=9),
        "marked": Query(location=(5, 5), target="image", k=9, more=(3, 4), less=(8,)),
        "one a species": Query(location=(5, 5), target="image", k=5, group_by="species"),
        "one a family": Query(location=(5, 5), target="image", k=60, group_by="family"),
        "hidden space": Query(location=(5, 5), target="image", space="hidden", k=5),
        "exactly": Query(location=(5, 5), target="image", k=5, exact=True),
    }  # fmt: skip


def test_answers_are_those_of_the_folder(store, bundle):
    for name, query in asked(bundle).items():
        folder, there = bundle.search(query), store.search(query)

        assert [h.row for h in there] == [h.row for h in folder], name
        scores = np.array([[h.score for h in a] for a in (folder, there)])
        assert np.abs(scores[0] - scores[1]).max(initial=0) <= 1e-5, name
        for mine, theirs in zip(folder, there, strict=True):
            assert (theirs.fields, theirs.media, theirs.observed, theirs.files, theirs.p_right) == (
                mine.fields, mine.media, mine.observed, mine.files, mine.p_right,
            )  # fmt: skip
        assert there.query == folder.query, name
        but = ("path", "milliseconds")
        said = [{k: v for k, v in a.search.items() if k not in but} for a in (folder, there)]
        assert said[0] == said[1], name


def test_many_together_are_each_alone(store, bundle):
    queries = list(asked(bundle).values())

    together = list(store.search_many(queries))
    assert [[h.row for h in a] for a in together] == [
        [h.row for h in store.search(q)] for q in queries
    ]


def test_a_table_of_an_answer_has_every_column_with_its_type(store, bundle):
    pd = pytest.importorskip("pandas")
    query = Query(location=(5, 5), target="image", k=20)

    pd.testing.assert_frame_equal(store.search(query).to_pandas(), bundle.search(query).to_pandas())


@pytest.mark.parametrize("format", ["csv", "geojson", "parquet", "dwca"])
def test_hits_are_written_as_of_the_folder(store, bundle, format, tmp_path):
    import zipfile

    from prom3e_index.exports.answers import write_hits

    query = Query(location=(5, 5), target="image", k=20)
    ending = "zip" if format == "dwca" else format
    files = {}
    for name, index in (("folder", bundle), ("store", store)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f"hits.{ending}"
        written = write_hits(index.search(query), index, path, format)
        assert written == (18 if format == "dwca" else 20)  # two have no name
        if format == "parquet":
            from pyarrow import parquet

            files[name] = parquet.read_table(path).to_pylist()
        elif format == "dwca":
            with zipfile.ZipFile(path) as z:
                files[name] = {n: z.read(n) for n in z.namelist() if n.endswith((".txt", ".csv"))}
        else:
            files[name] = path.read_text()
    assert files["store"] == files["folder"]


def test_all_rows_of_a_filter_are_exported(store, bundle, tmp_path):
    from prom3e_index.exports.write import write_export

    texts = []
    for name, index in (("folder", bundle), ("store", store)):
        for f in (None, Filter(near=(10.0, 20.0, 6000.0))):
            path = tmp_path / f"{name}-{f is None}.csv"
            write_export(index, path, chosen=f or Filter())
            texts.append(path.read_text())
    assert texts[:2] == texts[2:] and len(texts[0]) > len(texts[1])


def test_what_needs_all_rows_is_refused_in_a_sentence(store):
    for query in (
        Query(location=(5, 5), target="image", epsilon=0.7),
        Query(location=(5, 5), target="image", epsilon=0.3),
    ):
        if query.epsilon != store.manifest["epsilon"]["image"]:
            with pytest.raises(
                InputError, match="needs an index folder; the store .*answers queries and filters"
            ):
                store.search(query)
    with pytest.raises(InputError, match="SQL over all observations needs an index folder"):
        store.sql("SELECT 1")


def test_the_program_asks_a_store(store, bundle, bundle_path, tmp_path, capsys):
    from prom3e_index.cli.app import app

    identity = bundle.sql("SELECT id FROM observations WHERE row = 7")[0][0]
    out = []
    for where in (["--store", str(store.address)], ["--index", str(bundle_path)]):
        path = tmp_path / f"{len(out)}.json"
        app(
            [
                "query",
                "--place",
                "5,5",
                "-t",
                "image",
                "-k",
                "4",
                "--more",
                identity,
                "-o",
                str(path),
                *where,
            ],
            standalone_mode=False,
        )
        out.append(json.loads(path.read_text()))
    for number, where in enumerate(
        (["--store", str(store.address)], ["--index", str(bundle_path)])
    ):
        app(
            ["export", str(tmp_path / f"{number}.csv"), "--near", "10,20,6000km", *where],
            standalone_mode=False,
        )
    assert (tmp_path / "0.csv").read_text() == (tmp_path / "1.csv").read_text()
    hits = [[{**h, "media": None} for h in o["hits"]] for o in out]
    assert hits[0] == hits[1] and len(hits[0]) == 4


def test_a_store_that_is_not_there(store, tmp_path):
    from prom3e_index.store.opened import StoreBundle

    with pytest.raises(StoreError, match=r"holds no index.*`prom3e-index push INDEX --store"):
        StoreBundle.open(str(store.address).removesuffix("answers") + "nothing")
    with pytest.raises(StoreError, match="cannot be reached"):
        StoreBundle.open("milvus://127.0.0.1:9/birds", timeout_s=2)
    for wrong, says in (("milvus://here", "milvus://HOST:PORT/NAME"), ("milvus://h:70000/a", "ports go from 1"),
                        ("milvus://h:1/a b", "a name is a letter"), ("milvus://h:1/a__b", "a name is a letter")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            StoreBundle.open(wrong)


@pytest.mark.parametrize(
    "command", [["query", "--text", "Aves"], ["export", "out.csv"], ["certify"]], ids=lambda c: c[0]
)
def test_an_index_and_a_store_are_not_both_asked(command, tmp_path, monkeypatch):
    from prom3e_index.cli.app import app
    from prom3e_index.store.opening import open_index

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="are both given; leave one out"):
        app(
            [*command, "--index", "a.p3i", "--store", "milvus://127.0.0.1:9/a"],
            standalone_mode=False,
        )
    with pytest.raises(InputError, match="not as of an earlier generation"):
        open_index("milvus://127.0.0.1:9/a", at=1)


def test_a_certificate_holds_until_a_tenth_of_the_rows_has_changed():
    from prom3e_index.indexer.push_change import still_true

    made = {"rows": 100, "targets": {}}
    once = still_true(made, 6)
    assert once == {**made, "changed": 6} and still_true(once, 4) == {**made, "changed": 10}
    assert still_true(once, 5) is None and still_true(None, 1) is None


def _read_as(store, monkeypatch, **other):
    """Open the store as if its head said something else."""
    from prom3e_index.store import head
    from prom3e_index.store.opened import StoreBundle

    given = head.Head(**{**vars(store.head), **other})
    monkeypatch.setattr("prom3e_index.store.opened.read_head", lambda *_: head._checked(given))
    return StoreBundle.open(str(store.address))


def test_a_store_names_no_model_folder(store, monkeypatch, tmp_path):
    import shutil

    shutil.copytree(store.model().folder, tmp_path / "mini")
    manifest = {
        **store.manifest,
        "model": {**store.manifest["model"], "name": str(tmp_path / "mini"), "hub": "/tmp"},
    }
    with _read_as(store, monkeypatch, manifest=manifest) as other:
        with pytest.raises(ModelError, match="a store opens no folder of this one. Say where"):
            other.search(Query(location=(5, 5), target="image"))
        assert (
            len(other.search(Query(location=(5, 5), target="image", model=str(tmp_path / "mini"))))
            > 0
        )


@pytest.mark.parametrize("wrong", [
    {"generation": -5}, {"rows": "many"}, {"collections": {}}, {"collections": {"image": 'x"; drop'}}, {"kind": {"name": "foo"}},
    {"kind": {"name": "ivf", "lists": 4, "beam": "all"}}, {"asked": "tree"},
    {"manifest": {}}, {"columns": {"a": {"key": 'c0"] == 1 or columns["c1', "type": "VARCHAR"}}}, {"media": []},
], ids=str)  # fmt: skip
def test_a_head_is_checked(store, monkeypatch, wrong):
    with pytest.raises(ValueError):
        _read_as(store, monkeypatch, **wrong)


def test_a_type_of_a_head_is_never_run(store, monkeypatch):
    from prom3e_index.store.known import safe_type

    columns = {
        n: {**e, "type": "VARCHAR); CREATE TABLE gone (x INT); --"}
        for n, e in store.head.columns.items()
    }
    with _read_as(store, monkeypatch, columns=columns) as other:
        tables = other.metadata.typed().execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert tables == [("observations",)]
    kinds = ["VARCHAR", "DECIMAL(18,3)", "DOUBLE[]", "TIMESTAMP WITH TIME ZONE", "BIGINT[3]"]
    assert [safe_type(k) for k in kinds] == kinds


def test_an_endless_number_is_refused_at_once(store):
    for number in ("1e400", "1e1000000", "1e999999999"):
        with pytest.raises(InputError, match="where latitude has a number"):
            store.search(
                Query(location=(5, 5), target="image", filter=Filter(where=f"latitude > {number}"))
            )


def test_rows_are_read_once_and_those_that_are_gone_are_told(lite, bundle_path):
    from prom3e_index.indexer.push import push
    from prom3e_index.server.problems import of_error
    from prom3e_index.store.opened import StoreBundle
    from prom3e_index.store.row_values import RowsGoneError
    from prom3e_index.store.whole import RowsLostError

    address = f"{lite}/gone"
    push(bundle_path, address, lambda *_: None, targets=["image"])
    with StoreBundle.open(address) as store:
        asked = []
        rows = store.engine.rows
        store.engine.rows = lambda *a, **k: (asked.append(a[1]), rows(*a, **k))[1]
        first = store.values(np.array([5, 3, 5]), ["id"]), store.observed(np.array([3, 5])).tolist()
        assert asked == [[5, 3]] and list(first[0]) == [5, 3]
        store.engine.delete(store.collection("image"), [3, 4])
        assert store.values(np.array([3]), ["id"])[3] == first[0][3]  # as it was in this generation
        anew = f"Push it anew: `prom3e-index push INDEX --replace --store {address}`"
        name = store.collection("image")
        with pytest.raises(
            RowsLostError, match=f"{name} has lost row 4, and maybe others. {anew}"
        ) as told:
            store.values(np.array([3, 4]), ["id"])
        assert (of_error(told.value).status, of_error(told.value).type) == (503, "store")
        push(bundle_path, address, lambda *_: None, targets=["image"], replace_other=True)
        with pytest.raises(
            RowsGoneError, match=r"has no row 4 any more: it has changed since it was opened"
        ) as told:
            store.values(np.array([4]), ["id"])
        assert (of_error(told.value).status, of_error(told.value).type) == (409, "generation")
    with StoreBundle.open(address) as again:
        assert again.values(np.array([3]), ["id"])[3] == first[0][3]


def test_columns_of_no_type_are_a_damaged_store(store, monkeypatch):
    columns = {n: {**e, "type": "NO SUCH TYPE"} for n, e in store.head.columns.items()}
    with pytest.raises(StoreError, match="Push the index again"):
        _read_as(store, monkeypatch, columns=columns)
