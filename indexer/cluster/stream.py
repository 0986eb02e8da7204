"""Ray Data: the one file that imports Ray. It moves numbers of pieces and shards; what is large lies in files."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.indexer.cluster.job import Job

INSTALL = 'pip install "prom3e-index[ray]"'
FEWEST = 2
"""Processors that a cluster of one small machine says it has: one that decodes beside one that keeps a card busy."""
_ANSWERS_S = 10.0
_BLOCKS = 4096
"""Parts that the numbers are handed out in, at most: a worker that dies repeats the looks at one part's files."""
_KEPT = "What is finished is kept; the same command goes on from there."


class Stream:
    """A cluster, joined or begun here.

    Attributes:
        processors: Of all machines.
        cards: Of all machines.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        found = ray.cluster_resources()
        self.processors = int(found.get("CPU", 0))
        self.cards = int(found.get("GPU", 0))

    def run(
        self,
        given: pa.Table,
        stages: Sequence[tuple[type[Any], dict[str, Any]]],
        job: Job,
        done: Callable[[dict[str, Any]], None],
    ) -> None:
        """Send the rows of a table through workers, one by one, in any order; tell of each that came through.

        Args:
            given: Numbers.
            stages: Classes of workers, and what one of them needs: `num_cpus`, `num_gpus`, and how many at most.
            job: What each worker is made with.
            done: Given each row that the last stage gave.

        Raises:
            InputError: The cluster could not do it, or came no further for half an hour; and what a worker raised on
                purpose.
        """
        from ray.data import ActorPoolStrategy

        # `from_arrow` would ask a worker about each part, and wait for ever where others have all processors.
        parts = min(len(given), _BLOCKS)
        data = self._ray.data.from_items(given.to_pylist(), override_num_blocks=parts)
        for worker, needs in stages:
            most = max(1, needs["most"])
            # One stage has all processors, so its workers start at once; of two, each first has one.
            at_first = most if len(stages) == 1 else 1
            data = data.map_batches(
                worker,
                batch_size=1,
                batch_format="pyarrow",
                fn_constructor_args=(job,),
                compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=at_first),
                **{k: v for k, v in needs.items() if k != "most"},
            )
        try:
            for table in data.iter_batches(batch_size=None, batch_format="pyarrow"):
                for row in table.to_pylist():
                    done(row)
        except self._ray.data.exceptions.ExecutionTimeoutError as e:
            waited = self._ray.data.DataContext.get_current().execution_no_progress_timeout_s
            raise InputError(
                f"The cluster came no further for {waited:,.0f} s: others have all its processors, or a worker hangs "
                f"({', '.join(worker.__name__ for worker, _ in stages)}). {_KEPT} Where such a wait is to be expected, "
                "set RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S to more seconds."
            ) from e
        except self._ray.exceptions.RayError as e:
            raise _meant(e) from e


def _meant(error: BaseException) -> Prom3eError:
    """What a worker raised on purpose, or that the cluster failed, in one sentence."""
    seen: BaseException | None = error
    for _ in range(8):
        if isinstance(seen, Prom3eError):
            return type(seen)(seen.typed)
        seen = getattr(seen, "cause", None) or getattr(seen, "__cause__", None)
        if seen is None:
            break
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else type(error).__name__
    return InputError(f"The cluster did not finish: {said} {_KEPT}")


def _answers(address: str | None) -> None:
    """See that somebody listens at HOST:PORT; Ray itself tries for many minutes.

    Raises:
        InputError: Nobody does.
    """
    host, colon, port = (address or "").rpartition(":")
    if not (colon and port.isdigit() and "//" not in host):
        return
    try:
        socket.create_connection((host, int(port)), _ANSWERS_S).close()
    except (OSError, OverflowError) as e:
        raise InputError(f"No cluster answers at {address}: {e}.") from e


@contextmanager
def _unheard() -> Iterator[None]:
    """Let nothing reach stderr: Ray's core writes there that its level of logging was set."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def joined(address: str | None) -> Iterator[Stream]:
    """A Ray cluster at an address, or one of this machine alone, ended at the end; one that was joined before stays.

    Raises:
        InputError: Ray is not installed or does not start, there is no cluster at the address, or another was joined
            before.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault(
        "RAY_BACKEND_LOG_LEVEL", "fatal"
    )  # what fails is an error here, not a line of a log
    try:
        import ray
        import ray.data
        import ray.data.exceptions
        import ray.exceptions
    except ModuleNotFoundError as e:
        raise InputError(
            f"--engine ray needs the package {(e.name or 'ray').partition('.')[0]}, which is not installed: {INSTALL}"
        ) from e
    begun = not ray.is_initialized()
    if not begun:
        known = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", known):
            raise InputError(
                f"This process has joined the cluster at {known}, not the one at {address}; leave out --ray-address, "
                "or leave that cluster first: ray.shutdown()."
            )
    else:
        _answers(address)
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        own = {"include_dashboard": False, "num_cpus": max(FEWEST, os.cpu_count() or FEWEST)}
        here = own if address is None else {}
        try:
            with _unheard():
                ray.init(address=address or "local", **quiet, **here)
        except Exception as e:  # bare ones too: "The current node timed out during startup."
            ray.shutdown()  # what has begun of it
            said = (str(e).splitlines() or [type(e).__name__])[0]
            if address is None:
                raise InputError(f"Ray does not start on this machine: {said} {_KEPT}") from e
            raise InputError(f"No cluster can be joined at {address}: {said}") from e
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield Stream(ray)
    finally:
        logger.setLevel(level)
        if begun:
            ray.shutdown()
