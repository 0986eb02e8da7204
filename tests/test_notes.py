"""Small JSON notes beside work: whole or absent, and a damaged one is said, never a traceback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from changes import places, quiet
from faults import Killed, faults

from prom3e_index.errors import InputError
from prom3e_index.indexer import npz
from prom3e_index.indexer.npz import encoded
from prom3e_index.indexer.work import BuildConfig, read_note, resumable, write_note

DAMAGE = [b"", b"{", b"[1]", b"\xff\xfe\x00", b'"x"', b"[" * 100_000]


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_damaged_note_is_no_note(tmp_path, harm):
    assert read_note(tmp_path / "n.json") is None
    write_note(tmp_path / "n.json", {"a": "é"})
    assert read_note(tmp_path / "n.json") == {"a": "é"}
    (tmp_path / "n.json").write_bytes(harm)
    assert read_note(tmp_path / "n.json") is None


def test_a_crash_while_writing_keeps_the_earlier_note(tmp_path):
    write_note(tmp_path / "n.json", {"n": 0})
    with faults(tmp_path) as watch:
        write_note(tmp_path / "n.json", {"n": 1})
    states = []
    for at in range(1, watch.seen + 1):
        write_note(tmp_path / "n.json", {"n": 0})
        with faults(tmp_path, at), pytest.raises(Killed):
            write_note(tmp_path / "n.json", {"n": 1})
        states.append(json.loads((tmp_path / "n.json").read_text())["n"])
    assert set(states) == {0, 1} and states == sorted(states)


@pytest.mark.parametrize("harm", DAMAGE)
@pytest.mark.parametrize("planned", [True, False])
def test_work_whose_note_is_damaged_is_begun_anew_if_nothing_is_lost_by_that(
    tmp_path, harm, planned
):
    work = resumable(tmp_path / "w", {"table": "t"}, False, "build")
    (work / "plan.duckdb").touch()
    if planned:
        write_note(work / "planned.json", {"rows": 3})
        (work / "embeddings").mkdir()
        np.save(work / "embeddings/loc.state.npy", np.ones(3, np.uint8))
    (work / "identity.json").write_bytes(harm)
    if planned:
        with pytest.raises(
            InputError, match="3 embeddings of .* pass restart=True to discard them"
        ):
            resumable(work, {"table": "t"}, False, "build")
    resumable(work, {"table": "t"}, planned, "build")
    assert [p.name for p in work.iterdir()] == ["identity.json"]


def test_embeddings_are_encoded_once_and_never_taken_for_those_of_another_table(
    tmp_path, mini, monkeypatch
):
    made = []

    def encode(config: BuildConfig, *_, **__):
        made.append(config.table)
        config.out.write_bytes(b"embeddings")

    monkeypatch.setattr(npz, "encode_to_npz", encode)
    monkeypatch.setattr(npz, "open_model", lambda config: mini)
    config = BuildConfig(
        table=places(tmp_path / "t.csv", ["a"]), out=tmp_path / "o" / "e.npz", model="mini"
    )
    for _ in range(2):
        assert encoded(config, quiet, None) == config.out
    assert made == [config.table]
    other = replace(config, table=places(tmp_path / "u.csv", ["b"]))
    for _ in range(2):
        beside = encoded(other, quiet, None)
        assert beside.parent == config.out.parent and beside.name.startswith("e-")
    assert made == [config.table, other.table] and encoded(config, quiet, None) == config.out
    for harm in (b"{", None):
        note = Path(tmp_path / "o" / "e.json")
        note.unlink() if harm is None else note.write_bytes(harm)
        made.clear()
        found = {encoded(config, quiet, None) for _ in range(2)}
        assert len(found) == 1 and config.out not in found and made == [config.table]
        for path in found:  # made beside what nobody can vouch for
            path.unlink()
