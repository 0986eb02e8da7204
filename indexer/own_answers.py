"""What an index answers to its own observations when the target is hidden: the answers that calibrate it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.asking import ROWS, Direction, directions
from prom3e_index.confidence.calibrated import Rule
from prom3e_index.confidence.signals import FIRST, UNKNOWN
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.on_card import on_card
from prom3e_index.indexer.own_search import SPARE, OwnSearch
from prom3e_index.indexer.plan import Progress
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import Inferred, infer, mean_embedding, prepare
from prom3e_index.search.first_rows import first_rows
from prom3e_index.search.hubness import Bank
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.score import gallery, query_rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SCANNED = 100_000
"""Rows that a query scans, of an index that is scanned whole or whose lists are read nearly whole, beyond which it is
asked by fewer observations, down to a quarter."""
_FEW = 16
"""Rows of a species that are compared first with one of it."""
_TOKENS = 4096
"""Rows whose tokens are kept at a time."""
_TOGETHER = 4
"""Visible sets whose answers are made at a time, of an index that is scored here: also on two cores, where steps that
use all cores wait for steps that use one."""


@dataclass(frozen=True)
class Asking:
    """Which rows ask what.

    Attributes:
        rows: By direction, row numbers.
        species: (places,) codes.
        kin: Which rows belong together.
        rule: What a right answer is.
    """

    rows: dict[Direction, Ints]
    species: Ints
    kin: Kin
    rule: Rule


def draw(bundle: BundleFolder, species: Ints, kin: Kin, rule: Rule, most: int = ROWS[0]) -> Asking:
    """Draw the rows that ask: any two directions have as many in common as can be, so that they can be compared.

    By the species rule a row asks whose species is known and has another row that is no kin of it. By the row rule
    nothing asks for what it shows: it would find itself.

    Args:
        bundle: Whose rows.
        species: (places,) codes.
        kin: Which rows belong together.
        rule: What a right answer is.
        most: Observations that ask in one direction.
    """
    present = bundle.present
    order = np.random.default_rng(0).permutation(bundle.live)
    able: dict[int, bool] = {}
    by_species: dict[int, Ints] = {}
    if rule == "species":
        order = order[species[order] != UNKNOWN]
        known = np.sort(order)
        known = known[np.argsort(species[known], kind="stable")]
        codes, starts = np.unique(species[known], return_index=True)
        parts = np.split(known, starts[1:]) if len(codes) else []
        by_species = dict(zip(codes.tolist(), parts, strict=True))

    def asks(row: int) -> bool:
        if row not in able:
            able[row] = rule == "row" or _has_another(kin, row, by_species[int(species[row])])
        return able[row]

    share = min(1.0, max(0.25, SCANNED / max(1.0, scanned(bundle))))
    has = present[order]
    out: dict[Direction, Ints] = {}
    for (seen, target), count in directions(len(bundle.modalities)).items():
        if rule == "row" and target in seen:
            continue
        wanted = max(1, round(share * min(count, most)))
        having = order[has[:, [*{*seen, target}]].all(axis=1)]
        chosen: list[int] = []
        for row in having.tolist():
            if asks(row):
                chosen.append(row)
                if len(chosen) == wanted:
                    break
        if chosen:
            out[seen, target] = np.array(chosen, np.int64)
    return Asking(out, species, kin, rule)


def scanned(bundle: BundleFolder) -> float:
    """Rows whose scores a query for as many hits as a calibration reads makes, of the target where these are most."""
    k, stated = FIRST + SPARE, bundle.manifest["segments"]

    def of(target: str) -> float:
        kinds = [e["index"][target]["kind"] for e in stated]
        return sum(
            s.rows if kind == "exact" else s.gallery(target).rows_read(k)
            for s, kind in zip(bundle.segments, kinds, strict=True)
            if s.rows
        )

    return max(of(target) for target in bundle.modalities)


def _has_another(kin: Kin, row: int, same: Ints) -> bool:
    """Whether any of the rows of a row's species is no kin of it; mostly one of the first few is none."""
    at, size = 0, _FEW
    while at < len(same):
        if not kin.of(np.array([row]), same[None, at : at + size]).all():
            return True
        at, size = at + size, 8 * size
    return False


def own_answers(
    bundle: BundleFolder, model: Model, asking: Asking, progress: Progress
) -> Iterator[Answers]:
    """The answers, by direction, as `search` gives them with the model's weights; own rows and their kin left out.

    By the row rule the asking row itself can be found, as the model would have it without what the query shows.
    """
    sets: dict[tuple[int, ...], list[int]] = {}
    for seen, target in asking.rows:
        sets.setdefault(seen, []).append(target)
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *asking.rows.values()]))
    asked = _Asked(bundle, model, asking, every)
    for number, answers in enumerate(asked.in_order(sets)):
        yield from answers
        progress("confidence", number + 1, len(sets))


