"""The certificate of a store: what its search finds, compared with exact search, and how fast.

As of a folder, queries are cross-modal: one observed modality of a row asks for another, in hybrid space. The
embeddings that ask were kept at the push, of every modality, whichever targets it has. Half of them choose how wide to
search, the other half certify; where there are none, no recall is told, and nothing rests on one. Exact search fetches
the rows and scores them here: all up to `EXACT_ROWS`; of more a sample, whose rows that should have been found and
were not are counted for as many as each stands for, so that the recall told is an estimate.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.errors import StoreError
from prom3e_index.indexer.certify import (
    DEPTHS,
    FILTERED,
    QUERIES,
    machine,
    queries_of,
    versions,
)
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.push_ends import publish
from prom3e_index.indexer.store_lock import writing
from prom3e_index.indexer.wished import unmet, wish_of
from prom3e_index.models.folder import Model
from prom3e_index.store.head import Askers, read_askers
from prom3e_index.store.kinds import Kind
from prom3e_index.store.literals import EVERYTHING
from prom3e_index.store.matching import Matching
from prom3e_index.store.nearest import WIDEST
from prom3e_index.store.opened import StoreBundle

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
EXACT_ROWS = 200_000
"""Rows that exact search fetches."""
_NOISE = 2e-6
_SHARES = (10, 100)


def certify_store(
    bundle: StoreBundle, model: Model, progress: Progress, queries: int = QUERIES
) -> dict[str, Any]:
    """Measure every target of a store as it is searched.

    Returns:
        As `certify` of a folder: by target `kind`, `recall@1`, `@10`, `@100`, `p50_ms`, `p95_ms`, `p99_ms` of one query
        for ten hits from here, `batch_qps` in batches of 64, and `filtered`; also `compared`, the rows that exact
        search looked at, and `beam`: how wide it is searched from here on, see `tuned`.
    """
    targets: dict[str, Any] = {}
    askers = read_askers(bundle.engine, bundle.named)
    choosing, asking = (
        {t: _queries(bundle, model, t, askers, queries, half) for t in bundle.targets}
        for half in (0, 1)
    )
    bundle.head = replace(bundle.head, kind=asdict(tuned(bundle, choosing, progress)))
    for number, target in enumerate(bundle.targets):
        progress("certify", number, len(bundle.targets))
        asked = asking[target]
        targets[target] = _measured(bundle, target, asked) | {"queries": len(asked)}
    progress("certify", len(bundle.targets), len(bundle.targets))
    made = {
        "generation": bundle.head.generation,
        "rows": bundle.rows,
        "beam": bundle.head.kind["beam"],
        "compared": min(bundle.rows, EXACT_ROWS),
        "queries": sum(t["queries"] for t in targets.values()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "targets": targets,
        "machine": machine(),
        "versions": {**versions(), "store": f"Milvus {bundle.engine.version}"},
    }
    untold = [
        f"{t}: no recall is told, as no observation has anything else that could ask for it"
        for t, asked in asking.items()
        if not len(asked)
    ]
    return {**made, "unmet": untold + unmet(made, wish_of(bundle.manifest), 0)}


def tuned(bundle: StoreBundle, asking: Mapping[str, Floats], progress: Progress) -> Kind:
    """How a store is to be searched: the least beam of doubled ones that finds what the index was built to find.

    Where none does, the widest is taken; a target that nothing asks for decides nothing.
    """
    kind, wanted = bundle.head.searched, wish_of(bundle.manifest).recall
    if kind.name == "flat":
        return kind
    most = kind.lists if kind.name == "ivf" else WIDEST
    every = bundle.matching(None)
    for target, few in asking.items():
        if not len(few):
            continue
        progress(f"tune {target}", 0, None)
        truth = Truth.of(bundle, target, few)
        while kind.beam < most:
            bundle.head = replace(bundle.head, kind=asdict(kind))
            if truth.recall(*bundle.nearest(target, few, 10, every)[:2], 10) >= wanted:
                break
            kind = replace(kind, beam=min(most, 2 * kind.beam))
        bundle.head = replace(bundle.head, kind=asdict(kind))
    return kind


def keep(bundle: StoreBundle, made: dict[str, Any], break_lock: bool = False) -> dict[str, Any]:
    """Write a certificate into the store's head, as one more generation of the same rows.

    Raises:
        StoreError: Another writer is at work, or the store has changed since it was opened.
    """
    with writing(bundle.engine, "certify", break_lock):
        if bundle.engine.current(bundle.address.name) != bundle.named:
            raise StoreError(f"{bundle.address} changed while it was measured; certify it again.")
        head = bundle.head
        made = {**made, "generation": head.generation + 1}
        new = replace(head, generation=head.generation + 1, certificate=made)
        publish(bundle.engine, new, head, read_askers(bundle.engine, bundle.named))
    return made


def _queries(
    bundle: StoreBundle, model: Model, target: str, askers: Askers, count: int, half: int
) -> Floats:
    """At most some `count` query vectors for a target, (q, width), of one half of the askers, 0 or 1."""
    others = {m: e for m, e in askers.items() if m != target}
    each = -(-count // max(1, len(others)))
    return queries_of(bundle, model, target, {m: e[half::2][:each] for m, e in others.items()})


def _drawn(bundle: StoreBundle, where: str, count: int, rng: np.random.Generator) -> Ints:
    """Rows that satisfy an expression, drawn by chance by their numbers, ascending."""
    numbers = rng.choice(bundle.places, min(bundle.places, 64 * count), replace=False)
    held: list[int] = []
    for at in range(0, len(numbers), 4096):
        if len(held) >= count:
            break
        part = sorted(int(n) for n in numbers[at : at + 4096])
        asked = bundle.where(where, f"row in {part}")
        held += [int(r["row"]) for r in bundle.engine.fetch(bundle.any_collection, asked, [], 4096)]
    return np.sort(rng.permutation(np.array(held, np.int64))[:count])


def _measured(bundle: StoreBundle, target: str, queries: Floats) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": bundle.head.kind["name"]}
    out |= {f"recall@{k}": None for k in DEPTHS}
    if not len(queries) or not bundle.rows:
        return out
    found = {k: bundle.nearest(target, queries, k) for k in DEPTHS}
    bundle.nearest(target, queries[:1], 10)
    times = [_milliseconds(bundle, target, queries[i : i + 1]) for i in range(len(queries))]
    batches = [queries[at : at + 64] for at in range(0, len(queries), 64)]
    seconds = sum(_milliseconds(bundle, target, b) for b in batches) / 1000
    out |= {f"p{p}_ms": round(float(np.percentile(times, p)), 3) for p in (50, 95, 99)}
    out["batch_qps"] = round(len(queries) / seconds, 1)
    truth = Truth.of(bundle, target, queries)
    for k, (scores, numbers, _) in found.items():
        out[f"recall@{k}"] = round(truth.recall(scores, numbers, k), 4)
    out["filtered"] = _filtered(bundle, target, queries[:FILTERED])
    return out


@dataclass(frozen=True)
class Truth:
    """What exact search finds for some queries, among all rows or some drawn by chance.

    Attributes:
        best: (q, k) scores of all rows, best first; None where some were drawn.
        rows: (n,) those that were drawn, ascending.
        products: (q, n) their scores.
        share: Of all rows that they are.
    """

    best: Floats | None
    rows: Ints
    products: Floats
    share: float = 1.0

    @classmethod
    def of(cls, bundle: StoreBundle, target: str, queries: Floats) -> Truth:
        """All rows up to `EXACT_ROWS`, and as many of more."""
        none = np.zeros((len(queries), 0), np.float32)
        if bundle.rows <= EXACT_ROWS:
            best = bundle.nearest(target, queries, max(DEPTHS), exactly=True)[0]
            return cls(best, np.zeros(0, np.int64), none)
        rows = _drawn(bundle, EVERYTHING, EXACT_ROWS, np.random.default_rng(2))
        parts = [none]
        for at in range(0, len(rows), 2048):
            ((_, vectors, _),) = bundle.gallery_parts(target, rows[at : at + 2048])
            parts.append(queries @ np.asarray(vectors, np.float32).T)
        return cls(None, rows, np.concatenate(parts, axis=1), len(rows) / bundle.rows)

    def recall(self, scores: Floats, numbers: Ints, k: int) -> float:
        """The share of the k best rows that a search found, on average; where rows were drawn, an estimate.

        Args:
            scores: (q, k) of the rows that were found, best first.
            numbers: (q, k) which they are.
            k: How many were asked for.
        """
        if self.best is not None:
            return float(found_share(scores, self.best, k).mean())
        each = [self._of_one(*one, k) for one in zip(self.products, scores, numbers, strict=True)]
        return float(np.mean(each))

    def _of_one(self, products: Floats, scores: Floats, numbers: Ints, k: int) -> float:
        """Found and drawn rows in one order, those drawn for as many as each stands for: what of k is found."""
        missed = products[(products > scores[-1] + _NOISE) & ~np.isin(self.rows, numbers)]
        every = np.concatenate([scores, missed])
        weight = np.concatenate([np.ones(len(scores)), np.full(len(missed), 1 / self.share)])
        order = np.argsort(-every, kind="stable")
        before = np.cumsum(weight[order]) - weight[order]
        held = np.clip(k - before, 0, 1)[order < len(scores)]
        return float(held.sum()) / k


def _filtered(bundle: StoreBundle, target: str, queries: Floats) -> list[dict[str, Any]]:
    """Recall@10 of filtered search against exact filtered search: of rows by chance, and of the commonest species.

    Milvus Lite knows no remainder, so of it rows by chance are left out.
    """
    chosen = [("by chance", f"row % {n} == 1") for n in _SHARES if not bundle.address.lite]
    drawn = _drawn(bundle, "species >= 0", 256, np.random.default_rng(3))
    if len(drawn):
        codes, counts = np.unique(bundle.species(drawn), return_counts=True)
        chosen.append(("of one species", f"species == {int(codes[counts.argmax()])}"))
    out = []
    for name, where in chosen:
        rows = Matching(where, bundle.count(where))
        if not len(rows):
            continue
        k = min(10, len(rows))
        truth = bundle.nearest(target, queries, k, rows, exactly=True)[0]
        scores, numbers, path = bundle.nearest(target, queries, k, rows)
        out.append(
            {
                "share": round(len(rows) / bundle.rows, 6),
                "rows": name,
                "recall@10": round(float(found_share(scores, truth, k).mean()), 4),
                "short": len(queries) if numbers.shape[1] < k else 0,
                "path": path,
            }
        )
    return out


def _milliseconds(bundle: StoreBundle, target: str, queries: Floats) -> float:
    begun = time.perf_counter()
    bundle.nearest(target, queries, 10)
    return (time.perf_counter() - begun) * 1000
