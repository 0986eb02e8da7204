"""An index and its model move together or apart: found again beside each other, else by an option that the error names."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from changes import Heard, ids_of, manifest_of, places, quiet, rewrite_manifest

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.bundle.model_place import found_again, model_of
from prom3e_index.errors import MismatchError, ModelError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.relocate import media_there, relocate, relocate_model
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

ASK = Query(location=(1, 2), target="loc", k=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index, its model and its climate raster in one folder, built from there."""
    disk = tmp_path_factory.mktemp("models") / "disk"
    shutil.copytree(BUILT_IN / "mini", disk / "models/own")
    np.save(disk / "climate.npy", np.zeros((4, 8, 20), np.float32))
    table = places(disk / "t.csv", ["a1", "a2", "a3"])
    build(BuildConfig(
        table=table, out=disk / "x/i.p3i", model=str(disk / "models/own"), hub=None, climate=disk / "climate.npy",
    ))  # fmt: skip
    return disk


@pytest.fixture
def moved(made, tmp_path):
    """The same on another disk, and nothing where it was."""
    shutil.copytree(made, tmp_path / "other/disk")
    away = made.rename(made.with_name("away"))
    yield tmp_path / "other/disk"
    away.rename(made)


def found(index: Path, **more) -> list[str]:
    return [h.fields["id"] for h in Bundle.open(index, **more).search(ASK).hits]


def test_moved_together_everything_works_and_grows(moved):
    index = moved / "x/i.p3i"
    assert len(found(index)) == 3
    done = add(
        index, BuildConfig(table=places(moved / "n.csv", ["b"]), out=index, workers=1), quiet
    )
    assert (
        done.added == 1 and done.lost == 0 and ids_of(Bundle.open(index)) == {"a1", "a2", "a3", "b"}
    )
    assert manifest_of(index)["observed"]["env"] == 4  # the raster too


def test_what_is_taken_from_beside_an_index_is_said(made, moved):
    index = moved / "x/i.p3i"
    said = f"the model beside the index is used, {moved / 'models/own'}: {made / 'models/own'} is not there"
    answer = Bundle.open(index).search(ASK)
    assert answer.notes.count(said) == 1
    named = Bundle.open(index, model=moved / "models/own").search(ASK)
    assert not [n for n in named.notes if "beside" in n]
    heard = Heard()
    add(index, BuildConfig(table=places(moved / "n.csv", ["b"]), out=index, workers=1), heard)
    assert heard.count(said) == 1


@pytest.mark.parametrize("name, seen", [
    ("/nowhere/own", "{disk}/models/own"), ("/nowhere/own", "../i.p3i/own"), ("/nowhere/own", "own"), ("/nowhere/own", "./own"),
    ("/nowhere/own", "../link"), ("/nowhere/own", "../../../disk/models/own"), ("/nowhere/own", "../x/../i.p3i/own"),
    ("{disk}/x/i.p3i/own", None), ("{disk}/x/link", None), ("models/own", None), ("./models/own", "../nothing"),
    ("x/builtin/own", None),
])  # fmt: skip
def test_an_index_names_no_model_within_it_nor_anywhere(moved, monkeypatch, name, seen):
    """What an archive of an index brings, or what lies somewhere on this computer, is not opened unasked."""
    index = moved / "x/i.p3i"
    shutil.copytree(moved / "models/own", index / "own")
    (moved / "x/link").symlink_to(index / "own")
    monkeypatch.chdir(moved)
    filled = [v and v.format(disk=moved) for v in (name, seen)]
    model = manifest_of(index)["model"]
    rewrite_manifest(index, model=model | {"name": filled[0], "beside": filled[1]})
    with pytest.raises(ModelError, match="model=FOLDER"):
        Bundle.open(index).model()
    hub = {"name": "mini", "beside": None, "hub": filled[0], "hub_beside": filled[1]}
    assert found_again(index, *filled) is None
    assert model_of({"model": hub}, index).hub is None


def test_moved_apart_the_error_names_the_option_and_the_option_serves(moved, command, tmp_path):
    index, own = moved / "x/i.p3i", tmp_path / "elsewhere"
    shutil.move(moved / "models/own", own)
    table, place = places(moved / "n.csv", ["b"]), ("-i", index)
    commands = (
        ("query", "--location", "1,2", "-t", "loc", *place), ("add", table, *place), ("update", table, *place),
        ("compact", *place), ("rebuild", *place), ("certify", *place), ("verify", *place),
    )  # fmt: skip
    with pytest.raises(ModelError, match="not where it was.*model=FOLDER"):
        Bundle.open(index).model()
    for words in commands[:5]:
        code, _, err = command(*words)
        assert code == 2 and "--model FOLDER" in err and len(err.splitlines()) == 1, words
    assert len(found(index, model=own)) == 3
    assert command("verify", *place, "-m", own, "--sample", 2)[0] == 0
    assert command(*commands[0], "--model", own)[0] == 0
    code, out, _ = command("add", table, *place, "--model", own, "--workers", 1)
    assert code == 0 and "1 added" in out
    assert manifest_of(index)["model"]["name"] == str(own) and len(found(index)) == 3
    shutil.move(own, tmp_path / "again")
    code, out, _ = command("relocate", *place, "--model", tmp_path / "again")
    assert code == 0 and f"model: {tmp_path / 'again'}" in out and len(found(index)) == 3
    shutil.move(tmp_path / "again", tmp_path / "third")
    assert command("compact", *place, "-m", tmp_path / "third")[0] == 0 and len(found(index)) == 3


