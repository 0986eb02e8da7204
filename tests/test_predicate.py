"""`--where` takes one plain predicate, reads nothing but the observations, and can use up neither memory nor time."""

from __future__ import annotations

import shutil

import duckdb
import pytest
from conftest import ROOT
from plain_index import reseal

import prom3e_index.bundle.predicate as predicate
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.predicate import bounded, check_predicate
from prom3e_index.errors import BundleError, InputError
from prom3e_index.search.run import Bundle

ROWS = 40


@pytest.fixture(scope="module")
def con():
    con = duckdb.connect()
    con.execute(
        f"CREATE TABLE observations AS SELECT range AS row, 'name ' || range AS name, range * 1.5 AS depth, "
        f"range % 2 = 0 AS has_image, DATE '2024-01-01' + range::INT AS day FROM range({ROWS})"
    )
    return con


def holding(con, where):
    check_predicate(con, where)
    return {r[0] for r in con.execute(f"SELECT row FROM observations WHERE ({where}\n)").fetchall()}


TAKEN = {
    "depth > 6 AND row < 10": lambda r: r * 1.5 > 6 and r < 10,
    "name LIKE 'name 1%' OR name ILIKE '%NAME 2'": lambda r: str(r).startswith("1") or r == 2,
    "has_image": lambda r: r % 2 == 0,
    "NOT has_image IS TRUE": lambda r: r % 2,
    "day BETWEEN DATE '2024-01-05' AND DATE '2024-01-05' + INTERVAL 3 DAY": lambda r: 4 <= r <= 7,
    "extract(month FROM day) = 2 AND year(day) = 2024": lambda r: r >= 31,
    "row IN (1, 2, 3) OR row % 10 = 9": lambda r: r in (1, 2, 3) or r % 10 == 9,
    "row::VARCHAR = '7' OR TRY_CAST(right(name, 2) AS INTEGER) = 12": lambda r: r in (7, 12),
    "CASE WHEN row > 5 THEN row < 8 ELSE false END": lambda r: 5 < r < 8,
    "regexp_matches(name, '^name [12]$')": lambda r: r in (1, 2),
    "coalesce(NULLIF(name, 'name 3'), '') = ''": lambda r: r == 3,
    "length(name || '-') = 8 AND round(depth) <> 15": lambda r: r >= 10 and round(r * 1.5) != 15,
    "abs(depth - 3) < 0.1 -- a remark": lambda r: r == 2,
    "hash(row) % 1 = 0": lambda r: True,
}  # fmt: skip


@pytest.mark.parametrize("where", TAKEN)
def test_predicates_that_are_taken_hold_where_python_says(con, where):
    assert holding(con, where) == {r for r in range(ROWS) if TAKEN[where](r)}


@pytest.mark.parametrize("where, words", [
    ("1=1; DROP TABLE observations", "no SQL predicate"), ("1=1) UNION SELECT 1 --", "no SQL predicate|not one"),
    ("row IN (SELECT row FROM observations)", "a subquery"), ("EXISTS (SELECT * FROM read_csv('/etc/passwd'))", "a subquery"),
    ("row = ANY([1])", "a subquery"), ("order = 'x'", 'Write "order" in double quotes'), ("colour = 'red'", "cannot be applied.*colour"),
    ("true) GROUP BY row HAVING (true", "not one|no SQL"), ("", "is empty"), (" \n", "is empty"), ("1=1) OR (1=1", "no SQL predicate"),
    ("true LIMIT 5", "no SQL predicate"), ("(ATTACH 'x.db')", "a cast to attach"), ("count(*) > 1", r"count_star\(\), which"),
    ("depth", "is DOUBLE|is DECIMAL"), ("row", "is BIGINT, not true or false"), ("name", "is VARCHAR"), ("NULL", "is NULL, not"),
    ("1", "is INTEGER"), ("day", "is DATE"), ("length(repeat('x', (20000000+row)::INT)) > 1", r"repeat\(\), which"),
    ("list_sum(range(2000000+row)) > 1", r"list_sum\(\)|range\(\)"), ("len(generate_series(1, 9)) > 1", "generate_series"),
    ("lpad(name, 1000000000, 'x') = ''", "lpad"), ("replace(name, 'a', 'b') = ''", "replace"), ("name::BLOB = 'x'", "a cast to blob"),
    ("(name::INTEGER[])[1] = 1", "array extract|a cast to list"), ("name[1] = 'n'", "array extract"), ("format('{}', name) = ''", r"format\(\)"),
    ("bar(1, 0, 2, 100000) = ''", r"bar\(\)"), ("getenv('HOME') = 'x'", "getenv"), ("read_text('/etc/passwd') = ''", "read_text"),
    ("random() < 0.5", "random"), ("main.lower(name) = 'x'", "of a schema"), ("name.lower() = 'x'", "behind a dot"),
    ("regexp_matches('x', name)", "no text written out"), ("name COLLATE nocase = 'x'", "a collation"), ("COLUMNS('r.*') = 1", r"\*; name the columns"),
    ("$1 = 1", "a parameter"), ("list_transform([1], x -> x) = [1]", "list_transform|lambda"), ("{'a': 1} IS NULL", "struct_pack"),
    ("nextval('s') = 1", "nextval"), ("row_number() OVER () = 1", "a window function"), ("md5(name) = ''", "md5"),
    (" OR ".join(["name || name = ''"] * 60), "60 joined texts; at most 50"),
    (f"strftime(day, '{'%A' * 51}') = ''", "form of at most 100 letters"), ("strftime(day, name) = ''", "form of at most"),
    (f"concat({', '.join(['name'] * 52)}) = ''", "51 joined texts; at most 50"),
    (f"concat(concat_ws({', '.join(['name'] * 30)}), concat({', '.join(['name'] * 30)})) = ''", "59 joined texts"),
    ("row = " + "1" * 100_001, "100,007 letters"),
    ("name::ENUM('a') = 'a'", "a cast to enum"), ("error('x')", "error"), ("current_setting('memory_limit') = ''", "current_setting"),
])  # fmt: skip
def test_what_is_no_plain_predicate_is_refused_by_name(con, where, words):
    with pytest.raises(InputError, match=words) as said:
        check_predicate(con, where)
    assert len(str(said.value)) < 800


