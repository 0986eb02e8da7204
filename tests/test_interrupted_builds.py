"""Builds that are killed, stopped, or run out of disk: they go on, and leave no half index."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import build as build_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig, work_folder
from prom3e_index.models.folder import Model
from prom3e_index.search.run import Bundle


def table(folder: Path, lines: list[str]) -> str:
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_killed_build_goes_on_and_encodes_nothing_twice(tmp_path, world, bundle, monkeypatch):
    """Killed after every batch in turn until it is through: each photo is encoded once in all."""
    config = BuildConfig(
        table=str(world / "observations.csv"), out=tmp_path / "i.p3i", batch_size=8, model="mini"
    )
    seen: list[bytes] = []
    original = build_module.open_model

    class Killed(BaseException):
        pass

    def dying(config):
        model = original(config)
        encoder = model.encoder("image")
        encode = encoder.encode
        calls = 0

        def once(batch):
            nonlocal calls
            calls += 1
            if calls > 1:
                raise Killed
            seen.extend(b.tobytes() for b in batch)
            return encode(batch)

        encoder.encode = once
        return model

    monkeypatch.setattr(build_module, "open_model", dying)
    for _ in range(20):
        try:
            build(config)
            break
        except Killed:
            assert not config.out.exists()
    again = Bundle.open(config.out)

    assert len(seen) == len(set(seen)) == int(bundle.present[:, 0].sum())
    for m in bundle.modalities:
        assert np.allclose(again.vectors(m), bundle.vectors(m), atol=2e-3)


def test_sigkill_at_random_moments(tmp_path, world):
    command = [sys.executable, "-m", "prom3e_index.cli.app", "build", str(world / "observations.csv"),
               "--index", str(tmp_path / "i.p3i")]  # fmt: skip
    for delay in (2.5, 4.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "i.p3i").exists() or Bundle.open(tmp_path / "i.p3i").rows == 60
    if not (tmp_path / "i.p3i").exists():
        subprocess.run(command, check=True, capture_output=True)
    bundle = Bundle.open(tmp_path / "i.p3i")
    assert all(c.ok for c in verify(bundle))
    assert not (tmp_path / "i.p3i.building").exists()


def test_ctrl_c_says_how_to_go_on(tmp_path, world):
    command = [sys.executable, "-m", "prom3e_index.cli.app", "build", str(world / "observations.csv"),
               "--index", str(tmp_path / "i.p3i")]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("encode"):
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert (
        process.returncode == 130 and "goes on where it stopped" in rest and "Traceback" not in rest
    )


def test_a_full_disk_is_said_and_leaves_no_bundle(tmp_path, world, monkeypatch, capsys):
    import errno

    from prom3e_index.cli import app
    from prom3e_index.indexer import embed

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "vectors")

    monkeypatch.setattr(embed.Store, "put", full)
    monkeypatch.setattr(sys, "argv", ["prom3e-index", "build", str(world / "observations.csv"), "--index",
                                      str(tmp_path / "i.p3i")])  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 2 and "the disk is full" in capsys.readouterr().err
    assert not (tmp_path / "i.p3i").exists()


def test_overwrite_restart_and_two_builders(tmp_path, bundle_path):
    path = table(tmp_path, ["id,lat,lon", "a,1,1"])
    out = tmp_path / "i.p3i"
    build(BuildConfig(table=path, out=out, model="mini"))
    with pytest.raises(InputError, match="is an index already; pass overwrite=True"):
        build(BuildConfig(table=path, out=out, model="mini"))
    build(BuildConfig(table=path, out=out, overwrite=True, model="mini"))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "precious.txt").touch()
    with pytest.raises(InputError, match="is no index; it is not overwritten"):
        build(BuildConfig(table=path, out=tmp_path / "plain", overwrite=True, model="mini"))
    other = BuildConfig(table=path, out=tmp_path / "o.p3i", model="mini")
    work = work_folder(other, Model.open("mini"))
    (work / "embeddings").mkdir()
    np.save(work / "embeddings/loc.state.npy", np.ones(1, np.uint8))  # one row is encoded
    with pytest.raises(InputError, match="1 embeddings of an unfinished build of other settings"):
        build(BuildConfig(table=path, out=tmp_path / "o.p3i", audio_windows=True, model="mini"))
    with (
        locked(other.out, "build"),
        pytest.raises(
            BundleError, match=f"being changed by prom3e-index build, process {os.getpid()}"
        ),
    ):
        build(BuildConfig(table=path, out=tmp_path / "o.p3i", restart=True, model="mini"))
    build(
        BuildConfig(
            table=path, out=tmp_path / "o.p3i", audio_windows=True, restart=True, model="mini"
        )
    )
