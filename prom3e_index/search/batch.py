"""Queries answered together: decoded ahead, encoded, completed and searched many at a time.

A single search is a batch of one, so both give the same hits; scores differ by the noise of float32 sums alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import Prom3eError
from prom3e_index.schema import modality_name
from prom3e_index.search.answer import answer_of, default_target
from prom3e_index.search.answered import Answer
from prom3e_index.search.asked import REFUSED, Asked, Clock
from prom3e_index.search.confidence import calibration_of, told
from prom3e_index.search.examples import check_rows, eligible_rows, left_out_rows
from prom3e_index.search.feedback import moved
from prom3e_index.search.groups import usual_group
from prom3e_index.search.hits import hits_of
from prom3e_index.search.query import Query
from prom3e_index.search.query_embedding import embed_queries, media_tasks
from prom3e_index.search.ranking import Ahead, but, find, first_k, mixed_anew, weights_of
from prom3e_index.search.warm import Warm

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

AT_ONCE = 64
"""Queries that go through the model together: the encoders' own batch. As many more are being decoded."""


def answers(
    bundle: BundleFolder,
    queries: Iterable[Query],
    workers: int | None = None,
    warm: Warm | None = None,
) -> Iterator[Answer | Prom3eError]:
    """Answer any number of queries in their order, in bounded memory.

    Args:
        bundle: What is searched.
        queries: Read as they are needed, a few hundred ahead of the answers.
        workers: Decode processes; one per core when None.
        warm: Has them already, and keeps them.

    Returns:
        An answer, or why there is none, for each query.

    Raises:
        MismatchError, BundleError, ModelError: The index or the model cannot answer any query.
    """
    incoming, own = iter(queries), warm or Warm(workers or os.cpu_count() or 2)

    def take() -> list[Asked]:
        part = [Asked(q) for q in islice(incoming, AT_ONCE)]
        begin(bundle, part, own, Clock())
        decode(bundle, part, own, Clock())
        return part

    try:
        part = take()
        while part:
            following = take()  # its media are decoded while this part goes through the model
            clock = Clock()
            encode(bundle, part, own, clock)
            yield from finish(bundle, part, clock)
            part = following
    finally:
        if warm is None:
            own.close()


def answer(bundle: BundleFolder, query: Query, warm: Warm) -> Answer:
    """Answer one query; see `Bundle.search`."""
    asked, clock = Asked(query), Clock()
    begin(bundle, [asked], warm, clock)
    decode(bundle, [asked], warm, clock)
    encode(bundle, [asked], warm, clock)
    (found,) = finish(bundle, [asked], clock)
    if isinstance(found, Prom3eError):
        raise found
    return found


def begin(bundle: BundleFolder, part: Sequence[Asked], warm: Warm, clock: Clock) -> None:
    """Check queries, find what they search for and the rows that they may have."""
    for asked in part:
        query = asked.query
        try:
            query.check(bundle.modalities)
            check_rows(bundle, query)
            query = asked.query = usual_group(bundle, query)
            asked.target = modality_name(
                query.target or default_target(bundle, query), bundle.modalities
            )
            with clock.step("filter"):
                asked.filter = query.filter
                if query.observed_only:
                    asked.filter = replace(query.filter, observed=asked.target)
                asked.rows = warm.eligible(bundle, asked.filter)
                asked.without = left_out_rows(bundle, query)
                asked.eligible = eligible_rows(bundle, asked.rows, asked.without)
        except REFUSED as e:
            asked.refused = e


def decode(bundle: BundleFolder, part: Sequence[Asked], warm: Warm, clock: Clock) -> None:
    """Have the media of queries decoded."""
    for asked in part:
        if asked.refused is not None or not asked.query.media():
            continue
        try:
            with clock.step("load"):
                for modality, tasks in media_tasks(
                    _model(bundle, asked.query), asked.query
                ).items():
                    asked.decoding[modality] = [(t.path, warm.submit(t)) for t in tasks]
        except REFUSED as e:
            asked.refused = e


