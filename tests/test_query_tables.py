"""A table of queries is answered row by row as single queries are; what cannot be asked stands there with its reason."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from processes import program
from pyarrow import parquet

from prom3e_index import Filter, Query
from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.indexer import query_batch as module
from prom3e_index.indexer.query_batch import QueryBatch, answer_table
from prom3e_index.search import batch
from prom3e_index.search.answered import Answer


def same(found: Answer, alone: Answer) -> None:
    assert [h.row for h in found.hits] == [h.row for h in alone.hits]
    scores = [[h.score for h in a.hits] for a in (found, alone)]
    assert np.allclose(*scores, rtol=0, atol=2e-5)
    for part in (
        "given",
        "target",
        "weights",
        "filters",
        "confidence",
        "species_set",
        "add_next",
        "k",
    ):
        assert found.query[part] == alone.query[part]
    assert found.search["notes"] == alone.search["notes"]
    assert found.search["eligible"] == alone.search["eligible"]


def questions(bundle, world) -> list[Query]:
    """A question of every row's own files, places and names; targets and hits in turn."""
    rows = bundle.sql("SELECT image, audio, sat, latitude, longitude, text FROM observations")
    out = []
    for i, (image, audio, sat, latitude, longitude, text) in enumerate(rows):
        parts = {"image": image and str(world / image), "audio": audio and str(world / audio),
                 "sat": sat and str(world / sat), "text": text,
                 "env": [((7 * i + j) % 13) / 6 - 1 for j in range(20)],
                 "location": None if latitude is None else (latitude, longitude)}  # fmt: skip
        given = {k: v for k, v in parts.items() if v is not None}
        keep = list(given)[i % len(given) :][: 1 + i % 3]
        target = bundle.modalities[i % 6]
        out.append(Query(**{k: given[k] for k in keep}, target=target, k=1 + i % 7))
    return out


@pytest.mark.parametrize("count", [0, 1, batch.AT_ONCE - 5, batch.AT_ONCE + 1])
def test_many_queries_are_answered_as_each_alone(bundle, world, count, monkeypatch):
    asked = (questions(bundle, world) * 2)[:count]
    found = list(bundle.search_many(iter(asked), workers=2))
    assert len(found) == count
    for i in list(range(0, count, 9)) + list(range(count))[-1:]:
        same(found[i], bundle.search(asked[i]))


def test_filters_spaces_groups_and_another_epsilon_too(bundle):
    base = Query(location=(10.0, 20.0), target="image", k=4)
    ways = [
        base, replace(base, filter=Filter(where="row % 2 = 0")), replace(base, group_by="family"),
        replace(base, space="encoder"), replace(base, epsilon=0.5), replace(base, exact=True),
        replace(base, observed_only=True), replace(base, k=500), replace(base, filter=Filter(taxon="Nobody")),
        replace(base, embedding=np.arange(1, 513), embedding_of="audio"), replace(base, delta=0.9, gamma=0.0),
    ]  # fmt: skip
    asked = [replace(w, location=(10.0 + i, 20.0)) for i in range(3) for w in ways]
    for found, query in zip(bundle.search_many(asked), asked, strict=True):
        same(found, bundle.search(query))


def test_a_query_that_cannot_be_answered_stops_nothing_but_itself(bundle, tmp_path):
    (tmp_path / "no.jpg").write_text("no photo")
    asked = [Query(location=(1, 2)), Query(image=tmp_path / "no.jpg"), Query(), Query(location=(1, 2), target="smell"),
             Query(env=[1.0, 2.0]), Query(text="x", group_by="nothing"), Query(location=(1, 2))]  # fmt: skip
    found = list(batch.answers(bundle, asked))
    assert [isinstance(f, Answer) for f in found] == [True, *[False] * 5, True]
    for f, query in zip(found[1:-1], asked[1:-1], strict=True):
        with pytest.raises(Prom3eError) as alone:
            bundle.search(query)
        assert str(alone.value) == str(f)
    with pytest.raises(InputError, match="no.jpg"):
        list(bundle.search_many(asked))


@pytest.fixture(scope="module")
def table(bundle, world, tmp_path_factory):
    """80 queries as a table: photos, recordings, places and names, some of which cannot be asked."""
    path = tmp_path_factory.mktemp("queries") / "q.csv"
    rows = bundle.sql("SELECT image, audio, latitude, longitude, scientific_name FROM observations")
    with path.open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["id", "photo", "recording", "lat", "lon", "scientificName", "target"])
        for i in range(80):
            image, audio, latitude, longitude, name = rows[i % len(rows)]
            image = "nowhere.jpg" if i % 10 == 7 else image
            place = ("95", "0") if i % 10 == 5 else (latitude, longitude)
            target = "nosuch" if i == 3 else ("audio", "loc", "")[i % 3]
            out.writerow([f"q{i}", image, audio, *place, name, target])
    return path


