"""What every worker of a cluster is told of a build, and the plan that all its files belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prom3e_index.indexer.cluster.storage import Storage
from prom3e_index.indexer.work import BuildConfig, identity
from prom3e_index.models.device import is_card
from prom3e_index.models.folder import Model, built_in

if TYPE_CHECKING:
    import duckdb

FORMAT = 1
NOTE = "plan.json"
"""In the place of shards: the plan that they belong to, written before any of them."""
_OF_HERE = ("table", "media", "model", "hub", "climate", "weights", "engine")
"""Parts of an identity that say where things are: content is there beside, and where workers find media."""
MOST_BATCHES = {"image": 32, "sat": 32, "audio": 16, "text": 16, "loc": 16, "env": 16}
"""Batches of an encoder in one piece: about 128 MB of decoded photos or recordings; what one lost worker costs."""
PIECES = 64
"""Of fewer items so many pieces are made, so that many workers have something to do."""


@dataclass(frozen=True)
class Job:
    """A build, as its workers know it; all of it can be sent.

    Attributes:
        place: Of the shards.
        plan: SHA-256 of the table, model and settings, in hexadecimal.
        model: Name of a built-in model, or folder.
        options: Of `Model.open`: `hub`, `device`, `exif_transpose`, `audio_windows`.
        media: Folder of relative media paths, or an address.
        climate: Raster of climates.
        hubs: Correction against hubs.
        sizes: Of each modality that is encoded, items of a batch.
        items: Of each such modality, items of a piece: whole batches.
        counts: Of each such modality, items in all.
        rows: Of a shard: as many as are completed at a time.
        timeout_s: Seconds for one file.
    """

    place: str
    plan: str
    model: str
    options: dict[str, Any]
    media: str
    climate: str | None
    hubs: str
    sizes: dict[str, int]
    counts: dict[str, int]
    rows: int
    timeout_s: float = 120.0
    items: dict[str, int] = field(default_factory=dict)

    @cached_property
    def storage(self) -> Storage:
        """Where the shards are."""
        return Storage(self.place)

    def pieces(self, modality: str) -> int:
        """How many pieces a modality has."""
        return -(-self.counts[modality] // self.items[modality])

    def open_model(self) -> Model:
        """The model, on a worker's device."""
        return Model.open(self.model, **self.options)


def items_of_piece(modality: str, count: int, size: int) -> int:
    """Items of a piece: whole batches, many where there are many items."""
    batches = -(-count // size) // PIECES
    return size * min(max(1, batches), MOST_BATCHES.get(modality, 16))


def plan_of(
    con: duckdb.DuckDBPyConnection,
    config: BuildConfig,
    model: Model,
    hubs: str,
    sizes: dict[str, int],
    media: str,
) -> dict[str, Any]:
    """What a plan is made of: content of table and weights, settings, and the planned rows themselves.

    Of media it has the place and the names; a file that is replaced under its name makes no other plan.

    Two plans with one hash lead to the same vectors bit for bit on processors of one kind.
    """
    rows, told = con.execute("SELECT count(*), bit_xor(hash(p)) FROM planned p").fetchall()[0]
    known = {k: v for k, v in identity(config, model).items() if k not in _OF_HERE}
    card = is_card(config.device)
    return {
        "format": FORMAT,
        "table": config.table,
        "media": media,
        "model": model.name,
        "rows": int(rows),
        "planned": f"{int(told or 0):016x}",
        "settings": known,
        "hubs": hubs,
        "batches": sizes,
        "device": "cuda" if card else "cpu",
    }


def hash_of(plan: dict[str, Any]) -> str:
    """SHA-256 of a plan's content, wherever its table is."""
    known = {k: v for k, v in plan.items() if k not in ("table", "plan")}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def model_options(config: BuildConfig) -> dict[str, Any]:
    """Options with which a worker opens the model; of the cards of its machine it sees its own alone."""
    return {
        "hub": None if config.hub is None else config.hub.resolve(),
        "device": "cuda" if is_card(config.device) else config.device,
        "exif_transpose": config.exif_transpose,
        "audio_windows": config.audio_windows,
    }


def named_model(model: Model) -> str:
    """A built-in model by its name, another by its folder: what other machines know it by."""
    return model.called if model.called in built_in() else str(model.folder.resolve())
