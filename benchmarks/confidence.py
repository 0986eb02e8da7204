"""What the calibration of an index is worth: `python benchmarks/confidence.py INDEX [INDEX …]`.

By halves of the species each half is judged by what was fitted on the other, over five seeds of the halves (means, ±
their standard deviation): R-AUROC pooled and mean over directions, ECE, sets of species, and what adding the advised
modality brings beside the best and a random one. Then how far P from the first 200 rows is from P of all rows.
Indexes: `prom3e-index demo`, and one of the rows of a model's validation.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import prom3e_index.confidence.signals as signals_module
import prom3e_index.indexer.own_search as search_module
from prom3e_index.bundle.species_codes import species_codes
from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.confidence.fit import fit
from prom3e_index.confidence.metrics import ece, in_thirds, r_auroc
from prom3e_index.confidence.signals import FIRST, First
from prom3e_index.evaluation.uncertainty.adding_modalities import advice_record
from prom3e_index.evaluation.uncertainty.asked import Asked
from prom3e_index.evaluation.uncertainty.foretold import Foretold, foretell
from prom3e_index.indexer.kin import Kin
from prom3e_index.indexer.own_answers import draw, own_answers
from prom3e_index.search.run import Bundle

SEEDS = 5
FEW = 30
"""Observations of a direction that are compared with all rows."""


def quiet(*_: Any) -> None:
    """Say nothing of progress."""


def judged(f: Foretold, chosen: Sequence[int]) -> dict[str, float]:
    """Figures of the answers of some directions; `no P`: the share for which nothing could be fitted, left out."""
    every = np.concatenate(list(f.parts(chosen)))
    at = every[np.isfinite(f.sure["p_right"][every])]
    p, right = f.sure["p_right"], f.right
    given = at[np.isfinite(f.members[at])]
    each = [r_auroc(p[m], right[m]) for part in f.parts(chosen) for m in [np.intersect1d(part, at)]]
    hardest = in_thirds(p[given], f.held[given], f.members[given])[0]
    return {
        "no P": 1 - len(at) / len(every),
        "R@1": right[at].mean(),
        "R-AUROC pooled": r_auroc(p[at], right[at]) or np.nan,
        "mean": float(np.mean([v for v in each if v is not None])),
        "ECE": ece(p[at], right[at]) or np.nan,
        "sets given": len(given) / len(at),
        "cover": f.held[given].mean(),
        "hardest third": hardest["coverage"],
        "size": f.members[given].mean(),
    }


def adding(f: Foretold) -> dict[str, float]:
    """Change of the share of wrong first rows when the advised modality is added; see `advice_record`."""
    found = advice_record(f)
    if found is None:
        return {"cases": 0}
    names = ("cases", "before", "advised", "random", "best", "of_best")
    return {k: float(found[k]) for k in names if found[k] is not None}


def show(name: str, records: list[dict[str, float]]) -> None:
    """Means over the seeds, and the standard deviation."""
    cells = []
    for k in records[0]:
        v = [r[k] for r in records]
        cells.append(f"{k} {np.mean(v):.3f} ± {np.std(v, ddof=1):.3f}")
    print(f"  {name}: " + ", ".join(cells), flush=True)


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
        hidden = [a for a in answers if a.target not in a.visible and len(a.truth)]
        asked = [Asked(a, np.zeros(len(a.truth))) for a in hidden]
        print(f"{path}: {bundle.rows:,} rows, {sum(len(a.truth) for a in hidden):,} answers")
        one, every, added = [], [], []
        for seed in range(SEEDS):
            f = foretell(asked, bundle.modalities, "species", seed)
            one.append(judged(f, [i for i, (g, _) in enumerate(f.directions) if len(g) == 1]))
            every.append(judged(f, range(len(f.directions))))
            added.append(adding(f))
        show("one shown, halves by species", one)
        show("all sets, halves by species", every)
        show("one more", added)
        whole = fit(answers, bundle.modalities)
        names = ("r_auroc", "r_auroc_mean", "aurc", "ece")
        told = ", ".join(f"{k} {whole.quality[k]:.3f}" for k in names)
        print(f"  out of fold: {told}; nothing fitted: {dict(whole.lacking)}")
        off = from_all_rows(bundle, whole, species, kin)
        print(f"  P of the first {FIRST} and of all rows, 99 %: {off:.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
