"""Ctrl-C and SIGTERM end the program with one line that says what is kept, at any stage and also twice in a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from prom3e_index.cli import app, start
from prom3e_index.indexer.disk import full_disk


def started(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "prom3e_index.cli.start", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def imported(process, module: str) -> bool:
    """Wait until a process has mapped a library, so that a signal meets it at a known stage."""
    for _ in range(4000):
        try:
            if module in Path(f"/proc/{process.pid}/maps").read_text():
                return True
        except OSError:
            return False
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stages are told by /proc")
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("module", ["_duckdb", "libtorch_cpu"])
@pytest.mark.parametrize("twice", [False, True])
def test_one_line_and_no_traceback(bundle_path, world, number, code, module, twice):
    photo = next((world / "photos").iterdir())
    process = started("query", "-i", bundle_path, "--image", photo, "--target", "audio")
    assert imported(process, module)
    process.send_signal(number)
    if twice:
        time.sleep(0.02)
        process.send_signal(number)
    _, said = process.communicate(timeout=100)
    assert process.returncode == code
    lines = said.splitlines()
    assert 1 <= len(lines) <= 2  # the second signal may come after the line
    assert all(line.startswith(f"Error: {start.WORDS[number]}") for line in lines)


@pytest.mark.parametrize("words, kept", [
    ("build t.csv", "goes on where it stopped"), ("--debug train mvae x.npz", "goes on where it stopped"),
    ("compact", "the index is whole"), ("relocate --media x", "the index is whole"), ("info", "nothing was changed"),
    ("query --text x", "nothing was changed"), ("models pull", "what was downloaded is kept"), ("", "nothing was changed"),
])  # fmt: skip
@pytest.mark.parametrize("raised", [start.Interrupted, RuntimeError("Query interrupted")])
def test_what_is_kept_is_said(words, kept, raised, monkeypatch, capsys):
    """DuckDB makes an error of its own of a signal that comes while it works."""

    def run():
        monkeypatch.setattr(start.SIGNALS, "caught", signal.SIGINT)
        raise raised

    for name in ("watch", "raises"):
        monkeypatch.setattr(start.SIGNALS, name, lambda: None)
    monkeypatch.setattr(app, "deaf", lambda: None)
    monkeypatch.setattr(app, "_run", run)
    monkeypatch.setattr(sys, "argv", ["prom3e-index", *words.split()])
    with pytest.raises(SystemExit) as stop:
        app.main()
    said = capsys.readouterr().err
    assert stop.value.code == 130
    assert said.startswith("Error: interrupted; ") and kept in said and said.count("\n") == 1


def chained(*errors: Exception) -> Exception:
    for after, before in zip(errors, errors[1:], strict=False):
        after.__context__ = before
    return errors[0]


@pytest.mark.parametrize("error, file", [
    (OSError(28, "No space left on device", "/d/x"), "/d/x"),
    (OSError(122, "Disk quota exceeded", "/d/x"), "/d/x"),
    (RuntimeError('IO Error: Could not write file "/d/y": No space left on device'), "/d/y"),
    (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), ""),
    (chained(RuntimeError("FATAL Error: database has been invalidated"), OSError(28, "No space", "/d/z")), "/d/z"),
    (RuntimeError("Out of Memory Error: failed to offload data block of size 256.0 KiB (max_temp_directory_size)"), ""),
    (RuntimeError('Failed to commit "out": No space left on device'), ""),
    (OSError(13, "Permission denied", "/d/x"), None), (ValueError("28 requested"), None),
    (RuntimeError("another matter"), None),
])  # fmt: skip
def test_a_full_disk_is_known_whatever_says_so(error, file):
    assert full_disk(error) == file
