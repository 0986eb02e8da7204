"""What training does to photos, tiles and recordings before the network sees them.

Source: TaxaBind's training code: random crop, flip with probability ½, Gaussian blur of 5 pixels with a
σ between 0.01 and 1, ImageNet mean and deviation; the same for tiles. Recordings: ours, see below.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.media.images import ImageSpec


def pixels(squares: Tensor, spec: ImageSpec, g: torch.Generator | None) -> Tensor:
    """Network input (b, 3, crop, crop) float32 of uint8 squares (b, s, s, 3).

    Args:
        squares: Squashed photos or tiles.
        spec: Crop, mean and deviation.
        g: Draws crop, flip and blur per item; without it the centre crop alone.
    """
    b, side, crop = len(squares), squares.shape[1], spec.crop
    span = side - crop
    if g is None:
        top = left = torch.full((b,), (span + 1) // 2)
        turned = torch.zeros(b, dtype=torch.bool)
    else:
        top, left = torch.randint(0, span + 1, (2, b), generator=g)
        turned = torch.rand(b, generator=g) < 0.5
    parts = []
    for i in range(b):
        y, x = int(top[i]), int(left[i])
        part = squares[i, y : y + crop, x : x + crop]
        parts.append(part.flip(1) if turned[i] else part)
    out = torch.stack(parts).permute(0, 3, 1, 2).float() / 255
    if g is not None:
        sigma = 0.01 + 0.99 * torch.rand(b, generator=g)
        out = blur(out, sigma)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (spec.mean, spec.std))
    return (out - mean) / std


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of (b, 3, h, w) with 5 taps and a σ (b,) in pixels per item, edges mirrored."""
    b, c, h, w = x.shape
    taps = torch.exp(-0.5 * (torch.arange(-2.0, 3.0)[None] / sigma[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(x, (2, 2, 2, 2), mode="reflect").reshape(1, b * c, h + 4, w + 4)
    flat = F.conv2d(flat, taps[:, None, None, :], groups=b * c)
    return F.conv2d(flat, taps[:, None, :, None], groups=b * c).view(b, c, h, w)


def sound(features: Tensor, g: torch.Generator | None) -> Tensor:
    """Network input (b, views, frames, mels) float32; in training rolled in time, 3 dB of noise.

    The public code crops long clips at random instead; ours are cropped once (`media.audio`).
    """
    out = features.float()
    if g is None:
        return out
    by = torch.randint(0, out.shape[2], (len(out),), generator=g)
    frames = (torch.arange(out.shape[2])[None] - by[:, None]) % out.shape[2]
    out = torch.stack([out[i][:, frames[i]] for i in range(len(out))])
    return out + 3 * torch.randn(len(out), 1, *out.shape[2:], generator=g)
