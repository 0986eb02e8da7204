"""Values of other types than ours, pipes in place of files and sizes that nobody has are errors of one line, soon."""

from __future__ import annotations

import copy
import json
import os
import shutil
import struct
import tomllib
import zipfile
from pathlib import Path

import pytest
from plain_index import made, quiet, reseal, rows, write

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError, ModelError, NotCachedError, TableError
from prom3e_index.indexer.change import remove
from prom3e_index.indexer.generation import changing
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.search.uncertainty import sigma_percentile
from prom3e_index.tables.npz_members import Npz
from prom3e_index.tables.text import header

WILD = [None, True, -1, 10**30, 1e308, float("nan"), "x", "", [], {}, [None], ["x"], {"x": 1}, [[1]], "\"\n<b>"]  # fmt: skip


def with_value(values, path, value):
    out = copy.deepcopy(values)
    place = out
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return out


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    x, present = rows(24, seed=3)
    return made(folder, [write(folder / "a.npz", x, present)], statistics=True).path


@pytest.fixture
def index(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "i.p3i"))


SAMPLES = {
    "samples": {"text": {"of": 40, "rows": list(range(24)), "sigma_l1": [1.0] * 24}},
}


@pytest.mark.parametrize(
    "path",
    [
        ("samples",), ("samples", "text"),
        *(("samples", "text", k) for k in ("of", "rows", "sigma_l1")), ("samples", "text", "rows", 3),
        ("samples", "text", "sigma_l1", 3),
    ],
)  # fmt: skip
def test_statistics_that_are_none_are_said(index, path):
    seen = 0
    for value in WILD:
        (index / "statistics.json").write_text(json.dumps(with_value(SAMPLES, path, value)))
        reseal(index, "statistics.json")
        with BundleFolder.open(index) as bundle:
            try:
                sigma_percentile(bundle, ["text"], 2.0)
            except BundleError as e:
                assert "statistics.json" in str(e) and "rebuild" in str(e)
                seen += 1
    assert seen > 4


def test_statistics_that_are_some_are_used(index):
    (index / "statistics.json").write_text(json.dumps(SAMPLES))
    reseal(index, "statistics.json")
    with BundleFolder.open(index) as bundle:
        assert sigma_percentile(bundle, ["text"], 2.0) == 100.0


@pytest.mark.parametrize(
    "name", ["generations/000001.json", "segments/x", ".lock", "manifest.json.new", "deleted"]
)
def test_a_pipe_in_an_index_is_refused_and_not_waited_for(index, name):
    (index / name).parent.mkdir(exist_ok=True)
    os.mkfifo(index / name)
    with pytest.raises(BundleError, match="pipe, socket or device|not a lock"):
        remove(index, Filter(where="1=0"), None, quiet)


def test_a_folder_is_no_lock(index):
    Path(f"{index}.lock").mkdir()
    with pytest.raises(BundleError, match="is not a lock"), changing(index, "remove"):
        pass


KEYS = [
    ("name",), ("summary",), ("config",), ("encoder",), ("mvae",), ("preprocess",), ("weights",), ("hubs",),
    ("encoder", "audio"), ("encoder", "audio", "source"), ("encoder", "audio", "config_keys"),
    ("mvae", "modalities"), ("mvae", "modalities", 0), ("mvae", "widths"), ("mvae", "sigma_spearman"),
    ("mvae", "source"), ("hubs", "bank"), ("weights", "default"), ("weights", "default", "delta"),
    ("weights", "default", "other"), ("weights", "directions"), ("weights", "directions", "image->sat"),
]  # fmt: skip


@pytest.mark.parametrize("path", KEYS)
def test_settings_of_another_type_are_refused(path):
    settings = tomllib.loads((BUILT_IN / "mini" / "model.toml").read_text())
    refused = 0
    for value in WILD:
        try:
            model = Model(BUILT_IN / "mini", with_value(settings, path, value))
            model.weights(("image",), "sat")
            if "audio" in model.settings.get("encoder", {}):
                model.source("audio")
            model.shared_config, model.mvae_source, model.has_bank and model.bank()
        except (ModelError, NotCachedError):
            refused += 1
    assert refused >= 8
    Model(BUILT_IN / "mini", settings)


def test_a_direction_of_the_name_default_hides_no_other():
    settings = tomllib.loads((BUILT_IN / "mini" / "model.toml").read_text())
    settings["weights"] = {"default": {"delta": "x"}, "directions": {"default": {}}}
    with pytest.raises(ModelError, match="weights.default.delta is 'x'"):
        Model(BUILT_IN / "mini", settings)


def test_modalities_are_few_and_differ_whatever_their_case():
    settings = tomllib.loads((BUILT_IN / "mini" / "model.toml").read_text())
    for names, words in (
        (["loc"] * 10**6, "has 1,000,000"),
        (["loc", "Loc"], "name one twice"),
        ([], "has 0"),
    ):
        with pytest.raises(ModelError, match=words):
            Model(BUILT_IN / "mini", with_value(settings, ("mvae", "modalities"), names))


def test_a_column_name_over_two_lines_is_one_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,"a\nb",lat,lon\n1,2,3,4\n')
    assert header(path)[0] == ["id", "a b", "lat", "lon"]
    path.write_text('id,"a ""b""",lat\n1,2,3\n')
    assert header(path)[0] == ["id", 'a "b"', "lat"]


@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
def test_a_header_of_millions_is_not_read(tmp_path, version):
    """A megabyte of zip would be a gigabyte of memory."""
    size = 1 << 26 if version == b"\x02\x00" else (1 << 16) - 1
    length = struct.pack("<I" if version == b"\x02\x00" else "<H", size)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("embeddings.npy", b"\x93NUMPY" + version + length + b" " * size)
    with pytest.raises(TableError, match="longer than any"):
        Npz(tmp_path / "a.npz")
