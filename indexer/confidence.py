"""Calibrating an index on its own observations: `confidence/NNNNNN.json` of a generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.bundle.manifest import checksum, sync
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.species_codes import species_codes
from prom3e_index.confidence.calibrated import Calibration, Rule
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.pooled import LEAST
from prom3e_index.confidence.signals import UNKNOWN
from prom3e_index.confidence.stored import written
from prom3e_index.indexer.certify import is_stale
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.own_answers import draw, own_answers
from prom3e_index.indexer.plan import Progress
from prom3e_index.models.folder import Model

FOLDER = "confidence"


def calibrated(
    folder: Path, manifest: dict[str, Any], model: Model, progress: Progress
) -> dict[str, Any]:
    """A manifest with the calibration of its rows, whose file is written into `folder`; else with the reason why not.

    Args:
        folder: Where the manifest's files lie.
        manifest: Whole but for this.
        model: The index's.
        progress: Told of each visible set.
    """
    made = calibration_of(BundleFolder(folder, manifest), model, progress)
    if isinstance(made, str):
        return _noted(manifest, reason=made)
    return _with_file(folder, manifest, written(made).encode())


def calibration_of(bundle: BundleFolder, model: Model, progress: Progress) -> Calibration | str:
    """The calibration of an index by what it answers to its own rows; or why there is none.

    Where species are known what is right is the species, else the very observation.
    """
    species = species_codes(bundle)
    known = np.unique(species[bundle.live])
    known = known[known != UNKNOWN]
    if len(known) == 1:
        return "all its observations are of one species"
    if bundle.rows < LEAST:
        return f"it has {bundle.rows} rows; {LEAST} are needed"
    rule: Rule = "species" if len(known) else "row"
    asking = draw(bundle, species, Kin(bundle), rule)
    asked = np.unique(np.concatenate([np.zeros(0, np.int64), *asking.rows.values()]))
    if len(asked) < LEAST:
        return (
            f"{len(asked)} of its {bundle.rows} rows could ask; {LEAST} are needed, each with two modalities"
            + (" and another observation of its species" if rule == "species" else "")
        )
    made = fit(list(own_answers(bundle, model, asking, progress)), bundle.modalities, rule)
    if not made.fitted:
        key, why = next(iter(made.lacking.items()))
        return f"{key}: {why}"
    return made


def recalibrated(
    folder: Path, old: dict[str, Any], manifest: dict[str, Any], model: Model, progress: Progress
) -> dict[str, Any]:
    """A manifest with the calibration of the one before it, where that is sound and few rows have changed since.

    Args:
        folder: The index's.
        old: The manifest before, whose files are still there.
        manifest: The new one, which does not name the file.
        model: The index's.
        progress: Told of each visible set.
    """
    noted = _sound_note(old)
    if noted and not is_stale({**manifest, "confidence": noted}, "confidence"):
        path = folder / noted["file"]
        if path.is_file() and checksum(path) == old["files"][noted["file"]]["sha256"]:
            new = _with_file(folder, manifest, path.read_bytes())
            new["confidence"] |= {k: noted[k] for k in ("rows", "generation")}
            return new
    return calibrated(folder, manifest, model, progress)


def is_due(manifest: dict[str, Any], with_model: bool) -> bool:
    """Whether an index whose rows have changed is to be calibrated anew.

    What once stood in the way, too few rows for one, may do so no more. An index of an earlier version has no
    calibration yet: one that changes without a model at hand, by a removal, does not wait for it.

    Args:
        manifest: Of the index as it is now.
        with_model: Whether the model is at hand.
    """
    noted = manifest.get("confidence")
    if noted is None:
        return with_model
    return not isinstance(noted, dict) or "reason" in noted or is_stale(manifest, "confidence")


def outdated(manifest: dict[str, Any], why: str) -> dict[str, Any]:
    """A manifest whose calibration speaks no more, since rows have changed and it could not be made anew.

    Args:
        manifest: With the calibration before.
        why: What stood in the way.
    """
    return _noted(
        manifest, reason=f"its rows have changed, and it could not be calibrated anew: {why}"
    )


def _sound_note(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a manifest notes of its calibration, if it names a file and what that was made of; else nothing."""
    noted = manifest.get("confidence")
    sound = (
        isinstance(noted, dict)
        and noted.get("file") in manifest["files"]
        and all(type(noted.get(k)) is int for k in ("rows", "generation"))
    )
    return noted if isinstance(noted, dict) and sound else {}


def _noted(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    files, before = dict(manifest["files"]), manifest.get("confidence")
    if isinstance(before, dict):
        files.pop(before.get("file"), None)
    said = {"generation": manifest["generation"], "rows": manifest["rows"], **more}
    return {**manifest, "files": files, "confidence": said}


def _with_file(folder: Path, manifest: dict[str, Any], text: bytes) -> dict[str, Any]:
    name = f"{FOLDER}/{int(manifest['generation']):06d}.json"
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(text)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
    sync(folder)
    out = _noted(manifest, file=name)
    out["files"][name] = {"bytes": path.stat().st_size, "sha256": checksum(path)}
    return out
