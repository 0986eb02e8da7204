"""One hit of each value, the best: whatever the number of values, of hits asked for, of segments."""

from __future__ import annotations

import numpy as np
import pytest
from plain_index import made, quiet, rows, without_measuring, write

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.indexer.change import remove
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

N, M = 90, 31


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two segments; a column of few values, one rare value, unknowns, numbers; some rows removed."""
    folder = tmp_path_factory.mktemp("groups")
    rng = np.random.default_rng(2)
    x, present = rows(N + M, seed=6)
    few = rng.choice(["CC-BY", "CC0"], N + M)
    few[77] = "rare"
    many = np.array([f"v{i % 50}" for i in range(N + M)])
    number = np.array([str(i % 4) for i in range(N + M)])
    gaps = np.array([["x", "y", ""][i % 3] for i in range(N + M)])
    days = np.array([["2024-05-01", "2024-05-02", ""][i % 3] for i in range(N + M)])
    parts = []
    for name, part in (("a.npz", slice(0, N)), ("b.npz", slice(N, N + M))):
        columns = dict(
            license=few[part],
            plot=number[part],
            observer=many[part],
            site=gaps[part],
            event_start=days[part],
        )
        parts.append(write(folder / name, x[part], present[part], part.start, **columns))
    bundle = made(folder, parts)
    with without_measuring():
        remove(bundle.path, Filter(where="row % 13 = 5"), None, quiet)
    return Bundle.open(bundle.path)


def expected(index, column, k, f, target):
    """The first row of each value in the whole ranking."""
    values = dict(index.sql(f"SELECT row, {column} FROM observations"))
    firsts: dict = {}
    for h in index.search(Query(location=(7, 8), target=target, k=999, filter=f)).hits:
        value = values[h.row]
        firsts.setdefault(("row", h.row) if value is None else value, h)
    return [(h.row, h.score) for h in firsts.values()][:k]


@pytest.mark.parametrize(
    "column", ["license", "plot", "observer", "site", "id", "has_sat", "event_start", "sigma_l1"]
)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 49, 50, 51, 500])
def test_groups_are_the_first_of_each_value_in_the_whole_ranking(index, column, k):
    for f in (Filter(), Filter(where="row > 60"), Filter(where="row IN (2, 77)")):
        ask = Query(location=(7, 8), target="sat", k=k, group_by=column, filter=f)
        found = [(h.row, h.score) for h in index.search(ask).hits]
        assert found == expected(index, column, k, f, "sat"), f


def test_groups_of_a_gallery_that_is_mixed_anew(index):
    for epsilon in (0.0, 0.8):
        whole = index.search(Query(location=(7, 8), target="image", k=999, epsilon=epsilon)).hits
        values = dict(index.sql("SELECT row, license FROM observations"))
        firsts: dict = {}
        for h in whole:
            firsts.setdefault(values[h.row], h.row)
        ask = Query(location=(7, 8), target="image", k=9, epsilon=epsilon, group_by="license")
        assert [h.row for h in index.search(ask).hits] == list(firsts.values())


def test_few_values_do_not_have_every_row_read_by_itself(index, monkeypatch):
    """Two values of many rows: after the first rows the column is read once, as a whole."""
    read, taken = [], []
    values, nearest = type(index).values, type(index).nearest
    monkeypatch.setattr(
        type(index),
        "values",
        lambda b, r, c: (c == ["license"] and read.append(len(r))) or values(b, r, c),
    )
    monkeypatch.setattr(
        type(index),
        "nearest",
        lambda self, t, q, k, *a, **o: taken.append(k) or nearest(self, t, q, k, *a, **o),
    )
    ask = Query(
        location=(7, 8),
        target="sat",
        k=8,
        group_by="license",
        filter=Filter(where="license != 'rare'"),
    )
    assert len(index.search(ask).hits) == 2
    assert read == [32] and taken == [32]  # two groups are all there are: nothing more is asked for


def test_a_column_that_is_not_there_is_named(index):
    with pytest.raises(InputError, match="no column 'licence'.*license"):
        index.search(Query(location=(1, 2), group_by="licence"))
