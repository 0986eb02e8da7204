"""The HTML page of a retrieval evaluation: heat maps, curves, published figures; opens offline."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from prom3e_index.evaluation.metrics import recall_at
from prom3e_index.evaluation.pages.output import DASH, RULES, by_direction, number, spaces_of
from prom3e_index.evaluation.pages.said import WARNED, said_html
from prom3e_index.evaluation.retrieval.published import published
from prom3e_index.evaluation.retrieval.scoring import Scored
from prom3e_index.show.escapes import html
from prom3e_index.show.style import STYLE

_MORE = """
td.heat { text-align: center } .caption { color: var(--soft); font-size: 13px }
table.narrow { width: auto } details { margin: 8px 0 } img.curve { width: 100%; max-width: 900px }
"""


def page(results: dict[str, Any], scored: Sequence[Scored]) -> str:
    """The page as text."""
    f, found = results["facts"], results["results"]
    spaces = spaces_of(found)
    parts = [_facts(f), _summary(results, spaces)]
    for match in RULES:
        groups = by_direction(found, match)
        if groups:
            parts.append(_heat(match, groups, spaces))
    parts += [_published(found), _curves(scored, spaces), _hubs(results["hubness"]), _lost(results)]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>Retrieval</title>"
        f"<style>{STYLE}{_MORE}{WARNED}</style><main>{''.join(parts)}</main></html>\n"
    )


def _facts(f: dict[str, Any]) -> str:
    observed = ", ".join(f"{m} {n:,}" for m, n in f["observed"].items())
    rows = [
        ("data", f"{f['source']} ({f['data_fingerprint']})"),
        ("rows", f"{f['rows']:,} of {f['rows_in_source']:,}; observed: {observed}"),
        ("model", f"{f['model'] or DASH} ({f['model_fingerprint'] or 'encoder space only'})"),
        ("δ, γ, ε", f["weights"]),
        ("validation, training rows", f"{f['validation'] or DASH}; {f['train'] or DASH}"),
        ("made", f"{f['created']} by {f['program']}, seed {f['seed']}, {f['seconds']} s"),
        ("with", ", ".join(f"{k} {v}" for k, v in f["versions"].items()) + "; " + f["machine"]),
    ]
    cells = "".join(f"<tr><td>{html(k)}</td><td>{html(v)}</td></tr>" for k, v in rows)
    return (
        "<h1>Retrieval</h1><p class='soft'>Recall@1 of every direction: the share of queries whose first "
        "answer is right, equal scores in random order, with 95 % bootstrap intervals over queries. "
        f"{DASH} was not measured.</p>{said_html(f)}"
        f"<section class='wide'><table class='narrow'>{cells}</table></section>"
    )


def _summary(results: dict[str, Any], spaces: Sequence[str]) -> str:
    rows = ""
    for match in RULES:
        of = {s["space"]: s for s in results["summary"]
              if s["match"] == match and s["visible"] == "one"}  # fmt: skip
        if of:
            cells = "".join(_cell(of[s]["recall@1"]) if s in of else _cell(None) for s in spaces)
            rows += f"<tr><td>{match}</td><td>{RULES[match]}</td>{cells}</tr>"
    head = "".join(f"<th>{html(s)}</th>" for s in spaces)
    return (
        "<h2>Means over directions, one visible modality</h2><section class='wide'><table>"
        f"<tr><th>match</th><th>rule</th>{head}</tr>{rows}</table></section>"
    )


def _cell(value: float | None, title: str = "") -> str:
    """A heat-map cell: white at 0, leaf green at 1; the ink turns white where the ground is dark."""
    if value is None or not np.isfinite(value):
        return f"<td class='heat'>{DASH}</td>"
    share = min(max(value, 0.0), 1.0) ** 0.6
    ground = [round(255 + (c - 255) * share) for c in (31, 111, 79)]
    ink = "#fff" if share > 0.62 else "var(--ink)"
    return (
        f"<td class='heat' title='{html(title)}' style='background:rgb({','.join(map(str, ground))});"
        f"color:{ink}'>{value:.3f}</td>"
    )


def _heat(match: str, groups: list[list[dict[str, Any]]], spaces: Sequence[str]) -> str:
    rows = ""
    for group in groups:
        of = {r["space"]: r for r in group}
        cells = ""
        for s in spaces:
            r = of.get(s)
            title = (
                f"95 % {number(r['interval'][0])} to {number(r['interval'][1])}; recall@10 "
                f"{number(r['recall@10'])}; MRR {number(r['mrr'])}"
                if r
                else ""
            )
            cells += _cell(r["recall@1"] if r else None, title)
        gain = (of.get("hybrid") or {}).get("gain")
        change = DASH
        if gain:
            low, high = gain["interval"]
            change = f"{gain['recall@1']:+.3f} [{low:+.3f}, {high:+.3f}]"
            if "p_holm" in gain:
                p = gain["p_holm"]
                change += f", p {p:.2g}" if p > 1e-99 else ", p &lt; 1e-99"
        name = f"{'+'.join(group[0]['given'])} → {group[0]['target']}"
        rows += (
            f"<tr><td>{html(name)}</td><td>{group[0]['rows']:,}</td><td>{group[0]['gallery']:,}</td>"
            f"{cells}<td>{change}</td></tr>"
        )
    head = "".join(f"<th>{html(s)}</th>" for s in spaces)
    return (
        f"<h2>Match: {match}</h2><section class='wide'><p class='soft'>{RULES[match]} Hover for the interval, "
        "recall@10 and MRR. The last column compares hybrid with encoder on the same queries: difference, "
        "bootstrap interval, exact p of the sign test (McNemar's) after Holm.</p><table>"
        f"<tr><th>direction</th><th>queries</th><th>gallery</th>{head}<th>hybrid − encoder</th></tr>{rows}"
        "</table></section>"
    )


def _published(found: Sequence[dict[str, Any]]) -> str:
    rows = ""
    for r in found:
        given = "+".join(r["given"])
        for k in (1, 5):
            theirs = published(given, r["target"], r["match"], r["space"], k)
            if theirs is not None:
                system = {"encoder": "TaxaBind", "reconstructed": "ProM3E, reconstructed alone"}
                rows += (
                    f"<tr><td>{html(given)} → {html(r['target'])}</td><td>{html(r['match'])}</td>"
                    f"<td>{system.get(r['space'], 'ProM3E')}, recall@{k}</td>"
                    f"<td>{theirs:.4f}</td><td>{number(r[f'recall@{k}'], 4)}</td></tr>"
                )
    if not rows:
        return ""
    return (
        "<h2>Beside the published figures</h2><section class='wide'><p class='soft'>Published on "
        "TaxaBench-8k with the released model; they compare only with a run on those rows and that model."
        "</p><table><tr><th>direction</th><th>match</th><th>system</th><th>published</th><th>here</th></tr>"
        f"{rows}</table></section>"
    )


def _curves(scored: Sequence[Scored], spaces: Sequence[str]) -> str:
    """Recall@k over k, the mean over directions with one visible modality, by row and by species."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    cuts = np.unique(np.geomspace(1, 200, 40).astype(int))
    colours = dict(
        zip(spaces, ("#7a8b83", "#c28a2b", "#3a6ea5", "#2f6f4f", "#a45a1b"), strict=False)
    )
    for ax, match in zip(axes, ("row", "species"), strict=True):
        for space in spaces:
            mine = [s for s in scored if (s.match, s.space) == (match, space) and len(s.given) == 1]
            if mine:
                mean = [float(np.mean([recall_at(s.first, int(k)) for s in mine])) for k in cuts]
                ax.plot(cuts, mean, label=space, color=colours.get(space), linewidth=2)
        ax.set(xscale="log", xlabel="k", ylim=(0, 1), title=f"match: {match}")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("recall@k, mean over directions")
    if axes[0].lines:
        axes[0].legend(frameon=False)
    return (
        "<h2>Recall curves</h2><section><img class='curve' alt='Recall at k for each space' "
        f"src='{figure_address(figure)}'></section>"
    )


