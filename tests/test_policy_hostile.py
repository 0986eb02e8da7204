"""Numbers beyond all bounds, and names of no files, in a policy are refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policies import RULE, write_policy

from prom3e_index.errors import InputError
from prom3e_index.policy.rules import read_policy


@pytest.mark.parametrize(
    "line",
    [
        f"bbox = [1, 2, 3, {'9' * 400}]", f"bbox = [{'9' * 5000}, 1, 2, 3]", "bbox = [nan, 1, 2, 3]", "bbox = [1, 2, inf, 3]",
        f"months = [{'9' * 5000}]", f"months = [{'9' * 400}]", 'polygon = "/dev/zero"', 'polygon = "."',
    ],
)  # fmt: skip
def test_a_rule_beyond_all_bounds_is_refused(tmp_path, line):
    with pytest.raises(InputError):
        read_policy(write_policy(tmp_path, RULE + line))


@pytest.mark.parametrize("level", ["1" + "0" * 5000, "1" + "0" * 400, "inf", "nan"])
def test_a_level_beyond_all_bounds_is_refused(tmp_path, level):
    with pytest.raises(InputError):
        read_policy(write_policy(tmp_path, RULE.replace('"0.1deg"', level)))


def test_a_polygon_beyond_all_bounds_and_a_policy_that_is_no_file_are_refused(tmp_path):
    ring = f"[[0, 0], [1, 0], [1, {'9' * 400}]]"
    (tmp_path / "g.json").write_text('{"type": "Polygon", "coordinates": [' + ring + "]}")
    with pytest.raises(InputError, match="no longitude and latitude"):
        read_policy(write_policy(tmp_path, RULE + 'polygon = "g.json"'))
    (tmp_path / "g.json").write_text(json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}))  # fmt: skip
    assert read_policy(write_policy(tmp_path, RULE + 'polygon = "g.json"')).rules[0].region
    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="is no file"):
            read_policy(path)
