"""Rows of the index as a query, and marks that move one: beside the same embeddings given, and Rocchio by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from prom3e_index.bundle.filters import Filter
from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.search.query import Query
from prom3e_index.search.searcher import Searcher

LEAST = Filter(where="row < 12")


def row_with(bundle, *modalities: str, lacks: str = "") -> int:
    shown = bundle.present[:, [bundle.modalities.index(m) for m in modalities]].all(axis=1)
    if lacks:
        shown &= ~bundle.present[:, bundle.modalities.index(lacks)]
    return int(np.flatnonzero(shown)[0])


def stored(bundle, modality, row):
    vector = np.asarray(bundle.embeddings(modality)[row], np.float64)
    return vector / np.linalg.norm(vector)


def beside(bundle, given, row, **more):
    """The hits of a query by a stored embedding, without the row itself."""
    vector = bundle.embeddings(given)[row]
    k = more.pop("k", 10)
    every = bundle.search(Query(embedding=vector, embedding_of=given, k=bundle.rows, **more))
    return [(h.row, h.score) for h in every if h.row != row][:k]


@pytest.mark.parametrize("target", ["image", "audio", "loc"])
@pytest.mark.parametrize("k", [1, 10, 58, 59, 60, 61])
def test_a_row_asks_with_what_the_index_holds_and_is_left_out(bundle, target, k):
    row = row_with(bundle, "image")
    answer = bundle.search(Query(like=(row,), like_by=("image",), target=target, k=k))

    assert [(h.row, h.score) for h in answer] == beside(bundle, "image", row, target=target, k=k)
    assert answer.query["given"] == {"image": f"row {row}"}
    assert answer.search["eligible"] == bundle.rows - 1
    assert len(answer) == min(k, bundle.rows - 1)
    assert any("left out of the hits" in n and "image" in n for n in answer.notes)


@pytest.mark.parametrize("more", [
    {"filter": LEAST, "k": 20}, {"group_by": "species", "k": 5}, {"exact": True}, {"confidence": False},
    {"epsilon": 0.3, "k": 5}, {"space": "encoder"}, {"observed_only": True, "k": 100},
])  # fmt: skip
def test_the_row_is_left_out_of_every_kind_of_search(bundle, more):
    row = row_with(bundle, "image")
    answer = bundle.search(Query(like=(row,), like_by=("image",), target="image", **more))
    if "group_by" in more:
        every = bundle.search(Query(embedding=bundle.embeddings("image")[row], embedding_of="image", target="image",
                                    k=bundle.rows))  # fmt: skip
        names, expected = set(), []
        for h in every:
            name = h.fields["taxon_species"] if "taxon_species" in h.fields else h.fields["species"]
            if h.row != row and (name is None or name not in names):
                names.add(name)
                expected.append(h.row)
        assert [h.row for h in answer] == expected[: more["k"]]
    else:
        assert [(h.row, h.score) for h in answer] == beside(
            bundle, "image", row, target="image", **more
        )
    assert row not in [h.row for h in answer]
    if "filter" in more:
        assert answer.search["eligible"] == 11


def test_confidence_reads_the_rows_without_the_asked_one(bundle):
    row = row_with(bundle, "image", "text")
    like = bundle.search(Query(like=(row,), like_by=("image",), target="image"))
    given = bundle.search(
        Query(embedding=bundle.embeddings("image")[row], embedding_of="image", target="image",
              filter=Filter(where=f"row <> {row}"))
    )  # fmt: skip

    assert [h.row for h in like] == [h.row for h in given]
    assert like.query["confidence"] == given.query["confidence"]


def test_all_that_a_row_has_is_asked_with_and_what_is_completed_is_not(bundle):
    row = row_with(bundle, "image", "loc", lacks="audio")
    has = [m for m, h in zip(bundle.modalities, bundle.present[row], strict=True) if h]
    with Searcher(bundle) as searcher:
        (embedded,) = searcher.embed([Query(like=(row,))])

        assert [m for m, p in zip(bundle.modalities, embedded.present, strict=True) if p] == has
        for m in has:
            mine = embedded.rows[bundle.modalities.index(m)]
            np.testing.assert_allclose(mine, stored(bundle, m, row), atol=1e-6)
    with pytest.raises(InputError, match=f"like asks by audio, and row {row} has {', '.join(has)}"):
        bundle.search(Query(like=(row,), like_by=("sound",)))


def test_rows_and_what_else_is_given_are_averaged(bundle):
    one, two = np.flatnonzero(bundle.present[:, bundle.modalities.index("image")])[[0, 3]].tolist()
    vector = np.asarray(bundle.embeddings("image")[5], np.float32)
    with Searcher(bundle) as searcher:
        (embedded,) = searcher.embed(
            [
                Query(
                    like=(one, two),
                    like_by=("image",),
                    embedding=vector,
                    embedding_of="image",
                    location=(1, 2),
                )
            ]
        )
    wanted = (
        stored(bundle, "image", one) + stored(bundle, "image", two) + stored(bundle, "image", 5)
    )
    mine = embedded.rows[bundle.modalities.index("image")]

    np.testing.assert_allclose(mine, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert embedded.present.sum() == 2
    answer = bundle.search(Query(like=(one, two), target="image", k=60))
    assert not {one, two} & {h.row for h in answer} and len(answer) == 58


@pytest.mark.parametrize(
    "space,gamma", [("hybrid", None), ("encoder", None), ("hybrid", 0.4), ("hidden", None)]
)
def test_marks_move_the_query_as_rocchio_does(bundle, space, gamma):
    row = row_with(bundle, "image")
    plain = Query(like=(row,), like_by=("image",), target="image", space=space, gamma=gamma, k=60)
    from prom3e_index.search.asked_vector import asked_vector

    before = asked_vector(bundle, plain)[0].vector.astype(np.float64)
    gallery = np.asarray(bundle.vectors("image"), np.float64)
    width, z = bundle.manifest["width"], bundle.manifest["hidden_width"]
    more, less = (3, 8), (11,)
    expected = before.copy()
    for block in (slice(0, width), slice(width, width + z)):
        length = np.linalg.norm(before[block])
        if length:
            unit = before[block] / length
            unit = (
                unit
                + 0.75 * gallery[list(more), block].mean(axis=0)
                - 0.15 * gallery[list(less), block].mean(axis=0)
            )
            expected[block] = length * unit / np.linalg.norm(unit)
    answer = bundle.search(Query(**{**vars(plain), "more": more, "less": less}))
    scores = gallery @ expected
    order = [r for r in np.argsort(-scores, kind="stable").tolist() if r != row]

    assert [h.row for h in answer] != [h.row for h in bundle.search(plain)]
    np.testing.assert_allclose(
        [h.score for h in answer], scores[[h.row for h in answer]], atol=2e-5
    )
    np.testing.assert_allclose([h.score for h in answer], scores[order], atol=2e-5)
    assert answer.query["confidence"]["p_right"] is None
    assert (
        "moved towards 2 marked rows and away from 1 marked row (Rocchio: 1 for the query, 0.75, 0.15)"
        in answer.notes
    )


def test_a_wanted_row_comes_nearer_and_an_unwanted_one_goes(bundle):
    row = row_with(bundle, "image")
    plain = {h.row: h.score for h in bundle.search(Query(like=(row,), target="image", k=60))}
    last = list(plain)[-1]
    wanted = {
        h.row: h.score
        for h in bundle.search(Query(like=(row,), target="image", k=60, more=(last,)))
    }
    unwanted = {
        h.row: h.score
        for h in bundle.search(Query(like=(row,), target="image", k=60, less=(last,)))
    }

    assert wanted[last] > plain[last] > unwanted[last]


@pytest.mark.parametrize("given,said", [
    ({"like": (60,)}, "like names row 60; the rows of index.p3i are numbered from 0 to 59"),
    ({"text": "x", "more": (99,)}, "more names row 99"),
    ({"like": ()}, "like is an empty list"), ({"like": (-1,)}, "like is -1; it must be the number of a row"),
    ({"like": ("a",)}, "like is 'a'"), ({"like": (True,)}, "like is True"), ({"like_by": ("image",)}, "like_by says"),
    ({"like": (1,), "like_by": ()}, "must name modalities"), ({"like": (1,), "like_by": ("smell",)}, "smell"),
    ({"text": "x", "more": (1,), "less": (1,)}, "Row 1 is marked both"), ({"more": (1,)}, "gives nothing"),
    ({"like": tuple(range(1001))}, "names 1,001 rows; name 1,000 at most"),
])  # fmt: skip
def test_rows_that_cannot_be_asked_with_are_refused_in_words(bundle, given, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        bundle.search(Query(**given))


def test_only_the_asked_row_satisfies_the_filter(bundle):
    answer = bundle.search(Query(like=(4,), filter=Filter(where="row = 4")))

    assert len(answer) == 0 and answer.search["eligible"] == 0
    assert "no observation satisfies the filters but those that the query is like" in answer.notes


def test_the_command_names_observations_by_their_ids(bundle, bundle_path, tmp_path):
    row = row_with(bundle, "image")
    ids = dict(bundle.sql("SELECT row, id FROM observations"))
    out = tmp_path / "answer.json"
    command = ["query", "--index", str(bundle_path), "--like", ids[row], "--by", "photo", "--more", ids[9], "--less", ids[10],
               "--target", "image", "-k", "5", "-o", str(out)]  # fmt: skip
    done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output
    asked = Query(like=(row,), like_by=("image",), more=(9,), less=(10,), target="image", k=5)
    hits = json.loads(out.read_text())["hits"]
    assert [(h["row"], h["score"]) for h in hits] == [
        (h.row, h.score) for h in bundle.search(asked)
    ]
    wrong = CliRunner().invoke(app, ["query", "--index", str(bundle_path), "--like", "no such id"])
    assert wrong.exit_code != 0
    assert "no observation of the index has the id 'no such id'" in str(
        wrong.exception or wrong.output
    )


@pytest.mark.parametrize("modality", ["sat", "env"])
def test_what_tells_an_obscured_place_is_not_asked_with(bundle, modality):
    held = bundle.present[:, bundle.modalities.index(modality)]
    told = dict(bundle.sql("SELECT row, obscured FROM observations"))
    hidden = next(row for row in np.flatnonzero(held).tolist() if told[row])
    open_ = next(row for row in np.flatnonzero(held).tolist() if not told[row])

    assert len(bundle.search(Query(like=(open_,), like_by=(modality,), target="image", k=3))) == 3
    with pytest.raises(InputError, match=f"like asks by {modality}"):
        bundle.search(Query(like=(hidden,), like_by=(modality,), target="image", k=3))
    said = bundle.search(Query(like=(hidden,), target="image", k=3))
    assert not {"sat", "env"} & set(said.query["given"])
