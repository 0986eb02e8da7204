"""Search: any set of modalities in, the observations nearest in the target modality out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import Prom3eError
from prom3e_index.search.batch import answer, answers
from prom3e_index.search.query import Answer, Query


class Bundle(BundleFolder):
    """An index, opened for searching: `Bundle.open(path).search(Query(text="Pica pica", target="audio"))`."""

    def search(self, query: Query) -> Answer:
        """Answer a query; see `search`."""
        return search(self, query)

    def search_many(self, queries: Iterable[Query], workers: int | None = None) -> Iterator[Answer]:
        """Answer many queries together, each as `search` would, in their order and in bounded memory.

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


def search(bundle: BundleFolder, query: Query) -> Answer:
    """Answer a query.

    Scores are ⟨[(1 − γ)·q_t, γ·h], [g_t, h]⟩ over the eligible rows, exactly; see `hybrid`. `k` hits come
    back whenever k rows (or groups) are eligible.

    Raises:
        InputError: A value out of its range, an unknown target or column, what is no predicate, nothing given.
        MismatchError, ShapeError: The query was made by another model.
        BundleError: The bundle is damaged.
    """
    return answer(bundle, query)
