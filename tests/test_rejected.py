"""Rows that are refused when rows are added: said each time, kept once, and never a reason to grow."""

from __future__ import annotations

import shutil

import duckdb
import pytest
from changes import ids_of, manifest_of, places, quiet

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

pytestmark = pytest.mark.usefixtures("fast")


def table(folder, *lines: str, name="t.csv") -> str:
    path = folder / name
    path.write_text("\n".join(["id,lat,lon,name", *lines]) + "\n", encoding="utf-8")
    return str(path)


def rejected(index) -> list:
    return sorted(Bundle.open(index).sql("SELECT id, reason FROM rejected"), key=str)


def files(index) -> dict[str, bytes]:
    return {
        p.relative_to(index).as_posix(): p.read_bytes() for p in index.rglob("*") if p.is_file()
    }


def test_adding_again_what_is_refused_changes_no_file(index, tmp_path):
    config = BuildConfig(
        table=table(tmp_path, "a1,1,2,", "bad,,,", "worse,91,0,"), out=index, model="mini"
    )
    before = files(index)
    for _ in range(3):
        done = add(index, config, quiet)
        assert (done.added, done.known, done.rejected) == (0, 1, 2)
        assert done.reasons[0].startswith("table row 2, id bad: nothing to search by")
        assert done.reasons[1].startswith("table row 3, id worse: nothing to search by: loc:")
        assert files(index) == before


def test_a_row_is_listed_once_however_often_it_is_refused(index, tmp_path):
    for n in range(3):
        config = BuildConfig(table=table(tmp_path, f"n{n},1,2,", "bad,,,"), out=index, model="mini")
        done = add(index, config, quiet)
        assert (done.added, done.rejected) == (1, 1)
    assert rejected(index) == [("bad", "nothing to search by")]
    counts = manifest_of(index)["counts"]
    assert (counts["rows_in"], counts["rows_indexed"], counts["rows_rejected"]) == (28, 27, 1)


def test_an_update_of_nothing_known_changes_no_file(index, tmp_path):
    before = files(index)
    done = add(
        index,
        BuildConfig(table=table(tmp_path, "x,1,2,"), out=index, model="mini"),
        quiet,
        update=True,
    )
    assert (done.added, done.rejected, done.manifest["generation"]) == (0, 1, 1)
    assert done.reasons == ("table row 1, id x: no observation of the index has this id; add it",)
    assert files(index) == before


def test_rejected_rows_whose_id_lives_outlast_update_and_compact(tmp_path):
    """Of ids kept, updated, removed and never there, only the removed one takes its rejected row along."""
    index = tmp_path / "i.p3i"
    first = table(tmp_path, "keep,1,1,", "keep,2,2,", "new,3,3,", "new,4,4,", "gone,5,5,", "gone,6,6,",
                  "never,,,", ",7,7,")  # fmt: skip
    build(BuildConfig(table=first, out=index, duplicates="first", model="mini"))
    assert [r[0] for r in rejected(index)] == ["gone", "keep", "never", "new", None]
    newer = table(tmp_path, "new,8,8,", name="u.csv")
    add(index, BuildConfig(table=newer, out=index, model="mini"), quiet, update=True)
    remove(index, Filter(where="id = 'gone'"), None, quiet)
    compact(index, quiet)
    left = duckdb.sql(f"SELECT id FROM '{index}/segments/*/rejected.parquet'").fetchall()
    assert sorted(str(r[0]) for r in left) == ["None", "keep", "never", "new"]
    assert ids_of(Bundle.open(index)) == {"keep", "new"}
    shutil.rmtree(index)


def test_removed_ids_may_be_refused_and_come_back(index, tmp_path):
    remove(index, None, ["a3"], quiet)
    done = add(index, BuildConfig(table=table(tmp_path, "a3,,,"), out=index, model="mini"), quiet)
    assert (done.added, done.rejected) == (0, 1)
    done = add(
        index, BuildConfig(table=places(tmp_path / "n.csv", ["a3"]), out=index, model="mini"), quiet
    )
    assert done.added == 1 and "a3" in ids_of(Bundle.open(index))
