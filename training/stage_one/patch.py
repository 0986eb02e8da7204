"""`train patch`: weights between two trainings of one network, chosen by zero-shot accuracy."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.encoders.name import OpenClipText
from prom3e_index.encoders.photo import OpenClipImage
from prom3e_index.errors import InputError, ModelError
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.seen import Seen
from prom3e_index.models.weights import fingerprint, read_state, write_state
from prom3e_index.training.stage_one.observations import SQUARE, MediaCache, Progress, Rows
from prom3e_index.training.stage_one.seen import before as seen_before

WEIGHTS = "open_clip_model.safetensors"


@dataclass(frozen=True)
class Patched:
    """The grid of `patch`: accuracy of each a, and the a that was kept."""

    grid: list[tuple[float, float]]
    best: float

    def table(self) -> str:
        """The grid as lines."""
        lines = ["   a    zero-shot accuracy"]
        lines += [
            f"{a:5.3f}  {accuracy:.4f}{'  kept' if a == self.best else ''}"
            for a, accuracy in self.grid
        ]
        return "\n".join(lines)


def zero_shot_accuracy(
    image: NDArray[np.float32], names: NDArray[np.float32], truth: NDArray[np.int64]
) -> float:
    """Share of photos (n, d) whose nearest name (c, d) is their own (n,)."""
    return float(((image @ names.T).argmax(axis=1) == truth).mean())


def run_patch(
    before: Path,
    after: Path,
    rows: Rows,
    out: Path,
    show: Progress,
    points: int = 10,
    device: str = "cpu",
) -> Patched:
    """Multimodal patching: interpolate two sets of weights, keep the mix with the best accuracy.

    θ(a) = a·θ_after + (1 − a)·θ_before for `points` values of a between 0 and 1; the accuracy is that of
    naming validation photos by the nearest of the table's names.

    Args:
        before: open_clip folder of the weights before.
        after: The same network after fine-tuning.
        rows: Validation observations with photos and names.
        out: Folder to write: the kept mix, `patch.json` with the grid, and `seen.npz`: what both had seen, as far as
            they say, and the rows that chose the mix.
        show: Progress.
        points: Size of the grid.
        device: Where to encode.

    Raises:
        ModelError: The two folders hold different networks.
        InputError: No row has a photo and a name; fewer than two points.

    Source: TaxaBind, section on multimodal patching.
    """
    if points < 2:
        raise InputError(f"--points is {points}; the two ends make 2.")
    if out.resolve() in (before.resolve(), after.resolve()):
        raise InputError(f"--output {out} is one of the two inputs; it would be overwritten.")
    media = MediaCache(out / "run", rows, "image", SQUARE, show)
    old, new = read_state(before / WEIGHTS), read_state(after / WEIGHTS)
    if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
        raise ModelError(
            f"{before} and {after} hold different networks; patch needs one network twice."
        )
    names = sorted({t for t in rows.text if t})
    use = [i for i in range(len(rows)) if rows.text[i] and media.index[i] >= 0]
    if not use:
        raise InputError("No row has both a photo and a name; patching is judged by them.")
    number = {name: i for i, name in enumerate(names)}
    truth = np.array([number[rows.text[i]] for i in use])
    config = json.loads((after / "open_clip_config.json").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    grid: list[tuple[float, float]] = []
    for k, a in enumerate(np.linspace(0, 1, points).tolist()):
        write_state(_mixed(old, new, a), out / WEIGHTS)
        image, text = OpenClipImage(out, ImageSpec(), device), OpenClipText(out, device)
        top = (SQUARE.crop - image.spec.crop + 1) // 2
        crop = slice(top, top + image.spec.crop)
        few = image.batch_size
        rows_of = [
            image.encode(list(media.values[media.index[use[i : i + few]], crop, crop]))
            for i in range(0, len(use), few)
        ]
        images, texts = np.concatenate(rows_of), text.encode(names)
        accuracy = zero_shot_accuracy(images, texts, truth)
        if not grid or accuracy > max(found for _, found in grid):
            kept = np.stack([images, texts[truth]], axis=1)
        grid.append((a, accuracy))
        show("patch", k + 1, points)
    best = max(grid, key=lambda entry: (entry[1], -entry[0]))[0]
    write_state(_mixed(old, new, best), out / WEIGHTS)
    chosen = Seen.of(kept, np.ones(kept.shape[:2], bool), ("image", "text"))
    known = Seen.of(kept[:0], np.ones((0, 2), bool), ("image", "text")).joined(
        seen_before(before, after)
    )
    earlier = known.chosen
    replace(known, chosen=chosen if earlier is None else earlier.joined(chosen)).write(out)
    facts = {
        "before": fingerprint(before / WEIGHTS),
        "after": fingerprint(after / WEIGHTS),
        "photos": len(use),
        "names": len(names),
        "grid": [{"a": a, "accuracy": accuracy} for a, accuracy in grid],
        "kept": best,
    }
    (out / "patch.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return Patched(grid, best)


def _mixed(old: dict[str, Tensor], new: dict[str, Tensor], a: float) -> dict[str, Tensor]:
    return {
        k: a * new[k] + (1 - a) * v if v.is_floating_point() else new[k] for k, v in old.items()
    }
