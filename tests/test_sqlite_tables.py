"""SQLite files of recorders and camera-trap programs: stored tables are read, nothing in them is run."""

from __future__ import annotations

import sqlite3

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import recognise
from prom3e_index.tables.sources import open_source


def database(path, *statements: str) -> None:
    con = sqlite3.connect(path)
    for statement in statements:
        con.execute(statement)
    con.commit()
    con.close()


def rows(path, table=None, size: int = 2):
    source = open_source(path, None, table)
    return [r for batch in source.batches(size) for r in batch.to_pylist()], source


BIRDS = "CREATE TABLE detections (Date DATE, Sci_Name VARCHAR(100), Lat FLOAT, Week INT, File_Name, sound BLOB)"
INSERT = "INSERT INTO detections VALUES "


def test_the_detections_of_birdnet_pi_are_text_cells_in_their_order(tmp_path):
    database(tmp_path / "birds.db", BIRDS, "CREATE TABLE other (x)",
             INSERT + "('2024-05-31', 'Parus major', 51.25, 22, 'Great_Tit-85.mp3', x'00ff'), "
             "('2024-06-01', NULL, -0.1, NULL, 'é', NULL), ('2024-06-02', 'Pica pica', 1e-7, 23, '', NULL)")  # fmt: skip

    found, source = rows(tmp_path / "birds.db")

    assert recognise(tmp_path / "birds.db") == source.format == "sqlite"
    assert [list(r.values()) for r in found] == [
        ["2024-05-31", "Parus major", "51.25", "22", "Great_Tit-85.mp3", None],
        ["2024-06-01", None, "-0.1", None, "é", None],
        ["2024-06-02", "Pica pica", "1e-07", "23", "", None],
    ]
    assert source.facts == {"rows": 3, "table": "detections"}
    assert source.said == [
        "Table 'detections' is read, not other; to read another name PATH::TABLE."
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_every_number_of_rows(tmp_path, count):
    database(
        tmp_path / "t.db",
        "CREATE TABLE a (id, latitude)",
        *(f"INSERT INTO a VALUES ('r{i}', {i})" for i in range(count)),
    )

    assert [r["id"] for r in rows(tmp_path / "t.db")[0]] == [f"r{i}" for i in range(count)]


def test_views_and_virtual_tables_are_refused_and_tables_are_named(tmp_path):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    database(tmp_path / "t.db", "CREATE TABLE aa (id)", "CREATE TABLE bb (id)", f"CREATE VIEW observations AS {endless}",
             "CREATE VIRTUAL TABLE words USING fts5(body)")  # fmt: skip

    with pytest.raises(TableError, match="'observations' is a view"):
        rows(tmp_path / "t.db", "observations")
    with pytest.raises(TableError, match="'words' is a view or virtual table"):
        rows(tmp_path / "t.db", "words")
    with pytest.raises(TableError, match="has the tables .*aa, bb.*; name one as PATH::TABLE"):
        rows(tmp_path / "t.db")
    assert rows(tmp_path / "t.db", "aa")[0] == []


def test_rows_that_are_only_in_the_log_are_read(tmp_path):
    path = tmp_path / "t.db"
    con = sqlite3.connect(path)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("CREATE TABLE a (id, latitude)")
    con.execute("INSERT INTO a VALUES ('x', 1.5)")
    con.commit()
    try:
        assert (tmp_path / "t.db-wal").stat().st_size
        assert rows(path)[0] == [{"id": "x", "latitude": "1.5"}]
    finally:
        con.close()


def test_a_cut_file_is_refused_in_a_line(tmp_path):
    database(
        tmp_path / "t.db",
        "CREATE TABLE a (id, latitude)",
        *(f"INSERT INTO a VALUES ('{'r' * 900}', {i})" for i in range(50)),
    )
    data = (tmp_path / "t.db").read_bytes()
    (tmp_path / "t.db").write_bytes(data[:9000])

    with pytest.raises(TableError, match="SQLite|cannot be read"):
        rows(tmp_path / "t.db")
