"""Foreign tables keep to their file, and are what their bytes are."""

from __future__ import annotations

import os
import shutil
import zipfile

import duckdb
import numpy as np
import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import content, read_observations, recognise, source_files
from prom3e_index.tables.compressed import compression
from prom3e_index.tables.encoding import is_text
from prom3e_index.tables.sources import open_source


def database(path, *statements):
    path.unlink(missing_ok=True)
    con = duckdb.connect(str(path))
    for statement in statements:
        con.execute(statement)
    con.close()
    return path


TABLE = "CREATE TABLE {} AS SELECT 'x1' AS id, 10.0 AS lat, 20.0 AS lon, 'Pica pica' AS name"


def test_a_view_in_place_of_a_table_is_not_run(tmp_path):
    (tmp_path / "secret.txt").write_text("TOPSECRET")
    view = f"AS SELECT 'a' AS id, 1 AS lat, 2 AS lon, (SELECT content FROM read_text('{tmp_path}/secret.txt')) AS note"
    hidden = database(
        tmp_path / "hidden.duckdb",
        "CREATE SCHEMA x", TABLE.format("x.observations"), f"CREATE VIEW main.observations {view}",
    )  # fmt: skip
    for path in (hidden, f"{hidden}::observations"):
        with pytest.raises(TableError, match="'observations' is a view"):
            read_observations(path)
    alone = database(tmp_path / "v.duckdb", f"CREATE VIEW birds {view}", TABLE.format("other"))
    with pytest.raises(TableError, match="'birds' is a view; views are not run. Store it first"):
        read_observations(f"{alone}::birds")


def test_a_table_of_another_schema_is_read_from_there(tmp_path):
    path = database(
        tmp_path / "a.duckdb", "CREATE SCHEMA \"my birds\"", TABLE.format('"my birds"."tab""le"')
    )  # fmt: skip
    rows = [r for b in read_observations(path).batches() for r in b.to_pylist()]
    assert [(r["id"], r["latitude"]) for r in rows] == [("x1", 10.0)]
    twice = database(
        tmp_path / "b.duckdb", "CREATE SCHEMA x", TABLE.format("x.t"), TABLE.format("main.t")
    )
    with pytest.raises(TableError, match="in the schemas main, x"):
        read_observations(f"{twice}::t")
    with pytest.raises(TableError, match="not 'brids'; nearest: birds"):
        read_observations(
            f"{database(tmp_path / 'c.duckdb', TABLE.format('birds'), TABLE.format('b'))}::brids"
        )


@pytest.mark.parametrize("kind", ["parquet", "duckdb", "dwca", "inaturalist-open-data"])
def test_the_reader_of_one_table_opens_no_other_file(tmp_path, kind):
    (tmp_path / "other.csv").write_text("a\nsecret\n")
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        duckdb.sql("SELECT 1 AS lat, 2 AS lon").write_parquet(str(path))
    elif kind == "duckdb":
        database(path, TABLE.format("t"))
    elif kind == "dwca":
        path = archive(tmp_path / "dwca")
    else:
        path = open_data(tmp_path / "open")
    source = open_source(path, None)
    con = source.keep[-1]
    for statement in (
        f"SELECT * FROM read_csv('{tmp_path}/other.csv')", f"FROM read_text('{tmp_path}/other.csv')",
        "FROM read_blob('/etc/host*')", f"ATTACH '{tmp_path}/new.duckdb'", f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "SET enable_external_access = true", "INSTALL httpfs", "FROM read_csv('https://example.org/a.csv')",
    ):  # fmt: skip
        with pytest.raises(duckdb.Error):
            con.execute(statement)
    assert not (tmp_path / "out.csv").exists() and not (tmp_path / "new.duckdb").exists()
    assert sum(b.num_rows for b in source.batches()) == 1


