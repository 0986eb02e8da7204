"""A map is judged by published ranges as SINR judges, and a pickled file is never read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.maps.truth import judged_by_range, read_range
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

ROOT = Path(__file__).resolve().parent.parent


def ranges(path, n=400, **more):
    rng = np.random.default_rng(0)
    locs = np.stack([rng.uniform(-180, 180, n), rng.uniform(-85, 85, n)], 1)
    there = {"41": np.flatnonzero(locs[:, 1] > 20).tolist(), "7": [], "9": list(range(n))}
    path.write_text(json.dumps({"locs": locs.tolist(), "taxa_presence": there, **more}))
    return locs, there


def mapped(bundle, region="world", **query):
    config = MapConfig(region=region, cells="10deg", mask="none", samples=1, keep=False)
    return make_map(bundle, Query(**(query or {"text": "Fictanimalia"})), config)


def test_the_average_precision_is_that_of_the_cells_at_the_places(bundle_path, tmp_path):
    locs, there = ranges(tmp_path / "iucn.json")
    with Bundle.open(bundle_path) as bundle:
        whole, part = mapped(bundle), mapped(bundle, "-60,-30,60,60")
        unnamed = mapped(bundle, location=(0.0, 0.0))
    scores = whole.band("similarity").cells()
    at = ((90 - locs[:, 1]) // 10).astype(int) * 36 + ((locs[:, 0] + 180) // 10).astype(int)
    truth = np.isin(np.arange(len(locs)), there["41"])
    found = judged_by_range(whole, tmp_path / "iucn.json", "41")
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, scores[at]))
    assert found["average_precision_by_chance"] == pytest.approx(truth.mean())
    assert found["places"] == 400 and found["places_outside_the_map"] == 0

    inside = (np.abs(locs[:, 0]) < 60) & (locs[:, 1] > -30) & (locs[:, 1] < 60)
    found = judged_by_range(part, tmp_path / "iucn.json", "41")
    assert found["places"] == inside.sum() and found["places_outside_the_map"] == (~inside).sum()
    assert found["in_range"] == truth[inside].sum()

    ranges(tmp_path / "snt.json", taxa_locs={"41": list(range(0, 400, 3)), "7": [1]})
    some = np.arange(0, 400, 3)
    found = judged_by_range(whole, tmp_path / "snt.json", "41")
    assert found["average_precision"] == pytest.approx(average_precision_score(truth[some], scores[at][some]))  # fmt: skip
    for key in ("7", "9"):  # absent everywhere, present everywhere
        with pytest.raises(InputError, match="both such and others"):
            judged_by_range(whole, tmp_path / "iucn.json", key)
    with pytest.raises(InputError) as e:
        judged_by_range(unnamed, tmp_path / "iucn.json")
    assert "--truth-taxon KEY" in e.value.typed
    with pytest.raises(InputError, match="no range of 'Fictanimalia'"):
        judged_by_range(whole, tmp_path / "iucn.json")


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("name", ["snt_res_5.npy", "x.npy", "x.json"])
def test_a_pickled_file_is_refused_and_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Boom()))
    with pytest.raises(InputError, match="convert it once" if name.endswith("npy") else "JSON"):
        read_range(tmp_path / name, "41")


def test_what_is_said_to_convert_the_published_file_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published = {
        "taxa": np.array([41, 9]), "obs_locs": np.array([[10, 50], [-20, 30], [0, 5]], np.float32),
        "loc_indices_per_species": [[0, 2], [1]], "labels_per_species": [[0.5, 0], [0.0]],
    }  # fmt: skip
    np.save("snt_res_5.npy", published)
    page = (ROOT / "docs/maps.md").read_text()
    lines = page[page.index("    import json, numpy") :].split("\n\n")[0]
    exec(dedent(lines), {})
    found = read_range(tmp_path / "snt_res_5.json", "41")
    assert found.longitude.tolist() == [10, 0] and found.latitude.tolist() == [50, 5]
    assert found.presence.tolist() == [True, False]
    assert read_range(tmp_path / "snt_res_5.json", "9").presence.tolist() == [False]


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        ([], "has not the parts"), ({"locs": [], "taxa_presence": []}, "has not the parts"),
        ({"locs": [[0, 1]], "taxa_presence": {"412": [0]}}, "no range of '41'.*412"),
        ({"locs": [[0, 1, 2]], "taxa_presence": {"41": [0]}}, "two numbers"),
        ({"locs": [[0, 91]], "taxa_presence": {"41": [0]}}, "longitude comes first"),
        ({"locs": [[0, float("nan")]], "taxa_presence": {"41": [0]}}, "longitude comes first"),
        ({"locs": [[0, 1]], "taxa_presence": {"41": [1]}}, "numbers of its 1 places"),
        ({"locs": [[0, 1]], "taxa_presence": {"41": [-1]}}, "numbers of its 1 places"),
        ({"locs": [[0, 1]], "taxa_presence": {"41": [True]}}, "numbers of its 1 places"),
        ({"locs": [[0, 1]], "taxa_presence": {"41": "0"}}, "numbers of its 1 places"),
        ({"locs": [[0, 1]], "taxa_presence": {"41": [0]}, "taxa_locs": {"41": [3]}}, "taxa_locs"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_ranges_is_refused_in_a_line(tmp_path, whole, why):
    (tmp_path / "r.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match=why):
        read_range(tmp_path / "r.json", "41")


def test_the_command_says_it_and_keeps_it(bundle_path, tmp_path):
    ranges(tmp_path / "r.json")
    given = ["map", "-i", bundle_path, "--text", "Fictanimalia", "--grid", "10deg", "--mask", "none", "--no-cache",
             "--no-expected-error", "-o", tmp_path / "m"]  # fmt: skip
    done = CliRunner().invoke(app, [*map(str, given), "--truth", str(tmp_path / "r.json"), "--truth-taxon", "41"])  # fmt: skip
    assert done.exit_code == 0, done.exception
    facts = json.loads((tmp_path / "m/map.json").read_text())["truth"]
    assert facts["places"] == 400 and f"{facts['average_precision']:.3f}" in done.output
    done = CliRunner().invoke(app, [*map(str, given), "--truth-taxon", "41", "--overwrite"])
    assert isinstance(done.exception, InputError) and "--truth FILE" in done.exception.typed
