"""What stage 1 trained on, noted as marks of the embeddings that the trained encoder makes of it.

Media cannot be told again from embeddings, and those are what is indexed and evaluated. So the rows go through
the finished network once more, without augmentation. A recording that is
encoded in windows gives other embeddings, and is not told again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.models.seen import Seen
from prom3e_index.training.stage_one.feed import moved
from prom3e_index.training.stage_one.towers import Tower

_BATCH = 64


def embedded(tower: Tower, device: str) -> Tensor:
    """Unit rows (n, d) of what a finished tower makes of its rows; NaN where it has no input."""
    network = tower.network.to(device).eval()
    rows = torch.nonzero(tower.able)[:, 0]
    out: Tensor | None = None
    with torch.inference_mode():
        for at in rows.split(_BATCH):
            made = tower.embed(moved(tower.inputs(at, None), device))
            unit = F.normalize(made.float(), dim=-1).cpu()
            if out is None:
                out = torch.full((len(tower.able), unit.shape[1]), float("nan"))
            out[at] = unit
    network.cpu()
    return torch.full((len(tower.able), 1), float("nan")) if out is None else out


def as_stored(tower: Tower, half: bool) -> None:
    """Round a finished tower's weights to what half precision keeps of them, where they are stored so."""
    if half:
        with torch.no_grad():
            for value in (*tower.network.parameters(), *tower.network.buffers()):
                if value.is_floating_point():
                    value.copy_(value.half().float())


def noted(by: dict[str, Tensor]) -> Seen:
    """Rows trained on: by modality (n, d) unit rows, NaN where absent; a row counts where it has all of them."""
    x = torch.stack(list(by.values()), dim=1)
    present = (~x.isnan().any(dim=2)).all(dim=1, keepdim=True).expand(-1, x.shape[1])
    used = present[:, 0]
    return Seen.of(x[used].numpy(), present[used].numpy().copy(), tuple(by))


def before(*folders: str | Path) -> Seen:
    """What the weights that were begun with had seen, and whether that is not known of some of them.

    A folder without weights is a random start, which has seen nothing.
    """
    out = Seen((), 0, {})
    for folder in map(Path, folders):
        found = Seen.read(folder) if folder.is_dir() else None
        if found is not None:
            out = out.joined(found)
        if not (found.n if found is not None else _random(folder)):
            out = replace(out, began_from_unknown=True)
    return out


def _random(start: Path) -> bool:
    return start.is_dir() and not any(p.suffix in (".safetensors", ".bin") for p in start.iterdir())
