"""Embeddings, vectors and search files of generalised rows: they must follow from the generalised place alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.faiss.kinds import KINDS
from prom3e_index.bundle.faiss.opened_index import open_index
from prom3e_index.bundle.model_place import found_again, model_of
from prom3e_index.errors import BundleError, InputError, MismatchError, ModelError, NotCachedError
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import infer
from prom3e_index.policy.cells import WITHHOLD
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.search.score import gallery

if TYPE_CHECKING:
    import duckdb

_COSINE = 0.99999
"""Least cosine of a stored embedding, of float16, with that of the same place or climate; 35 m of GeoCLIP."""
_APART = 4e-3
"""Greatest difference of a number of a vector that is computed again."""
_BATCH = 1024
Add = Callable[..., None]


@dataclass(frozen=True)
class Rows:
    """Some generalised rows of a segment: numbers within it, ids, levels, places (NaN where none)."""

    rows: NDArray[np.int64]
    ids: list[str]
    levels: list[str]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


def check_arrays(
    con: duckdb.DuckDBPyConnection, index: Path, folder: Path, where: str, first: int,
    manifest: dict[str, Any], add: Add, said: list[str],
) -> None:  # fmt: skip
    """Compare the arrays of a segment's generalised rows with what their places give.

    Args:
        con: With the segment's view `every`.
        index: The index's folder.
        folder: The segment's.
        where: Its name with a slash, for what is told.
        first: Row of the index that is its first.
        manifest: That names it.
        add: Takes file, row, id and what is found.
        said: Takes what could not be compared.
    """
    columns = {str(r[0]) for r in con.execute("DESCRIBE every").fetchall()}
    if LEVEL not in columns:
        return
    if not con.execute(f"SELECT 1 FROM every WHERE {LEVEL} IS NOT NULL LIMIT 1").fetchall():
        return
    names = list(manifest["modalities"])
    try:
        present = np.load(folder / "embeddings" / "present.npy", mmap_mode="r", allow_pickle=False)
        stored = {
            m: np.load(folder / "embeddings" / f"{m}.npy", mmap_mode="r", allow_pickle=False)
            for m in names
        }
        vectors = {
            m: np.load(folder / "vectors" / f"{m}.npy", mmap_mode="r", allow_pickle=False)
            for m in names
        }
    except (OSError, ValueError) as e:
        raise BundleError(
            f"{folder} has arrays that cannot be read: {e}. Restore the index from a copy."
        ) from e
    model = _model(manifest, index, said)
    raster = _raster(manifest, index, model, said)
    for part in _parts(con):
        _presence(part, present, names, where, first, add, raster is not None)
        if model is None:
            continue
        _places(part, present, stored, names, model, where, first, add)
        _climates(part, present, stored, names, model, raster, where, first, add)
        _vectors(part, present, stored, vectors, names, model, manifest, where, first, add)
    entry: dict[str, Any] = next(
        (s for s in manifest["segments"] if where == "" or s["name"] == where[:-1]), {"index": {}}
    )
    kinds = {m: str(point.get("kind")) for m, point in entry["index"].items()}
    _search_files(con, folder, vectors, names, kinds, where, first, add, said)


def _model(manifest: dict[str, Any], index: Path, said: list[str]) -> Model | None:
    try:
        return model_of(manifest, index)
    except (ModelError, NotCachedError, MismatchError, InputError, FileNotFoundError) as e:
        said.append(
            f"embeddings were not compared, since the model is not here: {getattr(e, 'typed', e)}"
        )
        return None


def _raster(
    manifest: dict[str, Any], index: Path, model: Model | None, said: list[str]
) -> ClimateRaster | None:
    source = manifest.get("source", {})
    known = source.get("climate")
    if known is None or model is None or "env" not in model.settings.get("encoder", {}):
        return None
    path = found_again(index, known, source.get("climate_beside"))
    if path is None or not path.is_file():
        said.append(f"climates were not compared, since the raster {known} is not here")
        return None
    return ClimateRaster.open(path, model.encoder("env").inputs)  # type: ignore[attr-defined]


def _parts(con: duckdb.DuckDBPyConnection) -> Iterator[Rows]:
    query = f"SELECT row, id, {LEVEL}, latitude, longitude FROM every WHERE {LEVEL} IS NOT NULL ORDER BY row"
    for batch in con.cursor().sql(query).to_arrow_reader(_BATCH):
        lat, lon = (
            np.asarray(batch.column(i).to_numpy(zero_copy_only=False), np.float64) for i in (3, 4)
        )
        yield Rows(
            np.asarray(batch.column(0), np.int64),
            batch.column(1).to_pylist(),
            batch.column(2).to_pylist(),
            lat,
            lon,
        )


def _presence(
    part: Rows, present: Any, names: list[str], where: str, first: int, add: Add, raster: bool
) -> None:
    has = np.asarray(present[part.rows])
    for i, (row, key, level) in enumerate(zip(part.rows, part.ids, part.levels, strict=True)):
        told = []
        if level == WITHHOLD and "loc" in names and has[i, names.index("loc")]:
            told.append("loc, of a place that is withheld")
        if "sat" in names and has[i, names.index("sat")]:
            told.append("sat, of a tile, whose middle is the place")
        if "env" in names and has[i, names.index("env")] and (level == WITHHOLD or not raster):
            told.append("env, of a climate that is not that of the cell")
        for what in told:
            add(
                f"{where}embeddings/{what.partition(',')[0]}.npy",
                first + int(row),
                key,
                f"an embedding of {what}",
            )


def _places(
    part: Rows,
    present: Any,
    stored: Any,
    names: list[str],
    model: Model,
    where: str,
    first: int,
    add: Add,
) -> None:
    if "loc" not in names or "loc" not in model.settings.get("encoder", {}):
        return
    has = np.asarray(present[part.rows])[:, names.index("loc")] & np.isfinite(part.latitude)
    at = np.flatnonzero(has)
    if len(at):
        again = model.encoder("loc").encode(
            np.stack([part.latitude[at], part.longitude[at]], 1).astype(np.float32)
        )
        _compare(
            part,
            at,
            again,
            stored["loc"],
            "loc",
            "is not that of its generalised place",
            where,
            first,
            add,
        )


def _climates(
    part: Rows, present: Any, stored: Any, names: list[str], model: Model, raster: ClimateRaster | None,
    where: str, first: int, add: Add,
) -> None:  # fmt: skip
    if raster is None or "env" not in names:
        return
    has = np.asarray(present[part.rows])[:, names.index("env")] & np.isfinite(part.latitude)
    at = np.flatnonzero(has)
    if len(at):
        values, _ = raster.lookup(part.latitude[at], part.longitude[at])
        again = model.encoder("env").encode(values)  # type: ignore[arg-type]
        _compare(
            part,
            at,
            again,
            stored["env"],
            "env",
            "is not that of the climate at its cell",
            where,
            first,
            add,
        )


def _compare(
    part: Rows,
    at: NDArray[np.int64],
    again: Any,
    stored: Any,
    name: str,
    what: str,
    where: str,
    first: int,
    add: Add,
) -> None:
    held = np.asarray(stored[part.rows[at]], np.float64)
    norm = np.linalg.norm(held, axis=1) * np.linalg.norm(again, axis=1)
    cosine = (held * again).sum(axis=1) / np.where(norm > 0, norm, 1)
    for i in at[cosine < _COSINE]:
        add(
            f"{where}embeddings/{name}.npy",
            first + int(part.rows[i]),
            part.ids[i],
            f"the embedding {what}",
        )


def _vectors(
    part: Rows, present: Any, stored: Any, vectors: Any, names: list[str], model: Model,
    manifest: dict[str, Any], where: str, first: int, add: Add,
) -> None:  # fmt: skip
    width = int(manifest["width"]) + int(manifest["hidden_width"])
    has = np.asarray(present[part.rows])
    x = np.stack([np.asarray(stored[m][part.rows], np.float32) for m in names], axis=1)
    inferred = infer(model, np.where(has[:, :, None], x, 0), has, names)
    for i, m in enumerate(names):
        again = gallery(
            x[:, i],
            has[:, i],
            inferred.reconstructed[:, i],
            inferred.hidden,
            float(manifest["epsilon"][m]),
        )
        held = np.asarray(vectors[m][part.rows][:, :width], np.float32)
        for at in np.flatnonzero(np.abs(held - again).max(axis=1) > _APART):
            row = first + int(part.rows[at])
            add(
                f"{where}vectors/{m}.npy",
                row,
                part.ids[at],
                "the vector does not follow from the row's embeddings",
            )


def _search_files(
    con: duckdb.DuckDBPyConnection, folder: Path, vectors: Any, names: list[str], kinds: dict[str, str],
    where: str, first: int, add: Add, said: list[str],
) -> None:  # fmt: skip
    """Search files that hold vectors as they are must hold those of the arrays."""
    others = []
    for m in names:
        path = folder / "faiss" / f"{m}.faiss"
        if kinds.get(m) != "exact":
            others.append(m)
            continue
        try:
            searched = open_index(str(path), KINDS["exact"], vectors[m].shape, None)
        except BundleError as e:
            said.append(f"{where}faiss/{m}.faiss was not compared: {e.typed}")
            continue
        for part in _parts(con):
            for row, key in zip(part.rows, part.ids, strict=True):
                held = searched.reconstruct(int(row))
                if np.abs(held - np.asarray(vectors[m][row], np.float32)).max() > _APART:
                    add(
                        f"{where}faiss/{m}.faiss",
                        first + int(row),
                        key,
                        "holds another vector than the array",
                    )
    if others:
        said.append(
            f"search files of {', '.join(others)} hold codes; `verify` compares them with the vectors"
        )
