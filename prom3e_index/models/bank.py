"""The bank of training queries that a model brings against hubs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import ModelError


def read_bank(
    path: Path, modalities: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Embeddings (b, m, d) of training rows, unit where present, and presence (b, m).

    Raises:
        ModelError: Damaged, or of another shape than the model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        x, present = arrays["x"].astype(np.float32), arrays["present"].astype(bool)
    except (SafetensorError, KeyError, OSError) as e:
        raise ModelError(f"{path} holds no bank of queries: {e}.") from e
    want = (len(x), modalities, width)
    if x.shape != want or present.shape != want[:2] or not np.isfinite(x).all():
        raise ModelError(f"{path}: the bank is {x.shape}, the model takes {want}.")
    norm = np.linalg.norm(x, axis=2, keepdims=True)
    return x / np.where(norm > 0, norm, 1), present
