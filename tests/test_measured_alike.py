"""An index in lists is tuned, certified and calibrated alike by searching, by what is told of searches, and on a card."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from plain_index import quiet, without_measuring, write
from test_index_calibrates_itself import species_in_space

from prom3e_index.bundle.faiss import gpu
from prom3e_index.bundle.faiss.dense import Dense
from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.species_codes import species_codes
from prom3e_index.confidence.fit import fit
from prom3e_index.indexer import certify, filtered_recall, own_answers, own_search
from prom3e_index.indexer.build import build
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

TARGETS = ("image", "audio")


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """An index of 2,600 rows in lists, without an operating point, and its model."""
    folder = tmp_path_factory.mktemp("alike")
    x, present, names = species_in_space(2_600)
    table = write(folder / "t.npz", x, present, species=names)
    wish = Wish(recall=0.9, kind="ivf-f16")
    with without_measuring():
        build(BuildConfig(table=table, out=folder / "i.p3i", model="mini", wish=wish))
    bundle = Bundle.open(folder / "i.p3i")
    return bundle, bundle.model()


@pytest.fixture
def a_card(monkeypatch):
    """A card that is the processor, which all that would search on one is given."""
    monkeypatch.setattr(gpu, "device_name", lambda number: "cpu")
    monkeypatch.setattr(gpu, "number_of_gpus", lambda: 1)
    monkeypatch.setattr(gpu, "room_for", lambda width, device: 1 << 40)
    paths = []
    real = gpu.GpuGallery.search

    def searched(self, queries, k, subset=None):
        found = real(self, queries, k, subset)
        paths.append(found[0][2])
        return found

    monkeypatch.setattr(gpu.GpuGallery, "search", searched)
    for module in (certify, own_answers):
        monkeypatch.setattr(
            module, "on_card", lambda b, model: BundleFolder(b.path, b.manifest, gpu="cuda")
        )
    return paths


def never_told(monkeypatch):
    """Everything is searched."""
    monkeypatch.setattr(certify, "told_gallery", lambda *_: None)
    monkeypatch.setattr(filtered_recall, "told_gallery", lambda *_: None)
    monkeypatch.setattr(own_search, "told_gallery", lambda *_: None)


def untuned(bundle):
    made = copy.deepcopy(bundle.manifest)
    for segment in made["segments"]:
        for point in segment["index"].values():
            for key in ("tuned", "probes", "candidates", "beam"):
                point.pop(key, None)
    return made


def points(made):
    return {
        t: (p["kind"], p["probes"], p["tuned"]) for t, p in made["segments"][0]["index"].items()
    }


def measured(bundle, model):
    """A certificate without what time and memory say."""
    made = certify.certify(BundleFolder(bundle.path, bundle.manifest), model, quiet)
    for target in made["targets"].values():
        assert target.pop("timed") <= certify.TIMED < made["queries"]
        for key in ("p50_ms", "p95_ms", "p99_ms", "batch_qps", "memory_bytes_per_row"):
            target.pop(key, None)
    return made["targets"]


def test_points_are_the_same_on_a_card(listed, a_card, monkeypatch):
    bundle, model = listed
    made = points(certify.tuned(bundle.path, untuned(bundle), model, quiet))
    assert len(a_card) == len(made) and {p for _, p, _ in made.values()} != {1}
    monkeypatch.setattr(certify, "on_card", lambda b, model: b)
    assert points(certify.tuned(bundle.path, untuned(bundle), model, quiet)) == made
    monkeypatch.setattr("prom3e_index.bundle.faiss.operating_point.Told.can", lambda g: False)
    assert points(certify.tuned(bundle.path, untuned(bundle), model, quiet)) == made


def test_a_certificate_says_the_same_told_searched_and_on_a_card(listed, a_card, monkeypatch):
    bundle, model = listed
    bundle.manifest |= certify.tuned(bundle.path, untuned(bundle), model, quiet)
    monkeypatch.setattr("prom3e_index.bundle.faiss.search.SCAN_BYTES", 0)  # filtered lists are read
    made = measured(bundle, model)
    assert a_card
    monkeypatch.setattr(certify, "on_card", lambda b, model: b)
    assert measured(bundle, model) == made
    never_told(monkeypatch)
    assert measured(bundle, model) == made
    lists = [f for t in made.values() for f in t["filtered"] if "with selector" in f["path"]]
    assert len(lists) > 6 and min(t["recall@1"] for t in made.values()) < 1


def test_a_filtered_recall_that_was_told_wrongly_is_measured(listed, monkeypatch):
    bundle, model = listed
    bundle.manifest |= certify.tuned(bundle.path, untuned(bundle), model, quiet)
    monkeypatch.setattr("prom3e_index.bundle.faiss.search.SCAN_BYTES", 0)
    opened = BundleFolder(bundle.path, bundle.manifest)
    queries = certify.cross_modal(opened, model, "image", 32, seed=1)
    made = filtered_recall.filtered(opened, "image", queries)
    monkeypatch.setattr(filtered_recall.Told, "shares", lambda self, g: np.zeros(len(queries)))
    assert filtered_recall.filtered(opened, "image", queries) == made


def answers(bundle, model, most=80):
    opened = BundleFolder(bundle.path, bundle.manifest)
    species, kin = species_codes(opened), Kin(opened)
    asking = own_answers.draw(opened, species, kin, "species", most)
    return list(own_answers.own_answers(opened, model, asking, quiet))


def test_a_calibration_reads_the_same_answers_from_products_and_a_card(listed, a_card, monkeypatch):
    bundle, model = listed
    bundle.manifest |= certify.tuned(bundle.path, untuned(bundle), model, quiet)
    on_card = answers(bundle, model)
    assert a_card and "exact, on the GPU" in a_card[0]
    monkeypatch.setattr(own_answers, "on_card", lambda b, model: b)
    seen, real = [], Dense.search

    def searched(self, *given):
        seen.append(len(given[0]))
        return real(self, *given)

    monkeypatch.setattr(Dense, "search", searched)
    dense = answers(bundle, model)
    assert len(seen) >= len(dense)
    never_told(monkeypatch)
    count = len(seen)
    plain = answers(bundle, model)
    assert len(seen) == count and len(plain) == len(dense) == len(on_card) > 10
    for a, b, c in zip(plain, dense, on_card, strict=True):
        assert (a.visible, a.target) == (b.visible, b.target) == (c.visible, c.target)
        assert np.array_equal(a.observation, b.observation)
        assert np.allclose(a.first.scores, b.first.scores, atol=3e-6)
        assert (a.first.codes == b.first.codes).mean() > 0.999
        assert np.array_equal(a.right, b.right)
        assert (a.first.scores <= c.first.scores + 3e-6).all()  # exact ones are at least as good
    one, two = (fit(a, bundle.modalities, "species") for a in (plain, dense))
    assert one.fitted.keys() == two.fitted.keys() and one.fitted
    for key, fitted in one.fitted.items():
        assert fitted.accuracy == two.fitted[key].accuracy
        assert fitted.temperature == two.fitted[key].temperature
        found = [np.array([p for p, *_ in f.bins]) for f in (fitted, two.fitted[key])]
        assert np.allclose(*found, atol=1e-3)


def test_lists_that_are_read_whole_are_asked_as_an_index_that_is_scanned(listed, monkeypatch):
    bundle, model = listed
    made = certify.tuned(bundle.path, untuned(bundle), model, quiet)
    points = made["segments"][0]["index"]

    def asked(probes):
        for point in points.values():
            point["probes"] = probes
        opened = BundleFolder(bundle.path, made)
        rows = own_answers.scanned(opened)
        lists = opened.segments[0].gallery("image").lists
        species, kin = species_codes(opened), Kin(opened)
        asking = own_answers.draw(opened, species, kin, "species")
        return rows * lists / 2_600, sum(map(len, asking.rows.values()))

    few = int(np.ceil(256 * 4 * 64 / 2_600))  # lists that 256 hits need at least
    assert asked(1)[0] == pytest.approx(few) and asked(11)[0] == pytest.approx(
        np.ceil(11 * 25.6**0.5)
    )
    whole = asked(64)
    assert whole[0] == pytest.approx(64)
    monkeypatch.setattr(own_answers, "SCANNED", 1_300)
    half, same = asked(64), asked(20)
    assert half[1] == pytest.approx(whole[1] / 2, rel=0.01) and same[1] < whole[1]
    assert asked(1)[1] == whole[1]
    monkeypatch.setattr(own_answers, "SCANNED", 1)
    assert asked(64)[1] == pytest.approx(whole[1] / 4, rel=0.02)
