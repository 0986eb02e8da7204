"""What runs on the workers: decoding, encoding, completing. Each takes a table of one row and gives one.

None of it knows of the engine that calls it; files that are there already are not made again, so a call that is made
twice, because a worker died, leaves the same files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.indexer.cluster.job import NOTE, Job
from prom3e_index.indexer.cluster.orders import NUMERIC, numbered
from prom3e_index.indexer.cluster.pieces import Piece, Pieces, name_of
from prom3e_index.indexer.cluster.shards import shard_name, split_rows, write_shard
from prom3e_index.indexer.cluster.storage import NO_NAME, Storage, is_address
from prom3e_index.indexer.embed import Item, decoded, encode_items, no_climate, numbers
from prom3e_index.indexer.spans import Reading, decoded_spans
from prom3e_index.media.climate import ClimateRaster
from prom3e_index.media.pool import DecodePool
from prom3e_index.media.spans import whole_views
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.schema import MEDIA
from prom3e_index.search.hubness import Bank

_WAITING = 4
"""Files that are given to the decode process beforehand."""
_FETCHED = 16
"""Files that are fetched from an address at the same time."""
DECODED = pa.schema(
    {
        "modality": pa.string(), "piece": pa.int64(), "item": pa.list_(pa.int64()),
        "shape": pa.list_(pa.list_(pa.int64())), "dtype": pa.string(), "data": pa.large_binary(),
        "lost": pa.list_(pa.int64()), "reasons": pa.list_(pa.string()),
        "noted": pa.list_(pa.int64()), "notes": pa.list_(pa.string()),
    }
)  # fmt: skip
SHARDED = pa.schema({"shard": pa.int64(), "rows": pa.int64()})
DONE = pa.schema({"modality": pa.string(), "piece": pa.int64(), "items": pa.int64()})


class Worker:
    """What all workers have: the job, its files, and the look whether they are seen from here."""

    def __init__(self, job: Job) -> None:
        self.job = job
        note = job.storage.note(NOTE)
        if note is None or note.get("plan") != job.plan:
            raise InputError(
                f"A worker does not find the plan {job.plan[:12]} in {job.place}. Every machine of the cluster must "
                "see that place: name a folder that they share, or a bucket: --shards s3://BUCKET/NAME."
            )

    @cached_property
    def model(self) -> Model:
        """The model, opened once."""
        return self.job.open_model()

    def order(self, modality: str, piece: int) -> pa.Table:
        """What a piece is to be made of."""
        return numbered(self.job.storage, f"orders/{modality}", piece, self.job.plan)


class WithNetwork(Worker):
    """What a worker has that uses a network: on processors it has one of them."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import torch  # late: workers that decode alone need none of its memory

        if not is_card(job.options["device"]):
            torch.set_num_threads(1)


