"""Files that a server imports by itself, in place of rows that are sent to it.

Milvus 2.3 takes one Parquet file a task: lists for vectors and arrays, text for JSON, every field of the collection and
no other. What it does not take fails after the call, with a reason that is read here.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError, StoreError
from prom3e_index.store.engine import TOKEN, Engine, said
from prom3e_index.store.kinds import Fields

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKS_S = 0.2


def schema_of(fields: Fields) -> pa.Schema:
    """Columns of a file for a collection with these fields."""
    import pyarrow as pa

    kinds = {
        "INT64": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOL": pa.bool_(),
        "VARCHAR": pa.string(),
        "JSON": pa.string(),
        "ARRAY": pa.list_(pa.int64()),
    }
    scalars = [(name, kinds[kind]) for name, kind in fields.scalars.items()]
    return pa.schema([("row", pa.int64()), ("vector", pa.list_(pa.float32())), *scalars])


def file_table(
    schema: pa.Schema, scalars: Sequence[Mapping[str, Any]], vectors: NDArray[np.float16]
) -> pa.Table:
    """Rows of one target's collection as its file has them.

    Args:
        schema: From `schema_of`.
        scalars: (n) from `rows.Writer`.
        vectors: (n, width).
    """
    import pyarrow as pa

    flat = pa.array(np.asarray(vectors, np.float32).ravel())
    ends = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    columns = {"vector": pa.ListArray.from_arrays(pa.array(ends), flat)}
    for field in schema:
        if field.name != "vector":
            values: list[Any] = [s[field.name] for s in scalars]
            if field.name == "columns":
                values = [json.dumps(v, ensure_ascii=False) for v in values]
            columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=schema)


class Imports:
    """What a server imports into its collections.

    Args:
        engine: The connection.
        timeout_s: Seconds that files that are waited for together may take: importing and indexing them.

    Raises:
        InputError: Nothing here imports files: Milvus Lite, or a pymilvus that can no more.
    """

    def __init__(self, engine: Engine, timeout_s: float) -> None:
        if engine.address.lite:
            raise InputError(f"{engine.address} is a file of Milvus Lite, which imports no files.")
        try:
            from pymilvus import connections, utility
        except ImportError as e:
            raise InputError("This version of pymilvus asks for no imports; 3.0 does.") from e
        self._engine, self._timeout_s, self._utility = engine, timeout_s, utility
        self._connections, self._using = connections, f"prom3e-{id(self)}"
        with self._asked("it cannot be reached"):
            token = os.environ.get(TOKEN, "")
            connections.connect(alias=self._using, uri=engine.address.uri, token=token)

    def close(self) -> None:
        """Let go of the connection."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._connections.remove_connection(self._using)

    def start(self, name: str, path: str) -> int:
        """Have a file imported into a collection; give the number of the task.

        Args:
            name: The collection.
            path: The file as the server sees it.

        Raises:
            StoreError: It does not begin.
        """
        with self._asked(f"{path} cannot be imported into {name}"):
            return int(self._utility.do_bulk_insert(name, [path], using=self._using))

    def wait(self, tasks: Mapping[int, str]) -> None:
        """Wait until files are imported.

        Args:
            tasks: Number → collection and file, in words.

        Raises:
            StoreError: One cannot be, with the server's reason; or it takes too long.
        """
        from pymilvus import BulkInsertState as State

        end, left = time.monotonic() + self._timeout_s, dict(tasks)
        while left:
            for task, what in list(left.items()):
                with self._asked(f"the import of {what} cannot be followed"):
                    state = self._utility.get_bulk_insert_state(task, using=self._using)
                if state.state == State.ImportCompleted:
                    del left[task]
                elif state.state in (State.ImportFailed, State.ImportFailedAndCleaned):
                    reason = " ".join(str(state.failed_reason).split())[:300]
                    raise StoreError(
                        f"{self._engine.address}: the import of {what} failed: {reason}"
                    )
                elif time.monotonic() > end:
                    raise StoreError(
                        f"{self._engine.address}: the import of {what} is {state.state_name} after "
                        f"{self._timeout_s:g} s; look at the server's log, or allow more."
                    )
            if left:
                time.sleep(_LOOKS_S)

    def settle(self, name: str) -> None:
        """Wait until nothing that was begun earlier is being imported into a collection, whatever became of it.

        Raises:
            StoreError: It takes too long.
        """
        from pymilvus import BulkInsertState as State

        over = (State.ImportCompleted, State.ImportFailed, State.ImportFailedAndCleaned)
        end = time.monotonic() + self._timeout_s
        while True:
            with self._asked(f"imports into {name} cannot be listed"):
                found = self._utility.list_bulk_insert_tasks(0, name, using=self._using)
            if all(t.state in over for t in found):
                return
            if time.monotonic() > end:
                raise StoreError(
                    f"{self._engine.address}: an earlier import into {name} has not ended in {self._timeout_s:g} s."
                )
            time.sleep(_LOOKS_S)

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        with warnings.catch_warnings(), said(self._engine.address, what):
            warnings.simplefilter("ignore")  # that it goes in a later version of pymilvus
            yield
