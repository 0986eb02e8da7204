"""An index calibrates itself on its own observations: who asks, what is no witness, when it is done anew, what is said else."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from plain_index import NAMES, quiet, without_measuring, write

import prom3e_index.indexer.change as change_module
from prom3e_index.bundle.calibration import why_uncalibrated
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.species_codes import UNKNOWN, code_of, species_codes
from prom3e_index.confidence.signals import FIRST
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.confidence import calibrated, calibration_of
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.own_answers import draw, own_answers
from prom3e_index.indexer.own_search import OwnSearch
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.mvae.completion import infer, mean_embedding
from prom3e_index.search.first_rows import calibration_for
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.search.score import query_rows


def species_in_space(n, seed=0, species=8):
    """Embeddings of rows of some species, with all modalities but sat and text, and the species' names."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(species, 6, 512))
    label = np.arange(n) % species
    x = centres[label] + 1.5 * rng.normal(size=(n, 6, 512))
    present = np.zeros((n, 6), bool)
    present[:, [0, 2, 3, 5]] = True
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32) * present[:, :, None]
    return x, present, np.array([f"Genus species{c}" for c in "abcdefgh"], dtype=str)[label]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrates")
    x, present, names = species_in_space(120)
    table = write(folder / "t.npz", x, present, species=names)
    with without_measuring():
        build(BuildConfig(table=table, out=folder / "i.p3i", model="mini"))
    bundle = Bundle.open(folder / "i.p3i")
    with bundle:
        new = calibrated(folder / "i.p3i", bundle.manifest, bundle.model(), quiet)
    (folder / "i.p3i/manifest.json").write_text(json.dumps(new))
    return folder / "i.p3i"


