"""Stage 1: align an encoder's network to cached embeddings of a frozen tower."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Forward = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AlignConfig:
    """How long and how fast.

    Attributes:
        epochs: Passes over the rows.
        batch_size: Rows per step.
        lr: Peak learning rate; 5 % linear warm-up, then cosine to zero.
        weight_decay: Of AdamW (betas 0.9, 0.98, eps 1e-6, as published).
        seed: Order of rows and augmentation.
    """

    epochs: int = 20
    batch_size: int = 256
    lr: float = 1e-4
    weight_decay: float = 0.01
    seed: int = 0


def align(
    parameters: Iterable[nn.Parameter],
    embed: Forward,
    anchor: Forward,
    rows: Tensor,
    label: Tensor,
    loss: Loss,
    config: AlignConfig,
    log: Callable[[str], None],
) -> float:
    """Fit `embed(rows)` to `anchor(rows)`; gradients flow through whatever requires them.

    Args:
        parameters: What is trained; the temperature is added here (initial ln(1/0.07), at most
            ln 100).
        embed: Row indices (b,) to embeddings of the modality being aligned.
        anchor: Row indices (b,) to embeddings of the frozen tower.
        rows: Indices to train on.
        label: Species of every row, read at `rows`.
        loss: (anchor, other, scale, label) to a scalar.
        config: Lengths and rates.
        log: Gets a line per epoch.

    Returns:
        The last epoch's mean loss.
    """
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    trained = [*parameters, log_scale]
    optimiser = torch.optim.AdamW(
        trained, lr=config.lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=config.weight_decay
    )
    per_epoch = max(1, len(rows) // config.batch_size)
    total = config.epochs * per_epoch
    generator = torch.Generator().manual_seed(config.seed)
    step, mean = 0, math.nan
    for epoch in range(config.epochs):
        order = rows[torch.randperm(len(rows), generator=generator)]
        losses = []
        for batch in order.split(config.batch_size)[:per_epoch]:
            rate = (
                min(1.0, (step + 1) / (0.05 * total)) * (1 + math.cos(math.pi * step / total)) / 2
            )
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate
            optimiser.zero_grad(set_to_none=True)
            value = loss(
                F.normalize(anchor(batch), dim=-1),
                F.normalize(embed(batch), dim=-1),
                log_scale.exp(),
                label[batch],
            )
            value.backward()
            optimiser.step()
            with torch.no_grad():
                log_scale.clamp_(0, math.log(100))
            losses.append(float(value.detach()))
            step += 1
        mean = sum(losses) / len(losses)
        log(f"epoch {epoch + 1}/{config.epochs} loss {mean:.4f}")
    return mean
