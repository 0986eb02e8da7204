"""The model and the settings that an index was built with, for rows that are added to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from prom3e_index.bundle.model_place import found_again, model_of
from prom3e_index.errors import BundleError, InputError, MismatchError
from prom3e_index.indexer.wished import wish_of
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.licences import CODES
from prom3e_index.models.folder import Model
from prom3e_index.search.hubness import bias_centres, by_segment, same_centres


def as_built(
    index: Path, manifest: dict[str, Any], config: BuildConfig
) -> tuple[Model, BuildConfig]:
    """The index's model, checked, and a configuration with its settings.

    Where the configuration names a model, that is where the index's own is now.

    Raises:
        InputError, ModelError: The climate raster or the model is not where it was.
        MismatchError: The model is another.
    """
    made = manifest["model"]
    kept = manifest.get("windows")
    if config.windows is None and config.hop is None:
        config = replace(config, windows="none")
        if kept is not None:
            auto = kept["longer_than"] > kept["seconds"]
            config = replace(
                config, windows="auto" if auto else f"{kept['seconds']:g}", hop=kept["hop"]
            )
    config = replace(
        config,
        out=index,
        exif_transpose=bool(made.get("exif_transpose")),
        audio_windows=bool(made.get("audio_windows")),
        licence_allow=_allowed(index, manifest),
        hubs=manifest.get("hubs", {}).get("method", "none"),
        wish=wish_of(manifest),
    )
    manifest.setdefault("hubs", {"method": "none", "chosen_by": "the model"})
    raster = manifest["source"].get("climate")
    if config.climate is None and raster is not None:
        found = found_again(index, raster, manifest["source"].get("climate_beside"))
        if found is None or not found.is_file():
            raise InputError(
                f"{index} was built with the climate raster {raster}, which is not there; give it: --climate FILE."
            )
        config = replace(config, climate=found)
    model = model_of(manifest, index, config.model, config.hub, config.device)
    config = replace(config, model=str(model.folder), hub=model.hub)
    now = {"mvae": model.mvae_fingerprint}
    now |= {m: model.encoder(m).fingerprint for m in model.settings.get("encoder", {})}
    for part, fingerprint in now.items():
        stated = manifest["fingerprints"].get(part)
        if stated != fingerprint:
            raise MismatchError(
                f"The {part} of model {model.name} ({fingerprint}) is not the one that {index} was built with "
                f"({stated}). Restore that model or say where it is, --model FOLDER, or build anew."
            )
    _same_correction(index, manifest, model)
    return model, config


def _allowed(index: Path, manifest: dict[str, Any]) -> tuple[str, ...] | None:
    """The licences that the index was built with; None where all are allowed."""
    stated = manifest["source"].get("licence_allow")
    if stated is None:
        return None
    if not isinstance(stated, list) or not all(c in CODES for c in stated):
        raise BundleError(
            f"{index / 'manifest.json'}: source.licence_allow is {stated!r:.80}, no list of licences. Restore it "
            "from a copy, or build the index again."
        )
    return tuple(stated)


def _same_correction(index: Path, manifest: dict[str, Any], model: Model) -> None:
    """Refuse to add rows whose bias against hubs could not be compared with the index's."""
    method = manifest["hubs"]["method"]
    if by_segment(manifest):
        raise InputError(
            f"{index} was corrected against hubs ({method}) by an earlier version, segment by segment: rows "
            "added now could not be compared with its own. Run prom3e-index rebuild first."
        )
    if not same_centres(manifest["hubs"].get("centre", {}), bias_centres(model, method)):
        raise MismatchError(
            f"The bank of training queries or the weights of model {model.name} are not those that {index} was "
            f"corrected against hubs ({method}) with. Restore that model, or build anew."
        )
