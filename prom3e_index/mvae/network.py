"""The masked variational autoencoder: tensors in, tensors out.

No files, no loss, no randomness that it is not given. Parameter names and shapes are those of the
published checkpoint, so a state dict moves between the two unchanged.

Source: ProM3E (arXiv 2511.02946), sections on the MVAE and its architecture (supplement, table 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.errors import InputError, ModelError, ShapeError
from prom3e_index.models.weights import whole_number


@dataclass(frozen=True)
class MVAEConfig:
    """Sizes of an MVAE, with the key names of the published `config.json`.

    Attributes:
        input_dim: Embedding width d.
        embed_dim: Latent width z.
        num_modalities: m.
        depth: Transformer blocks.
        heads: Attention heads.
        mlp_dim: Hidden width of a block's MLP.
        num_register_tokens: R, extra tokens that no output reads.
        num_cls_tokens: 2, mean and log-variance.
        dropout: Training only; this class applies none.
        masked_only: Training only: decode hidden modalities alone.
        lambda_kl: Training only: weight of the KL term.
        input_dims: Own width of each modality, at most `input_dim`; all are `input_dim` when None
            (the published layout). Narrower rows are stored padded with zeros.
    """

    input_dim: int = 512
    embed_dim: int = 1024
    num_modalities: int = 6
    depth: int = 1
    heads: int = 8
    mlp_dim: int = 2048
    num_register_tokens: int = 4
    num_cls_tokens: int = 2
    dropout: float = 0.0
    masked_only: bool = False
    lambda_kl: float = 1e-3
    input_dims: tuple[int, ...] | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Own width of each modality."""
        return self.input_dims or (self.input_dim,) * self.num_modalities

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MVAEConfig:
        """Read the keys of `config.json`; a missing size is an error that names it.

        Keys written by other libraries (`transformers_version`, …) are passed over.
        """
        sizes = [f.name for f in fields(cls)[:9]]
        missing = [k for k in sizes if k not in values and k != "dropout"]
        if missing:
            raise ModelError(
                f"config.json of the MVAE lacks {', '.join(missing)}; it needs {', '.join(sizes)}."
            )
        bounds = {k: (1, 1 << 16) for k in ("input_dim", "embed_dim", "heads")}
        bounds |= {"num_modalities": (1, 64), "depth": (1, 256), "mlp_dim": (1, 1 << 18)}
        bounds |= {"num_register_tokens": (0, 1 << 12), "num_cls_tokens": (0, 1 << 12)}
        where = "config.json of the MVAE"
        checked = {k: whole_number(values, k, *bounds[k], where) for k in bounds}
        config = cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values} | checked)
        if config.input_dims is not None:
            config = replace(config, input_dims=tuple(int(w) for w in config.input_dims))
            if len(config.widths) != config.num_modalities or not all(
                0 < w <= config.input_dim for w in config.widths
            ):
                raise ModelError(
                    f"input_dims are {list(config.widths)}; {config.num_modalities} widths between 1 "
                    f"and input_dim {config.input_dim} are needed."
                )
        if config.num_cls_tokens != 2:
            raise ModelError(f"num_cls_tokens is {config.num_cls_tokens}, the MVAE has 2 (μ, σ).")
        if config.embed_dim % config.heads:
            raise ModelError(
                f"embed_dim {config.embed_dim} is no multiple of heads {config.heads}."
            )
        return config


@dataclass(frozen=True)
class Posterior:
    """The latent Gaussian of each observation.

    Attributes:
        mean: (n, z), unit rows.
        log_variance: (n, z), natural logarithm, not clipped.
        tokens: (n, 2 + R + m, z): class, register and modality tokens after the last block;
            tokens of absent modalities hold no information.
    """

    mean: Tensor
    log_variance: Tensor
    tokens: Tensor

    @property
    def sigma(self) -> Tensor:
        """Standard deviation, (n, z)."""
        return torch.exp(self.log_variance / 2)

    @property
    def sigma_l1(self) -> Tensor:
        """‖σ‖₁ of each row, (n,): the model's uncertainty."""
        return self.sigma.sum(dim=1)


