"""What training does to photos, tiles and recordings before the network sees them.

Source: TaxaBind's training code: random crop, flip with probability ½, Gaussian blur of 5 pixels with a
σ between 0.01 and 1, ImageNet mean and deviation; the same for tiles. Recordings: ours, see below.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from prom3e_index.media.images import ImageSpec

_TOGETHER = 4
"""Pictures that a CPU blurs at once: so few stay in its cache between the ten passes."""


def crops(
    squares: Tensor, spec: ImageSpec, g: torch.Generator | None
) -> tuple[Tensor, Tensor | None]:
    """Cut uint8 squares (b, s, s, 3) to (b, crop, crop, 3) uint8, on the host; draw the blur.

    Args:
        squares: Squashed photos or tiles.
        spec: Crop.
        g: Draws crop, flip and blur per item; without it the centre crop alone, unblurred.

    Returns:
        The pictures, and σ (b,) of each one's blur in pixels or None: what `network_input` takes.
    """
    b, side, crop = len(squares), squares.shape[1], spec.crop
    span = side - crop
    if g is None:
        at = (span + 1) // 2
        return squares[:, at : at + crop, at : at + crop].contiguous(), None
    top, left = torch.randint(0, span + 1, (2, b), generator=g).tolist()
    turned = (torch.rand(b, generator=g) < 0.5).tolist()
    sigma = 0.01 + 0.99 * torch.rand(b, generator=g)
    out = torch.empty(b, crop, crop, squares.shape[3], dtype=squares.dtype)
    for i, (y, x) in enumerate(zip(top, left, strict=True)):
        part = squares[i, y : y + crop, x : x + crop]
        out[i] = part.flip(1) if turned[i] else part
    return out, sigma


@cache
def _mean_and_std(spec: ImageSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """(3, 1, 1) each; kept, since a GPU would have to be waited for at every step."""
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (spec.mean, spec.std))
    return mean, std


def network_input(cut: tuple[Tensor, Tensor | None], spec: ImageSpec) -> Tensor:
    """Network input (b, 3, crop, crop) float32 of what `crops` gave, on the device that it is on."""
    pictures, sigma = cut
    device = pictures.device
    mean, std = _mean_and_std(spec, device)
    if sigma is None:
        return (pictures.permute(0, 3, 1, 2).float() / 255 - mean) / std
    b, h, w, c = pictures.shape
    out = torch.empty(b, c, h, w, device=device)
    few = max(b, 1) if pictures.is_cuda else _TOGETHER
    for part, s, to in zip(pictures.split(few), sigma.split(few), out.split(few), strict=True):
        plain = part.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        torch.div(blur(plain / 255, s) - mean, std, out=to)
    return out


def pixels(squares: Tensor, spec: ImageSpec, g: torch.Generator | None) -> Tensor:
    """Network input (b, 3, crop, crop) float32 of uint8 squares (b, s, s, 3): both steps at once."""
    return network_input(crops(squares, spec, g), spec)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of (b, 3, h, w) with 5 taps and a σ (b,) in pixels per item, edges mirrored.

    Sums of shifted pictures: a convolution with a group per picture and channel is slower everywhere.
    """
    steps = torch.arange(-2.0, 3.0, device=x.device)
    taps = torch.exp(-0.5 * (steps[None] / sigma[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True))[:, :, None, None, None]
    for axis, edges in ((3, (2, 2, 0, 0)), (2, (0, 0, 2, 2))):
        size, wide = x.shape[axis], F.pad(x, edges, mode="reflect")
        x = wide.narrow(axis, 0, size) * taps[:, 0]
        for k in range(1, 5):
            x.addcmul_(wide.narrow(axis, k, size), taps[:, k])
    return x


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