class _Asked:
    """What is made once for all visible sets."""

    def __init__(self, bundle: BundleFolder, model: Model, asking: Asking, every: Ints) -> None:
        self._bundle, self._model, self._asking, self._every = bundle, model, asking, every
        self._groups = asking.kin.groups(every, asking.species[every])
        card = on_card(bundle, model)
        self._search = OwnSearch(bundle, asking.kin, None if card is bundle else card)
        self._bank = Bank(model, bundle.manifest["hubs"]["method"]) if bundle.bias_width else None
        self._tokens = None
        if 0 < len(every) <= _TOKENS:
            self._tokens = prepare(model, self._embeddings(every), bundle.present[every])

    def _embeddings(self, rows: Ints) -> Floats:
        """(n, m, d) float32."""
        stored = [self._bundle.embeddings(m)[rows] for m in self._bundle.modalities]
        return np.stack([np.asarray(s, np.float32) for s in stored], axis=1)

    def _infer(
        self, rows: Ints, x: Floats, shown: NDArray[np.bool_], targets: Sequence[str]
    ) -> Inferred:
        kept = None
        if self._tokens is not None:
            kept = self._tokens, np.searchsorted(self._every, rows)
        return infer(self._model, x, shown, targets, tokens=kept)

    def in_order(self, sets: Mapping[tuple[int, ...], Sequence[int]]) -> Iterator[list[Answers]]:
        """The answers of each visible set, several at a time where an index is scored here."""
        if not self._search.scores_here or (os.cpu_count() or 1) < 2:
            yield from (list(self.with_set(*given)) for given in sets.items())
            return
        pool = ThreadPoolExecutor(_TOGETHER)
        waiting: deque[Future[list[Answers]]] = deque()
        try:
            for seen, targets in sets.items():
                waiting.append(pool.submit(lambda s, t: list(self.with_set(s, t)), seen, targets))
                if len(waiting) > _TOGETHER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def with_set(self, seen: tuple[int, ...], targets: Sequence[int]) -> Iterator[Answers]:
        """The answers to queries that show a set."""
        names, asking = self._bundle.modalities, self._asking
        rows = np.unique(np.concatenate([asking.rows[seen, t] for t in targets]))
        x = self._embeddings(rows)
        shown = np.zeros((len(rows), len(names)), bool)
        shown[:, seen] = True
        inferred = self._infer(rows, x, shown, [names[t] for t in targets])
        visible = tuple(names[i] for i in seen)
        mean, tail = mean_embedding(x, shown), self._bundle.hub_weights(visible)
        for place, t in enumerate(targets):
            mine = np.searchsorted(rows, asking.rows[seen, t])
            completed = inferred.reconstructed[mine, place]
            w = self._model.weights(visible, names[t])
            vectors = query_rows(mean[mine], completed, inferred.hidden[mine], "hybrid", w)
            how = self._model.joined(visible, names[t])
            vectors = joined_rows(self._model, how, x[mine], visible, names[t], vectors)
            vectors = np.concatenate([vectors, np.tile(tail, (len(mine), 1))], axis=1)
            own = None
            if asking.rule == "row":
                own = self._own(rows[mine], x[mine], shown[mine], t)
            scores, found = self._search.first(names[t], vectors, rows[mine], own)
            block = None if own is None else (rows[mine], own[:, : completed.shape[1]])
            first = first_rows(
                self._bundle,
                names[t],
                scores,
                found,
                completed,
                by_row=own is not None,
                species=asking.species,
                own=block,
            )
            error = 1 - np.einsum("qd,qd->q", completed, x[mine, t]).astype(np.float64)
            yield Answers(
                visible,
                names[t],
                first,
                rows[mine] if own is not None else asking.species[rows[mine]],
                rows[mine],
                self._groups[np.searchsorted(self._every, rows[mine])],
                np.full(len(mine), np.nan) if t in seen else error,
            )

    def _own(self, rows: Ints, x: Floats, shown: NDArray[np.bool_], t: int) -> Floats:
        """Gallery rows (q, width) of the rows that ask, made of what they do not show."""
        name = self._bundle.modalities[t]
        rest = self._bundle.present[rows] & ~shown
        inferred = self._infer(rows, x, rest, [name])
        epsilon = float(self._bundle.manifest["epsilon"].get(name, 0.0))
        made = gallery(x[:, t], rest[:, t], inferred.reconstructed[:, 0], inferred.hidden, epsilon)
        if self._bank is None:
            return made
        bias = self._bank.bias(made.astype(np.float16), name).astype(np.float32)
        return np.concatenate([made, bias], axis=1)
