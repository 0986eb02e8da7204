"""Directions: a visible set asks, the gallery of a target answers; recall of each, for training and demo."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.gallery import Gallery
from prom3e_index.evaluation.metrics import Resampler, recall_at
from prom3e_index.evaluation.ranking import Labels, Right
from prom3e_index.evaluation.ranking_on_device import first_right_of
from prom3e_index.evaluation.scores import VisibleSet
from prom3e_index.models.folder import Model, Weights
from prom3e_index.mvae.completion import Completer
from prom3e_index.schema import parse_modalities, set_key
from prom3e_index.search.score import Space

Floats = NDArray[np.float32]
Pair = tuple[tuple[str, ...], str]
SAME_ITEM = ("sat", "loc", "env")
"""Targets that are right when the very item is found; elsewhere an item of the same species counts."""
BLOCK = 512
"""Queries whose products with a gallery are in memory at a time."""

IDENTICAL = 1 - 1e-4
"""Cosine above which two embeddings are of the very item."""
LEAST = 20
"""Gallery rows that a direction needs, and queries unless it is said otherwise."""


def pairs(
    modalities: Sequence[str], combined: Iterable[str] = (), every: bool = False
) -> list[Pair]:
    """Directions to evaluate: all ordered pairs, and those asked for.

    Args:
        modalities: Names in the model's order.
        combined: Further ones, written `image+sat→text` or `image+sat->text`.
        every: All visible sets with all targets outside them.

    Raises:
        InputError: No arrow, several targets, an unknown modality, or a target that is given.
    """
    largest = len(modalities) - 1 if every else 1
    out: list[Pair] = [
        (given, t)
        for size in range(1, largest + 1)
        for given in combinations(modalities, size)
        for t in modalities
        if t not in given
    ]
    for text in combined:
        left, arrow, right = text.replace("->", "→").partition("→")
        if not arrow:
            raise InputError(f"--direction is written image+sat->text, not {text!r}.")
        chosen = parse_modalities(left, modalities)
        given = tuple(m for m in modalities if m in chosen)
        targets = parse_modalities(right, modalities)
        if len(targets) > 1:
            raise InputError(
                f"--direction {text!r} has {len(targets)} targets; give one at a time."
            )
        if targets[0] in given:
            raise InputError(f"--direction {text!r}: {targets[0]} is given and asked for.")
        if (given, targets[0]) not in out:
            out.append((given, targets[0]))
    return out


@dataclass(frozen=True)
class Direction:
    """Queries with one visible set against the gallery of one target.

    Attributes:
        given: Visible set of the queries, `image+sat`.
        target: Modality of the gallery.
        same_item: Whether the very item is asked for, else another of the same species.
        right: Right answers of the q queries. Where a species is asked for the query's own row is no
            answer: the question is whether *another* observation is found.
        gallery: Rows searched, g.
        asks: Brings the scores.
        part: (q,) places of the queries in `asks`.
        groups: (q,) codes of queries that are alike: of one species, or with the same item to find.
    """

    given: str
    target: str
    same_item: bool
    right: Right
    gallery: int
    asks: VisibleSet
    part: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def queries(self) -> int:
        """Rows that ask, with a right answer or without."""
        return len(self.part)

    def first(self, settings: Sequence[tuple[Space, Weights]]) -> list[FirstRight]:
        """Where the first right answer of each query that has one stands, in each space with its weights.

        Products are computed once for all settings, `BLOCK` queries at a time.
        """
        return [f[f.found] for f in self.every_first(settings)]

    @property
    def rows(self) -> NDArray[np.int64]:
        """(q,) the row of the data that each query is."""
        return np.asarray(self.asks.queries[self.part])

    def every_first(self, settings: Sequence[tuple[Space, Weights]]) -> list[FirstRight]:
        """As `first`, of all q queries each; those without a right answer are not `found`."""
        found: list[list[FirstRight]] = [[] for _ in settings]
        for at in range(0, self.queries, BLOCK):
            part = slice(at, at + BLOCK)
            products, right = (
                self.asks.products(self.target, self.part[part]),
                self.right.part(part),
            )
            for into, (space, weights) in zip(found, settings, strict=True):
                scores = products.scores(space, weights)
                into.append(first_right_of(scores, right))
        return [FirstRight.concatenate(f) for f in found]


def directions(
    model: Completer,
    x: Floats,
    present: NDArray[np.bool_],
    species: NDArray[Any] | None,
    limit: int = 800,
    givens: Sequence[tuple[str, ...]] | None = None,
    mixed: Collection[str] = (),
    asking: NDArray[np.bool_] | None = None,
    least: int = LEAST,
) -> Iterator[Direction]:
    """Every visible set with every target outside it that have `least` queries and 20 gallery rows.

    Only observed targets are in the gallery.

    Args:
        model: Only its MVAE is used.
        x: (n, m, d) unit rows.
        present: (n, m).
        species: (n,) labels; an empty one is unknown and matches nothing. Without labels every
            target counts as found when the very item is.
        limit: Queries per direction. Of more they are drawn by a fixed seed, the same rows in every direction that
            has them: tables are often sorted by species.
        givens: Visible sets; each modality alone when None.
        mixed: Targets that will be scored with ε above 0.
        asking: (n,) rows that ask; all answer. All ask when None.
        least: Queries that a direction needs.
    """
    names = model.modalities
    codes = label_codes(species, len(x))
    turn = np.random.default_rng(0).permutation(len(x))
    galleries = {t: Gallery(x, present, i) for i, t in enumerate(names)}
    labels = {t: Labels(codes[g.rows]) for t, g in galleries.items()}
    known: dict[tuple[str, bytes], Right] = {}
    for given in givens or [(n,) for n in names]:
        of_given = [names.index(g) for g in given]
        able = present[:, of_given].all(axis=1)
        askers = np.flatnonzero(able if asking is None else able & asking)
        asked: dict[str, NDArray[np.int64]] = {}
        for target, g in galleries.items():
            same_item = species is None or target in SAME_ITEM
            judged = g.place[askers] >= 0 if same_item else codes[askers] >= 0
            rows = askers[judged]
            rows = np.sort(rows[np.argsort(turn[rows])[:limit]])
            if target not in given and len(rows) >= least and len(g) >= LEAST:
                asked[target] = rows
        if not asked:
            continue
        queries = np.unique(np.concatenate(list(asked.values())))
        mine = {t: galleries[t] for t in asked}
        asks = VisibleSet(x, present, names, given, queries, mine, model, mixed)
        if str(model.device).startswith("cuda"):
            asks = asks.on(model.device)
        for target, rows in asked.items():
            g = galleries[target]
            same_item = species is None or target in SAME_ITEM
            if not same_item:
                right = Right.alike(codes[rows], labels[target], g.place[rows])
            elif (target, key := rows.tobytes()) in known:  # most visible sets ask the same rows
                right = known[target, key]
            else:
                right = known[target, key] = _same_item(x[rows, names.index(target)], g)
            part = np.searchsorted(queries, rows)
            yield Direction(
                set_key(given, names),
                target,
                same_item,
                right,
                len(g),
                asks,
                part,
                len(x) + g.items(rows) if same_item else codes[rows],
            )


def label_codes(species: NDArray[Any] | None, n: int) -> NDArray[np.int64]:
    """A number of each of n rows' labels; −1 where there is none."""
    if species is None:
        return np.full(n, -1, np.int64)
    text = np.array(["" if s is None else str(s) for s in species], dtype=str)
    codes = np.unique(text, return_inverse=True)[1].reshape(-1)
    return np.asarray(np.where(text == "", -1, codes), np.int64)


