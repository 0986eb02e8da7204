"""What the bands of a map say of each other: how far each follows the effort, and what goes with the model's bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.diversity.association import LEAST, associate, blocks
from prom3e_index.diversity.bands import Measured, spread
from prom3e_index.diversity.counting import Tally
from prom3e_index.diversity.smoothing import smoothed

Floats32 = NDArray[np.float32]


def effort(bands: Sequence[Measured], tally: Tally) -> dict[str, dict[str, Any]]:
    """Spearman's correlation of each band with the individuals of a cell, over cells: near 1 the band maps effort.

    `spearman` is None where fewer than `association.LEAST` cells have the band, or all are alike.
    """
    from scipy.stats import spearmanr

    out: dict[str, dict[str, Any]] = {}
    n = tally.counts.n
    for band in bands:
        if band.values is None or band.name in ("records", "individuals", "observers"):
            continue
        known = np.isfinite(band.values)
        values, own = band.values[known], n[known]
        spread_ = len(values) >= LEAST and np.ptp(values) > 0 and np.ptp(own) > 0
        rho = float(spearmanr(values, own).statistic) if spread_ else None
        out[band.name] = {"spearman": rho, "cells": int(known.sum())}
    return out


def relate(
    model: Mapping[str, Floats32],
    bands: Sequence[Measured],
    tally: Tally,
    grid: Any,
    inside: NDArray[np.bool_],
    sigma: float | None,
    seed: int,
) -> dict[str, Any]:
    """How each band of the model goes with each of diversity: as they are, and both smoothed alike.

    Args:
        model: Its bands by name, (n,) each.
        bands: Of diversity; the smoothed ones are made anew, so that both sides are smoothed alike.
        tally: Of the records.
        grid: Their cells.
        inside: (n,) the mask.
        sigma: Of the smoothing; None leaves the smoothed ones out.
        seed: Of resamples and shifts.

    Returns:
        Band of the model → band of diversity → `unsmoothed` and `smoothed`: see `associate`.
    """
    if not model:
        return {}
    drawn = grid.hexagons is None
    shape = grid.shape if drawn else (1, len(grid))

    def on(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(shape)

    latitude, longitude = grid.centres()
    block = on(blocks(np.nan_to_num(latitude), np.nan_to_num(longitude)))
    n = on(spread(tally.counts.n.astype(np.float64), tally.cells, len(grid)))
    out: dict[str, Any] = {}
    for name, values in model.items():
        out[name] = {}
        for band in bands:
            if band.values is None or not _compared(band.name):
                continue
            own = on(spread(band.values, tally.cells, len(grid)))
            found = {"unsmoothed": associate(on(values), own, n, block, seed=seed, shifted=drawn)}
            if sigma is not None and drawn:
                mask = on(inside)
                found["smoothed"] = associate(
                    smoothed(on(values), mask, sigma),
                    smoothed(own, mask, sigma),
                    np.nan_to_num(n),
                    block,
                    seed=seed,
                )
            out[name][band.name] = found
    return out


def _compared(name: str) -> bool:
    return name.startswith(("rarefied_", "coverage_hill")) or name in (
        "shannon",
        "hill0",
        "species",
    )
