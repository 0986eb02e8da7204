"""An answer as JSON: one ranking, a page of its hits, and all that is to be known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from prom3e_index.search.answered import Hit
from prom3e_index.search.filtered import left_out
from prom3e_index.search.in_words import expected_error, sentences
from prom3e_index.search.said import notes_said
from prom3e_index.server.asking import SearchBody
from prom3e_index.server.hit_said import API, HitSaid, hits_said
from prom3e_index.server.sentences import Sentence
from prom3e_index.server.stored import Stored
from prom3e_index.show.escapes import plain

PAGE = 24
"""Hits of a page."""


class Uncertainty(BaseModel):
    """How sure the model is of what was asked: ‖σ‖₁, and how it stands among observations that show as much."""

    sigma_l1: float | None
    percentile: float | None
    spearman: float | None
    sentence: str


class Confidence(BaseModel):
    """How likely a hit is right, as the index's own observations or the model's told."""

    p_right: float | None
    interval: list[float] | None
    rows: int | None
    right: int | None
    rule: str | None
    source: str | None
    ece: float | None
    hit: int | None
    reason: str | None


class SpeciesSet(BaseModel):
    """Species that hold the right one as often as the level says."""

    level: float | None
    names: list[str] | None
    reason: str | None


class AddNext(BaseModel):
    """What to add, as it was measured."""

    modality: str
    failure_change: float
    interval: list[float]
    rows: int
    no_help: list[str]


class SearchLinks(BaseModel):
    """Where the same ranking is to be had in other forms."""

    self: str
    facets: str
    map: str
    export: str
    range: str
    items: str


class AnswerSaid(BaseModel):
    """A search that was answered."""

    id: str
    generation: int
    current: bool = Field(description="Whether the index has not changed since.")
    query: dict[str, Any] = Field(
        description="As it was asked, without files: to be shown, and asked again."
    )
    target: str
    filter: dict[str, Any]
    group_by: str | None
    k: int
    space: str
    weights: dict[str, float]
    uncertainty: Uncertainty
    confidence: Confidence
    species_set: SpeciesSet
    expected_error: dict[str, Any]
    add_next: AddNext | None
    sentences: list[str] = Field(description="What is said of the answer in words.")
    notes: list[str]
    leftOut: list[str] = Field(description="What the filter left out for want of a value.")
    said: list[Sentence] = Field(
        description="Notes and reasons of this answer by code and values, to be said in another language."
    )
    rows: int
    numberMatched: int = Field(description="Rows that satisfy the filter.")
    observationsMatched: int = Field(description="Observations that they belong to.")
    ranked: int = Field(description="Hits of the whole ranking.")
    numberReturned: int = Field(description="Hits of this page.")
    offset: int
    path: str
    milliseconds: dict[str, float]
    hits: list[HitSaid]
    next: str | None
    links: SearchLinks


def answer_said(stored: Stored, current: int, limit: int, offset: int) -> dict[str, Any]:
    """A page of a search, as `AnswerSaid` has it."""
    answer, bundle = stored.answer, stored.bundle
    q, s = plain(answer.query), plain(answer.search)
    asked = stored.asked
    here = f"{API}/searches/{stored.id}"
    shown: Sequence[Hit] = answer.hits[offset : offset + limit]
    more = offset + limit < len(answer.hits)
    following = {"limit": limit, "offset": offset + limit}
    chosen = SearchBody.model_validate(asked).filter.filter()
    return {
        "id": stored.id,
        "generation": stored.generation,
        "current": stored.generation == current,
        "query": asked["query"],
        "target": q["target"],
        "filter": asked.get("filter", {}),
        "group_by": asked.get("group_by"),
        "k": asked["k"],
        "space": q["space"],
        "weights": q["weights"],
        "uncertainty": {
            "sigma_l1": q["sigma_l1"],
            "percentile": q["sigma_percentile"],
            "spearman": q["sigma_spearman"],
            "sentence": answer.standing,
        },
        "confidence": q["confidence"],
        "species_set": q["species_set"],
        "expected_error": q["expected_error"],
        "add_next": q["add_next"],
        "sentences": [*sentences(q), *([said] if (said := expected_error(q)) else [])],
        "notes": notes_of(stored, current),
        "leftOut": left_out(bundle, chosen),
        "rows": s["rows"],
        "numberMatched": s["eligible"],
        "observationsMatched": s.get("eligible_observations", s["eligible"]),
        "ranked": len(answer.hits),
        "numberReturned": len(shown),
        "offset": offset,
        "path": s["path"],
        "milliseconds": {**s["milliseconds"], "whole": stored.milliseconds},
        "hits": hits_said(bundle, shown, stored.generation),
        "next": f"{here}?{urlencode(following)}" if more else None,
        "links": {
            "self": here,
            "facets": f"{here}/facets",
            "map": f"{here}/map",
            "export": f"{here}/export",
            "range": f"{here}/range",
            "items": f"/ogc/collections/search-{stored.id}/items",
        },
    }


def notes_of(stored: Stored, current: int) -> list[str]:
    """What is to be known of an answer; of one that an earlier state of the index gave, that too."""
    notes = notes_said(stored.answer)
    if stored.generation != current:
        notes.append(f"the index has changed since: it is at generation {current} now; ask again")
    return notes
