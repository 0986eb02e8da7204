"""Where results of `evaluate` go if nobody says."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

_RESULTS = ("results.json", "probe.json", "uncertainty.json")


def results_folder(data: str, model: str | None) -> Path:
    """`evaluation/DATA-MODEL`, so that results of other data or models stay.

    Where that folder holds results of other data or of another model of these names, a short digest of both paths is
    added.
    """
    path, _, table = data.partition("::")
    name = Path(path).resolve().name if path.strip(".") == "" else Path(path).name
    manifest = Path(path) / "manifest.json"
    own = model
    if model is None and manifest.is_file():
        try:
            own = str(json.loads(manifest.read_text())["model"]["name"])
        except (ValueError, KeyError, TypeError):
            own = None  # a damaged index: whoever opens it says so
    parts = (Path(name).stem, table, Path(own).name if own else "")
    words = "-".join(p for p in parts if p) or "stdin"
    out = Path("evaluation") / re.sub(r"[^\w.-]+", "_", words)
    mine = _whole(path), table, _whole(model)
    if not any(_others(out / name, *mine) for name in _RESULTS):
        return out
    return out.with_name(f"{out.name}-{sha256(repr(mine).encode()).hexdigest()[:8]}")


def _whole(name: str | None) -> str | None:
    """The full path of what is there, else the name as it is."""
    return str(Path(name).resolve()) if name and name != "-" and Path(name).exists() else name


def _others(file: Path, path: str | None, table: str, model: str | None) -> bool:
    """Whether a file holds results of other data or, as far as both are named, of another model."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))["facts"]
        source, _, sheet = str(facts["source"]).partition("::")
        made_by = _whole(facts.get("model_called"))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (_whole(source), sheet) != (path, table) or (
        None not in (model, made_by) and model != made_by
    )
