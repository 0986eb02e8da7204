"""Quotation marks, ends of lines and ragged rows of delimited text: no row vanishes, and what was odd is said."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from prom3e_index.tables.text import open_text

_SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path, data, kind="csv", **options):
    """(rows as lists with "" for empty cells, the source)."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    source = open_text(path, kind, **options)
    rows = [
        [c or "" for c in row]
        for batch in source.batches()
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    assert source.facts["rows"] == len(rows) + len(source.rejected)
    return rows, source


CELL = st.text(st.sampled_from("ab é'\"\\,;\t|\n#1"), max_size=8)


@_SETTINGS
@given(
    cells=st.lists(st.tuples(*[CELL] * 4), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_a_csv_writer_wrote_comes_back_cell_by_cell(tmp_path, cells, delimiter, quoting, end):
    assume(all(any(c.strip() for c in row) for row in cells))
    assume(
        quoting == csv.QUOTE_ALL or len(end) > 1
    )  # else the writer leaves the other line end unquoted
    rows = [[f"r{i:03d}", *row] for i, row in enumerate(cells)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(["id", "a", "b", "c", "d"])
    writer.writerows(rows)
    got, source = read(tmp_path / "t.csv", out.getvalue(), delimiter=delimiter)

    assert got == rows and not source.rejected
    assert not source.said


WORDS = st.text(st.sampled_from("abc é-"), min_size=1, max_size=6)


@_SETTINGS
@given(
    cells=st.lists(
        st.tuples(WORDS, st.one_of(WORDS, st.just('say "x", he'))), min_size=3, max_size=30
    ),
    all_quoted=st.booleans(),
    data=st.data(),
)
def test_one_stray_quote_costs_no_other_row(tmp_path, cells, all_quoted, data):
    rows = [[f"r{i:03d}", *row, f"{i}.5"] for i, row in enumerate(cells)]
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    writer.writerow(["id", "name", "note", "lat"])
    writer.writerows(rows)
    lines = out.getvalue().splitlines(keepends=True)
    i = data.draw(st.integers(0, len(rows) - 1))
    at = data.draw(st.integers(0, len(lines[i + 1]) - 1))
    lines[i + 1] = lines[i + 1][:at] + '"' + lines[i + 1][at:]
    got, source = read(tmp_path / "t.csv", "".join(lines))

    others = [row for row in rows if row != rows[i]]
    assert [row for row in got if row in others] == others
    assert len(got) + len(source.rejected) == len(rows)


def test_a_quote_that_never_closes_is_text_and_its_line_is_named(tmp_path):
    """Enough rows for several blocks, the quote in the first of them and in the last line."""
    n = 200_000
    lines = [f"{i}\tParus major\t{i % 90}.5\tseen near the old oak" for i in range(n)]
    for i, cell in ((3, '"calling'), (n - 1, '"last')):
        lines[i] = f"{i}\tParus major\t{i % 90}.5\t{cell}"
    text = "id\tname\tlat\tnote\n" + "\n".join(lines)
    rows, source = read(tmp_path / "t.tsv", text, "tsv")

    assert len(text) > 1.5 * (4 << 20)
    assert [r[0] for r in rows] == [str(i) for i in range(n)]
    assert rows[3][3] == '"calling' and rows[-1][3] == '"last'
    assert any(
        "quotation marks that do not close" in s and "lines 5 and 200,001" in s for s in source.said
    )


def test_a_long_quoted_cell_is_whole_and_one_that_is_too_long_is_none(tmp_path):
    long = "\n".join(["a line of a description, with commas, more of them"] * 900)
    rows, source = read(tmp_path / "t.csv", f'id,note,lat\n1,"{long}",2\n2,x,3\n')
    assert rows == [["1", long, "2"], ["2", "x", "3"]] and not source.said
    text = "id,note,lat\n1,x,2\n" + '2,"y,3\n' + "".join(f"{i},z,4\n" for i in range(150_000))
    rows, source = read(tmp_path / "t.csv", text)
    assert len(rows) == 150_002 and rows[1] == ["2", '"y', "3"]
    assert source.facts["lines"] == 150_003


@pytest.mark.parametrize("line, cells", [
    ('1,"a ""b"" c",2', ["1", 'a "b" c', "2"]),
    ('1,"a \\"b\\", c",2', ["1", 'a "b", c', "2"]),
    ('1, "b, c",2', ["1", "b, c", "2"]),
    ('1,5" pipe,2', ["1", '5" pipe', "2"]),
    ('1,"5" pipe",2', ["1", '5" pipe', "2"]),
    ('1,"x,2', ["1", '"x', "2"]),
    ('1,x",2', ["1", 'x"', "2"]),
    ('1,a\\, b,2', ["1", "a, b", "2"]),
    ('1,"",2', ["1", "", "2"]),
    ('1,"""",2', ["1", '"', "2"]),
    ("1,a", ["1", "a", ""]),
    ("1,a,2,,", ["1", "a", "2"]),
    ("1,a, b,2", ["1", "a, b", "2"]),
])  # fmt: skip
def test_one_line_of_each_kind(tmp_path, line, cells):
    rows, _ = read(tmp_path / "t.csv", f"id,note,lat\n0,plain,1\n{line}\n9,after,3\n")

    assert rows == [["0", "plain", "1"], cells, ["9", "after", "3"]]


def test_lines_that_are_no_records_are_refused_by_number_or_said(tmp_path):
    text = "id,name,note\n1,a,b\n\n2,c,d,e\n,,\n# a remark\nTotal: 2 rows\n3,f\n\n"
    rows, source = read(tmp_path / "t.csv", text)

    assert rows == [["1", "a", "b"], ["3", "f", ""]]
    assert [line for line, _ in source.rejected] == [4, 7]
    assert "4 cells where the header has 3: 'e' too many" in source.rejected[0][1]
    said = " ".join(source.said)
    assert "fewer cells than the header, the last ones read as empty: line 8." in said
    assert "beginning with #" in said and "line 6." in said
    assert "without any cell filled, passed over: lines 3 and 5." in said
    assert source.facts["lines"] == 9


def test_a_record_broken_inside_a_cell_is_joined(tmp_path):
    header = "\t".join("abcdefgh")
    row = "\t".join(str(i) for i in range(8))
    broken = "0\t1\t2\tfirst\nsecond\t4\t5\t6\t7"
    rows, source = read(tmp_path / "t.txt", f"{header}\n{row}\n{broken}\n{row}\n", "gbif")

    assert rows[1] == ["0", "1", "2", "first\nsecond", "4", "5", "6", "7"]
    assert len(rows) == 3 and "joined with the next line: line 3." in source.said[0]


def test_unquoted_tables_keep_their_quotes(tmp_path):
    text = 'gbifID\tnote\tlat\n1\t"whole"\t2\n2\t"open\t3\n3\tx ""y\t4\n'
    rows, source = read(tmp_path / "t.txt", text, "gbif")

    assert [r[1] for r in rows] == ['"whole"', '"open', 'x ""y'] and not source.said


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "mixed"])
def test_line_ends(tmp_path, ends):
    lines = ["id,note,lat", "1,a,2", '2,"b\nc",3', "3,d,4"]
    if ends == "mixed":
        text = "".join(x + e for x, e in zip(lines, ["\r\n", "\n", "\r", ""], strict=True))
    else:
        text = ends.join(lines)
    rows, _ = read(tmp_path / "t.csv", text)

    assert rows == [["1", "a", "2"], ["2", "b\nc", "3"], ["3", "d", "4"]]


def test_a_line_longer_than_any_row_is_refused_and_costs_no_other(tmp_path):
    text = b"id,note,lat\n1,a,2\n2," + b"x" * (24 << 20) + b",3\n3,c,4\n"
    rows, source = read(tmp_path / "t.csv", text)

    assert rows == [["1", "a", "2"], ["3", "c", "4"]]
    assert source.rejected == [(3, "a line of more than 16,777,216 bytes")]
    assert source.facts["lines"] == 4
