"""Names: the text tower of an open_clip folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.clip_files import open_clip_tower
from prom3e_index.encoders.forward import Forward, Rows
from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.errors import ModelError
from prom3e_index.models.weights import fingerprint


@cache
def _tokenizer_code() -> Any:
    """open_clip's tokenizer, from its own file: the package around it takes seconds to import."""
    if "open_clip" in sys.modules:
        return sys.modules["open_clip"].tokenizer
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise ModelError("The package open_clip is not installed; `pip install open-clip-torch`.")
    file = Path(package.origin).with_name("tokenizer.py")
    spec = importlib.util.spec_from_file_location(f"{__name__}._tokenizer", file)
    assert spec is not None and spec.loader is not None  # a .py file has both
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def tokenizer(context: int) -> Any:
    """CLIP's tokenizer: names to token ids, (n, context) int64."""
    code = _tokenizer_code()
    made = getattr(code, "_tokenizer", None)  # the package's own is as good, and made already
    return partial(made or code.SimpleTokenizer(), context_length=context)


class OpenClipText:
    """The name tower of `MVRL/taxabind-vit-b-16`; takes bare names, no prompt around them."""

    modality = "text"
    batch_size = 256

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        tower, config, path = open_clip_tower(folder, "text")
        self.device = device
        self.width = int(config["embed_dim"])
        self.fingerprint = fingerprint("open_clip-text", path, config)
        self.forward = Forward(tower.to(device), device)
        self._context = int(config["text_cfg"].get("context_length", 77))

    def tokens(self, batch: Sequence[str]) -> torch.Tensor:
        """Token ids, (n, context) int64."""
        ids: torch.Tensor = tokenizer(self._context)(list(batch))
        return ids

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Embed any number of names, `batch_size` in one pass; see `Encoder.encode`."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[str]) -> Rows:
        """Begin to embed; see `Encoder.begin`."""
        size = self.batch_size
        parts = [
            self.forward.begin(self.tokens(batch[at : at + size]))
            for at in range(0, len(batch), size)
        ]
        none = np.zeros((0, self.width), np.float32)
        return lambda: unit_rows(np.concatenate([none, *(rows() for rows in parts)]))