class Decode(Worker):
    """Decodes the files of a piece in processes of its own; of other modalities nothing is to be decoded."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pool: DecodePool | None = None
        self._remote = Storage(job.media) if is_address(job.media) else None

    def __call__(self, table: pa.Table) -> pa.Table:
        """Decode the files of a piece: (modality, piece) → `DECODED`."""
        modality, piece = (table.column(n)[0].as_py() for n in ("modality", "piece"))
        out: dict[str, Any] = dict.fromkeys(DECODED.names) | {"modality": modality, "piece": piece}
        if modality in MEDIA and not self.job.storage.has(name_of(modality, piece)):
            out |= self._decoded(modality, piece)
        return pa.table({k: [v] for k, v in out.items()}, DECODED)

    def _decoded(self, modality: str, piece: int) -> dict[str, Any]:
        order = self.order(modality, piece)
        if self._remote is None:
            if not Path(self.job.media).is_dir():
                raise InputError(
                    f"A worker does not see the media folder {self.job.media}. Every machine of the cluster must: name "
                    "a folder that they share, or a bucket: --media s3://BUCKET/NAME."
                )
            return self._read(modality, piece, order, Path(self.job.media))
        with tempfile.TemporaryDirectory(prefix="prom3e-media-") as folder:
            _fetch(self._remote, order.column("value").unique().to_pylist(), Path(folder))
            return self._read(modality, piece, order, Path(folder))

    def _read(self, modality: str, piece: int, order: pa.Table, media: Path) -> dict[str, Any]:
        job = self.job
        if self._pool is None:
            self._pool = DecodePool(1, job.timeout_s)  # a worker has one processor
        first = piece * job.items[modality]
        count = min(job.items[modality], job.counts[modality] - first)
        told = _Told(media)
        states = np.zeros(count, np.uint64)
        spec = asdict(self.model.media_spec(modality))
        whole, spans = _parts(order, first, count)
        found = [
            *decoded(whole, self._pool, modality, spec, media, told, states, _WAITING),
            *decoded_spans(spans, self._pool, spec, media, told, states),
        ]
        views = [_thin(view) for _, view, _ in found]
        kinds = {v.dtype.str for v in views}
        if len(kinds) > 1:
            raise AssertionError(f"decoded as {sorted(kinds)}")
        return {
            "item": [number for number, _, _ in found],
            "shape": [v.shape for v in views],
            "dtype": next(iter(kinds), "<f4"),
            "data": b"".join(np.ascontiguousarray(v).tobytes() for v in views),
            "lost": list(told.lost),
            "reasons": list(told.lost.values()),
            "noted": list(told.noted),
            "notes": list(told.noted.values()),
        }


class Encode(WithNetwork):
    """Encodes what was decoded of a piece, in the batches that the plan says, and writes its file."""

    def __call__(self, table: pa.Table) -> pa.Table:
        """Encode a piece: `DECODED` → `DONE`."""
        row = table.select(["modality", "piece"]).to_pylist()[0]
        modality, piece = row["modality"], row["piece"]
        job = self.job
        first = piece * job.items[modality]
        count = min(job.items[modality], job.counts[modality] - first)
        if not job.storage.has(name_of(modality, piece)):
            self._encode(table, modality, piece, first, count)
        return pa.table({"modality": [modality], "piece": [piece], "items": [count]}, DONE)

    def _encode(self, table: pa.Table, modality: str, piece: int, first: int, count: int) -> None:
        encoder = self.model.encoder(modality)
        before = encoder.forward.again
        made = Piece(modality, piece, count, self.model.width)
        if modality in MEDIA:
            items = _items(table, made, first)
        elif modality in NUMERIC:
            items = self._numbers(modality, piece, made, first, getattr(encoder, "inputs", 2))
        else:
            names = self.order(modality, piece).column("value").to_pylist()
            items = ((first + i, name, np.array([i])) for i, name in enumerate(names))
        encode_items(items, encoder, made, self.job.sizes[modality], lambda _: None)
        told = {"precision": encoder.forward.precision, "again": encoder.forward.again - before}
        made.save(self.job, {**told, "fingerprint": encoder.fingerprint})

    def _numbers(
        self, modality: str, piece: int, made: Piece, first: int, inputs: int
    ) -> Iterator[Item]:
        looked_up = modality == "env" and self.job.climate is not None
        raster = self._raster if looked_up else None
        values, known = numbers(self.order(modality, piece), modality, raster, inputs)
        if raster is not None and not known.all():
            made.add(np.flatnonzero(~known), no_climate(raster))
        for i in np.flatnonzero(known):
            yield first + int(i), values[i], np.array([i])

    @cached_property
    def _raster(self) -> ClimateRaster:
        return ClimateRaster.open(Path(str(self.job.climate)), self.model.encoder("env").inputs)  # type: ignore[attr-defined]


class DecodeAndEncode(Decode):
    """Decodes a piece and encodes it, where both are the work of a processor: nothing is sent from one to another."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._encode = Encode(job)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Make a piece: (modality, piece) → `DONE`."""
        return self._encode(super().__call__(table))


