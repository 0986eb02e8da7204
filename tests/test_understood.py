"""`look`, `--strict` and what a build says of a table: counts against the file, reasons with ids."""

from __future__ import annotations

import json

import pytest
from processes import program

from prom3e_index.indexer.look import look
from prom3e_index.indexer.understood import Understood
from prom3e_index.indexer.work import BuildConfig

ROWS = (
    "occurrenceID,lat,lon,photo,eventDate,species,seq,reason\n"
    "a,1,2,https://example.org/1.jpg,2024-05-01,Parus major,7,k\n"
    "b,91,2,no.jpg,someday,Parus major,8,k\n"
    "c,95,2,,never,,9,k\n"
    "d,,,,,,9,z\n"
    "e,4,5,https://example.org/1.jpg,,,9,z\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(ROWS)
    return path


def looked(path, **more):
    return look(BuildConfig(table=str(path), out=path.parent / "none.p3i"), **more)


def test_every_row_and_every_loss_is_counted_with_its_ids(table, tmp_path):
    found = looked(table)
    fields = {f.name: f for f in found.fields}

    assert (found.rows, found.kept, found.refused) == (5, 3, 2)
    assert {i for r in found.rejected for i in r.ids} == {"c", "d"}
    assert (fields["place"].rows, [r.rows for r in fields["place"].lost]) == (2, [1])
    assert (fields["date"].rows, [r.ids for r in fields["date"].lost]) == (1, [["b"]])
    assert sorted((r.rows, r.ids) for r in fields["image"].lost) == [(1, ["b"]), (2, ["a", "e"])]
    assert fields["name"].columns == ["species"] and fields["name"].rows == 2
    assert {"seq", "reason"} <= set(found.metadata)
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_reasons_that_differ_in_their_values_are_one(tmp_path):
    lines = [f"{i},{91 + i},{i},Parus major" for i in range(7)]
    path = tmp_path / "t.csv"
    path.write_text("id,lat,lon,species\n" + "\n".join(lines) + "\n")
    place = next(f for f in looked(path).fields if f.name == "place")

    assert [(r.rows, r.ids) for r in place.lost] == [(7, ["0", "1", "2", "3", "4"])]
    assert "91" in place.lost[0].text


def test_remote_addresses_are_written_once_each_refused_rows_included(tmp_path):
    path = tmp_path / "t.csv"
    long = "https://example.org/" + "x" * 300 + ".jpg"
    path.write_text(
        f"id,photo,species\n1,{long},Parus major\n2,http://b/2.jpg,\n3,http://b/2.jpg,\n4,,\n"
    )
    found = looked(path, urls=tmp_path / "urls.txt")

    assert (tmp_path / "urls.txt").read_text().splitlines() == [long, "http://b/2.jpg"]
    assert found.remote == 2 and found.refused == 3


def test_what_was_understood_comes_back_from_json(table):
    found = looked(table)
    assert Understood.from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("rows", [0, 1])
def test_small_tables(tmp_path, rows):
    path = tmp_path / "t.csv"
    path.write_text("id,species\n" + "a,Parus major\n" * rows)
    found = looked(path)
    assert (found.rows, found.kept, found.refused, found.losses) == (rows, rows, 0, 0)


def test_strict_refuses_before_anything_is_encoded_and_goes_on_without(table, tmp_path):
    run = program("look", table, "--strict")
    assert run.returncode == 2 and "2 of 5 rows would be refused and" in run.stderr
    out = tmp_path / "i.p3i"
    build = ("build", table, "--model", "mini", "--index", out)
    run = program(*build, "--strict")
    assert run.returncode == 2 and "(strict)" in run.stderr and not out.exists()
    run = program(*build)
    assert run.returncode == 0, run.stderr
    assert "5 rows = 3 read + 2 rejected" in run.stderr
    held = json.loads((out / "manifest.json").read_text())["source"]["understood"]
    assert (held["rows"], held["kept"]) == (5, 3)


def test_strict_refuses_a_file_that_cannot_be_decoded(tmp_path):
    (tmp_path / "t.csv").write_text("id,photo,species\na,a.jpg,Parus major\n")
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    out = tmp_path / "i.p3i"
    run = program("build", tmp_path / "t.csv", "--model", "mini", "--index", out, "--strict")
    assert run.returncode == 2 and "1 files or values" in run.stderr and not out.exists()
    assert program("look", tmp_path / "t.csv", "--strict").returncode == 0


def test_ids_in_several_rows_are_counted_and_what_build_asks_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,species\na,Parus major\na,Pica pica\nb,Pica pica\n")
    found = looked(path)

    assert (found.rows, found.kept, found.refused) == (3, 2, 1)
    assert any("--duplicates first" in s for s in found.said)
    assert not any("--duplicates" in s for s in looked_with(path, "last").said)


def looked_with(path, duplicates):
    return look(BuildConfig(table=str(path), out=path.parent / "none.p3i", duplicates=duplicates))
