"""The README: its commands and code run as a reader would type them, its links lead somewhere, it stays short."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys

import httpx
import pytest
from conftest import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    return re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", TEXT, re.S)[1].strip()


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a line of the README in this process; give what it wrote."""
    from prom3e_index.cli import app as program

    def typed(line, **instead):
        words = [instead.get(w, w) for w in shlex.split(line, comments=True)]
        assert words[0] == "prom3e-index"
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as stop:
            program.main()
        out = capsys.readouterr()
        assert not stop.value.code, (line, out.err)
        return out.out

    monkeypatch.delenv("PROM3E_INDEX", raising=False)
    return typed


def served(line):
    """Start a server as a line of the README does, and have its page by the address that it prints."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    words = [
        sys.executable,
        "-m",
        "prom3e_index.cli.app",
        *shlex.split(line, comments=True)[1:],
        "--port",
        "0",
    ]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": path, "BROWSER": "true"})  # fmt: skip
    try:
        address = next(said.strip() for said in server.stdout if said.strip().startswith("http"))
        page = httpx.get(address, follow_redirects=True)
        with httpx.Client(follow_redirects=True) as browser:
            browser.get(address)
            told = browser.get(address.partition("?")[0] + "api/v1/index").json()
    finally:
        server.terminate()
        code = server.wait(60)

    assert page.status_code == 200 and "<title>" in page.text
    assert (told["rows"], code) == (3, 0)


@pytest.mark.timeout(
    900
)  # thirteen programs, one of which trains, on a machine that may do other work
def test_commands_and_code_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in block("commands").splitlines():
        run(line)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run([sys.executable, "-c", block("code")], cwd=tmp_path, capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONPATH": path})  # fmt: skip

    assert len(done.stdout.splitlines()) == 5


def test_ones_own_photos_and_sounds(run, world, tmp_path, monkeypatch):
    """The table of four lines with real files; `mini` in place of weights that are not here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(block("own table") + "\n")
    photos = sorted((world / "photos").glob("*.jpg"))
    songs = sorted((world / "songs").glob("*.wav")), sorted((world / "songs").glob("*.mp3"))
    for name, file in {
        "heron.jpg": photos[0], "owl.jpg": photos[1], "unknown.jpg": photos[2],
        "wren.wav": songs[0][0], "owl.mp3": songs[1][0], "song.mp3": songs[1][0],
    }.items():  # fmt: skip
        shutil.copy(file, tmp_path / name)
    said = ""
    for line in block("own commands").splitlines():
        if line.startswith("prom3e-index serve"):
            served(line)
        elif "models pull" not in line:
            said += run(line, taxabind="mini")
    with (tmp_path / "everything.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))

    assert [r["scientific_name"] for r in rows] == ["Ardea cinerea", "Troglodytes troglodytes", ""]
    assert [float(r["latitude"]) for r in rows] == [48.21, 48.20, 47.81]
    assert [r["event_date"] for r in rows] == ["2024-05-12", "2024-05-13", "2024-05-14"]
    assert "0 rejected" in said and "0 files or values lost" in said


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 200


def test_every_link_to_a_file_leads_to_one():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()  # fmt: skip
    pages = [p for name in listed if (p := ROOT / name).is_file()]
    missing = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(ROOT)}: {target}")
    assert len(pages) > 15
    assert missing == []
