"""`train align` and `train patch` from a table to an encoder's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prom3e_index.encoders.name import OpenClipText
from prom3e_index.encoders.photo import OpenClipImage
from prom3e_index.errors import InputError, ModelError
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.folder import Model
from prom3e_index.models.weights import fingerprint, read_state, write_state
from prom3e_index.schema import modality_name
from prom3e_index.training.checkpoint import digest
from prom3e_index.training.distributed import join
from prom3e_index.training.stage_one.align import AlignConfig, Report, align
from prom3e_index.training.stage_one.observations import (
    SQUARE,
    MediaCache,
    Progress,
    Rows,
    read_rows,
)
from prom3e_index.training.stage_one.towers import open_pair, open_tower

TOGETHER = "image+text"
"""Photo and name towers trained together: what the frozen tower of the others comes from."""
WEIGHTS = "open_clip_model.safetensors"


@dataclass(frozen=True)
class AlignRun:
    """A run of stage 1.

    Attributes:
        modality: `sat`, `loc`, `env`, `audio`, or `image+text`.
        table: Observations with photos.
        out: The encoder's folder to write; the run is kept in `out/run`.
        init: Folder in the published layout to start from; without weights they are random.
        anchor: Model, or open_clip folder, whose photo tower stays frozen; not for `image+text`.
        config: All settings.
        columns: Column → field.
        format: Of the table.
        media: Folder of relative media paths.
        allow_outside: Accept media outside it.
        climate: Raster for rows without climate values.
        label: Column that tells species apart.
        hub: Local copy of hub repositories.
        device: `cpu`, `cuda`, …
        half: Store half-precision weights.
        cache: Folder for decoded media, shared by runs over one table; `out/run` when None.
    """

    modality: str
    table: str
    out: Path
    init: str
    anchor: str | None
    config: AlignConfig
    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    media: Path | None = None
    allow_outside: bool = False
    climate: Path | None = None
    label: str | None = None
    hub: Path | None = None
    device: str = "cpu"
    half: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class Aligned:
    """What a run found: rows that have both modalities, files that could not be read, last mean loss."""

    rows: int
    refused: list[str]
    loss: float


def run_align(run: AlignRun, show: Progress, report: Report) -> Aligned | None:
    """Decode what the table has, embed the photos once, train, write the encoder's folder.

    Returns:
        What was found; None in the processes of a group that are not its first.

    Raises:
        InputError: An unknown modality, no anchor, or too few rows with both modalities.
    """
    together = run.modality == TOGETHER
    modality = "image" if together else modality_name(run.modality)
    if not together and modality in ("image", "text"):
        raise InputError(f"{modality} is trained with its partner: `train align {TOGETHER}`.")
    if not together and run.anchor is None:
        raise InputError(
            "--anchor is needed: the model or open_clip folder whose photo tower is frozen."
        )
    rows = read_rows(
        run.table,
        columns=run.columns,
        format=run.format,
        media=run.media,
        allow_outside=run.allow_outside,
        climate=run.climate,
        label=run.label,
    )
    cache = run.cache or run.out / "run"
    me = join(run.device)
    if not me.first:
        me.wait()  # the first process decodes and embeds, the others then read
    torch.manual_seed(run.config.seed)  # the start, where there are no weights to start from
    facts: dict[str, Any] = {"modality": run.modality, "table": rows.fingerprint()}
    anchors: Any
    if together:
        tower, anchors = open_pair(run.init, rows, cache, show)
    else:
        tower = open_tower(modality, run.init, rows, cache, show)
        encoder = _photo_tower(str(run.anchor), run.hub, run.device)
        facts["anchor"] = encoder.fingerprint
        anchors = photo_embeddings(encoder, rows, cache, show)
    facts["start"] = digest(dict(tower.network.state_dict()))
    if me.first:
        me.wait()
    loss = align(
        tower,
        anchors,
        torch.from_numpy(rows.label),
        run.config,
        run.out / "run",
        device=run.device,
        facts=facts,
        report=report,
    )
    me.leave()
    if not me.first:
        return None
    tower.write(run.out, run.half)
    able = anchors.able if together else ~anchors.isnan().any(1)
    notes = [cache / f"{m}.refused.txt" for m in dict.fromkeys(("image", modality))]
    refused = [
        line for p in notes if p.is_file() for line in p.read_text(encoding="utf-8").splitlines()
    ]
    return Aligned(int((tower.able & able).sum()), refused, loss)


def _photo_tower(anchor: str, hub: Path | None, device: str) -> OpenClipImage:
    folder = Path(anchor)
    if (folder / "open_clip_config.json").is_file():
        return OpenClipImage(folder, ImageSpec(), device)
    encoder = Model.open(anchor, hub=hub, device=device).encoder("image")
    if not isinstance(encoder, OpenClipImage):
        raise ModelError(f"The photo encoder of {anchor} is no open_clip tower.")
    return encoder


def photo_embeddings(encoder: OpenClipImage, rows: Rows, cache: Path, show: Progress) -> Tensor:
    """Frozen photo embeddings of all rows, computed once: (n, d) unit rows, NaN where there is no photo."""
    media = MediaCache(cache, rows, "image", SQUARE, show)
    path = cache / f"anchors-{encoder.fingerprint}.npy"
    if not path.is_file():
        crop = encoder.spec.crop
        top = (SQUARE.crop - crop + 1) // 2
        made = np.full((len(media.values), encoder.width), np.nan, np.float32)
        good = np.unique(media.index[media.index >= 0])
        for at in range(0, len(good), encoder.batch_size):
            part = good[at : at + encoder.batch_size]
            squares = media.values[part, top : top + crop, top : top + crop]
            made[part] = encoder.encode(list(squares))
            show("embed photos", at + len(part), len(good))
        temporary = path.with_suffix(".new.npy")
        np.save(temporary, made)
        temporary.replace(path)
    values = np.load(path, allow_pickle=False)
    out = np.full((len(rows), values.shape[1]), np.nan, np.float32)
    has = media.index >= 0
    out[has] = values[media.index[has]]
    return torch.from_numpy(out)


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
    show: Callable[[str, int, int | None], None],
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
        out: Folder to write: the kept mix, and `patch.json` with the grid.
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
        raise InputError(f"--out {out} is one of the two inputs; it would be overwritten.")
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
    truth = np.array([names.index(rows.text[i]) for i in use])
    config = json.loads((after / "open_clip_config.json").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    grid: list[tuple[float, float]] = []
    for k, a in enumerate(np.linspace(0, 1, points).tolist()):
        write_state(_mixed(old, new, a), out / WEIGHTS)
        image, text = OpenClipImage(out, ImageSpec(), device), OpenClipText(out, device)
        top = (SQUARE.crop - image.spec.crop + 1) // 2
        crop = slice(top, top + image.spec.crop)
        rows_of = [
            image.encode(list(media.values[media.index[use[i : i + 32]], crop, crop]))
            for i in range(0, len(use), 32)
        ]
        accuracy = zero_shot_accuracy(np.concatenate(rows_of), text.encode(names), truth)
        grid.append((a, accuracy))
        show("patch", k + 1, points)
    best = max(grid, key=lambda entry: (entry[1], -entry[0]))[0]
    write_state(_mixed(old, new, best), out / WEIGHTS)
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
