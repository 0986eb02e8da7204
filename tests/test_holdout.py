"""`train mvae` without validation rows: what it holds out shares nothing with what it trains on, and queries use what it learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_sets import NAMES, TINY, made, write_npz

from prom3e_index.models.folder import Model
from prom3e_index.models.seen import Seen
from prom3e_index.tables.sites import sites_of
from prom3e_index.training.stage_two.holdout import LEAST, HeldOut, hold_out
from prom3e_index.training.stage_two.output import read_layout
from prom3e_index.training.stage_two.run import MVAERun, _on_planet, run_mvae
from prom3e_index.training.stage_two.sets import read_places, read_set, splits_of


def observations(n, *, sites=40, photos=None, seed=0):
    """A set whose names repeat; with `photos` its photos do too. Places within `sites` cells of one degree."""
    rng = np.random.default_rng(seed)
    given = made(n, seed=seed, missing=0.3)
    x = given.x.clone()
    label = given.species_numbers().numpy()
    names = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(n, 12))).float(), dim=1)
    x[:, 4] = names[label]
    if photos is not None:
        which = rng.integers(0, photos, n)
        x[:, 0] = torch.where(given.present[:, :1], names[which + n // 2], 0)
    x *= given.present[:, :, None]
    site = rng.integers(0, sites, n)
    corner = np.stack([site % 7 * 3.0, site // 7 * 3.0], axis=1)
    return replace(given, x=x), corner + rng.uniform(0.01, 0.99, (n, 2))


def shared(a, b, column):
    """Whether any row of `a` has the very embedding of a row of `b`; by brute force."""
    left = a.x[a.present[:, column], column]
    right = b.x[b.present[:, column], column]
    return bool((torch.cdist(left, right) < 1e-6).any()) if len(left) and len(right) else False


@pytest.mark.parametrize("seed", [0, 1])
def test_whole_sites_are_held_out_and_no_photo_stands_on_both_sides(seed):
    given, place = observations(600, photos=300, seed=seed)
    # a photo of one site alone, as of one observer
    site = np.floor(place[:, 0]) * 100 + np.floor(place[:, 1])
    first = {}
    for i in np.flatnonzero(given.present[:, 0]):
        given.x[i, 0] = given.x[first.setdefault((int(site[i]), i % 4), i), 0]
    found = hold_out([given], NAMES, [place], seed)
    assert isinstance(found, HeldOut) and found.site_deg == 1
    held = given.ids is None and torch.cdist(found.held.x.flatten(1), given.x.flatten(1)).argmin(1)
    on_site = set(site[held.numpy()])
    rest = np.setdiff1d(np.arange(600), held.numpy())
    assert not on_site & set(site[rest]) and len(rest) == len(found.train[0])
    assert found.sites == len(on_site) and found.shared_sites == 0 and not found.lacking
    assert 0.05 < len(found.held) / 600 < 0.16
    assert not any(shared(found.held, found.train[0], i) for i in (0, 5))
    assert shared(found.held, found.train[0], 4)  # names may
    said = found.said()
    assert f"{len(found.held)} of 600 rows, {found.sites} whole sites of 1 degrees" in said
    again = hold_out([given], NAMES, [place], seed)
    assert torch.equal(again.held.x, found.held.x)


@pytest.mark.parametrize(("points", "side"), [(False, 0.01), (True, None)])
def test_where_photos_stand_at_many_sites_photos_are_kept_apart_and_that_is_said(points, side):
    given, place = observations(800, sites=12, photos=40)
    found = hold_out([given], NAMES, [np.floor(place) if points else place])
    assert isinstance(found, HeldOut) and found.site_deg == side
    assert not shared(found.held, found.train[0], 0)
    if points:
        assert found.shared_sites > 0
        assert f"{found.shared_sites} of them lie in a cell of 0.1 degrees where" in found.said()
    assert found.held.present[:, 0].any() and found.held.present[:, 5].any()


def test_one_study_area_is_parted_by_smaller_sites():
    given, place = observations(500, sites=1)
    found = hold_out([given], NAMES, [place])
    assert isinstance(found, HeldOut) and found.site_deg == 0.1
    cell = sites_of(place, 0.1)
    mine = torch.cdist(found.held.x.flatten(1), given.x.flatten(1)).argmin(1).numpy()
    assert not set(cell[mine]) & set(cell[np.setdiff1d(np.arange(500), mine)])


def test_the_meridian_of_180_degrees_does_not_part_a_site():
    east_west = np.array([[1.5, -180.0], [1.2, 180.0], [1.2, 179.5], [np.nan, 3.0]])
    number = sites_of(east_west, 1.0)
    assert number[0] == number[1] != number[2] and number[3] == -1


@pytest.mark.parametrize("n", [2, LEAST - 1, LEAST, LEAST + 1])
def test_few_rows_are_all_trained_on(n):
    given, _ = observations(n)
    found = hold_out([given], NAMES, [None])
    if n < LEAST:
        assert found == f"{n} rows are too few to hold some out; {LEAST} are needed"
    else:
        assert len(found.held) >= 20 and len(found.held) + len(found.train[0]) == n


def test_rows_that_all_hang_together_are_not_parted():
    given, place = observations(200, photos=1)
    given.present[:, 0] = True
    given.x[:, 0] = given.x[0, 0] if given.x[0, 0].any() else torch.eye(12)[0]
    assert "none can be kept apart" in hold_out([given], NAMES, [place])


def test_several_sets_are_parted_together():
    one, place = observations(300)
    two, elsewhere = observations(300, seed=5)
    two.x[:100, 0] = one.x[:100, 0]  # the same photos in both
    two.present[:100, 0] = one.present[:100, 0]
    found = hold_out([one, replace(two, species=None)], NAMES, [place, elsewhere])
    assert isinstance(found, HeldOut) and len(found.train) == 2
    assert not any(shared(found.held, s, 0) for s in found.train)
    assert found.held.species is not None and (found.held.species == "").any()
    validation = found.validation(most=30)
    assert validation.asking.sum() == 30 and len(validation) <= 60
    assert torch.equal(validation.asked().x, validation.x[:30])


def test_places_are_read_as_those_of_any_table(tmp_path):
    given, place = observations(120)
    given.present[3] = False  # a row that is dropped
    text = [f"{v:.4f}".replace(".", ",") for v in place[:, 0]]
    path = write_npz(
        tmp_path / "t.npz", given, decimalLatitude=np.array(text), decimalLongitude=place[:, 1]
    )
    found = read_set(path, NAMES, 12)
    places = read_places(found, NAMES, 12)
    assert len(places) == 119
    assert np.abs(places - np.delete(place, 3, axis=0)).max() < 1e-4
    assert read_places(read_set(write_npz(tmp_path / "u.npz", given), NAMES, 12), NAMES, 12) is None


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that holds rows out itself, one that does not, and what they were given."""
    folder = tmp_path_factory.mktemp("holdout")
    given = made(240, missing=0.2)
    place = np.random.default_rng(3).uniform(-60, 60, (240, 2))
    torch.manual_seed(0)
    from prom3e_index.mvae.files import write_mvae
    from prom3e_index.mvae.network import MVAE, MVAEConfig

    write_mvae(MVAE(MVAEConfig(input_dim=12, embed_dim=32, heads=2, mlp_dim=48)), folder / "start")
    file = write_npz(folder / "t.npz", given, latitude=place[:, 0], longitude=place[:, 1])
    recipe = replace(TINY, visible="row", noise="none", steps=80, batch_size=64, lr=3e-3)

    def run(name, **more):
        return run_mvae(
            MVAERun((more.pop("file", file),), folder / name, recipe, init=str(folder / "start"), **more),
            lambda *a: None,
        )  # fmt: skip

    return folder, given, run, run("held"), run("all", holdout=False)


