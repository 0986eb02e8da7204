"""What is said of an answer below its hits: in short words, and with `--explain` how it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prom3e_index.search.answered import Answer

SIGMA = "‖σ‖₁"
LOADING = ("open", "load")
"""Steps that a program which stays open takes once."""
_SHORTEST = 50.0
"""Milliseconds of loading below which nothing is said of it."""
SURE = 0.2
"""From this rank correlation with the error on, what the model says of its own uncertainty is said in words."""


def notes(answer: Answer, explain: bool) -> list[str]:
    """An answer's notes, a line each; those that speak of the model's formulas only where these are explained."""
    return [f"note: {n}" for n in answer.notes if explain or SIGMA not in n]


def below(answer: Answer, explain: bool) -> list[str]:
    """The lines below the hits on the screen; the warning of a meaningless answer stands above them."""
    from prom3e_index.search.meaning import MEANINGLESS

    lines = [n for n in notes(answer, explain) if MEANINGLESS not in n]
    lines.append(found(answer))
    if explain:
        return lines + explained(answer)
    return lines + ([sure(answer)] if _tells(answer) else [])


def found(answer: Answer) -> str:
    """How many rows could be found, and how long it took; loading apart."""
    s, spent = answer.search, answer.search["milliseconds"]
    observations = (
        f" ({s['eligible_observations']:,} of {s['observations']:,} observations)"
        if "observations" in s
        else ""
    )
    loading = sum(spent.get(step, 0.0) for step in LOADING)
    after = f", after {_time(loading)} of loading" if loading >= _SHORTEST else ""
    return (
        f"{s['eligible']:,} of {s['rows']:,} rows eligible{observations}; "
        f"searched in {_time(sum(spent.values()) - loading)}{after}"
    )


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _tells(answer: Answer) -> bool:
    """Whether the model's uncertainty was seen to follow its errors, and has something to be compared with."""
    q = answer.query
    return (q["sigma_spearman"] or 0.0) >= SURE and q["sigma_percentile"] is not None


def sure(answer: Answer) -> str:
    """How sure the model is of the query, in words."""
    q = answer.query
    advice = q["add_next"]
    more = f"; to add {advice['modality']} would help most" if advice else ""
    return (
        f"the model is as unsure of this query as of the {q['sigma_percentile']:g} % of the observations here, or "
        f"more so, when they show the same{more}"
    )


def explained(answer: Answer) -> list[str]:
    """How the answer was found: space, weights, path, times, uncertainty."""
    q, s = answer.query, answer.search
    w, advice = q["weights"], q["add_next"]
    hubs = f"; corrected against hubs by {q['hubs']}" if q["hubs"] != "none" else ""
    steps = ", ".join(f"{step} {ms:.0f}" for step, ms in s["milliseconds"].items())
    lowers = (
        f"; adding {advice['modality']} would lower it most (by {-advice['sigma_l1_change']:.3g} in "
        f"{advice['rows']} observations here)"
        if advice
        else ""
    )
    return [
        f"space {q['space']}: of the query δ {w['delta']:g} is the completed target, γ {w['gamma']:g} of the score "
        f"the hidden block; of the gallery ε {w['epsilon']:g} is reconstructed{hubs}",
        f"found by {s['path']}, model {s['model']}; ms: {steps}",
        f"uncertainty {SIGMA} {q['sigma_l1']:g}, {answer.standing}{lowers}",
    ]
