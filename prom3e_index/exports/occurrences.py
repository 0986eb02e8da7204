"""Observations as Darwin Core occurrences: what of each is said under which term, and which are none to publish.

A completed modality is no occurrence, and a completed place no coordinate: only what was observed is read here.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.exports.attribution import named, text_column
from prom3e_index.exports.points import places
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.terms import (
    MACHINES,
    MADE,
    PERSONS,
    RANKED,
    WATCHERS,
    basis,
    passed,
    plain,
)
from prom3e_index.licences import NONE, UNKNOWN, code_of, licence_columns, url_of
from prom3e_index.schema import FIELDS
from prom3e_index.tables.aliases import ALIASES

if TYPE_CHECKING:
    import pyarrow as pa

PUBLISHED = ("CC0", "BY", "BY-NC")
"""The licences that GBIF takes for records."""
EARLIEST = date(1600, 1, 1)
_ISO = (
    r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
    r"(/[0-9]{2,4}(-[0-9]{2}(-[0-9]{2})?)?(T[0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?$"
)
_CONTROLS = "[\\x00-\\x1f\\x7f\\x{85}\\x{2028}\\x{2029}]+"
OBSCURED = "Coordinates obscured by the source of the record"
Texts = list[str | None]


class Occurrences:
    """How the rows of an index become occurrences.

    Args:
        rows: That are written.

    Attributes:
        terms: Columns of `occurrence.txt`, in order; the first is occurrenceID.
        unsaid: Columns of the index's own tables that are no Darwin Core term, and not written.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        columns = rows.columns
        self._passed = passed(c for c in columns if c not in FIELDS)
        url = named(columns, "url")
        if "references" not in self._passed and url:
            self._passed["references"] = url[0]
        source = rows.bundle.manifest["source"]
        self._format = str(source.get("format"))
        fields = source.get("fields")
        self._fields: dict[str, Any] = fields if isinstance(fields, dict) else {}
        holders = self._fields.get("rights_holder")
        stated = [h for h in holders if isinstance(h, str)] if isinstance(holders, list) else []
        self._watched = bool(stated) and plain(stated[0]) in WATCHERS
        self._others = [h for h in stated[1:] if plain(h) not in WATCHERS]
        more = [t for t in self._passed if t not in MADE]
        self.terms: tuple[str, ...] = (*MADE, *more)
        said = {"row", "is_part", "sigma_l1", "taxon_species", *FIELDS, *self._passed.values()}
        said |= {c for names in licence_columns(columns).values() for c in names}
        kinds = {*(t.lower() for t in MADE), *WATCHERS, "associatedmedia"}
        kinds |= {name for f in ("image", "audio", "obscured") for name in ALIASES[f]}
        self.unsaid = tuple(
            c
            for c in columns
            if c not in said
            and not c.startswith("has_")
            and plain(c.removeprefix("source_")) not in kinds
        )
        self._today = datetime.now(UTC).date()
        self._made_ids = "id" not in self._fields and bool(self._fields)
        self._namespace = f"{source.get('media')}/{source.get('table')}#"

    def columns(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Term → (n,) text, without line ends and tabs; null where nothing is known."""
        made = self._made(batch)
        for term, column in self._passed.items():
            if term not in made:
                made[term] = text_column(batch, [column])
        return {t: _clean(made[t]) for t in self.terms}

    def reasons(self, batch: pa.RecordBatch, terms: dict[str, pa.Array]) -> Texts:
        """(n,) why a row is no occurrence that can be published; None where it is one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        n = batch.num_rows
        out: NDArray[np.object_] = np.full(n, None, object)

        def leave(mask: pa.Array, reason: str) -> None:
            chosen = np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False), bool)
            out[chosen & (out == None)] = reason  # noqa: E711 - of each element

        for term, reason in (
            ("occurrenceID", "without an id"),
            ("scientificName", "without a scientific name"),
            ("eventDate", "without a date"),
        ):
            leave(terms[term].is_null(), reason)
        names = batch.schema.names
        if {"event_start", "event_end"} <= set(names):
            start, end = (batch.column(names.index(c)) for c in ("event_start", "event_end"))
            leave(pc.greater(start, pa.scalar(self._today)), "with a date in the future")
            leave(pc.less(end, pa.scalar(EARLIEST)), "with a date before 1600")
        codes = _mapped(text_column(batch, ["license"]), code_of, pa.string())
        leave(pc.equal(codes, NONE), "without a licence: all rights are reserved")
        leave(pc.equal(codes, UNKNOWN), "with a licence that is not known")
        for code in sorted(set(codes.unique().to_pylist()) - {*PUBLISHED, NONE, UNKNOWN}):
            leave(pc.equal(codes, code), f"with the licence {code}; GBIF takes CC0, BY and BY-NC")
        return list(out)

    def ids(self, batch: pa.RecordBatch) -> pa.Array:
        """(n,) the occurrenceID of each row's observation: the source's, or one made of source and name."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = text_column(batch, ["id"])
        of = text_column(batch, ["observation"])
        names = batch.schema.names
        if "is_part" in names:
            part = batch.column(names.index("is_part")).fill_null(False)
            ids = pc.if_else(pc.and_(part, of.is_valid()), of, ids)
        if self._made_ids:
            return pa.array(
                [None if i is None else self._uuid(i) for i in ids.to_pylist()], pa.string()
            )
        stated = text_column(batch, named(names, "occurrenceid"))
        return pc.coalesce(stated, ids)

    def _uuid(self, name: str) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, self._namespace + name)}"

    def _made(self, batch: pa.RecordBatch) -> dict[str, Any]:
        """The terms of `MADE`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = batch.schema.names

        def text(*columns: str) -> pa.Array:
            return text_column(batch, columns)

        def stated(name: str) -> pa.Array:
            return text_column(batch, named([c for c in names if c != name], name))

        x, y = places(batch)
        there = pa.array(~np.isnan(x))
        name = text("scientific_name")
        lowest = text("species", *reversed(RANKED))
        ranked = stated("taxonrank")
        rank = ranked
        for level in (*RANKED, "species"):  # the lowest comes last and rules
            alone = pc.and_(name.is_null(), text(level).is_valid())
            rank = pc.if_else(alone, pc.coalesce(ranked, pa.scalar(level)), rank)
        holder = text("rights_holder")
        recorded = text_column(batch, [c for c in names if plain(c) in WATCHERS])
        if (
            self._watched
        ):  # of its columns the first alone is gone into it; the others say if it is theirs
            other = pc.equal(holder, text_column(batch, self._others)).fill_null(False)
            recorded = pc.coalesce(recorded, pc.if_else(other, None, holder))
        licences = text("license")
        said = {
            "dataGeneralizations": pc.coalesce(
                text("data_generalizations"), stated("datageneralizations")
            ),
            "informationWithheld": pc.coalesce(
                text("information_withheld"), stated("informationwithheld")
            ),
        }
        if "obscured" in names:
            hidden = batch.column(names.index("obscured")).fill_null(False)
            silent = pc.and_(*(t.is_null() for t in said.values()))
            said["dataGeneralizations"] = pc.if_else(
                pc.and_(hidden, silent), pa.scalar(OBSCURED), said["dataGeneralizations"]
            )
        basis_stated = _mapped(stated("basisofrecord"), basis, pa.string())
        return {
            "occurrenceID": self.ids(batch),
            "basisOfRecord": pc.coalesce(basis_stated, self._basis(recorded)),
            "occurrenceStatus": pc.coalesce(
                stated("occurrencestatus"),
                pc.if_else(none_counted(batch), pa.scalar("absent"), pa.scalar("present")),
            ),
            "scientificName": pc.coalesce(name, lowest),
            **{r: text(r) for r in RANKED},
            "taxonRank": rank,
            "vernacularName": text("common_name"),
            "eventDate": self._dates(batch),
            "decimalLatitude": pa.array(y, pa.float64(), from_pandas=True).cast(pa.string()),
            "decimalLongitude": pa.array(x, pa.float64(), from_pandas=True).cast(pa.string()),
            "geodeticDatum": pc.if_else(there, pa.scalar("EPSG:4326"), None),
            "coordinateUncertaintyInMeters": self._uncertainty(batch, there),
            **said,
            "license": _mapped(licences, url_of, pa.string()),
            "rightsHolder": holder,
            "recordedBy": recorded,
            "datasetName": text("source"),
        }

    def _basis(self, recorded: pa.Array) -> pa.Array:
        """Where the source says no basis: a machine's, a person's, or no more than an occurrence."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._format in MACHINES:
            return _same("MachineObservation", len(recorded))
        if self._format in PERSONS:
            return _same("HumanObservation", len(recorded))
        return pc.if_else(
            recorded.is_valid(), pa.scalar("HumanObservation"), pa.scalar("Occurrence")
        )

    def _dates(self, batch: pa.RecordBatch) -> pa.Array:
        """ISO 8601: as the source writes it where it does so, else first and last day."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = batch.schema.names
        written = text_column(batch, ["event_date"])
        iso = pc.if_else(pc.match_substring_regex(written, _ISO), written, None)
        if not {"event_start", "event_end"} <= set(names):
            return iso
        start, end = (
            batch.column(names.index(c)).cast(pa.string()) for c in ("event_start", "event_end")
        )
        interval = pc.binary_join_element_wise(start, end, "/")
        days = pc.if_else(pc.equal(start, end), start, interval)
        return pc.if_else(days.is_valid(), pc.coalesce(iso, days), None)

    def _uncertainty(self, batch: pa.RecordBatch, there: pa.Array) -> pa.Array:
        """Metres above 0; 0 says nothing, and is no value of the term."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = batch.schema.names
        if "coordinate_uncertainty_m" not in names:
            return pa.nulls(batch.num_rows, pa.string())
        metres = batch.column(names.index("coordinate_uncertainty_m")).cast(pa.float64())
        sound = pc.and_(there, pc.and_(pc.greater(metres, 0), pc.is_finite(metres)))
        return pc.if_else(sound, metres, None).cast(pa.string())


def none_counted(batch: pa.RecordBatch) -> pa.Array:
    """(n,) bool, whether a row says that none was counted."""
    import pyarrow.compute as pc

    counts = text_column(batch, named(batch.schema.names, "individualcount"))
    return pc.match_substring_regex(counts, "^0+([.]0+)?$").fill_null(False)


def _same(value: str, n: int) -> pa.Array:
    import pyarrow as pa

    return pa.array([value], pa.string()).take(pa.array(np.zeros(n, np.int32)))


def _mapped(texts: pa.Array, of: Callable[[str | None], str | None], kind: pa.DataType) -> pa.Array:
    """(n,) what a function gives of each text, asked once for each different one; of null too."""
    import pyarrow as pa

    coded = texts.dictionary_encode(null_encoding="encode")
    values = pa.array([of(t) for t in coded.dictionary.to_pylist()], kind)
    return values.take(coded.indices)


def _clean(texts: pa.Array) -> pa.Array:
    """Text on one line: tabs and line ends, which the archive divides by, become blanks."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain_text = texts.cast(pa.string())
    cleaned = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain_text, _CONTROLS, " "))
    return pc.if_else(pc.equal(cleaned, ""), None, cleaned)


def counted(reasons: Texts) -> Counter[str]:
    """Reason → rows."""
    return Counter(r for r in reasons if r is not None)


def is_address(text: str | None) -> bool:
    """Whether a cell of media is an address that others can open."""
    return text is not None and re.match(r"https?://\S+\Z", text, re.IGNORECASE) is not None
