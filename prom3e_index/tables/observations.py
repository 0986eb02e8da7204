"""An observation table: raw cells of any source in, batches of one typed relation out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prom3e_index.policy.columns import denied
from prom3e_index.schema import FIELDS
from prom3e_index.tables.cells import Cells, kept
from prom3e_index.tables.normalise import Rules
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.sniff import Sniffed
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from prom3e_index.tables.finding import Finder

_KINDS = {
    "VARCHAR": "string",
    "DOUBLE": "float64",
    "BOOLEAN": "bool_",
    "DATE": "date32",
}


_WHOLE = tuple(f for f in FIELDS if f not in ("env", "obscured", "start_s", "end_s"))
"""Fields that hold what their first column does. All other columns are metadata too."""


class Layout:
    """Where the cells of raw rows go.

    Attributes:
        rules: How fields are read.
        extra: Source columns that are kept as metadata, by their name in the batches.
        denied: Source columns that no index holds, for they tell places that are hidden, or as first written.
    """

    def __init__(
        self, columns: Sequence[str], rules: Rules, keep: tuple[str, ...] | None = None
    ) -> None:
        self.rules = rules
        used = {c for f in _WHOLE for c in rules.columns.get(f, ())[:1]} - rules.changed
        self.extra: dict[str, str] = {}
        self.denied: list[str] = []
        taken = {f.lower() for f in FIELDS} | {
            "row",
            "row_in",
            "seq",
            "is_part",
            "more",
            "refused",
            "problems",
            "modality",
            "reason",
            "from_file",
            "completed",
            "sigma_l1",
            "taxon_species",
        }
        for column in columns:
            if column in used or (keep is not None and column not in keep):
                continue
            if denied(column):
                self.denied.append(column)
                continue
            name = column
            while name.lower() in taken or name.lower().startswith("has_"):
                name = f"source_{name}"
            taken.add(name.lower())
            self.extra[name] = column

    @property
    def said(self) -> list[str]:
        """A sentence on columns that no index holds."""
        if not self.denied:
            return []
        return [
            "left out of the index, since they tell private places or places as first written: "
            f"{', '.join(self.denied)}"
        ]

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema of the batches: `row_in`, the fields, the metadata columns, `more`, `refused`, `problems`."""
        import pyarrow as pa

        kinds = {k: getattr(pa, name)() for k, name in _KINDS.items()}
        kinds["FLOAT[]"] = pa.list_(pa.float32())
        problem = pa.struct([("modality", pa.string()), ("reason", pa.string())])
        medium = pa.struct([("modality", pa.string()), ("path", pa.string())])
        return pa.schema(
            [
                ("row_in", pa.int64()),
                *((f, kinds[k]) for f, k in FIELDS.items()),
                *((name, pa.string()) for name in self.extra),
                ("more", pa.list_(medium)),
                ("refused", pa.string()),
                ("problems", pa.list_(problem)),
            ]
        )

    def batch(self, raw: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """Type some raw rows, `first` being the number of the first."""
        import pyarrow as pa

        cells = Cells(raw)
        columns = self.rules.observations(
            cells, *(self.schema.field(n).type for n in ("problems", "more"))
        )
        columns["row_in"] = pa.array(range(first, first + cells.rows), pa.int64())
        columns |= {name: kept(cells.raw(column)) for name, column in self.extra.items()}
        return pa.RecordBatch.from_arrays(
            [columns.get(f.name, pa.nulls(cells.rows, f.type)) for f in self.schema],
            schema=self.schema,
        )


class Observations:
    """An observation table, read once in batches; the whole is never in memory.

    Attributes:
        format: How it was read, one of `FORMATS`.
        columns: The source's columns.
        fields: Field → source columns it is read from.
        media: Folder that relative media paths start from.
        extra: Source columns that are kept as metadata, by their name in the batches.
        schema: Arrow schema of the batches.
        unused: Column that no field is read from → the field that it looks like.
        embedded: Whether embeddings come with the rows; here they do not.
    """

    embedded = False

    def __init__(
        self,
        source: Source,
        rules: Rules,
        keep: tuple[str, ...] | None,
        sample: Sample,
        found: Sniffed,
    ) -> None:
        self._source, self._sample, self._found = source, sample, found
        self.unused = found.unused
        self._layout = Layout(source.columns, rules, keep)
        self.format, self.columns, self.fields = source.format, source.columns, rules.columns
        self.media, self.extra, self.schema = rules.media, self._layout.extra, self._layout.schema

    def batches(self, rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """Read the table from the start, in its order.

        Rows are numbered by `row_in` from 0 in the order of the table. `problems` names what a row
        lost while it was read; files are not opened here.

        Raises:
            TableError: The table is damaged.
        """
        at = 0
        self._layout.rules.begin()
        for raw in self._sample.batches(rows):
            yield self._layout.batch(raw, at)
            at += raw.num_rows

    @property
    def rejected(self) -> list[tuple[int | None, str]]:
        """(Line, reason) of records that gave no row; complete once the table is read."""
        return self._source.rejected

    @property
    def finder(self) -> Finder:
        """What finds the table's media."""
        return self._layout.rules.finder

    @property
    def facts(self) -> dict[str, Any]:
        """What was found out about the file; see `Source`."""
        return self._source.facts

    @property
    def citations(self) -> list[str]:
        """How the table asks to be cited; see `Source`."""
        return self._source.citations

    @property
    def origin(self) -> dict[str, str]:
        """Where the cells of columns stand that the reader made of others; see `Source`."""
        return self._source.origin

    @property
    def said(self) -> list[str]:
        """Sentences on how the file and its cells were read; complete once it is read."""
        return [*self._source.said, *self._found.said, *self._layout.rules.said, *self._layout.said]
