"""Names: open_clip's text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.open_clip_files import open_clip_model
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.models.weights import fingerprint


class OpenClipText:
    """The name tower of `MVRL/taxabind-vit-b-16`; takes bare names, no prompt around them."""

    modality = "text"
    batch_size = 256

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        import open_clip

        model, config, path = open_clip_model(folder)
        self.device = device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-text", path, config)
        model.visual = torch.nn.Identity()
        self._model = model.to(device)
        length = config["text_cfg"].get("context_length", 77)
        self._tokenize = open_clip.SimpleTokenizer(context_length=length)

    def tokens(self, batch: Sequence[str]) -> torch.Tensor:
        """Token ids, (n, context) int64."""
        ids: torch.Tensor = self._tokenize(list(batch))
        return ids

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Embed any number of names, `batch_size` in one pass; see `Encoder.encode`."""
        parts = [np.zeros((0, self.width), np.float32)]
        with torch.inference_mode():
            for at in range(0, len(batch), self.batch_size):
                ids = self.tokens(batch[at : at + self.batch_size])
                parts.append(self._model.encode_text(ids.to(self.device)).float().cpu().numpy())
        return unit_rows(np.concatenate(parts))
