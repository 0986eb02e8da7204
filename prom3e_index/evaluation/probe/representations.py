"""Representations for probing: what the MVAE knows of an observation, in several forms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import infer

Floats = NDArray[np.float32]
REPRESENTATIONS = ("encoder", "reconstructed", "mean", "modality", "registers", "all")
"""Supplement, table 5: TaxaBind, reconstructed, [μ], [m_i], register tokens, all tokens."""
_ROWS = 1024


def known_representation(model: Model, name: str) -> None:
    """Refuse a representation that there is not, or that a model without an MVAE cannot give."""
    if name not in REPRESENTATIONS:
        raise InputError(
            f"Representation {name!r} is unknown; known: {', '.join(REPRESENTATIONS)}."
        )
    if name != "encoder" and model.mvae_source is None:
        raise InputError(
            f"Model {model.name} has no MVAE; only the representation encoder is known."
        )


def of_places(model: Model, at: Floats, name: str) -> Floats:
    """One representation of places alone, of their embeddings (n, d); see `represent`."""
    x = np.zeros((len(at), len(model.modalities), model.width), np.float32)
    x[:, model.modalities.index("loc")] = at
    return represent(model, x, ("loc",), name)


def represent(model: Model, x: Floats, given: Sequence[str], name: str) -> Floats:
    """One representation of observations that all have the given modalities.

    Args:
        model: The model; without an MVAE only `encoder` is possible.
        x: (n, m, d) unit rows.
        given: Visible modalities.
        name: `encoder`: the given embeddings one behind the other; `reconstructed`: all m
            reconstructions; `mean`: μ; `modality`: the tokens of the given modalities; `registers`: the
            register tokens; `all`: class, register and modality tokens.

    Returns:
        (n, w) float32; w is |given|·d, m·d, z, |given|·z, R·z, (2 + R + |given|)·z.

    Raises:
        InputError: Another name, or a model without an MVAE.

    Source: ProM3E, supplement 4.1.1, table 5.
    """
    known_representation(model, name)
    at = [model.modalities.index(m) for m in given]
    if name == "encoder":
        return np.ascontiguousarray(x[:, at].reshape(len(x), -1))
    shown = np.zeros(x.shape[:2], bool)
    shown[:, at] = True
    if name == "reconstructed":
        return infer(model, x, shown, model.modalities).reconstructed.reshape(len(x), -1)
    registers = model.mvae.config.num_register_tokens
    of_registers = list(range(2, 2 + registers))
    of_given = [2 + registers + i for i in at]
    wanted = {
        "mean": [0],
        "modality": of_given,
        "registers": of_registers,
        "all": [0, 1, *of_registers, *of_given],
    }[name]
    out = np.empty((len(x), len(wanted) * model.mvae.config.embed_dim), np.float32)
    with torch.inference_mode():
        for row in range(0, len(x), _ROWS):
            part = slice(row, row + _ROWS)
            p = model.mvae.posterior(
                torch.from_numpy(np.ascontiguousarray(x[part])).to(model.device),
                torch.from_numpy(shown[part]).to(model.device),
            )
            tokens = p.tokens.clone()
            tokens[:, 0] = p.mean
            out[part] = tokens[:, wanted].flatten(1).cpu().numpy()
    return out
