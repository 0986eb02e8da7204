"""Smoothed bands: a normalised convolution within the mask, and the paper's own filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError

LEAST = 0.1
"""Share of the kernel, of what lies within the mask, that must stand on estimates for a smoothed value."""

_CUT = 4.0
"""Standard deviations that the Gaussian reaches."""
_AT_ONCE = 2_000_000
"""Cells that are smoothed at once; of a large grid some rows at a time."""


def smoothed(
    values: NDArray[Any], inside: NDArray[np.bool_], sigma: float, around: bool = False
) -> NDArray[np.float32]:
    """Smooth estimates (h, w): G(x·w) / G(w) where w says which cells have one; NaN outside the mask.

    A constant stays a constant up to the border: no zero of the sea or of a cell without an estimate comes in. Cells
    within the mask without an estimate take that of their neighbours, where these hold a tenth of the kernel.

    Args:
        values: NaN where there is no estimate.
        inside: The mask.
        sigma: Of the Gaussian, in cells; cut off at 4.
        around: Whether the last column lies beside the first, as on a whole globe.

    Raises:
        InputError: sigma is not above 0.
    """
    from scipy.ndimage import gaussian_filter

    if not 0 < sigma < np.inf:
        raise InputError(f"--smooth is {sigma:g}; it takes a number of cells above 0, or none.")
    mode = ("constant", "wrap" if around else "constant")
    out = np.full(values.shape, np.nan, np.float32)
    reach = int(_CUT * sigma + 0.5)
    step = max(1, _AT_ONCE // values.shape[1], 4 * reach)
    for first in range(0, len(values), step):  # with the rows beside it that reach into it
        begin, last = max(0, first - reach), min(first + step, len(values))
        rows = slice(begin, last + reach)
        within, own = inside[rows], values[rows]
        known = np.isfinite(own) & within

        def spread(x: NDArray[Any]) -> NDArray[np.float32]:
            found = gaussian_filter(x.astype(np.float32), sigma, mode=mode, truncate=_CUT)
            return np.asarray(found)[first - begin : last - begin]  # noqa: B023 - called at once

        weight, whole = spread(known), spread(within)
        enough = inside[first:last] & (weight > LEAST * whole) & (weight > 1e-6)
        total = spread(np.where(known, own, 0))
        out[first:last][enough] = total[enough] / weight[enough]
    return out


def printed(values: NDArray[Any], sigma: float = 2.0) -> NDArray[np.float64]:
    """The filter of the paper: a Gaussian over the whole rectangle, cells without records as 0.

    Source: ProM3E, supplement 1.3.
    """
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(np.nan_to_num(values.astype(np.float64), nan=0.0), sigma))
