"""What a model tells places apart by: three independent components of what it makes of cells, as red, green and blue.

Source: ProM3E, figures 1 to 3; TaxaBind, SINR and RANGE draw theirs so too, without a georeference.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index import __version__
from prom3e_index.errors import InputError
from prom3e_index.grid.picture import write_picture
from prom3e_index.grid.write import Band, whole_folder, write_json, write_raster

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid
    from prom3e_index.grid.masks import Mask
    from prom3e_index.models.folder import Model

COUNT = 3
SPREAD = 2.5
"""Standard deviations either way that the colours span; the same in every map."""
MOST_FITTED = 20_000
"""Cells that the components are found of; the others are seen by them."""


def components(values: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Three independent components of rows (k, w), (k, 3), each of mean 0 and variance 1 over those it was found of.

    Signs and order are settled: the component of the largest third moment first, each with a positive one, so that a
    map made twice has the same colours.

    Raises:
        InputError: Fewer than ten rows, or rows that differ in fewer than three ways.
    """
    import warnings

    from sklearn.decomposition import FastICA

    if len(values) < 10:
        raise InputError(
            f"{len(values)} cells are mapped; three components take ten at least. Take smaller cells."
        )
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(values), min(MOST_FITTED, len(values)), replace=False))
    some = np.asarray(values[chosen], np.float64)
    if np.linalg.matrix_rank(some - some.mean(axis=0)) < COUNT:
        raise InputError("The model tells these cells apart in fewer than three ways.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # components that have not settled are still a picture
        found = FastICA(COUNT, random_state=seed, whiten="unit-variance").fit(some)
    out = np.asarray(found.transform(values), np.float64)
    of = out[chosen]
    out = (out - of.mean(axis=0)) / of.std(axis=0)
    skew = (out[chosen] ** 3).mean(axis=0)
    out = out * np.where(skew < 0, -1, 1)
    return np.asarray(out[:, np.argsort(-np.abs(skew), kind="stable")], np.float32)


def component_bands(found: NDArray[np.float32], cells: NDArray[np.int64], n: int) -> list[Band]:
    """The components of some cells as bands of all n."""
    bands = []
    for i, colour in enumerate(("red", "green", "blue")):
        values = np.full(n, np.nan, np.float32)
        values[cells] = found[:, i]
        words = f"independent component {i + 1} of {COUNT}, drawn {colour}"
        bands.append(
            Band(f"component_{i + 1}", values, "standard deviations", words, -SPREAD, SPREAD)
        )
    return bands


def write_components(
    out: Path,
    grid: Grid,
    mask: Mask,
    values: NDArray[np.float32],
    model: Model,
    what: str,
    *,
    samples: int,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write `map.tif`, `map.png` and `map.json` of the components of cells; give what `map.json` says.

    Args:
        out: Folder that is made.
        grid: The cells.
        mask: Those of them that are mapped.
        values: (k, w) of the cells inside the mask.
        model: What made them.
        what: What of it they are.
        samples: Places in each cell.
        seed: Of the components.
        overwrite: Replace another map there.

    Raises:
        InputError: Too few cells or components; the folder exists, or cannot be made. Nothing is left of it then.
    """
    bands = component_bands(components(values, seed), mask.cells, len(grid))
    facts = {
        "what": f"{COUNT} independent components of places as a model sees them; colours have no unit and no order",
        "model": model.name,
        "model_licence": model.licence,
        "encoder_fingerprint": model.encoder("loc").fingerprint,
        "values": what,
        "grid": grid.said(),
        "mask": mask.words,
        "cells": len(mask.cells),
        "sub_points": samples,
        "seed": seed,
        "software": f"prom3e-index {__version__}",
        "bands": [{"name": b.name, "units": b.units, "what": b.words} for b in bands],
    }
    tags = {
        "TITLE": f"Independent components of {what}, {model.name}",
        "MODEL": f"{model.name} ({facts['encoder_fingerprint']})",
        "MODEL_LICENCE": model.licence,
        "GRID": grid.name,
        "MASK": mask.words,
        "SUB_POINTS": str(samples),
        "SOFTWARE": f"prom3e-index {__version__}",
    }
    with whole_folder(out, overwrite) as folder:
        write_raster(folder / "map.tif", grid, bands, tags)
        below = [
            "Places of one colour are alike to the model; colours have no unit and no order.",
            f"{grid.name}; {what} of {model.name}; colours span ±{SPREAD:g} standard deviations",
        ]
        title = f"Independent components of {what}"
        write_picture(
            folder / "map.png", grid, bands, title=title, below=below, coast=not model.planet
        )
        write_json(folder / "map.json", facts)
    return facts
