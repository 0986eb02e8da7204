"""What the signals of an uncertainty evaluation say, in words and tables: for the screen, the page and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from prom3e_index.evaluation.pages.output import DASH, number
from prom3e_index.show.escapes import cell

NAMES = {
    "sigma": "‖σ‖₁",
    "nearest": "nearest cosine",
    "mass": "species mass",
    "p_right": "P(right)",
    "expected_error": "expected error",
}
MEANT = {
    "sigma": "the model's own uncertainty, as in the paper; less is surer",
    "nearest": "how close the completed embedding comes to any row of the gallery; more is surer",
    "mass": "share of the softmax of the scores that falls on the first row's species; more is surer",
    "p_right": "probability that the first row is right, fitted on other species; what a search shows",
    "expected_error": "1 − cosine of the completion with the true embedding, foretold; less is surer",
}
MASS_BY_ROW = (
    "share of the softmax of the scores, each row as far as it is like the first; more is surer"
)
RULES = {
    "species": "An answer is right when its first row of known species is another observation of the same species.",
    "row": "Without species labels an answer is right when its first row is the very observation asked with.",
}
COLUMNS = ("given", "target", "signal", "rows", "right", "r_auroc", "aurc", "ece", "spearman")
_COIN = 0.5
_NEAR = 0.03
_HARDLY, _WELL = 0.6, 0.75


def csv_of(directions: Sequence[dict[str, Any]]) -> str:
    """A line per direction and signal; an unmeasured cell is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in directions:
        writer.writerow({k: cell(record[k]) for k in COLUMNS})
    return out.getvalue()


def name_of(signal: str, rule: str) -> str:
    """A signal's name: without species there is no species mass."""
    return "likeness mass" if signal == "mass" and rule == "row" else NAMES[signal]


def meant(signal: str, rule: str) -> str:
    """What a signal is, in a line."""
    return MASS_BY_ROW if signal == "mass" and rule == "row" else MEANT[signal]


def shown_words(shown: str, largest: int) -> str:
    """How many modalities a group of directions shows."""
    if shown == "every":
        return "all"
    return f"{shown} (all but the one asked for)" if int(shown) == largest > 3 else shown


def with_interval(value: float | None, between: Sequence[float] | None, digits: int = 2) -> str:
    """`0.87 [0.85, 0.88]`."""
    if value is None:
        return DASH
    low_high = f" [{number(between[0], digits)}, {number(between[1], digits)}]" if between else ""
    return number(value, digits) + low_high


def tells(value: float | None, between: Sequence[float] | None) -> str:
    """What an R-AUROC is worth, in words."""
    if value is None or between is None:
        return "cannot be judged"
    if between[0] <= _COIN <= between[1] or abs(value - _COIN) < _NEAR:
        return "tells right answers from wrong ones no better than a coin"
    if value < _COIN:
        return "is surer of wrong answers than of right ones"
    if value < _HARDLY:
        return "hardly tells right answers from wrong ones"
    return f"tells right answers from wrong ones {'well' if value >= _WELL else 'somewhat'}"


