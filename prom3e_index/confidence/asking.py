"""What a calibration is fitted on: which visible sets ask for which targets, and by how many observations."""

from __future__ import annotations

from itertools import combinations

Direction = tuple[tuple[int, ...], int]
"""A visible set and a target, by their places among the modalities."""
ROWS = (400, 200, 100)
"""Observations that ask in one direction: with one modality, two, and more."""
SHOWN = 2
"""Where the target itself is shown, only sets of so many ask, and half as many observations."""
ALL_SETS = 6
"""Modalities up to which every visible set asks; in larger models those of two at most."""
MOST = 60_000
"""Questions in all, unless there are more directions than that."""
_FEWEST = 0.5
"""Share of their observations that visible sets of two must be left by `MOST`; else those of one ask alone."""


def directions(m: int) -> dict[Direction, int]:
    """Visible sets and targets that are asked, by places of the m modalities, and by how many observations each.

    Where that would be more than `MOST` questions, every direction is asked by its share of the observations.
    """
    for largest in (m if m <= ALL_SETS else 2, 1):
        asked = _up_to(largest, m)
        share = min(1.0, MOST / max(1, sum(asked.values())))
        if share >= _FEWEST:
            break
    return {d: max(1, int(share * rows)) for d, rows in asked.items()}


def _up_to(largest: int, m: int) -> dict[Direction, int]:
    out: dict[Direction, int] = {}
    for size in range(1, largest + 1):
        rows = ROWS[min(size, len(ROWS)) - 1]
        for seen in combinations(range(m), size):
            for t in range(m):
                if t not in seen:
                    out[seen, t] = rows
                elif size <= SHOWN:
                    out[seen, t] = rows // 2
    return out
