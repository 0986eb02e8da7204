"""What a model says of cells by their place alone: its uncertainty, and how many species answer to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import NAME
from prom3e_index.diversity.bands import Measured, spread
from prom3e_index.errors import InputError, MismatchError, ModelError, NotCachedError
from prom3e_index.maps.cell_places import embed_cells

if TYPE_CHECKING:
    from prom3e_index.diversity.run import DiversityConfig
    from prom3e_index.models.folder import Model
    from prom3e_index.mvae.completion import Inferred
    from prom3e_index.search.run import Bundle

Progress = Callable[[str, int, int | None], None]
GIVEN = ("loc",)
"""What is shown of a cell: its place."""
TARGETS = ("image", "text", "audio", "sat", "env")
"""What species are asked for, the first that the index is calibrated for."""
MOST_ASKED = 50_000
"""Cells up to which all within the mask ask the index; else those that have records."""
_QUERIES = 128
_PART = 4096
"""Cells that the model is shown at once: 12 kB each."""


def model_bands(
    config: DiversityConfig, grid: Any, inside: NDArray[np.bool_], counted: NDArray[np.int64],
    progress: Progress,
) -> tuple[list[Measured], str | None]:  # fmt: skip
    """The bands of the model that a table or an index is mapped with, and why there are none or not all.

    Args:
        config: What is mapped.
        grid: Its cells.
        inside: (n,) the mask.
        counted: Cells with records.
        progress: Told how many cells are done.

    Raises:
        ModelError, NotCachedError, MismatchError: The model that was named cannot be opened, or has no MVAE.
    """
    if config.model == "none":
        return [], "no model was asked for"
    if not (Path(config.source) / NAME).is_file():
        if config.model is None:
            return [], "a table has no model; --model names one"
        return _bands(_opened(config), None, grid, inside, counted, config, progress)
    from prom3e_index.search.run import Bundle

    with Bundle.open(config.source) as bundle:
        try:
            model = bundle.model(config.model, config.hub, config.device)
            bundle.check_encoder(model, "loc")
        except (ModelError, NotCachedError, MismatchError) as e:
            if config.model is not None:
                raise
            return [], e.typed
        return _bands(model, bundle, grid, inside, counted, config, progress)


def _opened(config: DiversityConfig) -> Model:
    from prom3e_index.models.folder import Model

    model = Model.open(str(config.model), hub=config.hub, device=config.device)
    if model.mvae_source is None:
        raise InputError(
            f"--model {config.model} has no MVAE, so it has no uncertainty; leave it out, or name another."
        )
    return model


def _bands(
    model: Model, bundle: Bundle | None, grid: Any, inside: NDArray[np.bool_], counted: NDArray[np.int64],
    config: DiversityConfig, progress: Progress,
) -> tuple[list[Measured], str | None]:  # fmt: skip
    from scipy.stats import rankdata

    from prom3e_index.mvae.completion import infer

    if "loc" not in model.settings.get("encoder", {}):
        return [], f"model {model.name} has no encoder of places"
    cells = np.flatnonzero(inside)
    target, temperature, why = _asked(bundle, model)
    asking = np.ones(len(cells), bool) if len(cells) <= MOST_ASKED else np.isin(cells, counted)
    sigma, answers = np.zeros(len(cells), np.float32), []
    own = model.modalities.index("loc")
    for first in range(0, len(cells), _PART):
        part = slice(first, first + _PART)
        at = embed_cells(model.encoder("loc"), grid, cells[part], config.samples)
        x = np.zeros((len(at), len(model.modalities), model.width), np.float32)
        x[:, own] = at
        shown = np.zeros(x.shape[:2], bool)
        shown[:, own] = True
        found = infer(model, x, shown, (target,) if target else ())
        sigma[part] = found.sigma_l1
        if bundle is not None and target is not None and temperature is not None:
            answers.append(
                _entropy(
                    bundle, model, target, temperature, at, found, np.flatnonzero(asking[part])
                )
            )
        progress("cells", min(len(cells), first + _PART), len(cells))
    rank = 100 * (rankdata(sigma) - 0.5) / len(cells)
    words = (
        f"‖σ‖₁ of {model.name}, of which the place alone is shown; {config.samples} places a cell"
    )
    bands = [
        _band("sigma_l1", words, sigma, cells, len(grid)),
        _band("sigma_l1_rank", "the same as percentile over the mask", rank, cells, len(grid)),
    ]
    if not answers:
        return bands, why
    entropy = np.concatenate(answers)
    words = f"entropy of the species among the index's first answers ({target}) to the place of a cell, nats"
    bands.append(_band("entropy", words, entropy, cells[asking], len(grid)))
    return bands, why


def _band(
    name: str, words: str, values: NDArray[Any], cells: NDArray[np.int64], n: int
) -> Measured:
    kept = np.asarray(values, np.float32)
    return Measured(name, words, None, dense=lambda: spread(kept, cells, n))


def _asked(bundle: Bundle | None, model: Model) -> tuple[str | None, float | None, str | None]:
    """What the index is asked for by a place, at which temperature; or why it is not asked."""
    from prom3e_index.search.first_rows import calibration_for
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing

    if bundle is None:
        return None, None, "no species-entropy band: a table answers nothing"
    if means_nothing(bundle):
        return None, None, f"no species-entropy band: {MEANINGLESS}"
    why = ""
    for target in (t for t in TARGETS if t in model.modalities):
        calibration, why = calibration_for(bundle, model, GIVEN, target)
        if calibration is not None and calibration.rule == "species":
            from prom3e_index.confidence.calibrated import key_of

            return target, float(calibration.fitted[key_of(GIVEN, target)].temperature), None
    return None, None, f"no species-entropy band: {why or 'its answers are judged by row'}"


def _entropy(
    bundle: Bundle, model: Model, target: str, temperature: float, at: NDArray[np.float32],
    found: Inferred, asking: NDArray[np.int64],
) -> NDArray[np.float64]:  # fmt: skip
    """(k,) entropy of the species among the first answers to each asking cell, as `search` finds them.

    Args:
        bundle: Answers.
        model: Its model.
        target: What is asked for.
        temperature: Of the scores.
        at: (c, d) cells, of which `found` was inferred.
        found: What they are completed to.
        asking: (k,) which of them ask.
    """
    from prom3e_index.confidence.signals import FIRST, species_entropy
    from prom3e_index.search.first_rows import first_rows
    from prom3e_index.search.score import query_rows

    completed, hidden = found.reconstructed[asking, 0], found.hidden[asking]
    vectors = query_rows(at[asking], completed, hidden, "hybrid", model.weights(GIVEN, target))
    tail = np.tile(bundle.hub_weights(GIVEN), (len(vectors), 1))
    vectors = np.concatenate([vectors, tail], axis=1)
    out = np.zeros(len(vectors))
    for i in range(0, len(vectors), _QUERIES):
        part = slice(i, i + _QUERIES)
        scores, rows, _ = bundle.nearest(target, vectors[part], FIRST)
        first = first_rows(bundle, target, scores, rows, completed[part])
        out[part] = species_entropy(first, temperature)
    return out
