"""A map that a policy refuses leaves one line in the index's log, or says why it could not; nothing of where or what file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from policies import RULE, birds, built, log_of
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.policy.log import LOG, append_acts, append_refusal
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

COARSE = RULE.replace("0.1deg", "1deg") + 'reason = "nests"\n'
FALCON, TIT = "Falco rusticolus", "Parus major"
NEAR = "13.0,52.0,14.0,53.0"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return built(tmp_path_factory.mktemp("coarse"), birds(), COARSE)


@pytest.fixture
def index(made, tmp_path):
    shutil.copytree(made, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


def run(*given):
    return CliRunner().invoke(app, ["map", *map(str, given)])


def refused(index, cells="0.5deg", taxon=None, **query):
    config = MapConfig(region=NEAR, cells=cells, mask="none", samples=1, keep=False)
    with Bundle.open(index) as bundle, pytest.raises(InputError) as e:
        make_map(bundle, Query(**query), config, taxon)
    return str(e.value)


def test_a_photo_that_may_be_of_a_listed_species_is_refused_and_logged(index, world, tmp_path):
    photo = sorted((world / "photos").glob("*.jpg"))[0]
    out = tmp_path / "m"
    before = log_of(index)
    files = {p: p.read_bytes() for p in index.rglob("*") if p.is_file() and p.name != LOG}
    asked = (
        "--index",
        index,
        "--photo",
        photo,
        f"--region={NEAR}",
        "--mask",
        "none",
        "-o",
        out,
        "--no-cache",
    )
    done = run(*asked, "--grid", "0.5deg")
    line = log_of(index)[-1]

    assert isinstance(done.exception, InputError) and not out.exists()
    for words in ("1 degree", "rule 1 (Falco rusticolus)", "nests", "Give --grid 1deg", LOG):
        assert words in done.exception.typed
    assert log_of(index)[:-1] == before
    assert set(line) == {"time", "generation", "command", "refused", "policy"}
    assert line["command"] == "map" and line["generation"] == 1
    assert line["refused"] == {"rule": 1, "taxon": FALCON, "level": "1deg", "cells_km": 55.6}
    assert line["policy"]["sha256"] == before[0]["policy"]["sha256"]
    told = json.dumps(
        {k: line[k] for k in ("generation", "command", "refused")}
    )  # times and marks may be any digits
    assert photo.stem not in (index / LOG).read_text()
    assert "13.0" not in told and "52" not in told
    assert {p: p.read_bytes() for p in files} == files  # nothing else of the index changed
    assert check_policy(index).findings == []

    assert run(*asked, "--grid", "1deg").exit_code == 0  # at its level there is a map, and no line
    assert len(log_of(index)) == len(before) + 1


def test_every_way_of_asking_is_logged_alike(index):
    first = len(log_of(index))
    for cells, taxon, query in (
        ("0.1deg", None, {"text": FALCON}),
        ("0.1deg", FALCON, {}),
        ("0.05deg", None, {"location": (52.3, 13.4)}),
        ("10km", None, {"location": (52.3, 13.4)}),
    ):
        assert LOG in refused(index, cells, taxon, **query)
    assert [e["refused"]["level"] for e in log_of(index)[first:]] == ["1deg"] * 4
    assert len({e["policy"]["act"] for e in log_of(index)}) == first + 4


def test_records_of_an_index_are_refused_and_logged_too(index, tmp_path):
    done = run(
        "--records",
        index,
        "--taxon",
        FALCON,
        "--region",
        NEAR,
        "--grid",
        "0.1deg",
        "-o",
        tmp_path / "m",
    )
    assert isinstance(done.exception, InputError) and "rule 1" in str(done.exception)
    assert log_of(index)[-1]["refused"]["taxon"] == FALCON


def test_what_no_rule_names_is_logged_without_a_rule(tmp_path):
    index = built(tmp_path, birds(), RULE)
    said = refused(index, "0.05deg", location=(0.0, 0.0))
    assert "no taxon is named" in said and LOG in said
    assert log_of(index)[-1]["refused"] == {"rule": None, "taxon": None, "level": "0.1deg", "cells_km": 5.6}  # fmt: skip


def test_without_a_policy_there_is_no_log(tmp_path):
    index = built(tmp_path, birds(), None)
    assert LOG not in refused(index, "0.05deg", text=TIT)
    assert not (index / LOG).exists()


@pytest.mark.parametrize("kind", ["folder", "closed"])
def test_where_the_log_cannot_be_written_the_screen_says_so(index, kind, monkeypatch):
    log = index / LOG
    whole = log.read_bytes()
    if kind == "folder":
        log.unlink()
        log.mkdir()
    else:
        opened = os.open

        def closed(path, flags, *more, **named):
            if str(path).endswith(LOG):
                raise PermissionError(13, "Permission denied")
            return opened(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", closed)
    said = refused(index, text=FALCON)

    assert "rule 1" in said and f"could not be written to the index's {LOG}" in said
    if kind == "closed":
        assert "Permission denied" in said and log.read_bytes() == whole


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_is_not_written_to(tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    if kind == "link":
        (tmp_path / LOG).symlink_to(elsewhere)
    else:
        os.mkfifo(tmp_path / LOG)
    manifest = {"generation": 1, "policy": {"name": "n", "sha256": "s"}}
    assert append_refusal(tmp_path, manifest, "map", {})
    assert elsewhere.read_bytes() == b""


def test_a_line_that_a_crash_cut_off_is_closed_and_the_next_change_writes_its_own(index):
    manifest = json.loads((index / "manifest.json").read_text())
    whole = (index / LOG).read_bytes()
    (index / LOG).write_bytes(whole + b'{"time": "2026-01-01T00:0')
    refused(index, text=FALCON)
    append_acts(index, manifest)  # its act is known already
    lines = (index / LOG).read_text().splitlines()

    assert (index / LOG).read_bytes().startswith(whole) and len(lines) == 3
    assert lines[1] == '{"time": "2026-01-01T00:0' and json.loads(lines[2])["refused"]["rule"] == 1
    (
        index / LOG
    ).unlink()  # a log that was lost begins with the refusal, and the acts come after it
    refused(index, text=FALCON)
    append_acts(index, manifest)
    assert [e["command"] for e in log_of(index)] == ["map", "build"]


_MANY = """
import pathlib, sys
from prom3e_index.policy.log import append_refusal
manifest = {"generation": int(sys.argv[2]), "policy": {"name": "n" * 3000, "sha256": "s"}}
for i in range(20):
    assert append_refusal(pathlib.Path(sys.argv[1]), manifest, "map", {"rule": i}) is None
"""


def test_lines_of_several_processes_stay_whole(tmp_path):
    some = [subprocess.Popen([sys.executable, "-c", _MANY, tmp_path, str(who)]) for who in range(3)]
    assert [one.wait(120) for one in some] == [0, 0, 0]
    told = [(e["generation"], e["refused"]["rule"]) for e in log_of(tmp_path)]
    assert sorted(told) == [(who, i) for who in range(3) for i in range(20)]
    for who in range(3):  # each in its own order
        assert [i for w, i in told if w == who] == list(range(20))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda handle, data: len(data) // 2)
    manifest = {"generation": 1, "policy": {"name": "n", "sha256": "s"}}
    assert "space" in str(append_refusal(tmp_path, manifest, "map", {}))