def test_a_run_says_what_it_holds_out_and_notes_it(runs):
    folder, given, _, held, _ = runs
    assert isinstance(held.held, HeldOut) and held.rows + len(held.held.held) == 240
    assert held.held.said() in held.summary() and "mean of 30 directions" in held.summary()
    seen = Seen.read(folder / "held")
    x, present = given.x.numpy(), given.present.numpy()
    trained = seen.rows(x, present).any(axis=1)
    chosen = seen.chosen.rows(x, present).any(axis=1)
    assert trained.sum() == held.rows and (trained ^ chosen).all()


def test_no_holdout_trains_on_all_and_says_what_that_costs(runs):
    folder, _, _, _, every = runs
    assert every.rows == 240 and every.use is None
    assert "--no-holdout" in every.summary() and "is not known" in every.summary()
    assert Seen.read(folder / "all").chosen is None


def test_a_freshly_trained_model_mixes_no_worse_than_its_best_block(runs):
    """On the rows of its own index, asked by default; here the encoders are at chance."""
    from prom3e_index.evaluation.directions import directions

    folder, given, _, _, _ = runs

    def recall(name):
        model = Model.open(folder / name)
        x, present = given.x.numpy(), given.present.numpy()
        spaces = ("encoder", "reconstructed", "hidden", "hybrid")
        out = []
        for d in directions(model, x, present, given.species):
            w = replace(model.weights((d.given,), d.target), epsilon=0.0)
            out.append([float(f.recall(1).mean()) for f in d.first([(s, w) for s in spaces])])
        return np.mean(out, axis=0)

    held, every = recall("held"), recall("all")
    assert held[3] >= held[:3].max() - 0.01
    assert (
        every[3] < every[:3].max() - 0.05
    )  # as it was before: the default weights do not use what was learnt


