"""Filters say what they leave out for want of a value, and why nothing is left: swapped places, extents, parts."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from plain_index import made, rows, write

from prom3e_index import Filter, Query
from prom3e_index.search.filtered import extent

N = 12
LATITUDES = [46.5 + i / 4 for i in range(N)]
LONGITUDES = [9.5 + i / 2 for i in range(N)]
NAMES = ["Buteo buteo" if i % 3 else "Ardea cinerea" for i in range(N)]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Observations of the Alps from 2019 to 2023; the last two have no place, every fourth no date, one no name."""
    folder = tmp_path_factory.mktemp("empty")
    x, present = rows(N, seed=3)
    present[:, 0], present[:, 1] = True, False
    present[N - 2 :, 2] = False
    x = np.where(present[:, :, None], x, 0)
    dates = np.array(["" if i % 4 == 0 else f"20{19 + i % 5}-06-01" for i in range(N)])
    return made(
        folder,
        [
            write(
                folder / "a.npz",
                x,
                present,
                latitude=np.array(["" if i >= N - 2 else v for i, v in enumerate(LATITUDES)]),
                longitude=np.array(["" if i >= N - 2 else v for i, v in enumerate(LONGITUDES)]),
                event_start=dates,
                event_end=dates,
                event_date=dates,
                scientific_name=np.array(["", *NAMES[1:]]),
            )
        ],
    )


def notes(index, **f):
    answer = index.search(Query(location=(47.0, 10.5), filter=Filter(**f), k=N))
    return answer.search["eligible"], " | ".join(answer.notes)


def test_what_has_no_value_is_counted_for_every_filter(index):
    place, undated = "2 of 12 observations have no place", "3 of 12 observations have no date"
    assert place in notes(index, near=(47, 10, 500))[1]
    assert place in notes(index, bbox=(0, 40, 20, 60))[1]
    assert undated in notes(index, since=date(2019, 1, 1))[1]
    assert undated in notes(index, until="2023")[1]
    for f in ({"where": "true"}, {}):
        assert "left out" not in notes(index, **f)[1]


def test_places_the_other_way_round_are_told_with_what_would_be_found(index):
    right = notes(index, near=(47.5, 11.5, 60))[0]
    eligible, said = notes(index, near="11.5,47.5,60km")
    assert eligible == 0 < right
    assert f"latitude and longitude exchanged {right} rows are left: --near 47.5,11.5,60km" in said
    right = notes(index, bbox=(9, 46, 12, 48))[0]
    eligible, said = notes(index, bbox=(46, 9, 48, 12))
    assert eligible == 0 < right
    assert f"exchanged {right} rows are left: --bbox 9,46,12,48" in said
    assert "exchanged" not in notes(index, near=(0, 0, 5))[1]
    assert "exchanged" not in notes(index, near=(47.5, 11.5, 60))[1]


def test_an_answer_without_rows_says_where_and_when_they_are(index):
    west, south, east, north = extent(index)
    assert (west, east) == (LONGITUDES[0], LONGITUDES[N - 3])
    assert (south, north) == (LATITUDES[0], LATITUDES[N - 3])
    said = notes(index, bbox=(-10, -10, -5, -5))[1]
    assert f"--bbox {west:g},{south:g},{east:g},{north:g}" in said and "latitudes 46.5 to" in said
    assert index.search(Query(location=(1, 1), filter=Filter(bbox=extent(index)))).hits
    said = notes(index, since="2031")[1]
    assert "from 2019-06-01 to 2023-06-01" in said and "latitudes" not in said


def test_parts_that_exclude_each_other_are_counted_alone(index):
    alone = {
        "--near": notes(index, near=(46.5, 9.5, 30))[0],
        "--from": notes(index, since="2022")[0],
        "--where": notes(index, where="longitude > 13")[0],
    }
    assert all(alone.values())
    eligible, said = notes(index, near=(46.5, 9.5, 30), since="2022", where="longitude > 13")
    assert eligible == 0
    for option, count in alone.items():
        assert f"{option} {count}" in said
    assert "each alone" not in notes(index, where="longitude > 1300")[1]


@pytest.mark.parametrize("place, outside", [
    ((10.5, 47.0), True), ((47.0, 10.5), False), ((0.0, 0.0), False), ((-10.5, 47.0), False), ((46.5, 9.5), False), ((9.5, 46.5), True),
])  # fmt: skip
def test_a_query_whose_place_is_swapped_is_told_so(index, place, outside):
    said = " | ".join(index.search(Query(location=place, target="image", k=1)).notes)
    assert (f"{place[1]:g},{place[0]:g} among them: latitude comes first" in said) == outside


def test_a_target_that_no_observation_has_is_told(index):
    answer = index.search(Query(location=(47, 10.5), target="sat", k=3))
    assert all(h.completed for h in answer.hits)
    assert any("no observation here has sat" in n and "--target image" in n for n in answer.notes)
    answer = index.search(Query(location=(47, 10.5), target="image", k=3))
    assert not any("no observation here has" in n for n in answer.notes)


def test_a_predicate_on_an_empty_column_is_told_so(index):
    said = notes(index, where="SPECIES = 'Buteo buteo'")[1]
    assert (
        "the column species is empty in every observation: names stand in scientific_name" in said
    )
    assert "is empty" not in notes(index, where="scientific_name = 'species'")[1]
    assert "is empty" not in notes(index, where="longitude > 1300")[1]
