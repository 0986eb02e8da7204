"""The head of a store: what a reader needs besides the rows, kept beside them, one for each generation.

It is a small collection of its own, named by the store's alias. Changing an index of another generation is one move of
that alias: a reader sees the rows of the generation whose head it has read, and no half of a change.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest_check import check_parts
from prom3e_index.errors import InputError, StoreError
from prom3e_index.store.engine import Engine
from prom3e_index.store.kinds import KINDS, Fields, Kind

FORMAT = 1
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,250}")
_NEEDED = (
    "modalities",
    "width",
    "hidden_width",
    "model",
    "fingerprints",
    "history",
    "generation",
    "created",
)
Askers = dict[str, NDArray[np.float16]]
"""Modality → embeddings (n, d) of some rows, that `certify` asks with: rows as one asks for a target by another."""
_PART = 60_000
_ASKERS = 1 << 20
"""Where the askers begin, which no other reader fetches."""
_MOST_BYTES = 1 << 30
_FIELDS = Fields(2, {"part": "VARCHAR"})


@dataclass(frozen=True)
class Head:
    """One generation of a store.

    Attributes:
        generation: Rows born in it or before, and not gone by then, are its rows.
        rows: How many they are.
        places: Row numbers given so far.
        collections: Target → collection.
        kind: How they are searched.
        columns: Name → key and type, see `rows.keys_of`.
        order: All columns of the observations, in their order.
        manifest: The index's, without what names files of its folder, and without the certificate of its search there.
        firsts: First row of each part whose `statistics` follow.
        statistics: See `search.uncertainty`.
        calibration: JSON of the index's own; None without.
        media: First row and folders of files, of the rows from there on.
        summary: What is told of all rows; see `known.Summary`.
        certificate: What its search was measured to find; None before `certify`, and once a tenth of the rows changed.
        asked: Name of the kind that was asked for; None where it was chosen by the number of rows.
    """

    generation: int
    rows: int
    places: int
    collections: dict[str, str]
    kind: dict[str, Any]
    columns: dict[str, Any]
    order: list[str]
    manifest: dict[str, Any]
    firsts: list[int] = field(default_factory=list)
    statistics: list[dict[str, Any]] = field(default_factory=list)
    calibration: Any = None
    media: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    certificate: dict[str, Any] | None = None
    asked: str | None = None

    @property
    def searched(self) -> Kind:
        """How its collections are searched."""
        return Kind(**self.kind)

    @property
    def visible(self) -> str:
        """The expression of the rows of this generation."""
        return f"born <= {self.generation} and gone > {self.generation}"


def head_name(store: str, generation: int, token: str) -> str:
    """The collection of a generation's head."""
    return f"{store}__head_{generation:06d}_{token}"


def newest_generation(engine: Engine) -> int:
    """The highest generation that a store has the head of, by their names alone; 0 without any."""
    begin = head_name(engine.address.name, 0, "").rpartition("000000_")[0]
    numbers = (n.removeprefix(begin).partition("_")[0] for n in engine.names(begin))
    return max((int(n) for n in numbers if n.isdecimal()), default=0)


def write_head(engine: Engine, name: str, head: Head, askers: Askers) -> None:
    """Write a head as a collection, and beside it what `certify` asks with; nothing points to it yet."""
    packed = base64.b85encode(
        zlib.compress(json.dumps({"format": FORMAT, **asdict(head)}).encode(), 6)
    )
    arrays = io.BytesIO()
    np.savez(arrays, **askers)
    engine.drop(n for n in engine.names(name) if n == name)
    engine.create(name, _FIELDS, Kind())
    rows = _rows(0, packed) + _rows(_ASKERS, base64.b64encode(arrays.getvalue()))
    engine.ready([name], written=False)
    engine.insert(name, rows)
    engine.ready([name])  # on disk, before anything points to it
    there = read_askers(engine, name)
    same = there.keys() == askers.keys() and all(np.array_equal(there[m], askers[m]) for m in there)
    if read_head(engine, name) != head or not same:
        raise StoreError(
            f"{engine.address}: {name} reads back otherwise than it was written; try again."
        )


def read_head(engine: Engine, name: str) -> Head:
    """Read the head of a generation.

    Raises:
        StoreError: It is damaged, or of a later format.
    """
    try:
        text = _text(engine, name, 0, f"row < {_ASKERS}")
        unpack = zlib.decompressobj()
        values = json.loads(unpack.decompress(base64.b85decode(text), _MOST_BYTES))
        version = int(values.pop("format"))
        if version > FORMAT:
            raise StoreError(
                f"{engine.address} is a store of format {version}, this program reads {FORMAT}; update it."
            )
        return _checked(Head(**values))
    except (KeyError, ValueError, TypeError, AttributeError, zlib.error) as e:
        raise StoreError(
            f"{engine.address}: {name} is no head of a store ({type(e).__name__}: {str(e)[:80]}). Push the index again."
        ) from e