def test_another_model_is_not_taken_for_it(moved, tmp_path):
    index, own = moved / "x/i.p3i", moved / "models/own"
    text = (own / "model.toml").read_text()
    shutil.copytree(own, tmp_path / "changed")
    assert 'decode = "mean"' in text
    text = text.replace('decode = "mean"', 'decode = "expectation"')
    (tmp_path / "changed/model.toml").write_text(text)
    for run in (
        lambda: relocate_model(index, str(tmp_path / "changed"), None, quiet),
        lambda: Bundle.open(index, model=tmp_path / "changed").model(),
        lambda: add(index, BuildConfig(table=places(moved / "n.csv", ["b"]), out=index, model=str(tmp_path / "changed")), quiet),
    ):  # fmt: skip
        with pytest.raises(MismatchError, match="is not the one that .* built"):
            run()
    assert manifest_of(index)["generation"] == 1


def test_a_built_in_model_is_noted_by_name(index):
    noted = manifest_of(index)["model"]
    assert (noted["name"], noted["beside"]) == ("mini", None)


def test_nothing_to_relocate_is_said(index, command):
    code, _, err = command("relocate", "-i", index)
    assert code == 2 and "--media FOLDER, --model FOLDER or --hub DIR" in err


@pytest.fixture
def two_folders(world, tmp_path, fast):
    """An index of rows from two folders, compacted, on a disk of its own."""
    with (world / "observations.csv").open(newline="") as f:
        rows = [r for r in csv.DictReader(f) if r["image"]][:4]
    disk = tmp_path / "disk"
    for i, part in enumerate((rows[:2], rows[2:])):
        folder = disk / f"f{i}"
        folder.mkdir(parents=True)
        lines = ["id,image"]
        for r in part:
            shutil.copy(world / r["image"], folder / f"{r['occurrenceID']}.png")
            lines.append(f"{r['occurrenceID']},{r['occurrenceID']}.png")
        (folder / "t.csv").write_text("\n".join(lines) + "\n")
    index = disk / "i.p3i"
    build(BuildConfig(table=str(disk / "f0/t.csv"), out=index, model="mini"))
    add(index, BuildConfig(table=str(disk / "f1/t.csv"), out=index, workers=1), quiet)
    compact(index, quiet)
    assert len(manifest_of(index)["segments"]) == 1
    return disk


def test_compacted_rows_of_several_folders_move_with_their_index(two_folders, tmp_path, fast):
    assert media_there(Bundle.open(two_folders / "i.p3i"))[:2] == (4, 4)
    shutil.move(two_folders, tmp_path / "moved")
    index = tmp_path / "moved/i.p3i"
    assert media_there(Bundle.open(index))[:2] == (4, 4)
    remove(index, Filter(where="row = 0"), None, quiet)
    compact(index, quiet)  # once more: the folders are still known
    assert media_there(Bundle.open(index))[:2] == (3, 3)
    shutil.move(tmp_path / "moved/f1", tmp_path / "far")
    assert media_there(Bundle.open(index))[:2] == (1, 3)
    done = relocate(index, tmp_path / "far", quiet)
    assert (done.there, done.looked_at) == (2, 2)
    assert media_there(Bundle.open(index))[:2] == (3, 3)
    hits = (
        Bundle.open(index)
        .search(Query(location=(0, 0), target="image", k=3, observed_only=True))
        .hits
    )
    assert sorted(str(Path(h.media).parent.name) for h in hits) == ["f0", "far", "far"]


@pytest.mark.parametrize("cell, found", [
    ("/b/x.jpg", "{here}/b2/x.jpg"), ("/c/x.jpg", "/c/x.jpg"), ("x.jpg", "{here}/a2/x.jpg"), ("/a/x.jpg", "{here}/a2/x.jpg"),
    ("/bb/x.jpg", "/bb/x.jpg"), ("https://x.org/b/x.jpg", "https://x.org/b/x.jpg"),
])  # fmt: skip
def test_a_whole_path_is_looked_for_in_the_folder_it_names(tmp_path, cell, found):
    for name in ("a2", "b2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").touch()
    entry = {"media": "/a", "beside": "../a2", "folders": [{"media": "/b", "beside": "../b2"}]}
    folders = MediaFolders(entry, tmp_path / "i.p3i")
    assert folders.file(cell) == found.format(here=tmp_path)
