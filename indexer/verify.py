"""Verifying a bundle: checksums, counts, keys, and a sample computed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from prom3e_index.bundle.faiss.told import found_share
from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.manifest import checksum
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.bundle.segment_views import observation_cells
from prom3e_index.errors import MediaError, Prom3eError
from prom3e_index.indexer.generation import strays, unreadable
from prom3e_index.media.pool import DecodePool
from prom3e_index.media.spans import media_task, whole_views
from prom3e_index.mvae.completion import infer
from prom3e_index.schema import MEDIA, RECORDS
from prom3e_index.search.hubness import Bank, by_segment, same_centres
from prom3e_index.search.run import Bundle
from prom3e_index.search.score import gallery


@dataclass(frozen=True)
class Check:
    """One thing verified: its name, whether it holds, and what was seen.

    `compared` is False where there was nothing to compare with: then nothing is known.
    """

    name: str
    ok: bool
    detail: str
    compared: bool = True


def verify(
    bundle: Bundle,
    sample: int = 20,
    progress: Callable[[str], None] | None = None,
    media: Path | None = None,
) -> list[Check]:
    """Verify a bundle.

    Checks every file's SHA-256; that rows in = indexed + rejected; that row numbers run from 0 to n − 1
    with one id each; that arrays and FAISS indexes have n rows and FAISS holds the stored vectors; that
    a sample of gallery vectors follows from the embeddings; that a sample of files, where they are still
    there, encodes to the stored embeddings; that the records shown with hits are those of the table; that the
    calibration can be read.

    Args:
        bundle: Opened.
        sample: Rows and files compared.
        progress: Told of each check.
        media: Folder of the files, where they have moved; that of the build when None.

    Returns:
        All checks, failed or not; never raises for a damaged part.
    """
    checks: list[Check] = []

    def check(name: str, run: Callable[[], tuple[bool, str] | tuple[bool, str, bool]]) -> None:
        if progress:
            progress(name)
        try:
            checks.append(Check(name, *run()))
        except (Prom3eError, OSError, ValueError, RuntimeError) as e:
            said = e.typed if isinstance(e, Prom3eError) else str(e)
            checks.append(Check(name, False, said))

    drawn = np.random.default_rng(0).choice(bundle.live, min(sample, bundle.rows), replace=False)
    rows = np.sort(drawn)
    check("checksums", lambda: _checksums(bundle))
    check("counts", lambda: _counts(bundle))
    check("keys", lambda: _keys(bundle))
    check("files", lambda: _nothing_else(bundle))
    check("records", lambda: _records(bundle))
    check("calibration", lambda: _calibration(bundle))
    for target in bundle.modalities:
        check(f"index {target}", partial(_index, bundle, target, rows))
    check("gallery follows from embeddings", lambda: _gallery(bundle, rows))
    if bundle.bias_width:
        check("correction against hubs", lambda: _correction(bundle, rows))
    for modality in MEDIA:
        if modality in bundle.modalities:
            check(f"re-encode {modality}", partial(_reencode, bundle, modality, sample, media))
    return checks


def _calibration(bundle: Bundle) -> tuple[bool, str, bool]:
    """Whether the calibration that the manifest names can be read; where none is named, nothing is known."""
    held, noted = bundle.calibration, bundle.manifest.get("confidence") or {}
    if held is None:
        return "file" not in noted, bundle.uncalibrated, "file" in noted
    return True, f"{noted['file']}: {len(held.fitted)} ways of asking", True


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
    cells = observation_cells(bundle.columns)
    rows, parts = bundle.sql(
        f"SELECT count(*), count(*) FILTER (is_part) FROM (SELECT {cells} FROM observations)"
    )[0]
    indexed = rows - parts
    removed = int(c.get("rows_removed", 0))
    good = (
        c["rows_in"] == c["rows_indexed"] + c["rows_rejected"] + removed
        and (indexed, rejected) == (c["rows_indexed"], c["rows_rejected"])
        and rows == bundle.rows
    )
    gone = f" + {removed} removed" if removed else ""
    several = f"; {rows} rows with further photos and windows" if parts else ""
    return good, f"{c['rows_in']} in = {indexed} indexed + {rejected} rejected{gone}{several}"


def _keys(bundle: Bundle) -> tuple[bool, str]:
    low, high, rows = bundle.sql("SELECT min(row), max(row), count(DISTINCT row) FROM every")[0]
    ids = bundle.sql("SELECT count(DISTINCT id) FROM observations")[0][0]
    good = (rows, ids) == (bundle.places, bundle.rows)
    good = good and (not rows or (low, high) == (0, bundle.places - 1))
    return good, f"rows {low} to {high}, {rows} different, {ids} different ids"


def _nothing_else(bundle: Bundle) -> tuple[bool, str]:
    """No file lies among the index's own that no generation names, such as rows that were compacted away."""
    damaged = unreadable(bundle.path, bundle.manifest)
    if damaged:
        return False, f"{', '.join(damaged)} cannot be read; compact takes earlier generations away"
    left = strays(bundle.path)
    if left:
        return False, (
            f"{len(left)} files belong to no generation, as {left[0]}: a change was interrupted; the next "
            "change or compact takes them away"
        )
    return True, f"{len(bundle.manifest['history'])} generations so far"