def every(out: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The records of all answers together, by signal."""
    return {r["signal"]: r for r in out["signals"] if r["shown"] == "every"}


def verdict(out: dict[str, Any]) -> list[str]:
    """Sentences: which signal to believe."""
    told, rule = every(out), out["answers"]["rule"]
    lines = [
        f"{name_of(s, rule)} {tells(r['r_auroc'], r['intervals']['r_auroc'])}: R-AUROC "
        f"{with_interval(r['r_auroc'], r['intervals']['r_auroc'])} over all answers, "
        f"{with_interval(r['mean']['r_auroc'], r['mean']['intervals']['r_auroc'])} in the mean of directions."
        for s in ("p_right", "sigma")
        if (r := told.get(s))
    ]
    p = told.get("p_right")
    if p and p["ece"] is not None:
        lines.append(
            f"A probability of P(right) is off by {number(100 * p['ece'], 1)} points in the mean "
            f"(ECE {with_interval(p['ece'], p['intervals']['ece'], 3)})."
        )
    return lines + ([out["answers"]["reason"]] if out["answers"]["reason"] else [])


def asked_words(answers: dict[str, Any]) -> str:
    """What was asked, in a sentence."""
    return (
        f"{answers['answers']:,} answers of {answers['directions']:,} directions, asked with {answers['rows']:,} of "
        f"{answers['of']:,} observations (at most {answers['most']} a direction, drawn): every set of up to three "
        "modalities and those of all but one, each for every modality it does not show."
    )


def own_words(own: dict[str, Any] | None) -> list[str]:
    """What the calibration of the index itself is worth."""
    if own is None:
        return []
    if "reason" in own:
        return [f"the index has no calibration of its own: {own['reason']}"]
    return [
        f"the index's own calibration, out of fold, on {number(own['answers'], 0)} answers of "
        f"{number(own['rows'], 0)} observations: "
        f"R-AUROC {number(own['r_auroc'], 2)}, mean of directions {number(own['r_auroc_mean'], 2)}, ECE "
        f"{number(own['ece'])}"
    ]


def sets_words(sets: dict[str, Any] | None) -> list[str]:
    """What the sets of species hold."""
    if sets is None:
        return []
    hard = sets["thirds"][0] if sets["thirds"] else None
    end = (
        f"; of the least sure third {hard['coverage']:.1%}, with {hard['size']:.1f} species"
        if hard
        else ""
    )
    return [
        f"sets that should hold the right species for 90 %: {sets['coverage']:.1%} of {sets['answers']:,} do, with "
        f"{sets['size']:.1f} species in the mean{end}"
    ]


def advice_words(advice: dict[str, Any] | None) -> list[str]:
    """What adding a modality changed."""
    if advice is None:
        return []

    def after(which: str) -> str:
        return f"{100 * (advice['before'] + advice[which]):.1f}"

    best = "" if advice["of_best"] is None else f" ({advice['of_best']:.0%} of what is possible)"
    return [
        f"wrong first answers of 100: {100 * advice['before']:.1f}; with the modality added that is advised "
        f"{after('advised')}{best}, one at random {after('random')}, that which lowers ‖σ‖₁ most {after('sigma')}, "
        f"the best {after('best')}"
    ]


def diversity_words(found: dict[str, Any]) -> list[str]:
    """Whether a place's answer knows how many species live there."""
    if "reason" in found:
        return [f"diversity was not compared: {found['reason']}"]
    sigma = next((r for r in found["signals"] if r["signal"] == "sigma"), None)
    draw = "an independent draw" if found["independent"] else "the evaluated rows themselves"
    return [
        f"Shannon's diversity of the {found['nearest']} nearest observations ({draw}) with the entropy of a place's "
        f"answer: Spearman {number(found['mean'], 2)}, mean over targets; with ‖σ‖₁ of the place "
        f"{number(sigma['spearman'] if sigma else None, 2)} (published 0.40)"
    ]


def screen(out: dict[str, Any]) -> str:
    """The signals side by side, and what follows from them, for a terminal."""
    answers, rule = out["answers"], out["answers"]["rule"]
    lines = [asked_words(answers), RULES[rule]]
    told = every(out)
    if told:
        lines += [
            "",
            f"  {'':<16}{'R-AUROC of a wrong answer':>40}{'':>16}{'Spearman with the error':>26}",
            f"  {'signal':<16}{'all answers':>20}{'mean of directions':>22}{'AURC':>7}{'ECE':>7}"
            f"{'rows':>14}{'visible sets':>14}",
        ]
    for signal, r in told.items():
        over = r["over_sets"]["spearman"]
        lines.append(
            f"  {name_of(signal, rule):<16}{with_interval(r['r_auroc'], r['intervals']['r_auroc']):>20}"
            f"{with_interval(r['mean']['r_auroc'], r['mean']['intervals']['r_auroc']):>22}"
            f"{number(r['aurc'], 2):>7}{number(r.get('ece'), 3):>7}{number(r['error']['mean'], 2):>14}"
            f"{number(over, 2):>14}"
        )
    lines += [
        "",
        *verdict(out),
        *own_words(out["own"]),
        *sets_words(out["species_sets"]),
        *advice_words(out["advice"]),
    ]
    return "\n".join([*lines, *diversity_words(out["diversity"])])