def encode(bundle: BundleFolder, part: Sequence[Asked], warm: Warm, clock: Clock) -> None:
    """Embed what queries give, once their media are decoded."""
    for model, same in _by_model(bundle, part):
        with clock.step("load"), warm.encoding:
            for modality in dict.fromkeys(m for a in same for m in a.query.given()):
                model.encoder(modality)
        with clock.step("encode"):
            notes = [_decoded(asked, warm) for asked in same]
            with warm.encoding:
                x, present = embed_queries(bundle, model, same)
        for asked, rows, has, said in zip(same, x, present, notes, strict=True):
            asked.x, asked.has = rows, has
            asked.notes += said


def finish(bundle: BundleFolder, part: Sequence[Asked], clock: Clock) -> list[Answer | Prom3eError]:
    """Answer queries that are embedded."""
    for model, same in _by_model(bundle, part):
        complete(bundle, model, same, clock)
        with clock.step("search"):
            _search_together(bundle, same)
    return [_one(bundle, asked, clock, len(part)) for asked in part]


def _model(bundle: BundleFolder, query: Query) -> Model:
    return bundle.model(query.model, query.hub, query.device)


def _by_model(bundle: BundleFolder, part: Sequence[Asked]) -> Iterator[tuple[Model, list[Asked]]]:
    """Queries that were not refused, by the model that they are asked with."""
    by_model: dict[tuple[Any, ...], list[Asked]] = {}
    for asked in part:
        if asked.refused is None:
            q = asked.query
            by_model.setdefault((q.model, str(q.hub), q.device), []).append(asked)
    for same in by_model.values():
        yield _model(bundle, same[0].query), same


def _decoded(asked: Asked, warm: Warm) -> list[str]:
    """Wait until the media of a query are decoded; what is to be said of them, of each file once."""
    files = [one for some in asked.decoding.values() for one in some]
    found = warm.done([waiting for _, waiting in files])
    notes = {path: note for (path, _), (_, note) in zip(files, found, strict=True) if note}
    return [f"{path.name}: {note}" for path, note in notes.items()]


def complete(bundle: BundleFolder, model: Model, part: Sequence[Asked], clock: Clock) -> None:
    """Complete what each embedded query searches for, and make its vector."""
    from prom3e_index.mvae.completion import infer, mean_embedding
    from prom3e_index.search.joined import joined_rows
    from prom3e_index.search.score import query_rows

    x = np.stack([a.x for a in part if a.x is not None])
    present = np.stack([a.has for a in part if a.has is not None])
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
                asked.vector = np.concatenate([moved(bundle, q, target, vector[0]), tail])
                asked.corrected = bool(tail.any())
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
            key = (
                asked.target,
                id(asked.rows),
                first_k(asked.query),
                len(asked.without),
                asked.query.exact,
                judged,
            )
            together.setdefault(key, []).append(asked)
    for (target, _, k, out, exactly, judged), same in together.items():
        rows, vectors = same[0].rows, np.stack([a.vector for a in same if a.vector is not None])
        best = bundle.finds_best(target, k + out, rows, exactly)
        most = max(k, FIRST) if judged and best else k
        scores, found, path = bundle.nearest(target, vectors, most + out, rows, exactly=exactly)
        near = scores, found
        if judged and not best and k != FIRST:
            near = bundle.nearest(target, vectors, FIRST + out, rows, exactly=exactly)[:2]
        for i, asked in enumerate(same):
            first = but((scores[i], found[i], path), asked.without, most)
            asked.ahead = Ahead(most, first, best)
            near_i = but((near[0][i], near[1][i], path), asked.without, FIRST)
            asked.near = near_i if judged else None


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
                asked.without,
            )
    except REFUSED as e:
        return e
    with clock.step("metadata"):
        hits = hits_of(bundle, asked.target, scores, found)
    with clock.step("confidence"):
        hits, said = told(bundle, asked, hits)
    return answer_of(bundle, model, asked, hits, said, path, clock.shared(of))
