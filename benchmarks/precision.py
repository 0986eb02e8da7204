"""Does bfloat16 autocast keep the order of neighbours? Photos of the demo world through `mini` and a ViT-B/16.

    python benchmarks/precision.py

Prints the share of photos whose ten nearest photos are the same, in the same order, as in float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from throughput import make_model, make_photos

PHOTOS = 96


def order(rows: np.ndarray) -> np.ndarray:
    """Ten nearest other photos of each photo."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def main() -> None:
    """Measure and print."""
    from prom3e_index.media.images import image_pixels
    from prom3e_index.models.folder import Model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", PHOTOS)
        make_model(folder / "model")
        for label, model in (
            ("mini", Model.open("mini")),
            ("ViT-B/16, random weights", Model.open(folder / "model")),
        ):
            encoder = model.encoder("image")
            pixels = [
                image_pixels(p, model.image_spec()) for p in sorted((folder / "photos").iterdir())
            ]
            exact = order(encoder.encode(pixels))
            split = order(
                np.concatenate([encoder.encode(pixels[i : i + 7]) for i in range(0, PHOTOS, 7)])
            )
            with torch.autocast("cpu", torch.bfloat16):
                low = order(
                    np.concatenate(
                        [encoder.encode(pixels[i : i + 32]) for i in range(0, PHOTOS, 32)]
                    )
                )
            print(f"{label}: float32 in other batches {np.mean((exact == split).all(1)):.3f}, "
                  f"bfloat16 autocast {np.mean((exact == low).all(1)):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
