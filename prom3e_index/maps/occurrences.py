"""Who was seen where, when and by whom: the records of a table or of an index as arrays, what was left out counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.manifest import NAME
from prom3e_index.bundle.taxa import NAMED_BY, SPECIES, quoted, species_of
from prom3e_index.errors import InputError
from prom3e_index.policy.columns import plain
from prom3e_index.policy.observers import holder_column, nobody, observer_column
from prom3e_index.schema import RANKS

if TYPE_CHECKING:
    import pyarrow as pa

    from prom3e_index.bundle.opened import BundleFolder

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNKNOWN = -1
_BATCH = 65_536
_RANKS = RANKS[:-1]
_READ = (
    "id", "latitude", "longitude", "coordinate_uncertainty_m", "obscured", "event_start", "event_end",
    "rights_holder", *_RANKS, "species", "scientific_name", "license",
)  # fmt: skip
_KEYS = ("specieskey",)
"""Plain names of columns with GBIF's number of a species."""


@dataclass(frozen=True)
class Occurrences:
    """The records of a table or an index.

    Attributes:
        latitude: (n,) degrees, NaN where there is none; longitude alike.
        uncertainty_m: (n,) of the place, NaN where it is not stated.
        hidden: (n,) whether the place is not the true one: obscured at its source, drawn, or generalised by a policy.
        species: (n,) code in `names`, −1 where no species is known.
        observer: (n,) code of who observed, −1 where that is not known.
        day: (n,) days from 1970 on which it was seen, the first of several, and `until`, the last; −1 where unknown.
        names: Species, by code; `ranks` of each: kingdom to genus, and `key`, GBIF's number, None where unknown.
        observed_by: The column that tells who observed; None where none does.
        licences: Of all rows, with how many have each; `None` is not stated.
        rows: Rows that were read.
        left_out: Rows that are no records, by reason.
        source: What was read.
        said: How it was read.
    """

    latitude: Floats
    longitude: Floats
    uncertainty_m: Floats
    hidden: NDArray[np.bool_]
    species: Ints
    observer: Ints
    day: Ints
    until: Ints
    names: list[str]
    ranks: list[dict[str, str | None]]
    observed_by: str | None
    licences: dict[str | None, int]
    rows: int
    left_out: dict[str, int]
    source: str
    said: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.latitude)

    def of_taxon(self, name: str) -> NDArray[np.bool_]:
        """(n,) records of a taxon: a species, or any rank above.

        Raises:
            InputError: There is none of that name; names the nearest.
        """
        from prom3e_index.bundle.taxa import searched_names
        from prom3e_index.errors import near_names

        wanted = {n.lower() for n in searched_names(name)}
        known = [
            wanted & {str(v).lower() for v in (own, *ranks.values()) if v}
            for own, ranks in zip(self.names, self.ranks, strict=True)
        ]
        codes = np.array([bool(k) for k in known] + [False])
        found = codes[self.species]
        if not found.any():
            every = {v for r in self.ranks for k, v in r.items() if v and k != "key"} | set(
                self.names
            )
            raise InputError(
                f"{self.source} has no record of {name!r}{near_names(name, sorted(every))}."
            )
        return np.asarray(found)


def read_occurrences(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    progress: Callable[[str, int, int | None], None] = lambda s, d, t: None,
    **options: Any,
) -> Occurrences:
    """Read the records of a table or an index.

    Of rows with one id the first counts. Of an index each observation counts once, whatever rows it has.

    Args:
        path: A table of observations, or an index.
        columns: Column → field of a table; see `read_observations`, which takes the other options too.
        progress: Told how many rows are read.
        **options: Of `read_observations`.

    Raises:
        InputError: It has no row, or options of a table were given with an index.
        TableError, BundleError: It cannot be read.
    """
    if (Path(path) / NAME).is_file():
        given = [k for k, v in {"map": columns, **options}.items() if v]
        if given:
            words = ", ".join(f"--{n.replace('_', '-')}" for n in given)
            raise InputError(f"{path} is an index; {words} goes with a table.")
        return _of_index(Path(path), progress)
    return _of_table(path, columns or {}, options, progress)


