"""Results as files: JSON, CSV, Markdown, HTML."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from prom3e_index.evaluation.pages.said import said_markdown, said_text
from prom3e_index.evaluation.retrieval.published import published
from prom3e_index.show.escapes import cell, markdown_cell

COLUMNS = (
    "given", "target", "space", "match", "recall@1", "recall@5", "recall@10", "mrr", "median_rank",
    "ndcg@10", "low", "high", "delta", "gamma", "epsilon", "gain", "p", "p_holm", "rows", "gallery",
    "hub_skewness",
)  # fmt: skip
DASH = "—"


def csv_of(found: Sequence[dict[str, Any]]) -> str:
    """A line per direction, space and match rule; an unmeasured cell is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for r in found:
        gain = r["gain"] or {}
        line = {k: r.get(k) for k in COLUMNS} | {
            "given": "+".join(r["given"]),
            "low": r["interval"][0],
            "high": r["interval"][1],
            "gain": gain.get("recall@1"),
            "p": gain.get("p"),
            "p_holm": gain.get("p_holm"),
        }
        writer.writerow({k: cell(v) for k, v in line.items()})
    return out.getvalue()


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; `—` where it was not measured."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in (head, *rows)]
    lines.insert(1, "| --- " + "| ---: " * (len(head) - 1) + "|")
    return "\n".join(lines) + "\n"


def by_direction(found: Sequence[dict[str, Any]], match: str) -> list[list[dict[str, Any]]]:
    """Records of a match rule, those of a direction together."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in found:
        if r["match"] == match:
            groups.setdefault(("+".join(r["given"]), r["target"]), []).append(r)
    return list(groups.values())


def spaces_of(found: Sequence[dict[str, Any]]) -> list[str]:
    """Spaces that are no hub correction, in order."""
    return list(dict.fromkeys(r["space"] for r in found if "+" not in r["space"]))


RULES = {
    "row": "Only the query's own row is right.",
    "species": "Another row of the query's species is right; its own row is no answer.",
    "class": "Zero-shot: the right species' name among all names.",
    "genus": "Another row of the genus is right.",
    "family": "Another row of the family is right.",
    "order": "Another row of the order is right.",
}


def markdown(results: dict[str, Any]) -> str:
    """The tables as Markdown: facts, recall@1 by direction and space, hubs, error split."""
    f, found = results["facts"], results["results"]
    spaces = spaces_of(found)
    out = [
        "# Retrieval\n",
        f"{markdown_cell(f['source'])}: {f['rows']:,} rows of {f['rows_in_source']:,}; model "
        f"{markdown_cell(f['model'] or DASH)} "
        f"({f['model_fingerprint'] or DASH}); δ, γ, ε {f['weights']}; seed {f['seed']}; {f['program']}, "
        f"{f['created']}. Recall@1 with 95 % bootstrap intervals over queries; equal scores in random order.\n",
        said_markdown(f),
    ]
    for match, rule in RULES.items():
        groups = by_direction(found, match)
        if not groups:
            continue
        out.append(f"## Match: {match}\n\n{rule}\n")
        rows = []
        for group in groups:
            of = {r["space"]: r for r in group}
            given = "+".join(group[0]["given"])
            cells = [
                f"{given} → {group[0]['target']}",
                str(group[0]["rows"]),
                str(group[0]["gallery"]),
            ]
            for s in spaces:
                cells.append(
                    f"{number(of[s]['recall@1'])} [{number(of[s]['interval'][0])}, "
                    f"{number(of[s]['interval'][1])}]"
                    if s in of
                    else DASH
                )
            gain = (of.get("hybrid") or {}).get("gain")
            cells.append(number(gain["p_holm"], 4) if gain and "p_holm" in gain else DASH)
            cells.append(number(published(given, group[0]["target"], match, "hybrid")))
            rows.append(cells)
        means = [
            number(next((s["recall@1"] for s in results["summary"]
                         if (s["match"], s["space"], s["visible"]) == (match, space, "one")), None))
            for space in spaces
        ]  # fmt: skip
        rows.append(["**mean, one visible**", "", "", *means, "", ""])
        head = ["direction", "queries", "gallery", *spaces, "p (hybrid, Holm)", "published hybrid"]
        out.append(table(head, rows))
    out.append(hub_markdown(results["hubness"]))
    if results["error_split"]:
        out.append("## Where recall is lost\n\nRecall@1 of up to 200 queries, stage by stage.\n")
        keys = ("encoder", "completed", "half", "index", "found")
        out.append(
            table(
                ["direction", "match", "queries", *keys],
                [
                    [f"{r['given']} → {r['target']}", r["match"], str(r["rows"]),
                     *(number(r[k]) for k in keys)]
                    for r in results["error_split"]
                ],
            )
        )  # fmt: skip
    return "\n".join(out)


def hub_markdown(hubness: dict[str, Any]) -> str:
    """The hub tables of validation and test; words where they were not measured."""
    out = ["## Hubs\n"]
    for name in ("validation", "test"):
        rows = hubness[name]
        if not rows:
            out.append(f"On {name}: — (corrections need training and validation rows).\n")
            continue
        out.append(f"On {name}, means over directions:\n")
        out.append(
            table(
                ["space", "correction", "recall@1 by row", "by species", "skewness of k-occurrence"],
                [
                    [t["base"], t["method"] + (" (best)" if t.get("best") else ""), number(t["row"]),
                     number(t["species"]), number(t["skewness"], 2)]
                    for t in rows
                ],
            )
        )  # fmt: skip
    return "\n".join(out)


def screen(results: dict[str, Any]) -> str:
    """What is said of the rows, and the table on screen: recall@1 by direction and space, per match rule."""
    found = results["results"]
    spaces = spaces_of(found)
    lines = [said_text(results["facts"])]
    for match in ("row", "species", "class"):
        groups = by_direction(found, match)
        if not groups:
            continue
        lines.append(f"recall@1 by {match}: {RULES[match]}")
        lines.append(
            f"  {'direction':<22}{'queries':>8}{'gallery':>8}"
            + "".join(f"{s:>15}" for s in spaces)
            + f"{'95 % of last':>18}"
        )
        for group in groups:
            of = {r["space"]: r for r in group}
            name = f"{'+'.join(group[0]['given'])} → {group[0]['target']}"
            last = of.get("hybrid") or group[-1]
            lines.append(
                f"  {name:<22}{group[0]['rows']:>8}{group[0]['gallery']:>8}"
                + "".join(f"{number(of[s]['recall@1']) if s in of else DASH:>15}" for s in spaces)
                + f"   [{number(last['interval'][0])}, {number(last['interval'][1])}]"
            )
        means = {s["space"]: s["recall@1"] for s in results["summary"]
                 if s["match"] == match and s["visible"] == "one"}  # fmt: skip
        lines.append(
            f"  {'mean, one visible':<38}" + "".join(f"{number(means.get(s)):>15}" for s in spaces)
        )
        lines.append("")
    return "\n".join(lines).replace(
        "95 % of last", "95 % of hybrid" if "hybrid" in spaces else "95 %"
    )
