"""What was understood of a table: its file, its fields, what rows have, what was lost or refused and why.

Made from a plan (`plan.py`), so that what is shown is what will be built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.filters import quoted
from prom3e_index.errors import InputError

if TYPE_CHECKING:
    import duckdb

    from prom3e_index.tables import Observations
    from prom3e_index.tables.embedded import EmbeddedObservations

EXAMPLES = 5
"""Ids that are given for each reason."""
WIDTH = 160
"""Letters of a line of what is shown of it."""
REASONS = 50
"""Reasons that are kept of each field; the rest is counted."""

SHOWN: dict[str, tuple[tuple[str, ...], str, str]] = {
    "id": (("id",), "id", "id"),
    "image": (("image", "media"), "image", "image"),
    "audio": (("audio", "media"), "audio", "audio"),
    "span": (("start_s", "end_s"), "start_s", "start_s"),
    "sat": (("sat",), "sat", "sat"),
    "place": (("latitude", "longitude", "grid", "utm_zone", "latlon", "datum"), "latitude", "loc"),
    "uncertainty": (
        ("coordinate_uncertainty_m",),
        "coordinate_uncertainty_m",
        "coordinate_uncertainty_m",
    ),
    "date": (
        ("event_date", "date_parts", "date_span", "day_of_year", "verbatim_date"),
        "event_start", "event_date"),
    "name": (
        (
            "scientific_name", "common_name", "species", "genus", "text",
            "epithet", "infraspecific", "kingdom", "phylum", "class", "order", "family",
        ),
        "text",
        "text",
    ),
    "climate": (("env",), "env", "env"),
    "licence": (("license",), "license", "license"),
    "rights holder": (("rights_holder",), "rights_holder", "rights_holder"),
    "source": (("source",), "source", "source"),
}  # fmt: skip
"""What is shown → the fields it is read from, the one whose rows are counted, and what its losses are noted as."""

KIND_OF_REASON = (
    "regexp_replace(regexp_replace(reason, '''.*''', '…'), '[+-]?[0-9]+([.,:/-][0-9]+)*', '#', 'g')"
)
"""SQL of what reasons have in common that differ in values and numbers only."""
_REMOTE = "'((?:[a-zA-Z][a-zA-Z0-9+.-]*)://[^']*)' is remote"
"""As `Rules.media_path` says it."""


@dataclass(frozen=True)
class Reason:
    """Why some rows lost a value or were refused.

    Attributes:
        text: The reason of the first of them.
        rows: How many.
        ids: Of the first few; None where a row has none.
    """

    text: str
    rows: int
    ids: list[str | None]


@dataclass(frozen=True)
class Field:
    """What the rows of a table have of one field.

    Attributes:
        name: A key of `SHOWN`, or the name that losses are noted under.
        columns: It is read from, as the user's file names them.
        rows: That have it.
        lost: Why others lost it.
    """

    name: str
    columns: list[str]
    rows: int
    lost: list[Reason]


@dataclass(frozen=True, repr=False)
class Understood:
    """A table as it was understood.

    Attributes:
        table: As it was given.
        format: How it was read.
        facts: Of the file: `encoding`, `delimiter`, `lines`, … as far as they are known.
        said: How it was read, where that was not as a matter of course.
        media: Folder that relative media paths start from.
        rows: Records in the file.
        kept: Rows that can be indexed.
        rejected: Why rows were refused; they and `kept` are all of `rows`.
        fields: What the rows have.
        metadata: Columns that are kept as they are.
        unused: (column, field it looks like) of columns that no field is read from.
        remote: Addresses that would have to be fetched.
    """

    table: str
    format: str
    facts: dict[str, Any]
    said: list[str]
    media: str
    rows: int
    kept: int
    rejected: list[Reason]
    fields: list[Field]
    metadata: list[str]
    unused: list[tuple[str, str]] = field(default_factory=list)
    remote: int = 0

    def __repr__(self) -> str:
        lines = [
            f"{self.table} ({self.format}): {self.rows:,} rows = {self.kept:,} to be indexed + {self.refused:,} "
            f"refused; {self.losses:,} files or values lost"
        ]
        for f in self.fields:
            gone = sum(r.rows for r in f.lost)
            columns = f", from {', '.join(f.columns[:3])}" if f.columns else ""
            lines.append(
                f"  {f.name}: {f.rows:,} rows{f', {gone:,} lost' if gone else ''}{columns}"
            )
        lines += [f"  not used: {column}, which may be {field}" for column, field in self.unused]
        lines += [f"  {sentence}" for sentence in self.said]
        text = "\n".join(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines)
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)

    @property
    def losses(self) -> int:
        """Values and files that rows would be indexed without."""
        return sum(r.rows for f in self.fields for r in f.lost)

    @property
    def refused(self) -> int:
        """Rows that would not be indexed."""
        return sum(r.rows for r in self.rejected)

    def as_json(self) -> dict[str, Any]:
        """As plain values; `from_json` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Understood:
        """What `as_json` gave."""
        reasons = [Reason(**r) for r in values["rejected"]]
        fields = [
            Field(**{**f, "lost": [Reason(**r) for r in f["lost"]]}) for f in values["fields"]
        ]
        unused = [(c, f) for c, f in values["unused"]]
        return cls(**{**values, "rejected": reasons, "fields": fields, "unused": unused})


