"""The encoder of each kind that `model.toml` can name; its packages are imported here and not before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prom3e_index.encoders.protocol import Encoder
    from prom3e_index.models.folder import Model


def open_encoder(model: Model, kind: str, path: Path) -> Encoder:
    """The encoder of a kind with the weights at `path`, preprocessing and device as the model says."""
    if kind == "geoclip-location":
        from prom3e_index.encoders.place import GeoClipLocation

        return GeoClipLocation(path, model.device)
    if kind == "sinr":
        from prom3e_index.encoders.climate import SinrClimate

        return SinrClimate(path, model.device)
    if kind in ("clap-audio", "laion-clap"):
        from prom3e_index.encoders import sound

        tower = sound.ClapAudio if kind == "clap-audio" else sound.LaionAudio
        return tower(path, model.audio_spec(), model.device)
    if kind == "open_clip-text":
        from prom3e_index.encoders.name import OpenClipText

        return OpenClipText(path, model.device)
    if kind == "clip-vision":
        from prom3e_index.encoders.tile import ClipTile

        return ClipTile(path, model.image_spec("sat"), model.device)
    from prom3e_index.encoders.photo import OpenClipImage

    return OpenClipImage(path, model.image_spec("image"), model.device)
