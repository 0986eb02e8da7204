"""What every encoder offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from prom3e_index.encoders.forward import Forward, Rows


class Encoder(Protocol):
    """Maps one modality into the shared space.

    Attributes:
        modality: Name of the modality.
        width: Embedding width d.
        fingerprint: Equal for encoders whose outputs are interchangeable: weights, configuration
            and preprocessing.
        batch_size: Items per call that suit the device.
        forward: How its network is run: at which `precision`, and how many rows were made `again`.
    """

    modality: str
    width: int
    fingerprint: str
    batch_size: int
    forward: Forward

    def encode(self, batch: Sequence[Any]) -> NDArray[np.float32]:
        """Embed a batch: (n, d) float32, unit rows, in the order given."""
        ...

    def begin(self, batch: Sequence[Any]) -> Rows:
        """Begin to embed a batch; what comes back waits for it and gives what `encode` gives."""
        ...


def unit_rows(x: NDArray[Any]) -> NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero."""
    x = np.asarray(x, np.float32)
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1), np.float32)
