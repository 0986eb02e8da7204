"""Search: any set of modalities in, the observations nearest in the target modality out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.predicate import cut
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.schema import MEDIA, modality_name
from prom3e_index.search.groups import check_column
from prom3e_index.search.hits import hits_of
from prom3e_index.search.hubness import by_segment
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.query import Answer, Query
from prom3e_index.search.query_embedding import embed_query
from prom3e_index.search.ranking import find, weights_of
from prom3e_index.search.uncertainty import add_next, sigma_percentile

Floats = NDArray[np.float32]
SIGMA_TELLS = 0.2
"""Below this rank correlation with the error an answer says that ‖σ‖₁ is not to be relied on."""


class Bundle(BundleFolder):
    """An index, opened for searching: `Bundle.open(path).search(Query(text="Pica pica", target="audio"))`."""

    def search(self, query: Query) -> Answer:
        """Answer a query; see `search`."""
        return search(self, query)


class _Clock:
    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.milliseconds[name] = round((time.perf_counter() - begun) * 1000, 2)


def search(bundle: BundleFolder, query: Query) -> Answer:
    """Answer a query.

    Scores are ⟨[(1 − γ)·q_t, γ·h], [g_t, h]⟩ over the eligible rows, exactly; see `hybrid`. `k` hits come
    back whenever k rows (or groups) are eligible.

    Raises:
        InputError: A value out of its range, an unknown target or column, what is no predicate, nothing given.
        MismatchError, ShapeError: The query was made by another model.
        BundleError: The bundle is damaged.
    """
    query.check(bundle.modalities)
    if query.group_by is not None:
        check_column(bundle, query.group_by)
    target = modality_name(query.target or _default_target(bundle, query), bundle.modalities)
    clock = _Clock()
    with clock.step("filter"):
        f = query.filter
        if query.observed_only:
            f = replace(f, observed=target)
        rows = bundle.eligible(f)
    files = {m: Path(v) for m, v in query.given().items() if m in MEDIA}
    with DecodePool(1) if files else nullcontext() as pool:
        with clock.step("load"):
            model = bundle.model(query.model, query.hub, query.device)
            decoded = (
                {}
                if pool is None
                else {
                    m: pool.submit(Task(m, p.absolute(), asdict(model.media_spec(m))))
                    for m, p in files.items()
                }
            )
            for modality in query.given():
                model.encoder(modality)
        with clock.step("encode"):
            x, present = embed_query(bundle, model, query, decoded)
    notes = [MEANINGLESS] if means_nothing(bundle) else []
    notes += [] if pool is None else [f"{p.name}: {said}" for p, said in pool.notes.items()]
    visible = [m for m, has in zip(model.modalities, present[0], strict=True) if has]
    weights = weights_of(bundle, model, query, visible, target)
    with clock.step("complete"):
        from prom3e_index.mvae.completion import infer, mean_embedding
        from prom3e_index.search.score import query_rows

        inferred = infer(model, x, present, (target,))
        vector = query_rows(
            mean_embedding(x, present),
            inferred.reconstructed[:, 0],
            inferred.hidden,
            query.space,
            weights,
        )[0]
        own = query.space == "hybrid" and (query.delta, query.gamma, query.epsilon) == (None,) * 3
        tail = bundle.hub_weights(visible, own)
    with clock.step("search"):
        scores, found, path = find(
            bundle, model, query, target, np.concatenate([vector, tail]), rows, weights
        )
    with clock.step("metadata"):
        hits = hits_of(bundle, target, scores, found)
    eligible = bundle.rows if rows is None else len(rows)
    if (f.since is not None or f.until is not None) and bundle.undated:
        notes.append(
            f"{bundle.undated:,} of {bundle.rows:,} observations have no date and are left out"
        )
    if eligible == 0:
        notes.append("no observation satisfies the filters")
        if f.taxon is not None and not len(_of_taxon(bundle, f.taxon)):
            near = bundle.unknown_taxon(f.taxon)
            notes.append(f"taxon {cut(f.taxon)}{near or ': no such name'}")
    elif len(hits) < query.k:
        notes.append(f"{len(hits)} of {query.k} hits: no more are eligible")
    if tail.any() and len(bundle.segments) > 1 and by_segment(bundle.manifest):
        notes.append(
            "the correction against hubs was made segment by segment by an earlier version: scores of two "
            "segments cannot be compared; run prom3e-index rebuild"
        )
    sigma = float(inferred.sigma_l1[0])
    asked = {
        "given": {m: _shown(v) for m, v in query.given().items()}
        | ({m: "embedding"} if (m := query.embedded(bundle.modalities)) else {}),
        "target": target,
        "space": query.space,
        "weights": asdict(weights),
        "hubs": bundle.manifest.get("hubs", {}).get("method", "none") if tail.any() else "none",
        "filters": f.describe() | ({"group_by": query.group_by} if query.group_by else {}),
        "k": int(query.k),
        "sigma_l1": round(sigma, 4),
        "sigma_percentile": sigma_percentile(bundle, visible, sigma),
        "sigma_spearman": model.sigma_spearman,
        "add_next": add_next(bundle, visible, target),
    }
    if model.sigma_spearman is not None and model.sigma_spearman < SIGMA_TELLS:
        notes.append(
            f"‖σ‖₁ hardly follows the error in model {model.name} (Spearman {model.sigma_spearman:g} on "
            "validation): do not read it as certainty"
        )
    how = {
        "rows": bundle.rows,
        "eligible": eligible,
        "path": path,
        "milliseconds": clock.milliseconds,
        "model": model.name,
        "notes": notes,
    }
    return Answer(asked, tuple(hits), how)


def _default_target(bundle: BundleFolder, query: Query) -> str:
    asking = {*query.given(), query.embedded(bundle.modalities)}
    free = [m for m in bundle.modalities if m not in asking]
    return "image" if "image" in free or not free else free[0]


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, str | Path) else np.asarray(value).tolist()


def _of_taxon(bundle: BundleFolder, name: str) -> NDArray[np.int64]:
    rows = bundle.eligible(Filter(taxon=name))
    assert rows is not None  # there is a filter
    return rows
