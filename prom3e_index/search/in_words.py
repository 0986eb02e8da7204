"""What is said of an answer in words: how likely it is right, which species it may be, what to add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prom3e_index.confidence.calibrated import Calibration

NAMES = 8
"""Species that are named in a sentence; of more only their number is told."""
_WORDS = {
    "image": "photo",
    "sat": "satellite tile",
    "loc": "place",
    "env": "climate",
    "text": "name",
    "audio": "sound",
}


def word(modality: str) -> str:
    """A modality as a reader says it; those of other models by their names."""
    return _WORDS.get(modality, modality)


def sentences(said: dict[str, Any]) -> list[str]:
    """All that is said in words of an answer's `query`: `confidence`, `species_set`, `add_next`."""
    lines = [confidence(said), species_set(said), advice(said)]
    return [line for line in lines if line]


def confidence(said: dict[str, Any]) -> str:
    """How likely the first hit is right, or why that is not known; empty where it was not asked for."""
    from prom3e_index.search.confidence import NOT_ASKED

    c = said.get("confidence") or {"p_right": None, "reason": NOT_ASKED}
    if c["p_right"] is None:
        if c["reason"] == NOT_ASKED:
            return ""
        return f"how likely the first hit is right is not known: {c['reason']}"
    low, high = (_hundredths(v) for v in c["interval"])
    what = "right species"
    if c["rule"] == "row":
        what = "the very observation, if it is in the index,"
    if c["hit"] != 1:
        spoken_of = f"hit {c['hit']}" if c["hit"] else "a row that is not among these hits"
        what = f"{spoken_of}, the first that has a species: {what}"
    where = "right here" if c["source"] == "index" else (
        "right among the rows that the model was validated on, none of them from here"
    )  # fmt: skip
    return (
        f"{what} with {percent(c['p_right'])} ({low}-{high} %; {c['right']:,} of {c['rows']:,} answers like it were "
        f"{where})"
    )


def species_set(said: dict[str, Any]) -> str:
    """The species that hold the right one as often as the level says; empty where none are known."""
    s = said.get("species_set") or {}
    if not s.get("names"):
        return ""
    more = len(s["names"]) - NAMES
    named = ", ".join(s["names"][:NAMES])
    return f"{percent(s['level'])}: {named}" + (f" and {more:,} more" if more > 0 else "")


def advice(said: dict[str, Any]) -> str:
    """What to add, as it was measured; empty where nothing is known to help."""
    a = said.get("add_next")
    if not a:
        return ""
    none = _either([f"a {word(m)}" for m in a["no_help"]])
    return (
        f"adding a {word(a['modality'])} would put {round(-100 * a['failure_change'])} more of 100 answers right "
        f"(n {a['rows']:,})" + (f"; {none} none" if none else "")
    )


def expected_error(said: dict[str, Any]) -> str:
    """How far each completed modality is expected to be from the true one; empty where that is not known."""
    errors = said.get("expected_error") or {}
    return "; ".join(
        f"{word(m)} completed with an expected error (1 − cosine) of {e['value']:.2f} "
        f"({e['interval'][0]:.2f}-{e['interval'][1]:.2f})"
        for m, e in errors.items()
    )


def explained(said: dict[str, Any]) -> list[str]:
    """What the sentences rest on, a line each."""
    c = said.get("confidence") or {}
    lines = [expected_error(said)]
    if c.get("ece") is not None:
        lines.append(
            f"these chances were wrong by {100 * c['ece']:.1f} points on the mean (ECE), of species that they were not "
            "fitted on"
        )
    why = (said.get("species_set") or {}).get("reason")
    if why and why != c.get("reason"):
        lines.append(f"no set of species: {why}")
    return [line for line in lines if line]


def percent(p: float) -> str:
    """A probability in whole per cent; none that is sure."""
    if p >= 0.995:
        return "over 99 %"
    if p <= 0.005:
        return "under 1 %"
    return f"{round(100 * p)} %"


def _hundredths(p: float) -> str:
    return f"{round(100 * p)}"


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def worth(c: Calibration) -> str:
    """What a calibration is worth on rows that it was not fitted on, in a line; what is no number is left out."""
    q = c.quality
    told = [
        f"{name} {value:.3f}{_range(q, key)}"
        for key, name in (("r_auroc", "R-AUROC"), ("aurc", "AURC"))
        if (value := _number(q.get(key))) is not None
    ]
    if (ece := _number(q.get("ece"))) is not None:
        told.append(f"calibration error (ECE) {ece:.3f}{_range(q, 'ece')}")
    rule = "the right species" if c.rule == "species" else "the very observation"
    whose = "own" if c.source == "index" else "the model's validation"
    answers, rows = (_number(q.get(k)) for k in ("answers", "rows"))
    if answers is not None and rows is not None:
        told.append(f"{answers:,.0f} answers to {rows:,.0f} of {whose} rows")
    return f"how likely an answer is {rule}: " + ("; ".join(told) or "not measured")


def _range(q: Mapping[str, Any], key: str) -> str:
    """The interval of a figure, in brackets; empty where there is none."""
    intervals = q.get("intervals")
    found = intervals.get(key) if isinstance(intervals, Mapping) else None
    if not isinstance(found, Sequence) or len(found) != 2:
        return ""
    low, high = (_number(v) for v in found)
    return "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else None
