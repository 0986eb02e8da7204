"""Search against independent computations in numpy."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest
from conftest import ROOT

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.scan import best
from prom3e_index.bundle.faiss.search import Gallery, Point, Subset
from prom3e_index.bundle.faiss.write import build
from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError, MismatchError, ShapeError
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle


def by_hand(bundle, visible, target, space, delta, gamma, epsilon=0.0):
    """Scores of every row, from embeddings and MVAE alone, in float64."""
    import torch

    model = bundle.model()
    names = bundle.modalities
    f = np.stack([np.asarray(bundle.embeddings(m), np.float64) for m in names], 1)
    t = names.index(target)

    def mvae(x, has):
        p = model.mvae.posterior(torch.from_numpy(x).float(), torch.from_numpy(has))
        points = {"expectation": (1, -1), "mean": (0,)}[model.decode]
        d = sum(model.mvae.decode(p.mean + e * p.sigma, [t])[:, 0] for e in points)
        return p.mean.double().numpy(), torch.nn.functional.normalize(d, dim=1).double().numpy()

    query = np.zeros((1, len(names), f.shape[2]))
    has = np.zeros((1, len(names)), bool)
    for name, vector in visible.items():
        query[0, names.index(name)], has[0, names.index(name)] = vector, True
    mean = query[has].mean(0)
    mean /= np.linalg.norm(mean)
    h_q, r_q = mvae(query, has)
    h, r = mvae(f, bundle.present)
    delta, gamma = {"encoder": (0, 0), "reconstructed": (1, 0), "hidden": (delta, 1)}.get(
        space, (delta, gamma)
    )
    epsilon = 0.0 if space == "encoder" else epsilon
    q = (1 - delta) * mean + delta * r_q[0]
    mixed = (1 - epsilon) * f[:, t] + epsilon * r
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    g = np.where(bundle.present[:, t : t + 1], mixed, r)
    return (1 - gamma) * g @ q + gamma * h @ h_q[0]


@pytest.mark.parametrize("space", ["hybrid", "encoder", "reconstructed", "hidden"])
@pytest.mark.parametrize("epsilon", [None, 0.4])
def test_scores_are_the_formula(bundle, space, epsilon):
    model = bundle.model()
    place = (12.5, -71.2)
    text = "Fictanimalia Inventata"
    visible = {
        "loc": model.encoder("loc").encode([place])[0],
        "text": model.encoder("text").encode([text])[0],
    }
    for target in ("image", "audio", "sat"):
        stored = bundle.manifest["epsilon"][target]
        expected = by_hand(
            bundle, visible, target, space, 0.3, 0.6, stored if epsilon is None else epsilon
        )
        answer = bundle.search(Query(location=place, text=text, target=target, k=60, space=space, delta=0.3, gamma=0.6,
                                     epsilon=epsilon))  # fmt: skip
        assert sorted(h.row for h in answer.hits) == list(range(60))
        for h in answer.hits:
            assert h.score == pytest.approx(expected[h.row], abs=2e-3)
            assert h.completed == (not bundle.present[h.row, bundle.modalities.index(target)])
        scores = [h.score for h in answer.hits]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("k", [1, 59, 60, 61, 1000])
def test_any_k(bundle, k):
    answer = bundle.search(Query(location=(0, 0), k=k))
    assert len(answer.hits) == min(k, 60)
    assert [h.rank for h in answer.hits] == list(range(1, min(k, 60) + 1))


@pytest.mark.parametrize("k", [1, 3, 1000])
def test_groups_give_their_best_hit(bundle, k):
    every = bundle.search(Query(text="Fictanimalia", target="audio", k=60)).hits
    firsts: dict = {}
    for h in every:
        firsts.setdefault(h.fields["license"], h.row)
    grouped = bundle.search(Query(text="Fictanimalia", target="audio", k=k, group_by="license"))
    assert [h.row for h in grouped.hits] == list(firsts.values())[:k]


def test_bad_queries(bundle, tmp_path):
    for given, error, words in [
        (dict(location=(0, 0), k=0), InputError, "k is 0"), (dict(), InputError, "gives nothing"),
        (dict(location=(0, 0), target="smell"), InputError, "Unknown modality 'smell'"),
        (dict(location=(0, 0), delta=1.5), InputError, "between 0 and 1"),
        (dict(location=(0, 0), space="latent"), InputError, "Unknown space"),
        (dict(location=(0, 0), group_by="licence"), InputError, "nearest: license"),
        (dict(env=[1.0] * 19), ShapeError, r"\(1, 19\)"), (dict(text=" "), InputError, "empty"),
        (dict(location=(math.nan, 0)), InputError, "must be 2 numbers"),
        (dict(embedding=[1.0] * 768, embedding_of="image"), ShapeError, "768 wide.*512"),
        (dict(embedding=[0.0] * 512, embedding_of="image"), InputError, "zero"),
        (dict(image=tmp_path / "none.jpg"), InputError, "does not exist"),
    ]:  # fmt: skip
        with pytest.raises(error, match=words):
            bundle.search(Query(**given))


def test_an_embedding_finds_its_own_row(bundle):
    for m in ("image", "audio", "text"):
        row = int(np.flatnonzero(bundle.present[:, bundle.modalities.index(m)])[3])
        vector = np.asarray(bundle.embeddings(m)[row], np.float32)
        hits = bundle.search(
            Query(embedding=vector * 5, embedding_of=m, target=m, space="encoder")
        ).hits
        assert hits[0].score == pytest.approx(1, abs=1e-3)
        assert row in [h.row for h in hits if h.score > 0.999]


def test_a_query_by_another_model_is_refused(bundle, hub):
    with pytest.raises(MismatchError, match="mvae.*is not the one that.*mini"):
        bundle.search(Query(location=(0, 0), model="taxabind", hub=hub))


def test_exif_choice_is_part_of_the_fingerprint(bundle, world):
    from prom3e_index.models.folder import Model

    turned = Model.open("mini", exif_transpose=True)
    with pytest.raises(MismatchError, match="image"):
        bundle.check_encoder(turned, "image")


def test_answers_are_json_with_the_promised_keys(bundle):
    d = json.loads(
        json.dumps(
            bundle.search(
                Query(location=(5, 5), k=2, filter=Filter(taxon="Fictanimalia"))
            ).to_dict()
        )
    )
    assert set(d) == {"query", "hits", "search"}
    assert {
        "given",
        "target",
        "space",
        "weights",
        "filters",
        "sigma_l1",
        "sigma_percentile",
        "confidence",
        "species_set",
        "expected_error",
        "add_next",
    } <= set(d["query"])
    assert {"rank", "id", "score", "completed", "p_right", "scientific_name", "latitude", "longitude", "event_date", "license",
            "rights_holder", "media"} <= set(d["hits"][0])  # fmt: skip
    assert {"eligible", "path", "milliseconds"} <= set(d["search"])


def test_many_threads_get_the_answers_of_one(bundle_path):
    bundle = Bundle.open(bundle_path)
    queries = [
        Query(location=(i * 3.0, i * 7.0), k=5, filter=Filter(where=f"row % {1 + i % 3} = 0"))
        for i in range(12)
    ]
    alone = [[h.row for h in bundle.search(q).hits] for q in queries]
    got: dict[int, list[int]] = {}

    def run(i):
        got[i] = [h.row for h in bundle.search(queries[i]).hits]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [got[i] for i in range(12)] == alone


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 1025])
@pytest.mark.parametrize("share", [None, 0.0, 0.005, 0.3, 1.0])
def test_index_equals_numpy_with_ties(tmp_path, n, share):
    rng = np.random.default_rng(n)
    vectors = rng.normal(size=(n, 16)).astype(np.float16)
    vectors[n // 2 :] = vectors[: n - n // 2]  # every score stands twice
    np.save(tmp_path / "v.npy", vectors)
    build(vectors, tmp_path / "v.faiss", KINDS["exact"])
    index = Gallery(str(tmp_path / "v.faiss"), np.load(tmp_path / "v.npy", mmap_mode="r"), Point())
    rows = None if share is None else np.flatnonzero(rng.random(n) < share).astype(np.int64)
    every = np.arange(n) if rows is None else rows
    for k in (1, 9, 10, 11, n, n + 1):
        query = rng.normal(size=16).astype(np.float32)
        exact = vectors.astype(np.float32) @ query
        order = sorted(every.tolist(), key=lambda r: (-exact[r], r))[:k]
        subset = None if rows is None else Subset(rows, n)
        (scores,), (found,), _ = index.search(query[None], k, subset)
        assert len(found) == min(k, len(every))
        assert np.allclose(scores, exact[found], atol=1e-4)
        assert np.allclose(np.sort(exact[found])[::-1], exact[order], atol=1e-4)
        b_scores, b_rows = best(exact[every], every.astype(np.int64), k)
        assert b_rows.tolist() == order


@pytest.mark.parametrize(
    "version", sorted(p.name for p in (ROOT / "tests/bundles").glob("v*") if p.is_dir())
)
def test_bundles_of_every_format_version_open_and_answer(version):
    """Golden bundles: made once by `bundles/make.py`, never again."""
    folder = ROOT / "tests/bundles" / version
    expected = json.loads(folder.with_suffix(".json").read_text())
    old = Bundle.open(folder)
    query = np.asarray(old.vectors("text")[0], np.float32)
    (scores,), (rows,), _ = old.nearest("text", query[None], 3)

    assert rows.tolist() == expected["rows"]
    assert scores.tolist() == pytest.approx(expected["scores"], abs=1e-5)
    assert old.eligible(Filter(where="depth < 3")).tolist() == [0, 1]
    assert old.sql("SELECT id FROM observations WHERE row = 2") == [('é"c',)]
