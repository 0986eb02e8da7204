"""An index folder, opened for reading: vectors, metadata, statistics. Any number of threads may search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.calibration import own_calibration, why_uncalibrated
from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.held_files import HeldFiles
from prom3e_index.bundle.made_by import MadeBy
from prom3e_index.bundle.manifest import NAME, checksum, manifest_path, read_manifest
from prom3e_index.bundle.memory_maps import Stacked, stacked
from prom3e_index.bundle.metadata_database import MetadataDatabase
from prom3e_index.bundle.removed_rows import read_removed
from prom3e_index.bundle.rows_read import RowsRead
from prom3e_index.bundle.segment import Segment
from prom3e_index.errors import BundleError

if TYPE_CHECKING:
    from prom3e_index.bundle.faiss.search import Subset
    from prom3e_index.confidence.calibrated import Calibration


class BundleFolder(MadeBy, RowsRead):
    """A bundle on disk: what `search.Bundle` searches.

    Attributes:
        path: Its folder.
        manifest: What the manifest of its generation says.
        modalities: Names, in the model's order.
        rows: Observations.
        places: Row numbers given so far, of removed rows too: arrays are this long.
        segments: Rows that were added together, in the order of their row numbers.
        metadata: Their metadata as one database.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        gpu: bool | str = False,
        media: Path | None = None,
        model: str | None = None,
        hub: str | Path | None = None,
    ) -> None:
        super().__init__(path, manifest, model, hub)
        self.rows = int(manifest["rows"])
        self.places = int(manifest["places"])
        self._files = HeldFiles(path, manifest["files"])
        first = 0
        self.segments: list[Segment] = []
        for entry in manifest["segments"]:
            self.segments.append(Segment(self._files, entry, first, manifest, gpu, media))
            first += int(entry["rows"])
        self._removed = read_removed(path, manifest)
        self.metadata = MetadataDatabase(
            [s.folder / "metadata.duckdb" for s in self.segments],
            [s.first for s in self.segments],
            self.places,
            self._removed,
            manifest.get("columns"),
        )

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        gpu: bool | str = False,
        at: int | None = None,
        media: str | Path | None = None,
        model: str | Path | None = None,
        hub: str | Path | None = None,
    ) -> Self:
        """Open a bundle.

        Args:
            path: Its folder.
            gpu: Search exactly on a GPU, filtered or not, where torch finds one: True, or which as `cuda:1`.
            at: An earlier generation; the current one when None.
            media: Folder where the observations' files are now, if they have moved.
            model: Where the model that made it is now, if that has moved.
            hub: Where its local copy of hub repositories is now.

        Raises:
            BundleError: No bundle, incomplete, damaged or of a later format; no such generation.
        """
        folder = Path(path)
        while True:
            seen = _state(folder)
            try:
                moved = None if media is None else Path(media)
                own = None if model is None else str(model)
                bundle = cls(folder, read_manifest(folder, at), gpu, moved, own, hub)
                break
            except (FileNotFoundError, BundleError) as e:
                if _state(folder) != seen:
                    continue  # a writer swapped generations while this one was being opened
                if isinstance(e, BundleError):
                    raise
                raise BundleError(
                    f"{folder} lacks {e.filename or e}. Restore it from a copy, or run prom3e-index rebuild."
                ) from e
        count = bundle.sql("SELECT count(*), coalesce(max(row), -1) FROM every")[0]
        if count != (bundle.places, bundle.places - 1):
            raise BundleError(
                f"{folder}: the metadata have {count[0]:,} rows up to number {count[1]}, the manifest "
                f"{bundle.places:,}. Restore it from a copy, or build it again."
            )
        return bundle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and databases; arrays that were given out stay readable, nothing else is answered."""
        self.metadata.close()
        self._files.close()
        for segment in self.segments:
            for target in self.modalities:
                segment.close(target)

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over `observations`, `lost` and `rejected`."""
        return self.metadata.sql(query, params)

    def reader(self, query: str, rows: int = 4096) -> AbstractContextManager[Any]:
        """Arrow batches of a read-only query, so that a large result is never whole in memory."""
        return self.metadata.reader(query, rows)

    @property
    def identity(self) -> list[str | int]:
        """What tells it from any other index and generation: its manifest's SHA-256, and the generation's number."""
        return [checksum(self.path / NAME), self.manifest["generation"]]

    @property
    def columns(self) -> list[str]:
        """Columns of the observations table."""
        return self.metadata.columns

    @cached_property
    def live(self) -> NDArray[np.int64]:
        """(rows,) row numbers of the observations, ascending; removed ones are left out."""
        if self._removed is None:
            return np.arange(self.places, dtype=np.int64)
        return np.flatnonzero(~self._removed)

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """(places, m): which modalities each row has."""
        return np.concatenate([s.present for s in self.segments])

    @property
    def firsts(self) -> list[int]:
        """Row number of each segment's first row."""
        return [s.first for s in self.segments]

    @cached_property
    def statistics(self) -> list[dict[str, Any]]:
        """What each segment says of the model's uncertainty; see `uncertainty`."""
        try:
            return [dict(json.loads(bytes(s.read("statistics.json")))) for s in self.segments]
        except BundleError:
            raise
        except (ValueError, TypeError, RecursionError) as e:
            raise BundleError(
                f"A statistics.json of {self.path} is damaged: {e}. Run prom3e-index rebuild."
            ) from e

    @cached_property
    def sigma_l1(self) -> NDArray[np.float32]:
        """(rows,) ‖σ‖₁ of every observation, in no order."""
        found = self.metadata.cursor().execute("SELECT sigma_l1 FROM observations").fetchnumpy()
        return np.asarray(found["sigma_l1"], np.float32)

    def embeddings(self, modality: str) -> NDArray[np.float16] | Stacked:
        """(places, d) encoder embeddings, memory-mapped; rows that lack the modality are zero."""
        return stacked([s.embeddings(modality) for s in self.segments])

    def vectors(self, target: str) -> NDArray[np.float16] | Stacked:
        """(places, d + z) gallery vectors [g_t, h], and a bias per modality against hubs; memory-mapped."""
        return stacked([s.vectors(target) for s in self.segments])

    def nearest(
        self,
        target: str,
        queries: NDArray[np.float32],
        k: int,
        rows: NDArray[np.int64] | None = None,
        *,
        exactly: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], str]:
        """Find the k observations nearest to each query vector, over all segments.

        Args:
            target: Modality searched for.
            queries: (q, d + z + bias) float32, from `hybrid.query_rows` and `hub_weights`.
            k: At most this many; as many come back as are eligible.
            rows: Eligible rows, ascending, as `eligible` gives them; all observations when None.
            exactly: Score every eligible row, whatever the index.

        Returns:
            Scores (q, h), higher first, ties by row; row numbers (q, h); and the path taken.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        parts = []
        for segment, subset in zip(self.segments, self._split(rows), strict=True):
            if segment.rows and (subset is None or len(subset)):
                scores, found, path = segment.gallery(target).search(queries, k, subset, exactly)
                parts.append((scores, found + segment.first, path))
        if not parts:
            none = np.zeros((len(queries), 0), np.float32)
            return none, none.astype(np.int64), "nothing to search"
        if len(parts) == 1:
            return parts[0]
        scores, found = (np.concatenate([p[i] for p in parts], axis=1) for i in (0, 1))
        order = np.stack([np.lexsort((f, -s)) for s, f in zip(scores, found, strict=True)])[:, :k]
        paths = dict.fromkeys(p[2] for p in parts)
        how = f"{len(parts)} segments: {'; '.join(paths)}"
        return np.take_along_axis(scores, order, 1), np.take_along_axis(found, order, 1), how

    def _split(self, rows: NDArray[np.int64] | None) -> list[Subset | None]:
        """Eligible rows by segment; None where all rows of a segment are eligible."""
        from prom3e_index.bundle.faiss.search import Subset

        if rows is None:
            return self._live_subsets
        ends = np.searchsorted(rows, [s.first + s.rows for s in self.segments])
        starts = np.searchsorted(rows, [s.first for s in self.segments])
        out: list[Subset | None] = []
        for s, low, high in zip(self.segments, starts, ends, strict=True):
            whole = high - low == s.rows
            out.append(None if whole else Subset(rows[low:high] - s.first, s.rows))
        return out

    @cached_property
    def _live_subsets(self) -> list[Subset | None]:
        return [None] * len(self.segments) if self._removed is None else self._split(self.live)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What its own observations say of its answers; None where `uncalibrated` says why."""
        return self._calibration[0]

    @property
    def uncalibrated(self) -> str:
        """Why `calibration` is none: it never was made, or its file is damaged; empty where there is one."""
        return self._calibration[1] if self.calibration is None else ""

    @cached_property
    def _calibration(self) -> tuple[Calibration | None, str]:
        try:
            return own_calibration(self.path, self.manifest, self._files), why_uncalibrated(
                self.manifest
            )
        except BundleError as e:
            if self._files.closed:
                raise
            return None, e.typed

    def eligible(self, f: Filter) -> NDArray[np.int64] | None:
        """Rows that satisfy a filter, ascending; None when there is no filter; see `MetadataDatabase.eligible`."""
        return self.metadata.eligible(f)

    def unknown_taxon(self, name: str) -> str:
        """Advice for a taxon that no observation has: the nearest names, or an empty string."""
        return self.metadata.unknown_taxon(name)


def _state(folder: Path) -> tuple[int, int] | None:
    """Tells one manifest from the next; None where there is none."""
    try:
        stat = manifest_path(folder).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