class _Gathered:
    """Columns of batches, texts as codes, so that millions of rows stay small."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[NDArray[Any]]] = {}
        self.texts: dict[str, dict[Any, int]] = {}
        self._ids: list[pa.Array] = []

    def number(self, name: str, values: pa.Array) -> None:
        import pyarrow as pa

        found = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        self.numbers.setdefault(name, []).append(np.asarray(found, np.float64))

    def flag(self, name: str, values: pa.Array) -> None:
        found = values.fill_null(False).to_numpy(zero_copy_only=False)
        self.numbers.setdefault(name, []).append(np.asarray(found, bool))

    def day(self, name: str, values: pa.Array) -> None:
        import pyarrow as pa

        days = values.cast(pa.date32()).cast(pa.int32()).fill_null(UNKNOWN)
        self.numbers.setdefault(name, []).append(np.asarray(days.to_numpy(), np.int64))

    def text(
        self, name: str, *values: pa.Array, none: Callable[[str], bool] = lambda t: False
    ) -> None:
        """Code one column, or several together; a row whose cells are all unknown, or are `none`, is −1."""
        import pyarrow as pa
        from pyarrow import compute as pc

        known = self.texts.setdefault(name, {})
        cells = [pc.fill_null(v.cast(pa.string()), "") for v in values]
        joined = pc.binary_join_element_wise(*cells, "\x1f") if len(cells) > 1 else cells[0]
        held = joined.dictionary_encode()
        codes = np.array(
            [UNKNOWN if none(t) else self._code(known, t) for t in held.dictionary.to_pylist()],
            np.int64,
        )
        if len(codes):
            codes = codes[held.indices.to_numpy()]
        self.numbers.setdefault(name, []).append(codes)

    def id(self, values: pa.Array) -> None:
        """Keep the ids: nearly all differ, so they are coded together at the end."""
        import pyarrow as pa

        self._ids.append(values.cast(pa.string()))

    def ids(self) -> Ints:
        """(n,) a number of each row's id, equal for equal ids; −1 for none."""
        import pyarrow as pa

        held = pa.chunked_array(self._ids, pa.string()).combine_chunks().dictionary_encode()
        self._ids.clear()
        return np.asarray(held.indices.fill_null(UNKNOWN).to_numpy(), np.int64)

    @staticmethod
    def _code(known: dict[Any, int], text: str) -> int:
        return known.setdefault(text, len(known)) if text.strip("\x1f ") else UNKNOWN

    def array(self, name: str, kind: Any) -> NDArray[Any]:
        parts = self.numbers.get(name, [])
        return np.concatenate(parts) if parts else np.zeros(0, kind)


def _gather(
    batches: Iterator[pa.RecordBatch],
    observer: str | None,
    key: str | None,
    progress: Callable[[str, int, int | None], None],
) -> _Gathered:
    import pyarrow as pa

    out, read = _Gathered(), 0
    for batch in batches:
        held = set(batch.schema.names)

        def column(name: str | None, rows: int = batch.num_rows) -> pa.Array:
            known = name is not None and name in held  # noqa: B023 - called at once
            return batch.column(name) if known else pa.nulls(rows, pa.string())  # noqa: B023

        for name in ("latitude", "longitude", "coordinate_uncertainty_m"):
            out.number(name, column(name))
        out.flag("hidden", column("obscured").cast(pa.bool_()))
        out.day("day", column("event_start"))
        out.day("until", column("event_end"))
        out.id(column("id"))
        out.text("observer", column(observer), none=nobody)
        out.text("license", column("license"))
        own = "" if SPECIES not in held else SPECIES
        named = [column(own or None), *(column(n) for n in (*NAMED_BY, *_RANKS)), column(key)]
        out.text("taxon", *named)
        refused = column("refused").is_valid().to_numpy(zero_copy_only=False)
        out.numbers.setdefault("refused", []).append(np.asarray(refused, bool))
        read += batch.num_rows
        progress("records", read, None)
    return out