class Complete(WithNetwork):
    """Completes the rows of a shard from the pieces of their items, and writes its file."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pieces = Pieces(job, self.model.width)
        self._bank = None if job.hubs == NO_HUBS else Bank(self.model, job.hubs)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Complete a shard: (shard) → (shard, rows)."""
        from prom3e_index.indexer.complete import completed

        shard = table.column("shard")[0].as_py()
        job, names = self.job, self.model.modalities
        rows = numbered(job.storage, "rows", shard, job.plan)
        if not job.storage.has(shard_name(shard)):
            items, beside = split_rows(rows, names)
            has = np.stack([rows.column(f"has_{m}").to_numpy() for m in names], axis=1)
            stored = [
                np.where(has[:, i, None], self._pieces.rows(m, items[m]), np.float16(0))
                for i, m in enumerate(names)
            ]
            made, sigma_l1 = completed(self.model, stored, has, self._bank)
            write_shard(job, shard, beside, names, stored, has, made, sigma_l1)
        return pa.table({"shard": [shard], "rows": [len(rows)]}, SHARDED)


class _Told:
    """What is told of files while they are decoded, by their items' places; paths from the media folder on."""

    def __init__(self, media: Path) -> None:
        self._media = str(media).rstrip("/") + "/"
        self.lost: dict[int, str] = {}
        self.noted: dict[int, str] = {}

    def add(self, rows: NDArray[np.int64], reason: str) -> None:
        self.lost |= {int(row): reason.replace(self._media, "") for row in rows}

    def note(self, rows: NDArray[np.int64], reason: str) -> None:
        self.noted |= {int(row): reason.replace(self._media, "") for row in rows}

    def write(self) -> None:
        return


def _parts(
    order: pa.Table, first: int, count: int
) -> tuple[list[tuple[int, str, NDArray[np.int64]]], list[Reading]]:
    """Files as wholes, and readings of spans; their rows are places in the piece, none for what is beyond it."""
    items, values = order.column("item").to_pylist(), order.column("value").to_pylist()
    if "reading" not in order.column_names:
        return [(i, v, np.array([i - first])) for i, v in zip(items, values, strict=True)], []
    whole: list[tuple[int, str, NDArray[np.int64]]] = []
    spans: dict[int, Reading] = {}
    rest = (order.column(n).to_pylist() for n in ("start", "end", "reading"))
    for item, value, start, end, number in zip(items, values, *rest, strict=True):
        here = np.array([item - first] if first <= item < first + count else [], np.int64)
        if number is None:
            whole.append((item, value, here))
            continue
        reading = spans.setdefault(number, Reading(value, item))
        reading.spans.append((start, end))
        reading.rows.append(here)
    return whole, list(spans.values())


def _thin(view: NDArray[Any]) -> NDArray[Any]:
    """A short span's one view, of which the tower takes four alike."""
    return view[:, :1] if view.ndim == 4 and view.strides[1] == 0 and view.shape[1] == 4 else view


def _items(table: pa.Table, made: Piece, first: int) -> Iterator[Item]:
    """What was decoded, as the encoder takes it; what was lost is noted."""
    told = table.select(["lost", "reasons", "noted", "notes", "item", "shape", "dtype"]).to_pylist()[0]  # fmt: skip
    for row, reason in zip(told["lost"], told["reasons"], strict=True):
        made.add(np.array([row]), reason)
    for row, text in zip(told["noted"], told["notes"], strict=True):
        made.note(np.array([row]), text)
    data, kind = table.column("data").chunk(0)[0].as_buffer(), np.dtype(told["dtype"])
    at = 0
    for item, shape in zip(told["item"], told["shape"], strict=True):
        values = int(np.prod(shape))
        view = np.frombuffer(data, kind, values, at).reshape(shape)
        at += values * kind.itemsize
        yield item, whole_views(view) if made.modality == "audio" else view, np.array([item - first])  # fmt: skip


def _fetch(remote: Storage, names: list[str], folder: Path) -> None:
    """Copy files from an address into a folder, under their names.

    Left out is what is not there, or has a name that no file can have beside the others'.

    Raises:
        OSError: The address cannot be read, or the disk is full.
    """

    def fetch(name: str) -> None:
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            return  # an absolute path is looked for on the worker
        content = remote.open(name)
        if content is None:
            return
        with content:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                f = target.open("wb")
            except OSError as e:
                if e.errno in NO_NAME:
                    return
                raise
            with f:
                shutil.copyfileobj(content, f)

    with ThreadPoolExecutor(_FETCHED) as threads:  # an answer takes long to come, not to read
        for done in [threads.submit(fetch, name) for name in names]:
            done.result()
