"""What a card does with this program, in one command and at most eight minutes: `python benchmarks/gpu.py`.

    python benchmarks/gpu.py [--cpu] [--trial] [--device cuda] [--parts training search …] [--output FILE.md]

Each part runs in a process of its own, with a limit, so that one that fails or hangs loses only its own rows. Prints
the rows as they come, and at the end a table in Markdown with the card's name, ready for `benchmarks/LOG.md`. `--cpu`
runs the same at small sizes on the processor: its figures say nothing, its checks do.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

import torch
from gpu_rows import Row, Size, ceilings

PARTS = {
    "training": 140,
    "search": 70,
    "lists": 70,
    "build": 130,
    "encoders": 40,
    "conformance": 30,
}
"""Parts and the seconds that each may take on a card."""
TRIAL_S = 60


def measure(part: str, size: Size, device: str) -> None:
    """One part in this process: a line of JSON for each row."""
    try:
        for row in importlib.import_module(f"gpu_{part}").rows(size, device):
            print(json.dumps(dataclasses.asdict(row)), flush=True)
    except Exception as e:
        traceback.print_exc()
        told = (str(e) or type(e).__name__).strip().splitlines()[0][:200]
        print(json.dumps(dataclasses.asdict(missing(part, told))), flush=True)
        raise SystemExit(1) from e


def missing(part: str, why: str) -> Row:
    """The row of what was not measured."""
    return Row(part, "whole part", f"not measured: {why}")


def run(part: str, size: Size, device: str, patience: int | None) -> tuple[list[Row], float, bool]:
    """A part's rows, from a process of its own; seconds; whether all went well."""
    limit = patience or (TRIAL_S if size.trial else PARTS[part])
    given = json.dumps(dataclasses.asdict(size))
    command = [sys.executable, __file__, "--device", device, "--only", part, "--size", given]
    begun, found = time.monotonic(), []
    done = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    try:
        told, _ = done.communicate(timeout=None if size.small else limit)
        code = done.returncode
    except subprocess.TimeoutExpired:
        done.kill()
        told, code = done.communicate()[0], 1
        told += json.dumps(dataclasses.asdict(missing(part, f"more than {limit} s")))
    for line in told.splitlines():
        try:
            found.append(Row(**json.loads(line)))
        except (ValueError, TypeError):
            print(line, file=sys.stderr)
    if not found:
        found.append(missing(part, f"ended with exit code {code}"))
    return found, time.monotonic() - begun, code == 0


def table(rows: list[Row], name: str, size: Size) -> str:
    """Markdown."""
    head = f"{name}, torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}; "
    head += f"copy {size.copy / 1e12:.2f} TB/s, bfloat16 product {size.rate / 1e12:.0f} TFLOP/s."
    lines = [
        head,
        "",
        "| part | what | figure | floor | check |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = (str(v).replace("|", "\\|").replace("\n", " ") for v in dataclasses.astuple(row))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the parts asked for, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="small sizes on the processor")
    parser.add_argument("--trial", action="store_true", help="a short look, a minute a part")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--patience", type=int, help="seconds that every part may take")
    parser.add_argument("--output", type=Path, help="file of Markdown to write")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        measure(given.only, Size(**json.loads(given.size)), given.device)
        return
    device = "cpu" if given.cpu else given.device
    if device != "cpu" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --cpu runs the parts at small sizes")
    name = platform.processor() or platform.machine()
    if device != "cpu":
        name = torch.cuda.get_device_name(device)
    size = Size(given.cpu, given.trial, *ceilings(device))
    rows, well = [], True
    for part in given.parts:
        found, taken, good = run(part, size, device, given.patience)
        rows += [*found, Row(part, "the part itself", f"{taken:.0f} s")]
        well &= good
        for row in found:
            print(" · ".join(str(v) for v in dataclasses.astuple(row) if v), flush=True)
    made = table(rows, name, size)
    print("\n" + made)
    if given.output:
        given.output.write_text(made)
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
