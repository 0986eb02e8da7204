"""The few things that are asked of a vector store: a thin hand on pymilvus, which is imported when a store is opened.

Milvus 2.3 and later and Milvus Lite do them; what only later versions can is not asked for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, StoreError
from prom3e_index.store.address import Address
from prom3e_index.store.kinds import Fields, Kind
from prom3e_index.store.literals import EVERYTHING

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Floats = NDArray[np.float32]
R = TypeVar("R")
MOST = 16_384
"""Rows that one search or one question gives at most, as Milvus is set."""
TOKEN = "PROM3E_STORE_TOKEN"
"""Environment variable with the token, or `user:password`, of a store that asks for one; read when it is opened."""
READY_S = 600.0
"""Seconds that building an index or loading a collection may take: a wrong parameter never ends by itself."""
_ASKED_S = 20.0
"""Seconds that a question may take: a server that is gone is asked again and again until then."""
_NAMED_S = 5.0
"""The same of a name alone."""
_LITE_OPTIONS = {"grpc.keepalive_time_ms": 300_000, "grpc.keepalive_permit_without_calls": False}
"""Milvus Lite turns away who asks every ten seconds whether it lives, as the client does unless told."""
_AT_ONCE_BYTES = 16 << 20


@contextmanager
def said(address: Address, what: str) -> Iterator[None]:
    """Give what a store or the way to it fails with as an error of ours."""
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, RpcError, ConnectionError, ValueError) as e:
        reason = " ".join(str(getattr(e, "message", "") or e).split())[:300]
        raise StoreError(f"{address}: {what}: {reason}") from e


class Engine:
    """A server of vectors, connected.

    Raises:
        InputError: pymilvus is not installed.
        StoreError: Nothing answers at the address, within `timeout_s`.
    """

    def __init__(self, address: Address, timeout_s: float = 20.0) -> None:
        self.address = address
        try:
            from pymilvus import MilvusClient
        except ImportError as e:
            raise InputError(
                f"{address} needs pymilvus, which is not installed: pip install 'prom3e-index[milvus]'."
            ) from e
        logging.getLogger("pymilvus").setLevel(
            logging.CRITICAL + 1
        )  # errors are raised, and said once
        if address.lite:
            _refuse_no_lite(address)
        with said(address, "it cannot be reached"):
            self.client: MilvusClient = MilvusClient(
                uri=address.uri,
                token=os.environ.get(TOKEN, ""),
                timeout=timeout_s,
                grpc_options=_LITE_OPTIONS if address.lite else {},
            )
            self.version = str(self.client.get_server_version())
            if address.lite:  # with its process it forgets what was loaded
                for name in self.names(f"{address.name}__"):
                    if self.client.list_indexes(name):
                        self.client.load_collection(name)

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()

    def create(self, name: str, fields: Fields, kind: Kind | None, note: str = "") -> None:
        """Make a collection, and say how it is indexed, if it is.

        Raises:
            StoreError: One of that name is there with other fields.
        """
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, description=note)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=fields.width)
        for scalar, what in fields.scalars.items():
            more: dict[str, Any] = {}
            if what == "VARCHAR":
                more = {"max_length": 65_535}
            if what == "ARRAY":
                more = {"element_type": DataType.INT64, "max_capacity": 64}
            schema.add_field(scalar, getattr(DataType, what), **more)
        with said(self.address, f"{name} cannot be made"):
            self.client.create_collection(name, schema=schema, consistency_level="Bounded")
        if kind is not None:
            self.index(name, kind)

    def index(self, name: str, kind: Kind) -> None:
        """Say how a collection is indexed."""
        form, parameters = kind.parameters()
        made = self.client.prepare_index_params()
        made.add_index("vector", index_type=form, metric_type="IP", params=parameters)
        with said(self.address, f"{name} cannot be indexed as {kind.name}"):
            self.client.create_index(name, made, sync=False)

    def ready(
        self, names: Sequence[str], timeout_s: float = READY_S, *, written: bool = True
    ) -> None:
        """Wait until collections are searchable; where much was `written`, until that is on disk and indexed.

        What was not is searched row by row, until Milvus indexes it by itself.

        A parameter that an index cannot have is no error to Milvus: it tries for ever. So the state is read, and the
        wait has an end.

        Raises:
            StoreError: Not in time; says how far it came.
        """
        end = time.monotonic() + timeout_s
        if written:
            self.of_each(names, lambda name: self._flush(name, end))
        for name in names:
            if written:
                self._indexed(name, end)
            with said(self.address, f"{name} cannot be loaded"):
                self.client.load_collection(name, _async=True)
        for name in names:
            self._loaded(name, end)

    def of_each(self, names: Iterable[str], do: Callable[[str], R]) -> list[R]:
        """Do the same with several collections at once: what was written is waited for together, 200 ms a question."""
        some = list(names)
        with ThreadPoolExecutor(max(1, len(some))) as pool:
            return list(pool.map(do, some))

    def _flush(self, name: str, end: float) -> None:
        with said(self.address, f"{name} cannot be written to disk"):
            self.client.flush(name, timeout=max(1.0, end - time.monotonic()))

    def _indexed(self, name: str, end: float) -> None:
        state: dict[str, Any] = {}
        while True:
            with said(self.address, f"{name} cannot be indexed"):
                for index in self.client.list_indexes(name) or ["vector"]:
                    state = self.client.describe_index(name, index) or {}
            done = str(state.get("state", "Finished"))
            waiting = int(state.get("pending_index_rows", 0) or 0)
            if done in ("Finished", "3") and not waiting:
                return
            if done in ("Failed", "4") or time.monotonic() > end:
                why = state.get("index_state_fail_reason") or "no reason is given"
                raise StoreError(
                    f"{self.address}: the index of {name} is {done} with {waiting:,} rows to go: {why}. Ask for "
                    "another kind, or look at the server's log."
                )
            time.sleep(0.2)

    def _loaded(self, name: str, end: float) -> None:
        while True:
            with said(self.address, f"{name} cannot be loaded"):
                state = self.client.get_load_state(name)
            if "Loaded" in str(state.get("state")) and "NotLoad" not in str(state.get("state")):
                return
            if time.monotonic() > end:
                raise StoreError(
                    f"{self.address}: {name} is not loaded in time ({state}); the server may lack memory."
                )
            time.sleep(0.1)

    def release(self, name: str) -> None:
        """Take a collection out of the server's memory; `ready` loads it with all that is there then."""
        with said(self.address, f"{name} cannot be released"):
            self.client.release_collection(name)

    def insert(self, name: str, rows: Sequence[dict[str, Any]], again: bool = False) -> None:
        """Write rows; `again` where some of them may be there already."""
        if not rows:
            return
        each = max(1, len(rows[0]["vector"]) * 8)
        step = max(1, _AT_ONCE_BYTES // each)
        with said(self.address, f"rows cannot be written to {name}"):
            for at in range(0, len(rows), step):
                part = list(rows[at : at + step])
                (self.client.upsert if again else self.client.insert)(name, part)

    def delete(self, name: str, rows: Sequence[int]) -> None:
        """Take rows out for good."""
        with said(self.address, f"rows of {name} cannot be taken out"):
            for at in range(0, len(rows), MOST):
                self.client.delete(name, ids=[int(r) for r in rows[at : at + MOST]])

    def search(
        self,
        name: str,
        vectors: Floats,
        k: int,
        where: str,
        parameters: dict[str, int],
        strong: bool = False,
    ) -> list[tuple[Floats, NDArray[np.int64]]]:
        """The nearest rows of each vector, by inner product: scores, highest first, and row numbers."""
        with said(self.address, f"{name} cannot be searched"):
            found = self.client.search(
                name,
                data=[v.tolist() for v in np.asarray(vectors, np.float32)],
                anns_field="vector",
                filter="" if where == EVERYTHING else where,
                limit=min(k, MOST),
                search_params={"metric_type": "IP", "params": parameters},
                consistency_level=_level(strong),
                timeout=_ASKED_S,
            )
        out = []
        for hits in found:
            rows = [int(h["row"] if "row" in h else h["id"]) for h in hits]
            scores = [float(h["distance"]) for h in hits]
            out.append((np.array(scores, np.float32), np.array(rows, np.int64)))
        return out

    def count(self, name: str, where: str, strong: bool = False) -> int:
        """How many rows satisfy an expression."""
        with said(self.address, f"rows of {name} cannot be counted"):
            found = self.client.query(
                name,
                filter=where,
                output_fields=["count(*)"],
                consistency_level=_level(strong),
                timeout=_ASKED_S,
            )
        return int(found[0]["count(*)"])

    def fetch(
        self, name: str, where: str, fields: Sequence[str], limit: int, strong: bool = False
    ) -> list[dict[str, Any]]:
        """Fields of rows that satisfy an expression, `limit` at most, in no order."""
        with said(self.address, f"rows of {name} cannot be read"):
            found = self.client.query(
                name,
                filter=where,
                output_fields=[*fields],
                limit=min(limit, MOST),
                consistency_level=_level(strong),
                timeout=_ASKED_S,
            )
        return [dict(r) for r in found]

    def rows(
        self, name: str, numbers: Sequence[int], fields: Sequence[str], strong: bool = False
    ) -> dict[int, dict[str, Any]]:
        """Fields of rows by their numbers; rows that are not there are left out."""
        out: dict[int, dict[str, Any]] = {}
        step = 256 if "vector" in fields else 4096
        for at in range(0, len(numbers), step):
            part = [int(n) for n in numbers[at : at + step]]
            for row in self.fetch(name, f"row in {part}", ["row", *fields], len(part), strong):
                out[int(row["row"])] = row
        return out

    def every(
        self, name: str, where: str, fields: Sequence[str], step: int = 4096, strong: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """Fields of all rows that satisfy an expression, in parts; each part has later rows than the one before."""
        few = self.fetch(name, where, ["row", *fields], step, strong)
        if len(few) < min(step, MOST):
            yield from [few] if few else []
            return
        with said(self.address, f"rows of {name} cannot be read"):
            each = self.client.query_iterator(
                name,
                batch_size=step,
                filter=where,
                output_fields=["row", *fields],
                consistency_level=_level(strong),
                timeout=_ASKED_S,
            )
        try:
            while True:
                with said(self.address, f"rows of {name} cannot be read"):
                    part = each.next()
                if not part:
                    return
                yield [dict(r) for r in part]
        finally:
            each.close()

    def names(self, prefix: str) -> list[str]:
        """Collections whose names begin so."""
        with said(self.address, "its collections cannot be listed"):
            return sorted(n for n in self.client.list_collections() if n.startswith(prefix))

    def field_names(self, name: str) -> list[str]:
        """Fields of a collection."""
        with said(self.address, f"{name} cannot be described"):
            return [str(f["name"]) for f in self.client.describe_collection(name)["fields"]]

    def drop(self, names: Iterable[str]) -> None:
        """Take collections away."""
        for name in names:
            with said(self.address, f"{name} cannot be taken away"):
                self.client.drop_collection(name)

    def current(self, alias: str) -> str | None:
        """The collection that an alias stands for; None where there is no such alias."""
        from pymilvus.exceptions import MilvusException

        try:
            return str(self.client.describe_alias(alias, timeout=_NAMED_S)["collection_name"])
        except MilvusException as e:
            if "alias" in str(e) and ("not" in str(e)):
                return None
            with said(self.address, f"the alias {alias} cannot be read"):
                raise

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for another collection, from one moment to the next."""
        there = self.current(alias) is not None
        with said(self.address, f"the alias {alias} cannot be set"):
            (self.client.alter_alias if there else self.client.create_alias)(name, alias)


def _level(strong: bool) -> str:
    """Strong waits until all that was written is seen, some 200 ms; Bounded answers at once, of some seconds ago."""
    return "Strong" if strong else "Bounded"


def _refuse_no_lite(address: Address) -> None:
    from importlib.util import find_spec

    if find_spec("milvus_lite") is None:
        raise InputError(f"{address} needs milvus-lite: pip install milvus-lite.")
