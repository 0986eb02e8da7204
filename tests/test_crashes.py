"""What a crash may leave: the old generation or the new one, whole."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from changes import answers, ids_of, places, quiet, sound, state_of
from faults import faults

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError
from prom3e_index.indexer import merge
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import strays
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


def operations(tmp_path):
    """Each change: what comes before it, and the change."""
    new = [*(f"a{i}" for i in range(20, 24)), "n1", "n2"]
    table = places(tmp_path / "new.csv", new, shift=2)
    config = BuildConfig(table=table, out=tmp_path / "i.p3i", workers=1, model="mini")
    first = BuildConfig(
        table=places(tmp_path / "first.csv", ["m"]), out=tmp_path, workers=1, model="mini"
    )
    return {
        "update and join": (
            lambda i: add(i, first, quiet),
            lambda i: add(i, config, quiet, update=True),
        ),
        "remove": (lambda i: None, lambda i: remove(i, Filter(where="id = 'a2'"), None, quiet)),
        "compact": (
            lambda i: remove(i, Filter(where="id = 'a1'"), None, quiet),
            lambda i: compact(i, quiet),
        ),
    }


@pytest.mark.parametrize("name", ["update and join", "remove", "compact"])
def test_a_failure_at_every_write_loses_nothing(base, tmp_path, fast, monkeypatch, name):
    """At every file operation and fsync, and before and after DuckDB, FAISS and the certificate.

    A crash leaves what lies there at that moment: one run is copied before each operation that finds the index's own
    folder changed. An error is raised at each operation in that folder, and at every twelfth of the others.
    """
    monkeypatch.setattr(merge, "MOST", 2)
    before, run = operations(tmp_path)[name]
    prepared, index = tmp_path / "prepared.p3i", tmp_path / "i.p3i"
    shutil.copytree(base, prepared)
    before(prepared)
    unchanged = bytes_of(prepared)

    def clear():
        for path in tmp_path.glob("i.p3i*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def fresh():
        clear()
        shutil.copytree(prepared, index, copy_function=os.link)  # files are never written again
        gc.collect()  # a process that was killed holds no database open

    left: dict[int, Path] = {}
    seen = []

    def keep(at):
        state = bytes_of(index)
        if at % 12 and seen[-1:] == [state]:
            return
        seen.append(state)
        left[at] = tmp_path / "left" / str(at)
        for path in tmp_path.glob("i.p3i*"):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            left[at].mkdir(parents=True, exist_ok=True)
            copy(path, left[at] / path.name)

    gc.freeze()
    fresh()
    old = state_of(Bundle.open(index))
    with faults(
        index, before=keep
    ) as watch:  # a crash while reading leaves what the last write left
        run(index)
    new = state_of(Bundle.open(index))
    points = [
        at for at, path in enumerate(watch.paths, 1)
        if at % 12 == 0 or path.startswith(f"{index}/")
    ]  # fmt: skip
    assert len(points) > 10 <= len(left) and old != new  # crashes that leave the same are one

    def check(number, at, error, failed=True):
        bundle = Bundle.open(index)
        state = bundle.manifest["generation"], ids_of(bundle)
        assert state in (old[:2], new[:2]) if failed else state == new[:2], (at, error)
        assert failed or error == "ENOSPC", at
        assert number % 5 or state_of(bundle) in (old, new), (at, error)
        assert number % 25 or sound(bundle, but=("files",)), (at, error)
        if number % 25 == 24:  # the same command goes on where it stopped, and clears what was left
            run(index)
            assert ids_of(Bundle.open(index)) == new[1] and not strays(index), (at, error)
        return "old" if state == old[:2] else "new"

    kept = {"old": 0, "new": 0}
    for number, (at, folder) in enumerate(left.items()):
        clear()
        for path in folder.iterdir():
            path.rename(tmp_path / path.name)
        kept[check(number, at, "killed")] += 1
    for number, at in enumerate(points):
        if number % 2 == 0:
            continue
        fresh()
        failed = True
        with faults(index, at, "ENOSPC"), suppress(OSError, BundleError):
            run(index)
            failed = False  # as when a folder cannot be made that is there already
        kept[check(number, at, "ENOSPC", failed)] += 1
    assert kept["old"] and sum(kept.values()) == len(left) + len(points) // 2
    assert bytes_of(prepared) == unchanged
    sys.stderr.write(f"\n{name}: {len(left)} crashes, {len(points) // 2} errors, {kept}\n")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


_CHANGER = """
import os, sys
from pathlib import Path
from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.certify import cross_modal
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
for m in Model.open("mini").modalities: Model.open("mini").encoder(m)
index, table = Path(sys.argv[1]), sys.argv[2]
quiet = lambda *_: None
while sys.stdin.readline():
    child = os.fork()
    if not child:
        add(index, BuildConfig(table=table, out=index, model="mini"), quiet)
        remove(index, Filter(where="id = 'a2'"), None, quiet)
        compact(index, quiet)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until it was killed, its number is nobody else's
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def test_sigkill_at_random_moments(base, tmp_path):
    """Changes in processes that are forked from one which has loaded what they need, four of them killed."""
    index, rng = tmp_path / "i.p3i", np.random.default_rng(11)
    table = places(tmp_path / "n.csv", [f"n{i}" for i in range(8)])
    first = {f"a{i}" for i in range(24)}
    grown = first | {f"n{i}" for i in range(8)}
    with subprocess.Popen(
        [sys.executable, "-c", _CHANGER, str(index), table], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as changer:  # fmt: skip

        def tell(word):
            changer.stdin.write(word + "\n")
            changer.stdin.flush()
            return changer.stdout.readline()

        for most in (1, 2, 4, 8):
            for path in tmp_path.glob("i.p3i*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(base, index)
            child = int(tell("change"))
            time.sleep(float(rng.uniform(0, most)))
            os.kill(child, signal.SIGKILL)
            assert tell("killed") == "gone\n"
            bundle = Bundle.open(index)
            assert ids_of(bundle) in (first, grown, grown - {"a2"})
            assert sound(bundle, but=("files",))
            add(index, BuildConfig(table=table, out=index, model="mini"), quiet)
            assert ids_of(Bundle.open(index)) in (grown, grown - {"a2"}) and not strays(index)


@pytest.mark.parametrize("whole", [False, True])
def test_a_half_made_plan_is_begun_anew_and_a_damaged_whole_one_said(index, tmp_path, fast, whole):
    table = places(tmp_path / "n.csv", ["n1"])
    with pytest.raises(ZeroDivisionError):  # stopped after its plan
        add(
            index,
            BuildConfig(table=table, out=index, model="mini"),
            lambda stage, *_: stage == "read" or 1 / 0,
        )
    work = Path(str(index) + ".adding")
    (work / "plan.duckdb").write_bytes(b"cut off")
    if whole:
        with pytest.raises(BundleError, match="plan.duckdb is damaged.*restart=True"):
            add(index, BuildConfig(table=table, out=index, model="mini"), quiet)
    else:
        (work / "planned.json").unlink(missing_ok=True)
    done = add(index, BuildConfig(table=table, out=index, restart=whole, model="mini"), quiet)
    assert done.added == 1 and sound(Bundle.open(index))


def test_reading_writes_nothing_and_a_read_only_index_says_so(index, fast):
    with faults(index, 1, "EROFS"):
        bundle = Bundle.open(index)
        assert answers(bundle) and sound(bundle)
        with pytest.raises(OSError, match="Read-only file system"):
            remove(index, Filter(where="true"), None, quiet)
    assert answers(Bundle.open(index)) == answers(bundle)
