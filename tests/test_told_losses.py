"""What a build or a change lost is counted, said on the spot, and told with the observation's id."""

from __future__ import annotations

import gzip
import zipfile

import pytest
from processes import program

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle
from prom3e_index.tables.content import content
from prom3e_index.tables.sources import open_source, recognise

HEAD = "id,species,image,lat,lon,eventDate\n"
ROWS = "a,Parus major,,5,6,2020-01-01\nb,Parus major,none.jpg,95,6,the first of May\n"
"""The second is without its photo, its place and its date."""


def run(*words):
    done = program(*words)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    (folder / "t.csv").write_text(HEAD + ROWS)
    build(BuildConfig(table=str(folder / "t.csv"), out=folder / "t.p3i", model="mini"))
    return folder / "t.p3i"


def test_a_lost_date_counts_as_a_lost_file_does(index):
    counts = Bundle.open(index).manifest["counts"]
    assert counts == {
        "rows_in": 2,
        "rows_indexed": 2,
        "rows_rejected": 0,
        "files_lost": 3,
        "observations": 2,
        "rows": 2,
    }


def test_losses_are_told_with_the_id(index):
    code, out, _ = run("info", "--lost", "--csv", "--index", index)
    told = [line.split(",")[:4] for line in out.splitlines()[1:]]
    assert code == 0 and told == [["lost", "2", "b", m] for m in ("event_date", "image", "loc")]


def test_build_and_add_say_what_was_lost(index, tmp_path):
    (tmp_path / "one.csv").write_text(HEAD + "c,Parus major,none.jpg,5,6,whenever\n")
    code, out, _ = run(
        "build", tmp_path / "one.csv", "--model", "mini", "--index", tmp_path / "one.p3i"
    )
    assert code == 0 and "0 rejected; 2 files or values lost" in out
    assert "is not calibrated on these observations: all its observations are of one species" in out
    assert f"reasons: prom3e-index info --lost --index {tmp_path / 'one.p3i'}" in out
    (tmp_path / "two.csv").write_text(HEAD + "d,Parus major,,5,6,2020-02-30\nc,,,1,1,\n")
    code, out, _ = run("add", tmp_path / "two.csv", "--index", tmp_path / "one.p3i")
    assert code == 0 and "1 added, 1 were there already, 0 rejected; 1 files or values lost" in out
    assert f"info --lost --index {tmp_path / 'one.p3i'}" in out


def test_the_end_of_a_zip_inside_a_table_makes_it_none(tmp_path):
    """Compressed bytes hold the four letters of a zip's end by chance; here the name in gzip's head does."""
    plain = (HEAD + ROWS).encode()
    packed = gzip.compress(plain)
    mark = b"PK\5\6" + b"\1" * 18  # a zip's end, but for zeros, which end a name
    path = tmp_path / "t.csv.gz"
    path.write_bytes(packed[:3] + b"\x08" + packed[4:10] + mark + b"\0" + packed[10:])
    assert gzip.decompress(path.read_bytes()) == plain and zipfile.is_zipfile(path)
    assert recognise(path) == "csv" and content(path)
    cells = open_source(path, "gbif")
    assert cells.columns[:2] == ["id", "species"]
    whole = tmp_path / "t.csv"
    whole.write_bytes(plain + b"c,Parus major,,5,6,\n" * 400 + mark)
    assert zipfile.is_zipfile(whole) and content(whole)


def test_a_column_named_pk_makes_no_zip(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("PK,species\n1,Parus major\n")
    assert recognise(path) == "csv"
