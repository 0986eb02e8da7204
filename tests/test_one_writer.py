"""An index has one writer at a time, by whatever name it is reached."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from changes import ids_of, manifest_of, places, quiet, sound

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

_REMOVER = """
import sys, time
from pathlib import Path
from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError
from prom3e_index.indexer import change
from prom3e_index.indexer.change import remove
change.is_stale = lambda *_: False  # measuring anew is slow, and no part of this
index, rows = Path(sys.argv[1]), [int(n) for n in sys.argv[2].split(",")]
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
refused = 0
for row in rows:
    while True:
        try:
            remove(index, Filter(where=f"id = 'a{row}'"), None, lambda *_: None)
            break
        except BundleError as e:
            assert "is being changed by" in str(e), e
            refused += 1
            time.sleep(0.003)
sys.stdout.write(f"refused {refused}\\n")
"""


def names_of(index: Path) -> list[Path]:
    """One index by several names."""
    parent = index.parent
    (parent / "link.p3i").symlink_to(index.name)
    (parent / "again.p3i").symlink_to(parent / "link.p3i")
    (parent / "folder").symlink_to(parent)
    return [
        parent / "link.p3i",
        parent / "again.p3i",
        parent / "folder" / "i.p3i",
        parent / "folder" / ".." / parent.name / "again.p3i",
    ]


def test_writers_by_two_names_wait_for_each_other(index):
    """Two processes remove different rows, many times, one of them through a link."""
    link = names_of(index)[0]
    work = {index: range(0, 5), link: range(5, 10)}
    running = [
        subprocess.Popen([sys.executable, "-c", _REMOVER, str(name), ",".join(map(str, rows))],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, rows in work.items()
    ]  # fmt: skip
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:  # both at once
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=200) for process in running]
    assert [p.returncode for p in running] == [0, 0], said
    bundle = Bundle.open(index)
    assert ids_of(bundle) == {f"a{i}" for i in range(10, 24)}
    assert bundle.manifest["generation"] == 11
    assert sum(h["removed"] for h in bundle.manifest["history"]) == 10
    assert sorted(Bundle.open(index, at=g).rows for g in range(1, 12)) == list(range(14, 25))
    assert [p.name for p in index.parent.glob("*.lock")] == [] and not (index / ".lock").exists()


def test_every_name_meets_the_same_lock(index, monkeypatch):
    monkeypatch.chdir(index)
    names = [index, *names_of(index), Path(), Path("../i.p3i"), Path("../folder/i.p3i")]
    for held in names:
        with locked(held, "compact"):
            for other in names:
                with pytest.raises(
                    BundleError, match=f"prom3e-index compact, process {os.getpid()}"
                ):
                    remove(other, Filter(where="true"), None, quiet)
    assert Bundle.open(index).rows == 24


def test_a_folder_reached_by_a_name_that_is_no_link_has_one_lock(index, tmp_path):
    """As through a mount: another parent, the same folder. The lock in the folder is the one that holds."""
    with locked(index, "add"):
        (held,) = index.parent.glob("i.p3i.lock")
        held.unlink()  # what another parent would not have
        with pytest.raises(BundleError, match="is being changed by prom3e-index add"):
            remove(index, Filter(where="true"), None, quiet)
    assert remove(index, Filter(where="row = 0"), None, quiet).removed == 1


def test_an_index_is_changed_from_inside_its_folder(index, tmp_path, fast, monkeypatch):
    monkeypatch.chdir(index)
    table = places(tmp_path / "n.csv", ["n1"])
    assert add(Path(), BuildConfig(table=table, out=Path(), model="mini"), quiet).added == 1
    assert remove(Path(), Filter(where="id = 'a1'"), None, quiet).removed == 1
    compact(Path(), quiet)
    monkeypatch.chdir(tmp_path)
    assert ids_of(Bundle.open(index)) == {*(f"a{i}" for i in range(24)), "n1"} - {"a1"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.p3i", "n.csv"]


def test_a_build_waits_for_writers_and_they_for_it(index, tmp_path):
    link = names_of(index)[0]
    table = places(tmp_path / "n.csv", ["n1"])
    with locked(index, "remove"), pytest.raises(BundleError, match="is being changed by"):
        build(BuildConfig(table=table, out=link, overwrite=True, model="mini"))
    with locked(link, "build"), pytest.raises(BundleError, match="changed by prom3e-index build"):
        compact(index, quiet)
    assert manifest_of(index)["generation"] == 1


def test_a_lock_dies_with_its_process(index):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom prom3e_index.indexer.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'add'):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(index)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(BundleError, match=f"prom3e-index add, process {child.pid}"):
        remove(index, Filter(where="row = 0"), None, quiet)
    child.kill()
    child.wait()
    time.sleep(0.01)
    assert remove(index, Filter(where="row = 0"), None, quiet).removed == 1
    assert sound(Bundle.open(index), but=("gallery follows from embeddings",))


def test_what_vanishes_between_two_looks_is_no_pipe(tmp_path, monkeypatch):
    """A change beside renames `manifest.json.new`: a second look at it finds nothing."""
    from prom3e_index.bundle.own_files import refuse_links

    (tmp_path / "manifest.json.new").write_text("{}")
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    refuse_links(tmp_path)
    monkeypatch.undo()
    (tmp_path / "manifest.json.new").unlink()
    os.mkfifo(tmp_path / "manifest.json.new")
    with pytest.raises(BundleError, match="pipe, socket or device"):
        refuse_links(tmp_path)
