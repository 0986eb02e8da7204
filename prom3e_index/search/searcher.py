"""An opened index that stays warm, for a program that answers one question after another."""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import InputError, Prom3eError, ShapeError
from prom3e_index.models.device import checked_device
from prom3e_index.search.answered import Answer
from prom3e_index.search.asked import REFUSED, Asked, Clock
from prom3e_index.search.batch import answer, answers, begin, decode, encode, finish
from prom3e_index.search.examples import check_rows
from prom3e_index.search.query import Query
from prom3e_index.search.warm import Warm

Floats = NDArray[np.float32]
_WARM = 50
"""Hits of the queries that warm a searcher: as many as are read in the way that many are."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a query gives, as embeddings: the same whatever is searched for, among what and how many.

    Attributes:
        rows: (m, d) float32, unit rows in the order of the model's modalities; zeros where nothing is given.
        present: (m,) which modalities are given.
        notes: What is to be said of what was given.
    """

    rows: Floats
    present: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


class Searcher:
    """An opened index that stays warm: model, decode processes, rows of the last filters.

        with Bundle.open("index.p3i") as bundle, Searcher(bundle) as searcher:
            searcher.warm()
            answer = searcher.search(Query(image="heron.jpg"))

    Hits and scores are those of `Bundle.search`. Any number of threads may ask; one at a time encodes.

    Args:
        bundle: The opened index; it is not closed with the searcher.
        workers: Decode processes, at most; each is started when it is first needed.
        timeout_s: Seconds that one file may take to be decoded.
        device: Where the encoders run, of queries that do not say.

    Raises:
        InputError: No device of this machine.
    """

    def __init__(
        self,
        bundle: BundleFolder,
        *,
        workers: int = 2,
        timeout_s: float = 30.0,
        device: str = "cpu",
    ) -> None:
        self.bundle, self.device = bundle, checked_device(device)
        self._warm = Warm(workers, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decode processes; nothing is answered then. The index stays open."""
        self._warm.close()

    def search(self, query: Query) -> Answer:
        """Answer one query as `Bundle.search` does, with its errors."""
        return answer(self.bundle, self._placed(query), self._warm)

    def search_many(self, queries: Iterable[Query]) -> Iterator[Answer | Prom3eError]:
        """Answer queries together, in their order and in bounded memory: an answer, or why there is none, for each."""
        return answers(self.bundle, map(self._placed, queries), warm=self._warm)

    def embed(self, queries: Sequence[Query]) -> list[Embedded | Prom3eError]:
        """Embed what some queries give, together; for each the embeddings, or why there are none.

        What is searched for, among what and how many is not looked at.

        Raises:
            BundleError: The index or the searcher was closed.
        """
        part = [Asked(self._placed(query)) for query in queries]
        for asked in part:
            try:
                asked.query.check(self.bundle.modalities)
                check_rows(self.bundle, asked.query)
            except REFUSED as e:
                asked.refused = e
        clock = Clock()
        try:
            decode(self.bundle, part, self._warm, clock)
            encode(self.bundle, part, self._warm, clock)
        except Prom3eError as e:  # of one model or encoder, which others may not ask
            if self._warm.closed:
                raise
            if len(part) == 1:
                return [e]
            return [found for query in queries for found in self.embed([query])]
        return [a.refused or _embedded(a) for a in part]

    def find(self, query: Query, embedded: Embedded) -> Answer:
        """Answer a query from what it gives as embeddings; files that it names are not read.

        Args:
            query: What is searched for, and among which observations; what it gives is what the answer says was given.
            embedded: From `embed` of a query that gives the same, or `combined` of several.

        Raises:
            InputError: A value out of its range, an unknown target or column, what is no predicate, nothing given.
            ShapeError: The embeddings are another model's.
            BundleError: The index is damaged, or was closed.
        """
        (found,) = self.find_many([(query, embedded)])
        if isinstance(found, Prom3eError):
            raise found
        return found

    def find_many(self, asked: Sequence[tuple[Query, Embedded]]) -> list[Answer | Prom3eError]:
        """Answer some queries together, each as `find` does; in their order an answer, or why there is none, for each.

        Hits are those of `find`; scores differ by the noise of float32 sums alone.

        Raises:
            BundleError: The index is damaged, or was closed.
        """
        part, clock = [Asked(self._placed(query)) for query, _ in asked], Clock()
        begin(self.bundle, part, self._warm, clock)
        for one, (_, embedded) in zip(part, asked, strict=True):
            if one.refused is None:
                try:
                    self._give(one, embedded)
                except REFUSED as e:
                    one.refused = e
        return finish(self.bundle, part, clock)

    def _give(self, asked: Asked, embedded: Embedded) -> None:
        model = self.bundle.model(asked.query.model, asked.query.hub, asked.query.device)
        shape = len(model.modalities), model.width
        if embedded.rows.shape != shape or embedded.present.shape != shape[:1]:
            raise ShapeError(
                f"The embeddings of the query are {embedded.rows.shape}, the model {model.name} has {shape}."
            )
        if not embedded.present.any():
            raise InputError("The embeddings of the query are of no modality.")
        asked.x, asked.has = embedded.rows, embedded.present
        asked.notes += embedded.notes

    def warm(self) -> dict[str, str]:
        """Ask one query of each modality that the model encodes: loads, compiles, and starts the decode processes.

        Two of the last are then asked together: several queries are searched for by other code than one.

        Returns:
            Why not, for each modality that cannot be asked; empty where all can.
        """
        model = self.bundle.model(device=self.device)
        wrong: dict[str, str] = {}
        able: list[Query] = []
        with tempfile.TemporaryDirectory(prefix="prom3e-index-") as folder:
            given = _examples(Path(folder), self._warm.workers)
            for modality in model.settings.get("encoder", {}):
                try:
                    if modality == "env":
                        given["env"] = [0.0] * int(getattr(model.encoder("env"), "inputs", 20))
                    name = "location" if modality == "loc" else modality
                    target = modality if modality in self.bundle.targets else self.bundle.targets[0]
                    query = Query(**{name: given[modality]}, target=target, k=_WARM)
                    self.search(query)
                    able.append(query)
                except Prom3eError as e:
                    if self._warm.closed:
                        raise
                    wrong[modality] = str(e)
            for _ in self.search_many(2 * able[-1:]):
                pass
        return wrong

    def _placed(self, query: Query) -> Query:
        """The query, encoded where this searcher encodes if it does not say."""
        return replace(query, device=self.device) if query.device == "cpu" != self.device else query


def combined(parts: Sequence[Embedded]) -> Embedded:
    """What several give together; of a modality that more than one gives, the unit mean, as of several photos.

    Args:
        parts: At least one; each from `embed` of a query that gives one thing of each modality.
    """
    from prom3e_index.encoders.protocol import unit_rows

    rows, count = np.zeros_like(parts[0].rows), np.zeros(len(parts[0].present), int)
    for part in parts:
        rows[part.present] += part.rows[part.present]
        count += part.present
    rows[count > 1] = unit_rows(rows[count > 1])
    notes = dict.fromkeys(n for part in parts for n in part.notes)
    return Embedded(rows, count > 0, tuple(notes))


def _embedded(asked: Asked) -> Embedded:
    assert asked.x is not None and asked.has is not None  # it was encoded
    return Embedded(asked.x, asked.has, tuple(asked.notes))


def _examples(folder: Path, workers: int) -> dict[str, Any]:
    """One query of each modality, with as many files as there are processes to start."""
    from PIL import Image

    image, sound = folder / "image.png", folder / "sound.wav"
    grey = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    Image.fromarray(grey).save(image)
    with wave.open(os.fspath(sound), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(44_100)  # the resampler too is loaded
        out.writeframes((np.sin(np.arange(48_000) / 10) * 9_999).astype("<i2").tobytes())
    return {
        "image": [image] * workers,
        "sat": [image] * workers,
        "audio": [sound] * workers,
        "loc": (0.0, 0.0),
        "text": "Animalia",
    }
