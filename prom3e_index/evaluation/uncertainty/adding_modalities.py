"""What adding a modality changes, and whether the advice drawn from one half of the rows holds for the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.uncertainty.foretold import Foretold

Ints = NDArray[np.int64]
LEAST = 20
"""Rows asked both without and with a modality that a change is told of."""


def advice_record(f: Foretold) -> dict[str, Any] | None:
    """How much the share of wrong first answers falls when the advised modality is added.

    For each half, visible set and target the other half's calibration advises; what then changes is counted on the
    half's own rows, those asked with the set and with each modality that could be added. Beside it: a modality drawn
    at random, the one that lowers ‖σ‖₁ most, and the best that could have been chosen. Each case counts once.

    Returns:
        `cases`; mean `before` (share of wrong answers) and changes of it: `advised` (0 where nothing is), `random`,
        `sigma`, `best`; `of_best`, advised / best; `silent`, cases without advice. None without a case.
    """
    of = {
        (frozenset(given), target): part
        for (given, target), part in zip(
            f.directions, f.parts(range(len(f.directions))), strict=True
        )
    }
    names = {m for given, target in f.directions for m in (*given, target)}
    found: dict[str, list[float]] = {
        k: [] for k in ("before", "advised", "random", "sigma", "best")
    }
    silent = 0
    for (given, target), mine in of.items():
        for half in (0, 1):
            changes = _changes(f, of, given, target, mine[f.half[mine] == half], names)
            if not changes:
                continue
            advice = f.fitted[1 - half].advice(sorted(given), target)
            told = advice is not None and advice.modality in changes
            silent += not told
            failed = [c[0] for c in changes.values()]
            found["before"].append(float(np.mean([c[2] for c in changes.values()])))
            found["advised"].append(changes[advice.modality][0] if advice and told else 0.0)
            found["random"].append(float(np.mean(failed)))
            found["sigma"].append(min(changes.values(), key=lambda c: c[1])[0])
            found["best"].append(min(0.0, *failed))
    if not found["best"]:
        return None
    means = {k: float(np.mean(v)) for k, v in found.items()}
    of_best = means["advised"] / means["best"] if means["best"] else None
    return {"cases": len(found["best"]), "silent": silent, **means, "of_best": of_best}


def _changes(
    f: Foretold,
    of: dict[tuple[frozenset[str], str], Ints],
    given: frozenset[str],
    target: str,
    mine: Ints,
    names: set[str],
) -> dict[str, tuple[float, float, float]]:
    """By modality that can be added: change of the share of wrong answers, of mean ‖σ‖₁, and the share before."""
    out = {}
    for added in sorted(names - given - {target}):
        more = of.get((given | {added}, target))
        if more is None:
            continue
        _, i, j = np.intersect1d(f.row[mine], f.row[more], assume_unique=True, return_indices=True)
        if len(i) < LEAST:
            continue
        a, b = mine[i], more[j]
        wrong = 1 - float(f.right[a].mean())
        sigma = float((f.sure["sigma"][a] - f.sure["sigma"][b]).mean())
        out[added] = 1 - float(f.right[b].mean()) - wrong, sigma, wrong
    return out
