"""The section of a page that says how far the chances beside its answers are to be believed."""

from __future__ import annotations

from typing import Any

from prom3e_index.confidence.calibrated import HOW
from prom3e_index.search.in_words import word, worth
from prom3e_index.search.run import Bundle
from prom3e_index.show.escapes import html

_SIDE, _LEFT, _TOP = 260.0, 44.0, 10.0
"""Of the picture: length of an axis, and where the axes begin."""
_HOW = dict(zip(HOW, ("given one other", "given several", "given itself"), strict=True))
_LARGEST = 9.0
"""Radius of the dot of most answers."""


def calibration_section(bundle: Bundle) -> str:
    """Figures of the index's calibration, what was promised beside what came true, and targets one by one."""
    own = bundle.calibration
    head = "<h2 id='sure'>How sure its answers are</h2>"
    if own is None:
        why = html(bundle.uncalibrated)
        return (
            f"{head}<section><p>Not calibrated on these observations: {why}. Where the model brings a calibration of "
            "its own, answers say so.</p></section>"
        )
    bins = [b for b in _list(own.quality.get("reliability")) if _sound(b)]
    picture = reliability(bins) if bins else ""
    return (
        f"{head}<section class='wide'><p>{html(_sentence(worth(own)))}.</p><p class='soft'>Each figure is of "
        "observations of species that the calibration was not fitted on. R-AUROC: how often a right answer has the "
        "larger chance than a wrong one, 0.5 is guessing. AURC: wrong answers among the surest, over all shares of "
        "them. ECE: how far chances are from what came true, on the mean.</p>"
        f"<div class='ask'>{picture}<div>{_targets(own.quality)}</div></div></section>"
    )


def reliability(bins: list[dict[str, Any]]) -> str:
    """A picture of the chances that were told and how often they came true; the more answers, the larger the dot."""
    most = max(b["rows"] for b in bins)
    end, foot = _LEFT + _SIDE, _TOP + _SIDE
    marks = []
    for b in bins:
        x, y = _LEFT + _SIDE * b["p"], foot - _SIDE * b["right"]
        low, high = (foot - _SIDE * v for v in b["interval"])
        radius = max(2.0, _LARGEST * (b["rows"] / most) ** 0.5)
        marks.append(
            f"<g><title>told {b['p']:.2f}, came true {b['right']:.2f} of {b['rows']:,}</title>"
            f"<path class='axisline' d='M{x:.1f} {low:.1f}V{high:.1f}'/>"
            f"<circle class='dot' cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}'/></g>"
        )
    axes = "".join(
        f"<text class='axis' x='{_LEFT + _SIDE * v:.1f}' y='{foot + 16:.1f}' text-anchor='middle'>{v:g}</text>"
        f"<text class='axis' x='{_LEFT - 6:.1f}' y='{foot - _SIDE * v + 4:.1f}' text-anchor='end'>{v:g}</text>"
        for v in (0, 0.5, 1)
    )
    return (
        f"<svg viewBox='0 0 {end + 14:.0f} {foot + 36:.0f}' role='img' aria-label='chances told and what came true'>"
        f"<path class='grid' fill='none' d='M{_LEFT} {_TOP}V{foot}H{end}'/>"
        f"<path class='grid' d='M{_LEFT} {foot}L{end} {_TOP}'/>{axes}"
        f"<text class='axis' x='{_LEFT + _SIDE / 2:.1f}' y='{foot + 32:.1f}' text-anchor='middle'>chance told</text>"
        f"<text class='axis' transform='translate(12 {_TOP + _SIDE / 2:.1f}) rotate(-90)' text-anchor='middle'>came "
        f"true</text>{''.join(marks)}</svg>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _targets(quality: Any) -> str:
    """A line for each target and way of asking."""
    targets = quality.get("targets")
    lines = []
    for key, t in targets.items() if isinstance(targets, dict) else ():
        if not isinstance(t, dict):
            continue
        cells = "".join(
            f"<td>{_cell(t.get(k), form)}</td>"
            for k, form in (("answers", ",.0f"), ("accuracy", ".2f"), ("r_auroc", ".2f"), ("ece", ".3f"))
        )  # fmt: skip
        lines.append(f"<tr><td>{html(_named(str(key)))}</td>{cells}</tr>")
    if not lines:
        return ""
    return (
        "<table><tr><th>searched for</th><th>answers</th><th>right</th><th>R-AUROC</th><th>ECE</th></tr>"
        f"{''.join(lines)}</table>"
    )


def _named(key: str) -> str:
    """`image from one and image from several`, as a reader says it."""
    for how, said in _HOW.items():
        key = key.replace(f" {how}", f", {said}")
    return " ".join(word(part.rstrip(",")) + "," * part.endswith(",") for part in key.split(" "))


def _cell(value: Any, form: str) -> str:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return format(value, form) if known else "—"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _sound(b: Any) -> bool:
    """Whether a bin of a file that may be anyone's can be drawn."""
    if (
        not isinstance(b, dict)
        or not isinstance(b.get("interval"), list)
        or len(b["interval"]) != 2
    ):
        return False
    shares = [b.get("p"), b.get("right"), *b["interval"]]
    rows = b.get("rows")
    return (
        all(isinstance(v, int | float) and 0 <= v <= 1 for v in shares)
        and isinstance(rows, int)
        and rows > 0
    )
