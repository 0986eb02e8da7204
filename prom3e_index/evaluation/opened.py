"""What every evaluation begins with: its settings, the model, and the facts that its tables state."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import prom3e_index
from prom3e_index.bundle.manifest import NAME
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.models.folder import Model

_VERSIONS = ("numpy", "torch", "scikit-learn", "faiss-gpu", "faiss-cpu")


@dataclass(frozen=True)
class EvaluationConfig:
    """What retrieval, probe and uncertainty are all told.

    Attributes:
        data: A bundle, or embeddings.
        out: Folder of the results.
        model: Name or folder; a bundle's own when None.
        hub: Local copy of hub repositories.
        device: Where the MVAE runs.
        seed: Of draws, splits and bootstrap.
        source: What the data were encoded from, for the record.
        allow_seen: Report rows that were trained or chosen on, or share a photo or sound with such, all the same;
            results then carry a warning. See `seen_rows`.
    """

    data: Path
    out: Path
    model: str | None = None
    hub: Path | None = None
    device: str = "cpu"
    seed: int = 0
    source: str | None = None
    allow_seen: bool = False

    def check(self, model: Model | None) -> Any:
        """Refuse settings that no data can meet, before any are read."""


def open_evaluated(config: EvaluationConfig) -> Model | None:
    """The model to evaluate: as named, a bundle's own, or none.

    Another MVAE may be tried on a bundle's embeddings, with the encoders that made them.

    Raises:
        InputError: Settings that no data can meet.
        MismatchError: An encoder of the named model is not the bundle's; both are named.
    """
    bundle = None
    if (config.data / NAME).is_file():
        from prom3e_index.search.run import Bundle

        bundle = Bundle.open(config.data)
    model = None
    if config.model is not None:
        model = Model.open(config.model, hub=config.hub, device=config.device)
    elif bundle is not None:
        model = bundle.model(hub=config.hub, device=config.device)
    config.check(model)
    if bundle is None or model is None or config.model is None:
        return model
    made_with = bundle.manifest["model"]["name"]
    if config.model != made_with and Path(config.model).resolve() != Path(made_with).resolve():
        for modality in model.settings.get("encoder", {}):
            if modality in bundle.modalities:
                bundle.check_encoder(model, modality)
    return model


def describe(
    data: EvalSet, model: Model | None, config: EvaluationConfig, species: str | None = None
) -> dict[str, Any]:
    """What every table states: rows, model, column of the species, seed, versions, machine."""
    have: dict[str, str] = {}
    for name in _VERSIONS:
        try:
            have[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "data": data.source,
        "data_fingerprint": data.fingerprint,
        "rows": len(data),
        "rows_in_source": data.of,
        "observed": {m: int(data.present[:, i].sum()) for i, m in enumerate(data.modalities)},
        "modalities": list(data.modalities),
        "species_column": species or data.species,
        "species_labelled": data.labelled("species"),
        "model": model.name if model else None,
        "model_called": config.model,
        "model_fingerprint": model.mvae_fingerprint if model and model.mvae_source else None,
        "seed": config.seed,
        "program": f"prom3e-index {prom3e_index.__version__}",
        "versions": have,
        "machine": f"Python {platform.python_version()}, {platform.platform()}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "source": config.source or str(config.data),
    }
