"""The examples of the help pages run, in their order, in one folder."""

from __future__ import annotations

import csv
import shlex
import shutil
from pathlib import Path

import pytest

from prom3e_index.cli.examples import EXAMPLES

PARSED = {
    "build", "train mvae", "train align", "train patch", "evaluate retrieval", "evaluate uncertainty", "evaluate redraw",
    "models pull", "demo", "doctor", "encode", "infer", "report", "update", "compact", "rebuild", "certify",
    "serve", "push",
}  # fmt: skip
"""Commands whose examples take seconds, or a network: their lines are read, not run. The README's run most of these."""


@pytest.fixture(scope="module")
def folder(world, bundle_path, tmp_path_factory) -> Path:
    """What the examples speak of."""
    here = tmp_path_factory.mktemp("examples")
    for name in ("photos", "songs", "tiles"):
        (here / name).symlink_to(world / name)
    with (world / "observations.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    for i, row in enumerate(rows):
        row |= {"project": "spring count", "split": ("train", "train", "val", "test")[i % 4]}
    _write(here / "birds.csv", rows)
    _write(here / "june.csv", rows[:2])
    (here / "june-files").symlink_to(world)
    places = [{"latitude": r["decimalLatitude"], "longitude": r["decimalLongitude"]} for r in rows]
    for i, place in enumerate(places):
        place |= {"bio1": str(i % 7), "koppen": "Cfb" if i % 2 else "Dfb"}
    _write(here / "climate.csv", [p for p in places if p["latitude"]])
    for given, kind in (("photo.jpg", "image"), ("song.mp3", "audio"), ("tile.png", "satellite")):
        ending = Path(given).suffix
        file = next(r[kind] for r in rows if r[kind].endswith(ending))
        shutil.copy(world / file, here / given)
    for name in ("index.p3i", "birds.p3i"):
        shutil.copytree(bundle_path, here / name)
    (here / "gone.txt").write_text(rows[0]["occurrenceID"] + "\n")
    return here


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


LINES = [(name, line) for name, examples in EXAMPLES.items() for _, line in examples]


@pytest.mark.parametrize(("name", "line"), LINES, ids=[line for _, line in LINES])
def test_an_example_runs(name, line, folder, monkeypatch, capsys):
    from typer.main import get_command

    from prom3e_index.cli import app as program

    monkeypatch.chdir(folder)
    words = shlex.split(line)
    while "=" in words[0]:
        variable, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(variable, value)
    if name in PARSED:
        command = get_command(program.app)
        for word in name.split():
            command = command.commands[word]
        command.make_context(name, words[1 + len(name.split()) :])
        return
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stop:
        program.main()

    assert not stop.value.code, capsys.readouterr().err
