"""Where encoders run: the names that a user may give, and whether there is such a device here."""

from __future__ import annotations

from prom3e_index.errors import InputError


def is_card(device: str) -> bool:
    """Whether a device is a card, to which data is moved."""
    return device.partition(":")[0] == "cuda"


def checked_device(name: str) -> str:
    """A device that is here; torch is asked only for one that may not be.

    Raises:
        InputError: No name of a device, or none that torch sees.
    """
    kind, colon, number = str(name).partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (number.isascii() and number.isdigit())):
        meant = {"gpu": "cuda", "nvidia": "cuda"}.get(kind.lower(), kind.lower())
        did = f" Did you mean {meant}?" if meant in ("cpu", "cuda") and meant != kind else ""
        raise InputError(
            f"--device is {name!r:.60}; known: cpu, cuda, and cuda:1 for the second.{did}"
        )
    if kind == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"--device {name}: torch sees no CUDA device here; use cpu.")
        if int(number or 0) >= torch.cuda.device_count():
            raise InputError(
                f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices, numbered from 0."
            )
    return name
