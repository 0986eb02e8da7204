"""A metadata cell keeps its text: numbers only where the text follows from them, one type for good."""

from __future__ import annotations

import csv
import json
import shutil
from decimal import Decimal

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prom3e_index.bundle.column_types import as_text, chosen_type, number, reproduced
from prom3e_index.indexer import as_built as as_built_module
from prom3e_index.indexer import change as change_module
from prom3e_index.indexer import compact as compact_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.search.run import Bundle


def quiet(*_):
    return


def type_of(cells):
    con = duckdb.connect()
    con.execute("CREATE TABLE t (c VARCHAR)")
    for cell in cells:
        con.execute("INSERT INTO t VALUES (?)", [cell])
    kind = chosen_type(con, "t", "c")
    typed = con.execute(f"SELECT {number('c', kind)} FROM t").fetchall()
    again = con.execute(f"SELECT {as_text(number('c', kind), kind)} FROM t").fetchall()
    return kind, [r[0] for r in typed], [r[0] for r in again]


@pytest.mark.parametrize("cells, kind", [
    (["5", "-12", "0"], "BIGINT"),
    (["5", None, "9223372036854775807"], "BIGINT"),
    (["9223372036854775808", "1"], "VARCHAR"),
    (["5", "6.5", "-0.25"], "DOUBLE"),
    (["1.1", "1.10"], "VARCHAR"),
    (["1E2", "100"], "VARCHAR"),
    (["1e2"], "VARCHAR"),
    (["12345678901234567890123", "12345678901234567890124"], "VARCHAR"),
    (["0.1234567890123456", "0.5"], "VARCHAR"),
    (["007", "008"], "VARCHAR"),
    (["+5", "6"], "VARCHAR"),
    (["-0", "1"], "VARCHAR"),
    (["12.50", "3.25", "4.00"], "DECIMAL(18,2)"),
    (["-0.00", "1.00"], "VARCHAR"),
    (["01.50", "1.25"], "VARCHAR"),
    ([".5", "1.5"], "VARCHAR"),
    (["5.", "1.5"], "VARCHAR"),
    (["1,5"], "VARCHAR"),
    ([" 5", "6"], "VARCHAR"),
    (["nan", "1"], "VARCHAR"),
    (["inf"], "VARCHAR"),
    (["1_000"], "VARCHAR"),
    (["0x10"], "VARCHAR"),
    (["٣"], "VARCHAR"),
    (["", "1"], "VARCHAR"),
    ([None], "VARCHAR"),
    ([], "VARCHAR"),
])  # fmt: skip
def test_numbers_only_where_every_text_follows_from_its_number(cells, kind):
    made, _, again = type_of(cells)

    assert made == kind and again == cells


@settings(max_examples=60, deadline=None)
@given(st.lists(
    st.from_regex(r"-?[0-9]{1,19}(\.[0-9]{0,17})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
    | st.decimals(-1000, 1000, places=2).map(str) | st.integers().map(str) | st.text(max_size=4),
    min_size=1, max_size=6,
))  # fmt: skip
def test_no_text_is_altered_whatever_it_is(cells):
    cells = [c.replace("\x00", "") for c in cells]
    kind, typed, again = type_of(cells)

    assert again == cells
    if kind != "VARCHAR":
        assert [Decimal(repr(t) if isinstance(t, float) else t) for t in typed] == [
            Decimal(c) for c in cells
        ]


@pytest.mark.parametrize("text, kind, value, fits", [
    ("7", "BIGINT", 7, True), ("5.0", "BIGINT", 5, False), ("6.5", "BIGINT", None, False),
    ("many", "BIGINT", None, False), ("007", "BIGINT", None, False), ("99999999999999999999", "BIGINT", None, False),
    ("5.0", "DOUBLE", 5.0, False), ("1e3", "DOUBLE", None, False), ("0.1234567890123456", "DOUBLE", None, False),
    ("3.5", "DECIMAL(18,2)", Decimal("3.50"), False), ("3.505", "DECIMAL(18,2)", None, False),
    ("3.50", "DECIMAL(18,2)", Decimal("3.50"), True),
])  # fmt: skip
def test_a_later_cell_is_its_exact_number_or_none(text, kind, value, fits):
    query = f"SELECT {number('c', kind)}, {reproduced('c', kind)} FROM (SELECT ? AS c)"
    ((made, said),) = duckdb.execute(query, [text]).fetchall()

    assert (made, bool(said)) == (value, fits)


def table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)
    return str(path)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    head = ["id", "lat", "lon", "count", "plot", "price", "count_text"]
    rows = [["a", 1, 2, 5, "1.1", "4.50", "own"], ["b", 3, 4, 12, "1.10", "12.00", "its"]]
    build(
        BuildConfig(
            table=table(folder / "t.csv", [head, *rows]), out=folder / "i.p3i", model="mini"
        )
    )
    return folder / "i.p3i"


