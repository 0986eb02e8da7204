"""What stops a change for its policy is said in words that help: damaged earlier generations, companions by spans, corners."""

from __future__ import annotations

import json

import pytest
from policies import RULE, birds, built, quiet, write_policy, write_rows

from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer.change import add
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.indexer.restore import restore
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.region import MOST_POINTS
from prom3e_index.policy.rules import policy_of, read_policy
from prom3e_index.search.run import Bundle

DAY = RULE + 'companions = "day"\n'


def changed(index, rows, update=False):
    table = write_rows(index.with_suffix(".more.csv"), rows)
    return add(index, BuildConfig(table=str(table), out=index, workers=1), quiet, update=update)


def falcon(key, **more):
    return {"id": key, "species": "Falco rusticolus", "latitude": 1.23456, "longitude": 2.34567, "eventDate": "2024-07-01",
            "recordedBy": "Zoe", **more}  # fmt: skip


def spoilt(path, where):
    """Cut a database off, or write over its middle, of the same size."""
    data = path.read_bytes()
    if where == "start":
        path.write_bytes(b"\0" * len(data))
    else:
        path.write_bytes(data[:12288] + b"\xff" * (len(data) - 12288))


@pytest.mark.parametrize(("where", "way"), [("start", "compact"), ("middle", "rebuild")])
def test_a_damaged_database_of_an_earlier_generation_is_named_with_what_helps(tmp_path, where, way):
    index = built(tmp_path, birds())
    changed(index, [falcon("f8")])
    restore(index, 1, quiet)  # generation 3; the segment of 2 is only its own
    damaged = index / "segments/000002/metadata.duckdb"
    spoilt(damaged, where)
    stopped = [
        lambda: restore(index, 1, quiet),
        lambda: changed(index, [falcon("f7")]),
        lambda: changed(index, [{**birds()[0], "species": "Falco rusticolus"}], update=True),
        lambda: check_policy(index),
    ]
    manifest = (index / "manifest.json").read_bytes()
    for change in stopped:
        with pytest.raises(BundleError) as e:
            change()
        said = str(e.value)
        assert (
            str(damaged) in said
            and "earlier generations" in said
            and "prom3e-index compact" in said
        )
        assert "is damaged" in said and (index / "manifest.json").read_bytes() == manifest
    compact(index, quiet, action=way)
    assert not damaged.exists() and check_policy(index).found == 0
    changed(index, [falcon("f7")])
    with Bundle.open(index) as bundle:
        got = dict(bundle.sql("SELECT id, place_level FROM observations"))
    assert got == {"f1": "0.1deg", "f2": "0.1deg", "f3": "0.1deg", "p1": None, "p2": None, "p3": None, "f7": "0.1deg"}  # fmt: skip


def test_a_damaged_database_of_the_present_generation_is_no_matter_of_compact(tmp_path):
    index = built(tmp_path, birds())
    spoilt(index / "metadata.duckdb", "start")
    with pytest.raises(BundleError, match="Restore the index from a copy") as e:
        check_policy(index)
    assert "compact" not in str(e.value)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["2024-05-01"], "same observer and day as rows that the policy generalises, and"),
        (["2024"], r"generalises \(since dates are spans, a month or a year, that have days in common\), and"),
        (["2024-05-01", "2024"], r"2 observations.*generalises \(1 of them since dates are spans"),
    ],
)  # fmt: skip
def test_companions_by_spans_that_are_refused_are_called_so(tmp_path, dates, said):
    tits = [{"id": f"t{i}", "species": "Parus major", "latitude": 5.43219, "longitude": 6.54321, "eventDate": d,
             "recordedBy": "Zoe"} for i, d in enumerate(dates)]  # fmt: skip
    index = built(tmp_path, [*birds(), *tits], DAY)
    with pytest.raises(InputError, match=said) as e:
        changed(index, [falcon("f9", eventDate="2024-05-01")])
    assert ("spans" in str(e.value)) == ("2024" in dates)


def polygon(path, corners):
    """A ring of some corners around f1."""
    half = corners // 2
    ring = [[13 + i / half, 52.0] for i in range(half)]
    ring += [[14 - i / half, 53.0] for i in range(corners - half)]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))


@pytest.mark.parametrize("more", [0, 1])
def test_corners_are_counted_over_all_files_of_a_policy(tmp_path, more):
    text = ""
    for name, corners in (("a", MOST_POINTS // 2), ("b", MOST_POINTS // 2 + more)):
        polygon(tmp_path / f"{name}.json", corners)
        text += f'{RULE}polygon = "{name}.json"\n'
    text += f'{RULE}polygon = "a.json"\n'  # a file that two rules name counts once
    path = write_policy(tmp_path, text)
    if not more:
        read = read_policy(path)
        assert len(read.rules) == 3 and policy_of(read.as_json(), "index").sha256 == read.sha256
        noted = read.as_json()
        noted["polygons"]["c.json"] = [[[0, 0], [1, 0], [1, 1]]]
        with pytest.raises(BundleError, match="20,003 corners in 3 files"):
            policy_of(noted, "index")
        return
    with pytest.raises(InputError, match="20,001 corners in 2 files, and at most 20,000"):
        read_policy(path)
