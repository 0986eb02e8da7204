"""What is said of an answer below its hits: in short words, and with `--explain` how it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prom3e_index.search.answered import Answer

SIGMA = "‖σ‖₁"
LOADING = ("open", "load")
"""Steps that a program which stays open takes once."""
_SHORTEST = 50.0
"""Milliseconds of loading below which nothing is said of it."""


def notes(answer: Answer) -> list[str]:
    """An answer's notes, a line each."""
    return [f"note: {n}" for n in answer.notes]


def told(answer: Answer) -> list[str]:
    """How likely the first hit is right, which species it may be, what to add; nothing of an answer without hits."""
    from prom3e_index.search.in_words import sentences

    return sentences(answer.query) if answer.hits else []


def below(answer: Answer, explain: bool) -> list[str]:
    """The lines below the hits on the screen; the warning of a meaningless answer stands above them."""
    from prom3e_index.search.meaning import MEANINGLESS

    lines = told(answer) + [n for n in notes(answer) if MEANINGLESS not in n] + [found(answer)]
    return lines + explained(answer) if explain else lines


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


def explained(answer: Answer) -> list[str]:
    """What confidence rests on, and how the answer was found: space, weights, path, times, ‖σ‖₁."""
    from prom3e_index.search import in_words

    q, s = answer.query, answer.search
    w = q["weights"]
    hubs = f"; corrected against hubs by {q['hubs']}" if q["hubs"] != "none" else ""
    steps = ", ".join(f"{step} {ms:.0f}" for step, ms in s["milliseconds"].items())
    return [
        *in_words.explained(q),
        f"space {q['space']}: of the query δ {w['delta']:g} is the completed target, γ {w['gamma']:g} of the score "
        f"the hidden block; of the gallery ε {w['epsilon']:g} is reconstructed{hubs}{_joined(q)}",
        f"found by {s['path']}, model {s['model']}; ms: {steps}",
        f"{SIGMA} {q['sigma_l1']:g}, {answer.standing}",
    ]


def _joined(query: dict[str, Any]) -> str:
    """How a query of several modalities was put together, where not as one alone."""
    how = query.get("joined")
    if how is None:
        return ""
    alone = ", ".join(f"{m} {share:.2f}" for m, share in how["alone"].items())
    together = f"all together {how['own']:.2f}, " if how["own"] else ""
    return f"; the query is a sum of {together}each alone: {alone}"