@pytest.fixture
def index(built, tmp_path):
    shutil.copytree(built, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


def test_codes_of_species_are_those_of_their_names_with_and_without_the_file(index):
    with Bundle.open(index) as bundle:
        wanted = [
            code_of(r[0]) for r in bundle.sql("SELECT taxon_species FROM observations ORDER BY row")
        ]
        assert species_codes(bundle).tolist() == wanted and UNKNOWN not in wanted
        rows = np.array([[7, 3], [3, 119]])
        assert species_codes(bundle, rows).tolist() == [
            [wanted[7], wanted[3]],
            [wanted[3], wanted[119]],
        ]
    manifest = json.loads((index / "manifest.json").read_text())
    del manifest["files"]["species.npy"]
    (index / "manifest.json").write_text(json.dumps(manifest))
    with Bundle.open(index) as earlier:
        assert species_codes(earlier).tolist() == wanted
        assert species_codes(earlier, rows).tolist() == [
            [wanted[7], wanted[3]],
            [wanted[3], wanted[119]],
        ]


def test_an_index_calibrates_itself_and_verifies(index):
    with Bundle.open(index) as bundle:
        calibration = bundle.calibration
        assert calibration is not None and calibration.source == "index"
        assert why_uncalibrated(bundle.manifest) == ""
        assert calibration.quality["rows"] <= 120
        found, why = calibration_for(bundle, bundle.model(), ("image",), "loc")
        assert (found is calibration, why) == (True, "")
        none, why = calibration_for(bundle, bundle.model(), ("image",), "text")
        assert none is None and why
        checks = {c.name: c.ok for c in verify(bundle, 3)}
        assert checks["checksums"] and checks["files"]


def test_several_visible_sets_at_a_time_are_answered_in_order_as_one_by_one(index, monkeypatch):
    with Bundle.open(index) as bundle:
        model, species = bundle.model(), species_codes(bundle)
        asking = draw(bundle, species, Kin(bundle), "species", most=4)
        found, told = [], []
        for cores in (1, 3, 8):
            monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
            steps: list[tuple[int, int]] = []
            found.append(
                list(own_answers(bundle, model, asking, lambda _, *at, s=steps: s.append(at)))
            )
            told.append(steps)
        assert told[0] == told[1] == told[2] == [(i + 1, len(told[0])) for i in range(len(told[0]))]
        for some in found[1:]:
            assert [(a.visible, a.target) for a in some] == [
                (a.visible, a.target) for a in found[0]
            ]
            for a, b in zip(found[0], some, strict=True):
                for name in ("scores", "codes", "cosines", "alike"):
                    assert np.array_equal(getattr(a.first, name), getattr(b.first, name)), name


def test_what_one_of_them_fails_with_is_raised(index, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with Bundle.open(index) as bundle:
        asking = draw(bundle, species_codes(bundle), Kin(bundle), "species", most=4)
        monkeypatch.setattr("prom3e_index.indexer.own_answers.first_rows", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(own_answers(bundle, bundle.model(), asking, quiet))


def test_rows_that_ask_are_answered_as_the_index_answers_without_their_kin(index):
    with Bundle.open(index) as bundle:
        model, species = bundle.model(), species_codes(bundle)
        kin = Kin(bundle)
        asking = draw(bundle, species, kin, "species", most=5)
        answers = {(a.visible, a.target): a for a in own_answers(bundle, model, asking, quiet)}
        for visible, target in [
            (("image",), "loc"),
            (("image", "loc"), "audio"),
            (("loc",), "loc"),
        ]:
            a = answers[visible, target]
            for i, row in enumerate(a.observation):
                x = {m: np.asarray(bundle.embeddings(m)[int(row)], np.float32) for m in visible}
                scores, rows = by_search(bundle, model, x, target)
                keep = rows != row
                assert (
                    a.first.codes[i, : keep.sum()].tolist() == species[rows[keep]].tolist()[:FIRST]
                )
                assert a.first.scores[i, : keep.sum()] == pytest.approx(
                    scores[keep][:FIRST], abs=2e-5
                )
                assert a.truth[i] == species[row]


def by_search(bundle, model, given, target):
    """All rows of a query of stored embeddings, as the index itself answers it; of several by the formula."""
    if len(given) == 1:
        ((of, vector),) = given.items()
        query = Query(embedding=vector, embedding_of=of, target=target, k=bundle.rows)
        hits = bundle.search(query).hits
        return np.array([h.score for h in hits]), np.array([h.row for h in hits])
    x = np.zeros((1, 6, 512), np.float32)
    present = np.zeros((1, 6), bool)
    for m, v in given.items():
        x[0, NAMES.index(m)], present[0, NAMES.index(m)] = v, True
    made = infer(model, x, present, (target,))
    weights = model.weights(tuple(given), target)
    vector = query_rows(
        mean_embedding(x, present), made.reconstructed[:, 0], made.hidden, "hybrid", weights
    )
    how = model.joined(tuple(given), target)
    vector = joined_rows(model, how, x, tuple(given), target, vector)
    vector = np.concatenate([vector, bundle.hub_weights(given)[None]], axis=1)
    scores, rows, _ = bundle.nearest(target, vector, bundle.rows)
    return scores[0], rows[0]


def test_what_is_written_twice_or_of_one_file_is_no_witness(tmp_path):
    x, present, names = species_in_space(30)
    x, present = np.concatenate([x, x[:3]]), np.concatenate([present, present[:3]])
    present[31, 2], x[31, 2] = False, 0  # a copy that lacks its place
    x[32, 3] = x[20, 3]  # of one photo and recording, elsewhere: another observation
    names = np.concatenate([names, names[:3]])
    files = np.array([f"{i % 29}.jpg" for i in range(33)])
    plain = write(tmp_path / "a.npz", x, present, species=names)
    named = write(tmp_path / "b.npz", x, present, species=names, image=files)
    with without_measuring():
        for table, out in ((plain, "a.p3i"), (named, "b.p3i")):
            build(BuildConfig(table=table, out=tmp_path / out, model="mini"))
    every = np.arange(33)
    with Bundle.open(tmp_path / "b.p3i") as bundle:
        assert "image" in bundle.columns
        kin = Kin(bundle).of(every, np.tile(every, (33, 1)))
        assert {tuple(p) for p in np.argwhere(np.triu(kin, 1)).tolist()} == {
            (0, 29), (1, 30), (2, 31), (3, 32), (0, 30), (1, 31), (2, 32),
        }  # fmt: skip
    with Bundle.open(tmp_path / "a.p3i") as bundle:
        kin = Kin(bundle).of(every, np.tile(every, (33, 1)))
        pairs = {(0, 30), (1, 31)}
        wanted = np.eye(33, dtype=bool)
        for a, b in pairs:
            wanted[a, b] = wanted[b, a] = True
        assert (kin == wanted).all()
        search = OwnSearch(bundle, Kin(bundle))
        width = bundle.vectors("loc").shape[1]
        own = np.asarray(bundle.vectors("loc")[np.array([0])], np.float32).reshape(1, width)
        _, found = search.first("loc", own, np.array([0]), None)
        assert not {0, 30} & set(found[0].tolist())  # its copy would have been first


def test_who_asks_has_the_target_and_another_of_its_species(index):
    with Bundle.open(index) as bundle:
        species = species_codes(bundle).copy()
        species[:4] = [UNKNOWN, 1, 2, 2]  # unknown, alone, two of one
        asking = draw(bundle, species, Kin(bundle), "species")
        for (seen, target), rows in asking.rows.items():
            assert bundle.present[rows][:, [*{*seen, target}]].all()
            assert not {0, 1} & set(rows.tolist()) and len(set(rows.tolist())) == len(rows)
        assert {2, 3} <= set(np.concatenate(list(asking.rows.values())).tolist())
        small = draw(bundle, species, Kin(bundle), "species", most=7)
        for key, rows in small.rows.items():
            assert rows.tolist() == asking.rows[key][: len(rows)].tolist()


def test_without_species_only_the_very_row_is_right(tmp_path):
    x, present, _ = species_in_space(60, seed=3)
    with without_measuring():
        build(
            BuildConfig(
                table=write(tmp_path / "t.npz", x, present), out=tmp_path / "i.p3i", model="mini"
            )
        )
    with Bundle.open(tmp_path / "i.p3i") as bundle:
        model, species = bundle.model(), species_codes(bundle)
        assert (species == UNKNOWN).all()
        asking = draw(bundle, species, Kin(bundle), "row", most=6)
        assert all(t not in seen for seen, t in asking.rows)
        answers = list(own_answers(bundle, model, asking, quiet))
        for a in answers:
            assert (a.truth == a.observation).all()
            assert (a.first.codes == a.truth[:, None]).any(axis=1).all()  # it can be found itself
        made = calibration_of(bundle, model, quiet)
        assert not isinstance(made, str) and made.rule == "row", made
        assert made.fitted and not [key for key in made.fitted if key.endswith("shown")]


@pytest.mark.parametrize(
    ("rows", "species", "said"),
    [
        (30, 8, "50 are needed"),
        (60, 1, "one species"),
        (0, 8, "image shown: 60 answers were right and 0 wrong"),
    ],
)
def test_where_nothing_can_be_fitted_it_says_why(tmp_path, rows, species, said):
    x, present, names = species_in_space(rows or 60, species=species)
    if not rows:  # a single modality: nothing else can ask for it, or be asked for
        present[:, 1:] = False
        x[:, 1:] = 0
    with without_measuring():
        build(
            BuildConfig(
                table=write(tmp_path / "t.npz", x, present, species=names),
                out=tmp_path / "i.p3i",
                model="mini",
            )
        )
    with Bundle.open(tmp_path / "i.p3i") as bundle:
        made = calibration_of(bundle, bundle.model(), quiet)
        assert isinstance(made, str) and said in made
        new = calibrated(tmp_path / "i.p3i", bundle.manifest, bundle.model(), quiet)
        assert said in why_uncalibrated(new) and "file" not in new["confidence"]


def test_it_is_done_anew_when_a_tenth_has_changed_and_not_before(index, tmp_path):
    done = []

    def noted(folder, manifest, *_):
        done.append(manifest["rows"])
        return {
            **manifest,
            "confidence": {
                "generation": manifest["generation"],
                "rows": manifest["rows"],
                "reason": "noted",
            },
        }

    with without_measuring(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(change_module, "calibrated", noted)
        x, present, names = species_in_space(20, seed=4)
        few = write(tmp_path / "few.npz", x[:8], present[:8], first=1000, species=names[:8])
        add(index, BuildConfig(table=few, out=index), quiet)
        remove(index, None, ["o0", "o1", "o2", "o3"], quiet)
        assert done == []  # 8 and 4 of 120
        with Bundle.open(index) as bundle:
            assert bundle.calibration is not None
        remove(index, None, ["o4"], quiet)
        assert done == [123]
        with Bundle.open(index) as bundle:
            assert bundle.calibration is None and why_uncalibrated(bundle.manifest) == "noted"
        with Bundle.open(index, at=1) as earlier:
            assert earlier.calibration is not None


def test_compacting_keeps_what_few_changes_leave_true(index):
    before = (index / "confidence/000001.json").read_bytes()
    with without_measuring(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("prom3e_index.indexer.confidence.calibrated", lambda *_: 1 / 0)
        from prom3e_index.indexer.confidence import recalibrated

        patch.setattr("prom3e_index.indexer.compact.recalibrated", recalibrated)
        remove(index, None, ["o0"], quiet)
        compact(index, quiet)
        with Bundle.open(index) as bundle:
            assert bundle.calibration is not None
            name = bundle.manifest["confidence"]["file"]
            assert (index / name).read_bytes() == before
            assert bundle.manifest["confidence"]["rows"] == 120
        assert [p.name for p in (index / "confidence").iterdir()] == [name.rpartition("/")[2]]
        remove(index, Filter(where="id IN ('o1')"), None, quiet)
        (index / name).write_bytes(before[:-1] + b" ")
        with pytest.raises(ZeroDivisionError):  # damaged: made anew
            compact(index, quiet)


def test_an_index_of_an_earlier_version_opens_and_says_so(index):
    manifest = json.loads((index / "manifest.json").read_text())
    del manifest["confidence"], manifest["files"]["confidence/000001.json"]
    (index / "manifest.json").write_text(json.dumps(manifest))
    with Bundle.open(index) as bundle:
        found, why = calibration_for(bundle, bundle.model(), ("image",), "loc")
        assert bundle.calibration is None and "earlier version" in why and found is None
        bundle.manifest["planet"] = True  # of observations that the model knows
        theirs = bundle.model().confidence
        assert calibration_for(bundle, bundle.model(), ("image",), "loc") == (theirs, "")
        assert theirs.source == "model" and theirs.why_not(("image",), "loc") is None


def test_where_no_species_is_known_none_asks_for_one(index):
    with Bundle.open(index) as bundle:
        none = np.full(bundle.places, UNKNOWN, np.int64)
        assert draw(bundle, none, Kin(bundle), "species").rows == {}
