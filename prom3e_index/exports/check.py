"""What publishers of records would flag: the faults that GBIF names, looked for without a network.

Sources: GBIF's issues and flags, https://techdocs.gbif.org/en/data-use/occurrence-issues-and-flags; the rules of OBIS
(obis-qc). A country is not compared with the place: no outlines of countries are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.exports.attribution import named, text_column
from prom3e_index.exports.occurrences import Occurrences, none_counted
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.terms import basis, plain
from prom3e_index.licences import licence_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from prom3e_index.bundle.filters import Filter
    from prom3e_index.search.run import Bundle

FIRST = 3
"""Ids that are named of each fault."""
MOST_UNCERTAIN_M = 5_000_000.0
"""GBIF takes no larger uncertainty."""
_STATUS = ("present",)
_COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
    CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
    MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
    UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ZZ
    """.split()
)
"""ISO 3166-1, and the codes that GBIF takes for Kosovo and for none."""
_READ = {
    "loc": "a place that is none, and was not read",
    "latitude": "a place that is none, and was not read",
    "longitude": "a place that is none, and was not read",
    "event_date": "a date that is none, and was not read",
    "coordinate_uncertainty_m": "an uncertainty that is no distance, and was not read",
}


@dataclass
class Fault:
    """One kind of fault.

    Attributes:
        what: In words: the rows are *with* it or *without* it.
        rows: How many.
        ids: Of the first of them.
        mended: What an archive has instead, where it is not left out; else None.
    """

    what: str
    rows: int = 0
    ids: list[str] = field(default_factory=list)
    mended: str | None = None

    def __str__(self) -> str:
        more = ", …" if self.rows > len(self.ids) else ""
        instead = f"; {self.mended}" if self.mended else ""
        return f"{self.rows:,} {self.what}: {', '.join(self.ids)}{more}{instead}"


class _Found:
    """Faults by what they are, in the order in which they were met."""

    def __init__(self) -> None:
        self.all: dict[str, Fault] = {}

    def note(
        self, mask: NDArray[np.bool_], ids: list[str | None], what: str, mended: str | None = None
    ) -> None:
        count = int(mask.sum())
        if not count:
            return
        fault = self.all.setdefault(what, Fault(what, mended=mended))
        fault.rows += count
        for i in np.flatnonzero(mask)[: FIRST - len(fault.ids)]:
            fault.ids.append(str(ids[i]))


def faults(rows: Rows) -> list[Fault]:
    """The faults of some observations as Darwin Core records, those that keep them from being published first.

    Args:
        rows: The observations.

    Returns:
        A fault for each kind that some row has; empty where all rows can be published as they are.
    """
    occurrences = Occurrences(rows)
    found = _Found()
    seen: dict[int, int] = {}
    several = rows.bundle.several
    for batch in rows.batches():
        terms = occurrences.columns(batch)
        ids = terms["occurrenceID"].to_pylist()
        shown = text_column(batch, ["id"]).to_pylist()
        reasons = occurrences.reasons(batch, terms)
        for reason in dict.fromkeys(r for r in reasons if r is not None):
            found.note(
                np.array([r == reason for r in reasons]), shown, reason, "left out of an archive"
            )
        found.note(_again(ids, batch, seen, several), shown, "with the occurrenceID of another")
        for what, mended, mask in _of_values(batch):
            found.note(mask, shown, what, mended)
    for what, fault in _lost(rows).items():
        found.all[what] = fault
    return list(found.all.values())


def refuse_faults(bundle: Bundle, chosen: Filter) -> int:
    """Refuse observations of which some have a fault; give their number.

    Raises:
        InputError: Names every fault with how many rows have it.
    """
    rows = Rows.chosen(bundle, chosen)
    found = faults(rows)
    if found:
        raise InputError(
            f"{len(rows):,} rows have faults, and nothing was written: "
            + "; ".join(map(str, found))
        )
    return len(rows)


def _again(
    ids: list[Any], batch: pa.RecordBatch, seen: dict[int, int], several: bool
) -> NDArray[np.bool_]:
    """(n,) rows whose occurrenceID another observation has; further photos and windows share that of theirs."""
    own = text_column(batch, ["observation" if several else "id"]).to_pylist()
    out = np.zeros(len(ids), bool)
    for i, (key, observation) in enumerate(zip(ids, own, strict=True)):
        if key is not None:
            mine = hash(observation if several else (observation, i, len(seen)))
            out[i] = seen.setdefault(hash(key), mine) != mine
    return out