Heard = Callable[[Understood], None]
"""Called once a table is read, before anything is encoded."""


def unheard(understood: Understood) -> None:
    """Say nothing of what was understood."""


def understand(
    con: duckdb.DuckDBPyConnection, name: str, table: Observations | EmbeddedObservations
) -> Understood:
    """Sum up a plan that was just made of a table."""
    known = {str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()}
    noted = {str(r[0]) for r in con.execute("SELECT DISTINCT modality FROM lost").fetchall()}
    fields = []
    used: set[str] = set()
    for what, (sources, counted, lost_as) in SHOWN.items():
        columns = list(dict.fromkeys(c for f in sources for c in table.fields.get(f, ())))
        columns = list(dict.fromkeys(table.origin.get(c, c) for c in columns))
        rows = _count(con, f"{quoted(counted)} IS NOT NULL") if counted in known else 0
        lost = _lost(con, lost_as) if lost_as in noted else []
        used.add(lost_as)
        if columns or lost or (rows and what not in ("id", "name")):
            fields.append(Field(what, columns, rows, lost))
    fields += [Field(m, [], 0, _lost(con, m)) for m in sorted(noted - used)]
    kept = _count(con, "true")
    rejected = _reasons(con, "SELECT id, reason, coalesce(row_in, line) AS n FROM rejected")
    rows, said = kept + sum(r.rows for r in rejected), list(table.said)
    records = table.facts.get("rows")
    if isinstance(records, int) and records != rows:
        said.append(
            f"The file has {records:,} records, and {rows:,} are accounted for: this is a fault of the program."
        )
    return Understood(
        table=name,
        format=table.format,
        facts=dict(table.facts),
        said=said,
        media=str(table.media),
        rows=rows,
        kept=kept,
        rejected=rejected,
        fields=fields,
        metadata=list(table.extra.values()),
        unused=list(table.unused.items()),
        remote=sum(1 for _ in remote(con)),
    )


def _count(con: duckdb.DuckDBPyConnection, condition: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM planned WHERE {condition}").fetchall()[0][0])


def _lost(con: duckdb.DuckDBPyConnection, modality: str) -> list[Reason]:
    query = "SELECT p.id, l.reason, l.seq AS n FROM lost l JOIN planned p ON p.seq = l.seq WHERE l.modality = ?"
    return _reasons(con, query, [modality])


def _reasons(
    con: duckdb.DuckDBPyConnection, query: str, params: list[Any] | None = None
) -> list[Reason]:
    """Rows of `id`, `reason`, `at` by reason, the most frequent first; values and numbers in a reason do not count."""
    found = con.execute(
        f"SELECT arg_min(reason, n), count(*), min_by(id, n, {EXAMPLES}) FROM ({query}) "
        f"GROUP BY {KIND_OF_REASON} ORDER BY 2 DESC, min(n) NULLS LAST",
        params or [],
    ).fetchall()
    reasons = [Reason(str(text), int(n), list(ids or [])) for text, n, ids in found]
    if len(reasons) > REASONS:
        rest = reasons[REASONS:]
        others = f"{len(rest):,} other reasons"
        reasons = [*reasons[:REASONS], Reason(others, sum(r.rows for r in rest), [])]
    return reasons


def remote(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The addresses of media that were not fetched, each once, in the order of the table."""
    found = con.cursor().execute(
        "SELECT url FROM (SELECT unnest(regexp_extract_all(reason, ?, 1)) AS url, n FROM ("
        "SELECT l.reason, p.row_in AS n FROM lost l JOIN planned p ON p.seq = l.seq "
        "WHERE l.modality IN ('image', 'sat', 'audio') "
        "UNION ALL SELECT reason, row_in FROM rejected)) GROUP BY url ORDER BY min(n), url",
        [_REMOTE],
    )
    while rows := found.fetchmany(4096):
        for (url,) in rows:
            yield str(url)


def refuse_losses(understood: Understood) -> None:
    """What `strict` means: a table of which something is lost is refused.

    Raises:
        InputError: A row is refused, or a value lost; the counts, and the first reason.
    """
    if not understood.losses and not understood.refused:
        return
    first = next(
        (r for f in understood.fields for r in f.lost),
        next(iter(understood.rejected), None),
    )
    raise InputError(
        f"{understood.table}: {understood.refused:,} of {understood.rows:,} rows would be refused and "
        f"{understood.losses:,} values lost (strict); the first reason: {first.text if first else ''}. "
        "`prom3e-index look` shows all."
    )
