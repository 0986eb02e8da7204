"""A map as ODMAP asks for it: Overview, Data, Model, Assessment, Prediction; what is not known is "not stated".

Source: Zurell et al. 2020, A standard protocol for reporting species distribution models, Ecography 43.
"""

from __future__ import annotations

from typing import Any

from prom3e_index.maps.extrapolation import share_said
from prom3e_index.search.in_words import word

NOT_STATED = "not stated"


def odmap(facts: dict[str, Any], validation: dict[str, Any] | None) -> dict[str, Any]:
    """The protocol's sections, filled from what a map says of itself."""
    index, grid = facts["index"], facts["grid"]
    taxon = facts["taxon"] or f"not named; asked with {facts['query']}"
    return {
        "protocol": "ODMAP 1.0 (Zurell et al. 2020)",
        "overview": {
            "authorship": NOT_STATED,
            "objective": "mapping: similarity of a query with places; no probability of occurrence",
            "focal_taxon": taxon,
            "location": grid["region"],
            "scale_of_analysis": {
                "extent_west_south_east_north": grid["west_south_east_north"],
                "resolution": grid["name"],
                "cells": facts["cells"],
                "temporal_extent": index["dates"] or NOT_STATED,
                "boundary": facts["mask"],
            },
            "biodiversity_data": "opportunistic observations, presence only",
            "predictors": " and ".join(word(m) for m in facts["cells_show"]),
            "hypotheses": NOT_STATED,
            "assumptions": "presences are unevenly collected; the map follows that effort",
            "algorithm": f"encoders and a masked variational autoencoder ({facts['model']}), space {facts['space']}",
            "workflow": "cells embedded, completed and compared with the query",
            "software": facts["software"],
        },
        "data": {
            "taxon_names": taxon,
            "sample_size": index["observations"],
            "licences": index["licences"] or NOT_STATED,
            "sampling_design": NOT_STATED,
            "filters": f"{facts['records_left_out_as_their_place_is_hidden_or_unknown']} observations left out, whose "
            "place is hidden or unknown",
            "background": NOT_STATED if validation is None else validation["background"],
            "partitioning": NOT_STATED if validation is None else validation["partitioning"],
            "predictors_resolution": f"{facts['sub_points']} sub-points of a cell, averaged",
            "climate_raster": facts["climate"] or "none",
        },
        "model": {
            "fingerprints": facts["model_fingerprints"],
            "weights": facts["weights"],
            "uncertainty": "band sigma_l1; its rank correlation with the error on the model's own validation is "
            f"{facts['sigma_spearman_with_error'] if facts['sigma_spearman_with_error'] is not None else NOT_STATED}",
            "thresholds": "none: no binary map is made",
        },
        "assessment": NOT_STATED if validation is None else {k: v for k, v in validation.items() if k != "folds"},
        "prediction": {
            "output": [b["name"] for b in facts["bands"]],
            "units": "similarity from −1 to 1; percentile over the mapped cells",
            "extrapolation": f"{share_said(facts['extrapolated_share'])} ({facts['extrapolated_is']})",
        },
    }  # fmt: skip
