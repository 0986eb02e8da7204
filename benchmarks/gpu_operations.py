"""What a training step or one exact query asks of a device: operations issued and bytes they read and write.

    python benchmarks/gpu_operations.py [--recipe best] [--precision bf16] [--list]
    python benchmarks/gpu_operations.py --query 10000000 [--left-out] [--list]

Counted without a card, a training step on a processor, a query of tensors that have sizes and no numbers: views and
taking memory cost nothing, every other operation counts once, with the sizes of what it is given and of what it gives.
On a card each is a kernel or a few; a step takes no less than the bytes divided by the memory's speed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from gpu_training import Run, made
from torch.utils._python_dispatch import TorchDispatchMode

from prom3e_index.bundle.faiss import resident as search
from prom3e_index.training.stage_two.recipe import RECIPES
from prom3e_index.training.stage_two.resident import Resident

HOST = {"aten::aminmax", "aten::_local_scalar_dense", "aten::abs", "aten::ne", "aten::eq"}
"""How a processor looks for numbers that are none, tensor by tensor; a card takes one kernel for all."""

TAKEN = {"aten::index", "aten::index_select", "aten::gather", "aten::embedding"}
"""They read of what they are given as much as they give."""
MEMORY = {"aten::empty", "aten::new_empty", "aten::new_full"}


class Counted(TorchDispatchMode):
    """Counts operations and their bytes by name."""

    def __init__(self) -> None:
        super().__init__()
        self.times: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        schema = func._schema
        views = [r.alias_info for r in schema.returns if r.alias_info is not None]
        own = schema.name.endswith("_unsafe_view") or schema.name in MEMORY
        if schema.name.startswith("aten::") and not own and all(v.is_write for v in views):
            self.times[schema.name] += 1
            given = out if schema.name in TAKEN else args
            self.bytes[schema.name] += _size(given) + _size(out)
        return out


def _size(x: Any) -> int:
    if isinstance(x, torch.Tensor):
        return x.numel() * x.element_size()
    return sum(_size(v) for v in x) if isinstance(x, list | tuple) else 0


def counted(recipe: str, precision: str, rows: int = 2048, width: int = 512) -> Counted:
    """A step's operations, at the default size."""
    settings = replace(RECIPES[recipe], precision=precision, steps=1000)
    resident = Resident(made(rows, width, "cpu"), settings, "cpu", True)
    run = Run(resident, settings, "cpu", "plain")
    run.take(1)
    with Counted() as found:
        run.take(1)
    return found


def counted_query(n: int, left_out: bool = False, width: int = 512, k: int = 10) -> Counted:
    """One query of n rows, ten hits, from the bytes on the device to its answer there; it reads no value on the way."""
    rows = torch.empty(-(-n // search.GROUP) * search.GROUP, width, dtype=torch.half, device="meta")
    barred = torch.empty(len(rows), dtype=torch.bool, device="meta") if left_out else None
    sent = torch.empty(10 * width, dtype=torch.uint8, device="meta")
    with Counted() as found:
        search._told(search._Rows(rows, n, 1.0, barred), sent, 1, k + search.SPARE, k)
    return found


def main() -> None:
    """Print the sums, and with `--list` each operation's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="best", choices=sorted(RECIPES))
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--list", action="store_true", help="each operation")
    parser.add_argument("--query", type=int, help="of so many rows, in place of a training step")
    parser.add_argument("--left-out", action="store_true", help="some of them left out by a mask")
    given = parser.parse_args()
    if given.query:
        what, found = (
            f"one query of {given.query:,} rows",
            counted_query(given.query, given.left_out),
        )
    else:
        what = f"{given.recipe}, {given.precision}"
        found = counted(given.recipe, given.precision)
    kernels = {k: v for k, v in found.times.items() if k not in HOST}
    size = sum(v for k, v in found.bytes.items() if k not in HOST) / 1e9
    print(f"{what}: {sum(kernels.values())} operations, {size:.2f} GB")
    if given.list:
        for name, size in found.bytes.most_common():
            print(f"{name.removeprefix('aten::'):32} {found.times[name]:5} {size / 1e9:7.3f} GB")


if __name__ == "__main__":
    main()
