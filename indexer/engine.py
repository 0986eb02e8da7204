"""Where rows are encoded and completed: here, or on the machines of a cluster (`cluster/`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.indexer.complete import KeptRows, complete
from prom3e_index.indexer.embed import PlannedRows, embed
from prom3e_index.indexer.plan import Progress
from prom3e_index.indexer.unfinished import take_over
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.tables import EMBEDDINGS


class Engine(Protocol):
    """Does the work of a plan; whatever it is, the same rows come of it, bit for bit."""

    def embed(self, rows: PlannedRows) -> None:
        """Encode planned rows, and leave in their work folder the state of each modality of each, and what was lost."""
        ...

    def complete(
        self, rows: KeptRows, stage: Path, hubs: str, progress: Progress
    ) -> NDArray[np.float32]:
        """Write a segment's embeddings and gallery vectors; see `complete.complete`."""
        ...

    def precision(self, model: Model, progress: Progress) -> dict[str, str]:
        """At which precision each encoder ran; rows that were made again in single precision are told of."""
        ...

    def describe(self, manifest: dict[str, Any]) -> object:
        """Leave what was made described beside it, as a manifest describes it, where others read it."""
        ...

    def close(self) -> None:
        """Let go of what does the work."""
        ...


class Here:
    """This process, with decode processes beside it."""

    def embed(self, rows: PlannedRows) -> None:
        """See `Engine.embed`; what earlier work encoded is taken over."""
        take_over(rows.con, rows.work, rows.model, rows.n, rows.media, rows.progress)
        embed(rows)

    def complete(
        self, rows: KeptRows, stage: Path, hubs: str, progress: Progress
    ) -> NDArray[np.float32]:
        """See `complete.complete`."""
        return complete(rows, stage, hubs, progress)

    def precision(self, model: Model, progress: Progress) -> dict[str, str]:
        """See `Engine.precision`."""
        encoders = {m: model.encoder(m).forward for m in model.settings.get("encoder", {})}
        for modality, forward in encoders.items():
            if forward.again:
                tell_of_again(modality, forward.again, forward.precision, progress)
        return {m: f.precision for m, f in encoders.items()}

    def describe(self, manifest: dict[str, Any]) -> None:
        """Nothing is left but the index."""

    def close(self) -> None:
        """Nothing is held."""


def tell_of_again(modality: str, rows: int, precision: str, progress: Progress) -> None:
    """Tell of rows that were no numbers in half precision."""
    progress(
        f"{rows:,} rows of {modality} were no numbers in {precision}; made again in float32",
        0,
        None,
    )


HERE = Here()

ENGINES = ("ray",)


def engine_of(config: BuildConfig, work: Path, hubs: str) -> Engine:
    """The engine that a build asks for.

    Args:
        config: Its `engine`, `ray_address` and `shards`.
        work: Its work folder.
        hubs: Correction against hubs.
    """
    if config.engine is None:
        return HERE
    from prom3e_index.indexer.cluster.on_cluster import OnCluster

    return OnCluster(work, config.shards, config.ray_address, hubs)


def checked_engine(config: BuildConfig, kind: str) -> None:
    """Refuse an engine that is not known, or that a table is not for.

    Raises:
        InputError: It is; or a cluster is named without it.
    """
    if config.engine is None:
        for name in ("ray_address", "shards", "media_address"):
            if (value := getattr(config, name)) is not None:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} {value} goes with --engine ray.")
        return
    if config.engine not in ENGINES:
        raise InputError(f"--engine is {config.engine!r}; known: {', '.join(ENGINES)}.")
    if kind in EMBEDDINGS:
        raise InputError(
            f"{config.table} holds embeddings ({kind}), of which nothing is left to encode; leave out --engine ray."
        )
