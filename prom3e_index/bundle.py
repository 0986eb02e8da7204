"""An index folder, opened for reading: vectors, metadata, statistics. Any number of threads may search."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import BundleError, InputError, MismatchError
from prom3e_index.filters import Filter, check_predicate, predicate
from prom3e_index.manifest import read_manifest

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.faiss_index import ExactIndex
    from prom3e_index.model import Model


class BundleFolder:
    """A bundle on disk: what `search.Bundle` searches.

    Attributes:
        path: Its folder.
        manifest: What `manifest.json` says.
        modalities: Names, in the model's order.
        rows: Observations.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], gpu: bool = False) -> None:
        self.path, self.manifest, self._gpu = path, manifest, gpu
        self.modalities: tuple[str, ...] = tuple(manifest["modalities"])
        self.rows = int(manifest["rows"])
        self._indexes: dict[str, ExactIndex] = {}
        self._models: dict[tuple[str | None, str | None], Model] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str | Path, *, gpu: bool = False) -> Self:
        """Open a bundle.

        Args:
            path: Its folder.
            gpu: Search unfiltered queries on a GPU where FAISS finds one.

        Raises:
            BundleError: No bundle, incomplete, damaged or of a later format.
        """
        folder = Path(path)
        bundle = cls(folder, read_manifest(folder), gpu)
        count = bundle.sql("SELECT count(*), coalesce(max(row), -1) FROM observations")[0]
        if count != (bundle.rows, bundle.rows - 1):
            raise BundleError(
                f"{folder}: the metadata have {count[0]:,} rows up to number {count[1]}, the manifest "
                f"{bundle.rows:,}. Restore it from a copy, or rebuild the index."
            )
        return bundle

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        try:
            return duckdb.connect(
                str(self.path / "metadata.duckdb"),
                read_only=True,
                config={
                    "enable_external_access": "false",
                    "autoload_known_extensions": "false",
                    "autoinstall_known_extensions": "false",
                    "memory_limit": "2GB",
                    "lock_configuration": "true",
                },
            )
        except duckdb.Error as e:
            raise BundleError(
                f"{self.path / 'metadata.duckdb'} cannot be opened: {str(e).splitlines()[0]}"
            ) from e

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
    def present(self) -> NDArray[np.bool_]:
        """(n, m): which modalities each observation has."""
        present: NDArray[np.bool_] = np.load(
            self.path / "embeddings" / "present.npy", allow_pickle=False
        )
        return present

    @cached_property
    def statistics(self) -> dict[str, dict[str, Any]]:
        """Mean change of ‖σ‖₁ by visible set and added modality."""
        return dict(json.loads((self.path / "statistics.json").read_text()))

    def embeddings(self, modality: str) -> NDArray[np.float16]:
        """(n, d) encoder embeddings, memory-mapped; rows that lack the modality are zero."""
        return self._array("embeddings", modality, int(self.manifest["width"]))

    def vectors(self, target: str) -> NDArray[np.float16]:
        """(n, d + z) gallery vectors [g_t, h], and a bias per modality against hubs; memory-mapped."""
        m = self.manifest
        width = int(m["width"]) + int(m["hidden_width"]) + self.bias_width
        return self._array("vectors", target, width)

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

    def _array(self, kind: str, name: str, width: int) -> NDArray[np.float16]:
        path = self.path / kind / f"{name}.npy"
        try:
            array: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as e:
            raise BundleError(
                f"{path} is damaged: {e}. Restore it from a copy, or rebuild the index."
            ) from e
        if array.shape != (self.rows, width) or array.dtype != np.float16:
            raise BundleError(
                f"{path} is {array.shape} {array.dtype}, the manifest says ({self.rows}, {width}) float16. "
                "Restore it from a copy, or rebuild the index."
            )
        return array

    def index(self, target: str) -> ExactIndex:
        """The FAISS index of a target, opened on first use."""
        from prom3e_index.faiss_index import ExactIndex

        with self._lock:
            if target not in self._indexes:
                path = self.path / "faiss" / f"{target}.faiss"
                self._indexes[target] = ExactIndex(path, self.vectors(target), self._gpu)
            return self._indexes[target]

    def eligible(self, f: Filter) -> NDArray[np.int64] | None:
        """Rows that satisfy a filter, ascending; None when there is no filter.

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
        where, params = predicate(f, self.columns)
        try:
            found = cursor.execute(
                f"SELECT row FROM observations WHERE {where} ORDER BY row", params
            )
            return np.asarray(found.fetchnumpy()["row"], np.int64)
        except duckdb.Error as e:
            reason = " ".join(str(e).split("LINE 1:")[0].split())
            raise InputError(f"--where {f.where!r} cannot be applied: {reason}") from e

    def model(
        self, name: str | None = None, hub: str | Path | None = None, device: str = "cpu"
    ) -> Model:
        """The model that made the bundle, or another that must have the same fingerprints.

        Raises:
            MismatchError: Another MVAE; encoders are compared when they are used.
        """
        from prom3e_index.model import Model

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
