"""An index folder, opened for reading: vectors, metadata, statistics. Any number of threads may search."""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import (
    Filter,
    check_predicate,
    create_views,
    lookups,
    unknown_taxon,
)
from prom3e_index.bundle.manifest import checksum, manifest_path, read_manifest
from prom3e_index.bundle.memory_maps import Stacked, stacked
from prom3e_index.bundle.segment import Segment
from prom3e_index.errors import BundleError, InputError, MismatchError

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.bundle.faiss.search import Subset
    from prom3e_index.models.folder import Model

_LIMITS = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "memory_limit": "2GB",
}


class BundleFolder:
    """A bundle on disk: what `search.Bundle` searches.

    Attributes:
        path: Its folder.
        manifest: What the manifest of its generation says.
        modalities: Names, in the model's order.
        rows: Observations.
        places: Row numbers given so far, of removed rows too: arrays are this long.
        segments: Rows that were added together, in the order of their row numbers.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], gpu: bool = False) -> None:
        self.path, self.manifest = path, manifest
        self.modalities: tuple[str, ...] = tuple(manifest["modalities"])
        self.rows = int(manifest["rows"])
        self.places = int(manifest["places"])
        self._models: dict[tuple[str | None, str | None], Model] = {}
        self._lock = threading.Lock()
        _make_room(len(manifest["files"]))
        first = 0
        self.segments: list[Segment] = []
        for entry in manifest["segments"]:
            self.segments.append(Segment(path, entry, first, manifest, gpu))
            first += int(entry["rows"])
        self._removed = self._read_removed()
        self._connection = self._connect()

    @classmethod
    def open(cls, path: str | Path, *, gpu: bool = False, at: int | None = None) -> Self:
        """Open a bundle.

        Args:
            path: Its folder.
            gpu: Search unfiltered queries on a GPU where FAISS finds one.
            at: An earlier generation; the current one when None.

        Raises:
            BundleError: No bundle, incomplete, damaged or of a later format; no such generation.
        """
        folder = Path(path)
        while True:
            seen = _state(folder)
            try:
                bundle = cls(folder, read_manifest(folder, at), gpu)
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

    def _read_removed(self) -> NDArray[np.bool_] | None:
        """(places,) which rows were removed; None when none was."""
        stated = self.manifest["deleted"]
        if not stated:
            return None
        path = self.path / stated["file"]
        if checksum(path) != self.manifest["files"][stated["file"]]["sha256"]:
            raise BundleError(
                f"{path} has another checksum than the manifest says: it was changed. Restore it from a "
                "copy; removed rows would be found again."
            )
        out = np.zeros(self.places, bool)
        bits = np.unpackbits(np.load(path, allow_pickle=False), bitorder="little")
        out[: len(bits)] = bits[: self.places]
        return out

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """One database that shows the segments' tables as one, read only, without access to other files."""
        import duckdb
        import pyarrow as pa

        path = self.path
        con = duckdb.connect(config=_LIMITS)
        try:
            for i, segment in enumerate(self.segments):
                path = segment.folder / "metadata.duckdb"
                text = str(path).replace("'", "''")
                con.execute(f"ATTACH '{text}' AS s{i} (READ_ONLY)")
        except duckdb.Error as e:
            if not path.exists():
                raise FileNotFoundError(path) from e
            raise BundleError(f"{path} cannot be opened: {str(e).splitlines()[0]}") from e
        create_views(con, [s.first for s in self.segments])
        if self._removed is not None:
            con.register("gone", pa.table({"row": np.flatnonzero(self._removed)}))
            con.execute("CREATE TABLE removed AS SELECT row FROM gone")
            con.unregister("gone")
            con.execute(
                "CREATE VIEW observations AS SELECT * FROM every ANTI JOIN removed USING (row)"
            )
        else:
            con.execute("CREATE VIEW observations AS SELECT * FROM every")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        return con

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over `observations`, `lost` and `rejected`."""
        with self._lock:
            cursor = self._connection.cursor()
        return [tuple(r) for r in cursor.execute(query, list(params)).fetchall()]

    @contextmanager
    def reader(self, query: str, rows: int = 4096) -> Iterator[Any]:
        """Arrow batches of a read-only query, so that a large result is never whole in memory."""
        with self._lock:
            cursor = self._connection.cursor()
        try:
            yield cursor.sql(query).to_arrow_reader(rows)
        finally:
            cursor.close()

    @cached_property
    def columns(self) -> list[str]:
        """Columns of the observations table."""
        return [str(r[0]) for r in self.sql("DESCRIBE observations")]

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

    @cached_property
    def statistics(self) -> dict[str, dict[str, Any]]:
        """Mean change of ‖σ‖₁ by visible set and added modality, of the largest segment."""
        largest = max(self.segments, key=lambda s: s.rows)
        return dict(json.loads(Path(largest.path("statistics.json")).read_text()))

    @cached_property
    def sigma_l1(self) -> NDArray[np.float32]:
        """(rows,) ‖σ‖₁ of every observation, in no order."""
        with self._lock:
            cursor = self._connection.cursor()
        found = cursor.execute("SELECT sigma_l1 FROM observations").fetchnumpy()
        return np.asarray(found["sigma_l1"], np.float32)

    def embeddings(self, modality: str) -> NDArray[np.float16] | Stacked:
        """(places, d) encoder embeddings, memory-mapped; rows that lack the modality are zero."""
        return stacked([s.embeddings(modality) for s in self.segments])

    def vectors(self, target: str) -> NDArray[np.float16] | Stacked:
        """(places, d + z) gallery vectors [g_t, h], and a bias per modality against hubs; memory-mapped."""
        return stacked([s.vectors(target) for s in self.segments])

    def segment_of(self, row: int) -> tuple[Segment, int]:
        """The segment that holds a row, and the row's place there."""
        segment = self.segments[bisect_right(self.segments, row, key=lambda s: s.first) - 1]
        return segment, row - segment.first

    @property
    def bias_width(self) -> int:
        """Columns of the bias against hubs, at the end of the vectors: m, or 0 without a correction."""
        return int(self.manifest.get("bias_width", 0))

    def hub_weights(self, visible: Iterable[str], on: bool = True) -> NDArray[np.float32]:
        """The end of a query vector, `bias_width` long: the mean of the visible modalities' biases.

        Zeros when the correction does not apply: it is made for the hybrid space with the model's weights.
        """
        out = np.zeros(self.bias_width, np.float32)
        if on and self.bias_width:
            shown = [self.modalities.index(v) for v in visible]
            out[shown] = 1 / len(shown)
        return out

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

    def eligible(self, f: Filter) -> NDArray[np.int64] | None:
        """Rows that satisfy a filter, ascending; None when there is no filter.

        Places and taxa are looked up in tables sorted for them; other parts scan their columns.

        Raises:
            InputError: The predicate is none, or names a column that is not there.
        """
        import duckdb

        if not f:
            return None
        with self._lock:
            cursor = self._connection.cursor()
        if f.where is not None:
            check_predicate(cursor, f.where)
        out: NDArray[np.int64] | None = None
        try:
            for query, params in lookups(f, self.columns, self._sorted_tables):
                found = np.asarray(cursor.execute(query, params).fetchnumpy()["row"], np.int64)
                out = _both(out, found, self.places)
        except duckdb.Error as e:
            reason = " ".join(str(e).split("LINE 1:")[0].split())
            raise InputError(f"--where {f.where!r} cannot be applied: {reason}") from e
        assert out is not None
        if (np.diff(out) <= 0).any():
            out = np.unique(out)
        return out if self._removed is None else out[~self._removed[out]]

    def unknown_taxon(self, name: str) -> str:
        """Advice for a taxon that no observation has: the nearest names, or an empty string."""
        with self._lock:
            cursor = self._connection.cursor()
        return unknown_taxon(cursor, name, self.columns, self._sorted_tables)

    @cached_property
    def _sorted_tables(self) -> frozenset[str]:
        """Which of the tables sorted by place and taxon every segment has."""
        rows = self.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        return frozenset(str(r[0]) for r in rows) & {"by_place", "by_taxon"}

    def model(
        self, name: str | None = None, hub: str | Path | None = None, device: str = "cpu"
    ) -> Model:
        """The model that made the bundle, or another that must have the same fingerprints.

        Raises:
            MismatchError: Another MVAE; encoders are compared when they are used.
        """
        from prom3e_index.models.folder import Model

        key = (name, str(hub) if hub else None)
        with self._lock:
            if key not in self._models:
                made = self.manifest["model"]
                folder = hub or made.get("hub")
                model = Model.open(
                    name or made["name"],
                    hub=Path(folder) if folder else None,
                    device=device,
                    exif_transpose=bool(made.get("exif_transpose")),
                    audio_windows=bool(made.get("audio_windows")),
                )
                self._check(model, "mvae", model.mvae_fingerprint)
                self._models[key] = model
            return self._models[key]

    def check_encoder(self, model: Model, modality: str) -> None:
        """Refuse an encoder that is not the one the bundle was made with."""
        made = self.manifest["fingerprints"].get(modality)
        if made is not None:
            self._check(model, modality, model.encoder(modality).fingerprint)

    def _check(self, model: Model, part: str, fingerprint: str) -> None:
        made = self.manifest["fingerprints"].get(part)
        if made != fingerprint:
            raise MismatchError(
                f"The query's {part} ({model.name}, {fingerprint}) is not the one that {self.path} was built "
                f"with ({Path(self.manifest['model']['name']).name}, {made}). Query with that model, or rebuild."
            )


def _state(folder: Path) -> tuple[int, int] | None:
    """Tells one manifest from the next; None where there is none."""
    try:
        stat = manifest_path(folder).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _make_room(files: int) -> None:
    """Let this process hold that many more files open, as far as the system permits."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = 4 * files + 256
    if soft != resource.RLIM_INFINITY and soft < held:
        most = held if hard == resource.RLIM_INFINITY else min(held, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _both(
    one: NDArray[np.int64] | None, other: NDArray[np.int64], places: int
) -> NDArray[np.int64]:
    """Rows in both, ascending; `other` may come in any order."""
    if one is None:
        return other
    held = np.zeros(places, bool)
    held[one] = True
    return np.sort(other[held[other]])
