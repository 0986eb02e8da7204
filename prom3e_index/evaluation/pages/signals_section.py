"""The part of the uncertainty page that says which answers to believe."""

from __future__ import annotations

from typing import Any

from prom3e_index.confidence.metrics import BINS
from prom3e_index.evaluation.pages.output import DASH, number
from prom3e_index.evaluation.pages.retrieval_page import figure_address
from prom3e_index.evaluation.pages.signals_words import (
    RULES,
    asked_words,
    diversity_words,
    every,
    meant,
    name_of,
    own_words,
    shown_words,
    verdict,
    with_interval,
)
from prom3e_index.evaluation.uncertainty.side_by_side import COVERAGES
from prom3e_index.show.escapes import html

COLOURS = {
    "sigma": "#8a8f8c",
    "nearest": "#3a6ea5",
    "mass": "#a45a1b",
    "p_right": "#2f6f4f",
    "expected_error": "#7a4f8f",
}
_EXPLAINED = (
    ("R-AUROC", "take a right and a wrong answer at random: how often the right one is the surer. 0.5 is a coin, 1 "
     "never errs. Over all answers at once, easy and hard directions mixed; and as the mean of each direction alone."),
    ("AURC", "mean share of wrong answers when only the surest are read, over every share read. Less is better."),
    ("ECE", "how far a promised probability is from what came true, in the mean; 0.04 is 4 of 100."),
    ("Spearman with the error", "whether more doubt goes with a larger error of the completed embedding: 0 not at "
     "all, 1 in the very same order. Over rows: mean of directions. Over visible sets: of their means."),
    ("[low, high]", "95 % interval, by drawing observations again, each with all its answers."),
)  # fmt: skip


def signals_html(out: dict[str, Any]) -> str:
    """Sections of the page: verdict, table, pictures, sets, what to add, diversity."""
    answers = out["answers"]
    return "".join(
        [
            "<h2>Which answers to believe</h2>",
            *(f"<p><b>{html(line[:1].upper() + line[1:])}</b></p>" for line in verdict(out)),
            f"<p class='soft'>{html(asked_words(answers))} {html(RULES[answers['rule']])} Of all "
            f"{number(None if answers['right'] is None else 100 * answers['right'], 1)} % are right. P(right) and the "
            "species mass were fitted on one half of the species and are judged on the other, then the reverse.</p>",
            *(f"<p>{html(line[:1].upper() + line[1:])}.</p>" for line in own_words(out["own"])),
            _side_by_side(out),
            _pictures(out),
            _by_shown(out),
            _by_direction(out),
            _sets(out),
            _adding(out),
            _diversity(out),
        ]
    )


def _table(head: list[str], rows: list[list[str]], after: str = "") -> str:
    """A table in a section; cells are escaped."""
    first = "".join(f"<th>{html(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{_cell(c)}</td>" for c in r) + "</tr>" for r in rows)
    return f"<section class='wide'><table><tr>{first}</tr>{body}</table>{after}</section>"


def _cell(text: str) -> str:
    """A cell, an interval on its own line."""
    value, bracket, between = text.partition(" [")
    end = (
        f"<br><span class='soft small' style='white-space: nowrap'>[{html(between)}</span>"
        if bracket
        else ""
    )
    return html(value) + end


