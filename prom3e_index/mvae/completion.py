"""What an MVAE says about observations: hidden vectors, completed embeddings, uncertainty.

Source: ProM3E, MVAE inference; decoding by the expectation over the noise is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.mvae.class_tokens import Tokens, pack, posterior_from, posterior_of

if TYPE_CHECKING:
    from prom3e_index.mvae.network import MVAE, Posterior

Floats = NDArray[np.float32]
_LEAST = 1e-30
"""A length below any that is not zero, so that a zero row stays zero."""


class Completer(Protocol):
    """An MVAE and how it is used: a `Model`, or one that is still in training; names as there."""

    @property
    def modalities(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def decode(self) -> str: ...  # noqa: D102
    @property
    def nodes(self) -> int: ...  # noqa: D102
    @property
    def hidden(self) -> str: ...  # noqa: D102
    @property
    def mvae(self) -> MVAE: ...  # noqa: D102


@dataclass(frozen=True)
class Inferred:
    """What the MVAE says about some observations.

    Attributes:
        hidden: (n, z), unit rows: μ, σ or both, as the model says.
        reconstructed: (n, t, d), unit rows, of the targets asked for.
        sigma_l1: (n,), ‖σ‖₁.
    """

    hidden: Floats
    reconstructed: Floats
    sigma_l1: Floats


def hidden_width(model: Completer) -> int:
    """Width z of the hidden block."""
    return int(model.mvae.config.embed_dim) * (2 if model.hidden == "both" else 1)


def _hidden(model: Completer, posterior: Posterior) -> torch.Tensor:
    """The hidden block (n, z) of a posterior, unit rows."""
    sigma = posterior.sigma
    blocks = {"mean": [posterior.mean], "sigma": [sigma], "both": [posterior.mean, sigma]}
    unit = [torch.nn.functional.normalize(b, dim=1) for b in blocks[model.hidden]]
    joined: torch.Tensor = torch.cat(unit, 1) / len(unit) ** 0.5
    return joined


def infer(
    model: Completer,
    x: Floats,
    present: NDArray[np.bool_],
    targets: Sequence[str],
    rows: int = 1024,
    tokens: tuple[Tokens, NDArray[np.int64]] | None = None,
) -> Inferred:
    """Run the MVAE over observations.

    Args:
        model: The model.
        x: (n, m, d), unit rows where present.
        present: (n, m), at least one True per row.
        targets: Modalities to complete.
        rows: Rows per forward pass.
        tokens: From `prepare`, with the row of each observation there: less work for the same result.
    """
    indices = [model.modalities.index(t) for t in targets]
    hidden, reconstructed, sigma_l1 = [], [], []
    with torch.inference_mode():
        for at in range(0, len(x), rows):
            part = torch.from_numpy(np.ascontiguousarray(x[at : at + rows], np.float32))
            has = torch.from_numpy(np.ascontiguousarray(present[at : at + rows]))
            if tokens is None:
                posterior = posterior_of(model.mvae, part, has, model.device)
            else:
                posterior = tokens[0].posterior(torch.from_numpy(tokens[1][at : at + rows]), has)
            hidden.append(_hidden(model, posterior).cpu().numpy())
            sigma_l1.append(posterior.sigma_l1.cpu().numpy())
            if indices:
                done = model.mvae.reconstruct(
                    posterior, indices, how=model.decode, nodes=model.nodes
                )
                reconstructed.append(done.cpu().numpy())
            else:
                reconstructed.append(np.zeros((len(part), 0, model.width), np.float32))
    if not hidden:
        z, d = hidden_width(model), model.width
        return Inferred(
            np.zeros((0, z), np.float32),
            np.zeros((0, len(indices), d), np.float32),
            np.zeros(0, np.float32),
        )
    return Inferred(np.concatenate(hidden), np.concatenate(reconstructed), np.concatenate(sigma_l1))


def gallery_halves(
    model: Completer,
    stored: Sequence[NDArray[np.float16]],
    present: NDArray[np.bool_],
    epsilon: Sequence[float],
) -> tuple[list[NDArray[np.float16]], Floats]:
    """Gallery rows of all targets as they are stored, made on the model's device; see `search.score.gallery`.

    Only half precision is moved there and back; sums and products are in single precision.

    Args:
        model: The model.
        stored: For each modality (n, d), unit rows where present, zeros elsewhere.
        present: (n, m), at least one True per row.
        epsilon: Of each target, the share of the reconstruction where observed.

    Returns:
        For each target (n, d + z), and ‖σ‖₁ (n,).
    """
    device, names = model.device, range(len(model.modalities))
    with torch.inference_mode():
        halves = [torch.from_numpy(np.ascontiguousarray(s)).to(device) for s in stored]
        x = torch.stack([h.float() for h in halves], dim=1)
        has = torch.from_numpy(np.ascontiguousarray(present))
        shown = pack(has).to(device)
        model.mvae.check(x, has)
        posterior = posterior_from(model.mvae, x, shown)
        done = model.mvae.reconstruct(posterior, names, how=model.decode, nodes=model.nodes)
        hidden, seen = _hidden(model, posterior), has.to(device)
        made = []
        for i in names:
            observed, share = x[:, i], epsilon[i]
            if share:
                mixed = (1 - share) * observed + share * done[:, i]
                observed = mixed / mixed.norm(dim=1, keepdim=True).clamp_min(_LEAST)
            target = torch.where(seen[:, i, None], observed, done[:, i])
            made.append(torch.cat([target, hidden], dim=1).half().cpu().numpy())
        return made, posterior.sigma_l1.cpu().numpy()


def prepare(model: Completer, x: Floats, present: NDArray[np.bool_]) -> Tokens | None:
    """Tokens of observations that will be shown with many visible sets; None for deeper MVAEs.

    Keeps m · z numbers of each observation in the memory of the device.
    """
    if model.mvae.config.depth != 1:
        return None
    with torch.inference_mode():
        return Tokens(model.mvae, torch.from_numpy(x), torch.from_numpy(present), model.device)


def mean_embedding(x: Floats, present: NDArray[np.bool_]) -> Floats:
    """q̄: the normalised mean of each row's visible embeddings, (n, d)."""
    return unit_rows((x * present[:, :, None]).sum(axis=1))