def _checked(head: Head) -> Head:
    """A head whose values are what they must be: others may write to a store.

    Raises:
        ValueError: One is not.
    """
    numbers = (head.generation, head.rows, head.places)
    if not all(isinstance(n, int) and 0 <= n < 1 << 48 for n in numbers) or not head.generation:
        raise ValueError(f"generation, rows and places are {numbers}")
    check_parts(head.manifest, _NEEDED)
    names = {
        *head.collections,
        *head.collections.values(),
        *(e["key"] for e in head.columns.values()),
    }
    if not head.collections or not all(isinstance(n, str) and _WORD.fullmatch(n) for n in names):
        raise ValueError("names of collections or columns are none")
    if not set(head.collections) <= set(head.manifest["modalities"]):
        raise ValueError(f"targets are {list(head.collections)}")
    sizes = [v for k, v in head.kind.items() if k != "name"]
    known = head.searched.name in KINDS and head.asked in (None, *KINDS)
    if not known or not all(isinstance(v, int) for v in sizes):
        raise ValueError(f"kind is {head.kind}, asked for {head.asked!r}")
    texts = [*head.columns, *head.order, *(e["type"] for e in head.columns.values())]
    if not all(isinstance(t, str) for t in texts):
        raise ValueError("columns are not named by texts")
    firsts = [e["first"] for e in head.media if isinstance(e["media"], str)]
    if not firsts or not all(isinstance(f, int) for f in firsts) or len(firsts) < len(head.media):
        raise ValueError("media are nowhere")
    return head


def read_askers(engine: Engine, name: str) -> Askers:
    """Read what `certify` asks with from the collection of a head.

    Raises:
        StoreError: It is not there, or damaged.
    """
    try:
        packed = base64.b64decode(_text(engine, name, _ASKERS, f"row >= {_ASKERS}"), validate=True)
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return dict(arrays)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as e:
        raise StoreError(
            f"{engine.address}: {name} has nothing to ask with ({type(e).__name__}: {str(e)[:80]}). Push it anew: "
            f"`prom3e-index push INDEX|SHARDS --replace --store {engine.address}`."
        ) from e


def _rows(first: int, packed: bytes) -> list[dict[str, Any]]:
    """A text cut into rows; the first one says how many follow."""
    text = packed.decode()
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
    return [
        {"row": first + i, "vector": [0.0, 0.0], "part": p}
        for i, p in enumerate([str(len(parts)), *parts])
    ]


def _text(engine: Engine, name: str, first: int, where: str) -> str:
    found = engine.fetch(name, where, ["row", "part"], 1 << 14, strong=True)
    parts = {int(r["row"]): str(r["part"]) for r in found}
    return "".join(parts[first + i + 1] for i in range(int(parts[first])))


def media_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where the files of each part's rows are, by its first row."""
    out, first = [], 0
    for entry in manifest["segments"]:
        kept = {k: entry[k] for k in ("media", "built_media", "folders") if entry.get(k)}
        out.append({"first": first, **kept, "media": str(entry["media"])})
        first += int(entry["rows"])
    return out


def trimmed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what names files of its folder, or ways from there."""
    left_out = ("files", "segments", "deleted", "certificate")  # the folder's own
    out = {k: v for k, v in manifest.items() if k not in left_out}
    out["model"] = {k: v for k, v in manifest["model"].items() if not k.endswith("beside")}
    return json.loads(json.dumps({**out, "segments": [], "files": {}}))  # type: ignore[no-any-return]


def push_anew(address: object, manifest: Mapping[str, Any]) -> str:
    """The command that fills a store anew from what has this manifest: an index, or shards."""
    word = "INDEX" if manifest.get("shards") is None else "SHARDS"
    return f"`prom3e-index push {word} --replace --store {address}`"


def folder_needed(what: str, store: object, manifest: Mapping[str, Any]) -> InputError:
    """The error of what only a folder can do; of a store that was filled from shards, how a folder is made."""
    shards, make = manifest.get("shards"), ""
    if shards is not None:
        build = f"`prom3e-index build TABLE --engine ray --shards {shards['place']}`"
        make = f" It was filled from shards; {build} makes an index folder of them."
    return InputError(
        f"{what} needs an index folder; the store {store} answers queries and filters.{make}"
    )
