"""Encoders on the card at each precision, and with the host's work beside theirs or not: a part of `gpu.py`.

`mini`'s photo, tile and name towers, and a ViT-B/16 of random weights. An input keeps its neighbours when the ten
nearest others are the same as in float32 on the processor.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from gpu_rows import Row, Size, seconds

PART = "encoders"
PRECISIONS = ("float32", "tf32", "float16", "bfloat16")


@contextmanager
def products(precision: str, device: str) -> Iterator[None]:
    """Products of float32 on a device are computed so meanwhile."""
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    half = precision in ("float16", "bfloat16")
    kind = getattr(torch, precision) if half else torch.float16
    try:
        with torch.autocast(device.partition(":")[0], dtype=kind, enabled=half):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def nearest(rows: np.ndarray) -> list[set[int]]:
    """The ten nearest others of each row."""
    scores = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    return [set(line[:10]) for line in np.argsort(-scores, axis=1, kind="stable").tolist()]


def kept(rows: np.ndarray, true: np.ndarray) -> str:
    """What a precision changes: the angle, and whose ten neighbours stay the same."""
    gap = 1 - np.einsum("nd,nd->n", rows.astype(np.float64), true.astype(np.float64)).min()
    same = np.mean([a == b for a, b in zip(nearest(rows), nearest(true), strict=True)])
    half = true.astype(np.float16).astype(np.float32)
    stored = np.mean([a == b for a, b in zip(nearest(half), nearest(true), strict=True)])
    return f"largest 1 − cosine {gap:.1e}; ten neighbours kept by {same:.1%} (stored in half alone {stored:.1%})"


def photos(count: int, side: int) -> list[np.ndarray]:
    """Photos of the demo planet, (side, side, 3)."""
    from PIL import Image

    from prom3e_index.world import planet, render

    rng, species = np.random.default_rng(0), planet.species()
    out = []
    for i in range(count):
        where = (np.array([rng.uniform(-60, 60)]), np.array([rng.uniform(-180, 180)]))
        drawn = render.photo(species[i % len(species)], planet.fields(*where)[0], rng)
        out.append(np.asarray(Image.fromarray(drawn).resize((side, side))))
    return out


def unit(x: np.ndarray) -> np.ndarray:
    """Unit rows."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def vit(device: str, small: bool) -> torch.nn.Module:
    """A ViT-B/16 of random weights by the program's own tower; a tiny one where it must be quick."""
    from prom3e_index.encoders.clip import PictureTower, Sizes

    torch.manual_seed(0)
    width, layers = (64, 2) if small else (768, 12)
    tower = PictureTower(Sizes(width, layers, width // 64, 4 * width, 512, image=224, patch=16))
    for p in tower.parameters():
        torch.nn.init.normal_(p, std=0.02) if p.ndim > 1 else None
    torch.nn.init.normal_(tower.class_embedding, std=0.02)
    return tower.eval().requires_grad_(False).to(device)


def tower_rows(size: Size, device: str) -> Iterator[Row]:
    """The ViT-B/16 at each precision, its input on the device already."""
    batch = 8 if size.small else 256
    network = vit(device, size.small)
    pixels = np.stack(photos(16 if size.small else 256, 224)).astype(np.float32) / 255
    given = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).contiguous().to(device)
    true = None
    base = 0.0
    for precision in PRECISIONS:
        with torch.inference_mode(), products(precision, device):
            made = network(given).float().cpu().numpy()
            taken = seconds(lambda: network(given[:batch]), device, 3 if size.small else 10)
        true = unit(made) if true is None else true
        base = base or batch / taken
        figure = f"{batch / taken:,.0f} images/s"
        check = kept(unit(made), true)
        what, floor = f"ViT-B/16 forward, {precision}", f"{batch / taken / base:.1f} × float32"
        yield Row(PART, what, figure, floor, check)


def mini_rows(modality: str, size: Size, device: str) -> Iterator[Row]:
    """One of `mini`'s encoders as a build runs it, beside float32 on the processor."""
    from prom3e_index.models.folder import Model
    from prom3e_index.world import planet

    here, encoder = Model.open("mini"), Model.open("mini", device=device).encoder(modality)
    items: list[Any] = [str(s.common_name) for s in planet.species()]
    if modality != "text":
        items = photos(24 if size.small else 512, here.image_spec().crop)
    true = _in_parts(here.encoder(modality).encode, items, 64)

    def run() -> np.ndarray:
        return _in_parts(encoder.encode, items, encoder.batch_size)

    made, taken = run(), seconds(run, device, 3)
    what = f"mini {modality}, {encoder.forward.precision}, host to host"
    check = f"{kept(made, true)}; made again {encoder.forward.again}"
    yield Row(PART, what, f"{len(items) / taken:,.0f} rows/s", "", check)


def _in_parts(encode: Callable[[Any], np.ndarray], items: Sequence[Any], size: int) -> np.ndarray:
    return np.concatenate([encode(items[at : at + size]) for at in range(0, len(items), size)])


def overlap_rows(size: Size, device: str) -> Iterator[Row]:
    """The ViT-B/16 from bytes on the host to rows on the host, batches one after the other or two in flight."""
    from prom3e_index.encoders.pictures import begun_pictures, picture_batch, picture_forward
    from prom3e_index.media.images import ImageSpec

    spec = ImageSpec()
    forward = picture_forward(vit(device, size.small), spec, device)
    batch = 8 if size.small else picture_batch(device)
    some = photos(batch, 224)
    times = 2 if size.small else 12

    def one_by_one() -> np.ndarray:
        return np.concatenate([begun_pictures(forward, some, spec, device)() for _ in range(times)])

    def two_in_flight() -> np.ndarray:
        out, before = [], None
        for _ in range(times):
            coming = begun_pictures(forward, some, spec, device)
            if before is not None:
                out.append(before())
            before = coming
        assert before is not None
        return np.concatenate([*out, before()])

    same = float(np.abs(one_by_one() - two_in_flight()).max())
    for label, call in (("one by one", one_by_one), ("two in flight", two_in_flight)):
        taken = seconds(call, device, 3)
        figure = f"{batch * times / taken:,.0f} images/s"
        what = f"ViT-B/16 {forward.precision}, host bytes to host rows, {label}"
        yield Row(PART, what, figure, "", f"largest difference {same:.1e}")


def rows(size: Size, device: str) -> Iterator[Row]:
    """All of it."""
    for what, part in (
        ("ViT-B/16", tower_rows),
        *((f"mini {m}", partial(mini_rows, m)) for m in ("image", "sat", "text")),
        ("overlap", overlap_rows),
    ):
        try:
            yield from part(size, device)
        except Exception as e:
            traceback.print_exc(file=sys.stderr)
            yield Row(PART, what, f"not measured: {str(e)[:160] or type(e).__name__}")
