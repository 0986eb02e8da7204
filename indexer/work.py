"""A build's configuration, and its work folder beside the result."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.manifest import write_manifest
from prom3e_index.errors import InputError
from prom3e_index.indexer.beside import WORK_FILES, building_of, refuse_others, take_away
from prom3e_index.indexer.unfinished import (
    as_noted,
    encoded_rows,
    encoded_works,
    put_together,
    serves,
    set_aside,
)
from prom3e_index.models.folder import Model
from prom3e_index.models.weights import fingerprint
from prom3e_index.policy.rules import Policy
from prom3e_index.tables import is_piped, recognise
from prom3e_index.tables.content import content, digest


@dataclass(frozen=True)
class BuildConfig:
    """How a bundle is built.

    Attributes:
        table: File or folder of observations, or embeddings.
        out: The bundle's folder.
        model: Built-in name or folder; the one that fits the table when None: see `answering`.
        hub: Local copy of hub repositories.
        format: Of the table; recognised when None.
        columns: Column → field.
        media: Folder of relative media paths; the table's when None.
        allow_outside: Accept media outside it.
        encoding: Of a text table; told by its bytes when None.
        date_order: Of dates such as 04/05/2023: `dmy` or `mdy`; told by the column when None.
        climate: Raster for observations without climate values.
        duplicates: `error`, `first` or `last`.
        device: `cpu`, `cuda`, `cuda:1`, …
        file_facts: Take place, date and name from what files say, where the table has none.
        exif_transpose: Turn photos upright first.
        audio_windows: Embed every window of a long recording and average.
        windows: Seconds of the windows that a long recording becomes, `auto` or `none`; see `asked_windows`.
        hop: Seconds from one window to the next; half a window when None.
        further_media: Make further photos and sounds of an observation rows of their own; else they are lost.
        batch_size: Items per encoder call; the encoder's own when None.
        workers: Decode processes of this machine; a cluster has one for each processor that decodes.
        timeout_s: Seconds for one file.
        licence_allow: Codes of the licences whose rows, photos and sounds are indexed; all when None.
        hubs: Correction against hubs; the model's own when None.
        wish: What the index must do.
        overwrite: Replace an existing bundle once the new one is whole.
        restart: Discard an unfinished build of other settings.
        strict: Refuse a table of which a row or a value is lost.
        policy: Which places are generalised; what is added to an index gets the index's own when None.
        keep_columns: Columns that stay in generalised rows, though they may tell a place.
        replace_policy: Let a policy that is given take the place of another that the index has.
        engine: `ray` encodes and completes on a cluster; here when None.
        ray_address: Of the cluster; a cluster of this machine alone when None.
        shards: Where a cluster's machines all read and write, a path or an address as s3://bucket/name; in the work
            folder when None.
        media_address: Address that a cluster's machines read relative media paths from; they are looked for in
            `media` when None.
    """

    table: str
    out: Path
    model: str | None = None
    hub: Path | None = None
    format: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    media: Path | None = None
    allow_outside: bool = False
    encoding: str | None = None
    date_order: str | None = None
    climate: Path | None = None
    duplicates: str = "error"
    device: str = "cpu"
    file_facts: bool = True
    exif_transpose: bool = False
    audio_windows: bool = False
    windows: str | None = None
    hop: float | None = None
    further_media: bool = True
    batch_size: int | None = None
    workers: int = field(default_factory=lambda: os.cpu_count() or 2)
    timeout_s: float = 120.0
    licence_allow: tuple[str, ...] | None = None
    hubs: str | None = None
    wish: Wish = field(default_factory=Wish)
    overwrite: bool = False
    restart: bool = False
    strict: bool = False
    policy: Policy | None = None
    keep_columns: tuple[str, ...] = ()
    replace_policy: bool = False
    engine: str | None = None
    ray_address: str | None = None
    shards: str | None = None
    media_address: str | None = None


def open_model(config: BuildConfig) -> Model:
    """The model of a build, with its preprocessing options; `answering.with_model` names one first."""
    if config.model is None:
        raise InputError("No model is named; give one: --model.")
    return Model.open(
        config.model,
        hub=config.hub,
        device=config.device,
        exif_transpose=config.exif_transpose,
        audio_windows=config.audio_windows,
    )


def table_content(config: BuildConfig) -> list[str]:
    """What a build's table is, whatever its name: a line for each file that is read, and the table's name in it."""
    file, _, name = config.table.partition("::")
    return [*([f"table {name}"] if name else []), *content(Path(file), config.format)]


def climate_of(config: BuildConfig) -> Path | None:
    """The raster that climates are looked up in: the one named, else the one that lies in a TaxaBench folder."""
    if config.climate is not None or table_kind(config) != "taxabench":
        return config.climate
    own = Path(config.table) / "bioclim_elevation_scaled.npy"
    return own if own.is_file() else None


def table_kind(config: BuildConfig) -> str:
    """The format of a build's table: as given, or by its content."""
    return config.format or recognise(Path(config.table.partition("::")[0]))


