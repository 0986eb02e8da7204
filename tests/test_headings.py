"""What stands above the cells of a text table: titles, remarks, `sep=`, delimiters, headers of every sort."""

from __future__ import annotations

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables.text import header, open_text

DATA = "1,Pica pica,48.5\n2,Parus major,47.25\n3,Turdus merula,46.0\n"
ROWS = [("1", "Pica pica", "48.5"), ("2", "Parus major", "47.25"), ("3", "Turdus merula", "46.0")]


def read(path, text, kind="csv"):
    path.write_text(text, newline="")
    source = open_text(path, kind)
    return [tuple(r.values()) for b in source.batches() for r in b.to_pylist()], source


@pytest.mark.parametrize("above, said", [
    ("", None),
    ("\n\n", None),
    ("\ufeff", None),
    ("sep=,\n", None),
    ('"sep=,"\r\n', None),
    ("# exported 2024\n# by logger, v2\n", "2 comment lines above the header"),
    ("# a, b, c\n", "1 comment line above the header"),
    ("Bird survey 2023\n\n", "1 line above the header passed over: 'Bird survey 2023'"),
    ("Bird survey 2023,,\nby A. Person,,\n,,\n", "2 lines above the header"),
])  # fmt: skip
def test_what_stands_above_the_header_is_no_row(tmp_path, above, said):
    rows, source = read(tmp_path / "t.csv", above + "id,name,lat\n" + DATA)

    assert source.columns == ["id", "name", "lat"] and rows == ROWS
    assert source.facts["rows"] == 3 and not source.rejected
    assert (said is None and not source.said) or any(said in s for s in source.said)


def test_a_header_may_begin_with_a_hash(tmp_path):
    for text in ("#id,name,lat\n", "# id,name,lat\n", "## export 7\n#id,name,lat\n"):
        rows, source = read(tmp_path / "t.csv", text + DATA)
        assert source.columns == ["id", "name", "lat"] and rows == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("cell", ["x", "a; b", "a, b, c", "one|two", '"; , |'])
def test_the_delimiter_is_the_one_that_divides_all_lines_alike(tmp_path, delimiter, cell):
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows(
        [["id", "note, or; what|it is", "lat"], *([str(i), cell, f"{i}.5"] for i in range(9))]
    )
    rows, source = read(tmp_path / "t.csv", out.getvalue())

    assert source.columns == ["id", "note, or; what|it is", "lat"]
    assert rows == [(str(i), cell, f"{i}.5") for i in range(9)]


def test_decimal_commas_between_semicolons(tmp_path):
    rows, source = read(tmp_path / "t.csv", "id;lat;lon\n1;51,25;4,5\n2;50,5;3,75\n")

    assert source.facts["delimiter"] == "semicolon"
    assert rows == [("1", "51,25", "4,5"), ("2", "50,5", "3,75")]


def test_row_names_of_r_and_pandas(tmp_path):
    """`write.table` gives the row names no header, `to_csv` an empty one."""
    rows, source = read(
        tmp_path / "r.txt", '"id" "name" "lat"\n"1" "a" "Pica pica" 1.5\n"2" "b" "x" 2\n'
    )
    assert source.columns == ["row_name", "id", "name", "lat"]
    assert rows == [("1", "a", "Pica pica", "1.5"), ("2", "b", "x", "2")]
    assert "the first is a row name" in source.said[0]
    rows, source = read(tmp_path / "p.csv", ",id,lat\n0,a,1.5\n1,b,2.5\n")
    assert source.columns == ["column_1", "id", "lat"] and rows[1] == ("1", "b", "2.5")
    rows, source = read(tmp_path / "t.csv", '"id","name","lat"\n"1","a","x",3\n"2","b","y",4\n')
    assert source.columns == ["row_name", "id", "name", "lat"] and len(rows) == 2


def test_a_delimiter_too_many_at_the_ends_of_lines(tmp_path):
    rows, source = read(tmp_path / "t.csv", "id,lat,lon\n1,2,3,\n2,3,4,\n")
    assert source.columns == ["id", "lat", "lon"] and rows == [("1", "2", "3"), ("2", "3", "4")]
    rows, source = read(tmp_path / "t.csv", "id,lat,lon,\n1,2,3\n2,3,4\n")
    assert source.columns == ["id", "lat", "lon"] and not source.said


def test_column_names(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,"decimal\nLatitude", lon ,id,ID,\n1,2,3,4,5,6\n')
    assert header(path)[0] == ["id", "decimal Latitude", "lon", "id_", "ID__", "column_6"]


def test_one_column(tmp_path):
    rows, source = read(tmp_path / "t.csv", "image\na.jpg\nb, c.jpg\n\nd.jpg\n")

    assert source.columns == ["image"]
    assert rows[0] == ("a.jpg",) and rows[-1] == ("d.jpg",)
    assert len(rows) + len(source.rejected) == 3


@pytest.mark.parametrize("text, words", [
    ("", "starts with empty lines only"), ("\n \n", "empty lines only"), ("# a\n# b\n", "comment lines only"),
])  # fmt: skip
def test_what_has_no_header(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=words):
        open_text(tmp_path / "t.csv", "csv")


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    rows, source = read(tmp_path / "t.csv", "id,lat,lon\n")

    assert rows == [] and source.columns == ["id", "lat", "lon"] and source.facts["rows"] == 0


def test_a_header_that_is_repeated_is_no_row(tmp_path):
    """Tables that were put together with `cat`."""
    text = "id,name,lat\n" + DATA
    rows, source = read(tmp_path / "t.csv", text * 3 + 'id,"name",lat\n')

    assert rows[:-1] == ROWS * 3 and rows[-1] == ("id", "name", "lat")
    assert source.said == ["2 lines repeating the header, passed over: lines 5 and 9."]


def test_titles_of_as_many_cells_as_a_header_without_row_names(tmp_path):
    rows, source = read(
        tmp_path / "t.txt", "Date: 2024-01-01\tSite A\n\nid\tname\tlat\n1\ta\t2\n2\tb\t3\n"
    )

    assert source.columns == ["id", "name", "lat"] and rows == [("1", "a", "2"), ("2", "b", "3")]


def test_a_quote_in_the_header_and_zero_bytes(tmp_path):
    rows, source = read(tmp_path / "t.csv", 'id,"name,lat\n1,a\0b,2\n2,c,3\n')

    assert source.columns == ["id", "name", "lat"] and rows == [("1", "ab", "2"), ("2", "c", "3")]
