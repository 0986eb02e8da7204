"""Queries answered together: decoded ahead, encoded, completed and searched many at a time.

A single search is a batch of one, so both give the same hits; scores differ by the noise of float32 sums alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, MediaError, Prom3eError, ShapeError
from prom3e_index.media.pool import Decoded, DecodePool, Task
from prom3e_index.schema import modality_name
from prom3e_index.search.answer import answer_of, default_target
from prom3e_index.search.answered import Answer
from prom3e_index.search.confidence import calibration_of, told
from prom3e_index.search.groups import Found, usual_group
from prom3e_index.search.hits import hits_of
from prom3e_index.search.query import Query
from prom3e_index.search.query_embedding import embed_queries, media_tasks
from prom3e_index.search.ranking import Ahead, find, first_k, is_exact, mixed_anew, weights_of

if TYPE_CHECKING:
    from prom3e_index.confidence.calibrated import Calibration
    from prom3e_index.models.folder import Model, Weights
    from prom3e_index.models.joined import Joined

Floats = NDArray[np.float32]
Rows = NDArray[np.int64] | None
AT_ONCE = 64
"""Queries that go through the model together: the encoders' own batch. As many more are being decoded."""
REFUSED = (InputError, MediaError, ShapeError)
"""Errors of one query; any other is the index's, the model's or the machine's, and ends the whole."""


