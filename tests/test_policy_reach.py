"""What a build leaves in generalised rows is what `policy check` finds to be no leak: both look as far, from the same places."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pytest
from policies import RULE, birds, built
from policy_plans import planned

from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.policy.cells import LEVELS, NAMES
from prom3e_index.policy.told_places import tells

PLACE = {"latitude": 52.31312, "longitude": 13.44531}


def test_no_number_that_a_build_leaves_is_found_by_a_check_of_the_index(tmp_path):
    rows = birds()
    # 52.42 lies within 0.1 degree of the centre, 52.35, and not of the true latitude
    rows[0] |= {"wing_mm": 52.42, "tail_mm": 52.29, "bill_mm": 52.56, "behavior": "13.54"}
    for row in rows[1:]:
        row |= {"wing_mm": 7.25, "tail_mm": 8.25, "bill_mm": 9.25, "behavior": "52.42"}
    withhold = '[[rule]]\ntaxon = "Parus major"\nlevel = "withhold"\n'
    rows[3] |= {"plumage": "wing 2.25 cm, tail 3.5 cm", "moult": "wing 2.25 cm"}
    index = built(tmp_path, rows, RULE + withhold)

    assert [str(f) for f in check_policy(index).findings] == []
    with duckdb.connect(str(index / "metadata.duckdb"), read_only=True) as con:
        found = con.execute(
            "SELECT wing_mm, tail_mm, bill_mm, behavior, plumage, moult FROM observations ORDER BY row"
        ).fetchall()
    assert found[0] == (None, None, 52.56, None, None, None)
    assert found[1] == (7.25, 8.25, 9.25, 52.42, None, None)
    assert found[3][4:] == (None, "wing 2.25 cm")
    said = json.loads((index / "manifest.json").read_text())["source"]["understood"]["said"]
    assert "5 cells that tell the place" in " ".join(said)


@pytest.mark.parametrize("level", NAMES[1:])
def test_numbers_near_the_place_or_its_centre_go_and_others_stay(tmp_path, level):
    rng = np.random.default_rng(3)
    reach = LEVELS[level].reach_deg
    near = rng.uniform(-2.5, 2.5, 60) * reach
    numbers = [*(52.31312 + near[:30]), *(13.44531 + near[30:])]
    rows = [{"id": str(i), "species": "Falco rusticolus", **PLACE, "behavior": f"x {v:.4f}"}
            for i, v in enumerate(numbers)]  # fmt: skip
    found = planned(tmp_path, rows, RULE.replace("0.1deg", level)).rows

    for row in rows:
        text, now = str(row["behavior"]), found[str(row["id"])]
        told = tells(text, *PLACE.values(), reach)
        told |= tells(text, now["latitude"], now["longitude"], reach)
        assert (now["behavior"] is None) == told, text
    left = sum(row["behavior"] is not None for row in found.values())
    assert 5 < left < 55