def _of_values(batch: pa.RecordBatch) -> Iterator[tuple[str, str | None, NDArray[np.bool_]]]:
    """What is wrong with the values of rows, what an archive has instead, and which rows are so."""
    names = batch.schema.names
    x, y = (_numbers(batch, c) for c in ("longitude", "latitude"))
    metres = _numbers(batch, "coordinate_uncertainty_m")
    there = ~np.isnan(x) & ~np.isnan(y)
    with np.errstate(invalid="ignore"):
        outside = there & ((np.abs(x) > 180) | (np.abs(y) > 90))
        turned = outside & (np.abs(x) <= 90) & (np.abs(y) <= 180)
        yield "with latitude and longitude that look swapped", "without a place", turned
        yield "with coordinates outside the Earth", "without a place", outside & ~turned
        yield "with the coordinates 0, 0", None, there & (x == 0) & (y == 0)
        whole = there & (x == np.round(x)) & (y == np.round(y)) & ~((x == 0) & (y == 0))
        rounded = whole & ~(metres >= 10_000)
        yield (
            "with coordinates rounded to whole degrees, and no uncertainty that says so",
            None,
            rounded,
        )
        yield "with an uncertainty of 0 m or less", "left empty", metres <= 0
        yield "with an uncertainty beyond 5,000 km", None, metres > MOST_UNCERTAIN_M
    for name, what, mended, sound in _VOCABULARIES:
        stated = text_column(batch, [c for c in names if plain(c.removeprefix("source_")) == name])
        coded = stated.dictionary_encode()
        wrong = np.array([not sound(t) for t in coded.dictionary.to_pylist()], bool)
        at = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        mask = np.zeros(len(at), bool)
        mask[at >= 0] = wrong[at[at >= 0]]
        yield what, mended, mask
    none = none_counted(batch).to_numpy(zero_copy_only=False)
    status = text_column(batch, named(names, "occurrencestatus"))
    silent = status.is_null().to_numpy(zero_copy_only=False)
    yield "with a count of 0 and no occurrenceStatus", "absent", none & silent
    yield "with a count of 0 and an occurrenceStatus that is not absent", None, none & ~silent
    datum = named(names, "geodeticdatum")
    if datum:
        none = text_column(batch, datum).is_null().to_numpy(zero_copy_only=False)
        yield "with a place without a geodetic datum", "read as WGS84", there & none
    for modality, columns in licence_columns(names).items():
        has = f"has_{modality}"
        if has in names:
            silent = text_column(batch, columns).is_null().to_numpy(zero_copy_only=False)
            held = batch.column(names.index(has)).fill_null(False).to_numpy(zero_copy_only=False)
            what = "photo" if modality == "image" else "sound"
            yield f"with a {what} without a licence", "its address is left out", held & silent


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    import pyarrow as pa

    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    column = batch.column(batch.schema.names.index(name)).cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _precision(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False


_Sound = Callable[[str], bool]
_VOCABULARIES: tuple[tuple[str, str, str | None, _Sound], ...] = (
    (
        "basisofrecord", "with a basisOfRecord that is none", "what the table itself tells",
        lambda t: basis(t) is not None,
    ),
    ("occurrencestatus", "with an occurrenceStatus other than present", None, lambda t: t.lower() in _STATUS),
    ("countrycode", "with a countryCode that is none of ISO 3166", None, lambda t: t.upper() in _COUNTRIES),
    ("individualcount", "with an individualCount that is no whole number", None, _count),
    ("coordinateprecision", "with a coordinatePrecision outside 0 to 1", None, _precision),
)  # fmt: skip


def _lost(rows: Rows) -> dict[str, Fault]:
    """What the index has noted of places and dates that could not be read."""
    import pyarrow as pa

    out: dict[str, Fault] = {}
    chosen = pa.array(rows.numbers)
    held = set(chosen.to_pylist()) if len(rows) < rows.bundle.rows else None
    for row, field_, name in rows.bundle.sql(
        "SELECT DISTINCT l.row, l.modality, o.id FROM lost l JOIN observations o ON o.row = l.row ORDER BY l.row"
    ):
        if field_ in _READ and (held is None or row in held):
            fault = out.setdefault(_READ[field_], Fault(f"with {_READ[field_]}"))
            fault.rows += 1
            if len(fault.ids) < FIRST:
                fault.ids.append(str(name))
    return out
