"""Whether kernels of our own can be had, and how they are started: on which device, how many programs, how wide."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from prom3e_index.training.stage_two.resident import Resident
    from prom3e_index.training.stage_two.step import Step

_PROGRAMS = 600
"""Programs that keep a card busy: a few for each of its processors."""
WIDEST = 8192
"""Numbers of a row that one program holds at most."""
_TILE = 4096
"""Numbers of all tokens of a row, of one head, that a program of one warp holds: twice the default size."""
_CAPABILITY = 8
"""Of a card that computes in bf16."""


def why_not_fused(step: Step, resident: Resident, device: str) -> str:
    """Why steps of a set are taken by torch's operations alone, in words; empty where kernels of our own can be used.

    Args:
        step: With its model.
        resident: The set.
        device: Of the run.
    """
    config = step.model.config
    if not device.startswith("cuda"):
        return f"{device} is no card"
    if torch.cuda.get_device_capability(device)[0] < _CAPABILITY:
        return "the card is older than kernels of our own are made for"
    if find_spec("triton") is None:
        return "Triton is not installed, which comes with torch for CUDA on Linux"
    if len(step.model.encoder) > 1:
        return "the encoder has several blocks"
    if set(config.widths) != {config.input_dim}:
        return "not every modality is as wide as rows are"
    widest = max(config.embed_dim, config.input_dim, min(step.recipe.batch_size, len(resident.x)))
    if widest > WIDEST:
        return f"rows of {widest:,} numbers are wider than {WIDEST:,}"
    heed = len(resident.held) + config.num_cls_tokens + config.num_register_tokens
    if block(heed) * block(config.embed_dim // config.heads) > _TILE:
        return (
            f"{heed} tokens with heads of {config.embed_dim // config.heads} numbers are too many"
        )
    if any(p.dtype != torch.float32 for p in step.model.parameters()):
        return "weights are not in single precision"
    return ""


def on(x: Tensor) -> AbstractContextManager[object]:
    """Starts kernels on the device of a tensor."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def block(width: int) -> int:
    """The power of two that holds a row."""
    return 1 << max(4, (width - 1).bit_length())


def warps(width: int) -> int:
    """Warps of a program that holds a row."""
    return 4 if width <= 1024 else 8 if width <= 4096 else 16


def parts(programs: int, rows: int, least: int) -> int:
    """Into how many parts rows are split, so that there are programs enough and each has some rows."""
    return max(1, min(-(-_PROGRAMS // programs), -(-rows // least)))
