"""Builds on real Ray clusters: one machine, two of which one is lost, a driver that is killed; the same index each time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from clusters import assert_same
from conftest import ROOT

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.cluster import on_cluster
from prom3e_index.indexer.cluster.stream import joined
from prom3e_index.indexer.work import BuildConfig

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
"""Half a minute each on two quiet cores; what takes ten hangs."""


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """Shards of 16 rows, so that there are several; no row's vectors depend on it. Workers as urgent as their tests.

    By itself Ray lets all else on a machine go before its workers (nice 15), who then take minutes to begin.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
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


def workers_of(above: int) -> list[int]:
    """Processes of workers of pieces below a process, those that are still being made left out."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "stat").read_text().rpartition(")")[2].split()
            name = (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(told[1])
        if "MapWorker(MapBatches(DecodeAndEncode" in name and "__init__" not in name:
            found.append(int(folder.name))

    def below(pid: int) -> bool:
        while pid > 1 and pid != above:
            pid = parents.get(pid, 0)
        return pid == above

    return [pid for pid in found if below(pid)]


@contextmanager
def held_still(above: int) -> Iterator[None]:
    """Workers of pieces below a process do nothing meanwhile."""
    still = workers_of(above)
    for pid in still:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in still:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


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


def test_a_machine_on_which_ray_does_not_start(monkeypatch):
    """It raises errors of no kind of its own: one that was seen, one that its source has."""
    for error in (RuntimeError("Timed out waiting for file /tmp/ray/gcs_server_port"), Exception("The current node timed out")):  # fmt: skip

        def failing(error=error, **_):
            raise error

        monkeypatch.setattr(ray, "init", failing)
        says = f"Ray does not start on this machine: {error} What is finished is kept; the same command"
        with pytest.raises(InputError, match=says), joined(None):
            pass
        assert not ray.is_initialized()


def test_a_cluster_that_was_joined_is_not_taken_for_another(config, tmp_path):
    try:
        for again in (
            True,
            False,
        ):  # Ray gives its own start seconds, and a busy machine takes more
            try:
                ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
                break
            except RuntimeError:
                if not again:
                    raise
                ray.shutdown()
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


def test_nobody_waits_for_ever_where_others_have_all_processors(monkeypatch):
    class Busy:
        def begun(self) -> bool:
            return True

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        busy = ray.remote(num_cpus=1)(Busy).remote()
        assert ray.get(busy.begun.remote())
        context = ray.data.DataContext.get_current()
        monkeypatch.setattr(context, "execution_no_progress_timeout_s", 2)
        one = (pa.table({"n": [1]}), [(Busy, {"num_cpus": 1, "most": 1})], None, print)
        with pytest.raises(InputError, match="came no further for 2 s: others have .* .Busy"):
            with joined(None) as stream:
                stream.run(*one)
    finally:
        ray.shutdown()


def test_two_machines_of_which_one_and_a_worker_are_lost(here, config, tmp_path):
    from ray.cluster_utils import Cluster

    place = tmp_path / "shards"
    soon = {"health_check_period_ms": 500}  # a machine that does not answer is lost in seconds
    head = {"num_cpus": 2, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    told: list[str] = []
    try:
        second = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        first_s, second_s = (n.all_processes["raylet"][0].process.pid for n in (cluster.head_node, second))  # fmt: skip

        def progress(stage: str, done: int, total: int | None) -> None:
            if not stage.startswith(("encode", "complete")):
                return
            told.append(stage)
            if (
                len(told) == 1
            ):  # on a busy machine the workers of one may begin long before the other's
                while not (workers_of(first_s) and workers_of(second_s)):
                    with held_still(first_s), held_still(second_s):
                        time.sleep(0.2)
            if len(told) == 4:
                os.kill(workers_of(first_s)[0], signal.SIGKILL)
                told.append("a worker is killed")
            if len(told) == 9:
                assert workers_of(second_s)
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
    kept = parts(place)
    assert not out.exists() and not (place / "shards.json").exists()

    build(replace(config, out=out, engine="ray", shards=str(place)))

    later = parts(place)
    assert {k: later[k] for k in kept} == kept and len(later) > len(kept)
    assert_same(here, out)
