"""A store filled from shards, without an index folder, is the store that the index of the same shards makes."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from plain_cluster import Plain
from policies import write_policy
from test_store_answers import asked

from prom3e_index.errors import InputError, ModelError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.cluster import on_cluster, stream
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.query import Query

OF_FILES = ("certificate", "seconds", "shards", "files", "segments", "confidence")
"""What a manifest of an index has otherwise than what its shards say."""
TARGETS = ["image", "loc"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> BuildConfig:
    """An index of 300 observations under a policy, enough to be calibrated, and its shards of 64 rows."""
    from prom3e_index.world import write_world

    folder = tmp_path_factory.mktemp("shards")
    write_world(folder / "w", 300, seed=11)
    table = (folder / "w" / "observations.csv").read_text().splitlines()
    table = [
        f"{line},{'vector_image' if i == 0 else i}" for i, line in enumerate(table)
    ]  # a name that shards have
    (folder / "w" / "observations.csv").write_text("\n".join(table) + "\n")
    config = BuildConfig(
        str(folder / "w" / "observations.csv"),
        out=folder / "i.p3i",
        model="mini",
        workers=2,
        engine="ray",
        shards=str(folder / "s"),
        policy=read_policy(write_policy(folder, '[[rule]]\ntaxon = "Vexfius"\nlevel = "0.1deg"\n')),
    )

    @contextmanager
    def joined(address):
        yield Plain()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "joined", joined)
        patch.setattr(on_cluster, "block_of", lambda model: 64)
        build(config)
    return config


@pytest.fixture(scope="module")
def shards(made) -> str:
    return made.shards


@pytest.fixture
def copied(shards, tmp_path) -> Path:
    shutil.copytree(shards, tmp_path / "s")
    return tmp_path / "s"


def test_what_is_pushed_of_shards_is_what_is_pushed_of_their_index(made, shards):
    from prom3e_index.indexer.push_source import drawn_askers, open_source

    folder, other = (open_source(p, silent) for p in (made.out, shards))
    for name in (
        "modalities",
        "rows",
        "places",
        "width",
        "types",
        "columns",
        "firsts",
        "calibration",
        "statistics",
    ):
        assert getattr(other, name) == getattr(folder, name), name
    assert folder.calibration is not None and "vector_image" in other.columns
    assert (
        folder.manifest["policy"]["rows"]["0.1deg"] > 0
        and len(folder.statistics[0]["samples"]) == 63
    )
    for name in ("live", "present"):
        assert np.array_equal(getattr(other, name), getattr(folder, name)), name
    one, two = (json.loads(json.dumps({k: v for k, v in m.items() if k not in OF_FILES}))
                for m in (folder.manifest, other.manifest))  # fmt: skip
    assert one == two
    for rows in (folder.live, np.array([0, 63, 64, 65, 200, 299]), np.array([7])):
        mine, theirs = ([*s.filled(rows, ["image", "text"])] for s in (folder, other))
        read = [[r for t, _ in part for r in t.to_pylist()] for part in (mine, theirs)]
        assert read[0] == read[1] and [r["row"] for r in read[1]] == rows.tolist()
        for t in ("image", "text"):
            a, b = (np.concatenate([v[t] for _, v in part]) for part in (mine, theirs))
            assert a.dtype == b.dtype == np.float16 and a.tobytes() == b.tobytes()
    a, b = drawn_askers(folder), drawn_askers(other)
    assert list(a) == list(b) and all(a[m].tobytes() == b[m].tobytes() for m in a)


def test_more_rows_than_can_be_compared_are_not_calibrated_and_it_is_said_why(shards, monkeypatch):
    from prom3e_index.bundle.calibration import why_uncalibrated
    from prom3e_index.indexer.cluster import calibrate
    from prom3e_index.indexer.push_source import open_source

    monkeypatch.setattr(calibrate, "SCAN", 299)
    source = open_source(shards, silent)
    assert source.calibration is None
    assert "whose 300 rows are more than the 299 that can be compared without an index" in why_uncalibrated(source.manifest)  # fmt: skip


def told(place: Path) -> dict:
    return json.loads((place / "shards.json").read_text())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def unsound(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[400:4000] = bytes(3600)  # of a column, where the end of the file is whole
    path.write_bytes(bytes(content))


DAMAGE = {
    "unfinished": (lambda p: (p / "shards.json").unlink(), "goes on when it is run again"),
    "no note": (lambda p: (p / "shards.json").write_text("{"), r"shards.json is damaged; run the command that wrote"),
    "another version": (lambda p: (p / "shards.json").write_text(json.dumps(told(p) | {"format": 9})), "has shards of format 9, this version reads 1"),
    "an earlier version": (lambda p: (p / "shards.json").write_text(json.dumps({k: v for k, v in told(p).items() if k != "history"})), "says nothing of history"),
    "cut": (lambda p: cut(p / "shards" / "0000002.parquet"), "shards/0000002.parquet is damaged, or no file of this program"),
    "lost": (lambda p: (p / "shards" / "0000001.parquet").unlink(), "shards/0000001.parquet is not there; run the command that wrote it again"),
    "of another": (lambda p: (p / "shards.json").write_text(json.dumps(told(p) | {"plan": "0" * 64})), "belongs to the plan"),
    "rows": (lambda p: (p / "shards.json").write_text(json.dumps(told(p) | {"rows": 301})), "have 300 rows, shards.json says 301"),
    "twice": (lambda p: shutil.copy(p / "shards" / "0000001.parquet", p / "shards" / "0000003.parquet"), "0000003.parquet is not there|begins with row 64"),
    "a column": (lambda p: unsound(p / "shards" / "0000000.parquet"), "shards/0000000.parquet is damaged"),
    "nothing": (lambda p: shutil.rmtree(p), "is not there|holds no|no index"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_set_is_one_line(copied, damage, capsys):
    from prom3e_index.errors import Prom3eError
    from prom3e_index.indexer.push_source import open_source

    harm, says = DAMAGE[damage]
    harm(copied)
    if damage in ("unfinished", "no note", "another version", "an earlier version", "nothing"):
        code = run("push", copied, "--store", "milvus://127.0.0.1:9/none")
        said = capsys.readouterr().err
        assert code == 2 and len(said.strip().splitlines()) == 1
        assert re.search(says, said), said
        return
    with pytest.raises(Prom3eError, match=says):
        source = open_source(copied, silent)
        source.check()
        list(source.filled(source.live, ["image"]))


def test_a_shard_that_was_lost_is_made_again_alone_and_the_set_stays_what_it_was(made, copied, monkeypatch):  # fmt: skip
    from prom3e_index.indexer.cluster.encode_shards import encode_to_shards, shards_work

    plain = Plain()

    @contextmanager
    def joined(address):
        yield plain

    monkeypatch.setattr(stream, "joined", joined)
    monkeypatch.setattr(on_cluster, "block_of", lambda model: 64)
    config = replace(made, out=shards_work(str(copied)), shards=str(copied))
    with pytest.raises(InputError, match="a whole set of shards already"):
        encode_to_shards(config)
    before = told(copied)
    (copied / "shards" / "0000001.parquet").unlink()
    encode_to_shards(config)

    assert [r.get("shard") for r in plain.done] == [1]
    assert {k: told(copied)[k] for k in ("created", "history", "plan")} == {k: before[k] for k in ("created", "history", "plan")}  # fmt: skip
    lost, again = (Path(p, "shards", "0000001.parquet").read_bytes() for p in (made.shards, copied))
    assert lost == again


def test_the_model_is_asked_for_before_anything_is_written(copied):
    from prom3e_index.indexer.push_source import open_source

    note = told(copied)
    note["model"] |= {"name": "/nowhere/model", "beside": None}
    (copied / "shards.json").write_text(json.dumps(note))
    with pytest.raises(ModelError, match="/nowhere/model, .*Say where it is now: model=FOLDER"):
        open_source(copied, silent).check()
    open_source(copied, silent, model="mini").check()


def run(*words) -> int:
    """The program's exit code."""
    from prom3e_index.cli.app import main

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["prom3e-index", *map(str, words)])
        main()
    return ended.value.code


