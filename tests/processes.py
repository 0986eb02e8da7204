"""Running the program, and starting Python code in one process, or in a group as `torchrun` does."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from unittest.mock import patch

import pytest
from conftest import ROOT

_LAUNCH = """
import json, os, sys, traceback
sys.path.insert(0, sys.argv[1])
import prom3e_index.training.stage_one.align, prom3e_index.training.stage_two.run  # once for all
children = []
for code, env in json.load(sys.stdin):
    children.append(os.fork())
    if not children[-1]:
        failed = 1
        try:
            os.environ.update(env)
            exec(compile(code, "<job>", "exec"), {"__name__": "__main__"})
            failed = 0
        except SystemExit as e:
            failed = int(bool(e.code))
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(failed)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


def run_alone_and_in_a_group(alone: str, grouped: str, count: int = 2) -> None:
    """Run `alone` in one process and `grouped` in `count`, all at once; fail with what they print.

    They are forked from one that has imported what all of them need.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    group = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    jobs = [(alone, {})] + [
        (grouped, {"RANK": str(r), "LOCAL_RANK": str(r), **group}) for r in range(count)
    ]
    running = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(ROOT / "tests")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        _, errors = running.communicate(json.dumps(jobs), timeout=200)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)  # one of them may wait for another for good
    assert running.returncode == 0, errors


def program(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would, its output going to files: the exit code and all that it wrote, as text.

    In this process, since a new one imports for seconds; `test_cli`, `test_output` and `test_signals` start real ones.
    """
    from prom3e_index.cli import app

    command = ["prom3e-index", *map(str, words)]
    given, out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(3))
    given.buffer.write(stdin.encode())
    given.seek(0)
    with (
        patch.multiple(sys, argv=command, stdin=given),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        app.main()
    for stream in (out, err):
        stream.flush()
    told = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(command, int(stop.value.code or 0), *told)
