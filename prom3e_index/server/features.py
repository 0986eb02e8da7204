"""Pages of features: of the whole index, or of a search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from prom3e_index.bundle.filters import Filter
from prom3e_index.search.run import Bundle
from prom3e_index.server.released import feature, observations_said
from prom3e_index.server.stored import Stored


@dataclass(frozen=True)
class Page:
    """Some features of a collection.

    Attributes:
        matched: Of the whole collection, those that satisfy the filter.
        features: Those of this page.
    """

    matched: int
    features: list[dict[str, Any]]

    @property
    def returned(self) -> int:
        """Features of this page."""
        return len(self.features)

    def said(self) -> dict[str, Any]:
        """As a FeatureCollection."""
        return {
            "type": "FeatureCollection",
            "timeStamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "numberMatched": self.matched,
            "numberReturned": self.returned,
            "features": self.features,
        }


def index_page(bundle: Bundle, chosen: Filter, limit: int, offset: int) -> Page:
    """Observations by row number."""
    rows = bundle.eligible(chosen)
    count = bundle.rows if rows is None else len(rows)
    return Page(count, _features(bundle, bundle.page(rows, offset, limit).tolist()))


def answer_page(stored: Stored, chosen: Filter, limit: int, offset: int) -> Page:
    """Hits of a search, best first, with rank, score and whether the target was completed."""
    bundle, hits = stored.bundle, list(stored.answer.hits)
    rows = bundle.eligible(chosen)
    if rows is not None:
        held = bundle.among(rows, np.array([h.row for h in hits], np.int64))
        hits = [h for h, within in zip(hits, held, strict=True) if within]
    shown = hits[offset : offset + limit]
    features = _features(bundle, [h.row for h in shown])
    for one, h in zip(features, shown, strict=True):
        one["properties"] |= {"rank": h.rank, "score": h.score, "completed": h.completed}
    return Page(len(hits), features)


def _features(bundle: Bundle, rows: list[int]) -> list[dict[str, Any]]:
    return [feature(o) for o in observations_said(bundle, rows, bundle.generation)]
