"""What was removed, replaced or added by a slip is undone by `restore`, and much is not removed without a question."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from changes import answers, ids_of, manifest_of, places, quiet, rewrite_manifest, sound
from conftest import ROOT

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import merge
from prom3e_index.indexer.certify import is_stale
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import strays
from prom3e_index.indexer.relocate import relocate
from prom3e_index.indexer.removal import removal
from prom3e_index.indexer.restore import restore
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle


def take(index: Path, table: str, update: bool = False) -> None:
    add(index, BuildConfig(table=table, out=index, workers=1), quiet, update)


def held(index: Path, at: int | None = None) -> set:
    bundle = Bundle.open(index, at=at)
    return {*bundle.sql("SELECT id, latitude, scientific_name FROM observations")}


def test_every_generation_can_be_gone_back_to_and_that_undone(index, tmp_path, fast, monkeypatch):
    """Add, remove, update, joined segments: each state comes back as it was, in whatever order."""
    monkeypatch.setattr(merge, "MOST", 2)
    take(index, places(tmp_path / "n.csv", ["n1", "n2", "n3"]))
    remove(index, None, ["a0", "n2"], quiet)
    take(index, places(tmp_path / "u.csv", ["a1", "n1"], 3.0, "Corvus corax"), True)
    take(index, places(tmp_path / "m.csv", ["m1"]))
    remove(index, Filter(where="1 = 1"), None, quiet)
    states = {g: held(index, g) for g in range(1, 7)}
    found = answers(Bundle.open(index, at=5), ["loc"])
    assert len(states[6]) == 0 and len(states[5]) == 26
    for at in (5, 1, 6, 3, 2):
        before = held(index)
        done = restore(index, at, quiet)
        assert held(index) == states[at]
        assert done.manifest["generation"] == done.manifest["history"][-1]["generation"]
        now = Bundle.open(index)
        assert manifest_of(index)["counts"]["observations"] == now.rows == len(states[at])
        assert at != 5 or answers(now, ["loc"]) == found
        # whatever has another name or another place is another row; places differ where rows do, here
        assert (done.back, done.gone) == (
            len(states[at] - before), len(before - states[at]),
        )  # fmt: skip
    assert sound(now) and not strays(index)
    take(index, places(tmp_path / "x.csv", ["x1", "n2"]))
    assert ids_of(Bundle.open(index)) == {r[0] for r in states[2]} | {"x1"}
    assert held(index, 5) == states[5]
    with pytest.raises(InputError, match="is generation 12 already"):
        restore(index, 12, quiet)
    with pytest.raises(BundleError, match="no generation 13 to look at"):
        restore(index, 13, quiet)
    compact(index, quiet)
    with pytest.raises(BundleError, match="no generation 5 to look at; there are 13"):
        restore(index, 5, quiet)
    assert ids_of(Bundle.open(index)) == {r[0] for r in states[2]} | {"x1"}


def test_rows_that_were_restored_are_not_lost_by_a_later_repair(index, tmp_path, fast):
    """What an abandoned generation had removed is not removed when the list of removed rows must be guessed."""
    remove(index, None, ["a3"], quiet)
    remove(index, None, ["a4", "a5"], quiet)
    take(index, places(tmp_path / "n.csv", ["n1"]))
    restore(index, 2, quiet)
    take(index, places(tmp_path / "m.csv", ["m1", "m2"]))
    remove(index, None, ["m1"], quiet)
    bitmap = index / manifest_of(index)["deleted"]["file"]
    bitmap.write_bytes(np.zeros(200, np.uint8).tobytes())
    compact(index, quiet, action="rebuild", accept_removed_rows=True)
    assert ids_of(Bundle.open(index)) == {f"a{i}" for i in range(24) if i != 3} | {"m1", "m2"}


def test_going_back_is_no_change_of_what_was_certified(index, fast):
    remove(index, Filter(where="row < 20"), None, quiet)
    assert is_stale(manifest_of(index))
    restore(index, 1, quiet)
    assert not is_stale(manifest_of(index))
    remove(index, Filter(where="row < 2"), None, quiet)
    assert not is_stale(manifest_of(index))  # 2 of 24; the 20 before are undone
    remove(index, Filter(where="row = 2"), None, quiet)
    assert is_stale(manifest_of(index))


def test_media_stay_where_they_are_noted_to_be_now(bundle_path, world, tmp_path, fast):
    shutil.copytree(bundle_path, tmp_path / "i.p3i")
    remove(tmp_path / "i.p3i", Filter(where="row = 0"), None, quiet)
    shutil.copytree(world, tmp_path / "moved")
    relocate(tmp_path / "i.p3i", tmp_path / "moved", quiet)
    restore(tmp_path / "i.p3i", 1, quiet)
    m = manifest_of(tmp_path / "i.p3i")
    assert m["rows"] == 60 and m["segments"][0]["media"] == str(tmp_path / "moved")
    assert m["source"]["media"] == str(tmp_path / "moved")


def test_an_index_of_the_first_format_is_restored(tmp_path, fast):
    shutil.copytree(Path(__file__).parent / "bundles" / "v1", tmp_path / "i.p3i")
    ids = ids_of(Bundle.open(tmp_path / "i.p3i"))
    remove(tmp_path / "i.p3i", Filter(where="1 = 1"), None, quiet)
    assert ids_of(Bundle.open(tmp_path / "i.p3i")) == set()
    restore(tmp_path / "i.p3i", 1, quiet)
    assert ids_of(Bundle.open(tmp_path / "i.p3i")) == ids and ids


@pytest.mark.parametrize(
    "where, rows", [("false", 0), ("row < 2", 2), ("row < 3", 3), ("1 = 1", 24)]
)
def test_what_would_be_removed_is_said_and_left(index, command, where, rows):
    before = {p: p.read_bytes() for p in index.rglob("*") if p.is_file()}
    code, out, _ = command("remove", "--where", where, "--dry-run", "-i", index)
    assert code == 0
    if rows:
        assert f"{rows} of 24 observations ({rows / 24:.1%} of the index)" in out
        assert "a0  Pica pica" in out and ("more rows" in out) is (rows > 5)
    else:
        assert "nothing would be removed" in out
    assert {p: p.read_bytes() for p in index.rglob("*") if p.is_file()} == before
    assert len(removal(index, Filter(where=where), None).rows) == rows


def test_much_is_removed_after_a_question_only(index, command, fast):
    """Two of 24 are less than a tenth, three are more."""
    words = ("remove", "-i", index, "--where")
    for answer in (None, "", "n\n", "\n", "perhaps\n"):
        code, out, err = command(*words, "row < 3", answer=answer)
        assert code == (2 if answer is None else 1) and manifest_of(index)["generation"] == 1
        assert ("--yes" in err) is (answer is None) and "nothing was changed" in err
        assert "3 of 24 observations (12.5% of the index)" in err
    code, out, _ = command(*words, "row < 2")
    assert code == 0 and "2 removed" in out and f"restore --at 1 --index {index}" in out
    code, out, err = command(*words, "row < 6", answer="y\n")
    assert code == 0 and "[y/N]" in err and "4 removed" in out
    assert command(*words, "1 = 1", "--yes")[0] == 0
    assert Bundle.open(index).rows == 0
    code, out, _ = command("restore", "--at", 1, "-i", index)
    assert code == 0 and out.startswith("24 rows back, 0 rows gone: as in generation 1")
    assert "restore  +24 −0 (as generation 1)" in command("history", "-i", index)[1]
    code, out, _ = command("compact", "-i", index)
    assert code == 0 and "generations 1 to 5 can no longer be looked at or restored" in out


def test_ids_of_a_dry_run_that_nobody_has_are_said(index, command, tmp_path):
    (tmp_path / "ids").write_text("a1\nnobody\n")
    code, out, err = command("remove", "--ids", tmp_path / "ids", "--dry-run", "-i", index)
    assert code == 1 and "1 of 24 observations" in out and "'nobody'" in err


def test_what_was_looked_at_is_what_is_removed(index, tmp_path, fast):
    """A change between the look and the removal is not passed over."""
    seen = removal(index, Filter(where="1 = 1"), None)
    take(index, places(tmp_path / "n.csv", ["n1"]))
    with pytest.raises(
        BundleError, match="became generation 2 of .* after generation 1 of .* was looked at"
    ):
        remove(index, Filter(where="1 = 1"), None, quiet, seen)
    assert Bundle.open(index).rows == 25


def test_an_index_that_was_built_anew_is_not_the_one_that_was_looked_at(index):
    """Every build is generation 1; which build it is, its time says."""
    seen = removal(index, Filter(where="1 = 1"), None)
    rewrite_manifest(index, created="2031-01-01T00:00:00+00:00")
    with pytest.raises(BundleError, match=r"generation 1 of 2031.*nothing was removed"):
        remove(index, Filter(where="1 = 1"), None, quiet, seen)
    assert Bundle.open(index).rows == 24


def test_a_predicate_on_an_empty_column_is_told_so(index, command):
    for words in (("--dry-run",), ()):
        code, out, _ = command(
            "remove", "--index", index, "--where", "species = 'Parus major'", *words
        )
        assert code == 0 and "the column species is empty in every observation" in out
    code, out, _ = command("remove", "--index", index, "--where", "latitude > 400", "--dry-run")
    assert code == 0 and "is empty" not in out


def test_commands_that_are_told_can_be_typed_whatever_the_folder_is_called(index, tmp_path):
    """A space, a quote, a dollar sign and a letter that is not English: each told command runs in a shell as it stands."""
    place = tmp_path / "Vögel o'Hara $HOME"
    place.mkdir()
    own = shutil.copytree(index, place / "i d.p3i")
    table = places(place / "n w.csv", ["n1", "a1"], 2.0)

    def run(command: str) -> str:
        typed = command.replace(
            "prom3e-index", f"{shlex.quote(sys.executable)} -m prom3e_index.cli.app"
        )
        done = subprocess.run(["/bin/sh", "-c", typed], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    before = held(own)
    said = run(f"prom3e-index add {shlex.quote(table)} --index {shlex.quote(str(own))}")
    update = re.search(r"prom3e-index update .*", said)
    assert update is not None and ids_of(Bundle.open(own)) == {*ids_of(Bundle.open(index)), "n1"}
    undo = re.search(r"undo: (prom3e-index restore .*), until compact", run(update[0]))
    assert undo is not None and held(own) != before
    run(undo[1])
    assert held(own, 1) == before and {k for k, _, _ in held(own)} == {
        *(k for k, _, _ in before),
        "n1",
    }
