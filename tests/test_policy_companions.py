"""Companions are rows of the same person and day: of each of several in a cell, of no institution, of nobody unnamed."""

from __future__ import annotations

import duckdb
import pytest
from policies import RULE
from policy_plans import planned

from prom3e_index.policy.observers import days_of_observers, holder_column, observer_cells

DAY = RULE + 'companions = "day"\n'
FALCON = {"species": "Falco rusticolus", "latitude": 52.31312, "longitude": 13.44531, "eventDate": "2024-05-01"}  # fmt: skip
TIT = {"species": "Parus major", "latitude": 40.12345, "longitude": 3.44531, "eventDate": "2024-05-01"}  # fmt: skip


def companions(tmp_path, falcon, *tits):
    rows = [
        {"id": "f", **FALCON, **falcon},
        *({"id": str(i), **TIT, **t} for i, t in enumerate(tits)),
    ]
    found = planned(tmp_path, rows, DAY)
    return [found.levels()[str(i)] is not None for i in range(len(tits))], found


def people(cell):
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT $1 AS who_cell, DATE '2024-05-01' AS event_start, NULL::DATE AS event_end",
            [cell],
        )
        return {
            r[0]
            for r in con.execute(
                f"SELECT who FROM ({days_of_observers('t', ['who_cell'])})"
            ).fetchall()
        }


@pytest.mark.parametrize(
    ("cell", "each"),
    [
        ("Anna Bell", {"anna bell"}),
        ("Anna  Béll, Ben Cole", {"anna bell", "ben cole", "anna bell, ben cole"}),
        ("Bell, Anna", {"bell, anna"}),
        ("Anna Bell & Ben Cole", {"anna bell", "ben cole", "anna bell & ben cole"}),
        ("Anna Bell and B. Cole, C. Dee", {"anna bell", "b. cole", "c. dee", "anna bell and b. cole, c. dee"}),
        ("Anna und Ben", {"anna", "ben", "anna und ben"}),
        ("Bell, Anna; Cole, Ben|dee", {"bell, anna", "cole, ben", "dee", "bell, anna; cole, ben|dee"}),
        ("Anna Bell et al.", {"anna bell", "anna bell et al."}),
        ("Anderson", {"anderson"}),
        ("Anonymous", set()),
        ("n/a", set()),
        (" Unknown. ", set()),
        ("", set()),
        (" ; ", set()),
        (None, set()),
    ],
)  # fmt: skip
def test_people_in_a_cell_are_each_one(cell, each):
    assert people(cell) == each


def test_people_written_in_other_ways_are_companions(tmp_path):
    met, found = companions(
        tmp_path, {"recordedBy": "Anna Bell, Ben Cole"},
        {"recordedBy": "anna bell"}, {"recordedBy": "Dee & Ben Cole"}, {"recordedBy": "Cole"}, {"recordedBy": "Dee"},
    )  # fmt: skip
    assert met == [True, True, False, False]
    assert "span" not in found.said
    met, _ = companions(
        tmp_path, {"Beobachter": "Anna"}, {"Beobachter": "anna"}, {"Beobachter": "Ben"}
    )
    assert met == [True, False]


def test_an_institution_that_holds_the_rights_and_the_unnamed_make_no_companions(tmp_path):
    lab = {"rightsHolder": "Cornell Lab"}
    met, _ = companions(
        tmp_path, {**lab, "recordedBy": "Anna"}, {**lab, "recordedBy": "Zed"}, {**lab, "recordedBy": "Anna"},
        {"rightsHolder": "", "recordedBy": "Anna"}, {"rightsHolder": "Anna", "recordedBy": "Zed"},
    )  # fmt: skip
    assert met == [False, True, True, False]
    met, found = companions(tmp_path, {"recordedBy": "anonymous"}, {"recordedBy": "Anonymous"})
    assert met == [False] and "1 rows have no observer or no day" in found.said
    # nobody else is told: they may be persons
    met, _ = companions(tmp_path, {"rightsHolder": "Anna"}, {"rightsHolder": "Anna"})
    assert met == [True]


def test_the_column_that_holders_are_read_from_decides():
    both = {"source_recordedBy": "recordedBy", "note": "note"}
    assert observer_cells(both, "rightsHolder") == ['"source_recordedBy"::VARCHAR']
    for holder in ("userName", None):
        assert observer_cells(both, holder)[1:] == ['"rights_holder"::VARCHAR']
    assert observer_cells({"note": "note"}, "rightsHolder") == ['"rights_holder"::VARCHAR']
    assert holder_column({"rights_holder": ["a", "b"]}) == "a"
    for fields in ({}, None, {"rights_holder": []}, {"rights_holder": 3}, "x"):
        assert holder_column(fields) is None


def test_companions_of_a_span_of_days_are_protected_and_said(tmp_path):
    who = {"recordedBy": "Anna"}
    met, found = companions(
        tmp_path, {**who, "eventDate": "2024"}, {**who, "eventDate": "2024-09-01"}, {**who, "eventDate": "2025-01-01"}
    )  # fmt: skip
    assert met == [True, False]
    assert "policy: 1 companions are so since dates are spans" in found.said
    # one of them is a companion by its day too
    rows = [
        {"id": "y", **FALCON, **who, "eventDate": "2024"},
        {"id": "d", **FALCON, **who, "eventDate": "2024-09-01"},
        {"id": "0", **TIT, **who, "eventDate": "2024-09-01"},
        {"id": "1", **TIT, **who, "eventDate": "2024-09"},
    ]
    again = planned(tmp_path, rows, DAY)
    assert set(again.levels().values()) == {"0.1deg"}
    assert "policy: 1 companions are so since dates are spans" in again.said
