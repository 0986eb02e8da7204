"""Triton's interpreter as tests need it: faster, and rounding to bf16 as a card does. Where a card is, nothing.

The interpreter makes the language ready anew for each function that a kernel calls, sums and maxima too: half of its
time. Here it does so once a kernel. And it cuts off what bf16 does not hold.
"""

from __future__ import annotations

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter


def _once(ready):
    def of_kernel(kernel):
        scope = ready(kernel)
        scope._changes += ready(tl.max.fn)._changes  # what functions of the language see
        return scope

    return of_kernel


def _called(function, *args, **kwargs):
    return function.rewrite()(*args, **kwargs)


def _rounding(cut):
    def convert(x, given, wanted, mode):
        if (given.name, wanted.name) == ("fp32", "bf16"):
            return torch.from_numpy(x).bfloat16().view(torch.int16).numpy().view(np.uint16)
        return cut(x, given, wanted, mode)

    return convert


if not torch.cuda.is_available():
    interpreter._patch_lang = _once(interpreter._patch_lang)
    interpreter.InterpretedFunction.__call__ = _called
    interpreter._convert_float = _rounding(interpreter._convert_float)