def _occurrences(
    g: _Gathered, source: str, observed_by: str | None, left_out: dict[str, int], said: list[str]
) -> Occurrences:
    refused, ids = g.array("refused", bool), g.ids()
    rows = len(refused)
    again = np.zeros(rows, bool)
    known = np.flatnonzero(ids != UNKNOWN)
    first = np.unique(ids[known], return_index=True)[1]
    again[known] = True
    again[known[first]] = False
    kept = ~(refused | again)
    left = dict(left_out)
    for reason, which in (
        ("the row says that the species was not there", refused),
        ("its id stands in an earlier row", again & ~refused),
    ):
        if which.any():
            left[reason] = left.get(reason, 0) + int(which.sum())
    total = rows + sum(left_out.values())
    if not total:
        raise InputError(f"{source} has no records.")
    code, names, ranks = _species(g.texts.get("taxon", {}))
    taxon = g.array("taxon", np.int64)
    licences = {v: k for k, v in g.texts.get("license", {}).items()}
    held, count = np.unique(g.array("license", np.int64)[kept], return_counts=True)
    until, day = g.array("until", np.int64)[kept], g.array("day", np.int64)[kept]
    return Occurrences(
        g.array("latitude", np.float64)[kept], g.array("longitude", np.float64)[kept],
        g.array("coordinate_uncertainty_m", np.float64)[kept], g.array("hidden", bool)[kept],
        code[taxon[kept]], g.array("observer", np.int64)[kept], day,
        np.where(until == UNKNOWN, day, until), names, ranks, observed_by,
        {licences.get(int(c)): int(n) for c, n in zip(held, count, strict=True)}, total, left, source, said,
    )  # fmt: skip


def _species(taxa: dict[str, int]) -> tuple[Ints, list[str], list[dict[str, str | None]]]:
    """The species' code of each combination of names, its last that of none; the species and their ranks."""
    code = np.full(len(taxa) + 1, UNKNOWN, np.int64)
    known: dict[str, int] = {}
    ranks: list[dict[str, str | None]] = []
    for cells, at in taxa.items():
        own, *rest = (c or None for c in cells.split("\x1f"))
        name = own or species_of(*rest[: len(NAMED_BY)])
        if name is None:
            continue
        if name not in known:
            known[name] = len(known)
            ranks.append(dict.fromkeys((*_RANKS, "key")))
        code[at] = known[name]
        held = ranks[known[name]]
        for rank, value in zip((*_RANKS, "key"), rest[len(NAMED_BY) :], strict=True):
            held[rank] = held[rank] or value
    return code, list(known), ranks


def _of_table(
    path: str | Path,
    columns: Mapping[str, str],
    options: Mapping[str, Any],
    progress: Callable[[str, int, int | None], None],
) -> Occurrences:
    from prom3e_index.tables import EMBEDDINGS, read_observations, recognise

    file = Path(str(path).partition("::")[0])
    kind = options.get("format") or (recognise(file) if file.exists() else None)
    if kind in EMBEDDINGS:
        raise InputError(
            f"{path} holds embeddings ({kind}), not records with names and places; give a table or an index."
        )
    looked = read_observations(path, columns, keep=(), **options)
    holder = holder_column(looked.fields)
    who = observer_column({c: c for c in looked.columns}, holder)
    wanted = tuple(c for c in looked.columns if c == who or plain(c) in _KEYS)
    table = read_observations(path, columns, keep=wanted, **options)
    observer = observer_column(table.extra, holder)
    named = holder if observer == "rights_holder" else table.extra.get(observer or "")
    key = next((n for n, column in table.extra.items() if plain(column) in _KEYS), None)
    g = _gather(table.batches(_BATCH), observer, key, progress)
    left: dict[str, int] = {}
    for _, reason in table.rejected:
        left[f"no row could be read: {reason}"] = left.get(f"no row could be read: {reason}", 0) + 1
    return _occurrences(g, str(path), named, left, list(table.said))


def _of_index(path: Path, progress: Callable[[str, int, int | None], None]) -> Occurrences:
    from prom3e_index.bundle.opened import BundleFolder

    with BundleFolder.open(path) as bundle:
        return occurrences_of(bundle, progress)


def occurrences_of(
    bundle: BundleFolder,
    progress: Callable[[str, int, int | None], None] = lambda s, d, t: None,
) -> Occurrences:
    """The records of an index that is open; see `read_occurrences`."""
    extra = {n: n.removeprefix("source_") for n in bundle.metadata.metadata_columns}
    holder = holder_column(bundle.manifest.get("source", {}).get("fields"))
    observer = observer_column(extra, holder)
    key = next((n for n, column in extra.items() if plain(column) in _KEYS), None)
    own = [c for c in (*_READ, SPECIES, observer, key) if c in bundle.columns]
    where = "WHERE NOT is_part" if "is_part" in bundle.columns else ""
    cells = ", ".join(map(quoted, dict.fromkeys(c for c in own if c is not None)))
    with bundle.reader(f"SELECT {cells} FROM observations {where} ORDER BY row", _BATCH) as batches:
        g = _gather(iter(batches), observer, key, progress)
    named = holder if observer == "rights_holder" else extra.get(observer or "")
    return _occurrences(g, str(bundle.path), named, {}, [])
