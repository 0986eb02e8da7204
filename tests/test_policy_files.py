"""A policy is read whole or refused with what is wrong, where, and the nearest that there is; nothing is made of it then."""

from __future__ import annotations

import json

import numpy as np
import pytest
from policies import RULE, birds, built, write_policy
from processes import program

from prom3e_index.errors import BundleError, InputError
from prom3e_index.policy.cells import NAMES, level_named, strictness
from prom3e_index.policy.names import ANY, alike, asked, edits, key, names_of, near_names_of
from prom3e_index.policy.rules import policy_of, read_policy
from prom3e_index.policy.template import TEMPLATE

SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [20, 50], [20, 55], [10, 55], [10, 50]]]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is no TOML"),
        ('nmae = "x"\n' + RULE, "unknown key 'nmae'; nearest: name"),
        (RULE + 'levle = "1km"', "unknown key 'levle'; nearest: level"),
        (RULE.replace("0.1deg", "0.3deg"), "'0.3deg'; there is no such level; nearest: 0.2deg"),
        (RULE.replace("0.1deg", "county"), "Levels: open, 100m, 0.001deg"),
        (RULE.replace("0.1deg", "open"), "does nothing"),
        ('[[rule]]\ntaxon = "Falco"', "rule 1 (Falco) has no level"),
        (RULE + 'rank = "genera"', "rank is 'genera'; nearest: genus"),
        (RULE + "months = [0]", "numbers from 1 to 12"),
        (RULE + "months = [true]", "numbers from 1 to 12"),
        (RULE + "bbox = [1, 2, 3]", "[west, south, east, north]"),
        (RULE + "bbox = [1, 60, 3, 50]", "south below north"),
        (RULE + 'polygon = "none.geojson"', "cannot be read"),
        (RULE + 'countries = ["Iceland"]', "codes of two letters"),
        (RULE + 'companions = "week"', "it can be 'day'"),
        (RULE + 'date = "year"', "it can be 'month'"),
        (RULE + 'absent = "yes"', "true or false"),
        (RULE + 'synonyms = "Falco"', "a list of texts"),
        ('[rule]\ntaxon = "Falco"\nlevel = "1km"', "[[rule]], in double brackets"),
        ('[[rule]]\nrank = "genus"\nlevel = "1km"', "no taxon"),
        ('[[rule]]\ntaxon = " "\nlevel = "1km"', "taxon is empty"),
        ('name = "nothing"', "has no rule"),
        ('review = "soon"\n' + RULE, "it must be a day"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        read_policy(write_policy(tmp_path, text))

    assert said in caught.value.typed and "p.toml" in caught.value.typed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rule]]\ntaxon = "Falco rusticollus"\nlevel = "1km"', "nearest: 'falco rusticolus'"),
        ('[[rule]]\ntaxon = "Falko rusticolus"\nlevel = "1km"', "nearest: 'falco rusticolus'"),
        ('[[rule]]\ntaxon = "Falko"\nrank = "genus"\nlevel = "1km"', "nearest: 'falco'"),
        ('[[rule]]\ntaxon = "Falconidae"\nrank = "family"\nlevel = "1km"', "no row of the table states"),
        (RULE + 'countries = ["IS"]', "no column countryCode"),
    ],
)  # fmt: skip
def test_a_name_that_may_be_misspelt_stops_the_build_and_nothing_is_written(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        built(tmp_path, birds(), text)

    assert said in caught.value.typed
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == ["t.csv", "t.toml"]


def test_names_that_are_both_meant_or_far_apart_do_not_stop_it(tmp_path):
    text = RULE + (
        '[[rule]]\ntaxon = "Parus majus"\nlevel = "1km"\nabsent = true\n'
        '[[rule]]\ntaxon = "Aquila chrysaetos"\nlevel = "1km"\n'
    )
    index = built(tmp_path, birds(), text)
    manifest = json.loads((index / "manifest.json").read_text())

    assert manifest["policy"]["rows"] == {"open": 3, "0.1deg": 3}
    said = " ".join(manifest["source"]["understood"]["said"])
    assert "no row has the names of 2 rules: Parus majus, Aquila chrysaetos" in said


def test_levels_are_named_as_people_write_them():
    written = {"0.1deg": ("0.1 degrees", 0.1, "0.10deg", "0.1°", "0.1"), "1deg": (1, "1 degree"), "10km": ("10 km", "10KM"),
               "withhold": ("Withheld",)}  # fmt: skip
    for name, given in written.items():
        assert {level_named(g, "level") for g in given} == {name}
    order = [
        "open",
        "100m",
        "0.001deg",
        "1km",
        "0.01deg",
        "10km",
        "0.1deg",
        "0.2deg",
        "1deg",
        "withhold",
    ]
    assert list(NAMES) == order and [strictness(n) for n in order] == list(range(10))
    for bad in (True, None, "..deg", "1.1.1deg", "", [1]):
        with pytest.raises(InputError):
            level_named(bad, "level")


def test_the_template_is_a_policy_whose_every_key_can_be_used(tmp_path):
    (tmp_path / "region.geojson").write_text(json.dumps(SQUARE))
    whole = "\n".join(
        line[2:]
        if line.startswith("# ") and " = " in line and not line.startswith("# See")
        else line
        for line in TEMPLATE.splitlines()
    )
    policy = read_policy(write_policy(tmp_path, whole))
    (rule,) = policy.rules

    assert read_policy(write_policy(tmp_path, TEMPLATE, "t.toml")).rules[0].level == "0.1deg"
    assert rule.names == {"exemplum fictum", "exemplum falsum"} and rule.region is not None
    assert (rule.region.box, len(rule.region.rings)) == ((-10, 50, 2, 59), 1)
    assert (
        rule.distinct == {"exemplum dictum"}
        and rule.countries == {"IS", "GL"}
        and rule.months == {3, 4, 5, 6, 7}
    )
    assert rule.companions and rule.by_month and rule.absent and str(policy.review) == "2027-06-01"


def test_a_manifest_keeps_the_policy_with_its_polygons_and_a_changed_one_is_refused(tmp_path):
    (tmp_path / "r.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {}, "geometry": SQUARE}]}))  # fmt: skip
    policy = read_policy(write_policy(tmp_path, RULE + 'polygon = "r.geojson"'))
    noted = json.loads(json.dumps(policy.as_json()))

    assert policy_of(noted, "i") == policy and policy_of(None, "i") is None
    for change in ({"toml": RULE}, {"polygons": {}}, {"sha256": "0" * 64}, {"toml": 3}):
        with pytest.raises(BundleError):
            policy_of({**noted, **change}, "i")


def test_names_are_found_in_every_spelling():
    for name in (
        "Falco rusticolus", "FALCO RUSTICOLUS", "falco rusticolus", "Falco  rusticólus", "Falco rusticolus Linnaeus, 1758",
        "Falco rusticolus islandicus Brehm", "Falco cf. rusticolus", "Falco rusticolus × Falco cherrug", "Falco_rusticolus",
        "Falco (Hierofalco) rusticolus", "Falco rusticolus x peregrinus", "Falco rusticolus?", "Falco aff. rusticolus",
        "Falco peregrinus × Falco rusticolus",
    ):  # fmt: skip
        assert "falco rusticolus" in names_of({"scientific_name": name})[ANY], name
        assert "falco" in names_of({"scientific_name": name})["genus"], name
    assert "falco rusticolus" in names_of({"genus": "Falco", "species": "rusticolus"})["species"]
    assert "falco rusticolus" in names_of({}, ("Hierofalco islandus; Falco rusticolus",))[ANY]
    assert "falconidae" in names_of({"family": "Falconidae"})["family"]
    assert "gyrfalcon" in names_of({"common_name": "Gyrfalcon"})[ANY]
    for other in ("Falco peregrinus", "Falco sp.", "Parus major"):
        assert "falco rusticolus" not in names_of({"scientific_name": other})[ANY], other
    assert (
        asked("Falco rusticolus Linnaeus, 1758") >= {"falco rusticolus"}
        and key("Cærulea") == "caerulea"
    )


def test_letters_apart():
    assert (
        edits("abcd", "abdc", 2),
        edits("abc", "abc", 2),
        edits("", "ab", 2),
        edits("abc", "xyz", 2),
    ) == (1, 0, 2, 3)
    assert alike("falco rusticollus", "falco rusticolus") and not alike("falco", "falco rusticolus")
    assert not alike("parus major", "turdus merula") and not alike("aves", "apis")


def test_near_names_are_those_of_comparing_every_pair():
    rng = np.random.default_rng(2)
    words = ["".join(rng.choice(list("abc"), rng.integers(4, 9))) for _ in range(120)]
    names = [f"{a} {b}" for a, b in zip(words[::2], words[1::2], strict=True)]
    near = []
    for name in names:
        at, other = int(rng.integers(1, len(name) - 1)), int(rng.integers(1, len(name) - 1))
        near += [name[:at] + name[at + 1 :], name[:at] + name[at : at + 2][::-1] + name[at + 2 :]]
        near += [name[:at] + "d" + name[at:other] + "d" + name[other:], "d" + name]
    found = near_names_of(names, near)

    assert all(set(found[n]) == {k for k in near if k != n and alike(n, k)} for n in names)
    assert sum(map(len, found.values())) > 100


def test_the_command_writes_a_template_and_never_over_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    assert program("policy", "init", path).returncode == 0 and path.read_text() == TEMPLATE
    again = program("policy", "init", path)
    assert (
        again.returncode == 2 and "exists already" in again.stderr and path.read_text() == TEMPLATE
    )
    assert program("policy", "init").stdout == TEMPLATE
