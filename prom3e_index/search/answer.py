"""What is said of a query that was searched: how, with what, and what its hits mean."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.search import examples, feedback
from prom3e_index.search.answered import Answer, Hit
from prom3e_index.search.filtered import left_out, none_left, place_outside
from prom3e_index.search.groups import eligible_observations
from prom3e_index.search.hubness import by_segment
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.query import Query
from prom3e_index.search.uncertainty import sigma_percentile

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.search.asked import Asked

BY_EXAMPLE = ("image", "audio", "sat", "loc", "env", "text")
"""Which of the modalities that a query gives is searched for, when it does not say."""
_SEVERAL = {"image": "photos", "sat": "tiles", "audio": "recordings", "text": "names"}


def answer_of(
    bundle: BundleFolder,
    model: Model,
    asked: Asked,
    hits: list[Hit],
    told: dict[str, Any],
    path: str,
    milliseconds: dict[str, float],
) -> Answer:
    """The answer of a query whose hits were found along `path`; `told` is what `search.confidence` says of it."""
    query, f = asked.query, asked.filter
    given = examples.examples(bundle, query)
    notes = [MEANINGLESS] if means_nothing(bundle) else []
    notes += [
        f"{len(files)} {_SEVERAL[m]}, averaged to one"
        for m, files in query.several().items()
        if len(files) > 1
    ]
    notes += examples.said_of(bundle, query, given) + feedback.said_of(query)
    notes += asked.notes
    notes += bundle.placed(query.model, query.hub)
    notes += left_out(bundle, f)
    if isinstance(query.location, tuple):
        outside = place_outside(bundle, query.location)
        notes += [outside] if outside else []
    if hits and bundle.manifest.get("observed", {}).get(asked.target) == 0:
        held = [m for m, n in bundle.manifest["observed"].items() if n]
        notes.append(
            f"no observation here has {asked.target}: every hit is what the model makes of it; --target "
            f"{', '.join(held)} is what there is"
        )
    if asked.eligible == 0 and asked.rows is not None and len(asked.rows):
        notes.append("no observation satisfies the filters but those that the query is like")
    elif asked.eligible == 0:
        notes += none_left(bundle, f)
    elif len(hits) < query.k:
        notes.append(f"{len(hits)} of {query.k} hits: no more are eligible")
    notes += _moved(hits)
    if asked.corrected and len(bundle.segments) > 1 and by_segment(bundle.manifest):
        notes.append(
            "the correction against hubs was made segment by segment by an earlier version: scores of two "
            "segments cannot be compared; run prom3e-index rebuild"
        )
    assert asked.weights is not None  # of a query that was searched
    method = bundle.manifest.get("hubs", {}).get("method", "none")
    said = {
        "given": _given(bundle, query, given),
        "target": asked.target,
        "space": query.space,
        "weights": asdict(asked.weights),
        "hubs": method if asked.corrected else "none",
        "filters": f.describe() | ({"group_by": query.group_by} if query.group_by else {}),
        "k": int(query.k),
        **told,
        "sigma_l1": round(asked.sigma, 4),
        "sigma_percentile": sigma_percentile(bundle, asked.visible, asked.sigma),
        "sigma_spearman": model.sigma_spearman,
    }
    if asked.joined is not None:
        said["joined"] = asked.joined.told(asked.visible)
    how = {
        "rows": bundle.rows,
        "eligible": asked.eligible,
        **_observations(bundle, asked),
        "path": path,
        "milliseconds": milliseconds,
        "model": model.name,
        "notes": notes,
    }
    return Answer(said, tuple(hits), how, bundle)


def _given(bundle: BundleFolder, query: Query, like: dict[str, list[int]]) -> dict[str, Any]:
    """What was given of each modality: files by name, values, and which rows of the index."""
    out: dict[str, Any] = {m: _shown(v) for m, v in query.given().items()}
    own = query.embedded(bundle.modalities)
    out |= {own: "embedding"} if own else {}
    for modality, rows in like.items():
        said = [f"row {row}" for row in rows]
        before = out.get(modality)
        several = [
            *(before if isinstance(before, list) else [] if before is None else [before]),
            *said,
        ]
        out[modality] = several[0] if len(several) == 1 else several
    return out


def _observations(bundle: BundleFolder, asked: Asked) -> dict[str, int]:
    """Observations that the rows belong to, where some have several."""
    if not bundle.several:
        return {}
    return {
        "observations": eligible_observations(bundle, None),
        "eligible_observations": examples.eligible_observations_but(
            bundle, asked.rows, asked.without
        ),
    }


def _moved(hits: list[Hit]) -> list[str]:
    """What is to be said of files that are not where they should be."""
    files = [h.media for h in hits if h.media and not is_remote(h.media)]
    lacking = [f for f in files if not os.path.lexists(f)]
    if not lacking:
        return []
    many = "none" if len(lacking) == len(files) else f"{len(files) - len(lacking)}"
    return [
        f"{many} of the {len(files)} files of these hits is there, as {lacking[0]} is not; where they have moved: "
        "--media FOLDER, or prom3e-index relocate --media FOLDER"
    ]


def default_target(bundle: BundleFolder, query: Query) -> str:
    """What is searched for when a query does not say: what it gives; of several the first of `BY_EXAMPLE`."""
    like = examples.examples(bundle, query)
    asking = {*query.given(), query.embedded(bundle.modalities), *like}
    order = [*BY_EXAMPLE, *(m for m in bundle.modalities if m not in BY_EXAMPLE)]
    return next((m for m in order if m in asking), bundle.modalities[0])


def _shown(value: Any) -> Any:
    if isinstance(value, str | Path):
        return str(value)
    if any(isinstance(v, str | Path) for v in value):
        return [str(v) for v in value]
    return np.asarray(value).tolist()
