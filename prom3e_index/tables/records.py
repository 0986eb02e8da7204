"""What a record says beside its taxon: that it was absent, and which span of a recording it hears."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.tables.cells import NUMBER, Cells, Memo, Problems

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_NO = frozenset(
    """
    absent absence absence_observed false f no n 0 0.0 not_detected notdetected nondetection nein non não nao nee nej
    nei ne absente ausente ausencia ausência afwezig abwesend fehlend fehlt assente frånvarande fraværende
    nicht_nachgewiesen non_détecté no_detectado
    """.split()
)
_YES = frozenset(
    """
    present presence true t yes y 1 1.0 detected ja j oui o si sí sì s sim tak da да presente présent présente anwesend
    aanwezig vorhanden nachgewiesen détecté détectée detectado detectada närvarande tilstede til_stede
    """.split()
)
_ZERO = re.compile(r"0+(?:\.0+)?\Z")
_NUMBER = re.compile(NUMBER + r"\Z")
_COMMA = re.compile(r"[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})\Z")
"""A decimal comma; one before three digits may be of thousands."""
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{1,2}(?:\.[0-9]+)?)\Z")


def absent(
    status_column: str, count_column: str, status: str | None, count: str | None
) -> tuple[str | None]:
    """Why a row that names a taxon is no observation of it; None where it is one."""
    there = was_there(status or "")
    if there is False:
        return (f"{status!r} in {status_column}: the taxon was not there",)
    if count is not None and _ZERO.match(count) and not there:
        return (f"{count!r} in {count_column}: none of the taxon was counted",)
    return (None,)


def was_there(text: str) -> bool | None:
    """Whether a cell says that a taxon was there, or that it was not; None where it says neither."""
    said = re.sub(r"[\s-]+", "_", text.lower())
    return False if said in _NO else True if said in _YES else None


def seconds(text: str | None) -> float:
    """Seconds as a number or as `hours:minutes:seconds`; NaN for any other text."""
    cell = text or ""
    if _COMMA.match(cell):
        cell = cell.replace(",", ".")
    if _NUMBER.match(cell):
        return float(cell)
    found = _CLOCK.match(cell)
    if found is None:
        return float("nan")
    hours, minutes, rest = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(rest)


class Spans:
    """The columns of a table that say which span of a recording a row hears.

    Args:
        columns: Field → its columns: `start_s` and `end_s` of a span; `duration_s` in place of the end; `begin_s`,
            where its times are not counted from the start of the recording as `start_s` is.
    """

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        self._columns = columns
        self._memo = Memo(lambda text: (seconds(text),))

    def read(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        """`start_s` and `end_s`, seconds within the recording; none of a row whose start cannot be read."""
        import pyarrow as pa

        if not self._columns.get("start_s") and not self._columns.get("end_s"):
            return {}
        start, unread = self._seconds(cells, "start_s", lost)
        end, _ = self._seconds(cells, "end_s", lost)
        if "duration_s" in self._columns:
            lasts, _ = self._seconds(cells, "duration_s", lost)
            end = np.where(np.isnan(end), start + lasts, end)
        if "begin_s" in self._columns:
            begin, unread_begin = self._seconds(cells, "begin_s", lost)
            moved = start - begin
            end += np.where(np.isnan(moved), 0, moved)
            end[unread_begin] = np.nan
        end[unread] = (
            np.nan
        )  # an end alone is a span from the beginning, which the row does not say
        named = (("start_s", start), ("end_s", end))
        return {name: pa.array(values, mask=np.isnan(values)) for name, values in named}

    def _seconds(
        self, cells: Cells, field: str, lost: Problems
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Seconds of a field, NaN where there are none, and where they could not be read."""
        import pyarrow as pa

        texts = cells.first(self._columns.get(field, ()))
        (found,) = self._memo.arrays([texts], [pa.float64()])
        values = np.array(found.to_numpy(zero_copy_only=False), np.float64)
        values[~(np.isfinite(values) & (values >= 0))] = np.nan
        bad = np.isnan(values) & texts.is_valid().to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(bad)
        reasons = [
            f"{t[:40]!r} is no number of seconds" for t in texts.take(pa.array(rows)).to_pylist()
        ]
        lost.note("start_s", pa.array(reasons, pa.string()), rows)
        return values, bad
