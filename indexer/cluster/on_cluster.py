"""A build's engine on a cluster: plan → pieces of embeddings → shards of completed rows → the arrays of a segment."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.indexer.cluster.job import (
    FORMAT,
    NOTE,
    Job,
    hash_of,
    items_of_piece,
    model_options,
    named_model,
    plan_of,
)
from prom3e_index.indexer.cluster.orders import NUMERIC, number_items, write_orders
from prom3e_index.indexer.cluster.pieces import gather, whole_pieces
from prom3e_index.indexer.cluster.rows import write_beside
from prom3e_index.indexer.cluster.shards import SHARDS, dense, read_shards, whole_shards
from prom3e_index.indexer.cluster.storage import Storage
from prom3e_index.indexer.complete import KeptRows, block_of
from prom3e_index.indexer.embed import NUMBERS, PlannedRows, column_of
from prom3e_index.indexer.engine import tell_of_again
from prom3e_index.indexer.new_array import RowFile, save_array
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.store import ABSENT
from prom3e_index.indexer.unfinished import note_encoded
from prom3e_index.indexer.work import climate_of
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import NO_HUBS, Model
from prom3e_index.mvae.completion import hidden_width

if TYPE_CHECKING:
    from prom3e_index.indexer.cluster.stream import Stream


_A_WORKERS = 8
"""Parts of a worker, at least."""


class OnCluster:
    """See `engine.Engine`; one build.

    Args:
        work: The build's work folder.
        place: Of the shards; in the work folder when None.
        address: Of the cluster; this machine alone when None.
        hubs: Correction against hubs.
        rows: Of a shard; as many as are completed at a time when None.
    """

    def __init__(
        self, work: Path, place: str | None, address: str | None, hubs: str, rows: int | None = None
    ) -> None:
        self._own = work / "cluster"
        self._own.mkdir(exist_ok=True)
        self._place = place or str(work / "shards")
        self._address, self._hubs, self._rows = address, hubs, rows
        self._job: Job | None = None
        self._precision: dict[str, tuple[str, int]] = {}
        self._about: dict[str, Any] = {}
        self._open = ExitStack()
        self._stream: Stream | None = None

    def embed(self, rows: PlannedRows) -> None:
        """See `Engine.embed`: pieces that are there already are not made again."""
        con, model, work, raster = rows.con, rows.model, rows.work, rows.raster
        (work / "embeddings").mkdir(exist_ok=True)
        (work / "lost.jsonl").unlink(missing_ok=True)
        job = self._planned(rows)
        missing = {m: sorted(set(range(job.pieces(m))) - whole_pieces(job, m)) for m in job.counts}
        usual_s = _usual_s(model)
        for modality, pieces in missing.items():
            if pieces:
                write_orders(con, job, modality, raster, usual_s)
        given = [(m, p) for m, pieces in missing.items() for p in pieces]
        todo = {m: sum(_items(job, m, p) for p in pieces) for m, pieces in missing.items()}
        done = dict.fromkeys(todo, 0)

        def told(row: dict[str, Any]) -> None:
            modality = row["modality"]
            done[modality] += row["items"]
            note_encoded(work, sum(done.values()))
            rows.progress(f"encode {modality}", done[modality], todo[modality])

        if given:
            modalities, pieces_of = zip(*given, strict=True)
            columns = {"modality": pa.array(modalities), "piece": pa.array(pieces_of, pa.int64())}
            self._encode(job, pa.table(columns), told)
        for modality in model.modalities:
            if modality not in job.counts:
                absent = np.full(rows.n, ABSENT, np.uint8)
                save_array(work / "embeddings" / f"{modality}.state.npy", absent)
                continue
            known = model.encoder(modality).fingerprint
            self._precision[modality] = gather(con, job, modality, work, rows.n, known)

    def _planned(self, rows: PlannedRows) -> Job:
        """Number the items, claim the place of the shards, and give the job that all workers get."""
        con, config, model, raster = rows.con, rows.config, rows.model, rows.raster
        usual_s, counts, sizes = _usual_s(model), {}, {}
        columns = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
        for modality in model.settings.get("encoder", {}):
            if column_of(modality, raster) not in columns:
                continue
            count = number_items(con, modality, raster, usual_s)
            if count:
                encoder = model.encoder(modality)
                counts[modality] = count
                own = NUMBERS if modality in NUMERIC else config.batch_size
                sizes[modality] = own or encoder.batch_size
        climate = climate_of(config)
        media_place = config.media_address or str(rows.media)
        plan = plan_of(con, config, model, self._hubs, sizes, media_place)
        self._job = Job(
            place=Storage(self._place).place,
            plan=hash_of(plan),
            model=named_model(model),
            options=model_options(config),
            media=media_place,
            climate=None if climate is None else str(climate.resolve()),
            hubs=self._hubs,
            sizes=sizes,
            counts=counts,
            items={m: items_of_piece(m, c, sizes[m]) for m, c in counts.items()},
            timeout_s=config.timeout_s,
            rows=self._rows or block_of(model),
        )
        _claim(self._job, plan, config.restart)
        return self._job

    def _encode(self, job: Job, numbers: pa.Table, told: Any) -> None:
        from prom3e_index.indexer.cluster.workers import Decode, DecodeAndEncode, Encode

        stream, parts = self._joined(), len(numbers)
        needs = _needs(stream, job, parts)
        if is_card(job.options["device"]):
            decoding = {"num_cpus": 1, "most": _worth(stream.processors - stream.cards, parts)}
            stages: list[Any] = [(Decode, decoding), (Encode, needs)]
        else:
            stages = [(DecodeAndEncode, needs)]
        stream.run(numbers, stages, job, told)

    def _joined(self) -> Stream:
        """The cluster, joined when it is first needed, left by `close`."""
        if self._stream is None:
            from prom3e_index.indexer.cluster import stream

            self._stream = self._open.enter_context(stream.joined(self._address))
        return self._stream

    def close(self) -> None:
        """Leave the cluster."""
        self._stream = None
        self._open.close()

    def make_shards(self, rows: KeptRows, progress: Progress) -> None:
        """Have every shard of the kept rows; those that are there already are not made again."""
        job = self._job
        assert job is not None, "rows are completed after they are encoded"
        n = len(rows.kept)
        shards = -(-n // job.rows)
        missing = sorted(set(range(shards)) - whole_shards(job))
        about = write_beside(job, self._own, rows, bool(missing))
        if missing:
            from prom3e_index.indexer.cluster.workers import Complete

            done = 0

            def told(row: dict[str, Any]) -> None:
                nonlocal done
                done += row["rows"]
                progress("complete", done, n)

            stream = self._joined()
            numbers = pa.table({"shard": pa.array(missing, pa.int64())})
            stream.run(numbers, [(Complete, _needs(stream, job, len(missing)))], job, told)
        self._about = {**about, "rows": n, "shards": shards}

    def complete(
        self, rows: KeptRows, stage: Path, hubs: str, progress: Progress
    ) -> NDArray[np.float32]:
        """See `Engine.complete`: shards that are there already are not made again, then all are read in order."""
        self.make_shards(rows, progress)
        model, job, n = rows.model, self._job, len(rows.kept)
        names = model.modalities
        assert job is not None
        save_array(stage / "embeddings" / "present.npy", rows.present)
        sigma_l1 = np.zeros(n, np.float32)
        width = model.width + hidden_width(model) + (0 if hubs == NO_HUBS else len(names))
        kinds = (("embedding", "embeddings", model.width), ("vector", "vectors", width))
        with ExitStack() as stack:
            files = {
                f"{what}_{m}": (
                    stack.enter_context(RowFile(stage / folder / f"{m}.npy", (n, w))),
                    w,
                )
                for what, folder, w in kinds
                for m in names
            }
            first = 0
            for table in read_shards(job, self._about["shards"], ["sigma_l1", *files]):
                sigma_l1[first : first + len(table)] = table.column("sigma_l1").to_numpy()
                for name, (file, w) in files.items():
                    file.write(first, dense(table.column(name), w))
                first += len(table)
                progress("read shards", first, n)
            for file, _ in files.values():
                file.settle()
        return sigma_l1

    def precision(self, model: Model, progress: Progress) -> dict[str, str]:
        """See `Engine.precision`."""
        for modality, (precision, again) in self._precision.items():
            if again:
                tell_of_again(modality, again, precision, progress)
        own = {m: model.encoder(m).forward.precision for m in model.settings.get("encoder", {})}
        return {**own, **{m: p for m, (p, _) in self._precision.items()}}

    def describe(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Write `shards.json`, and give what it says: the set is whole."""
        job = self._job
        assert job is not None
        for folder in ("shards", *(f"pieces/{m}" for m in job.counts)):
            job.storage.clear(folder, unfinished=True)
        whole = {**manifest, "format": FORMAT, "plan": job.plan, **self._about}
        before = job.storage.note(SHARDS) or {}
        if all(
            before.get(k) == whole[k] for k in ("plan", "rows")
        ):  # the same set, described again
            whole |= {k: before[k] for k in ("created", "history") if k in before}
        job.storage.put_note(SHARDS, whole)
        return whole


