"""What a real server does otherwise than one would think: parameters that never raise, answers of some seconds ago, lists
that are looked through, certificates that are measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_index
import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, StoreError
from prom3e_index.indexer.plan import silent
from prom3e_index.search.query import Query

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """3,000 rows of made-up embeddings, with a column that a filter of one row in a hundred asks."""
    folder = tmp_path_factory.mktemp("made")
    x, present = plain_index.rows(3000, seed=4)
    part = plain_index.write(folder / "a.npz", x, present, group=np.arange(3000) % 100)
    plain_index.made(folder, [part]).close()
    return folder / "i.p3i"


def test_a_bad_parameter_of_an_index_is_told_in_time(server):
    from prom3e_index.store.address import parse
    from prom3e_index.store.engine import Engine
    from prom3e_index.store.kinds import Fields, Kind

    class Wrong(Kind):
        def parameters(self):
            return "SCANN", {"nlist": 16, "with_raw_data": True}  # what Milvus 2.3 tries for ever

    engine = Engine(parse(f"{server.address}/wrong"))
    engine.create("wrong__a", Fields(16), Wrong())
    rng = np.random.default_rng(0)
    engine.insert(
        "wrong__a", [{"row": i, "vector": rng.normal(size=16).tolist()} for i in range(3000)]
    )
    with pytest.raises(
        StoreError,
        match=r"the index of wrong__a is \w+ with [\d,]+ rows to go: .*Ask for another kind",
    ):
        engine.ready(["wrong__a"], 8)
    engine.drop(["wrong__a"])

    class NoMetric(Kind):
        def parameters(self):
            return "NONSENSE", {}

    with pytest.raises(StoreError, match="wrong__b cannot be indexed"):
        engine.create("wrong__b", Fields(16), NoMetric())
    engine.drop(["wrong__b"])
    engine.close()


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_k_hits_whenever_k_rows_qualify_and_what_is_found_is_certified(server, index, kind):
    from prom3e_index.indexer.certify_store import certify_store, keep
    from prom3e_index.indexer.push import push
    from prom3e_index.search.run import Bundle
    from prom3e_index.server.described import UNMEASURED, _counted
    from prom3e_index.store.opened import StoreBundle

    address = f"{server.address}/kind_{kind}"
    push(index, address, silent, targets=["image", "loc"], kind=kind)
    levels = []
    with StoreBundle.open(address) as store:
        told = _counted(store)  # what a server says of it
        assert told["certificate"] is None and UNMEASURED in told["notes"]
    with StoreBundle.open(address) as store, Bundle.open(index) as folder:
        search = store.engine.client.search
        store.engine.client.search = lambda *a, **k: (
            levels.append(k["consistency_level"]) or search(*a, **k)
        )
        rng = np.random.default_rng(1)
        asked = np.asarray(folder.vectors("image")[rng.integers(0, 3000, 32)], np.float32)
        asked += rng.normal(0, 0.02, asked.shape).astype(np.float32)
        found = 0
        for f in (
            None,
            Filter(where='"group" = 7'),
            Filter(where='"group" < 3'),
            Filter(where='"group" IN (1, 50)'),
        ):
            rows = None if f is None else folder.eligible(f)
            there = None if f is None else store.eligible(f)
            assert there is None or len(there) == len(rows)
            for k in (1, 10, 25, 3000):
                truth, numbers, _ = folder.nearest("image", asked, k, rows, exactly=True)
                scores, got, path = store.nearest("image", asked, k, there)

                assert got.shape == numbers.shape, (kind, f, k, path)  # as many as qualify
                assert rows is None or np.isin(got, rows).all()
                assert (np.diff(scores, axis=1) <= 0).all()
                exact = np.array([dict(zip(n.tolist(), t.tolist(), strict=True)).get(g0) for n, t, g0 in
                                  zip(numbers, truth, got[:, 0].tolist(), strict=True)], object)  # fmt: skip
                right = [e is not None for e in exact]
                assert np.allclose(scores[right, 0], exact[right].astype(float), atol=1e-5)
                found += np.mean(
                    [
                        len(set(a) & set(b)) / len(a)
                        for a, b in zip(got.tolist(), numbers.tolist(), strict=True)
                    ]
                )
            one, other = (
                i.nearest("image", asked, 10, r, exactly=True)
                for i, r in ((folder, rows), (store, there))
            )
            assert np.array_equal(one[1], other[1]) and np.allclose(one[0], other[0], atol=1e-5)
        assert found / 16 > 0.97
        assert set(levels) == {"Bounded"}  # what was written is waited for when it is opened

        made = keep(store, certify_store(store, store.model(), silent, 32))
        assert {f["rows"] for f in made["targets"]["image"]["filtered"]} >= {"by chance"}
    with StoreBundle.open(address) as store:
        told = store.manifest["certificate"]
        assert (said := _counted(store))["certificate"] == told and UNMEASURED not in said["notes"]
        assert told == made and store.head.kind["beam"] == told["beam"]
        assert told["targets"]["image"]["recall@10"] >= 0.97 and told["versions"][
            "store"
        ].startswith("Milvus v2.3")
        assert told["generation"] == store.head.generation == 2
        assert (
            push(index, address, silent, targets=["image", "loc"]).head.certificate == made
        )  # nothing new: it stays


def test_a_target_that_was_not_pushed_is_refused(server, index):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    address = f"{server.address}/few"
    push(index, address, silent, targets=["loc"], kind="flat")
    with (
        StoreBundle.open(address) as store,
        pytest.raises(InputError, match="was pushed without image; it has loc"),
    ):
        store.search(Query(location=(1, 2), target="image"))


def test_a_store_of_one_target_is_certified_by_questions_of_the_others(server, index, monkeypatch):
    from prom3e_index.indexer import certify_store as module
    from prom3e_index.indexer.push import push
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.opened import StoreBundle

    address = f"{server.address}/alone"
    push(index, address, silent, targets=["image"], kind="ivf")
    made, given = module.queries_of, []
    monkeypatch.setattr(module, "tuned", lambda bundle, *_: bundle.head.searched)
    monkeypatch.setattr(
        module, "queries_of", lambda *a: (given.append((a[3], made(*a))), given[-1][1])[1]
    )
    with StoreBundle.open(address) as store, Bundle.open(index) as folder:
        kind = {**store.head.kind, "beam": 1}
        object.__setattr__(store.head, "kind", kind)
        told = module.certify_store(store, store.model(), silent, 100)
        (choosing, _), (certifying, queries) = given
        names, present = folder.modalities, folder.present
        assert set(choosing) == set(certifying) == set(names) - {"image"}
        for m, embeddings in certifying.items():
            of_rows = np.asarray(folder.embeddings(m))[present[:, names.index(m)]]
            rows = {e.tobytes() for e in of_rows.astype(np.float16)}
            halves = [{e.tobytes() for e in half[m]} for half in (choosing, certifying)]
            assert halves[0] | halves[1] <= rows and not halves[0] & halves[1]
            assert len(embeddings) == 20  # of a hundred, as many of each of the five

        truth = folder.nearest("image", queries, 10, exactly=True)[1]
        found = store.nearest("image", queries, 10)[1]
        share = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth.tolist(), found.tolist(), strict=True)])  # fmt: skip
        measured = told["targets"]["image"]["recall@10"]
        assert abs(measured - share) < 0.002 and measured < 0.9 and told["queries"] == 100
        assert told["unmet"] == [f"image: recall@10 is {measured:g}, 0.99 was asked for"]


def test_where_nothing_else_could_ask_no_recall_is_told(server, tmp_path, capsys):
    from prom3e_index.cli.app import app
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    x, present = plain_index.rows(300, seed=5)
    present[:] = np.arange(6) == 0  # photos alone
    part = plain_index.write(tmp_path / "a.npz", np.where(present[:, :, None], x, 0), present)
    plain_index.made(tmp_path, [part]).close()
    address = f"{server.address}/photos"
    push(tmp_path / "i.p3i", address, silent, targets=["image", "text"], kind="hnsw")

    app(["certify", "--store", address], standalone_mode=False)

    said = capsys.readouterr()
    why = "image: no recall is told, as no observation has anything else that could ask for it"
    assert why in " ".join((said.out + said.err).split())
    with StoreBundle.open(address) as store:
        told = store.manifest["certificate"]
        assert told["unmet"] == [why] and told["targets"]["image"]["recall@10"] is None
        assert told["targets"]["image"]["queries"] == 0
        assert told["targets"]["text"]["recall@10"] >= 0.99  # asked for by photos


def test_of_more_rows_than_are_compared_some_tell_how_wide_to_search(server, index, monkeypatch):
    """A third of the rows, drawn by chance, tell about what all tell, and the search is widened by it."""
    from dataclasses import asdict, replace

    from prom3e_index.indexer import certify_store as certify
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    address = f"{server.address}/drawn"
    push(index, address, silent, targets=["image"], kind="ivf")
    with StoreBundle.open(address) as store:
        narrow = replace(store.head.searched, beam=1)
        store.head = replace(store.head, kind=asdict(narrow))
        askers = certify.read_askers(store.engine, store.named)
        asked = certify._queries(store, store.model(), "image", askers, 64, 0)
        scores, numbers, _ = store.nearest("image", asked, 10)
        full = certify.Truth.of(store, "image", asked).recall(scores, numbers, 10)
        monkeypatch.setattr(certify, "EXACT_ROWS", 1000)
        truth = certify.Truth.of(store, "image", asked)
        assert truth.best is None and len(truth.rows) == 1000
        assert truth.recall(scores, numbers, 10) == pytest.approx(full, abs=0.08)
        assert full < 0.9
        made = certify.certify_store(store, store.model(), silent)
        monkeypatch.setattr(certify, "EXACT_ROWS", 200_000)
        found = store.nearest("image", asked, 10)
        assert made["beam"] > 1 and made["compared"] == 1000
        assert certify.Truth.of(store, "image", asked).recall(found[0], found[1], 10) > 0.95