def test_the_folder_of_a_parquet_file_adds_no_column(tmp_path):
    (tmp_path / "lat=77").mkdir()
    path = tmp_path / "lat=77/a.parquet"
    duckdb.sql("SELECT 1 AS latitude, 2 AS longitude").write_parquet(str(path))

    assert read_observations(path).columns == ["latitude", "longitude"]


def archive(folder, occurrence="id,lat,lon\n1,2,3\n"):
    folder.mkdir()
    (folder / "meta.xml").write_text(
        '<archive><core fieldsTerminatedBy="," ignoreHeaderLines="1"><files><location>o.csv</location></files>'
        '<id index="0"/><field index="1" term="x/decimalLatitude"/><field index="2" term="x/decimalLongitude"/></core>'
        '<extension fieldsTerminatedBy="," rowType="x/Multimedia"><files><location>m.csv</location></files>'
        '<coreid index="0"/><field index="1" term="x/identifier"/></extension></archive>'
    )
    (folder / "o.csv").write_text(occurrence)
    (folder / "m.csv").write_text("1,a.jpg\n")
    return folder


def open_data(folder):
    folder.mkdir()
    (folder / "observations.csv").write_text(
        "observation_uuid\tobserver_id\ttaxon_id\tlatitude\tlongitude\nu\t1\t2\t3\t4\n"
    )
    (folder / "photos.csv").write_text(
        "photo_id\tobservation_uuid\textension\tlicense\tposition\n1\tu\tjpg\tCC0\t0\n"
    )
    (folder / "taxa.csv").write_text("taxon_id\tancestry\trank\tname\n2\t\tgenus\tPica\n")
    return folder


