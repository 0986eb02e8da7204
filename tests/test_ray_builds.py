"""Builds on real Ray clusters: one machine, two of which one is lost, a driver that is killed; the same index each time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import assert_same
from conftest import ROOT

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.cluster import on_cluster
from prom3e_index.indexer.cluster.stream import joined
from prom3e_index.indexer.work import BuildConfig

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """Shards of 16 rows, so that there are several; no row's vectors depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_cluster, "block_of", lambda model: 16)
        yield


@pytest.fixture(scope="module")
def hurt_world(world, tmp_path_factory) -> Path:
    """The tiny world with a photo that is none and one that is gone."""
    folder = tmp_path_factory.mktemp("hurt") / "w"
    shutil.copytree(world, folder)
    photos = sorted(folder.glob("photos/*"))
    photos[3].write_bytes(b"no photo")
    photos[5].unlink()
    return folder


@pytest.fixture(scope="module")
def config(hurt_world, tmp_path_factory) -> BuildConfig:
    out = tmp_path_factory.mktemp("here") / "here.p3i"
    table = str(hurt_world / "observations.csv")
    return BuildConfig(table=table, out=out, model="mini", workers=2, batch_size=4)


@pytest.fixture(scope="module")
def here(config) -> Path:
    build(config)
    return config.out


def parts(place: Path) -> dict[str, int]:
    """Finished parts with the time at which they were written."""
    return {
        str(p): p.stat().st_mtime_ns
        for what in ("pieces", "shards")
        for p in place.glob(f"{what}/**/*.parquet")
    }


def own_workers(of: str) -> list[int]:
    """Processes of Ray's workers below this one whose name says what they do."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            if f"MapWorker(MapBatches({of}" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue

    def below(pid: int) -> bool:
        while pid > 1:
            pid = parents.get(pid, 0)
            if pid == os.getpid():
                return True
        return False

    return [pid for pid in found if below(pid)]


def test_one_machine(here, config, tmp_path):
    place = tmp_path / "shards"
    manifest = build(replace(config, out=tmp_path / "ray.p3i", engine="ray", shards=str(place)))

    assert_same(here, tmp_path / "ray.p3i")
    assert manifest["counts"]["files_lost"] == 2
    assert len(parts(place)) > 20
    assert not ray.is_initialized()


def test_an_address_where_nobody_is(config, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(InputError, match=f"No cluster answers at 127.0.0.1:{port}"):
        build(replace(config, out=tmp_path / "i", engine="ray", ray_address=f"127.0.0.1:{port}"))
    assert not (tmp_path / "i.building").exists()  # nothing was encoded


def test_a_cluster_that_was_joined_is_not_taken_for_another(config, tmp_path):
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        known = ray.get_runtime_context().gcs_address
        with pytest.raises(
            InputError, match=f"has joined the cluster at {known}, not .* at 127.0.0.1:1;"
        ):
            with joined("127.0.0.1:1"):
                pass
        for same in (None, "auto", known):
            with joined(same) as stream:
                assert stream.processors == 1
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_two_machines_of_which_one_and_a_worker_are_lost(here, config, tmp_path):
    from ray.cluster_utils import Cluster

    place = tmp_path / "shards"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 3, "include_dashboard": False}
    )
    told: list[str] = []
    try:
        second = cluster.add_node(num_cpus=3)
        cluster.wait_for_nodes()

        def progress(stage: str, done: int, total: int | None) -> None:
            if not stage.startswith(("encode", "complete")):
                return
            told.append(stage)
            if len(told) == 4:
                os.kill(own_workers("Encode")[0], signal.SIGKILL)
                told.append("a worker is killed")
            if len(told) == 9:
                cluster.remove_node(second, allow_graceful=False)
                told.append("a machine is lost")

        more = {"engine": "ray", "shards": str(place), "ray_address": cluster.address}
        build(replace(config, out=tmp_path / "ray.p3i", **more), progress)
    finally:
        ray.shutdown()
        cluster.shutdown()

    assert {"a worker is killed", "a machine is lost"} < set(told)
    assert told.index("a machine is lost") < len(told) - 5
    assert_same(here, tmp_path / "ray.p3i")


def test_a_driver_that_is_killed_and_run_again(here, config, tmp_path):
    place, out = tmp_path / "shards", tmp_path / "ray.p3i"
    options = [
        "--engine",
        "ray",
        "--shards",
        place,
        "--model",
        "mini",
        "--batch-size",
        "4",
        "--workers",
        "2",
    ]
    command = [
        sys.executable,
        "-m",
        "prom3e_index.cli.app",
        "build",
        config.table,
        "--index",
        out,
        *options,
    ]
    driver = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while len(parts(place)) < 6:
            assert driver.poll() is None, driver.stderr.read()
            time.sleep(0.1)
    finally:
        driver.kill()
        driver.wait()
        driver.stderr.close()
    time.sleep(3.0)  # its workers end when they see that it is gone
    kept = parts(place)
    assert not out.exists() and not (place / "shards.json").exists()

    build(replace(config, out=out, engine="ray", shards=str(place)))

    later = parts(place)
    assert {k: later[k] for k in kept} == kept and len(later) > len(kept)
    assert_same(here, out)