class _Feedforward(nn.Module):
    """LayerNorm → Linear → GELU (exact) → Linear, at the published indices 0, 1, 2, 4."""

    def __init__(self, width_in: int, hidden: int, width_out: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width_in),
            nn.Linear(width_in, hidden),
            nn.GELU(),
            nn.Identity(),  # dropout's place in the published numbering
            nn.Linear(hidden, width_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class _Block(nn.Module):
    """Post-norm transformer block with a per-row mask over the keys."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = _Feedforward(width, hidden, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        n, tokens, width = x.shape
        heads = self.attn.num_heads
        qkv = F.linear(x, self.attn.in_proj_weight, self.attn.in_proj_bias)
        q, k, v = qkv.view(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None, None, :])
        x = self.norm1(self.attn.out_proj(mixed.transpose(1, 2).reshape(n, tokens, width)) + x)
        return self.norm2(self.mlp(x) + x)  # type: ignore[no-any-return]


class MVAE(nn.Module):
    """Completes what an observation lacks, and says how sure it is."""

    def __init__(self, config: MVAEConfig) -> None:
        super().__init__()
        self.config = config
        z, m = config.embed_dim, config.num_modalities
        self.cls_tokens = nn.Parameter(torch.randn(2, z) * 0.02)
        self.register_tokens = nn.Parameter(torch.randn(config.num_register_tokens, z) * 0.02)
        self.modality_identifiers = nn.ParameterList(
            [nn.Parameter(torch.randn(z) * 0.02) for _ in range(m)]
        )
        self.projectors = nn.ModuleList([_Feedforward(w, 2 * w, z) for w in config.widths])
        self.encoder = nn.ModuleList(
            [_Block(z, config.heads, config.mlp_dim) for _ in range(config.depth)]
        )
        self.decoders = nn.ModuleList([_Feedforward(z, z, w) for w in config.widths])
        self.negative_scale = nn.Parameter(torch.tensor(-5.0))
        self.negative_shift = nn.Parameter(torch.tensor(5.0))

    def posterior(self, x: Tensor, present: Tensor) -> Posterior:
        """Infer the latent Gaussian of each observation from the modalities it has.

        Args:
            x: (n, m, d) float, unit rows in the model's modality order. Where `present` is False
                a row is not read and may hold anything, NaN included.
            present: (n, m) bool, at least one True in each row. Rows may differ: one masked pass.

        Returns:
            The posterior; `tokens` in the order class, registers, modalities.

        Raises:
            ShapeError: The shapes differ from the model's, with both in the message.
            InputError: An observation has no modality; names the first such row.

        Source: ProM3E, MVAE encoder; σ = exp(log-variance / 2).
        """
        self.check(x, present)
        return self._posterior(x, present)

    def check(self, x: Tensor, present: Tensor) -> None:
        """Refuse what `posterior` refuses."""
        c = self.config
        if x.ndim != 3 or tuple(x.shape[1:]) != (c.num_modalities, c.input_dim):
            raise ShapeError(
                f"Embeddings are {tuple(x.shape)}, the MVAE takes (n, {c.num_modalities}, "
                f"{c.input_dim}). Encode with the same model."
            )
        if tuple(present.shape) != tuple(x.shape[:2]):
            raise ShapeError(
                f"`present` is {tuple(present.shape)}, embeddings are {tuple(x.shape)}."
            )
        seen = present.any(dim=1)
        if not bool(seen.all()):
            row = int((~seen).nonzero()[0])
            raise InputError(f"Row {row} has no modality; give each observation at least one.")

    def _posterior(self, x: Tensor, present: Tensor) -> Posterior:
        n = len(x)
        x = torch.where(present[:, :, None], x, 0.0)
        tokens = torch.stack(
            [
                project(x[:, i, :width]) + self.modality_identifiers[i]
                for i, (project, width) in enumerate(
                    zip(self.projectors, self.config.widths, strict=True)
                )
            ],
            dim=1,
        )
        fixed = torch.cat([self.cls_tokens, self.register_tokens]).expand(n, -1, -1)
        visible = torch.cat([present.new_ones(n, fixed.shape[1]), present], dim=1)
        hidden = torch.cat([fixed, tokens], dim=1)
        for block in self.encoder:
            hidden = block(hidden, visible)
        return Posterior(F.normalize(hidden[:, 0], dim=-1), hidden[:, 1], hidden)

    def decode(self, z: Tensor, targets: Sequence[int] | None = None) -> Tensor:
        """Decode latent points into embeddings of the target modalities.

        Args:
            z: (n, z).
            targets: Modality indices, all when None.

        Returns:
            (n, len(targets), d), unit rows; those of a narrower modality end in zeros.
        """
        wanted = range(self.config.num_modalities) if targets is None else targets
        d, widths = self.config.input_dim, self.config.widths
        rows = [F.normalize(self.decoders[t](z), dim=-1) for t in wanted]
        return torch.stack(
            [F.pad(r, (0, d - widths[t])) for r, t in zip(rows, wanted, strict=True)], dim=1
        )

    def reconstruct(
        self,
        posterior: Posterior,
        targets: Sequence[int] | None = None,
        *,
        how: str = "expectation",
        nodes: int = 2,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Complete the target modalities from a posterior.

        Args:
            posterior: What `posterior` returned.
            targets: Modality indices, all when None.
            how: `expectation`: mean of the unit decodes over the scalar noise ε of z = μ + σ·ε by
                Gauss–Hermite quadrature, normalised; `mean`: decode μ; `sample`: one seeded draw.
            nodes: Quadrature nodes; two (ε = ±1) agree with sixteen in recall.
            generator: Source of the draw; needed by `sample`.

        Returns:
            (n, len(targets), d), unit rows.
        """
        mean, sigma = posterior.mean, posterior.sigma
        if how == "mean":
            return self.decode(mean, targets)
        if how == "sample":
            if generator is None:
                raise InputError("Decoding by `sample` needs a seed; give one.")
            noise = torch.randn(len(mean), 1, generator=generator, device=generator.device)
            return self.decode(mean + sigma * noise.to(mean), targets)
        if how != "expectation":
            raise InputError(f"Unknown decoding {how!r}; known: expectation, mean, sample.")
        points, weights = np.polynomial.hermite_e.hermegauss(nodes)
        total: Tensor | float = 0.0
        for point, weight in zip(points, weights / math.sqrt(2 * math.pi), strict=True):
            total = total + float(weight) * self.decode(mean + float(point) * sigma, targets)
        return F.normalize(torch.as_tensor(total), dim=-1)
