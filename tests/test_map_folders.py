"""The folder of a map replaces a map and nothing else; what stood there stays whatever goes wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_map_command import asked as asked
from test_map_command import run
from test_repository import ROOT

from prom3e_index.errors import InputError
from prom3e_index.grid.write import FILES, whole_folder


def _make(out: Path, text: str, **options) -> None:
    with whole_folder(out, **options) as folder:
        (folder / "map.tif").write_text(text)


def _tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["elevation.tif", "notes.txt", "map.tif.bak", "sub/map.tif"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(tmp_path, name):
    out = tmp_path / "m"
    _make(out, "first")
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("years of work")
    before = _tree(tmp_path)

    with pytest.raises(InputError, match=f"holds '{name.partition('/')[0]}', which is of no map"):
        _make(out, "second", overwrite=True)
    assert _tree(tmp_path) == before


def test_what_a_gis_adds_to_a_map_goes_with_it(tmp_path):
    _make(tmp_path / "m", "first")
    for name in ("map.tif.aux.xml", "map.tif.ovr", "map.png.aux.xml", ".DS_Store"):
        (tmp_path / "m" / name).touch()
    _make(tmp_path / "m", "second", overwrite=True)
    assert _tree(tmp_path) == {"m/map.tif": "second"}


def test_every_file_that_is_written_belongs_to_a_map():
    for room in ("maps", "diversity"):
        for path in (ROOT / "prom3e_index" / room).glob("*.py"):
            written = set(re.findall(r'folder / "([^"]+)"', path.read_text()))
            assert written <= FILES, path


def test_the_folder_that_one_is_in_is_not_replaced(tmp_path, monkeypatch):
    _make(tmp_path / "m", "first")
    monkeypatch.chdir(tmp_path / "m")
    for out in (".", "../m", str(tmp_path / "m")):
        with pytest.raises(InputError, match="holds the folder you are in"):
            _make(Path(out), "second", overwrite=True)
    assert _tree(tmp_path) == {"m/map.tif": "first"}


def test_a_link_to_a_folder_stays_one(tmp_path):
    _make(tmp_path / "disk/m", "first")
    (tmp_path / "link").symlink_to("disk/m")
    _make(tmp_path / "link", "second", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert _tree(tmp_path / "disk") == {"m/map.tif": "second"}

    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(InputError, match="is a link to nothing"):
        _make(tmp_path / "broken", "third")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("step", [0, 1])
def test_interrupted_while_it_is_replaced_the_old_map_stands(tmp_path, monkeypatch, end, step):
    _make(tmp_path / "m", "first")
    replace, steps = Path.replace, iter(range(9))

    def broken(self, target):
        if next(steps) == step:
            raise end
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(end):
        _make(tmp_path / "m", "second", overwrite=True)
    monkeypatch.undo()
    assert _tree(tmp_path) == {"m/map.tif": "first"}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_of_a_map_that_was_not_made_no_folder_is_left(tmp_path):
    for end in (KeyboardInterrupt, OSError):
        with pytest.raises(end), whole_folder(tmp_path / "a/b/c") as folder:
            (folder / "map.tif").write_text("x")
            raise end
        assert list(tmp_path.iterdir()) == []
    _make(tmp_path / "a/b/c", "x")
    assert _tree(tmp_path) == {"a/b/c/map.tif": "x"}


def test_what_cannot_be_written_or_judged_is_said_before_anything_is_mapped(
    asked, tmp_path, monkeypatch
):
    from prom3e_index.maps import run as mapping

    def never(*_, **__):
        raise AssertionError("mapped")

    monkeypatch.setattr(mapping, "make_map", never)
    (tmp_path / "file").touch()
    (tmp_path / "one.csv").write_text("id,species,latitude,longitude\n1,Pica pica,48,16\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.tif").touch()
    for words, said in (
        (["-o", tmp_path / "file"], "exists"),
        (["-o", tmp_path / "file", "--overwrite"], "is a file"),
        (["-o", tmp_path / "file/m"], "cannot be made"),
        (["-o", tmp_path / "mine", "--overwrite"], "'a.tif', which is of no map"),
    ):
        run(*asked, *words, fails=said)
    run(*asked[:2], "--taxon", "Fictanimalia", "--validate", tmp_path / "one.csv", "-o", tmp_path / "m",
        fails="no record of 'Fictanimalia'")  # fmt: skip
    assert not (tmp_path / "m").exists()
