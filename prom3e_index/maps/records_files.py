"""A map from records as a folder: GeoTIFF, picture, JSON, ODMAP and the folds of its validation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index import __version__
from prom3e_index.grid.picture import write_picture
from prom3e_index.grid.write import Band, whole_folder, write_json, write_raster
from prom3e_index.licences import code_of, roll_up
from prom3e_index.maps.odmap import NOT_STATED
from prom3e_index.maps.records import FromRecords
from prom3e_index.maps.records_fit import told
from prom3e_index.maps.surface import percentile

NO_PROBABILITY = "Relative suitability, not a probability of occurrence."


def bands_of(made: FromRecords) -> list[Band]:
    """The bands: suitability first."""

    def on(values: NDArray[Any]) -> NDArray[np.float32]:
        out = np.full(len(made.grid), np.nan, np.float32)
        out[made.cells] = values
        return out

    facts = made.facts
    against = facts["target_group"] or "cells drawn from the mask"
    records = np.array([made.present.get(int(c), 0) for c in made.cells], np.float32)
    bands = [
        Band("relative_suitability", on(_share(made.scores)), "", f"of {facts['taxon']} against {against}, each of the "
             "same weight in all; no probability of occurrence", 0.0, 1.0),
        Band("percentile", on(percentile(made.scores.astype(np.float32))), "%", "of the cells mapped", 0.0, 100.0),
        Band("against_uniform", on(_share(made.uniform)), "", "the same against cells drawn from the mask, wherever "
             "was looked; it follows the effort", 0.0, 1.0),
        Band("extrapolation", on(made.beyond), "%", "share of the blocks with records that lie nearer to one outside "
             "of them than this cell to any", 0.0, 100.0, "magma"),
        Band("distance_km", on(made.distance_km), "km", "to the nearest cell with records of the taxon"),
        Band("records", on(records), "records", "of the taxon that count"),
    ]  # fmt: skip
    if made.cut is not None:
        how = facts["threshold"]["how"]
        present = (made.scores >= made.cut).astype(np.float32)
        words = f"1 where the log odds reach {made.cut:.3f}, the threshold {how}"
        bands.append(Band(f"present_{how.replace('-', '_')}", on(present), "", words, 0.0, 1.0))
    return bands


def _share(scores: NDArray[Any]) -> NDArray[Any]:
    from scipy.special import expit

    return np.asarray(expit(scores))


def write_records_map(out: Path, made: FromRecords, overwrite: bool = False) -> dict[str, Any]:
    """Write `map.tif`, `map.png`, `map.json`, `odmap.json` and `folds.json`; give what `map.json` says.

    Raises:
        InputError: The folder exists, or cannot be made; nothing is left of it then.
    """
    bands = bands_of(made)
    codes = {code_of(None if k is None else str(k)) for k in made.found.licences}
    facts = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": f"prom3e-index {__version__}",
        "what": "relative suitability from records: logistic regression on location embeddings; no probability",
        "licences": roll_up(codes),
        "honest": told(made.facts["validation"]),
        **{k: v for k, v in made.facts.items() if k != "validation"},
        "validation": {k: v for k, v in made.facts["validation"].items() if k != "blocks"},
        "bands": [{"name": b.name, "units": b.units, "what": b.words} for b in bands],
    }
    cells = np.array(sorted(made.present), np.int64)
    dots = f"Dots: {len(cells):,} cells with records; {made.grid.name}; encoder of {facts['model']}"
    with whole_folder(out, overwrite) as folder:
        write_raster(folder / "map.tif", made.grid, bands, _tags(facts))
        write_picture(
            folder / "map.png", made.grid, bands[0], title=f"Where {facts['taxon']} may live, from records",
            below=[NO_PROBABILITY, facts["honest"], dots],
            points=made.grid.centres(cells), coast=not facts["invented"],
        )  # fmt: skip
        write_json(folder / "map.json", facts)
        write_json(folder / "odmap.json", _odmap(facts))
        if "blocks" in made.facts["validation"]:
            write_json(folder / "folds.json", made.facts["validation"]["blocks"])
    return facts


def _tags(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "TITLE": f"{facts['taxon']}: relative suitability, not a probability of occurrence",
        "TAXON": str(facts["taxon"]),
        "MODEL": f"{facts['model']} ({facts['encoder_fingerprint']}), logistic regression",
        "MODEL_LICENCE": str(facts["model_licence"]),
        "BACKGROUND": str(facts["target_group"] or "uniform"),
        "GRID": str(facts["grid"]["name"]),
        "MASK": str(facts["mask"]),
        "SUB_POINTS": str(facts["sub_points"]),
        "THRESHOLD": str((facts["threshold"] or {}).get("how", "none")),
        "ASSESSMENT": str(facts["honest"]),
        "LICENCES": str(facts["licences"]),
        "SOFTWARE": str(facts["software"]),
        "MADE_AT": str(facts["made_at"]),
    }


def _odmap(facts: dict[str, Any]) -> dict[str, Any]:
    """The protocol's sections; see `odmap`."""
    grid = facts["grid"]
    return {
        "protocol": "ODMAP 1.0 (Zurell et al. 2020)",
        "overview": {
            "authorship": NOT_STATED,
            "objective": "mapping and interpolation: relative suitability; no probability of occurrence",
            "focal_taxon": facts["taxon"],
            "location": grid["region"],
            "scale_of_analysis": {
                "extent_west_south_east_north": grid["west_south_east_north"],
                "resolution": grid["name"],
                "cells": facts["cells"],
                "temporal_extent": NOT_STATED,
                "boundary": facts["mask"],
            },
            "biodiversity_data": "records, presence only",
            "predictors": f"location embeddings of {facts['model']}",
            "hypotheses": NOT_STATED,
            "assumptions": "where others of its class are recorded, the taxon would be, if it were there",
            "algorithm": "logistic regression, ridge penalty chosen by spatial blocks, classes of equal weight",
            "software": facts["software"],
        },
        "data": {
            "taxon_names": facts["taxon"],
            "sample_size": {"records": facts["records_of_taxon"], "presence_cells": facts["presence_cells"]},
            "licences": facts["licences"],
            "filters": facts["left_out"],
            "background": {"target_group": facts["target_group"], "cells": facts["target_group_cells"],
                           "uniform_cells": facts["uniform_cells"]},
            "partitioning": "blocks of 5 degrees; folds.json",
            "predictors_resolution": f"{facts['sub_points']} sub-points of a cell, averaged",
        },
        "model": {
            "encoder_fingerprint": facts["encoder_fingerprint"],
            "penalty": facts["penalty"],
            "thresholds": facts["threshold"] or "none: no binary map is made",
        },
        "assessment": facts["validation"],
        "prediction": {
            "output": [b["name"] for b in facts["bands"]],
            "units": "relative suitability from 0 to 1; percentile over the mapped cells",
            "extrapolation": f"{facts['extrapolated_share']:.3f} of the cells ({facts['extrapolated_is']})",
        },
    }  # fmt: skip
