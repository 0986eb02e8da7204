"""What a manifest says of a build before any of its rows: model, settings, source, machine."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import prom3e_index
from prom3e_index.bundle.manifest import FORMAT_VERSION, history_entry
from prom3e_index.bundle.media_folders import beside
from prom3e_index.bundle.model_place import noted_model
from prom3e_index.indexer.expand import expanded
from prom3e_index.indexer.work import BuildConfig, climate_of
from prom3e_index.indexer.write_segment import bias_width
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import hidden_width
from prom3e_index.search.hubness import bias_centres


def described(
    config: BuildConfig, model: Model, facts: dict[str, Any], hubs: str
) -> dict[str, Any]:
    """The part of a manifest that a build knows beforehand; `facts` of its plan."""
    own = model.settings.get("encoder", {})
    loaded = {m: model.encoder(m).fingerprint for m in model.modalities if m in own}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    raster = climate_of(config)
    return {
        "format_version": FORMAT_VERSION,
        "generation": 1,
        "program": f"prom3e-index {prom3e_index.__version__}",
        "created": created,
        "deleted": None,
        "wish": asdict(config.wish),
        "history": [{**history_entry(1, created, "build", 0, 0), "command": sys.argv}],
        "modalities": list(model.modalities),
        "width": model.width,
        "hidden_width": hidden_width(model),
        "bias_width": bias_width(model, hubs),
        "hubs": {
            "method": hubs,
            "chosen_by": "the build" if config.hubs else "the model",
            "centre": bias_centres(model, hubs),
        },
        "model": {
            **noted_model(model, config.out),
            "decode": model.decode,
            "hidden": model.hidden,
            "exif_transpose": config.exif_transpose,
            "audio_windows": config.audio_windows,
        },
        "fingerprints": {**loaded, "mvae": model.mvae_fingerprint},
        "windows": facts["windowing"],
        "weights": model.settings.get("weights", {}),
        "epsilon": {m: model.weights((), m).epsilon for m in model.modalities},
        "source": {
            "table": config.table,
            "format": facts["format"],
            "media": facts["media"],
            "fields": facts["fields"],
            "citations": facts.get("citations", []),
            "duplicates": config.duplicates,
            "licence_allow": list(config.licence_allow) if config.licence_allow else None,
            "understood": facts["understood"],
            "expanded": expanded(facts),
            "climate": str(raster.resolve()) if raster else None,
            "climate_beside": beside(config.out, raster) if raster else None,
        },
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": config.device,
        },
        "command": sys.argv,
    }
