"""What a part of `gpu.py` is given and what it gives: sizes, ceilings of the card, rows of a table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Size:
    """How much a part measures.

    Attributes:
        small: Sizes for a processor: the part must end within ten seconds.
        trial: A short look at a card: 45 seconds a part.
        copy: Bytes/s of a device's own copy, read plus written.
        rate: Operations/s of a product of 8192³ in bfloat16.
    """

    small: bool
    trial: bool
    copy: float
    rate: float


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        part: Section of the table.
        what: What was measured.
        figure: The figure, with its unit; `not measured` where it was not, and why.
        floor: What the bytes or the operations allow, and the share of it reached.
        check: How far the result is from the one it must equal.
    """

    part: str
    what: str
    figure: str
    floor: str = ""
    check: str = ""


def wait(device: str) -> None:
    """Until a card is done with what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], object], device: str, times: int = 5, warm: int = 1) -> float:
    """Median seconds of a call, after some that are not counted."""
    for _ in range(warm):
        call()
    taken = []
    for _ in range(times):
        wait(device)
        begun = time.perf_counter()
        call()
        wait(device)
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[len(taken) // 2]


def ceilings(device: str) -> tuple[float, float]:
    """Bytes/s of a copy on the device and operations/s of a product in bfloat16, on random numbers."""
    card = device.startswith("cuda")
    return _copied(1 << 31 if card else 1 << 24, device), _product(8192 if card else 512, device)


def _copied(size: int, device: str) -> float:
    given = torch.randn(size // 4, device=device)
    taken = torch.empty_like(given)
    return 2 * size / seconds(lambda: taken.copy_(given), device, 10, 3)


def _product(n: int, device: str) -> float:
    a, b = (torch.randn(n, n, device=device).bfloat16() for _ in range(2))
    return float(2 * n**3 / seconds(lambda: a @ b, device, 10, 3))