def test_a_long_predicate_is_cut_in_errors_and_a_long_list_is_taken(con):
    ids = ", ".join(f"'name {i}'" for i in range(0, 4000, 2))
    assert holding(con, f"name IN ({ids})") == set(range(0, ROWS, 2))
    with pytest.raises(InputError) as said:
        check_predicate(con, f"name IN ({ids}) AND colour = 1")
    assert len(str(said.value)) < 600 and "…" in str(said.value) and "colour" in str(said.value)


def test_what_takes_too_long_is_stopped_and_the_connection_goes_on():
    con = duckdb.connect()
    with (
        pytest.raises(InputError, match=r"where 'x' takes longer than 0\.2 s"),
        bounded(con, "--where 'x'", 0.2),
    ):
        con.execute(
            "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
        ).fetchall()
    assert con.execute("SELECT 1").fetchall() == [(1,)]
    with bounded(con, "--where 'x'", 60):
        assert con.execute("SELECT 2").fetchall() == [(2,)]


@pytest.fixture
def golden(tmp_path):
    folder = tmp_path / "g.p3i"
    shutil.copytree(ROOT / "tests/bundles/v2", folder)
    return folder


def test_a_filter_that_is_slow_is_stopped_where_it_is_asked(golden, monkeypatch):
    monkeypatch.setattr(predicate, "SECONDS", 0.3)
    monkeypatch.setattr(
        "prom3e_index.bundle.eligible.lookups",
        lambda *_: [
            (
                "SELECT a.range AS row FROM range(100000000) a, range(1000000) b WHERE a.range * b.range < 0",
                [],
            )
        ],
    )
    with pytest.raises(InputError, match=r"where 'depth < 3' takes longer than 0\.3 s"):
        Bundle.open(golden).eligible(Filter(where="depth < 3"))


def test_an_error_names_the_filter_that_it_is_of(golden):
    bundle = Bundle.open(golden)
    for f, words in (
        (Filter(where="CAST(id AS INTEGER) = 1"), "^where .*cannot be applied: 'a' is no number"),
        (Filter(observed="smell"), "'smell'"),
    ):
        with pytest.raises(InputError, match=words):
            bundle.eligible(f)


def hostile(golden, *statements):
    con = duckdb.connect(str(golden / "metadata.duckdb"))
    for statement in statements:
        con.execute(statement)
    con.close()
    reseal(golden, "metadata.duckdb")
    return golden


@pytest.mark.parametrize("where", [
    "leak(id)", "main.leak(id)", "s0.leak(id)", "s0.main.leak(id)", "lower(id) IS NOT NULL AND s0.main.lower(id)",
])  # fmt: skip
def test_a_foreign_index_reads_no_file_through_a_predicate(golden, tmp_path, where):
    """Its database brings functions of its own; with one that reads files, a predicate would tell what they hold."""
    secret = tmp_path / "s.txt"
    secret.write_text("secret")
    body = f"(SELECT content FROM read_text('{secret}')) = 'secret'"
    hostile(golden, f"CREATE MACRO leak(x) AS {body}", f"CREATE MACRO lower(x) AS {body}")
    con = duckdb.connect()
    con.execute(f"ATTACH '{golden / 'metadata.duckdb'}' AS s0 (READ_ONLY)")
    assert con.execute("SELECT s0.main.leak('a')").fetchall() == [(True,)]  # it would
    con.close()
    try:
        bundle = Bundle.open(golden)
    except BundleError:
        return  # refused as a whole
    with pytest.raises(InputError, match="leak|lower"):
        bundle.eligible(Filter(where=where))
