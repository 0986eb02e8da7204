"""Saying that memory is too small in a sentence instead of torch's own error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prom3e_index.errors import InputError


def out_of_memory(e: BaseException) -> bool:
    """Whether an error means that memory ran out, on a CPU or a device."""
    words = str(e).lower()
    return isinstance(e, torch.cuda.OutOfMemoryError | MemoryError) or any(
        said in words for said in ("allocate memory", "alloc_cpu", "out of memory")
    )


@contextmanager
def enough_memory(otherwise: str) -> Iterator[None]:
    """Turn want of memory inside into an `InputError` that says `otherwise`."""
    try:
        yield
    except (RuntimeError, MemoryError) as e:
        if not out_of_memory(e):
            raise
        raise InputError(
            f"{otherwise} ({str(e).splitlines()[0] if str(e) else 'no memory'})"
        ) from None
