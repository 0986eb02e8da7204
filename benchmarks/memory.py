"""Peak resident memory of `build` at one and at ten times the rows, all modalities.

    python benchmarks/memory.py [--rows 200]

Two demo worlds; each build runs in a process of its own, decode processes are not counted in.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

BUILD = """
import sys, resource
from pathlib import Path
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
build(BuildConfig(table=sys.argv[1], out=Path(sys.argv[2]), model="mini"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Measure and print."""
    from prom3e_index.world import write_world

    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=200)
    options = arguments.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        for n in (options.rows, 10 * options.rows):
            table = write_world(Path(name) / str(n), n, seed=3)
            done = subprocess.run(
                [sys.executable, "-c", BUILD, str(table), f"{name}/{n}.p3i"],
                check=True,
                capture_output=True,
                text=True,
            )
            peaks.append(int(done.stdout.split()[-1]) / 1024)
            print(f"{n} rows: {peaks[-1]:.0f} MB")
    print(f"ratio: {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
