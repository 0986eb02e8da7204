"""A searcher that stays warm answers as the index does, from files or from what was embedded before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError, InputError, Prom3eError, ShapeError
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.search.searcher import Embedded, Searcher, combined


@pytest.fixture(scope="module")
def searcher(bundle):
    with Searcher(bundle, workers=1) as searcher:
        yield searcher


@pytest.fixture(scope="module")
def files(bundle) -> dict[str, list[str]]:
    """Files of the first rows, by modality."""
    found = {}
    for m in ("image", "audio"):
        rows = bundle.sql(
            f"SELECT {m} FROM observations WHERE {m} IS NOT NULL ORDER BY row LIMIT 3"
        )
        found[m] = [str(bundle.segments[0].folders.file(file)) for (file,) in rows]
    return found


def same(one, other):
    """All that is said but for the time that it took."""
    a, b = one.to_dict(), other.to_dict()
    a["search"] = {k: v for k, v in a["search"].items() if k != "milliseconds"}
    b["search"] = {k: v for k, v in b["search"].items() if k != "milliseconds"}
    assert a == b


def asked(files):
    image, audio = files["image"], files["audio"]
    return [
        Query(image=image[0], k=7),
        Query(audio=audio[0], target="image", k=60),
        Query(audio=audio[1], location=(10.0, 20.0), target="image", group_by="species"),
        Query(text="Fictanimalia", target="image", filter=Filter(bbox=(-180, -60, 180, 60))),
        Query(image=image[:3], observed_only=True, target="audio"),
        Query(location=(10, 20), space="encoder", target="loc", k=1, confidence=False),
    ]


def test_a_searcher_answers_as_the_index_to_the_bit(bundle, searcher, files):
    for query in asked(files):
        same(searcher.search(query), bundle.search(query))


def test_what_is_embedded_is_found_as_asked_whatever_is_searched_for(bundle, searcher, files):
    for query in asked(files):
        (embedded,) = searcher.embed([query])

        assert isinstance(embedded, Embedded)
        same(searcher.find(query, embedded), bundle.search(query))
    embedded = searcher.embed([Query(image=files["image"][0])])[0]
    for more in ({"target": "audio"}, {"k": 3}, {"filter": Filter(bbox=(-180, 0, 180, 90))}):
        query = Query(image=files["image"][0], **more)

        same(searcher.find(query, embedded), bundle.search(query))


def test_parts_that_were_embedded_alone_are_combined_as_if_asked_together(bundle, searcher, files):
    one, two, place, sound = searcher.embed(
        [
            Query(image=files["image"][0]),
            Query(image=files["image"][1]),
            Query(location=(3.0, 4.0)),
            Query(audio=files["audio"][0]),
        ]
    )
    whole = Query(image=files["image"][:2], location=(3.0, 4.0), audio=files["audio"][0])
    together = combined([one, two, place, sound])
    (as_one,) = searcher.embed([whole])

    np.testing.assert_array_equal(together.present, as_one.present)
    np.testing.assert_allclose(together.rows, as_one.rows, atol=2e-6)
    np.testing.assert_allclose(
        np.linalg.norm(together.rows[together.present], axis=1), 1, atol=1e-6
    )
    assert [h.row for h in searcher.find(whole, together)] == [h.row for h in bundle.search(whole)]
    image = bundle.modalities.index("image")
    mean = one.rows[image] + two.rows[image]
    np.testing.assert_allclose(together.rows[image], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_query_that_cannot_be_embedded_costs_no_other(searcher, files, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    broken, good, none = searcher.embed(
        [Query(image=tmp_path / "broken.jpg"), Query(image=files["image"][0]), Query()]
    )

    assert isinstance(broken, InputError) and "broken.jpg" in str(broken)
    assert isinstance(good, Embedded)
    assert isinstance(none, InputError) and "gives nothing" in str(none)
    assert searcher.embed([]) == []


def test_embeddings_of_another_model_and_of_nothing_are_refused(bundle, searcher):
    query, m = Query(location=(1, 2)), len(bundle.modalities)
    with pytest.raises(ShapeError, match=f"\\({m}, 3\\).*mini"):
        searcher.find(query, Embedded(np.zeros((m, 3), np.float32), np.ones(m, bool)))
    (embedded,) = searcher.embed([query])
    with pytest.raises(InputError, match="no modality"):
        searcher.find(query, Embedded(embedded.rows, np.zeros(m, bool)))


def test_many_are_answered_in_their_order_and_refusals_stand_where_they_belong(
    bundle, searcher, files
):
    queries = [*asked(files), Query(target="image")]
    found = list(searcher.search_many(queries))

    assert isinstance(found[-1], InputError)
    for query, answer in zip(queries[:-1], found[:-1], strict=True):
        alone = bundle.search(query)
        assert [h.row for h in answer] == [h.row for h in alone]
        np.testing.assert_allclose([h.score for h in answer], [h.score for h in alone], atol=2e-6)


def test_many_that_were_embedded_are_found_together_as_each_alone(searcher, files):
    queries = asked(files)
    embedded = searcher.embed(queries)
    wrong = Embedded(np.zeros((2, 3), np.float32), np.ones(2, bool))
    nothing = Query(text="x", target="image", filter=Filter(where="no_such_column = 1"))
    pairs = [*zip(queries, embedded, strict=True), (queries[0], wrong), (nothing, embedded[3])]

    found = searcher.find_many(pairs)

    for (query, rows), got in zip(pairs[:-2], found, strict=False):
        want = searcher.find(query, rows)
        assert [h.row for h in got] == [h.row for h in want]
        assert [h.score for h in got] == pytest.approx([h.score for h in want], abs=5e-6)
        assert got.notes == want.notes and got.query["filters"] == want.query["filters"]
    assert isinstance(found[-2], ShapeError) and isinstance(found[-1], InputError)
    assert searcher.find_many([]) == []


def test_threads_get_their_own_answers(bundle, searcher, files):
    queries = asked(files) * 3
    expected = [bundle.search(q) for q in asked(files)] * 3
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(searcher.search, queries))

    for answer, alone in zip(found, expected, strict=True):
        same(answer, alone)


def test_a_closed_searcher_says_so_and_leaves_the_index_open(bundle_path, files):
    with Bundle.open(bundle_path) as own:
        with Searcher(own) as searcher:
            assert searcher.warm() == {}
        with pytest.raises(BundleError, match="closed"):
            searcher.search(Query(image=files["image"][0]))
        with pytest.raises(BundleError, match="closed"):
            searcher.embed([Query(image=files["image"][0])])
        assert len(own.search(Query(image=files["image"][0], k=1))) == 1


def test_an_encoder_that_is_lacking_is_said_and_the_others_are_warm(bundle, monkeypatch):
    def without(model, modality):
        if modality == "audio":
            raise Prom3eError("no such encoder here")
        return encoder(model, modality)

    from prom3e_index.models.folder import Model

    encoder = Model.encoder
    monkeypatch.setattr(Model, "encoder", without)
    with Searcher(bundle) as searcher:
        wrong = searcher.warm()
        found = searcher.embed([Query(audio="a.wav"), Query(location=(1, 2))])

    assert wrong == {"audio": "no such encoder here"}
    assert isinstance(found[0], Prom3eError) and isinstance(found[1], Embedded)
