"""What is no table is named for what it is, with the way out."""

from __future__ import annotations

import gzip
import zipfile

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import recognise
from prom3e_index.tables.formats import FORMATS
from prom3e_index.tables.sources import open_source


@pytest.mark.parametrize(
    ("name", "head", "says"),
    [
        ("t.pdf", b"%PDF-1.7\n\0", "is a PDF.*save the table as CSV or XLSX"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "is a photo .*--image a.jpg"),
        ("a.tsv", b"\x89PNG\r\n\x1a\n\0", "is a photo .*--image a.tsv"),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ", "is a recording .*--audio a.wav"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "is a photo .*--image a.heic"),
        ("a.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0", "is a recording .*--audio a.m4a"),
        ("a.rds", gzip.compress(b"X\n\0\0\0\3", mtime=0), "R data file.*write.csv"),
        ("a.RData", gzip.compress(b"RDX3\nX\n", mtime=0), "R data file.*write.csv"),
        ("a.mdb", b"\0\x01\0\0Standard ACE DB\0", "Access database.*export"),
        ("a.nc", b"\x89HDF\r\n\x1a\n", "HDF5 or NetCDF"),
        ("a.html", b"<!DOCTYPE html><html>", "is a web page"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("meta.xml", b"<archive xmlns='http://rs.tdwg.org/dwc/text/'/>", "name its folder"),
        ("a.pkl", b"\x80\x04\x95\x10\0\0\0", "pickle.*to_parquet"),
        ("a.rar", b"Rar!\x1a\x07\0", "unpack it"),
    ],
)  # fmt: skip
def test_known_files_that_are_no_tables(tmp_path, name, head, says):
    (tmp_path / name).write_bytes(head)

    with pytest.raises(TableError, match=says):
        recognise(tmp_path / name)


@pytest.mark.parametrize(
    ("member", "says"), [("word/document.xml", "Word"), ("Index/Document.iwa", "Numbers")]
)
def test_documents_that_are_zips(tmp_path, member, says):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr(member, "x")

    with pytest.raises(TableError, match=says):
        recognise(tmp_path / "a.zip")


def test_a_text_table_may_begin_like_a_picture(tmp_path):
    (tmp_path / "t.csv").write_text("BM,latitude\n1,2\n")

    assert recognise(tmp_path / "t.csv") == "csv"


def test_a_name_after_the_path_is_refused_where_there_is_nothing_to_choose(tmp_path):
    (tmp_path / "t.csv").write_text("id,latitude\n1,2\n")

    with pytest.raises(TableError, match="is one table; name it without ::birds"):
        open_source(tmp_path / "t.csv", None, "birds")


def test_an_unknown_format_names_the_nearest(tmp_path):
    (tmp_path / "t.csv").write_text("id,latitude\n1,2\n")

    with pytest.raises(TableError, match="parquet"):
        open_source(tmp_path / "t.csv", "parqet")
    assert len(set(FORMATS)) == len(FORMATS)