def figure_address(figure: Any, dpi: int = 110) -> str:
    """A matplotlib figure as the text of a `data:` address."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _hubs(hubness: dict[str, Any]) -> str:
    parts = []
    for name in ("validation", "test"):
        if not hubness[name]:
            parts.append(
                f"<p>On {name}: {DASH} (corrections need training and validation rows).</p>"
            )
            continue
        rows = "".join(
            f"<tr><td>{html(t['base'])}</td><td>{html(t['method'])}{' ★' if t.get('best') else ''}</td>"
            f"{_cell(t['row'])}{_cell(t['species'])}<td>{number(t['skewness'], 2)}</td></tr>"
            for t in hubness[name]
        )
        parts.append(
            f"<p>On {name} rows:</p><table><tr><th>space</th><th>correction</th><th>recall@1 by row</th>"
            f"<th>by species</th><th>skewness of k-occurrence</th></tr>{rows}</table>"
        )
    return (
        "<h2>Hubs</h2><section class='wide'><p class='soft'>Rows near everything crowd out right answers. The "
        "skewness of how often each gallery row is among a query's first ten is 0 where there are none. Each "
        "correction adds one number per gallery row, found from training queries; ★ is best on validation."
        f"</p>{''.join(parts)}</section>"
    )


def _lost(results: dict[str, Any]) -> str:
    if not results["error_split"]:
        return ""
    keys = ("encoder", "completed", "half", "index", "found")
    rows = "".join(
        f"<tr><td>{html(r['given'])} → {html(r['target'])}</td><td>{html(r['match'])}</td><td>{r['rows']}</td>"
        + "".join(_cell(r[k]) for k in keys)
        + "</tr>"
        for r in results["error_split"]
    )
    return (
        "<h2>Where recall is lost</h2><section class='wide'><p class='soft'>Recall@1, stage by stage: the encoders "
        "alone; with completion; with the vectors in half precision, as an index stores them; through the index's "
        "own search. The last column is no accuracy: it is the "
        "share of the ten rows of exact search, right or wrong, that the index finds.</p><table><tr>"
        "<th>direction</th><th>match</th><th>queries</th><th>encoder</th><th>+ completion</th>"
        f"<th>+ half precision</th><th>+ index</th><th>ten found</th></tr>{rows}</table></section>"
    )
