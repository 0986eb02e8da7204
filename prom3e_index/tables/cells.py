"""Raw cells by column: as text, cleaned, as numbers, and by their distinct values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = {"", "-", "na", "n/a", "nan", "nat", "<na>", "null", "none", "\\n"}
"""Spellings of "nothing", in lower case."""
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_REMEMBERED = 1 << 16

Reasons = tuple[str, "pa.Array"]


def clean(value: Any) -> str | None:
    """Strip a cell; the usual spellings of "nothing" become None."""
    if value is None:
        return None
    text = str(value).strip()
    return None if text.lower() in MISSING else text


@cache
def _blanks() -> str:
    """Every character that `str.strip` takes away."""
    return "".join(c for c in map(chr, range(0x3001)) if c.isspace())


@cache
def _spellings() -> pa.Array:
    """`MISSING` in every mixture of capitals."""
    import pyarrow as pa

    every = {
        "".join(letters)
        for word in MISSING
        for letters in product(*({c.lower(), c.upper()} for c in word))
    }
    return pa.array(sorted(every), pa.string())


def _items(value: Any) -> str:
    """A nested cell of a field: texts of a list with ` | ` between, anything else as Python writes it."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return " | ".join(value)
    return str(value)


def _as_text(column: pa.Array, write: Callable[[Any], str | None]) -> pa.Array:
    """Cells that are no text as text, each distinct value written once."""
    import pyarrow as pa
    from pyarrow import compute as pc

    kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_integer(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if v is None else write(v) for v in column.to_pylist()], pa.string())
    coded = pc.dictionary_encode(column)
    words = [None if v is None else write(v) for v in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def but(unknown: pa.Array, texts: pa.Array) -> pa.Array:
    """`texts`, null where `unknown` says so.

    Not by a null scalar: of a slice, `if_else` of Arrow 23 then gives texts that lie outside their bytes.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    return pc.if_else(unknown, pa.nulls(len(texts), pa.string()), texts)


def python_texts(texts: pa.Array) -> list[str | None]:
    """The cells of a column of text; several times as fast as `to_pylist`."""
    return list(texts.to_numpy(zero_copy_only=False))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))
    )


def kept(column: pa.Array) -> pa.Array:
    """A metadata column as text: as it is written; what is empty or no number is unknown, nested cells are JSON."""
    import pyarrow as pa
    from pyarrow import compute as pc

    if not _is_text(column.type):
        column = _as_text(column, _written)
    texts = pc.cast(column, pa.string())
    return but(pc.equal(pc.binary_length(texts), 0), texts)


def _written(value: Any) -> str | None:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str)
    return str(value)


class Joined(str):
    """A name for several columns read as one: the parts of a path, or of an id.

    Attributes:
        columns: Their names.
        between: What is put between their cells: `/` or a blank.
    """

    columns: tuple[str, ...]
    between: str

    def __new__(cls, columns: Sequence[str], between: str) -> Joined:
        """The columns as one text, such as `Directory/FileName`."""
        made = super().__new__(cls, (between if between == "/" else " + ").join(columns))
        made.columns, made.between = tuple(columns), between
        return made

    def __reduce__(self) -> tuple[type[Joined], tuple[tuple[str, ...], str]]:
        """What a copy is made of."""
        return type(self), (self.columns, self.between)


def _join(parts: list[pa.Array], between: str) -> pa.Array:
    """The cells of some columns as one text each; a path needs its last part, an id all of them."""
    from pyarrow import compute as pc

    if between != "/":
        return pc.binary_join_element_wise(*parts, between)
    folders = [pc.utf8_rtrim(p, characters="/\\") for p in parts[:-1]]
    skip = pc.JoinOptions("skip")
    whole = pc.binary_join_element_wise(*folders, parts[-1], between, options=skip)
    alone = pc.match_substring_regex(
        parts[-1], r"^([A-Za-z][A-Za-z0-9+.-]*://|[/\\]|[A-Za-z]:[/\\])"
    )
    whole = pc.if_else(pc.fill_null(alone, False), parts[-1], whole)
    return but(pc.or_(parts[-1].is_null(), pc.equal(whole, "")), whole)


class Cells:
    """The cells of some raw rows.

    Attributes:
        rows: How many.
    """

    def __init__(self, raw: pa.RecordBatch) -> None:
        self.rows: int = raw.num_rows
        self._raw = raw
        self._at = {name: i for i, name in enumerate(raw.schema.names)}
        self._clean: dict[str, pa.Array] = {}

    def raw(self, name: str) -> pa.Array:
        """A column as the source types it; of no rows' worth where there is none."""
        import pyarrow as pa

        at = self._at.get(name)
        return pa.nulls(self.rows, pa.string()) if at is None else self._raw.column(at)

    def text(self, name: str) -> pa.Array:
        """A column as text: stripped, the usual spellings of "nothing" null; see `clean`."""
        import pyarrow as pa
        from pyarrow import compute as pc

        if name not in self._clean and isinstance(name, Joined):
            self._clean[name] = _join([self.text(c) for c in name.columns], name.between)
        if name not in self._clean:
            column = self.raw(name)
            if not _is_text(column.type):
                column = _as_text(column, _items)
            texts = pc.utf8_trim(pc.cast(column, pa.string()), characters=_blanks())
            unknown = pc.is_in(texts, value_set=_spellings())
            self._clean[name] = but(unknown, texts)
        return self._clean[name]

    def there(self, name: str) -> NDArray[np.bool_]:
        """Which cells of a column are not empty."""
        return np.asarray(self.text(name).is_valid().to_numpy(zero_copy_only=False), bool)

    def first(self, names: Iterable[str]) -> pa.Array:
        """Of each row the first cell of these columns that is not empty."""
        import pyarrow as pa
        from pyarrow import compute as pc

        columns = [self.text(n) for n in names]
        if not columns:
            return pa.nulls(self.rows, pa.string())
        return columns[0] if len(columns) == 1 else pc.coalesce(*columns)


def numbers(texts: pa.Array) -> NDArray[np.float64]:
    """The numbers of cells written in ASCII digits with a decimal point; NaN for any other cell."""
    from pyarrow import compute as pc

    plain = pc.match_substring_regex(texts, f"^{NUMBER}$")
    found = pc.cast(but(pc.invert(plain), texts), "float64").to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(found), found, np.nan)


