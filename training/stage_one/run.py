"""`train align` from a table to an encoder's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prom3e_index.encoders.photo import OpenClipImage
from prom3e_index.errors import InputError, ModelError
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.folder import Model
from prom3e_index.schema import modality_name
from prom3e_index.training.checkpoint import Report, digest
from prom3e_index.training.distributed import join
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.stage_one.observations import (
    SQUARE,
    MediaCache,
    Progress,
    Rows,
    read_rows,
)
from prom3e_index.training.stage_one.seen import as_stored, before, embedded, noted
from prom3e_index.training.stage_one.towers import Tower, open_pair, open_tower

TOGETHER = "image+text"
"""Photo and name towers trained together: what the frozen tower of the others comes from."""


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
        encoding: Of a text table; told by its bytes when None.
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
    encoding: str | None = None


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
        DivergedError: Training had to stop; no encoder is written. See `align`.
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
        encoding=run.encoding,
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
    try:
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
    finally:
        me.leave()
    if not me.first:
        return None
    tower.write(run.out, run.half)
    _note(run, modality, tower, anchors)
    able = anchors.able if together else ~anchors.isnan().any(1)
    notes = [cache / f"{m}.refused.txt" for m in dict.fromkeys(("image", modality))]
    refused = [
        line for p in notes if p.is_file() for line in p.read_text(encoding="utf-8").splitlines()
    ]
    return Aligned(int((tower.able & able).sum()), refused, loss)


def _note(run: AlignRun, modality: str, tower: Tower, anchors: Tensor | Tower) -> None:
    """Write what the encoder has seen beside it."""
    as_stored(tower, run.half)
    if isinstance(anchors, Tower):
        of = {"image": embedded(tower, run.device), "text": embedded(anchors, run.device)}
    else:
        of = {"image": anchors, modality: embedded(tower, run.device)}
    noted(of).joined(before(run.init)).write(run.out)


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
    path = cache / f"anchors-{encoder.fingerprint}-{media.identity}.npy"
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
