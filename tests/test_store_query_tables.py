"""A table of queries is answered by a store into the same file as by its folder, and goes on where it was broken off."""

from __future__ import annotations

import csv

import pytest
from stores import of_test

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.indexer import query_batch as module
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.query_batch import QueryBatch, answer_table, parts_of
from prom3e_index.search.query import Query

pytestmark = pytest.mark.cluster
ASKED = 40


@pytest.fixture
def index(copied_index):
    return copied_index


@pytest.fixture
def table(bundle, tmp_path):
    """Queries by place and name for three targets; every tenth has no place on earth."""
    path = tmp_path / "q.csv"
    rows = bundle.sql("SELECT latitude, longitude, scientific_name FROM observations")
    with path.open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["id", "lat", "lon", "scientificName", "target"])
        for i in range(ASKED):
            latitude, longitude, name = rows[i % len(rows)]
            place = ("95", "0") if i % 10 == 5 else (latitude, longitude)
            out.writerow([f"q{i}", *place, name, ("image", "audio", "loc")[i % 3]])
    return path


def lines(path):
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def equal(one, other):
    assert [{**r, "score": 0} for r in one] == [{**r, "score": 0} for r in other]
    scores = [[float(r["score"] or 0) for r in found] for found in (one, other)]
    assert max(abs(a - b) for a, b in zip(*scores, strict=True)) < 2e-5


@pytest.mark.parametrize("at", ["lite", "server"])
def test_a_table_is_answered_by_a_store_as_by_its_folder_and_goes_on(
    at, request, bundle, index, table, tmp_path, monkeypatch
):
    from prom3e_index.cli.app import app
    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    place = request.getfixturevalue(at)
    address = of_test(place if at == "lite" else place.address, request)
    monkeypatch.setattr(module, "PART", 8)
    push(index, address, silent, targets=["image", "audio", "loc"])

    def batch(name, **more):
        return QueryBatch(str(table), Query(k=3), tmp_path / name, "csv", workers=1, **more)

    done = answer_table(bundle, batch("folder.csv"), silent)
    assert (done.rows, done.refused) == (ASKED, 4)
    folder = lines(tmp_path / "folder.csv")
    app(["query", "--store", address, "--queries", str(table), "-k", "3", "-o", str(tmp_path / "store.csv")],
        standalone_mode=False)  # fmt: skip
    equal(lines(tmp_path / "store.csv"), folder)

    def broken(stage, done, total):
        if done == 20:
            raise KeyboardInterrupt

    asked, original = [], module.answered
    monkeypatch.setattr(
        module, "answered",
        lambda b, rows, w: original(b, (asked.append(r.name) or r for r in rows), w),
    )  # fmt: skip
    with StoreBundle.open(address) as store:
        with pytest.raises(KeyboardInterrupt):
            answer_table(store, batch("o.csv"), broken)
        asked.clear()
        answer_table(store, batch("o.csv"), silent)
        assert asked == [f"q{i}" for i in range(16, ASKED)]  # two parts of eight were kept
        equal(lines(tmp_path / "o.csv"), folder)
        assert not parts_of(tmp_path / "o.csv").exists()
        with pytest.raises(KeyboardInterrupt):
            answer_table(store, batch("late.csv"), broken)
    remove(index, Filter(where="row < 3"), None, silent)
    push(index, address, silent)
    with StoreBundle.open(address) as store:
        with pytest.raises(InputError, match="answers to other queries, of another index"):
            answer_table(store, batch("late.csv"), silent)  # of the generation before
        answer_table(store, batch("late.csv", restart=True), silent)
        assert not {"0", "1", "2"} & {r["row"] for r in lines(tmp_path / "late.csv")}
        assert {"0", "1", "2"} & {r["row"] for r in folder}
