"""Stage 2: fit the MVAE to embeddings with any presence pattern."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from prom3e_index.mvae import MVAE, MVAEConfig
from prom3e_index.training.losses import kl, reconstruction


@dataclass(frozen=True)
class MVAETrainConfig:
    """How long and how fast; the defaults are the published ones.

    Attributes:
        epochs: Passes over the rows.
        batch_size: Rows per step.
        lr: Peak learning rate, cosine to zero.
        seed: Order, visible sets and noise.
        one_visible: Probability that a row shows one modality; otherwise two.
        more_visible: Probability that a row shows a random subset of any size instead (0 published).
    """

    epochs: int = 500
    batch_size: int = 1024
    lr: float = 1e-4
    seed: int = 0
    one_visible: float = 0.9
    more_visible: float = 0.0


def draw_visible(present: Tensor, config: MVAETrainConfig, generator: torch.Generator) -> Tensor:
    """Draw a non-empty visible set for each row from what the row has: (n, m) bool."""
    n, m = present.shape
    score = torch.rand(n, m, generator=generator).masked_fill(~present, -1)
    rank = score.argsort(1, descending=True).argsort(1)
    count = torch.where(torch.rand(n, generator=generator) < config.one_visible, 1, 2)
    many = torch.rand(n, generator=generator) < config.more_visible
    count = torch.where(many, torch.randint(1, m + 1, (n,), generator=generator), count)
    return (rank < count[:, None]) & present


def train_mvae(
    model_config: MVAEConfig,
    x: Tensor,
    present: Tensor,
    config: MVAETrainConfig,
    log: Callable[[str], None],
) -> MVAE:
    """Fit an MVAE to embeddings.

    Args:
        model_config: Sizes.
        x: (n, m, d) unit rows; read only where present.
        present: (n, m) bool, at least one True per row.
        config: Lengths, rates and the visible sets.
        log: Gets a line every tenth of the way.

    Returns:
        The trained model in evaluation mode.

    Source: ProM3E: z = μ + σ·ε with one ε a row; loss = mean over modalities of the reconstruction
    cross-entropy + λ·KL. Differs: visible sets per row, and rows whose target embedding is identical
    (one tile, one name) are no negatives of each other.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    model = MVAE(model_config).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01
    )
    per_epoch = max(1, len(x) // config.batch_size)
    total = config.epochs * per_epoch
    for step in range(total):
        if step % per_epoch == 0:
            order = torch.randperm(len(x), generator=generator)
        for group in optimiser.param_groups:
            group["lr"] = config.lr * (1 + math.cos(math.pi * step / total)) / 2
        at = (step % per_epoch) * config.batch_size
        batch = order[at : at + config.batch_size]
        rows, has = x[batch], present[batch]
        posterior = model.posterior(rows, draw_visible(has, config, generator))
        noise = torch.randn(len(batch), 1, generator=generator)
        z = posterior.mean + posterior.sigma * noise
        terms = []
        for t in range(model_config.num_modalities):
            of = has[:, t].nonzero()[:, 0]
            if len(of) < 2:
                continue
            target = rows[of, t]
            same = (target @ target.T) > 1 - 1e-6
            decoded = model.decode(z[of], [t])[:, 0]
            terms.append(
                reconstruction(decoded, target, model.negative_scale, model.negative_shift, same)
            )
        loss = torch.stack(terms).mean() + model_config.lambda_kl * kl(posterior)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % max(1, total // 10) == 0:
            log(f"step {step + 1}/{total} loss {float(loss.detach()):.4f}")
    return model.eval().requires_grad_(False)
