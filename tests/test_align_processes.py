"""Stage 1 in several processes: the steps of one, gradients sent once an update, everything said once."""

from __future__ import annotations

import csv

import pytest
import torch
from processes import run_alone_and_in_a_group
from test_align import RECIPE

from prom3e_index.models.folder import BUILT_IN
from prom3e_index.training.checkpoint import load


def test_gathered_negatives_of_two_processes_equal_one_joint_batch(tmp_path):
    """Also to the gradients, which Adam's first moments are sums of; they travel once an update."""
    code = """
from pathlib import Path
import torch
from test_align import toy
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.distributed import Processes, join
tower, anchors, label = toy()
wrap, travelled = Processes.wrap, []
def hook(state, bucket):
    travelled.append(bucket.index())
    return allreduce_hook(state, bucket)
def counted(me, module):
    wrapped = wrap(me, module)
    if me.count > 1:
        wrapped.register_comm_hook(None, hook)
    return wrapped
Processes.wrap = counted
align(tower, anchors, label, AlignConfig(loss="{loss}", epochs=3, batch_size={size}, accumulate=3, lr=1e-2,
      gather=True, schedule="cosine"), Path({out!r}))
assert travelled.count(0) == (2 if join("cpu").count > 1 else 0), travelled
join("cpu").leave()
"""
    run_alone_and_in_a_group(
        code.format(size=32, loss="supcon", out=str(tmp_path / "one")),
        code.format(size=16, loss="supcon", out=str(tmp_path / "two")),
    )
    one, two = (load(tmp_path / n / "last.safetensors")[0] for n in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-5), name


def test_the_command_in_two_processes_decodes_once_and_writes_and_says_once(tmp_path, world):
    anchor = BUILT_IN / "mini/taxabind-vit-b-16"
    code = """
import sys
sys.argv = ["prom3e-index", "train", "align", "loc", {table!r}, "--out", {out!r}, "--init", {init!r}, "--anchor", {anchor!r},
            "--epochs", "2", "--batch-size", {size!r}, "--accumulate", "1", "--gather"]
sys.stdout = open({out!r} + ".said", "a", buffering=1)
from prom3e_index.cli.app import main
main()
"""
    fill = dict(
        table=str(world / "observations.csv"), init=str(RECIPE / "ecogeo"), anchor=str(anchor)
    )
    run_alone_and_in_a_group(
        code.format(out=str(tmp_path / "one"), size="16", **fill),
        code.format(out=str(tmp_path / "two"), size="8", **fill),
    )
    said = [(tmp_path / f"{n}.said").read_text() for n in ("one", "two")]
    assert said[0].count("rows with photo and loc") == said[1].count("rows with photo and loc") == 1
    logs = [list(csv.DictReader((tmp_path / n / "run/log.csv").open())) for n in ("one", "two")]
    assert [r["step"] for r in logs[0]] == [r["step"] for r in logs[1]]
    # each process draws its own random places, so the losses are near, not equal
    assert float(logs[0][-1]["loss"]) == pytest.approx(float(logs[1][-1]["loss"]), rel=0.2)
    assert (tmp_path / "two/model.safetensors").is_file()
