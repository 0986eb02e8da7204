"""A manifest of any wrong shape is one BundleError: nothing is allocated, followed or half opened for it."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prom3e_index.bundle.manifest import read_manifest
from prom3e_index.errors import BundleError
from prom3e_index.search.run import Bundle


@pytest.fixture(scope="module", params=["v1", "v2"])
def index(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m") / "i.p3i"
    shutil.copytree(ROOT / "tests/bundles" / request.param, folder)
    return folder, json.loads((folder / "manifest.json").read_text())


def places(value, path=()):
    """Every place in nested objects and lists."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def changed(value, path, new):
    out = copy.deepcopy(value)
    at = out
    for key in path[:-1]:
        at = at[key]
    if new is None and isinstance(at, dict):
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return out


JUNK = st.sampled_from(
    [None, True, 0, -1, 10**30, 2**63, 1.5, float("nan"), "", "x", "../x", "/etc/passwd", "a\0b", [], {}, [[]],
     {"name": 1}, ["evil"], {"evil": "evil"}]
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_is_read_or_refused_in_one_way(index, data):
    folder, manifest = index
    where = data.draw(st.sampled_from([p for p in places(manifest) if p]))
    path = folder / "manifest.json"
    path.write_text(json.dumps(changed(manifest, where, data.draw(JUNK))))
    try:
        bundle = Bundle.open(folder)
        for target in bundle.modalities:
            bundle.nearest(target, bundle.vectors(target)[:1], 2)
        assert bundle.statistics is not None and len(bundle.live) == bundle.rows
        bundle.close()
    except BundleError as e:
        assert len(str(e)) < 600


@pytest.mark.parametrize("where, new, words", [
    (("segments", 0, "name"), 7, r"segments\[0\].name is 7"),
    (("segments", 0, "rows"), 10**12, "its segments have 1000000000000"),
    (("segments", 0, "rows"), -3, r"segments\[0\].rows is -3"),
    (("segments",), [], "its segments are"),
    (("segments", 0, "index", "image", "kind"), "best", "not one of exact"),
    (("segments", 0, "index"), {}, "has no index of audio"),
    (("files",), ["x"], "files is"),
    (("files", "records.arrow"), "x", "records.arrow"),
    (("files", "../evil"), {"bytes": 1, "sha256": "0" * 64}, "outside the index"),
    (("modalities",), "image", "modalities is 'image'"),
    (("width",), 2**40, "width is"),
    (("epsilon", "text"), float("inf"), "a number from 0 to 1"),
    (("deleted",), {"file": 3, "rows": 1}, "deleted.file is 3"),
    (("columns",), {"depth": {"type": "BLOB"}}, "a type of metadata"),
    (("format_version",), True, "no manifest"),
])  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, where, new, words):
    shutil.copytree(ROOT / "tests/bundles/v2", tmp_path / "i.p3i")
    path = tmp_path / "i.p3i/manifest.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), where, new)))
    with pytest.raises(BundleError, match=words):
        read_manifest(tmp_path / "i.p3i")


@pytest.mark.parametrize("text", ["", "[]", "null", "7", "{", '{"format_version": 1e999}', "[" * 100_000,
                                  '{"format_version": ' + "9" * 5_000 + "}", "\ud800"])  # fmt: skip
def test_what_is_no_manifest_is_said(tmp_path: Path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BundleError):
        read_manifest(tmp_path)


@pytest.mark.parametrize("inner", [
    {"folders": [{}]}, {"folders": []}, {"folders": 5}, {"index": {}}, {"media": 5}, {"beside": 5}, {"": 1},
])  # fmt: skip
def test_folders_of_a_segment_have_no_folders(tmp_path, inner):
    shutil.copytree(ROOT / "tests/bundles/v2", tmp_path / "i.p3i")
    path = tmp_path / "i.p3i/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["segments"][0]["folders"] = [{"media": "/a", **inner}]
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"folders\[0\]"):
        Bundle.open(tmp_path / "i.p3i")
