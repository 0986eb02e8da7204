"""A run of stage 2 that was interrupted is as if it had not been; another run's folder is refused."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from embedding_sets import NAMES, TINY, made, write_npz
from processes import program

from prom3e_index.errors import InputError
from prom3e_index.mvae.files import write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training.checkpoint import load
from prom3e_index.training.stage_two.loop import train_mvae


class _Stop(Exception):
    pass


@pytest.mark.parametrize("ema", [None, 0.9])
def test_interrupted_and_resumed_is_straight_through_bit_for_bit(tmp_path, monkeypatch, ema):
    from prom3e_index.training import checkpoint

    sets, val = [made(50), made(40, seed=1)], made(60, seed=2)
    recipe = replace(
        TINY, ema=ema, mixed=0.5, visible="row", negatives="species", noise="dimension"
    )
    straight = train_mvae(sets, NAMES, recipe, tmp_path / "a", validation=val)
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    for stop_at in (3, 7):

        def interrupt(step, total, note, at=stop_at):
            if step == at:
                raise _Stop

        with pytest.raises(_Stop):
            train_mvae(sets, NAMES, recipe, tmp_path / "b", validation=val, report=interrupt)
    resumed = train_mvae(sets, NAMES, recipe, tmp_path / "b", validation=val)

    assert resumed.step == straight.step and resumed.recall == straight.recall
    for (name, p), q in zip(
        straight.mvae.named_parameters(), resumed.mvae.parameters(), strict=True
    ):
        assert torch.equal(p, q), name
    last = [load(tmp_path / f / "last.safetensors")[0] for f in "ab"]
    assert last[0].keys() == last[1].keys() and all(
        torch.equal(last[0][k], last[1][k]) for k in last[0]
    )
    logs = [(tmp_path / f / "validation.csv").read_text() for f in "ab"]
    assert logs[0] == logs[1] and logs[0].count("\n") > 10


def test_killed_and_started_again_is_straight_through(tmp_path, monkeypatch):
    from prom3e_index.training import checkpoint

    train, val = (
        write_npz(tmp_path / "t.npz", made(80)),
        write_npz(tmp_path / "v.npz", made(40, seed=3)),
    )
    # made() rows are 12 wide: a bare MVAE folder tells the program so
    write_mvae(
        MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24)), tmp_path / "start"
    )
    words = ["train", "mvae", train, "--validation", val, "--init", tmp_path / "start", "--steps", "60",
             "--batch-size", "16", "--set", "validate=4"]  # fmt: skip
    code = (
        "import prom3e_index.training.checkpoint as m; m.SAVE_EVERY_S = 0.0\n"
        "from prom3e_index.cli.app import main\nmain()"
    )
    command = [sys.executable, "-c", code, *map(str, words), "--out", str(tmp_path / "killed")]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    log = tmp_path / "killed/run/log.csv"
    while process.poll() is None and not (log.is_file() and log.read_text().count("\n") > 20):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/model.toml").exists(), "it had finished before it was killed"
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the one that was killed
    try:
        for name in ("killed", "whole"):
            done = program(*words, "--out", tmp_path / name)
            assert done.returncode == 0, done.stderr
    finally:
        torch.set_num_threads(threads)
    a, b = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("killed", "whole"))
    assert a == b
    steps = [r["step"] for r in csv.DictReader(log.open())]
    assert steps == sorted(set(steps), key=int) and steps[-1] == "60"


def test_another_run_in_the_folder_is_refused(tmp_path):
    train_mvae([made(40)], NAMES, TINY, tmp_path / "run")
    with pytest.raises(InputError, match="lr was 0.001, now 0.5"):
        train_mvae([made(40)], NAMES, replace(TINY, lr=0.5), tmp_path / "run")
    start = MVAE(MVAEConfig(input_dim=12, embed_dim=16, heads=2, mlp_dim=24, num_register_tokens=2))
    with pytest.raises(InputError, match="init was None, now"):
        train_mvae([made(40)], NAMES, TINY, tmp_path / "run", init=start)
