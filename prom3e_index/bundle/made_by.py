"""What an index was made with: its manifest, its model, the fingerprints that a query's model must have."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.model_place import model_of, placed_beside
from prom3e_index.errors import MismatchError

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model


class MadeBy:
    """An index as far as its manifest tells it.

    Attributes:
        path: Its folder.
        manifest: What the manifest of its generation says.
        modalities: Names, in the model's order.
        rows: Observations.
    """

    rows: int

    def __init__(
        self, path: Path, manifest: dict[str, Any], model: str | None, hub: str | Path | None
    ) -> None:
        self.path, self.manifest, self._named = path, manifest, (model, hub)
        self.modalities: tuple[str, ...] = tuple(manifest["modalities"])
        self._models: dict[tuple[str | None, str | None, str], Model] = {}
        self._placed: dict[tuple[str | None, str | Path | None], list[str]] = {}
        self._lock = threading.Lock()

    @property
    def several(self) -> bool:
        """Whether some observation has several rows: further photos and sounds, windows of recordings."""
        counts = self.manifest.get("counts", {})
        return int(counts.get("observations", self.rows)) < self.rows

    @property
    def bias_width(self) -> int:
        """Columns of the bias against hubs, at the end of the vectors: m, or 0 without a correction."""
        return int(self.manifest.get("bias_width", 0))

    def hub_weights(self, visible: Iterable[str], on: bool = True) -> NDArray[np.float32]:
        """The end of a query vector, `bias_width` long: the mean of the visible modalities' biases.

        Zeros when the correction does not apply: it is made for the hybrid space with the model's weights.
        """
        out = np.zeros(self.bias_width, np.float32)
        if on and self.bias_width:
            shown = [self.modalities.index(v) for v in visible]
            out[shown] = 1 / len(shown)
        return out

    def model(
        self, name: str | None = None, hub: str | Path | None = None, device: str = "cpu"
    ) -> Model:
        """The model that made the bundle, or another that must have the same fingerprints.

        Raises:
            MismatchError: Another MVAE; encoders are compared when they are used.
            ModelError: It is not where it was, and none is named.
        """
        name, hub = name or self._named[0], hub or self._named[1]
        key = (name, str(hub) if hub else None, device)
        with self._lock:
            if key not in self._models:
                model = model_of(self.manifest, self.path, name, hub, device)
                self._check(model, "mvae", model.mvae_fingerprint)
                self._models[key] = model
            return self._models[key]

    def placed(self, name: str | None, hub: str | Path | None) -> list[str]:
        """What is to be said of where `model` finds the model: `placed_beside`."""
        named = (name or self._named[0], hub or self._named[1])
        if named not in self._placed:
            self._placed[named] = placed_beside(self.manifest, self.path, *named)
        return self._placed[named]

    def check_encoder(self, model: Model, modality: str) -> None:
        """Refuse an encoder that is not the one the bundle was made with."""
        made = self.manifest["fingerprints"].get(modality)
        if made is not None:
            self._check(model, modality, model.encoder(modality).fingerprint)

    def _check(self, model: Model, part: str, fingerprint: str) -> None:
        made = self.manifest["fingerprints"].get(part)
        if made != fingerprint:
            raise MismatchError(
                f"The query's {part} ({model.name}, {fingerprint}) is not the one that {self.path} was built "
                f"with ({Path(self.manifest['model']['name']).name}, {made}). Query with that model, or build anew."
            )
