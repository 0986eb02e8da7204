"""In generalised rows stay the columns that are known to tell no place; all others are emptied, and named."""

from __future__ import annotations

import csv

import pytest
from conftest import shared
from policies import RULE, built
from policy_plans import planned

from prom3e_index.exports.write import write_export
from prom3e_index.policy.columns import denied, names_place, tells_place
from prom3e_index.search.run import Bundle

FALCON = {"species": "Falco rusticolus", "latitude": 52.31312, "longitude": 13.44531}
TIT = {"species": "Parus major", "latitude": 48.20815, "longitude": 16.37382}
CLIMATES = {f"wc2.1_5m_bio_{i}": f"{i}.5" for i in range(1, 20)} | {
    "wc2_elev": "3", "annual_precip": "412.1", "srad_1": "12345.6", "bio1_degC": "9.1", "treecover": "4", "slope": "2",
}  # fmt: skip
GRIDS = {
    "POINT_X": "389123.12", "POINT_Y": "5797123.4", "lat_e6": "52313120", "hochwert": "5797000", "rechtswert": "389123",
    "tetrad": "TQ28A", "monad": "TQ2080", "mtb": "3546", "what3words": "filled.count.soap", "shape": "POINT (1 2)",
}  # fmt: skip
NAMES = {
    "Fundort": "Forst 3", "Ort": "Dorf", "Standort": "Wald", "lieu_dit": "Le Moulin", "lokalitet": "Ás", "paraje": "El",
    "lugar": "El", "parish": "Egton", "hotspot": "L1", "nest_id": "Horst 7", "territory": "7", "trap_id": "T3",
    "camera": "North ridge 3", "notes": "in the oak behind the mill", "habitat": "mill pond", "unheard_of": "x",
}  # fmt: skip
STAY = {
    "sex": "female", "lifeStage": "adult", "individualCount": "2", "recordedBy": "Ann", "quality_grade": "research",
    "wing_mm": "401", "weight": "1.25", "taxon_id": "5", "identifiedBy": "Bo", "confidence": "0.9", "time_zone": "UTC",
    "countryCode": "DE", "eventTime": "04:11", "behavior": "hunts", "license": "CC0", "dataset": "Birds",
}  # fmt: skip


def both(more):
    return [{"id": "f", **FALCON, **more}, {"id": "p", **TIT, **more}]


@pytest.mark.parametrize("more", [CLIMATES, GRIDS, NAMES], ids=["climates", "grids", "names"])
def test_columns_that_may_tell_a_place_are_emptied_in_generalised_rows_and_said(tmp_path, more):
    done = planned(tmp_path, both(more))
    falcon, tit = done.rows["f"], done.rows["p"]

    assert {k: falcon[k] for k in more if k in falcon} == dict.fromkeys(
        (k for k in more if k in falcon), None
    )
    assert all(tit[k] == v for k, v in more.items() if k in tit)
    unknown = [c for c in more if not names_place(c)]
    assert done.done["unknown"] == unknown
    assert f"{len(unknown):,} columns are emptied in them" in done.said
    assert all(repr(c) in done.said for c in unknown[:12])
    assert (f"and {len(unknown) - 12} more" in done.said) == (len(unknown) > 12)


def test_columns_that_tell_of_something_else_stay_but_for_cells_with_coordinates(tmp_path):
    done = planned(tmp_path, both(STAY))
    assert {k: v for k, v in done.rows["f"].items() if k in STAY} == {
        k: v for k, v in done.rows["p"].items() if k in STAY
    }
    assert "columns are emptied" not in done.said and done.done["texts"] == 0
    done = planned(tmp_path, both({**STAY, "behavior": "nests at 52.31312"}))
    assert done.rows["f"]["behavior"] is None and done.rows["f"]["sex"] == "female"


def test_a_kept_column_stays_but_for_cells_with_coordinates_unless_its_name_is_of_a_place(tmp_path):
    rows = [
        {"id": "a", **FALCON, "notes": "seen", "locality": "Wood, 52.313", "camera": "K"},
        {"id": "b", **FALCON, "notes": "at 52.313, 13.445", "locality": "Wood", "camera": "K"},
    ]
    done = planned(tmp_path, rows, keep_columns=("notes", "locality"))

    assert [(r["notes"], r["locality"], r["camera"]) for r in done.rows.values()] == [
        ("seen", "Wood, 52.313", None), (None, "Wood", None),
    ]  # fmt: skip
    assert done.done["unknown"] == ["camera"]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_columns_are_named_only_where_something_was_emptied(tmp_path, n):
    rows = [{"id": "p", **TIT, "camera": "K"}]
    rows += [{"id": f"f{i}", **FALCON, "camera": "K" if i else ""} for i in range(n)]
    done = planned(tmp_path, rows, RULE + "absent = true")

    assert done.done["unknown"] == (["camera"] if n > 1 else [])
    assert done.done["texts"] == max(0, n - 1)


def test_what_biologists_export_keeps_its_biology():
    """Of iNaturalist's and GBIF's own exports."""
    folder = shared("data/field")
    seen = 0
    for path, delimiter in ((folder / "04" / "observations-400001.csv", ","), (folder / "26" / "ipt_occurrence.csv", ",")):  # fmt: skip
        with path.open(encoding="utf-8", newline="") as f:
            columns = next(csv.reader(f, delimiter=delimiter))
        for c in columns:
            if any(w in c.lower() for w in ("sex", "count", "taxon", "species", "recordedby", "identif")):  # fmt: skip
                seen += 1
                assert denied(c) or not tells_place(c) or "remarks" in c.lower(), c
    assert seen >= 5


def test_an_export_keeps_rows_in_order_and_columns_known_to_tell_no_place(tmp_path):
    """Rows that their source obscured, in an index without a policy."""
    rows = [{"id": "f", **FALCON, "coordinateUncertaintyInMeters": 28000, "coordinates_obscured": "true",
             "notes": "seen", "sex": "female", "locality": "Wood"}, {"id": "p", **TIT, "notes": "seen", "sex": "male", "locality": "Wood"}]  # fmt: skip
    index = built(tmp_path, rows, None)
    write_export(Bundle.open(index), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as f:
        told = [(r["row"], r["id"], r["sex"], r["notes"], r["locality"]) for r in csv.DictReader(f)]

    assert told == [("0", "f", "female", "", ""), ("1", "p", "male", "seen", "Wood")]
