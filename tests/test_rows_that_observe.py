"""An observation that has the target answers by a row that observes it, not by a window that completes it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from plain_index import quiet, without_measuring
from recordings import noise, write

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

RATE = 8_000
SPECIES = ("Parus major", "Pica pica", "Parus ater")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine observations with a recording of 12 s in three windows each; two of three have a photo."""
    out = tmp_path_factory.mktemp("observing")
    rng = np.random.default_rng(3)
    for name, numbers in (("t", range(6)), ("u", range(6, 9))):
        lines = ["id,audio,image,lat,lon,name"]
        for i in numbers:
            write(out / f"{i}.wav", noise(RATE, 12, i), RATE)
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(out / f"{i}.png")
            photo = f"{i}.png" if i % 3 else ""
            lines.append(f"b{i},{i}.wav,{photo},{5 * i},{9 * i},{SPECIES[i % 3]}")
        (out / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return out


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    """Two segments."""
    out = tmp_path_factory.mktemp("i") / "i.p3i"
    with without_measuring():
        cut = {"windows": "6", "hop": 3.0, "model": "mini"}
        build(BuildConfig(table=str(folder / "t.csv"), out=out, **cut))
        add(out, BuildConfig(table=str(folder / "u.csv"), out=out, model="mini"), quiet)
    return Bundle.open(out)


def expected(bundle, asked: Query, by: str) -> list[tuple[int, float, bool]]:
    """The first of each group in the whole ranking, of rows whose observation has no eligible row that observes more."""
    every = bundle.search(Query(**{**vars(asked), "group_by": "id", "k": 999})).hits
    having = {h.fields["observation"] for h in every if not h.completed}
    firsts: dict = {}
    for h in every:
        if not h.completed or h.fields["observation"] not in having:
            firsts.setdefault(h.fields[by], (h.row, h.score, h.completed))
    return list(firsts.values())[: asked.k]


def found(answer) -> list[tuple[int, float, bool]]:
    return [(h.row, h.score, h.completed) for h in answer.hits]


def questions(**more) -> list[Query]:
    places = [Query(location=(11 * i, 21 * i), **more) for i in range(4)]
    return [*places, Query(text="Parus major", **more)]


@pytest.mark.parametrize("target", ["image", "audio", "sat"])
@pytest.mark.parametrize("k", [1, 2, 8, 9, 10])
def test_observations_answer_by_a_row_that_observes(bundle, target, k):
    for f in (Filter(), Filter(where="row % 4 > 0"), Filter(where="start_s > 0")):
        asked = questions(target=target, k=k, filter=f)
        singles = [bundle.search(q) for q in asked]
        for q, answer, together in zip(asked, singles, bundle.search_many(asked, 1), strict=True):
            assert found(answer) == expected(bundle, q, "observation"), (q, f)
            assert len(answer.hits) == min(k, 9)
            assert [r for r, _, _ in found(together)] == [r for r, _, _ in found(answer)]


def test_a_photo_is_shown_where_there_is_one(bundle, folder):
    """Windows alone are eligible where a filter says so, and complete the photo then."""
    for q in questions(target="image", k=9):
        for h in bundle.search(q).hits:
            number = int(h.fields["observation"][1:])
            assert h.completed is (number % 3 == 0), h
            assert h.media == str(folder / (f"{number}.png" if number % 3 else f"{number}.wav"))
    windows = Query(location=(1, 2), target="image", k=9, filter=Filter(where="start_s > 0"))
    assert all(h.completed for h in bundle.search(windows).hits)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("more", [{}, {"epsilon": 0.4}])
def test_other_groups_leave_the_same_rows_out(bundle, exact, more):
    for q in questions(target="image", k=3, group_by="species", exact=exact, **more):
        answer = bundle.search(q)
        assert found(answer) == expected(bundle, q, "scientific_name")
        assert sorted(h.fields["scientific_name"] for h in answer.hits) == sorted(SPECIES)