def pushed(place, store, **more):
    from prom3e_index.indexer.push import push

    return push(place, store, silent, **more)


@pytest.fixture(scope="module", params=["lite", "server"])
def stores(made, shards, request):
    """Address of a store filled from shards, and of one filled from their index."""
    place = request.getfixturevalue(request.param)
    base = place if request.param == "lite" else place.address
    for source, name in ((shards, "shards"), (made.out, "folder")):
        done = pushed(source, f"{base}/{name}", targets=TARGETS)
        assert (done.written, done.there, done.changed) == (300, 0, True)
    return f"{base}/shards", f"{base}/folder"


@pytest.mark.cluster
def test_answers_are_those_of_the_index(stores, made, tmp_path):
    from prom3e_index.exports.write import write_export
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.opened import StoreBundle

    one, two = (StoreBundle.open(a) for a in stores)
    heads = [asdict(s.head) | {"collections": None, "manifest": None} for s in (one, two)]
    assert heads[0] == heads[1]
    assert one.calibration is not None and one.manifest["shards"]["number"] == 5
    with Bundle.open(made.out) as folder:
        queries = asked(folder)
    for name, query in queries.items():
        if query.target not in TARGETS:
            continue
        a, b = one.search(query), two.search(query)
        for what in ("row", "score", "fields", "media", "observed", "files", "p_right"):
            assert [getattr(h, what) for h in a] == [getattr(h, what) for h in b], (name, what)
        assert a.query == b.query
        assert {k: v for k, v in a.search.items() if k != "milliseconds"} == {k: v for k, v in b.search.items() if k != "milliseconds"}  # fmt: skip
    for number, store in enumerate((one, two)):
        write_export(store, tmp_path / f"{number}.csv")
    assert (tmp_path / "0.csv").read_text() == (tmp_path / "1.csv").read_text()
    with pytest.raises(
        InputError,
        match=r"SQL over all .* filled from shards; `prom3e-index build TABLE --engine ray",
    ):
        one.sql("SELECT 1")
    for store in (one, two):
        store.close()


