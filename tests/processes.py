"""Starting Python code in one process, or in a group as `torchrun` does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from conftest import ROOT

HEAD = f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"


def run_alone_and_in_a_group(alone: str, grouped: str, count: int = 2) -> None:
    """Run `alone` in one process and `grouped` in `count`, all at once; fail with what they print."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    group = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    jobs = [(alone, {})] + [
        (grouped, {"RANK": str(r), "LOCAL_RANK": str(r), **group}) for r in range(count)
    ]
    running = [
        subprocess.Popen([sys.executable, "-c", HEAD + code], stderr=subprocess.PIPE, text=True,
                         env={**os.environ, "OMP_NUM_THREADS": "1", **env})
        for code, env in jobs
    ]  # fmt: skip
    for process in running:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors


def program(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own; what it wrote is text."""
    command = [sys.executable, "-m", "prom3e_index.cli.app", *map(str, words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=env)
