"""What an attacker with the index and its public model learns of a generalised place: the cell, and nothing within it.

Each attack is run on open rows too, whose places it finds: an attack that finds nothing anywhere would prove nothing.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from policies import OPEN, RULE, TRUE, birds, built, quiet, write_policy, write_rows

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

KM_PER_DEGREE = 111.195


def km(a, b) -> float:
    """Great-circle distance by the spherical law of cosines, written anew."""
    p, q, d = math.radians(a[0]), math.radians(b[0]), math.radians(b[1] - a[1])
    c = math.sin(p) * math.sin(q) + math.cos(p) * math.cos(q) * math.cos(d)
    return math.degrees(math.acos(min(1.0, c))) * KM_PER_DEGREE


def centre(place, cell=0.1):
    return tuple((math.floor(v / cell) + 0.5) * cell for v in place)


def inverted(encode, stored, near):
    """The place whose embedding is most alike: a grid of 21 × 21 about a guess, shrunk nine times, to some metres."""
    (lat, lon), half = near, 0.6
    for _ in range(9):
        sides = (lat + np.linspace(-half, half, 21), lon + np.linspace(-half, half, 21))
        grid = np.stack([a.ravel() for a in np.meshgrid(*sides, indexing="ij")], 1).astype(
            np.float32
        )
        lat, lon = map(float, grid[np.argmax(encode(grid) @ stored)])
        half *= 0.25
    return lat, lon


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return built(tmp_path_factory.mktemp("attack"), birds())


@pytest.fixture(scope="module")
def bundle(index):
    return Bundle.open(index)


def test_an_embedding_turned_back_gives_the_cell(bundle):
    encode = bundle.model().encoder("loc").encode
    stored = np.asarray(bundle.embeddings("loc"), np.float32)
    ids = [r[0] for r in bundle.sql("SELECT id FROM observations ORDER BY row")]
    for key, place in {**TRUE, **OPEN}.items():
        guess = (round(place[0]), round(place[1]))
        found = inverted(encode, stored[ids.index(key)], guess)
        if key in OPEN:
            assert km(found, place) < 0.8
            continue
        assert km(centre(place), place) > 3
        assert km(found, centre(place)) < 0.8
        assert km(found, place) > km(centre(place), place) - 0.8


def test_an_embedding_of_the_public_location_encoder_gives_the_cell(tmp_path):
    from prom3e_index.models.folder import Model

    table = write_rows(tmp_path / "t.csv", birds())
    policy = read_policy(write_policy(tmp_path))
    out = tmp_path / "e.npz"
    encode_to_npz(
        BuildConfig(table=str(table), out=out, model="geoclip", workers=1, policy=policy), quiet
    )
    encode = Model.open("geoclip").encoder("loc").encode
    with np.load(out) as held:
        stored, ids = np.asarray(held["embeddings"][:, 0], np.float32), list(held["ids"])
        hidden = dict(zip(ids, held["obscured"], strict=True))

    for key, place in {"f1": TRUE["f1"], "p1": OPEN["p1"]}.items():
        found = inverted(encode, stored[ids.index(key)], (round(place[0]), round(place[1])))
        if key in OPEN:
            assert km(found, place) < 0.03 and not hidden[key]
        else:
            assert km(found, centre(place)) < 0.03 and hidden[key]
            assert km(found, place) > km(centre(place), place) - 0.03


def trilaterated(bundle, key, near):
    """A row's place by 200 queries: from four places the distance at which it comes into a circle is halved 50 times."""
    anchors = [
        (near[0] + a, near[1] + o) for a, o in ((0.4, 0.0), (-0.4, 0.1), (0.1, 0.5), (0.0, -0.5))
    ]
    asked, distances = 0, []
    for anchor in anchors:
        low, high = 0.0, 200.0
        for _ in range(50):
            middle = (low + high) / 2
            where = Filter(near=(*anchor, middle))
            hits = bundle.search(Query(text="Parus major", target="text", k=6, filter=where)).hits
            asked += 1
            low, high = (low, middle) if key in {h.fields["id"] for h in hits} else (middle, high)
        distances.append(high)
    lat, lon, half = *near, 0.6
    for _ in range(12):
        grid = [
            (lat + a, lon + o)
            for a in np.linspace(-half, half, 15)
            for o in np.linspace(-half, half, 15)
        ]
        errors = [
            sum((km(g, a) - d) ** 2 for a, d in zip(anchors, distances, strict=True)) for g in grid
        ]
        lat, lon = grid[int(np.argmin(errors))]
        half *= 0.4
    return (lat, lon), asked


@pytest.mark.parametrize("key", ["f1", "p1"])
def test_two_hundred_circles_give_the_cell(bundle, key):
    place = {**TRUE, **OPEN}[key]
    found, asked = trilaterated(bundle, key, (round(place[0], 1), round(place[1], 1)))

    assert asked == 200
    assert km(found, place if key in OPEN else centre(place)) < 0.05
    assert key in OPEN or km(found, place) > 3


def test_another_true_place_in_the_cell_changes_nothing_but_rounding(index, tmp_path):
    """Two builds of one table differ in the last bit of float16 too: sums depend on where arrays lie in memory."""
    moved = {
        key: (math.floor(a * 10) / 10 + 0.011, math.floor(o * 10) / 10 + 0.093)
        for key, (a, o) in TRUE.items()
    }
    other = built(tmp_path, birds(moved))
    elsewhere = built(
        tmp_path, birds({key: (a + 0.1, o) for key, (a, o) in moved.items()}), name="elsewhere"
    )

    def apart(folder, name):
        one, two = (np.load(f / name).astype(float) for f in (folder, index))
        return np.abs(one - two).max()

    def table(folder):
        return Bundle.open(folder).sql("SELECT * EXCLUDE (sigma_l1) FROM observations ORDER BY row")

    names = {p.relative_to(index).as_posix() for p in index.rglob("*.npy")}
    assert len(names) == 14 and apart(other, "species.npy") == 0
    assert max(apart(other, n) for n in names) < 2e-4
    assert (
        apart(elsewhere, "embeddings/loc.npy") > 5e-3
        and apart(elsewhere, "vectors/image.npy") > 5e-4
    )
    assert table(other) == table(index) != table(elsewhere)
    for view in ("by_place", "lost", "rejected"):
        assert Bundle.open(other).sql(f"SELECT * FROM {view}") == Bundle.open(index).sql(
            f"SELECT * FROM {view}"
        )


def test_scores_against_a_hidden_row_are_those_of_its_centre(bundle):
    for at in (TRUE["f1"], centre(TRUE["f1"])):
        hits = bundle.search(Query(location=at, target="loc", k=6, space="encoder")).hits
        first = next(h for h in hits if h.fields["id"] == "f1")
        again = bundle.model().encoder("loc").encode(np.array([at, centre(TRUE["f1"])], np.float32))
        assert abs(first.score - float(again[0] @ again[1])) < 2e-3


def test_a_policy_of_the_same_name_and_rules_has_one_hash(tmp_path):
    one, other = (read_policy(write_policy(tmp_path, RULE, n)) for n in ("a.toml", "b.toml"))

    assert (
        one.sha256
        == other.sha256
        != read_policy(write_policy(tmp_path, RULE + "\n# more", "c.toml")).sha256
    )
