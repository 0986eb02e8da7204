"""The benchmark of a card runs whole on a processor: every part gives rows, and its checks hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from conftest import ROOT

PARTS = ("training", "search", "lists", "build", "encoders")
"""Its other part, conformance, is what `doctor --conformance` does, which `test_cli` runs."""


def test_every_part_is_measured_small_and_its_checks_hold(tmp_path):
    command = [sys.executable, ROOT / "benchmarks/gpu.py", "--cpu", "--parts", *PARTS]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # then two builds are equal to the bit
    done = subprocess.run([*command, "--output", tmp_path / "log.md"], capture_output=True, text=True, env=one_thread)  # fmt: skip
    assert done.returncode == 0, done.stderr

    lines = (tmp_path / "log.md").read_text().splitlines()
    rows = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[4:]]
    checks = {part: [row[4] for row in rows if row[0] == part] for part in PARTS}

    assert all(len(c) >= 3 for c in checks.values()) and "not measured" not in "\n".join(lines)
    told = [c for c in checks["search"] if c]
    assert len(told) >= 6 and all("recall@10 1.0000, largest difference 0.0e+00" in c for c in told)
    assert all(re.search(r" 0 of \d+ not proved", c) for c in told)
    (apart,) = (c for c in checks["build"] if c)
    assert float(re.search(r"differ by ([\d.e+-]+) at most", apart)[1]) == 0
    assert "0 of 4,000 rows have a nearer centre" in checks["lists"][2]