@pytest.fixture
def index(built, tmp_path, monkeypatch):
    model = Model.open("mini")
    shutil.copytree(built, tmp_path / "i.p3i")
    monkeypatch.setattr(as_built_module, "model_of", lambda *_: model)
    for module in (change_module, compact_module):
        monkeypatch.setattr(module, "certified", lambda folder, manifest, *_: manifest)
    return tmp_path / "i.p3i"


def ids(bundle, where):
    from prom3e_index.bundle.filters import Filter

    rows = bundle.eligible(Filter(where=where))
    found = bundle.sql("SELECT row, id FROM every")
    return sorted(i for r, i in found if np.isin(r, rows))


def added(index, tmp_path, rows):
    return add(
        index, BuildConfig(table=table(tmp_path / "n.csv", rows), out=index, model="mini"), quiet
    )


def test_types_stay_and_texts_that_do_not_fit_stand_beside(index, tmp_path):
    made = json.loads((index / "manifest.json").read_text())["columns"]
    assert made["count"] == {
        "type": "BIGINT",
        "text": "count_text_",
    }  # the table has a count_text of its own
    assert made["plot"] == {"type": "VARCHAR"} and made["price"]["type"] == "DECIMAL(18,2)"
    head = ["id", "lat", "lon", "Count", "price", "depth"]
    done = added(
        index, tmp_path, [head, ["c", 5, 6, "many", "3.5", "7"], ["d", 5, 7, "9", "8.25", "8"]]
    )
    assert done.manifest["counts"]["files_lost"] == 0  # no file is: the texts are told, and kept
    for _ in range(2):
        bundle = Bundle.open(index)
        assert ids(bundle, '"count" > 6') == ["b", "d"] and ids(bundle, "price < 4") == ["c"]
        assert ids(bundle, "count_text_ = 'many'") == ["c"] and ids(bundle, "depth = 7") == ["c"]
        assert bundle.sql(
            'SELECT id, "count", count_text_, count_text, plot, price, price_text FROM observations ORDER BY id'
        ) == [
            ("a", 5, None, "own", "1.1", Decimal("4.50"), None),
            ("b", 12, None, "its", "1.10", Decimal("12.00"), None),
            ("c", None, "many", None, None, Decimal("3.50"), "3.5"),
            ("d", 9, None, None, None, Decimal("8.25"), None),
        ]
        told = bundle.sql("SELECT modality, reason FROM lost ORDER BY modality")
        assert [t[0] for t in told] == ["Count", "price"] and told[0][1].startswith(
            "many is not written as"
        )
        kinds = dict(r[:2] for r in bundle.sql("DESCRIBE observations"))
        assert (kinds["count"], kinds["price"], kinds["depth"]) == (
            "BIGINT",
            "DECIMAL(18,2)",
            "BIGINT",
        )
        compact(index, quiet)
    assert json.loads((index / "manifest.json").read_text())["columns"]["count"] == made["count"]


def test_a_table_with_the_name_of_a_column_of_texts_has_its_own(index, tmp_path):
    added(index, tmp_path, [["id", "lat", "lon", "price_text"], ["c", 5, 6, "cheap"]])
    assert Bundle.open(index).sql("SELECT source_price_text FROM observations WHERE id = 'c'") == [
        ("cheap",)
    ]


def test_indexes_that_do_not_describe_their_columns_keep_the_first_type(index, tmp_path):
    added(index, tmp_path, [["id", "lat", "lon", "count"], ["c", 5, 6, "7"]])
    path = index / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("columns")
    path.write_text(json.dumps(manifest))
    name = manifest["segments"][-1]["name"]
    con = duckdb.connect(str(index / name / "metadata.duckdb"))
    con.execute(
        "ALTER TABLE observations ALTER \"count\" TYPE VARCHAR USING 'many'"
    )  # as older programs wrote
    con.close()
    size = (index / name / "metadata.duckdb").stat().st_size
    manifest["files"][f"{name}/metadata.duckdb"]["bytes"] = size
    path.write_text(json.dumps(manifest))
    bundle = Bundle.open(index)
    assert ids(bundle, '"count" > 6') == ["b"]
    assert bundle.sql("SELECT \"count\", count_text_ FROM observations WHERE id = 'c'") == [
        (None, "many")
    ]