class Clock:
    """Milliseconds by step."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        begun = time.perf_counter()
        yield
        spent = (time.perf_counter() - begun) * 1000
        self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent

    def shared(self, by: int) -> dict[str, float]:
        """The share of one of `by` queries, rounded."""
        return {name: round(spent / by, 2) for name, spent in self.milliseconds.items()}


@dataclass
class Asked:
    """A query on its way to its answer.

    Attributes:
        query: What was asked.
        refused: Why it cannot be answered.
        target: Modality searched for.
        filter: Its filter, with what `observed_only` asks for.
        rows: Eligible rows; all when None.
        decoded: Its media by modality, being decoded.
        tasks: What is decoded.
        notes: What is to be said of its answer.
        visible: Modalities that it shows.
        weights: δ, γ, ε.
        joined: How the query is joined of what each modality asks alone; None where it asks as one.
        vector: Of the query, with the weights of the correction against hubs at its end.
        corrected: Whether any of those is not 0.
        sigma: ‖σ‖₁.
        completed: (d,) what it searches for, as the model completes it.
        calibration: What its answer is judged by.
        uncalibrated: Why there is none.
        ahead: The best rows, where they were found together with other queries'.
        near: The first rows, from which the calibration is asked.
    """

    query: Query
    refused: Prom3eError | None = None
    target: str = ""
    filter: Filter = field(default_factory=Filter)
    rows: Rows = None
    decoded: dict[str, list[Future[Decoded]]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    visible: list[str] = field(default_factory=list)
    weights: Weights | None = None
    joined: Joined | None = None
    vector: Floats | None = None
    corrected: bool = False
    sigma: float = 0.0
    completed: Floats | None = None
    calibration: Calibration | None = None
    uncalibrated: str = ""
    ahead: Ahead | None = None
    near: Found | None = None


def answers(
    bundle: BundleFolder, queries: Iterable[Query], workers: int | None = None
) -> Iterator[Answer | Prom3eError]:
    """Answer any number of queries in their order, in bounded memory.

    Args:
        bundle: What is searched.
        queries: Read as they are needed, a few hundred ahead of the answers.
        workers: Decode processes; one per core when None.

    Returns:
        An answer, or why there is none, for each query.

    Raises:
        MismatchError, BundleError, ModelError: The index or the model cannot answer any query.
    """
    incoming = iter(queries)
    eligible = Eligible(bundle)
    with DecodePool(workers or os.cpu_count() or 2) as pool:

        def take() -> list[Asked]:
            part = [Asked(q) for q in islice(incoming, AT_ONCE)]
            begin(bundle, part, eligible, pool)
            return part

        part = take()
        while part:
            following = take()  # its media are decoded while this part goes through the model
            yield from _finish(bundle, part, pool)
            part = following


def answer(bundle: BundleFolder, query: Query) -> Answer:
    """Answer one query; see `Bundle.search`."""
    asked, clock = Asked(query), Clock()
    query.check(bundle.modalities)
    media = bool(query.media())
    with DecodePool(min(4, len(query.media()))) if media else nullcontext() as pool:
        begin(bundle, [asked], Eligible(bundle), pool, clock)
        (found,) = _finish(bundle, [asked], pool, clock)
    if isinstance(found, Prom3eError):
        raise found
    return found


class Eligible:
    """Rows that satisfy filters; those of the last few filters are kept."""

    _MOST = 16

    def __init__(self, bundle: BundleFolder) -> None:
        self._bundle = bundle
        self._kept: dict[Filter, Rows] = {}

    def __call__(self, f: Filter) -> Rows:
        """Eligible rows, ascending; None without a filter. The same array for the same filter."""
        try:
            if f in self._kept:
                return self._kept[f]
        except TypeError:  # a list within
            return self._bundle.eligible(f)
        if len(self._kept) >= self._MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[f] = self._bundle.eligible(f)
        return self._kept[f]


def begin(
    bundle: BundleFolder,
    part: Sequence[Asked],
    eligible: Eligible,
    pool: DecodePool | None,
    clock: Clock | None = None,
) -> None:
    """Check queries, find the rows that they may have, and have their media decoded."""
    clock = clock or Clock()
    for asked in part:
        query = asked.query
        try:
            query.check(bundle.modalities)
            query = asked.query = usual_group(bundle, query)
            asked.target = modality_name(
                query.target or default_target(bundle, query), bundle.modalities
            )
            with clock.step("filter"):
                asked.filter = query.filter
                if query.observed_only:
                    asked.filter = replace(query.filter, observed=asked.target)
                asked.rows = eligible(asked.filter)
            if query.media():
                assert pool is not None  # there are media
                with clock.step("load"):
                    for modality, tasks in media_tasks(_model(bundle, query), query).items():
                        asked.tasks += tasks
                        asked.decoded[modality] = [pool.submit(t) for t in tasks]
        except REFUSED as e:
            asked.refused = e


def _model(bundle: BundleFolder, query: Query) -> Model:
    return bundle.model(query.model, query.hub, query.device)


def _finish(
    bundle: BundleFolder, part: Sequence[Asked], pool: DecodePool | None, clock: Clock | None = None
) -> list[Answer | Prom3eError]:
    """Answer queries whose media are being decoded."""
    clock = clock or Clock()
    by_model: dict[tuple[Any, ...], list[Asked]] = {}
    for asked in part:
        if asked.refused is None:
            q = asked.query
            by_model.setdefault((q.model, str(q.hub), q.device), []).append(asked)
    for same in by_model.values():
        with clock.step("load"):
            model = _model(bundle, same[0].query)
            for modality in dict.fromkeys(m for a in same for m in a.query.given()):
                model.encoder(modality)
        with clock.step("encode"):
            x, present = embed_queries(bundle, model, same)
        if pool is not None:
            _take_notes(pool, same)
        answered = [i for i, a in enumerate(same) if a.refused is None]
        if answered:
            some = [same[i] for i in answered]
            complete(bundle, model, some, x[answered], present[answered], clock)
            with clock.step("search"):
                _search_together(bundle, some)
    return [_one(bundle, asked, clock, len(part)) for asked in part]


def _take_notes(pool: DecodePool, part: Sequence[Asked]) -> None:
    for asked in part:
        for path in dict.fromkeys(t.path for t in asked.tasks):
            if path in pool.notes:
                asked.notes.append(f"{path.name}: {pool.notes[path]}")


def complete(
    bundle: BundleFolder,
    model: Model,
    part: Sequence[Asked],
    x: Floats,
    present: NDArray[np.bool_],
    clock: Clock,
) -> None:
    """Complete what each query searches for, and make its vector."""
    from prom3e_index.mvae.completion import infer, mean_embedding
    from prom3e_index.search.joined import joined_rows
    from prom3e_index.search.score import query_rows

    for asked, has in zip(part, present, strict=True):
        asked.visible = [m for m, h in zip(model.modalities, has, strict=True) if h]
        asked.weights = weights_of(bundle, model, asked.query, asked.visible, asked.target)
        asked.calibration, asked.uncalibrated = calibration_of(
            bundle, model, asked.query, asked.visible, asked.target
        )
    with clock.step("complete"):
        for target in dict.fromkeys(a.target for a in part):
            own = [i for i, a in enumerate(part) if a.target == target]
            inferred = infer(model, x[own], present[own], (target,))
            mean = mean_embedding(x[own], present[own])
            for at, i in enumerate(own):
                asked, one = part[i], slice(at, at + 1)
                q = asked.query
                assert asked.weights is not None  # set above
                vector = query_rows(
                    mean[one],
                    inferred.reconstructed[one, 0],
                    inferred.hidden[one],
                    q.space,
                    asked.weights,
                )
                plain = q.space == "hybrid" and (q.delta, q.gamma, q.epsilon) == (None,) * 3
                if plain:
                    asked.joined = model.joined(asked.visible, target)
                    rows = x[own[at] : own[at] + 1]
                    vector = joined_rows(model, asked.joined, rows, asked.visible, target, vector)
                tail = bundle.hub_weights(asked.visible, plain)
                asked.vector, asked.corrected = np.concatenate([vector[0], tail]), bool(tail.any())
                asked.sigma = float(inferred.sigma_l1[at])
                asked.completed = inferred.reconstructed[at, 0]


def _search_together(bundle: BundleFolder, part: Sequence[Asked]) -> None:
    """Search the stored galleries for the queries that ask for as many of the same rows.

    Where the first rows that a calibration reads begin with the hits, they are searched for once; else twice, so that
    the hits are what they are without it.
    """
    from prom3e_index.confidence.signals import FIRST

    together: dict[tuple[Any, ...], list[Asked]] = {}
    for asked in part:
        assert asked.weights is not None  # of completed queries
        if not mixed_anew(bundle, asked.target, asked.weights):
            judged = asked.calibration is not None
            key = (asked.target, id(asked.rows), first_k(asked.query), asked.query.exact, judged)
            together.setdefault(key, []).append(asked)
    for (target, _, k, exactly, judged), same in together.items():
        rows, vectors = same[0].rows, np.stack([a.vector for a in same if a.vector is not None])
        best = is_exact(bundle, target, k, rows, exactly)
        most = max(k, FIRST) if judged and best else k
        scores, found, path = bundle.nearest(target, vectors, most, rows, exactly=exactly)
        near, near_rows = scores[:, :FIRST], found[:, :FIRST]
        if judged and not best and k != FIRST:
            near, near_rows, _ = bundle.nearest(target, vectors, FIRST, rows, exactly=exactly)
        for i, asked in enumerate(same):
            asked.ahead = Ahead(most, (scores[i], found[i], path), best)
            asked.near = (near[i], near_rows[i], path) if judged else None


def _one(bundle: BundleFolder, asked: Asked, clock: Clock, of: int) -> Answer | Prom3eError:
    """The answer of a query that went through the model."""
    if asked.refused is not None:
        return asked.refused
    assert asked.vector is not None and asked.weights is not None  # completed
    model = _model(bundle, asked.query)
    try:
        with clock.step("search"):
            scores, found, path = find(
                bundle,
                model,
                asked.query,
                asked.target,
                asked.vector,
                asked.rows,
                asked.weights,
                asked.ahead,
            )
    except REFUSED as e:
        return e
    with clock.step("metadata"):
        hits = hits_of(bundle, asked.target, scores, found)
    with clock.step("confidence"):
        hits, said = told(bundle, asked, hits)
    return answer_of(bundle, model, asked, hits, said, path, clock.shared(of))
