"""Search: any set of modalities in, the observations nearest in the target modality out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import Prom3eError
from prom3e_index.search.answered import Answer
from prom3e_index.search.batch import answer, answers
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.query import Query
from prom3e_index.search.warm import end_warm, warm_of


class Bundle(BundleFolder):
    """An index, opened for searching.

        with Bundle.open("index.p3i") as bundle:
            answer = bundle.search(Query(image="heron.jpg", k=5))

    `len(bundle)` counts its observations; `bundle.columns` names what `Filter(where=...)` can ask for, and
    `bundle.sql("SELECT family, count(*) FROM observations GROUP BY family")` asks it. What is opened stays as it was;
    `prom3e_index.build`, `add`, `update`, `remove` and `restore` make and change indexes: open them again to see it.
    Any number of threads may search.

    Attributes:
        path: Its folder.
        manifest: What the manifest of its generation says.
        modalities: Names, in the model's order.
        rows: Rows, of which an observation has one or several.
    """

    def __len__(self) -> int:
        """Observations, however many rows they have."""
        return int(self.manifest.get("counts", {}).get("observations", self.rows))

    def __bool__(self) -> bool:
        return True  # an index without observations is an index

    def __repr__(self) -> str:
        model = Path(self.manifest["model"]["name"]).name
        rows = f" in {self.rows:,} rows" if len(self) != self.rows else ""
        state = "closed, " if self.closed else ""
        have = ", ".join(f"{m} {n:,}" for m, n in self.manifest.get("observed", {}).items())
        said = [
            f"Bundle({str(self.path)!r}): {state}{len(self):,} observations{rows}, generation "
            f"{self.manifest['generation']}, model {model}",
            f"  observed: {have}",
        ]
        if not self.closed and means_nothing(self):
            said.append(f"  {MEANINGLESS}")
        return "\n".join(said)

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or its `with` block ended."""
        return self._files.closed

    def search(self, query: Query) -> Answer:
        """Find the k observations that fit a query best, whatever the filter.

        Args:
            query: What is given, what is searched for, and among which observations.

        Returns:
            An `Answer`: a sequence of its hits, best first, with notes on what is to be known of them.

        Raises:
            InputError: A value out of its range, an unknown target or column, what is no predicate, nothing given.
            MediaError: A file that the query gives cannot be decoded.
            MismatchError, ShapeError: The query was made by another model.
            BundleError: The index is damaged, or was closed.
        """
        return search(self, query)

    def close(self) -> None:
        """Let go of files, databases and decode processes; arrays that were given out stay readable."""
        super().close()
        end_warm(self)

    def search_many(self, queries: Iterable[Query], workers: int | None = None) -> Iterator[Answer]:
        """Answer many queries together, each as `search` would, in their order and in bounded memory.

        `prom3e_index.to_pandas(bundle.search_many(queries))` is one table of them all.

        Args:
            queries: Read a few hundred ahead of the answers.
            workers: Decode processes; one per core when None.

        Raises:
            InputError: A query cannot be answered; those before it were. `search.batch.answers` goes on instead.
        """
        for found in answers(self, queries, workers):
            if isinstance(found, Prom3eError):
                raise found
            yield found

    def export(self, output: str | Path, **options: Any) -> int:
        """Write the observations, or the encoder embeddings, for other software; give the number of rows.

        Args:
            output: The file to write; its ending says the format.
            **options: As `prom3e_index.export` takes them: `what`, `format`, `filter` and others.

        Raises:
            InputError: Another format or content, or a path that cannot be written to.
        """
        import prom3e_index  # the package's own door: what writes files stands above this room

        return prom3e_index.export(output, self, **options)


def search(bundle: BundleFolder, query: Query) -> Answer:
    """Answer a query.

    Scores are ⟨[(1 − γ)·q_t, γ·h], [g_t, h]⟩ over the eligible rows, exactly; see `hybrid`. `k` hits come
    back whenever k rows (or groups) are eligible.

    Raises:
        InputError: A value out of its range, an unknown target or column, what is no predicate, nothing given.
        MismatchError, ShapeError: The query was made by another model.
        BundleError: The bundle is damaged.
    """
    return answer(bundle, query, warm_of(bundle))
