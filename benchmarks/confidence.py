"""What the calibration of an index is worth: `python benchmarks/confidence.py INDEX [INDEX …]`.

By halves of the species, one fits and the other is judged, over five seeds: R-AUROC pooled and mean over directions,
ECE, sets of species, and what adding the advised modality brings beside the best and a random one. Then how far P from
the first 200 rows is from P of all rows. Indexes: `prom3e-index demo`, and one of the rows of a model's validation.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import prom3e_index.confidence.signals as signals_module
import prom3e_index.indexer.own_search as search_module
from prom3e_index.bundle.species_codes import species_codes
from prom3e_index.confidence.answers import Answers
from prom3e_index.confidence.calibrated import Calibration, key_of
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.metrics import ece, in_thirds, r_auroc
from prom3e_index.confidence.signals import FIRST, First
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.own_answers import draw, own_answers
from prom3e_index.search.run import Bundle

SEEDS = 5
FEW = 30
"""Observations of a direction that are compared with all rows."""


def quiet(*_: Any) -> None:
    """Say nothing of progress."""


def judged(calibration: Calibration, answers: list[Answers]) -> dict[str, float]:
    """Figures of answers to species that the calibration was not fitted on."""
    p, right, inside, size, each, given = [], [], [], [], [], []
    for a in answers:
        if not len(a.truth) or calibration.why_not(a.visible, a.target):
            continue
        mine = calibration.probabilities(a.first, a.visible, a.target)
        f = calibration.fitted[key_of(a.visible, a.target)]
        limit = np.asarray(f.set_below)[np.searchsorted(f.set_edges, mine, side="right")]
        s = a.first.scores
        held = (s >= s[:, :1] - limit[:, None]) & np.isfinite(s)
        p.append(mine)
        right.append(a.right)
        given.append(np.isfinite(limit))
        inside.append((held & (a.first.codes == a.truth[:, None])).any(axis=1))
        size.append([len(set(c[h].tolist())) for c, h in zip(a.first.codes, held, strict=True)])
        one = r_auroc(mine, a.right)
        each += [] if one is None else [one]
    p, right, inside, size, given = (np.concatenate(v) for v in (p, right, inside, size, given))
    hardest = in_thirds(p[given], inside[given], size[given])[0]
    return {
        "R@1": right.mean(),
        "R-AUROC pooled": r_auroc(p, right) or np.nan,
        "mean": float(np.mean(each)),
        "ECE": ece(p, right) or np.nan,
        "sets given": given.mean(),
        "cover": inside[given].mean(),
        "hardest third": hardest["coverage"],
        "size": size[given].mean(),
    }


def adding(calibration: Calibration, answers: list[Answers]) -> dict[str, float]:
    """Change of the share of wrong first rows, from one or two shown, when the advised modality is added."""
    found = {(frozenset(a.visible), a.target): a for a in answers}
    advised, best, random = [], [], []
    for a in answers:
        changes = {}
        for m in calibration.modalities:
            more = found.get((frozenset(a.visible) | {m}, a.target))
            if len(a.visible) > 2 or m in a.visible or m == a.target or more is None:
                continue
            _, i, j = np.intersect1d(a.observation, more.observation, return_indices=True)
            if len(i) >= 20:
                changes[m] = a.right[i].mean() - more.right[j].mean()
        if len(changes) > 1:
            advice = calibration.advice(a.visible, a.target)
            advised.append(0.0 if advice is None else changes.get(advice.modality, 0.0))
            best.append(min(0.0, *changes.values()))
            random.append(np.mean(list(changes.values())))
    return {
        "advised": np.mean(advised), "best": np.mean(best), "random": np.mean(random),
        "share of the best": np.sum(advised) / np.sum(best), "harmful": np.mean(np.array(advised) > 0),
    }  # fmt: skip


def show(name: str, records: list[dict[str, float]]) -> None:
    """Means over the seeds, and the spread."""
    cells = [f"{k} {np.mean([r[k] for r in records]):.3f}" for k in records[0]]
    print(f"  {name}: " + ", ".join(cells))


def from_all_rows(bundle: Bundle, calibration: Calibration, species: Any, kin: Kin) -> float:
    """Largest difference in 99 % of answers of P from the first rows and P from all."""
    signals_module.FIRST = search_module.FIRST = bundle.rows
    try:
        asking = draw(bundle, species, kin, "species", FEW)
        off = []
        for a in own_answers(bundle, bundle.model(), asking, quiet):
            if calibration.why_not(a.visible, a.target) is None:
                f = a.first
                cut = First(*(v[:, :FIRST] for v in (f.scores, f.codes, f.cosines, f.alike)))
                one, other = (calibration.probabilities(x, a.visible, a.target) for x in (f, cut))
                off.append(np.abs(one - other))
    finally:
        signals_module.FIRST = search_module.FIRST = FIRST
    return float(np.quantile(np.concatenate(off), 0.99))


def main(paths: list[str]) -> None:
    """Print the figures of each index."""
    for path in paths:
        bundle = Bundle.open(path)
        species, kin = species_codes(bundle), Kin(bundle)
        asking = draw(bundle, species, kin, "species")
        answers = [a.judged("species") for a in own_answers(bundle, bundle.model(), asking, quiet)]
        hidden = [a for a in answers if a.target not in a.visible]
        print(f"{path}: {bundle.rows:,} rows, {sum(len(a.truth) for a in hidden):,} answers")
        group = np.unique(np.concatenate([a.group for a in hidden]))
        one, every, added = [], [], []
        for seed in range(SEEDS):
            half = np.random.default_rng(seed).permutation(group)[: len(group) // 2]
            fits = fit([a.at(np.isin(a.group, half)) for a in hidden], bundle.modalities)
            tests = [a.at(~np.isin(a.group, half)) for a in hidden]
            one.append(judged(fits, [a for a in tests if len(a.visible) == 1]))
            every.append(judged(fits, tests))
            added.append(adding(fits, tests))
        show("one shown, halves by species", one)
        show("all sets, halves by species", every)
        show("one more", added)
        whole = fit(answers, bundle.modalities)
        q = whole.quality
        print(
            "  out of fold: "
            + ", ".join(f"{k} {q[k]:.3f}" for k in ("r_auroc", "r_auroc_mean", "aurc", "ece"))
        )
        print(
            f"  P of the first {FIRST} and of all rows, 99 %: {from_all_rows(bundle, whole, species, kin):.4f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
