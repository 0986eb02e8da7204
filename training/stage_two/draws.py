"""Random numbers as a function of a seed, a purpose and a step alone: the same bits on any device.

A counter is mixed by SplitMix64, so nothing has a state: a run that resumes needs none, a step that a GPU replays
reads its number from the device, and no draw waits for a host. Uniform numbers are equal to the last bit everywhere;
normal ones go through logarithm and cosine, whose last bit differs between devices.

Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TURN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ALL = (1 << 64) - 1
_UNIT = 2.0**-24
"""Numbers are made of 24 bits: so many a float32 between 0 and 1 holds exactly."""
DRAWS = "by counter"
"""Noted with a run: one that was begun with other draws does not go on."""
VISIBLE, NOISE = 1, 2
"""What is drawn: streams that share no number."""


def _signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x


def _shifted(x: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros; int64 is filled with the sign, else."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _mixed(x: Tensor) -> Tensor:
    x = (x ^ _shifted(x, 30)) * _signed(_FIRST)
    x = (x ^ _shifted(x, 27)) * _signed(_SECOND)
    return x ^ _shifted(x, 31)


def _bits(seed: int, purpose: int, at: Tensor, count: int) -> Tensor:
    """64 random bits each, (…, count) int64, for each number of a step."""
    stream = _signed((seed * _FIRST + purpose * _SECOND) & _ALL)
    key = _mixed(at * _signed(_TURN) + stream)
    counter = torch.arange(1, count + 1, device=at.device)
    return _mixed(counter * _signed(_TURN) + key[..., None])


def uniform(seed: int, purpose: int, at: Tensor, shape: tuple[int, int]) -> Tensor:
    """Numbers in [0, 1), float32, multiples of 2⁻²⁴.

    Args:
        seed: Of the run.
        purpose: `VISIBLE`, …
        at: Step, an int64 scalar on the device that the numbers are needed on; or several, whose numbers come
            one behind the other.
        shape: Rows and columns. A number depends on its place in this shape, so on the columns too.
    """
    bits = _bits(seed, purpose, at, shape[0] * shape[1])
    return (_shifted(bits, 40).float() * _UNIT).view(*at.shape, *shape)


def normal(seed: int, purpose: int, at: Tensor, shape: tuple[int, int]) -> Tensor:
    """Standard normal numbers, float32, by Box and Muller; none is farther than 5.8 from 0. As `uniform`."""
    bits = _bits(seed, purpose, at, shape[0] * shape[1])
    radius = ((_shifted(bits, 40) + 1).float() * _UNIT).log().mul(-2).sqrt()
    angle = (bits & ((1 << 24) - 1)).float() * (_UNIT * 2 * math.pi)
    return (radius * angle.cos()).view(*at.shape, *shape)
