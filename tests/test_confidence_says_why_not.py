"""Where nothing is known of an answer's chances it says so: one species, a damaged file, a model validated otherwise."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from plain_calibration import calibration, put_into, store_in
from plain_index import made, reseal, write

import prom3e_index.bundle.calibration as held
from prom3e_index.bundle.filters import Filter
from prom3e_index.confidence.signals import FIRST
from prom3e_index.confidence.stored import MOST_BYTES
from prom3e_index.errors import ModelError
from prom3e_index.indexer.verify import verify
from prom3e_index.models.folder import Model
from prom3e_index.search.first_rows import calibration_for
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.show.report import write_report

ONE, OTHERS, NAMELESS = 230, 30, 20
PICA = "taxon_species = 'Pica pica'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """More rows of one species than are looked at, around one direction; others, and some without a species, far off."""
    folder = tmp_path_factory.mktemp("one")
    rng = np.random.default_rng(5)
    n = ONE + OTHERS + NAMELESS
    x = 0.3 * rng.normal(size=(n, 6, 512)) + np.where(np.arange(n) < ONE, 1, -1)[:, None, None]
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)
    names = np.array(["Pica pica"] * ONE + ["Parus major"] * OTHERS + [""] * NAMELESS)
    order = rng.permutation(n)
    x, names, present = x[order], names[order], np.ones((n, 6), bool)
    parts = [
        write(folder / "a.npz", x[:150], present[:150], scientific_name=names[:150]),
        write(folder / "b.npz", x[150:], present[150:], 150, scientific_name=names[150:]),
    ]
    return made(folder, parts).path


@pytest.fixture
def index(folder):
    return put_into(Bundle.open(folder))


def ask(index, **more):
    row = int(index.eligible(Filter(where=PICA))[0])
    asked = {"embedding_of": "loc", "target": "image", "k": 3, **more}
    return index.search(
        Query(embedding=np.asarray(index.embeddings("loc")[row], np.float32), **asked)
    )


def sure(index, **more):
    return ask(index, **more).query["confidence"]


@pytest.mark.parametrize("stored", [True, False])
def test_one_species_of_more_rows_than_are_looked_at_is_said(folder, tmp_path, stored):
    path = folder
    if not stored:  # as earlier versions left it: species are read from the table
        path = tmp_path / "i.p3i"
        shutil.copytree(folder, path)
        noted = json.loads((path / "manifest.json").read_text())
        noted["files"] = {k: v for k, v in noted["files"].items() if not k.endswith("species.npy")}
        (path / "manifest.json").write_text(json.dumps(noted))
    index = put_into(Bundle.open(path))
    assert ONE > FIRST
    for where in (PICA, f"{PICA} OR taxon_species IS NULL"):
        told = sure(index, filter=Filter(where=where))
        assert told["p_right"] is None and "one species" in told["reason"]
    other = index.sql("SELECT max(row) FROM observations WHERE taxon_species = 'Parus major'")[0][0]
    told = sure(index, filter=Filter(where=f"{PICA} OR row = {other}"))
    assert told["p_right"] > 0.5 and told["reason"] is None
    assert sure(index)["p_right"] > 0.5


def test_a_whole_index_of_one_species_is_not_sure_by_its_model(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(FIRST + 5, 6, 512)) + 1
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)
    names = np.full(len(x), "Pica pica")
    table = write(tmp_path / "t.npz", x, np.ones((len(x), 6), bool), scientific_name=names)
    index = made(tmp_path, [table])
    index.manifest["planet"] = True  # else the model says nothing of it
    monkeypatch.setattr(Model, "confidence", calibration(index.modalities, source="model"))
    assert index.calibration is None
    told = sure(index)
    assert told["p_right"] is None and "one species" in told["reason"]


def test_no_species_but_the_first_is_asked_after(index):
    """The question costs a look at all eligible rows: it is put only where the first rows leave it open."""
    asked = []

    def several(species):
        asked.append(species)
        return False

    made = calibration(index.modalities)
    scores = np.linspace(0.9, 0.1, 20)[None]

    def judge(codes, eligible):
        from prom3e_index.confidence.signals import First

        first = First.of(scores, np.array([codes]), np.full((1, 20), 0.5), np.zeros((1, 20)))
        return made.judge(first, ("loc",), "image", eligible, several).confidence

    assert judge([7] * 19 + [8], 500).p_right is not None and asked == []
    assert "one species" in judge([7] * 20, 20).reason and asked == []
    assert "one species" in judge([7] * 20, 21).reason and asked == [7]


@pytest.mark.parametrize("bias, told", [(40.0, 0.9999), (-40.0, 0.0001)])
def test_no_chance_is_told_as_sure(index, bias, told):
    own = index.calibration
    index.calibration = replace(
        own,
        fitted={k: replace(f, right=replace(f.right, bias=bias)) for k, f in own.fitted.items()},
    )
    answer = ask(index)
    said = answer.query["confidence"]
    assert said["p_right"] == told == answer[said["hit"] - 1].p_right


@pytest.mark.parametrize("bias, wanted", [
    (-3.0, (0.0, (0.0, 0.0))), (9.0, (2.0, (2.0, 2.0))),
])  # fmt: skip
def test_an_expected_error_can_be_one(index, bias, wanted):
    own = index.calibration
    index.calibration = replace(
        own,
        fitted={k: replace(f, error=replace(f.error, bias=bias)) for k, f in own.fitted.items()},
    )
    told = ask(index).query["expected_error"]["image"]
    assert (told["value"], tuple(told["interval"])) == wanted


def test_a_model_says_nothing_of_an_index_that_is_made_otherwise(folder, monkeypatch):
    index = Bundle.open(folder)
    index.manifest["planet"] = True
    model = index.model()
    theirs = calibration(index.modalities, source="model")
    monkeypatch.setattr(Model, "confidence", theirs)
    was = dict(index.manifest)
    assert calibration_for(index, model, ("loc",), "image") == (theirs, "")
    other = was["epsilon"]["image"] + 0.25
    csls = {"hubs": {"method": "csls"}}
    for hubs, changed, said in (
        ("none", csls, "validated with hubs none, the index has csls"),
        ("csls", {}, "validated with hubs csls, the index has none"),
        ("csls", csls, "by segment"),
        ("csls", {"hubs": {"method": "csls", "centre": {}}}, None),
        ("none", {"epsilon": {**was["epsilon"], "image": other}}, f"the index has {other:g}"),
        ("none", {"epsilon": {**was["epsilon"], "sat": other}}, None),  # of another target
    ):
        monkeypatch.setattr(model, "hubs", hubs)
        index.manifest.update({**was, **changed})
        found, why = calibration_for(index, model, ("loc",), "image")
        if said is None:
            assert (found, why) == (theirs, ""), changed
        else:
            assert found is None and "earlier version" in why and said in why, changed


def test_a_models_damaged_calibration_is_a_reason(folder, monkeypatch):
    def damaged(model):
        raise ModelError("confidence.json is no calibration")

    index = Bundle.open(folder)
    index.manifest["planet"] = True
    monkeypatch.setattr(Model, "confidence", property(damaged))
    answer = ask(index)
    assert len(answer) == 3
    reason = answer.query["confidence"]["reason"]
    assert "earlier version" in reason and "cannot be read: confidence.json is no" in reason


@pytest.mark.parametrize("text", [b"{}", b"[" * 99_999, b'{"version":1}', b"\xff\xfe"])
def test_a_damaged_calibration_stops_nothing_but_verify(
    folder, tmp_path, monkeypatch, capsys, text
):
    from prom3e_index.cli import app

    path = tmp_path / "i.p3i"
    shutil.copytree(folder, path)
    hits = [(h.row, h.score) for h in ask(Bundle.open(path))]
    store_in(path, calibration(Bundle.open(path).modalities))
    assert Bundle.open(path).calibration is not None
    (path / "confidence/000001.json").write_bytes(text)
    reseal(path, "confidence/000001.json")
    with Bundle.open(path) as index:
        answer = ask(index)
        assert [(h.row, h.score) for h in answer] == hits
        reason = answer.query["confidence"]["reason"]
        assert "000001.json is no calibration" in reason and "rebuild" in reason
        assert index.calibration is None and index.uncalibrated in reason
        write_report(tmp_path / "r.html", index, [answer])
        assert "is no calibration" in (tmp_path / "r.html").read_text()
        (check,) = [c for c in verify(index, 3) if c.name == "calibration"]
        assert not check.ok and "is no calibration" in check.detail
    for words in (["info"], ["info", "--json"]):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *words, "--index", str(path)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        assert not stop.value.code, out.err
        assert "is no calibration" in " ".join(out.out.split())


@pytest.mark.parametrize("over", [0, 1])
def test_a_file_that_is_too_large_is_not_copied(over):
    class Pages:
        """As many bytes as it says, which nobody may have."""

        def __len__(self):
            return MOST_BYTES + over

        def __bytes__(self):
            raise MemoryError("copied")

    class Files:
        def pages(self, name):
            return Pages()

    from pathlib import Path

    manifest = {"confidence": {"file": "confidence/000001.json"}, "modalities": ["image"]}
    with pytest.raises(held.BundleError if over else MemoryError, match="more than|copied"):
        held.own_calibration(Path("i.p3i"), manifest, Files())
