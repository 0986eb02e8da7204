"""Benchmarks run from a fresh clone: all can be imported, and those that need a folder make it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPTS = sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py"))


def test_every_script_can_be_imported():
    code = (
        f"import sys, importlib\nsys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        f"for name in {SCRIPTS!r}:\n    importlib.import_module(name)\nprint('all')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stdout == "all\n", done.stderr


@pytest.mark.parametrize("words, key", [
    (("peers.py", "2500", "--engines", "ours, exact,,no such engine"), "engine"),
    (("build_index.py", "2500", "ivf-f16"), "kind"),
    (("filters.py", "2000"), "filter"),
])  # fmt: skip
def test_a_small_run_in_an_empty_folder(words, key, tmp_path):
    script, *rest = words
    command = [sys.executable, ROOT / "benchmarks" / script, *rest]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stderr
    assert any(key in line for line in lines)
    if script == "peers.py":
        ours, other = lines
        assert ours["at 0.99"]["recall@10"] == 1.0 and not any(f["short"] for f in ours["filters"])
        assert other["failed"].startswith("KeyError")


def test_a_situation_of_the_field_is_told_with_its_outcome(tmp_path):
    (tmp_path / "02").mkdir()
    command = [sys.executable, ROOT / "benchmarks/field.py", tmp_path, "own 3", "02a"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = done.stdout.splitlines()

    assert done.returncode == 1, done.stderr  # the folder lacks the second one's files
    assert "| own 3 | E |" in lines[1] and "OK: three names, three dates" in lines[1]
    assert "FAIL: TableError" in lines[0] and lines[2] == "1 of 2 as they must be"


def test_serving_is_measured_small(bundle_path):
    """Answers over HTTP are compared with the library's there, and every status is counted."""
    command = [sys.executable, ROOT / "benchmarks/serving.py", bundle_path, "--small"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in done.stdout.splitlines()[4:]]

    assert done.returncode == 0, done.stderr
    rows = {what: measured for what, measured, _ in cells}
    assert {f"HTTP over the library: {m}" for m in ("text", "image", "audio")} <= rows.keys()
    statuses = {c.split(" × ")[1] for c in rows["HTTP: 12 clients for 1.2 s"].split(", ")}
    assert "201" in statuses and statuses <= {"201", "503"}
    assert rows["HTTP: end after SIGTERM"].endswith("exit code 0")
