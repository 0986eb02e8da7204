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
    bundle: BundleFolder, segment: Segment, entry: dict[str, Any], media: Path | None
) -> tuple[int, int, str | None]:
    columns = [f'"{m}"' for m in MEDIA if m in bundle.columns]
    if not columns:
        return 0, 0, None
    last = segment.first + segment.rows - 1
    cells = bundle.sql(
        f"SELECT * FROM (SELECT coalesce({', '.join(columns)}) AS file FROM observations WHERE row BETWEEN ? AND ?) "
        f"WHERE file IS NOT NULL USING SAMPLE reservoir({LOOKED_AT} ROWS) REPEATABLE (0)",
        [segment.first, last],
    )
    folders = MediaFolders(entry, bundle.path, media)
    paths = [folders.file(str(c[0])) for c in cells if not is_remote(str(c[0]))]
    lacking = [p for p in paths if not Path(p).is_file()]
    return len(paths) - len(lacking), len(paths), next(iter(lacking), None)


@full_disk_said
def relocate(index: Path, media: Path, progress: Progress) -> Relocated:
    """Note in the manifest that the media of an index are in another folder now.

    Of an index whose rows came from several folders, the segments that have a file there are meant.

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
            moved = {
                **entry,
                "media": str(media),
                "built_media": entry.get("built_media") or entry["media"],
            }
            moved["beside"] = beside(index, media)
            here, of, first = _found(bundle, segment, {**moved, "beside": None}, None)
            lacking = lacking or first
            if here:
                changed |= moved
                looked_at, found = looked_at + of, found + here
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
