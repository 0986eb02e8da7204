"""One evaluation's results in a folder, in every form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prom3e_index.evaluation.pages.output import csv_of, markdown
from prom3e_index.evaluation.pages.retrieval_page import page
from prom3e_index.evaluation.retrieval.scoring import Scored
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import write_text


def write_results(folder: Path, results: dict[str, Any], scored: Sequence[Scored]) -> None:
    """Write `results.json`, `results.csv`, `results.md` and `report.html` into a folder."""
    write_text(folder / "results.json", json_text(results, indent=1) + "\n")
    write_text(folder / "results.csv", csv_of(results["results"]))
    write_text(folder / "results.md", markdown(results))
    write_text(folder / "report.html", page(results, scored))