def _side_by_side(out: dict[str, Any]) -> str:
    told, rule = every(out), out["answers"]["rule"]
    rows = [
        [
            name_of(s, rule),
            meant(s, rule),
            with_interval(r["r_auroc"], r["intervals"]["r_auroc"]),
            with_interval(r["mean"]["r_auroc"], r["mean"]["intervals"]["r_auroc"]),
            with_interval(r["aurc"], r["intervals"]["aurc"]),
            with_interval(r["ece"], r["intervals"]["ece"], 3) if r.get("ece") is not None else DASH,
            with_interval(r["error"]["mean"], r["error"]["intervals"]["mean"]),
            number(r["over_sets"]["spearman"], 2),
        ]
        for s, r in told.items()
    ]
    if not rows:
        return ""
    first = next(iter(told.values()))
    words = (
        f"The least possible AURC is {number(first['aurc_best'], 2)}, a coin's {number(first['wrong'], 2)}. "
        f"Visible sets: {first['over_sets']['n']}."
    )
    meanings = "".join(f"<li><b>{html(k)}</b>: {html(v)}</li>" for k, v in _EXPLAINED)
    return _table(
        ["signal", "what it is", "R-AUROC, all answers", "R-AUROC, mean of directions", "AURC", "ECE",
         "Spearman with the error, rows", "visible sets"],
        rows,
        f"<p class='soft'>{html(words)}</p><ul class='small soft'>{meanings}</ul>",
    )  # fmt: skip


def _pictures(out: dict[str, Any]) -> str:
    from matplotlib.figure import Figure

    told, rule = every(out), out["answers"]["rule"]
    if not told:
        return ""
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = told.get("p_right", {}).get("reliability") or []
    left.plot([0, 1], [0, 1], color="#8a8f8c", linewidth=1, linestyle="--", label="as promised")
    if bins:
        most = max(b["rows"] for b in bins)
        left.bar(
            [(b["low"] + b["high"]) / 2 for b in bins], [0.25 * b["rows"] / most for b in bins],
            width=0.9 / BINS, color="#d9e0da", label="answers (the highest bar: " + f"{most:,})",
        )  # fmt: skip
        off = [
            [max(0.0, b["right"] - b["interval"][0]) for b in bins],
            [max(0.0, b["interval"][1] - b["right"]) for b in bins],
        ]
        left.errorbar([b["p"] for b in bins], [b["right"] for b in bins], yerr=off, fmt="o", capsize=3,
                      color=COLOURS["p_right"], label="came true, 95 %")  # fmt: skip
    left.legend(frameon=False, loc="upper left")
    left.set(xlabel="promised: P(right)", ylabel="came true: share of right answers", xlim=(0, 1), ylim=(0, 1.02),
             title="does the promise hold?")  # fmt: skip
    for s, r in told.items():
        right.plot(COVERAGES, r["risk"], color=COLOURS[s], label=name_of(s, rule))
    right.legend(frameon=False)
    right.set(xlabel="share of answers read, the surest first", ylabel="share of wrong ones among them", xlim=(0, 1),
              ylim=(0, None), title="reading only the surest")  # fmt: skip
    words = "Left: promised probability and what came true. Right: wrong answers among the surest."
    return (
        f"<section><img style='width:100%' alt='{html(words)}' src='{figure_address(figure)}'><p class='soft'>Left: "
        "dots on the dashed line are promises kept; below it too sure, above it too careful. Right: the lower, the "
        "better a signal sorts wrong answers to the end; a flat line sorts nothing.</p></section>"
    )


def _by_shown(out: dict[str, Any]) -> str:
    rule = out["answers"]["rule"]
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for r in out["signals"]:
        groups.setdefault(r["shown"], {})[r["signal"]] = r
    if not groups:
        return ""
    signals = list(every(out))
    largest = max((int(k) for k in groups if k != "every"), default=0)
    rows = []
    for shown, found in groups.items():
        some = next(iter(found.values()))
        rows.append(
            [shown_words(shown, largest), f"{some['directions']}", number(1 - some["wrong"], 2)]
            + [
                f"{number(found[s]['r_auroc'], 2)} / {number(found[s]['mean']['r_auroc'], 2)}"
                if s in found
                else DASH
                for s in signals
            ]
        )
    return "<h3>By the number of modalities shown</h3>" + _table(
        ["shown", "directions", "right (recall@1)", *(name_of(s, rule) for s in signals)],
        rows,
        "<p class='soft'>R-AUROC over all answers / mean of directions.</p>",
    )


