"""A filter finds in a store the rows that it finds in a folder, and those that plain Python finds; what only SQL can say
is refused; nothing that a value holds gets out of its quotes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from plain_filters import Predicates, distance_km, has_taxon, in_box

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError

pytestmark = pytest.mark.cluster

HOSTILE = [
    '"', "\\", '\\"', "' or row >= 0 or id == '", '" or row >= 0 or id == "', "a\nb", "tab\there", "ü ß 漢 🐦", "%", "_",
    "]", "{x}", "$meta", "null", "\x01\x7f", "\\u0041", "--", "/*", 'x"] == 1 or columns["c0', "'; DROP TABLE observations",
]  # fmt: skip
RANKS = (
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
    "species",
    "scientific_name",
    "common_name",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """200 observations with gaps, places on both sides of the date line, hostile cells and columns of numbers."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig
    from prom3e_index.world import write_world

    folder = tmp_path_factory.mktemp("hostile")
    write_world(folder / "w", 200, seed=3)
    with (folder / "w" / "observations.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    rng = np.random.default_rng(5)
    for i, row in enumerate(rows):
        for media in ("image", "audio", "satellite"):
            row.pop(media, None)
        if i % 5 == 0:
            row["decimalLatitude"], row["decimalLongitude"] = (
                str(rng.normal(0, 20)),
                str([179.5, -179.5, 180, -180][i % 4]),
            )
        row["note"] = HOSTILE[i % len(HOSTILE)] if i % 3 else ""
        row["count"] = str(int(rng.integers(0, 9))) if i % 4 else ""
        row["weight"] = f"{rng.normal(10, 5):.3f}" if i % 7 else ""
        row['odd " name'] = ["alpha", "beta", ""][i % 3]
        row["photo_license"] = ["CC0", "CC BY-NC 4.0", ""][i % 3]
    with (folder / "w" / "odd.csv").open("w", newline="") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    build(BuildConfig(table=str(folder / "w" / "odd.csv"), out=folder / "odd.p3i", model="mini"))
    return folder / "odd.p3i"


@pytest.fixture(scope="module")
def opened(index):
    from prom3e_index.search.run import Bundle

    with Bundle.open(index) as bundle:
        yield bundle


@pytest.fixture(scope="module", params=["lite", "server"])
def store(index, request):
    from prom3e_index.indexer.push import push
    from prom3e_index.store.opened import StoreBundle

    place = request.getfixturevalue(request.param)
    address = f"{place if request.param == 'lite' else place.address}/filters"
    push(index, address, lambda *_: None, targets=["loc"])
    with StoreBundle.open(address) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def rows(opened):
    found = opened.sql("SELECT * FROM observations ORDER BY row")
    return [dict(zip(opened.columns, r, strict=True)) for r in found]


def numbers(store, f):
    found = store.eligible(f)
    assert len(store.numbers(found)) == len(found)
    return store.numbers(found).tolist()


PLACES = [(0.0, 180.0, 3000.0), (0.0, -179.9, 500.0), (85.0, 20.0, 1500.0), (-90.0, 0.0, 4000.0), (10.0, 20.0, 0.0),
          (45.0, -60.0, 15000.0), (0.0, 0.0, 20100.0), (30.0, 100.0, 1234.5)]  # fmt: skip
BOXES = [(170.0, -30.0, -170.0, 30.0), (-180.0, -90.0, 180.0, 90.0), (180.0, -90.0, 180.0, 90.0), (-60.0, -30.0, 60.0, 45.0),
         (100.0, 0.0, 100.0, 0.0)]  # fmt: skip


@pytest.mark.parametrize("near", PLACES)
def test_a_circle(store, opened, rows, near):
    wanted = [r["row"] for r in rows if distance_km(r, near[0], near[1]) <= near[2]]

    assert opened.eligible(Filter(near=near)).tolist() == wanted
    assert numbers(store, Filter(near=near)) == wanted


@pytest.mark.parametrize("box", BOXES)
def test_a_box(store, opened, rows, box):
    wanted = [r["row"] for r in rows if in_box(r, *box)]

    assert opened.eligible(Filter(bbox=box)).tolist() == wanted
    assert numbers(store, Filter(bbox=box)) == wanted


def test_taxa_at_any_rank(store, opened, rows):
    names = {r[c] for r in rows[:40] for c in RANKS if r.get(c)}
    assert len(names) > 20
    for i, name in enumerate(sorted(names)[::3]):
        for asked in (name, (name.upper(), f"  {name} ")[i % 2]):
            wanted = [r["row"] for r in rows if has_taxon(r, name, RANKS)]

            assert (
                numbers(store, Filter(taxon=asked))
                == opened.eligible(Filter(taxon=asked)).tolist()
                == wanted
            ), asked
    for hostile in HOSTILE:
        if hostile.strip():
            assert (
                numbers(store, Filter(taxon=hostile))
                == opened.eligible(Filter(taxon=hostile)).tolist()
                == []
            )


@pytest.mark.parametrize(
    ("since", "until"), [("2024-03", None), (None, "2024-05-31"), ("2024-03-01", "2024-06-30")]
)
def test_days_with_intervals(store, opened, rows, since, until):
    f = Filter(since=since, until=until)
    first, last = f.days
    wanted = [
        r["row"] for r in rows
        if r["event_start"] is not None and (first is None or r["event_end"] >= first)
        and (last is None or r["event_start"] <= last)
    ]  # fmt: skip

    assert 0 < len(wanted) < len(rows)
    assert numbers(store, f) == opened.eligible(f).tolist() == wanted


@pytest.mark.parametrize("modality", ["loc", "text", "env"])
def test_observed_only(store, opened, rows, modality):
    wanted = [r["row"] for r in rows if r[f"has_{modality}"]]

    assert (
        numbers(store, Filter(observed=modality))
        == opened.eligible(Filter(observed=modality)).tolist()
        == wanted
    )


@pytest.mark.parametrize("allowed", ["cc0", "cc0,by", "by-nc,arr", "unknown", "arr"])
def test_licences(store, opened, allowed):
    f = Filter(licence_allow=allowed)

    assert numbers(store, f) == opened.eligible(f).tolist()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_value_is_a_value(store, opened, rows, hostile):
    written = hostile.replace("'", "''")
    wanted = [r["row"] for r in rows if r["note"] == hostile]

    for where in (f"note = '{written}'", f"note IN ('{written}', 'nothing')"):
        assert (
            numbers(store, Filter(where=where))
            == opened.eligible(Filter(where=where)).tolist()
            == wanted
        )
    assert numbers(store, Filter(where=f"id = '{written}'")) == []
    assert numbers(store, Filter(where=f"id IN ('{written}')")) == []


def test_random_predicates_have_three_truth_values(store, opened, rows):
    drawn = Predicates(
        11, rows, ["count", "weight", "latitude", "longitude", "row"], ["note", 'odd " name', "family", "id"],
        ["has_loc", "has_env"], ["event_start", "event_end"],
    )  # fmt: skip
    kept = 0
    for _ in range(40 if store.address.lite else 150):
        sql, holds = drawn.draw()
        sql = sql.replace('"odd " name"', '"odd "" name"')
        wanted = [r["row"] for r in rows if holds(r) is True]
        assert opened.eligible(Filter(where=sql)).tolist() == wanted, sql

        assert numbers(store, Filter(where=sql)) == wanted, sql
        kept += 0 < len(wanted) < len(rows)
    assert kept > 15


def test_parts_together(store, opened):
    f = Filter(
        near=(0.0, 180.0, 9000.0),
        where="count > 2 OR weight IS NULL",
        since="2023",
        licence_allow="cc0,by,by-nc,arr",
    )

    found = opened.eligible(f).tolist()
    assert found and numbers(store, f) == found


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("lower(note) = 'x'", "lower()"),
        ("count + 1 > 2", "the operator +"),
        ("note LIKE '%x'", "LIKE '%x'"),
        ("note LIKE 'a_b%'", "LIKE 'a_b%'"),
        ("weight > count", "where a value stands"),
        ("count::VARCHAR = '1'", "a cast"),
        ("note < 'b'", "< between texts"),
        ("count IS DISTINCT FROM 3", "distinct from"),
        ("note ~ 'x'", "regexp_matches()"),
        ("NOT (count AND weight > 1)", "count, a number, where true or false stands"),
        ("weight > 1 OR NOT count", "count, a number, where true or false stands"),
        (f"count IN ({', '.join(map(str, range(300)))})", "300 values"),
    ],
)
def test_what_a_store_cannot_say_is_refused(store, opened, where, says):
    opened.eligible(Filter(where=where))  # a folder can

    with pytest.raises(InputError, match="which a store does not answer") as told:
        store.eligible(Filter(where=where))
    assert says in str(told.value) and "BETWEEN" in str(told.value)


