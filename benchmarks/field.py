"""What becomes of the tables, names, dates and recordings that people of the trade bring: one row a situation.

    HF_HUB_OFFLINE=1 python benchmarks/field.py FOLDER [CASE …] [--output FIELD.md]

FOLDER holds the situations' files, a folder a number. Each is built with the model `mini`, and what stands in the
index is compared with what the files say. Exit code 1 if any comes out otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

import field_cases
import field_files
import field_more
import field_own
from field_trial import CASES, Trial

FILES = (field_cases, field_files, field_more, field_own)
"""Importing them has noted their situations, in this order."""


def main() -> int:
    """Run the situations; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--debug", action="store_true")
    asked = parser.parse_args()
    if not any(asked.folder.glob("[0-9][0-9]")):
        parser.error(f"{asked.folder} holds no situations: a folder for each number, 01 and on")
    lines = ["| no | kind | situation | outcome |", "|---|---|---|---|"]
    failed = 0
    chosen = [
        c for c in CASES if not asked.cases or any(c.number.startswith(n) for n in asked.cases)
    ]
    for c in chosen:
        try:
            with tempfile.TemporaryDirectory(prefix="prom3e-field-") as work:
                outcome = f"OK: {c.check(Trial(asked.folder, Path(work)))}"
        except Exception as e:  # whatever goes wrong is this situation's outcome
            if asked.debug:
                traceback.print_exc()
            failed += 1
            outcome = f"FAIL: {type(e).__name__}: {' '.join(str(e).split())[:300]}"
        lines.append(f"| {c.number} | {c.kind} | {c.situation} | {outcome.replace('|', '/')} |")
        print(lines[-1], flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} as they must be")
    if asked.output:
        asked.output.write_text("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