def _by_direction(out: dict[str, Any]) -> str:
    rule, signals = out["answers"]["rule"], list(every(out))
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for r in out["directions"]:
        groups.setdefault((r["given"], r["target"]), {})[r["signal"]] = r
    rows = []
    for (given, target), found in groups.items():
        some = next(iter(found.values()))
        rows.append(
            [f"{given} → {target}", f"{some['rows']:,}", number(some["right"], 2)]
            + [number(found[s]["r_auroc"] if s in found else None, 2) for s in signals]
            + [number(found.get("p_right", {}).get("ece"), 3)]
        )
    if not rows:
        return ""
    head = ["direction", "answers", "right (recall@1)"]
    table = _table([*head, *(name_of(s, rule) for s in signals), "ECE of P(right)"], rows)
    return f"<details><summary>R-AUROC by direction ({len(rows)})</summary>{table}</details>"


def _sets(out: dict[str, Any]) -> str:
    sets, error = out["species_sets"], out["expected_error"]
    parts = []
    if sets:
        rows = [
            [name, f"{t['low']:.0%} to {t['high']:.0%}", f"{t['coverage']:.1%}", f"{t['size']:.1f}"]
            for name, t in zip(
                ("least sure", "middle", "surest"), sets["thirds"], strict=False
            )
        ]  # fmt: skip
        rows.append(["all", "", f"{sets['coverage']:.1%}", f"{sets['size']:.1f}"])
        without = (
            f"{sets['without']:.1%} of answers get no set, for too few like them held the right species."
            if sets["without"] > 0.0005
            else ""
        )
        parts.append(
            "<h2>Sets of species that hold the right one with 90 %</h2>"
            + _table(
                ["third of the answers", "P(right)", "sets that hold it", "species in the mean"],
                rows,
                "<p class='soft'>A set is every species whose best row scores nearly as high as the first row; how "
                f"nearly, P(right) says. {html(without)}</p>",
            )
        )
    if error:
        parts.append(
            f"<p>The error of a completion (1 − cosine, {number(error['error'], 2)} in the mean) lies within "
            f"±{number(error['off'], 2)} of the expected one for {error['coverage']:.1%} of {error['answers']:,} "
            "answers; 90 % should.</p>"
        )
    return "".join(parts)


def _adding(out: dict[str, Any]) -> str:
    advice = out["advice"]
    if advice is None:
        return ""
    rows = [
        [name, f"{100 * (advice['before'] + change):.1f}", f"{100 * change:+.1f}"]
        for name, change in (
            ("nothing", 0.0), ("the modality that is advised", advice["advised"]),
            ("one at random", advice["random"]), ("that which lowers ‖σ‖₁ most", advice["sigma"]),
            ("the best there was", advice["best"]),
        )
    ]  # fmt: skip
    words = (
        f"{advice['cases']} cases (visible set, target, half of the species); the advice is drawn from one half and "
        f"counted on the other. In {advice['silent']} of them none is given."
    )
    return "<h2>What to add</h2>" + _table(
        ["added", "wrong first answers of 100", "change"],
        rows,
        f"<p class='soft'>{html(words)}</p>",
    )


def _diversity(out: dict[str, Any]) -> str:
    found = out["diversity"]
    parts = [f"<h2>Diversity of places</h2><p>{html(' '.join(diversity_words(found)))}.</p>"]
    if "reason" not in found:
        rows = [
            [
                "entropy of the species found" if r["signal"] == "entropy" else "‖σ‖₁",
                f"place → {r['target']}" if r["target"] else "place alone",
                with_interval(r["spearman"], r["interval"]),
                f"{r['n']:,}",
            ]
            for r in found["signals"]
        ]
        parts.append(
            _table(["of", "asked", "Spearman with Shannon's diversity", "places"], rows,
                   "<p class='soft'>Whether answers to a place spread over more species where more species were seen "
                   "around it.</p>")
        )  # fmt: skip
    return "".join(parts)