def test_validation_rows_of_ones_own_stay_as_they_are(runs):
    folder, given, run, _, _ = runs
    val = write_npz(folder / "val.npz", made(60, seed=8))
    told = run("file", validation=val)
    assert told.held is None and told.rows == 240 and Seen.read(folder / "file").chosen.n == 60
    split = np.array(["train"] * 150 + ["val"] * 60 + ["test"] * 30)
    own = write_npz(folder / "split.npz", given, split=split)
    assert splits_of(own) == {"train", "val", "test"} and splits_of(val) == set()
    told = run("split", file=own)
    assert told.held is None and told.rows == 150 and Seen.read(folder / "split").chosen.n == 60
    written = np.char.replace(np.char.replace(split, "train", "Training"), "val", "VALID")
    people = write_npz(folder / "people.npz", given, Split=written)
    assert splits_of(people) == {"train", "val", "test"}
    assert len(read_set(people, NAMES, 12, "train")) == 150
    assert len(read_set(people, NAMES, 12, "val")) == 60
    unsplit = np.where(split == "val", "test", split)
    told = run("unval", file=write_npz(folder / "unval.npz", given, split=unsplit))
    assert isinstance(told.held, HeldOut) and told.rows + len(told.held.held) == 150


@pytest.mark.parametrize("placed", [True, False])
def test_where_only_media_are_kept_apart_places_are_counted(placed):
    """All rows at one station: place and climate are those of rows trained on, and the sentence says so."""
    given, place = observations(400)
    given.x[:, 2], given.present[:, 2] = torch.eye(12)[3], True
    place[:] = [51.5, 11.25]
    found = hold_out([given], NAMES, [place if placed else None])
    assert isinstance(found, HeldOut) and found.media_only and shared(found.held, found.train[0], 2)
    assert not any(shared(found.held, found.train[0], i) for i in (0, 5))
    said = found.said()
    assert found.recurring == len(found.held) and "other embedding but a name with" not in said
    assert (
        "other embedding but a name, tile, place or climate with rows trained on; "
        f"{len(found.held)} of them have the tile, place or climate of such rows" in said
    )


def test_encoders_of_the_planet_are_named(runs):
    """What is trained upon `mini` learns nothing of real photos, whatever the rows are."""
    assert "invented planet" not in runs[3].summary()
    assert "know the invented planet only" in replace(runs[3], planet=True).summary()
    assert _on_planet(read_layout("mini", None, {}))
