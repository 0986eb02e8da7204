"""Search: any set of modalities in, the observations nearest in the target modality out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter, quoted
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, MediaError, ShapeError, near_names
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.schema import MEDIA, SHOWN, modality_name, set_key
from prom3e_index.search.query import Answer, Hit, Query

if TYPE_CHECKING:
    from concurrent.futures import Future

    from prom3e_index.models.folder import Model, Weights

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


def embed_query(
    bundle: BundleFolder, model: Model, query: Query, decoded: dict[str, Future[Any]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Embed what a query gives: (1, m, d) unit rows and (1, m) presence.

    `decoded` holds the query's media, being decoded in a process of their own.

    Raises:
        InputError: Nothing given, or a file that cannot be decoded.
        ShapeError: An embedding or climate of another width.
        MismatchError: An encoder that is not the bundle's.
    """
    from prom3e_index.encoders.protocol import unit_rows

    x = np.zeros((1, len(model.modalities), model.width), np.float32)
    present = np.zeros((1, len(model.modalities)), bool)
    for modality, value in query.given().items():
        bundle.check_encoder(model, modality)
        encoder = model.encoder(modality)
        if modality in decoded:
            result = decoded[modality].result()
            if isinstance(result, MediaError):
                raise InputError(f"The query's {modality}: {result}.") from result
            item: Any = [result]
        elif modality == "text":
            if not str(value).strip():
                raise InputError("The text of the query is empty.")
            item = [str(value)]
        else:
            item = np.asarray([value], np.float32)
            if not np.isfinite(item).all():
                raise InputError(f"The query's {modality} holds values that are not numbers.")
        column = model.modalities.index(modality)
        x[0, column], present[0, column] = encoder.encode(item)[0], True
    if query.embedding is not None:
        modality = modality_name(query.embedding_of or "", model.modalities)
        vector = np.asarray(query.embedding, np.float32).reshape(-1)
        wide = model.widths.get(modality, model.width)
        if vector.shape != (wide,):
            raise ShapeError(
                f"The query's embedding is {len(vector)} wide, {bundle.path} was built with {wide}."
            )
        vector = np.pad(vector, (0, model.width - wide))
        if not np.isfinite(vector).all() or not vector.any():
            raise InputError("The query's embedding is zero or holds values that are not numbers.")
        column = model.modalities.index(modality)
        x[0, column], present[0, column] = unit_rows(vector), True
    if not present.any():
        raise InputError(
            "The query gives nothing; give at least one of --image --sat --audio --location "
            "--env --text --embedding."
        )
    return x, present


def search(bundle: BundleFolder, query: Query) -> Answer:
    """Answer a query.

    Scores are ⟨[(1 − γ)·q_t, γ·h], [g_t, h]⟩ over the eligible rows, exactly; see `hybrid`. `k` hits come
    back whenever k rows (or groups) are eligible.

    Raises:
        InputError: k below 1, an unknown target, column or predicate, nothing given.
        MismatchError, ShapeError: The query was made by another model.
        BundleError: The bundle is damaged.
    """
    if query.k < 1:
        raise InputError(f"k is {query.k}; ask for at least 1 hit.")
    if query.group_by is not None and query.group_by not in bundle.columns:
        raise InputError(
            f"The observations have no column {query.group_by!r}{near_names(query.group_by, bundle.columns)}."
        )
    target = modality_name(query.target or _default_target(bundle, query), bundle.modalities)
    clock = _Clock()
    with clock.step("filter"):
        f = Filter(
            query.where,
            query.near,
            query.bbox,
            query.taxon,
            query.since,
            query.until,
            target if query.observed_only else None,
        )
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
    visible = [m for m, has in zip(model.modalities, present[0], strict=True) if has]
    weights = _weights(bundle, model, query, visible, target)
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
        scores, found, path = _find(
            bundle, model, query, target, np.concatenate([vector, tail]), rows, weights
        )
    with clock.step("metadata"):
        hits = _hits(bundle, target, scores, found)
    notes = []
    eligible = bundle.rows if rows is None else len(rows)
    if eligible == 0:
        notes.append("no observation satisfies the filters")
        if query.taxon is not None:
            near = bundle.unknown_taxon(query.taxon)
            notes.append(f"taxon {query.taxon!r}{near or ': no such name'}")
    elif len(hits) < query.k:
        notes.append(f"{len(hits)} of {query.k} hits: no more are eligible")
    sigma = float(inferred.sigma_l1[0])
    below = int(np.count_nonzero(bundle.sigma_l1 <= np.float32(sigma)))
    asked = {
        "given": {m: _shown(v) for m, v in query.given().items()}
        | (
            {modality_name(query.embedding_of or "", model.modalities): "embedding"}
            if query.embedding is not None
            else {}
        ),
        "target": target,
        "space": query.space,
        "weights": asdict(weights),
        "hubs": bundle.manifest.get("hubs", {}).get("method", "none") if tail.any() else "none",
        "filters": f.describe() | ({"group_by": query.group_by} if query.group_by else {}),
        "k": query.k,
        "sigma_l1": round(sigma, 4),
        "sigma_percentile": round(100 * below / max(1, bundle.rows), 1),
        "sigma_spearman": model.sigma_spearman,
        "add_next": _add_next(bundle, visible),
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
    free = [m for m in bundle.modalities if m not in query.given()]
    return "image" if "image" in free or not free else free[0]


def _shown(value: Any) -> Any:
    return (
        value if isinstance(value, str) else str(value) if isinstance(value, Path) else list(value)
    )


def _weights(
    bundle: BundleFolder, model: Model, query: Query, visible: list[str], target: str
) -> Weights:
    from prom3e_index.models.folder import Weights

    own = model.weights(visible, target)
    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    chosen = {"delta": query.delta, "gamma": query.gamma, "epsilon": query.epsilon}
    for name, value in chosen.items():
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"--{name} is {value}; it must lie between 0 and 1.")
    values = {"delta": own.delta, "gamma": own.gamma, "epsilon": stored}
    values |= {k: v for k, v in chosen.items() if v is not None}
    fixed = {
        "encoder": {"delta": 0.0, "gamma": 0.0, "epsilon": 0.0},
        "reconstructed": {"delta": 1.0, "gamma": 0.0},
        "hidden": {"gamma": 1.0},
    }.get(query.space, {})
    return Weights(**{**values, **fixed})


