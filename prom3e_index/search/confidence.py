"""How likely an answer is right: what a calibration says of its first rows, or why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.search.answered import Hit
from prom3e_index.search.groups import observation_codes, species_names
from prom3e_index.search.query import Query

if TYPE_CHECKING:
    from prom3e_index.confidence.calibrated import Calibration, Judged
    from prom3e_index.models.folder import Model
    from prom3e_index.search.asked import Asked

NOT_ASKED = "not asked for"
"""Why there is no confidence where the query wants none."""
_DIGITS = 4
_names: WeakKeyDictionary[BundleFolder, dict[int, str]] = WeakKeyDictionary()


def calibration_of(
    bundle: BundleFolder, model: Model, query: Query, visible: list[str], target: str
) -> tuple[Calibration | None, str]:
    """The calibration that an answer is judged by, or why none holds for it."""
    if not query.confidence:
        return None, NOT_ASKED
    if query.space != "hybrid":
        return None, f"it is calibrated in the space hybrid, not in {query.space}"
    own = [w for w in ("delta", "gamma", "epsilon") if getattr(query, w) is not None]
    if own:
        return None, f"it is calibrated with the model's weights, not with another {', '.join(own)}"
    if query.more or query.less:
        return None, "it is calibrated for what a query gives, not for one that marks have moved"
    made = str(bundle.manifest["model"]["name"])
    if query.model is not None and Path(query.model).name != Path(made).name:
        return None, f"it is calibrated with model {made}, not with {query.model}"
    from prom3e_index.search.first_rows import calibration_for

    return calibration_for(bundle, model, visible, target)


def judged(bundle: BundleFolder, asked: Asked) -> tuple[Judged | None, NDArray[np.int64]]:
    """What is to be said of an answer, and the rows it was told from, best first; None where nothing can be."""
    none = np.zeros(0, np.int64)
    if asked.calibration is None or asked.near is None or asked.completed is None:
        return None, none
    from prom3e_index.search.first_rows import first_rows

    scores, rows, _ = asked.near
    first = first_rows(
        bundle,
        asked.target,
        scores[None],
        rows[None],
        asked.completed[None],
        by_row=asked.calibration.rule == "row",
    )

    def several(species: int) -> bool:
        return bundle.has_other_species(asked.rows, species)

    return asked.calibration.judge(
        first, asked.visible, asked.target, asked.eligible, several
    ), rows


def told(bundle: BundleFolder, asked: Asked, hits: list[Hit]) -> tuple[list[Hit], dict[str, Any]]:
    """The hits, of which one says how likely it is right, and what is said of the answer, ready for JSON.

    `confidence` (`p_right`, `interval`, `rows` like it that were judged, how many of them were `right`, `rule`,
    `source`, `ece`, `hit` that it speaks of, and the `reason` why there is none), `species_set` (`level`, `names`, best
    first, and the `reason` why there are none), `expected_error` by completed modality, `add_next`.
    """
    found, rows = judged(bundle, asked)
    if found is None:
        return hits, {
            "confidence": _confidence({}, None, asked.uncalibrated),
            "species_set": {"level": None, "names": None, "reason": asked.uncalibrated},
            "expected_error": {},
            "add_next": None,
        }
    c = found.confidence
    at = None if c.p_right is None else _hit_of(bundle, int(rows[c.place]), hits)
    if at is not None and c.p_right is not None:
        hits = [*hits[:at], replace(hits[at], p_right=_chance(c.p_right)), *hits[at + 1 :]]
    error = {}
    if found.error is not None and found.error_interval is not None:
        error[asked.target] = {
            "value": _short(found.error),
            "interval": [_short(v) for v in found.error_interval],
        }
    return hits, {
        "confidence": _confidence(vars(c), None if at is None else at + 1, c.reason),
        "species_set": {
            "level": found.level,
            "names": _named(bundle, asked, found.species, rows),
            "reason": found.species_reason,
        },
        "expected_error": error,
        "add_next": None if c.p_right is None else _advice(asked),
    }


def _hit_of(bundle: BundleFolder, row: int, hits: list[Hit]) -> int | None:
    """Which hit a row is, from 0; of an observation of several rows the hit that is another of them."""
    found = next((i for i, h in enumerate(hits) if h.row == row), None)
    if found is not None or not bundle.several:
        return found
    codes = observation_codes(bundle, np.array([row, *(h.row for h in hits)], np.int64))
    return next((i for i, code in enumerate(codes[1:]) if code == codes[0] >= 0), None)


def _confidence(c: dict[str, Any], hit: int | None, reason: str | None) -> dict[str, Any]:
    known = c.get("p_right") is not None
    return {
        "p_right": _chance(c["p_right"]) if known else None,
        "interval": [_short(v) for v in c["interval"]] if known else None,
        "rows": c["rows"] if known else None,
        "right": c["right"] if known else None,
        "rule": c.get("rule"),
        "source": c.get("source"),
        "ece": None if c.get("ece") is None else _short(c["ece"]),
        "hit": hit,
        "reason": reason,
    }


def _advice(asked: Asked) -> dict[str, Any] | None:
    """What to add, as it was measured; and what was seen to help none."""
    assert asked.calibration is not None  # of an answer that was judged
    best = asked.calibration.advice(asked.visible, asked.target)
    if best is None:
        return None
    added = asked.calibration.added(asked.visible, asked.target)
    return {
        "modality": best.modality,
        "failure_change": _short(best.failure_change),
        "interval": [_short(v) for v in best.interval],
        "rows": best.rows,
        "no_help": [m for m, (_, _, high, _) in added.items() if high >= 0],
    }


def _named(
    bundle: BundleFolder, asked: Asked, codes: tuple[int, ...] | None, rows: NDArray[np.int64]
) -> list[str] | None:
    """Names of species by their codes, as the index spells them; each is read once."""
    if codes is None:
        return None
    known = _names.setdefault(bundle, {})
    if not known.keys() >= set(codes):
        of = bundle.species(rows)
        first = dict(zip(of[::-1].tolist(), rows[::-1].tolist(), strict=True))
        lacking = [c for c in codes if c not in known]
        names = species_names(bundle, np.array([first[c] for c in lacking], np.int64))
        known |= {c: n for c, n in zip(lacking, names, strict=True) if n is not None}
    return [known[c] for c in codes if c in known]


def _chance(p: float) -> float:
    """A probability as it is told: none is sure."""
    least = 10.0**-_DIGITS
    return min(max(_short(p), least), 1 - least)


def _short(value: float) -> float:
    return round(float(value), _DIGITS)
