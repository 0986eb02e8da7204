"""What error is expected of a model at a cell: as a query with the cell's place would be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prom3e_index.confidence.signals import FIRST
from prom3e_index.maps.cells import Part
from prom3e_index.mvae.completion import infer, mean_embedding
from prom3e_index.search.joined import joined_rows
from prom3e_index.search.score import query_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prom3e_index.confidence.calibrated import Calibration
    from prom3e_index.models.folder import Model
    from prom3e_index.search.run import Bundle

TARGETS = ("image", "text", "audio", "sat", "env")
"""What a cell's answer is asked for, where the map's query gives none of them: the first that is calibrated."""
MOST_ASKED = 20_000
"""Cells of which each asks the index, where nobody says otherwise: some 20 seconds with a few thousand observations."""
_MOST_PAIRS = 200_000_000
"""Cells times rows, above which nobody asks unless told to."""
_QUERIES = 128


class ExpectedError:
    """1 − cosine of what the model completes for a cell with what is truly there, as the calibration expects it."""

    def __init__(
        self,
        bundle: Bundle,
        model: Model,
        shown: Sequence[str],
        target: str,
        calibration: Calibration,
    ) -> None:
        self._bundle, self._model, self._calibration = bundle, model, calibration
        self._shown, self.target = tuple(shown), target
        self.how = (
            f"Expected 1 − cosine of the {target} that the model completes for the cell with the true one, told from "
            f"the index's first {FIRST} answers to what the cell shows ({', '.join(shown)}), as `query` does"
        )
        made = bundle.manifest
        self.rests_on = (
            f"{self.how} {made['generation']} {made.get('created')} {bundle.path.absolute()}"
        )

    def of(self, part: Part) -> NDArray[np.float32]:
        """(k,) between 0 and 2; NaN where nothing is known."""
        from prom3e_index.search.first_rows import first_rows

        model, target = self._model, self.target
        x, has = part.shown(model)
        out = np.full(len(x), np.nan, np.float32)
        same = has[:, [model.modalities.index(m) for m in self._shown]].all(1)
        some = np.flatnonzero(same & (has.sum(1) == len(self._shown)))
        told = infer(model, x[some], has[some], (target,))
        completed = told.reconstructed[:, 0]
        own = mean_embedding(x[some], has[some])
        vectors = query_rows(
            own, completed, told.hidden, "hybrid", model.weights(self._shown, target)
        )
        joined = model.joined(self._shown, target)
        vectors = joined_rows(model, joined, x[some], self._shown, target, vectors)
        tail = np.tile(self._bundle.hub_weights(self._shown), (len(vectors), 1))
        vectors = np.concatenate([vectors, tail], axis=1)
        for i in range(0, len(some), _QUERIES):
            at = slice(i, i + _QUERIES)
            scores, rows, _ = self._bundle.nearest(target, vectors[at], FIRST)
            first = first_rows(
                self._bundle,
                target,
                scores,
                rows,
                completed[at],
                by_row=self._calibration.rule == "row",
            )
            errors = self._calibration.errors(first, self._shown, target)
            if errors is not None:
                out[some[at]] = np.clip(errors, 0, 2)
        return out


def expected_error(
    bundle: Bundle,
    model: Model,
    shown: Sequence[str],
    asked: Sequence[str],
    cells: int,
    wanted: bool | None,
) -> tuple[ExpectedError | None, str]:
    """What tells the expected error of cells, or why there is none.

    Args:
        bundle: The index.
        model: Its model.
        shown: Modalities that cells show.
        asked: Those that the map's query gives; the first that is calibrated is the target.
        cells: How many there are.
        wanted: Whatever their number, or not at all; None leaves it to `MOST_ASKED`.
    """
    from prom3e_index.confidence.calibrated import key_of
    from prom3e_index.search.first_rows import calibration_for
    from prom3e_index.search.meaning import MEANINGLESS, means_nothing

    if wanted is False:
        return None, "not asked for"
    if means_nothing(bundle):
        return None, MEANINGLESS
    why = "no modality but what cells show is known"
    for target in dict.fromkeys((*asked, *TARGETS)):
        if target not in model.modalities or target in shown:
            continue
        calibration, found = calibration_for(bundle, model, shown, target)
        if calibration is None:
            why = found
        elif calibration.fitted[key_of(shown, target)].error is None:
            why = f"of {target} no error was measured"
        elif not wanted and (cells > MOST_ASKED or cells * len(bundle) > _MOST_PAIRS):
            return None, (
                f"each of {cells:,} cells would ask an index of {len(bundle):,} rows; --expected-error does so"
            )
        else:
            return ExpectedError(bundle, model, shown, target, calibration), ""
    return None, why