def _usual_s(model: Model) -> float:
    return float(model.audio_spec().window_s) if "audio" in model.settings.get("encoder", {}) else 0.0  # fmt: skip


def _items(job: Job, modality: str, piece: int) -> int:
    size = job.items[modality]
    return min(size, job.counts[modality] - piece * size)


def _worth(most: int, parts: int) -> int:
    """Workers at most: each takes seconds to start, so one with fewer than `_A_WORKERS` parts is not worth it."""
    return max(1, min(most, -(-parts // _A_WORKERS)))


def _needs(stream: Stream, job: Job, parts: int) -> dict[str, Any]:
    """What a worker with a network needs, and how many there are at most for so many parts."""
    if is_card(job.options["device"]):
        if not stream.cards:
            raise InputError(f"--device {job.options['device']}: the cluster has no GPU; use cpu.")
        return {"num_cpus": 1, "num_gpus": 1, "most": _worth(stream.cards, parts)}
    return {"num_cpus": 1, "most": _worth(stream.processors, parts)}


def _differing(known: dict[str, Any], plan: dict[str, Any]) -> str:
    """Names of what two plans do not have in common, of settings each."""
    one, other = ({**p, **p.get("settings", {})} for p in (known, plan))
    names = (one.keys() | other.keys()) - {"plan", "settings"}
    return ", ".join(sorted(n for n in names if one.get(n) != other.get(n)))


def _claim(job: Job, plan: dict[str, Any], restart: bool) -> None:
    """Make a place the plan's own, or see that it is; a restart discards what is there, of whatever plan.

    Raises:
        InputError: It belongs to another plan.
    """
    storage = job.storage
    known = storage.note(NOTE)
    if known is not None and (restart or known.get("plan") != job.plan):
        if not restart:
            raise InputError(
                f"{job.place} holds the shards of {known.get('table')} by the model {known.get('model')} (plan "
                f"{str(known.get('plan'))[:12]}), this is {plan['table']} by {plan['model']} (plan {job.plan[:12]}); "
                f"what differs: {_differing(known, plan)}. Name another place, --shards, or pass --restart to discard "
                "them."
            )
        made = [f"{what}/{m}" for what in ("pieces", "orders") for m in known.get("batches", {})]
        for folder in ("shards", "rows", *made):
            storage.clear(folder)
        storage.remove(SHARDS)
    storage.put_note(NOTE, {**plan, "plan": job.plan})
