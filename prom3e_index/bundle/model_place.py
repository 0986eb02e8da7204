"""Where an index's model is: where it was when the index was built, or where it lies as seen from the index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.media_folders import beside
from prom3e_index.errors import ModelError

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model


def noted_model(model: Model, index: Path) -> dict[str, str | None]:
    """What a manifest says of the place of a model and its copy of the hub: paths, and the same seen from the index.

    A model that comes with the program is noted by its name.
    """
    from prom3e_index.models.folder import BUILT_IN

    hub = model.hub
    places = {
        "hub": str(hub.resolve()) if hub else None,
        "hub_beside": beside(index, hub) if hub else None,
    }
    if model.folder.parent == BUILT_IN:
        return {"name": model.folder.name, "beside": None, **places}
    return {"name": str(model.folder.resolve()), "beside": beside(index, model.folder), **places}


def found_again(index: Path, known: str | None, seen: str | None) -> Path | None:
    """A path that an index notes: as known where something is there, else as seen from the index; None without one."""
    if known is None:
        return None
    if seen and not Path(known).exists():
        together = Path(os.path.normpath(index.absolute() / seen))
        if together.exists():
            return together
    return Path(known)


def model_of(
    manifest: Mapping[str, Any],
    index: Path,
    name: str | Path | None = None,
    hub: str | Path | None = None,
    device: str = "cpu",
) -> Model:
    """Open the model of an index, or another that is named, with the index's preprocessing.

    Raises:
        ModelError: None was named, and the index's own is not where it was and does not lie beside the index.
    """
    from prom3e_index.models.folder import Model, built_in

    made = manifest["model"]
    folder = hub or found_again(index, made.get("hub"), made.get("hub_beside"))
    if hub is None and folder is not None and not Path(folder).is_dir():
        folder = None  # the cache may hold the weights; where it does not, the error says --hub
    if name is None:
        known = str(made["name"])
        name = known
        if known not in built_in():
            name = found_again(index, known, made.get("beside")) or known
            if not Path(name).exists() and Path(name).parent.name != "builtin":
                raise ModelError(
                    f"The model of {index} is not where it was, {known}, and does not lie beside the index as it did. "
                    "Say where it is now: --model FOLDER; prom3e-index relocate --model FOLDER notes it."
                )
    return Model.open(
        name,
        hub=Path(folder) if folder else None,
        device=device,
        exif_transpose=bool(made.get("exif_transpose")),
        audio_windows=bool(made.get("audio_windows")),
    )
