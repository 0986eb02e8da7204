"""Verifying a bundle: checksums, counts, keys, and a sample computed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from prom3e_index.errors import MediaError, Prom3eError
from prom3e_index.hybrid import gallery, infer
from prom3e_index.manifest import checksum
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.schema import MEDIA
from prom3e_index.search import Bundle


@dataclass(frozen=True)
class Check:
    """One thing verified: its name, whether it holds, and what was seen."""

    name: str
    ok: bool
    detail: str


def verify(
    bundle: Bundle, sample: int = 20, progress: Callable[[str], None] | None = None
) -> list[Check]:
    """Verify a bundle.

    Checks every file's SHA-256; that rows in = indexed + rejected; that row numbers run from 0 to n − 1
    with one id each; that arrays and FAISS indexes have n rows and FAISS holds the stored vectors; that
    a sample of gallery vectors follows from the embeddings; that a sample of files, where they are still
    there, encodes to the stored embeddings.

    Returns:
        All checks, failed or not; never raises for a damaged part.
    """
    checks: list[Check] = []

    def check(name: str, run: Callable[[], tuple[bool, str]]) -> None:
        if progress:
            progress(name)
        try:
            checks.append(Check(name, *run()))
        except (Prom3eError, OSError, ValueError, RuntimeError) as e:
            checks.append(Check(name, False, str(e)))

    rows = np.sort(
        np.random.default_rng(0).choice(bundle.rows, min(sample, bundle.rows), replace=False)
    )
    check("checksums", lambda: _checksums(bundle))
    check("counts", lambda: _counts(bundle))
    check("keys", lambda: _keys(bundle))
    for target in bundle.modalities:
        check(f"index {target}", partial(_index, bundle, target, rows))
    check("gallery follows from embeddings", lambda: _gallery(bundle, rows))
    for modality in MEDIA:
        if modality in bundle.modalities:
            check(f"re-encode {modality}", partial(_reencode, bundle, modality, sample))
    return checks


def _checksums(bundle: Bundle) -> tuple[bool, str]:
    files = bundle.manifest["files"]
    wrong = [n for n, entry in files.items() if checksum(bundle.path / n) != entry["sha256"]]
    if wrong:
        return (
            False,
            f"{len(wrong)} of {len(files)} files differ from the manifest: {', '.join(wrong[:3])}",
        )
    return True, f"{len(files)} files"


def _counts(bundle: Bundle) -> tuple[bool, str]:
    c = bundle.manifest["counts"]
    rejected = bundle.sql("SELECT count(*) FROM rejected")[0][0]
    indexed = bundle.sql("SELECT count(*) FROM observations")[0][0]
    good = (
        c["rows_in"] == c["rows_indexed"] + c["rows_rejected"]
        and (indexed, rejected) == (c["rows_indexed"], c["rows_rejected"])
        and indexed == bundle.rows
    )
    return good, f"{c['rows_in']} in = {indexed} indexed + {rejected} rejected"


def _keys(bundle: Bundle) -> tuple[bool, str]:
    low, high, rows, ids = bundle.sql(
        "SELECT min(row), max(row), count(DISTINCT row), count(DISTINCT id) FROM observations"
    )[0]
    good = (low, high, rows, ids) == (0, bundle.rows - 1, bundle.rows, bundle.rows)
    return good, f"rows {low} to {high}, {rows} different, {ids} different ids"


def _index(bundle: Bundle, target: str, rows: np.ndarray) -> tuple[bool, str]:  # type: ignore[type-arg]
    index = bundle.index(target)
    stored = np.asarray(bundle.vectors(target)[rows], np.float32)
    held = np.stack([index.held(int(r)) for r in rows])
    return bool(np.array_equal(stored, held)), f"{bundle.rows} rows, {len(rows)} compared"


def _gallery(bundle: Bundle, rows: np.ndarray) -> tuple[bool, str]:  # type: ignore[type-arg]
    model = bundle.model()
    x = np.stack(
        [np.asarray(bundle.embeddings(m)[rows], np.float32) for m in bundle.modalities], axis=1
    )
    has = bundle.present[rows]
    inferred = infer(model, x, has, bundle.modalities)
    worst = 0.0
    for i, target in enumerate(bundle.modalities):
        epsilon = float(bundle.manifest["epsilon"][target])
        again = gallery(x[:, i], has[:, i], inferred.reconstructed[:, i], inferred.hidden, epsilon)
        stored = np.asarray(bundle.vectors(target)[rows], np.float32)[:, : again.shape[1]]
        worst = max(worst, float(np.abs(again - stored).max()))
    return worst < 2e-3, f"largest difference {worst:.1e} over {len(rows)} rows"


def _reencode(bundle: Bundle, modality: str, sample: int) -> tuple[bool, str]:
    found = bundle.sql(
        f'SELECT row, "{modality}" FROM observations WHERE has_{modality} AND "{modality}" IS NOT NULL '
        f"USING SAMPLE reservoir({int(sample)} ROWS) REPEATABLE (0)"
    )
    base = Path(bundle.manifest["source"]["media"])
    model = bundle.model()
    there = [(int(r), base / p) for r, p in found if (base / p).is_file()]
    if not there:
        return True, "no files here to compare with"
    bundle.check_encoder(model, modality)
    spec = asdict(model.media_spec(modality))
    lowest = 1.0
    with DecodePool(2) as pool:
        for row, result in pool.map([(row, Task(modality, path, spec)) for row, path in there]):
            if isinstance(result, MediaError):
                return False, f"row {row}: {result}"
            stored = np.asarray(bundle.embeddings(modality)[row], np.float32)
            lowest = min(lowest, float(model.encoder(modality).encode([result])[0] @ stored))
    return lowest > 0.999, f"{len(there)} files, lowest cosine {lowest:.6f}"
