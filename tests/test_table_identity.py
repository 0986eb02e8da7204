"""An unfinished work goes on with the very same table only; and rows without ids replace no observation."""

from __future__ import annotations

import os
import shutil

import duckdb
import numpy as np
import pytest

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.npz import encode_to_npz, encoded
from prom3e_index.indexer.work import BuildConfig, identity, open_model
from prom3e_index.search.run import Bundle


class Killed(Exception):
    pass


def killed_after_plan(stage, done, total):
    if stage.startswith("encode"):
        raise Killed


def silent(stage, done, total):
    return


def places(path, names, latitude=1):
    path.write_text("id,lat,lon\n" + "".join(f"{n},{latitude},2\n" for n in names))
    return path


def two_tables(path):
    con = duckdb.connect(str(path))
    for name in "ab":
        con.execute(
            f"CREATE TABLE {name} AS SELECT '{name}' || i AS id, 10.0 AS lat, i * 1.0 AS lon FROM range(4) r(i)"
        )
    con.close()
    return path


def embeddings(path, seed, **arrays):
    model = open_model(BuildConfig(table="", out=path, model="mini"))
    x = np.random.default_rng(seed).normal(size=(6, len(model.modalities), model.width))
    np.savez(path, embeddings=x.astype(np.float32), **arrays)
    return str(path)


def test_another_table_of_the_same_database_is_another_build(tmp_path):
    path, out = two_tables(tmp_path / "two.duckdb"), tmp_path / "i.p3i"
    with pytest.raises(Killed):
        build(BuildConfig(table=f"{path}::a", out=out, model="mini"), killed_after_plan)
    with pytest.raises(InputError, match="4 embeddings of an unfinished build of another table"):
        build(BuildConfig(table=f"{path}::b", out=out, model="mini"))
    build(BuildConfig(table=f"{path}::b", out=out, restart=True, model="mini"))

    assert [r[0] for r in Bundle.open(out).sql("SELECT id FROM observations ORDER BY row")] == [
        "b0", "b1", "b2", "b3",
    ]  # fmt: skip


def test_embeddings_of_another_table_are_not_taken_for_its_own(tmp_path):
    path, out = two_tables(tmp_path / "two.duckdb"), tmp_path / "e.npz"
    assert encoded(BuildConfig(table=f"{path}::a", out=out, model="mini"), silent, None) == out
    assert encoded(BuildConfig(table=f"{path}::a", out=out, model="mini"), silent, None) == out
    other = encoded(BuildConfig(table=f"{path}::b", out=out, model="mini"), silent, None)
    with np.load(other) as z:
        assert z["ids"].tolist() == ["b0", "b1", "b2", "b3"]
    with np.load(out) as z:
        assert z["ids"].tolist() == ["a0", "a1", "a2", "a3"] and "ids_invented" not in z.files


def test_a_table_written_over_is_another(tmp_path):
    """Same name, same length, same time of change."""
    path, out = places(tmp_path / "t.csv", "ab"), tmp_path / "i.p3i"
    state = path.stat()
    with pytest.raises(Killed):
        build(BuildConfig(table=str(path), out=out, model="mini"), killed_after_plan)
    places(path, "cd")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    build(BuildConfig(table=str(path), out=out, model="mini"))
    ids = {r[0][0] for r in Bundle.open(out).sql("SELECT id FROM observations")}
    assert ids == {"c", "d"}


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_table_that_changes_while_it_is_read_is_refused(tmp_path, kind):
    if kind == "csv":
        table = str(places(tmp_path / "t.csv", "ab"))
    else:
        table = embeddings(tmp_path / "t.npz", 1, ids=np.arange(6))

    def meddle(stage, done, total):
        if stage == ("read" if kind == "csv" else "read embeddings"):
            if kind == "csv":
                places(tmp_path / "t.csv", "cd")
            else:
                embeddings(tmp_path / "t.npz", 2, ids=np.arange(6))

    with pytest.raises(InputError, match="changed while it was read.*run the same command"):
        build(BuildConfig(table=table, out=tmp_path / "i.p3i", model="mini"), meddle)
    assert not (tmp_path / "i.p3i").exists() and not (tmp_path / "i.p3i.building").exists()


def test_identity_follows_content_and_full_paths(tmp_path, monkeypatch):
    (tmp_path / "media").mkdir()
    np.save(tmp_path / "c.npy", np.zeros((2, 2, 20), np.float32))
    places(tmp_path / "t.csv", "ab")
    config = {"out": tmp_path / "o", "media": tmp_path / "media", "climate": tmp_path / "c.npy"}
    model = open_model(BuildConfig(table="", out=tmp_path, model="mini"))
    whole = identity(BuildConfig(table=str(tmp_path / "t.csv"), **config, model="mini"), model)
    monkeypatch.chdir(tmp_path)
    short = {k: v.relative_to(tmp_path) for k, v in config.items()}
    assert identity(BuildConfig(table="t.csv", **short, model="mini"), model) == whole
    (tmp_path / "deeper/media").mkdir(parents=True)
    shutil.copy("t.csv", "deeper/t.csv")
    shutil.copy("c.npy", "deeper/c.npy")
    monkeypatch.chdir("deeper")
    assert identity(BuildConfig(table="t.csv", **short, model="mini"), model) != whole

    state = (tmp_path / "c.npy").stat()
    np.save(tmp_path / "c.npy", np.ones((2, 2, 20), np.float32))
    os.utime(tmp_path / "c.npy", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (
        identity(BuildConfig(table=str(tmp_path / "t.csv"), **config, model="mini"), model) != whole
    )


def test_rows_without_ids_are_neither_added_nor_put_in_place_of_others(tmp_path):
    index = tmp_path / "i.p3i"
    site = {"place": np.full(6, "A"), "ids": np.array([f"own-{i}" for i in range(6)])}
    build(BuildConfig(table=embeddings(tmp_path / "a.npz", 1, **site), out=index, model="mini"))
    other = BuildConfig(table=embeddings(tmp_path / "b.npz", 2), out=index, model="mini")
    (tmp_path / "t.csv").write_text("lat,lon\n1,2\n3,4\n")
    made = BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "made.npz", model="mini")
    encode_to_npz(made, silent)
    again = BuildConfig(table=str(tmp_path / "made.npz"), out=tmp_path / "again.npz", model="mini")
    encode_to_npz(again, silent)
    for table, update in ((other.table, True), (str(made.table), False), (str(again.out), False)):
        with pytest.raises(InputError, match="has no ids.*map=\\{'COLUMN': 'id'\\}"):
            add(
                index,
                BuildConfig(table=table, out=index, restart=True, model="mini"),
                silent,
                update,
            )
    assert Bundle.open(index).sql("SELECT place, count(*) FROM observations GROUP BY 1") == [
        ("A", 6)
    ]

    coded = embeddings(tmp_path / "c.npz", 4, code=np.array([f"own-{i}" for i in range(3, 9)]))
    mapped = BuildConfig(table=coded, out=index, columns={"code": "id"}, restart=True, model="mini")
    changed = add(index, mapped, silent, update=True)
    assert (changed.added, changed.removed, changed.rejected) == (3, 3, 3)
