"""How exactly products are computed in training: a setting of the run, never torch's default of the day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prom3e_index.errors import InputError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "tf32", "bf16")
"""`float32`: exact to 24 bits, also on a GPU. `tf32`: factors of products and convolutions are rounded to
11 bits on a GPU, which is faster there. `bf16`: networks run under autocast, to 8 bits; the loss in float32, its
products as under `tf32`."""


def check_precision(precision: str, device: str) -> None:
    """Refuse what the device cannot do.

    Raises:
        InputError: TF32 is asked for on another device than a GPU.
    """
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError(
            f"precision is tf32, which only CUDA devices have, and --device is {device}; choose float32 "
            "or bf16."
        )


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Compute float32 products and convolutions as `precision` says; the setting before comes back."""
    import torch

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def autocast(precision: str, device: str | torch.device) -> torch.autocast:
    """The context in which networks run: bf16 where asked for, else nothing."""
    import torch

    return torch.autocast(torch.device(device).type, torch.bfloat16, precision == "bf16")
