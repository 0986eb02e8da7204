"""A map as a folder: `map.tif`, `map.png`, `map.json` and `odmap.json`; whole, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index import __version__
from prom3e_index.bundle.filters import Filter
from prom3e_index.grid.picture import write_picture
from prom3e_index.grid.write import whole_folder, write_json, write_raster
from prom3e_index.licences import code_of, roll_up
from prom3e_index.maps.odmap import odmap
from prom3e_index.maps.places_of import places_of
from prom3e_index.maps.run import Mapped, of_planet
from prom3e_index.search.meaning import MEANINGLESS, means_nothing

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.run import Bundle

NO_PROBABILITY = (
    "Similarity, not a probability of occurrence; not validated unless map.json says so."
)
PICTURED = "similarity"


def write_map(
    out: Path,
    bundle: Bundle,
    model: Model,
    mapped: Mapped,
    validation: dict[str, Any] | None = None,
    overwrite: bool = False,
    truth: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a map.

    Args:
        out: Folder that is made.
        bundle: It was made of.
        model: It was made with.
        mapped: The map.
        validation: From `validate.validated`.
        overwrite: Replace another map there.
        truth: From `truth.judged_by_range`.

    Returns:
        What `map.json` says.

    Raises:
        InputError: The folder exists, or cannot be made; nothing is left of it then.
    """
    facts = said(bundle, model, mapped)
    if validation is not None:
        facts["validation"] = {k: v for k, v in validation.items() if k != "folds"}
    if truth is not None:
        facts["truth"] = truth
    with whole_folder(out, overwrite) as folder:
        write_raster(folder / "map.tif", mapped.grid, mapped.bands, tags(facts))
        band = mapped.band(PICTURED)
        points = None
        if mapped.question.taxon is not None and len(mapped.question.rows):
            points = places_of(bundle, mapped.question.rows)
        below = [NO_PROBABILITY, *([f"Here {MEANINGLESS}."] if facts["means_nothing"] else [])]
        below.append(f"{mapped.grid.name}; space {facts['space']}; model {model.name}")
        if points is not None:
            below.append(f"Dots: observations of {mapped.question.taxon} in the index")
        title = f"Where {mapped.question.words} may be"
        write_picture(folder / "map.png", mapped.grid, band, title=title, below=below, points=points,
                      coast=not of_planet(bundle))  # fmt: skip
        write_json(folder / "map.json", facts)
        write_json(folder / "odmap.json", odmap(facts, validation))
        if validation is not None:
            write_json(folder / "folds.json", validation["folds"])
    return facts


def said(bundle: Bundle, model: Model, mapped: Mapped) -> dict[str, Any]:
    """What a map is, as plain values."""
    question, config = mapped.question, mapped.config
    policy = bundle.manifest.get("policy") or {}
    shown = mapped.gallery.modalities
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"prom3e-index {__version__}",
        "what": "similarity of a query with the cells of a grid; no probability of occurrence",
        "query": question.words,
        "query_hash": question.hash,
        "taxon": question.taxon,
        "space": "paper" if config.paper else question.space,
        "weights": {
            "delta": question.weights.delta,
            "gamma": question.weights.gamma,
            "epsilon": question.weights.epsilon,
        },
        "model": model.name,
        "model_licence": model.licence,
        "model_fingerprints": {
            "mvae": model.mvae_fingerprint,
            **{m: model.encoder(m).fingerprint for m in shown},
        },
        "means_nothing": means_nothing(bundle),
        "sigma_spearman_with_error": model.sigma_spearman,
        "cells_show": list(shown),
        "sub_points": config.samples if mapped.grid.hexagons is None or config.samples == 1 else 7,
        "climate": None if config.climate is None else config.climate.name,
        "grid": mapped.grid.said(),
        "mask": mapped.mask.words,
        "policy": policy.get("sha256"),
        "finest_cells": {"level": question.allowed.level.name, "why": question.allowed.why},
        "index": {
            "observations": len(bundle),
            "generation": bundle.manifest["generation"],
            "licences": licences_of(bundle, mapped),
            "dates": _dates(bundle, mapped),
        },
        "bands": [
            {"name": b.name, "units": b.units, "what": b.words, "scale": None if b.low is None else [b.low, b.high]}
            for b in mapped.bands
        ],
        **mapped.facts,
    }  # fmt: skip


def tags(facts: dict[str, Any]) -> dict[str, str]:
    """The tags of the raster."""
    w = facts["weights"]
    return {
        "TITLE": f"{facts['query']}: similarity, not a probability of occurrence",
        "QUERY_HASH": str(facts["query_hash"]),
        "TAXON": str(facts["taxon"] or "not named"),
        "MODEL": f"{facts['model']} ({facts['model_fingerprints']['mvae']})",
        "MODEL_LICENCE": str(facts["model_licence"]),
        "SPACE": str(facts["space"]),
        "WEIGHTS": f"delta {w['delta']:g}, gamma {w['gamma']:g}, epsilon {w['epsilon']:g}",
        "CELLS_SHOW": "+".join(facts["cells_show"]),
        "SUB_POINTS": str(facts["sub_points"]),
        "GRID": str(facts["grid"]["name"]),
        "MASK": str(facts["mask"]),
        "POLICY": str(facts["policy"] or "none"),
        "LICENCES": str(facts["index"]["licences"] or "no observation"),
        "RECORD_DATES": " to ".join(map(str, facts["index"]["dates"])) or "unknown",
        "SOFTWARE": str(facts["software"]),
        "MADE_AT": str(facts["made_at"]),
        **({"WARNING": MEANINGLESS} if facts["means_nothing"] else {}),
    }


def _filter(bundle: Bundle, mapped: Mapped) -> np.ndarray[Any, Any] | None:
    taxon = mapped.question.taxon
    return None if taxon is None else bundle.eligible(Filter(taxon=taxon))


def licences_of(bundle: Bundle, mapped: Mapped) -> str | None:
    """The licence of all observations that the map counts or rests on, taken together."""
    rows = _filter(bundle, mapped)
    where = "" if rows is None else f" WHERE row IN (SELECT unnest({[int(r) for r in rows]}))"
    found = bundle.sql(f"SELECT DISTINCT license FROM observations{where}")
    return roll_up({code_of(None if one is None else str(one)) for (one,) in found})


def _dates(bundle: Bundle, mapped: Mapped) -> list[str]:
    """First and last day of those observations; empty where none has one."""
    rows = _filter(bundle, mapped)
    where = "" if rows is None else f" WHERE row IN (SELECT unnest({[int(r) for r in rows]}))"
    first, last = bundle.sql(f"SELECT min(event_start), max(event_end) FROM observations{where}")[0]
    return [] if first is None else [str(first), str(last)]
