"""A calibration after rows have changed: made anew where it must be, silent with a reason where it cannot."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from plain_calibration import calibration, store_in
from plain_index import quiet, rows, without_measuring, write

import prom3e_index.indexer.change as change_module
import prom3e_index.indexer.compact as compact_module
from prom3e_index.errors import NotCachedError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.confidence import is_due, recalibrated
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

N = 60
TENTH = [f"o{i}" for i in range(N // 10 + 1)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An index of 60 rows with a calibration and a certificate of them, both made by hand."""
    folder = tmp_path_factory.mktemp("changes")
    x, present = rows(N, seed=3)
    with without_measuring():
        table = write(folder / "t.npz", x, present)
        build(BuildConfig(table=table, out=folder / "i.p3i", model="mini"))
    store_in(folder / "i.p3i", calibration(Bundle.open(folder / "i.p3i").modalities))
    edit(folder / "i.p3i", certificate={"generation": 1, "rows": N, "targets": {}})
    return folder / "i.p3i"


@pytest.fixture
def index(built, tmp_path):
    shutil.copytree(built, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


def edit(index, **parts):
    """Have the manifest say other things."""
    values = {**json.loads((index / "manifest.json").read_text()), **parts}
    (index / "manifest.json").write_text(json.dumps(values))


def as_earlier(index):
    """Have the index be one of an earlier version, which knew no calibrations."""
    values = json.loads((index / "manifest.json").read_text())
    del values["confidence"], values["files"]["confidence/000001.json"]
    (index / "manifest.json").write_text(json.dumps(values))


def manifest(index):
    with Bundle.open(index) as bundle:
        return bundle.manifest


def fails(said):
    def call(*_):
        raise NotCachedError(said)

    return call


def marks(name, done):
    """Stands for certifying or calibrating: notes that it was done."""

    def call(folder, manifest, *_):
        done.append(name)
        part = {"certificate": "certificate", "confidence": "confidence"}[name]
        made = {"generation": manifest["generation"], "rows": manifest["rows"]}
        return {**manifest, part: {**made, **({"reason": "noted"} if part == "confidence" else {})}}

    return call


def test_an_outdated_one_that_cannot_be_made_anew_speaks_no_more(index, monkeypatch):
    done: list[str] = []
    with Bundle.open(index) as before:
        assert before.calibration is not None
    monkeypatch.setattr(change_module, "certified", marks("certificate", done))
    monkeypatch.setattr(change_module, "calibrated", fails("the model is not here"))
    remove(index, None, TENTH, quiet)
    with Bundle.open(index) as after:
        noted = after.manifest["confidence"]
        assert noted.keys() == {"generation", "rows", "reason"}
        assert (noted["generation"], noted["rows"]) == (2, N - len(TENTH))
        assert not [f for f in after.manifest["files"] if f.startswith("confidence/")]
        assert after.calibration is None
        assert "rows have changed" in after.uncalibrated
        assert "the model is not here" in after.uncalibrated
        assert "stale" not in after.manifest["certificate"] and done == ["certificate"]


def test_what_stops_the_certificate_does_not_stop_the_calibration(index, monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(change_module, "certified", fails("the model is not here"))
    monkeypatch.setattr(change_module, "calibrated", marks("confidence", done))
    remove(index, None, TENTH, quiet)
    assert done == ["confidence"]
    after = manifest(index)
    assert after["certificate"]["stale"] == "the model is not here"
    assert after["certificate"]["rows"] == N and after["confidence"]["reason"] == "noted"


def test_of_few_removed_rows_it_still_speaks(index, monkeypatch):
    monkeypatch.setattr(change_module, "certified", fails("unused"))
    monkeypatch.setattr(change_module, "calibrated", fails("unused"))
    remove(index, None, TENTH[:-1], quiet)
    with Bundle.open(index) as after:
        assert after.calibration is not None and after.uncalibrated == ""


def test_a_removal_in_an_index_of_an_earlier_version_waits_for_no_calibration(index, monkeypatch):
    as_earlier(index)
    done: list[str] = []
    monkeypatch.setattr(change_module, "certified", marks("certificate", done))
    monkeypatch.setattr(change_module, "calibrated", marks("confidence", done))
    remove(index, None, TENTH, quiet)
    assert done == ["certificate"] and "confidence" not in manifest(index)


def test_adding_to_an_index_of_an_earlier_version_calibrates_it(index, tmp_path, monkeypatch):
    as_earlier(index)
    done: list[str] = []
    x, present = rows(1, seed=5)
    table = write(tmp_path / "more.npz", x, present, first=900)
    monkeypatch.setattr(change_module, "calibrated", marks("confidence", done))
    monkeypatch.setattr(change_module, "certified", marks("certificate", done))
    monkeypatch.setattr(change_module, "tuned", lambda folder, manifest, *_: manifest)
    add(index, BuildConfig(table=table, out=index, model="mini"), quiet)
    assert done == ["confidence"]


def test_too_few_rows_for_one_are_counted_again(tmp_path):
    """49 rows are too few by one; with four more of them it says another thing, though that is no tenth."""
    x, present = rows(53, seed=6)
    species = np.array(["Pica pica", "Parus major"])[np.arange(53) % 2]
    out = tmp_path / "i.p3i"
    few = write(tmp_path / "few.npz", x[:49], present[:49], species=species[:49])
    more = write(tmp_path / "more.npz", x[49:], present[49:], first=49, species=species[49:])
    build(BuildConfig(table=few, out=out, model="mini"))
    assert manifest(out)["confidence"]["reason"] == "it has 49 rows; 50 are needed"
    add(out, BuildConfig(table=more, out=out, model="mini"), quiet)
    noted = manifest(out)["confidence"]
    assert "50 are needed" not in noted.get("reason", "") and noted["rows"] == 53


@pytest.mark.parametrize("noted, with_model, due", [
    (None, True, True), (None, False, False), ({"reason": "few", "rows": N, "generation": 1}, False, True),
    ({"file": "c.json", "rows": N, "generation": 1}, True, False),
    ({"file": "c.json", "rows": N - 1, "generation": 1}, True, True),
    ("spoilt", False, True), ({"file": "c.json", "rows": "x", "generation": 1}, False, True),
])  # fmt: skip
def test_when_it_is_due(noted, with_model, due):
    """6 of 60 rows were removed: a tenth, and more than a tenth of 59."""
    history = [
        {"generation": 1, "action": "build", "added": N, "removed": 0},
        {"generation": 2, "action": "remove", "added": 0, "removed": 6},
    ]
    told = {} if noted is None else {"confidence": noted}
    assert is_due({"generation": 2, "rows": 54, "history": history, **told}, with_model) == due


@pytest.mark.parametrize("noted", [
    {"file": "confidence/000001.json"}, {"file": "confidence/000001.json", "rows": N},
    {"file": "confidence/000001.json", "rows": "60", "generation": 1}, "confidence/000001.json", None,
])  # fmt: skip
def test_compacting_with_a_damaged_note_calibrates_anew(index, monkeypatch, noted):
    done: list[str] = []
    old = {**manifest(index), "confidence": noted}
    monkeypatch.setattr("prom3e_index.indexer.confidence.calibrated", marks("confidence", done))
    new = {k: v for k, v in old.items() if k != "confidence"}
    assert recalibrated(index, old, new, None, quiet)["confidence"]["reason"] == "noted"
    assert done == ["confidence"]


def test_compacting_keeps_the_file_of_a_sound_note(index, monkeypatch):
    before = (index / "confidence/000001.json").read_bytes()
    monkeypatch.setattr("prom3e_index.indexer.confidence.calibrated", fails("made anew"))
    monkeypatch.setattr(compact_module, "certified", lambda folder, manifest, *_: manifest)
    remove(index, None, ["o0"], quiet)
    compact(index, quiet)
    noted = manifest(index)["confidence"]
    assert (index / noted["file"]).read_bytes() == before and noted["rows"] == N
