"""Noting where the media and the model of an index are now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prom3e_index.bundle.media_folders import MediaFolders, beside, is_remote
from prom3e_index.bundle.model_place import noted_model
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.segment import Segment
from prom3e_index.errors import InputError
from prom3e_index.indexer.beside import real_path
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.generation import changing, commit, successor, there
from prom3e_index.indexer.plan import Progress
from prom3e_index.schema import MEDIA

LOOKED_AT = 200
"""Files of a segment that are looked for."""


@dataclass(frozen=True)
class Relocated:
    """What came of it: the manifest, and of the files looked at how many are there."""

    manifest: dict[str, Any]
    looked_at: int
    there: int


def media_there(bundle: BundleFolder, media: Path | None = None) -> tuple[int, int, str | None]:
    """How many of a sample of an index's files are there, how many were looked for, and one that is not."""
    found = [_found(bundle, s, e, media) for s, e in _segments(bundle)]
    lacking = next((f[2] for f in found if f[2] is not None), None)
    return sum(f[0] for f in found), sum(f[1] for f in found), lacking


def _segments(bundle: BundleFolder) -> list[tuple[Segment, dict[str, Any]]]:
    return list(zip(bundle.segments, bundle.manifest["segments"], strict=True))


def _found(
    bundle: BundleFolder,
    segment: Segment,
    entry: dict[str, Any],
    media: Path | None,
    which: str = "true",
) -> tuple[int, int, str | None]:
    """How many of a segment's files are there, of how many, and one that is not; of all, or `which` satisfy SQL."""
    columns = [f'"{m}"' for m in MEDIA if m in bundle.columns]
    if not columns:
        return 0, 0, None
    last = segment.first + segment.rows - 1
    folders = MediaFolders(entry, bundle.path, media)
    cells = bundle.sql(
        f"SELECT * FROM (SELECT coalesce({', '.join(columns)}) AS file FROM observations WHERE row BETWEEN ? AND ?) "
        f"WHERE file IS NOT NULL AND ({which}) USING SAMPLE reservoir({LOOKED_AT} ROWS) REPEATABLE (0)",
        [segment.first, last],
    )
    paths = [folders.file(str(c[0])) for c in cells if not is_remote(str(c[0]))]
    lacking = [p for p in paths if not Path(p).is_file()]
    return len(paths) - len(lacking), len(paths), next(iter(lacking), None)


def _below(folder: dict[str, Any], relative: bool) -> str:
    """SQL of the files that are named below a folder, by relative paths or by whole ones."""
    starts = dict.fromkeys((folder.get("built_media") or folder["media"], folder["media"]))
    below = ["NOT starts_with(file, '/')"] if relative else []
    for start in starts:
        quoted = str(start).rstrip("/").replace("'", "''")
        below.append(f"starts_with(file, '{quoted}/')")
    return " OR ".join(below)


def _moved(folder: dict[str, Any], index: Path, media: Path) -> dict[str, Any]:
    """A folder's entry once its files are in `media`."""
    built = folder.get("built_media") or folder["media"]
    return {
        **folder, "media": str(media), "built_media": built, "beside": beside(index, media),
    }  # fmt: skip


@full_disk_said
def relocate(index: Path, media: Path, progress: Progress) -> Relocated:
    """Note in the manifest that the media of an index are in another folder now.

    Of an index whose rows came from several folders, the folders are meant that have a file there.

    Raises:
        InputError: No such folder, or none of the files looked at is there.
    """
    if not media.is_dir():
        raise InputError(f"--media {media} is no folder.")
    index, media = real_path(index), media.resolve()
    with changing(index, "relocate", progress, check=False) as old:
        bundle = BundleFolder(index, there(index, old))
        new = successor(old, "relocate")
        looked_at = found = 0
        lacking = None
        for (segment, entry), changed in zip(_segments(bundle), new["segments"], strict=True):
            for folder in (entry, *entry.get("folders", ())):
                moved = _moved(folder, index, media)
                alone = {**moved, "beside": None, "folders": []}
                below = _below(folder, relative=folder is entry)
                here, of, first = _found(bundle, segment, alone, None, below)
                lacking = lacking or first
                if not here:
                    continue
                looked_at, found = looked_at + of, found + here
                if folder is entry:
                    changed |= {k: moved[k] for k in ("media", "built_media", "beside")}
                else:
                    others = changed["folders"]
                    changed["folders"] = [moved if f == folder else f for f in others]
        if not found:
            raise InputError(
                f"None of the files that were looked for is in {media}"
                + (f", as {lacking}" if lacking else ": the index has none")
                + "; name the folder that the media paths of the table start from. The index is left as it is."
            )
        new["source"] = {**new["source"], "media": str(media)}
        commit(index, old, new)
        return Relocated(new, looked_at, found)


@full_disk_said
def relocate_model(
    index: Path, model: str | None, hub: Path | None, progress: Progress
) -> dict[str, Any]:
    """Note in the manifest where the model of an index is now, or the copy of the hub with its weights.

    Raises:
        MismatchError: It is not the model that the index was built with.
        ModelError, NotCachedError: No model is there, or its weights are not.
    """
    index = real_path(index)
    with changing(index, "relocate", progress, check=False) as old:
        bundle = BundleFolder(index, there(index, old), model=model, hub=hub)
        own = bundle.model()
        for modality in own.settings.get("encoder", {}):
            bundle.check_encoder(own, modality)
        new = successor(old, "relocate")
        new["model"] = {**old["model"], **noted_model(own, index)}
        commit(index, old, new)
        return new
