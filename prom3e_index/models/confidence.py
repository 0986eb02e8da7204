"""The calibration that a model brings, fitted on its validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.confidence.stored import MOST_BYTES, read
from prom3e_index.errors import ModelError
from prom3e_index.models.hub_cache import locate

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model


def confidence_of(model: Model) -> Calibration | None:
    """The calibration that a model's `[confidence]` names; None where it names none.

    Raises:
        ModelError: It is not there, too large, or no calibration of the model's modalities.
    """
    stated = model.settings.get("confidence", {}).get("file")
    if stated is None:
        return None
    path = locate(str(stated), model.folder, model.hub)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"it is {size:,} bytes, more than {MOST_BYTES:,}")
        return read(path.read_bytes(), model.modalities, "model")
    except (OSError, ValueError) as e:
        raise ModelError(
            f"{path} is no calibration of model {model.name}: {e}. Restore it from a copy, or take [confidence] "
            "out of model.toml."
        ) from e