@pytest.mark.parametrize(
    "where", ["nothing = 1", "count", "(SELECT 1) = 1", "true); DROP TABLE observations; --"]
)
def test_what_is_no_predicate_is_refused_in_the_same_words(store, opened, where):
    with pytest.raises(InputError) as folder:
        opened.eligible(Filter(where=where))
    with pytest.raises(InputError) as asked:
        store.eligible(Filter(where=where))

    assert str(asked.value) == str(folder.value)


def test_a_list_of_many_ids(store, opened):
    ids = [r[0] for r in opened.sql("SELECT id FROM observations ORDER BY row LIMIT 100")]
    listed = ", ".join(f"'{i}'" for i in [*ids, *(f"none{n}" for n in range(3000))])

    assert numbers(store, Filter(where=f"id IN ({listed})")) == list(range(100))


def test_whole_numbers_beyond_what_a_double_holds_are_compared_as_they_are(store, opened):
    for where in (
        "count = 9007199254740993.0",
        "count < 9007199254740993.0",
        "count IN (3.0, 4)",
        "row = 7.0",
    ):
        asked = Filter(where=where)
        assert numbers(store, asked) == opened.eligible(asked).tolist(), where
    assert "9007199254740993)" in store.eligible(Filter(where="count = 9007199254740993.0")).where


def test_a_day_is_written_as_a_folder_reads_it(store, opened):
    for opens in (store, opened):
        with pytest.raises(InputError, match="20240103"):
            opens.eligible(Filter(where="event_start > '20240103'"))