def identity(config: BuildConfig, model: Model) -> dict[str, Any]:
    """What must be the same for an unfinished build to be continued: table, raster, options, weights.

    Files are told by their content, folders by their full path.
    """
    left_out = (
        "out", "workers", "batch_size", "timeout_s", "wish", "overwrite", "restart", "device", "strict", "policy",
        "replace_policy", "engine", "ray_address", "shards", "media_address",
    )  # fmt: skip
    keep: dict[str, Any] = {k: str(v) for k, v in asdict(config).items() if k not in left_out}
    file, _, name = config.table.partition("::")
    keep["table"] = ("-" if is_piped(Path(file)) else str(Path(file).resolve())) + (
        f"::{name}" if name else ""
    )
    keep["table_content"] = table_content(config)
    if config.engine is not None:
        keep["engine"] = config.engine
    keep["model"] = str(model.folder.resolve())
    keep["policy"] = "" if config.policy is None else config.policy.sha256
    climate = climate_of(config)
    for name, path in (("media", config.media), ("hub", config.hub), ("climate", climate)):
        keep[name] = str(path.resolve()) if path is not None else ""
    if climate is not None:
        keep["climate_content"] = digest(climate)
    files = [
        p
        for source in model.sources()
        for p in sorted(source.iterdir() if source.is_dir() else [source])
        if p.is_file()
    ]
    keep["weights"] = [f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files]
    keep["weights_content"] = fingerprint(
        model.shared_config, *(part for p in files for part in (p.name, _sampled(p)))
    )
    return keep


_SAMPLES, _SAMPLE = 64, 1 << 16


def _sampled(path: Path) -> str:
    """SHA-256 of a file's content; of one above 4 MB, of 64 pieces from its first byte to its last.

    Weights that were trained further differ everywhere, so reading gigabytes would say no more.
    """
    size = path.stat().st_size
    told = hashlib.sha256()
    with path.open("rb") as f:
        if size <= _SAMPLES * _SAMPLE:
            told.update(f.read())
        else:
            for i in range(_SAMPLES):
                f.seek((size - _SAMPLE) * i // (_SAMPLES - 1))
                told.update(f.read(_SAMPLE))
    return told.hexdigest()


def unchanged(config: BuildConfig, work: Path) -> None:
    """Make sure that a table is what it was when its work was begun.

    Raises:
        InputError: One of its files has changed.
    """
    begun = json.loads((work / "identity.json").read_text())["table_content"]
    now = table_content(config)
    if begun != now:
        changed = sorted({line.partition(" ")[0] for line in set(begun) ^ set(now)})
        raise InputError(
            f"{config.table} changed while it was read ({', '.join(changed)}); when it is whole, run the same "
            "command again."
        )


def work_folder(config: BuildConfig, model: Model) -> Path:
    """Make or reopen the work folder, of one table and one set of settings; hold the lock first."""
    out = config.out
    if out.exists() and not config.overwrite:
        what = "an index" if (out / "manifest.json").is_file() else "a file or folder"
        raise InputError(
            f"{out} is {what} already; pass --overwrite to replace it, or another --index."
        )
    if out.exists() and not (out / "manifest.json").is_file():
        raise InputError(f"{out} is no index; it is not overwritten.")
    return resumable(building_of(out), identity(config, model), config.restart, "build")


def resumable(work: Path, wanted: dict[str, Any], restart: bool, action: str) -> Path:
    """Make a work folder, or reopen one that was left unfinished.

    Where nothing was encoded it is begun anew; where the table or the command was corrected, what was encoded is kept
    to be taken over.

    Raises:
        BundleError: A folder of that name is not this program's.
        InputError: It holds embeddings of other unfinished work.
    """
    refuse_others(work, WORK_FILES)
    if work.exists():
        put_together(work)
        known = read_note(work / "identity.json")
        if restart:
            take_away(work, WORK_FILES)
        elif as_noted(known or {}, wanted) != wanted:
            works = encoded_works(work)
            notes = [read_note(w / "identity.json") for w in works]
            others = [n for n in notes if not serves(n or {}, wanted)]
            if not works:
                take_away(work, WORK_FILES)
            elif others:
                made = sum(map(encoded_rows, works))
                raise InputError(
                    f"{work} holds {made:,} embeddings of an unfinished {action} of {_other(others[0], wanted)}; run "
                    "that again to go on with it, or pass --restart to discard them."
                )
            else:
                set_aside(work)
                write_note(work / "identity.json", wanted)
    if not work.exists():
        work.mkdir(parents=True)
        write_note(work / "identity.json", wanted)
    return work


def _other(known: dict[str, Any] | None, wanted: dict[str, Any]) -> str:
    """What was not the same, in words."""
    if known is None:
        return "what cannot be read"
    known = as_noted(known, wanted)
    if any(known.get(k) != wanted.get(k) for k in ("weights", "weights_content")):
        return f"the model {known.get('model')}"
    changed = [
        k for k in ("exif_transpose", "audio_windows", "engine") if known.get(k) != wanted.get(k)
    ]
    if changed:
        return f"other settings ({', '.join(changed)})"
    return f"another table, {known.get('table')}"


def write_note(path: Path, values: dict[str, Any]) -> None:
    """Write a small JSON file so that a crash leaves the old one or the new one, whole."""
    write_manifest(path, values)


def read_note(path: Path) -> dict[str, Any] | None:
    """A note that `write_note` wrote; None when there is none, or what is there is no such note."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