def _index(bundle: Bundle, target: str, rows: np.ndarray) -> tuple[bool, str]:  # type: ignore[type-arg]
    """A flat index holds the stored vectors; any other finds what an exact scan finds for them."""
    good, said = True, []
    for segment in bundle.segments:
        mine = rows[(rows >= segment.first) & (rows < segment.first + segment.rows)] - segment.first
        if not len(mine):
            continue
        gallery = segment.gallery(target)
        stored = np.asarray(segment.vectors(target)[mine], np.float32)
        if gallery.kind.name == "exact":
            held = np.stack([gallery.held(int(r)) for r in mine])
            good &= bool(np.array_equal(stored, held))
            said.append(f"{segment.rows} rows, {len(mine)} compared")
        else:
            truth, _, _ = gallery.search(stored, 10, None, True)
            found, _, _ = gallery.search(stored, 10)
            share = float(found_share(found, truth, 10).mean())
            good &= share > 0.8
            said.append(
                f"{segment.rows} rows, {gallery.kind.name}, {share:.3f} of the ten rows of exact search found"
            )
    return good, "; ".join(said) or "no rows"


def _gallery(bundle: Bundle, rows: np.ndarray) -> tuple[bool, str]:  # type: ignore[type-arg]
    if not len(rows):
        return True, "no rows"
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


def _correction(bundle: Bundle, rows: np.ndarray) -> tuple[bool, str]:  # type: ignore[type-arg]
    """The stored bias is that of the model's bank, by the constants that the index was built with."""
    if by_segment(bundle.manifest):
        if len(bundle.segments) > 1:
            return False, (
                "made segment by segment by an earlier version, so rows of two segments cannot be compared; run "
                "prom3e-index rebuild"
            )
        return True, "made by an earlier version; not compared"
    model, hubs = bundle.model(), bundle.manifest["hubs"]
    bank = Bank(model, hubs["method"])
    if not same_centres(hubs["centre"], {t: c.tolist() for t, c in bank.centres.items()}):
        return False, (
            f"the bank of training queries or the weights of model {model.name} have changed since the build; "
            "restore them, or build anew"
        )
    plain = int(bundle.manifest["width"]) + int(bundle.manifest["hidden_width"])
    worst = 0.0
    for target in bundle.modalities if len(rows) else ():
        stored = np.asarray(bundle.vectors(target)[rows])
        again = bank.bias(stored[:, :plain], target)
        worst = max(worst, float(np.abs(stored[:, plain:] - again.astype(np.float32)).max()))
    return worst < 1e-3, f"largest difference {worst:.1e} over {len(rows)} rows"


def _records(bundle: Bundle) -> tuple[bool, str]:
    """What hits show is read from `records.arrow`; it must be what the table says, in every row."""
    import pyarrow as pa

    shown = 0
    for segment in bundle.segments:
        if not segment.has("records.arrow"):
            continue  # as in indexes of format 1: hits show the table itself
        with pa.memory_map(str(segment.folder / "records.arrow")) as source:
            held = pa.ipc.open_file(source).read_all()
            held.validate(full=True)
            cells = ", ".join(quoted(c) for c in held.column_names)
            last = segment.first + segment.rows - 1
            query = f"SELECT {cells} FROM every WHERE row BETWEEN {segment.first} AND {last} ORDER BY row"
            at = 0
            with bundle.reader(query, RECORDS) as table:
                for batch in table:
                    mine = held.slice(at, batch.num_rows).to_pylist()
                    for place, (one, other) in enumerate(
                        zip(mine, batch.to_pylist(), strict=False)
                    ):
                        if one != other:
                            row = segment.first + at + place
                            return False, f"row {row} is shown as {one}, the table says {other}"
                    at += batch.num_rows
            if held.num_rows != at:
                return False, f"{segment.name} shows {held.num_rows} rows, the table has {at}"
        shown += at
    return True, f"{shown} rows as in the table"


def _reencode(
    bundle: Bundle, modality: str, sample: int, media: Path | None
) -> tuple[bool, str, bool]:
    spans = (
        "start_s, end_s" if modality == "audio" and "start_s" in bundle.columns else "NULL, NULL"
    )
    found = bundle.sql(
        f'SELECT row, "{modality}", {spans} FROM observations WHERE has_{modality} AND "{modality}" IS NOT NULL '
        f"USING SAMPLE reservoir({int(sample)} ROWS) REPEATABLE (0)"
    )
    if not found:
        return True, "no row has a file", False
    entries = {
        s.first: e for s, e in zip(bundle.segments, bundle.manifest["segments"], strict=True)
    }
    paths = []
    for r, p, *span in found:
        first = bundle.segment_of(int(r))[0].first
        file = MediaFolders(entries[first], bundle.path, media).file(str(p))
        paths.append((int(r), Path(file), span))
    there = [(r, p, span) for r, p, span in paths if p.is_file()]
    if not there:
        lacking = (
            f"none of {len(paths)} files is there, as {paths[0][1]}; where they have moved: verify --media "
            "FOLDER"
        )
        return True, lacking, False
    model = bundle.model()
    bundle.check_encoder(model, modality)
    spec = asdict(model.media_spec(modality))
    lowest = 1.0
    with DecodePool(2) as pool:
        tasks = [
            (row, media_task(modality, path, spec, None if span[0] is None else span))
            for row, path, span in there
        ]
        for row, result in pool.map(tasks):
            if isinstance(result, MediaError):
                return False, f"row {row}: {result}", True
            stored = np.asarray(bundle.embeddings(modality)[row], np.float32)
            lowest = min(
                lowest, float(model.encoder(modality).encode([whole_views(result)])[0] @ stored)
            )
    said = f"{len(there)} of {len(paths)} files are there, lowest cosine {lowest:.6f}"
    return lowest > 0.999, said, True