def as_batch(table, world, out, **more) -> QueryBatch:
    like = more.pop("like", Query(k=3))
    kind = out.suffix[1:]
    return QueryBatch(str(table), like, out, kind, media=world, workers=2, **more)


def quiet(*_):
    pass


def read(path) -> list[dict]:
    if path.suffix == ".csv":
        with path.open(newline="") as f:
            return list(csv.DictReader(f))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_in_are_answered_and_refused(bundle, world, table, tmp_path, kind):
    out = tmp_path / f"o.{kind}"
    done = answer_table(bundle, as_batch(table, world, out), quiet)
    assert (done.rows, done.answered + done.refused) == (80, 80) and done.refused == 17
    rows = read(out)
    names = list(dict.fromkeys(r["query"] for r in rows))
    assert names == [f"q{i}" for i in range(80)]
    refused = {r["query"]: r["error"] for r in rows if r.get("error")}
    assert len(refused) == 17 and "nowhere.jpg" in refused["q7"] and "latitude 95" in refused["q15"]
    assert "nosuch" in refused["q3"]
    with table.open(newline="") as f:
        asked = {r["id"]: r for r in csv.DictReader(f)}
    for name in ("q0", "q12", "q41"):
        r = asked[name]
        given = {"image": r["photo"] and world / r["photo"], "audio": r["recording"] and world / r["recording"],
                 "location": r["lat"] and (float(r["lat"]), float(r["lon"])), "text": r["scientificName"]}  # fmt: skip
        alone = bundle.search(
            Query(**{k: v for k, v in given.items() if v}, target=r["target"] or None, k=3)
        )
        mine = [x for x in rows if x["query"] == name]
        assert [x["id"] for x in mine] == [h.fields["id"] for h in alone.hits]
        assert np.allclose([float(x["score"]) for x in mine], [h.score for h in alone.hits], atol=2e-5)  # fmt: skip
        assert {x["target"] for x in mine} == {alone.query["target"]}
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_interrupted_run_goes_on_and_gives_the_same_file(
    bundle, world, table, tmp_path, kind, monkeypatch
):
    whole = tmp_path / f"whole.{kind}"
    monkeypatch.setattr(module, "PART", 16)
    answer_table(bundle, as_batch(table, world, whole), quiet)
    out, asked = tmp_path / f"o.{kind}", []

    def killed(stage, done, total):
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_table(bundle, as_batch(table, world, out), killed)
    parts = module.parts_of(out)
    assert not out.exists() and (parts / "000001").is_file() and not (parts / "000002").exists()
    with pytest.raises(InputError, match="restart=True"):
        answer_table(bundle, as_batch(table, world, out, like=Query(k=2)), quiet)
    original = module.answered
    monkeypatch.setattr(
        module, "answered",
        lambda b, rows, w: original(b, (asked.append(r.name) or r for r in rows), w),
    )  # fmt: skip
    done = answer_table(bundle, as_batch(table, world, out), quiet)
    assert done.rows == 80 and asked[0] == "q32" and len(asked) == 48
    assert not parts.exists()
    one, other = (read(path) for path in (out, whole))
    assert len(one) == len(other) > 150
    for mine, theirs in zip(one, other, strict=True):
        assert {**mine, "score": 0} == {**theirs, "score": 0}
        assert abs(float(mine["score"] or 0) - float(theirs["score"] or 0)) < 2e-5


def test_parts_of_others_are_not_touched(bundle, world, table, tmp_path):
    out = tmp_path / "o.csv"
    parts = module.parts_of(out)
    parts.mkdir()
    (parts / "thesis.txt").write_text("mine")
    with pytest.raises(Prom3eError, match=r"thesis\.txt"):
        answer_table(bundle, as_batch(table, world, out, restart=True), quiet)
    assert (parts / "thesis.txt").read_text() == "mine"


def test_ctrl_c_says_what_is_kept(bundle_path, world, table, tmp_path):
    command = [sys.executable, "-m", "prom3e_index.cli.app", "query", "-i", bundle_path, "--queries", table,
               "--queries-media", world, "-o", tmp_path / "o.csv"]  # fmt: skip
    running = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    for _ in range(1200):
        if (tmp_path / "o.csv.parts").exists():
            break
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=100)[1].splitlines()[-1]
    if running.returncode == 0:
        pytest.skip("the machine was faster than the signal")
    assert running.returncode == 130 and "o.csv.parts" in said and "goes on" in said


def test_the_command_writes_lines_and_says_the_sum(bundle_path, world, table, tmp_path):
    run = program("query", "-i", bundle_path, "--queries", table, "--queries-media", world, "-k", 1)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [r["query"] for r in lines] == [f"q{i}" for i in range(80)]
    assert "80 queries = 63 answered + 17 refused" in run.stderr
    for words in (("--image", "x.jpg"), ("-f", "geojson"), ("-f", "parquet")):
        run = program("query", "-i", bundle_path, "--queries", table, *words)
        assert run.returncode == 2 and len(run.stderr.splitlines()) == 1
