"""A query and a filter check themselves when they are made, and read places, boxes and days as they are typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from prom3e_index import Filter, Query
from prom3e_index.errors import InputError


@pytest.mark.parametrize("given, words", [
    (dict(location=(120, 3)), "latitude and longitude look swapped"), (dict(location="120,3"), "look swapped"), (dict(location=(200, 3)), "latitude 200"), (dict(location=(0, 200)), "longitude 200"),
    (dict(location=(1, 2, 3)), "2 numbers: latitude, longitude"), (dict(location="48.2"), "LATITUDE,LONGITUDE"), (dict(location="north,east"), "no place"), (dict(location=""), "empty"),
    (dict(location=(None, 1)), "2 numbers"), (dict(k=0), "k is 0"), (dict(k="3"), "k is '3'"), (dict(space="hybird"), "nearest: hybrid"),
    (dict(text=""), "empty"), (dict(text=[]), "empty list"), (dict(text=["a", " "]), "empty"), (dict(image=""), "image is ''"), (dict(audio=3.5), "audio is 3.5"),
    (dict(target=""), "^target is ''"), (dict(target=7), "^target is 7"), (dict(embedding_of=3, embedding=[1.0]), "^embedding_of is 3"),
    (dict(group_by=" "), "^group_by is ' '"), (dict(filter="genus = 'Buteo'"), "must be a Filter"), (dict(env="e.npy"), "env is 'e.npy'"),
    (dict(embedding=[1.0]), "embedding and embedding_of"), (dict(delta=2), "^delta is 2"),
])  # fmt: skip
def test_a_query_that_could_find_nothing_is_never_made(given, words):
    with pytest.raises(InputError, match=words):
        Query(**given)
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize("given, words", [
    (dict(near="48,16,50"), "RADIUS with km or m"), (dict(near="48,16"), "RADIUS"), (dict(near=(48, 16)), "3 numbers"), (dict(near=(148, 16, 5)), "look swapped"),
    (dict(near=(48, 16, -1)), "radius -1"), (dict(near="148,16,5km"), "look swapped"), (dict(bbox="48,16,49"), "WEST,SOUTH,EAST,NORTH"),
    (dict(bbox=(1, 2, 3)), "4 numbers"), (dict(bbox=(46, -122, 47, -120)), "look like SOUTH,WEST,NORTH,EAST"), (dict(bbox=(0, 5, 1, 4)), "south ≤ north"),
    (dict(since="2024-02-30"), "no date"), (dict(until="yesterday"), "2024-05"), (dict(since=20240501), "must be a date"),
    (dict(since="2024-05", until="2024-04"), "since=2024-05-01 lies after until=2024-04-30"), (dict(taxon=" "), "taxon is empty"), (dict(where=1), "text"),
    (dict(observed=["image"]), "text"),
])  # fmt: skip
def test_a_filter_that_could_keep_nothing_is_never_made(given, words):
    with pytest.raises(InputError, match=words):
        Filter(**given)


def test_what_is_typed_is_what_numbers_say():
    assert (
        Query(location="48.2, 16.3").location
        == Query(location=[48.2, 16.3]).location
        == (48.2, 16.3)
    )
    assert Query(location="48° 12' N, 16° 18' E").location == pytest.approx((48.2, 16.3))
    assert Filter(near="48.2,16.3,500m") == Filter(near=(48.2, 16.3, 0.5))
    assert Filter(near=[48, 16, 5]) == Filter(near="48,16,5km")
    assert Filter(bbox="16,48,17,49") == Filter(bbox=[16, 48, 17, 49])
    assert Filter(since="2024-05", until="2024-05") == Filter(
        since=date(2024, 5, 1), until=date(2024, 5, 31)
    )
    assert Filter(since=datetime(2024, 5, 1, 12)) == Filter(since=date(2024, 5, 1))
    assert hash(Filter(near=[48, 16, 5], bbox=[1, 2, 3, 4])) == hash(
        Filter(near=(48.0, 16.0, 5.0), bbox=(1.0, 2.0, 3.0, 4.0))
    )


def test_a_query_made_of_another_is_checked_too():
    with pytest.raises(InputError, match="k is -1"):
        replace(Query(text="Pica pica"), k=-1)
    assert replace(Query(location="1,2"), k=3).location == (1.0, 2.0)


def test_answers_to_other_queries_are_told_even_where_only_the_end_of_a_filter_differs(
    bundle, tmp_path
):
    """Parts of an interrupted run belong to one filter: a long one is compared whole."""
    from prom3e_index.indexer.query_batch import QueryBatch, answer_table, parts_of

    (tmp_path / "q.csv").write_text("id,lat,lon\na,1,2\n")

    def asked(end):
        where = " OR ".join([*(["false"] * 60), end])
        return QueryBatch(
            str(tmp_path / "q.csv"), Query(filter=Filter(where=where)), tmp_path / "a.csv", "csv"
        )

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_table(bundle, asked("true"), stop)
    assert parts_of(tmp_path / "a.csv").is_dir()
    with pytest.raises(InputError, match="restart"):
        answer_table(bundle, asked("row < 1"), lambda *_: None)


@pytest.mark.parametrize("name, words", [
    ("gpu", "Did you mean cuda"), ("CUDA", "Did you mean cuda"), ("tpu", "known: cpu, cuda"), ("cuda:x", "known"), ("", "device is ''"),
    ("cuda:99", "torch sees"),
])  # fmt: skip
def test_a_device_that_is_not_here_is_one_sentence_in_python_too(bundle, name, words):
    with pytest.raises(InputError, match=words):
        bundle.search(Query(location=(1, 2), device=name))