@pytest.mark.cluster
@pytest.mark.parametrize("stores", ["lite"], indirect=True)
def test_the_same_again_another_instead_and_changes(stores, made, shards, copied, capsys):
    from prom3e_index.store.opened import StoreBundle

    store, folder = stores
    options = ["--store", store, "-t", "image", "-t", "loc"]
    assert run("push", shards, *options) == 0
    assert "holds this already, 300 rows: nothing was written" in capsys.readouterr().out
    moved = copied.rename(copied.with_name("moved"))  # the same set, wherever it is
    assert not pushed(moved, store, targets=TARGETS).changed
    for place, where, says in (
        (made.out, store, r"was filled from the shards .*, this is an index built .*`prom3e-index push INDEX --replace"),
        (shards, folder, r"was filled from an index built .*, this is the shards .*`prom3e-index push SHARDS --replace"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            pushed(place, where)
    (moved / "shards.json").write_text(
        json.dumps(told(moved) | {"created": "2020-01-01T00:00:00+00:00"})
    )
    with pytest.raises(InputError, match=r"written .*; these were written 2020-01-01.*push SHARDS --replace"):  # fmt: skip
        pushed(moved, store)
    before = (made.out / "manifest.json").read_bytes()
    for command in (["add", made.table], ["update", made.table], ["remove", "--where", "row = 3"]):
        assert run(*command, "--index", made.out, "--store", store) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "follows no index: make one of them, `prom3e-index build TABLE --engine ray --shards" in said  # fmt: skip
    assert (made.out / "manifest.json").read_bytes() == before

    anew = pushed(moved, store, targets=["image"], kind="flat", replace_other=True)
    assert anew.head.generation == 2 and list(anew.head.collections) == ["image"]
    with StoreBundle.open(store) as opened:
        assert len(opened.search(Query(location=(5, 5), target="image", k=300))) == 300


@pytest.mark.cluster
def test_a_push_of_shards_that_is_broken_off_goes_on(server, shards, made, monkeypatch):
    from prom3e_index.indexer import push_check
    from prom3e_index.indexer.certify_store import certify_store
    from prom3e_index.indexer.cluster.shards import Shards
    from prom3e_index.store.engine import Engine
    from prom3e_index.store.opened import StoreBundle

    place, insert, calls = f"{server.address}/off", Engine.insert, []
    monkeypatch.setattr(push_check, "ROWS", 48)

    def breaking(self, name, rows, again=False):
        calls.append(name)
        if len(calls) == 5:
            raise KeyboardInterrupt
        insert(self, name, rows, again)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Engine, "insert", breaking)
        pushed(shards, place, targets=["image"])
    read, table = [], Shards.table
    monkeypatch.setattr(Shards, "table", lambda self, s, columns=None: (
        read.append(s) if columns and "vector_image" in columns else None, table(self, s, columns))[1])  # fmt: skip
    done = pushed(shards, place, targets=["image"])

    assert (done.there, done.written) == (128, 172)  # 48 and 16 of each of two shards
    assert read[:3] == [2, 3, 4]  # shards that are there whole are not read again
    with StoreBundle.open(place) as store:
        assert (
            store.rows
            == store.engine.count(store.collection("image"), "row >= 0", strong=True)
            == 300
        )
        assert len(store.search(Query(location=(5, 5), target="image", k=300))) == 300
        certified = certify_store(store, store.model(), silent, 64)["targets"]["image"]
    assert certified["recall@10"] == 1.0 and certified["queries"] > 0