def rewritten(path, text):
    """Write other bytes of the same length, with the same time of change."""
    state = path.stat()
    assert len(text) == state.st_size
    path.write_text(text)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_content_follows_the_bytes_and_nothing_else(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("lat,lon\n1,2\n")
    first = content(path)
    rewritten(path, "lat,lon\n1,3\n")
    second = content(path)
    rewritten(path, "lat,lon\n1,2\n")
    os.utime(path, (1, 1))
    assert first == content(path) != second
    (tmp_path / "else").mkdir()
    shutil.copy(path, tmp_path / "else/t.csv")
    assert content(tmp_path / "else/t.csv") == first


@pytest.mark.parametrize("file", ["meta.xml", "o.csv", "m.csv"])
def test_every_file_of_an_archive_counts(tmp_path, file):
    folder = archive(tmp_path / "a")
    assert source_files(folder) == [folder / n for n in ("meta.xml", "o.csv", "m.csv")]
    before = content(folder)
    (folder / "photo.jpg").write_bytes(b"no table")
    assert content(folder) == before
    text = (folder / file).read_text()
    rewritten(folder / file, text.replace("1", "7", 1))
    assert content(folder) != before


@pytest.mark.parametrize("file", ["observations.csv", "photos.csv", "taxa.csv", "observers.csv"])
def test_every_file_of_open_data_counts(tmp_path, file):
    folder = open_data(tmp_path / "o")
    before = content(folder)
    with (folder / file).open("a") as f:
        f.write("1\t2\n")
    assert content(folder) != before


def test_names_of_media_and_the_raster_of_taxabench_count(tmp_path):
    (tmp_path / "taxabench_sound").mkdir()
    (tmp_path / "test_df.csv").write_text("id,latitude,longitude\n1,2,3\n")
    known = [content(tmp_path)]
    (tmp_path / "taxabench_sound/1.wav").touch()
    known.append(content(tmp_path))
    np.save(tmp_path / "bioclim_elevation_scaled.npy", np.zeros(3))
    known.append(content(tmp_path))
    np.save(tmp_path / "bioclim_elevation_scaled.npy", np.ones(3))
    known.append(content(tmp_path))
    assert len({tuple(lines) for lines in known}) == 4


def test_zips_are_told_by_their_members_checksums(tmp_path):
    def packed(name, text):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr(zipfile.ZipInfo("a.csv", (2024, 1, 1, 0, 0, 0)), text)
        return content(tmp_path / name, "gbif")[0].split(" ")[1]

    assert packed("a.zip", "lat,lon\n1,2\n") == packed("b.zip", "lat,lon\n1,2\n")
    assert packed("c.zip", "lat,lon\n1,3\n") != packed("a.zip", "lat,lon\n1,2\n")


def test_a_database_with_a_log_beside_it_counts_both(tmp_path):
    path = database(tmp_path / "a.duckdb", TABLE.format("t"))
    assert source_files(path) == [path]
    (tmp_path / "a.duckdb.wal").write_bytes(b"log")
    assert source_files(path) == [path, tmp_path / "a.duckdb.wal"]


def test_parquet_whose_first_bytes_are_taken_for_text(tmp_path):
    path = tmp_path / "t.parquet"
    duckdb.sql(
        "COPY (SELECT 'o' || i AS id, (hash(i) % 160000) / 1000.0 - 80 AS decimalLatitude, "
        "(hash(i + 1) % 360000) / 1000.0 - 180 AS decimalLongitude FROM range(262144) t(i)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    assert is_text(path.read_bytes()[: 1 << 16])  # so the test can fail

    assert recognise(path) == "parquet"


HEADINGS = {
    "PAR1,decimalLatitude,decimalLongitude": "csv",
    "PAR1\tdecimalLatitude\tdecimalLongitude": "tsv",
    "species,DUCK,decimalLatitude,decimalLongitude": "csv",
    "FEA1,decimalLatitude,decimalLongitude": "csv",
    "BZh1,decimalLatitude,decimalLongitude": "csv",
    f"id,{'x' * 253},ustard,decimalLatitude,decimalLongitude": "csv",
}


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_that_begins_as_another_format_does(tmp_path, heading):
    path = tmp_path / "t"
    mark = "\t" if "\t" in heading else ","
    rows = [["PAR1", *["1.5"] * heading.count(mark)], [*["2.5"] * heading.count(mark), "PAR1"]]
    path.write_text("\n".join([heading, *map(mark.join, rows)]))  # which ends as Parquet does

    assert recognise(path) == HEADINGS[heading]
    assert open_source(path, HEADINGS[heading]).columns == heading.split(mark)


def test_what_begins_as_parquet_does_is_said_to_be_cut_off(tmp_path):
    path = tmp_path / "t.parquet"
    duckdb.sql(f"COPY (SELECT i AS id, 'o' || i AS t FROM range(9000) t(i)) TO '{path}' (FORMAT parquet)")  # fmt: skip
    content = path.read_bytes()
    for size in (len(content) - 1, len(content) // 2, 40, 5):
        path.write_bytes(content[:size])
        assert recognise(path) == "parquet", size
        with pytest.raises(TableError, match="Parquet"):
            open_source(path, "parquet")


def test_other_writers_files_are_told_still(tmp_path):
    import bz2

    import pyarrow as pa
    from pyarrow import feather, parquet

    table = pa.table({"id": ["a"], "scientificName": ["Parus major"]})
    for at, (rows, options) in enumerate(
        (
            (table, {"compression": "zstd", "data_page_version": "2.0"}),
            (table.slice(0, 0), {}),
            (table.select([]), {}),
            (table, {"use_dictionary": False, "compression": "none"}),
        )
    ):
        parquet.write_table(rows, tmp_path / f"{at}", **options)
        assert recognise(tmp_path / f"{at}") == "parquet"
    feather.write_feather(table, tmp_path / "f", version=1)
    with pytest.raises(TableError, match="Feather file of version 1"):
        open_source(tmp_path / "f", recognise(tmp_path / "f"))
    for at, text in enumerate(("id,scientificName\na,Parus major\n", "")):
        (tmp_path / f"b{at}").write_bytes(bz2.compress(text.encode()))
        assert compression(tmp_path / f"b{at}") == "bzip2"
    with duckdb.connect(str(tmp_path / "d")) as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS id")
    assert recognise(tmp_path / "d") == "duckdb"
