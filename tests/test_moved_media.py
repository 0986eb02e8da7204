"""Photos and recordings that have moved: with the index they are found again, elsewhere by --media or relocate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from changes import quiet
from processes import program

from prom3e_index import Bundle, Query
from prom3e_index.bundle.media_folders import MediaFolders, beside
from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.relocate import media_there, relocate
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig

ASK = Query(location=(1, 2), target="image", k=9, observed_only=True)


@pytest.fixture(scope="module")
def built(world, tmp_path_factory) -> Path:
    """An index beside the folder of its world: 12 of its rows, one of them by its whole path."""
    folder = tmp_path_factory.mktemp("moved") / "disk"
    shutil.copytree(world, folder / "w")
    lines = (folder / "w/observations.csv").read_text().splitlines()
    at = next(i for i, line in enumerate(lines[1:], 1) if "photos/" in line)
    lines[at] = lines[at].replace("photos/", f"{folder}/w/photos/")
    (folder / "w/some.csv").write_text("\n".join(lines[:14]) + "\n")
    build(BuildConfig(table=str(folder / "w/some.csv"), out=folder / "i.p3i", model="mini"))
    return folder


@pytest.fixture
def disk(built, tmp_path):
    """The same on another disk, and nothing where it was."""
    shutil.copytree(built, tmp_path / "disk")
    away = built.rename(built.with_name("away"))
    yield tmp_path / "disk"
    away.rename(built)


def files(bundle) -> list[str]:
    return [h.media for h in bundle.search(ASK).hits]


def test_where_they_were_nothing_changes(built):
    found = files(Bundle.open(built / "i.p3i"))
    assert len(found) > 5 and all(Path(f).is_absolute() and Path(f).is_file() for f in found)
    assert not any("relocate" in n for n in Bundle.open(built / "i.p3i").search(ASK).notes)


def test_an_index_moved_together_with_its_files_finds_them(disk):
    found = files(Bundle.open(disk / "i.p3i"))
    assert all(f.startswith(f"{disk}/w/") and Path(f).is_file() for f in found)


def test_moved_elsewhere_is_said_and_mended_by_media(disk, built, tmp_path):
    shutil.move(disk / "w", tmp_path / "photos elsewhere")
    bundle = Bundle.open(disk / "i.p3i")
    (note,) = [n for n in bundle.search(ASK).notes if "relocate" in n]
    assert note.startswith("none of the") and f"{built}/w/photos/" in note
    again = Bundle.open(disk / "i.p3i", media=tmp_path / "photos elsewhere")
    assert all(
        f.startswith(str(tmp_path / "photos elsewhere")) and Path(f).is_file() for f in files(again)
    )
    run = program("query", "-i", disk / "i.p3i", "--location", "1,2", "-t", "image", "-f", "json", "--observed-only",
                  "--media", tmp_path / "photos elsewhere", "-k", 3)  # fmt: skip
    hits = json.loads(run.stdout)["hits"]
    assert ["photos elsewhere" in h["media"] for h in hits] == [True] * 3
    for words in (("info",), ("info", "--media", tmp_path / "photos elsewhere")):
        said = program(*words, "-i", disk / "i.p3i").stdout
        assert ("files looked for 0 are there" in said) is (len(words) == 1)


def test_relocate_is_a_change_that_is_kept(disk, tmp_path):
    elsewhere = tmp_path / "e"
    shutil.move(disk / "w", elsewhere)
    with pytest.raises(InputError, match="None of the files"):
        relocate(disk / "i.p3i", tmp_path, quiet)
    assert Bundle.open(disk / "i.p3i").manifest["generation"] == 1
    done = relocate(disk / "i.p3i", elsewhere, quiet)
    assert done.there == done.looked_at > 5
    bundle = Bundle.open(disk / "i.p3i")
    assert bundle.manifest["generation"] == 2
    assert bundle.manifest["history"][-1]["action"] == "relocate"
    kept = files(bundle)
    assert all(Path(f).is_file() for f in kept)
    assert media_there(bundle)[0] == done.there
    checks = {c.name: c for c in verify(bundle, sample=5)}
    assert checks["re-encode image"].ok and checks["re-encode image"].compared
    compact(disk / "i.p3i", quiet)
    assert files(Bundle.open(disk / "i.p3i")) == kept
    shutil.move(tmp_path / "e", tmp_path / "f")
    assert program("relocate", "-i", disk / "i.p3i", "--media", tmp_path / "f").returncode == 0
    assert all("/f/" in f for f in files(Bundle.open(disk / "i.p3i")))


def test_rows_added_from_another_folder_stay_where_they_are(disk, world, tmp_path):
    shutil.copytree(world, tmp_path / "more")
    lines = (tmp_path / "more/observations.csv").read_text().splitlines()
    (tmp_path / "more/late.csv").write_text("\n".join([lines[0], *lines[20:30]]) + "\n")
    config = BuildConfig(table=str(tmp_path / "more/late.csv"), out=disk / "i.p3i")
    add(disk / "i.p3i", config, quiet)
    shutil.move(disk / "w", tmp_path / "e")
    shutil.rmtree(tmp_path / "e/songs")
    relocate(disk / "i.p3i", tmp_path / "e", quiet)
    entries = Bundle.open(disk / "i.p3i").manifest["segments"]
    assert entries[0]["media"] == str(tmp_path / "e")


@pytest.mark.parametrize("cell, found", [
    ("a.jpg", "{new}/a.jpg"), ("{old}/a.jpg", "{new}/a.jpg"), ("no.jpg", "{new}/no.jpg"),
    ("/other/b.jpg", "/other/b.jpg"), ("https://x.org/c.jpg", "https://x.org/c.jpg"), ("b.jpg", "{old}/b.jpg"),
])  # fmt: skip
def test_a_cell_is_looked_for_in_the_folders_in_turn(tmp_path, cell, found):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, name in ((old, "b.jpg"), (new, "a.jpg")):
        folder.mkdir()
        (folder / name).touch()
    folders = MediaFolders({"media": str(old)}, tmp_path / "i.p3i", new)
    assert folders.file(cell.format(old=old)) == found.format(old=old, new=new)


def test_beside_is_seen_from_the_index(tmp_path):
    assert beside(tmp_path / "i.p3i", tmp_path / "photos") == "../photos"
    assert beside(tmp_path / "a/i.p3i", tmp_path) == "../.."
    assert beside(Path("/tmp/i.p3i"), Path("/usr")) is None
