"""What stands above every table of results, so that nobody is misled: seen rows, labels, rows that were left aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prom3e_index.evaluation.seen_rows import seen_sentences
from prom3e_index.show.escapes import html, markdown_cell, shown

WARNING = "warning: "
WARNED = "\nsection.warned { border-color: var(--guess); color: var(--guess) }"


def said(facts: Mapping[str, Any], *, species: bool = True) -> list[str]:
    """Sentences, a warning first.

    Args:
        facts: Of results.
        species: Whether the results have parts that need to know the species.
    """
    out = seen_sentences(facts)
    if species and facts.get("species_labelled") is not None:
        known, rows = facts["species_labelled"], facts["rows"]
        out.append(
            f"species are told by the column {shown(facts['species_column'])}, known of {known:,} of {rows:,} rows"
            if known
            else "no species labels: what counts another row of the species as right, or its name, is left out; "
            "--species COLUMN names a column that has them"
        )
    if facts.get("split_unused"):
        told = ", ".join(f"{shown(k) or 'empty'} {n:,}" for k, n in facts["split_unused"].items())
        out.append(f"rows left aside, whose column split is none of train, val, test: {told}")
    return out


def said_text(facts: Mapping[str, Any], *, species: bool = True) -> str:
    """The sentences for a terminal, a line each."""
    return "".join(
        line + "\n" if line.startswith(WARNING) else f"note: {line}\n"
        for line in said(facts, species=species)
    )


def said_markdown(facts: Mapping[str, Any], *, species: bool = True) -> str:
    """The sentences as a Markdown list, warnings in bold."""
    lines = [markdown_cell(line) for line in said(facts, species=species)]
    return "".join(f"- **{s}**\n" if s.startswith(WARNING) else f"- {s}\n" for s in lines)


def said_html(facts: Mapping[str, Any], *, species: bool = True) -> str:
    """The sentences as paragraphs, warnings framed."""
    out = ""
    for line in said(facts, species=species):
        if line.startswith(WARNING):
            out += f"<section class='warned'><b>{html(line)}</b></section>"
        else:
            out += f"<p class='soft'>{html(line)}</p>"
    return out
