"""Hours of encoding outlive a refused correction, a kill at any step, and files that changed their place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from faults import Killed, faults

from prom3e_index.errors import InputError
from prom3e_index.indexer.store import ENCODED
from prom3e_index.indexer.unfinished import encoded_rows, encoded_works, kept_where_encoded
from prom3e_index.indexer.work import resumable, write_note

FIRST = {"table": "t", "table_content": ["t 1"], "weights": ["w"], "columns": "{}"}
SLIP = {**FIRST, "columns": "{'typo': 'image'}"}
RIGHT = {**FIRST, "columns": "{'photo': 'image'}"}


def begun(work: Path, identity: dict[str, object], rows: int = 3) -> None:
    """Work of which some rows are encoded."""
    resumable(work, identity, False, "build")
    write_note(work / "planned.json", {"rows": rows, "format": "csv"})
    (work / "embeddings").mkdir()
    np.save(work / "embeddings/loc.state.npy", np.full(rows, ENCODED, np.uint8))


def refused(work: Path, identity: dict[str, object]) -> None:
    with pytest.raises(InputError, match="slip"), kept_where_encoded(work):
        resumable(work, identity, False, "build")
        write_note(work / "planned.json", {"rows": 3, "format": "csv"})
        raise InputError("slip")


def test_a_refused_correction_keeps_what_was_encoded_before_it(tmp_path):
    work = tmp_path / "w"
    begun(work, FIRST)
    for _ in range(3):  # refused again and again, what was set aside lies no deeper
        refused(work, SLIP)
        refused(work, {**SLIP, "climate": "nowhere.tif"})
        assert encoded_works(work) == [work / "before"] and encoded_rows(work / "before") == 3
    resumable(work, RIGHT, False, "build")
    assert json.loads((work / "identity.json").read_text()) == RIGHT
    assert encoded_works(work) == [work / "before"]
    assert not (work / "planned.json").exists()


def test_a_slip_that_other_work_would_be_lost_by_is_refused(tmp_path):
    """The same content by another name, then the same name with other content: neither serves the other."""
    work = tmp_path / "w"
    begun(work, FIRST)
    refused(work, {**FIRST, "table": "renamed"})
    other = {**FIRST, "table": "renamed", "table_content": ["renamed 2"]}
    with pytest.raises(
        InputError, match="3 embeddings of an unfinished build of another table, t;"
    ):
        resumable(work, other, False, "build")
    assert encoded_works(work) == [work / "before"]


@pytest.mark.parametrize("slips", [0, 1])
def test_killed_at_any_step_of_setting_aside_the_same_command_goes_on(tmp_path, slips):
    work, kept = tmp_path / "w", tmp_path / "kept"
    begun(work, FIRST)
    for _ in range(slips):
        refused(work, SLIP)
    shutil.copytree(work, kept)
    with faults(tmp_path) as watch:
        resumable(work, RIGHT, False, "build")
    for at in range(1, watch.seen + 1):
        shutil.rmtree(work)
        shutil.copytree(kept, work)
        with faults(tmp_path, at), pytest.raises(Killed):
            resumable(work, RIGHT, False, "build")
        resumable(work, RIGHT, False, "build")
        assert sum(map(encoded_rows, encoded_works(work))) == 3
        assert json.loads((work / "identity.json").read_text()) == RIGHT