def _codes(column: pa.Array) -> tuple[NDArray[np.int64], int]:
    """A number for each cell, equal for equal cells, 0 for none, and how many numbers there are."""
    from pyarrow import compute as pc

    coded = pc.dictionary_encode(column)
    indices = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    return indices.astype(np.int64) + 1, len(coded.dictionary) + 1


def distinct(columns: Sequence[pa.Array]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows of some columns of text.

    Returns:
        The first place of each distinct row, and for each row which distinct row it is.
    """
    import pyarrow as pa

    codes, many = _codes(columns[0])
    for column in columns[1:]:
        more, n = _codes(column)
        if many * n >= 1 << 62:
            codes, many = _codes(pa.array(codes))
        codes, many = codes * n + more, many * n
    dense, n = _codes(pa.array(codes))
    dense -= 1
    places = np.empty(n - 1, np.int64)
    places[dense[::-1]] = np.arange(len(dense) - 1, -1, -1)
    return places, dense


class Memo:
    """A function of texts, called once for each distinct row of its columns, and remembered across batches.

    Args:
        function: Takes a text or None of each column.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._known: dict[Any, Any] = {}

    def over(self, *columns: pa.Array) -> tuple[list[Any], NDArray[np.int64]]:
        """The answers for the distinct rows, and for each row which of them is its own."""
        places, own = distinct(columns)
        keys = list(zip(*(python_texts(c.take(places)) for c in columns), strict=True))
        if len(self._known) + len(keys) > _REMEMBERED:
            self._known.clear()
        known, function, answers = self._known, self._function, []
        for key in keys:
            if key not in known:
                known[key] = function(*key)
            answers.append(known[key])
        return answers, own

    def arrays(self, columns: Sequence[pa.Array], kinds: Sequence[pa.DataType]) -> list[pa.Array]:
        """The answers as columns, one for each part of them."""
        import pyarrow as pa

        answers, own = self.over(*columns)
        parts = zip(*answers, strict=True) if answers else [()] * len(kinds)
        return [pa.array(p, k).take(pa.array(own)) for p, k in zip(parts, kinds, strict=True)]


class Problems:
    """What rows lost, in the order in which it was noted."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._noted: list[tuple[str, pa.Array, NDArray[np.int64]]] = []

    def note(self, field: str, reasons: pa.Array, rows: NDArray[np.int64] | None = None) -> None:
        """Note a column of reasons, null where nothing is lost; one of each row, or of the `rows` given."""
        if reasons.null_count < len(reasons):
            there = np.flatnonzero(reasons.is_valid().to_numpy(zero_copy_only=False))
            at = there if rows is None else rows[there]
            self._noted.append((field, reasons.take(there), at))

    def column(self, kind: pa.DataType) -> pa.Array:
        """One list of {modality, reason} a row."""
        import pyarrow as pa

        if not self._noted:
            empty = pa.array(np.zeros(self._rows + 1, np.int32))
            return pa.ListArray.from_arrays(empty, pa.array([], kind.value_type))
        rows = np.concatenate([r for *_, r in self._noted])
        order = pa.array(np.argsort(rows, kind="stable"))
        reasons = pa.concat_arrays([t for _, t, _ in self._noted]).take(order)
        fields = pa.array([f for f, t, _ in self._noted for _ in range(len(t))], pa.string())
        return nested(rows, [fields.take(order), reasons], self._rows, kind)


def nested(
    rows: NDArray[np.int64], columns: Sequence[pa.Array], n: int, kind: pa.DataType
) -> pa.Array:
    """A column of lists of structs; `columns` are in the order of rows, `rows` says whose they are."""
    import pyarrow as pa

    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(np.bincount(rows, minlength=n), out=offsets[1:])
    structs = pa.StructArray.from_arrays(columns, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), structs).cast(kind)


def lists(column: pa.Array) -> Iterator[list[str]] | None:
    """The texts of each cell of a column of lists; None where it is a column of another kind."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not _is_text(
        kind.value_type
    ):
        return None
    return ([t for t in map(clean, cell or ()) if t is not None] for cell in column.to_pylist())
