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


UP = 2
"""Folders that a way from an index to its model leads up at most: to the one that holds it, or the one above that."""


def found_again(index: Path, known: str | None, seen: str | None) -> Path | None:
    """A path that an index notes: as known where something is there, else as seen from the index; None without one.

    An index may come from others. What is opened for it unasked is where it was, or a neighbour that moved with it;
    nothing within the index, nothing that depends on the working folder, and not any place of this computer.
    """
    if known is None:
        return None
    path = Path(known)
    if path.is_absolute() and path.exists() and not _within(index, path):
        return path
    parts = Path(os.path.normpath(seen or ".")).parts
    if not 1 <= parts.count("..") <= UP:  # none: within the index, or a whole path
        return None
    together = Path(os.path.normpath(index.absolute() / str(seen)))
    return together if together.exists() and not _within(index, together) else None


def _within(index: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(index))


def placed_beside(
    manifest: Mapping[str, Any],
    index: Path,
    name: str | Path | None = None,
    hub: str | Path | None = None,
) -> list[str]:
    """What is to be said where a model or its copy of the hub is taken from beside an index, as `model_of` does."""
    from prom3e_index.models.folder import built_in

    made = manifest["model"]
    out = []
    for what, given, known, seen in (
        ("model", name, made["name"], made.get("beside")),
        ("copy of the hub", hub, made.get("hub"), made.get("hub_beside")),
    ):
        here = given is not None or known in built_in()
        path = None if here else found_again(index, known, seen)
        if path is not None and str(path) != known:
            out.append(f"the {what} beside the index is used, {path}: {known} is not there")
    return out


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
            name = found_again(index, known, made.get("beside"))
            if name is None and Path(known).parent.name == "builtin":
                name = next(
                    (n for n in built_in() if n == Path(known).name), None
                )  # it came with a program that was installed elsewhere
            if name is None:
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