def _find(
    bundle: BundleFolder,
    model: Model,
    query: Query,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64] | None,
    weights: Weights,
) -> tuple[Floats, NDArray[np.int64], str]:
    from prom3e_index.bundle.faiss.scan import best

    stored = float(bundle.manifest.get("epsilon", {}).get(target, 0.0))
    remixed: Floats | None = None
    every = bundle.live if rows is None else rows
    if weights.epsilon != stored:
        remixed = _remixed_scores(bundle, model, target, vector, every, weights.epsilon)

    def take(k: int) -> tuple[Floats, NDArray[np.int64], str]:
        if remixed is not None:
            return (
                *best(remixed, every, k),
                f"exact, gallery mixed anew with ε = {weights.epsilon:g}",
            )
        scores, found, path = bundle.nearest(target, vector[None], k, rows, exactly=query.exact)
        return scores[0], found[0], path

    if query.group_by is None:
        return take(query.k)
    k = 4 * query.k
    while True:
        scores, found, path = take(k)
        values = _values(bundle, found, [query.group_by])
        seen: set[Any] = set()
        keep = []
        for i, row in enumerate(found):
            value = values[int(row)][query.group_by]
            key = ("row", int(row)) if value is None else value  # unknown is no group
            if key not in seen:
                seen.add(key)
                keep.append(i)
        if len(keep) >= query.k or len(found) >= len(every):
            chosen = keep[: query.k]
            return scores[chosen], found[chosen], path
        k *= 4


def _remixed_scores(
    bundle: BundleFolder,
    model: Model,
    target: str,
    vector: Floats,
    rows: NDArray[np.int64],
    epsilon: float,
) -> Floats:
    """Scores with another ε than the stored one: the gallery is computed again, block by block."""
    from prom3e_index.mvae.completion import infer
    from prom3e_index.search.score import gallery

    t = bundle.modalities.index(target)
    stored = [bundle.embeddings(m) for m in bundle.modalities]
    out = np.empty(len(rows), np.float32)
    for at in range(0, len(rows), 2048):
        part = rows[at : at + 2048]
        x = np.stack([np.asarray(e[part], np.float32) for e in stored], axis=1)
        has = bundle.present[part]
        inferred = infer(model, x, has, (target,))
        block = gallery(x[:, t], has[:, t], inferred.reconstructed[:, 0], inferred.hidden, epsilon)
        out[at : at + 2048] = block.astype(np.float16).astype(np.float32) @ vector[: block.shape[1]]
    return out


def _values(
    bundle: BundleFolder, rows: NDArray[np.int64], columns: list[str]
) -> dict[int, dict[str, Any]]:
    """Columns of some rows, by row number: from the records where they stand there, else from the tables."""
    out: dict[int, dict[str, Any]] = {}
    others = []
    for row in rows.tolist():
        segment, place = bundle.segment_of(row)
        held = segment.record(place, columns)
        if held is None:
            others.append(row)
        else:
            out[row] = held
    if others:
        selected = ", ".join(quoted(c) for c in ("row", *columns))
        found = bundle.sql(
            f"SELECT {selected} FROM every WHERE row IN (SELECT unnest(?))", [others]
        )
        out |= {r[0]: dict(zip(columns, r[1:], strict=True)) for r in found}
    return out


def _hits(bundle: BundleFolder, target: str, scores: Floats, found: NDArray[np.int64]) -> list[Hit]:
    if len(found) == 0:
        return []
    names = [c for c in SHOWN if c in bundle.columns]
    by_row = _values(bundle, found, names)
    hits = []
    for i, (score, row) in enumerate(zip(scores, found, strict=True)):
        values = by_row[int(row)]
        segment, place = bundle.segment_of(int(row))
        has = segment.present[place]
        observed = tuple(m for m, h in zip(bundle.modalities, has, strict=True) if h)
        files = {m: values.pop(m, None) for m in MEDIA}
        order = (target, *MEDIA) if target in MEDIA else MEDIA
        file = next((files[m] for m in order if files.get(m) and m in observed), None)
        completed = target not in observed
        hits.append(
            Hit(
                i + 1,
                int(row),
                float(score),
                completed,
                observed,
                str(segment.media / file) if file else None,
                values,
            )
        )
    return hits


def _add_next(bundle: BundleFolder, visible: list[str]) -> dict[str, Any] | None:
    """The absent modality that lowered ‖σ‖₁ most in the bundle's observations; None if none did."""
    changes = bundle.statistics.get(set_key(visible, bundle.modalities), {})
    if not changes:
        return None
    name = min(changes, key=lambda m: float(changes[m][0]))
    change, rows = changes[name]
    if change >= 0:
        return None
    return {"modality": name, "sigma_l1_change": round(float(change), 4), "rows": int(rows)}