def _same_item(wanted: Floats, gallery: Gallery) -> Right:
    """Gallery rows that hold the very item: a tile or a place may stand in several rows."""
    rows, members = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for at in range(0, len(wanted), BLOCK):
        row, member = np.nonzero(gallery.products(wanted[at : at + BLOCK]) > IDENTICAL)
        rows.append(row + at)
        members.append(member)
    counts = np.bincount(np.concatenate(rows), minlength=len(wanted))
    ends = np.concatenate([[0], np.cumsum(counts)])
    return Right(np.concatenate(members), ends[:-1], ends[1:], np.full(len(wanted), -1))


def recall_table(
    model: Model,
    x: Floats,
    present: NDArray[np.bool_],
    species: NDArray[Any] | None,
    limit: int = 800,
) -> list[dict[str, Any]]:
    """Recall of every direction in three spaces, with the model's own weights.

    Returns:
        A record per direction: `given`, `target`, `match` (`same item` or `same species`), `rows`,
        `gallery`, and for `encoder`, `reconstructed` and `hybrid` each recall@1, recall@10 and the
        95 % bootstrap interval of recall@1.
    """
    out = []
    spaces: tuple[Space, ...] = ("encoder", "reconstructed", "hybrid")
    epsilon = {t: model.weights((), t).epsilon for t in model.modalities}
    draw = Resampler(draws=300)
    mixed = [t for t, e in epsilon.items() if e]
    for d in directions(model, x, present, species, limit, mixed=mixed):
        record: dict[str, Any] = {
            "given": d.given,
            "target": d.target,
            "gallery": d.gallery,
            "match": "same item" if d.same_item else "same species",
        }
        weights = replace(model.weights((d.given,), d.target), epsilon=epsilon[d.target])
        for space, first in zip(spaces, d.first([(s, weights) for s in spaces]), strict=True):
            low, high = draw.intervals(first.recall(1)[:, None])[0]
            record["rows"] = len(first)
            record[space] = {
                "recall@1": recall_at(first, 1),
                "recall@10": recall_at(first, 10),
                "interval": (float(low), float(high)),
            }
        out.append(record)
    return out
