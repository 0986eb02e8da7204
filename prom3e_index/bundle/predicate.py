"""`--where`: one plain predicate over the observations, bounded in what it may do and for how long.

DuckDB's own parser gives the tree; every node of it must be of a kind listed here. What may be called gives no more
than it takes, so that no predicate makes large values of small ones; what is left, time, is measured.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.predicate_words import in_words
from prom3e_index.errors import InputError, near_names
from prom3e_index.policy.columns import denied

if TYPE_CHECKING:
    import duckdb

LONGEST = 100_000
"""Letters of a predicate; a list of ten thousand ids fits."""
JOINED = 50
"""Texts that may be joined in one predicate: each is as long as a cell."""
SECONDS = 30.0
"""After these a filter is interrupted; a scan of 100 million rows takes a few."""
SHOWN = 200

FUNCTIONS = frozenset(
    """
    + - * / // % ^ ** || ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape
    regexp_matches regexp_full_match lower lcase upper ucase length len strlen char_length character_length
    trim ltrim rtrim substring substr left right contains starts_with ends_with prefix suffix ^@ instr strpos
    position concat concat_ws nfc_normalize strip_accents ascii unicode hash
    abs round floor ceil ceiling trunc sqrt cbrt exp ln log log2 log10 pow power sign mod isnan isinf isfinite
    sin cos tan asin acos atan atan2 cot radians degrees pi greatest least ifnull nullif if even gamma
    year month day quarter week weekofyear dayofweek isodow dayofyear decade century hour minute second
    date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub make_date last_day monthname dayname
    strftime try_strptime strptime today current_date now to_years to_months to_weeks to_days to_hours to_minutes
    to_seconds age
    """.split()
)
"""Functions and operators that a predicate may call."""
TYPES = frozenset(
    """
    boolean bool logical tinyint smallint integer int bigint hugeint utinyint usmallint uinteger ubigint uhugeint
    int1 int2 int4 int8 short long signed float real double float4 float8 decimal numeric dec varchar text string char
    bpchar date time timestamp datetime timestamptz timestamp_s timestamp_ms timestamp_ns interval uuid
    """.split()
) | {"timestamp with time zone"}
_CLASSES = frozenset(
    "CONSTANT COLUMN_REF COMPARISON CONJUNCTION OPERATOR BETWEEN CASE CAST FUNCTION TYPE".split()
)
_NAMED = {
    "SUBQUERY": "a subquery; a predicate looks at one row",
    "WINDOW": "a window function; a predicate looks at one row",
    "STAR": "*; name the columns",
    "PARAMETER": "a parameter; write the value itself",
    "LAMBDA": "a lambda function",
    "COLLATE": "a collation; use lower()",
}
_OPERATORS = re.compile(r"OPERATOR_(NOT|IS_NULL|IS_NOT_NULL|COALESCE|TRY)|COMPARE_(NOT_)?IN")
_REGULAR = ("regexp_matches", "regexp_full_match")
_JOINS = ("||", "concat", "concat_ws")
_LONGEST_FORMAT = 100
_RESERVED = ("order", "group", "table", "column")


def cut(text: str) -> str:
    """A predicate as an error shows it: at most 200 letters."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def check_predicate(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse whatever is not one plain predicate, true or false of a row.

    Raises:
        InputError: Says what it is instead, and names what it may not hold.
    """
    if not where.strip():
        raise InputError('--where is empty; it is an SQL predicate such as "latitude > 60".')
    if len(where) > LONGEST:
        raise InputError(
            f"--where {cut(where)} is {len(where):,} letters long; at most {LONGEST:,} are read."
        )
    tree = {}
    # Bare, a bracket that closes ours cannot parse; in brackets, no further clause can follow.
    for text in (where, f"({where}\n)"):
        wrapped = f"SELECT row FROM observations WHERE {text}\n"
        tree = json.loads(con.execute("SELECT json_serialize_sql(?)", [wrapped]).fetchall()[0][0])
        if tree.get("error"):
            hint = "".join(
                f' Write "{w}" in double quotes.'
                for w in _RESERVED
                if re.search(rf"(?<![\"\w]){w}(?![\"\w])", where, re.IGNORECASE)
            )
            message = str(tree.get("error_message", "")).splitlines()[0]
            raise InputError(f"--where {cut(where)} is no SQL predicate: {message}.{hint}")
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if (
        node.get("type") != "SELECT_NODE"
        or node.get("modifiers")
        or node.get("from_table", {}).get("table_name") != "observations"
        or any(node.get(e) for e in ("group_expressions", "having", "qualify", "sample"))
    ):
        raise InputError(f"--where {cut(where)} is not one predicate.")
    reason = _refused(node["where_clause"])
    if reason:
        raise InputError(f"--where {cut(where)} holds {reason}.")
    _check_kind(con, where)


def _check_kind(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse what is no truth value, such as a column of numbers, or names what is not there."""
    import duckdb

    try:
        rows = con.execute(f"DESCRIBE SELECT ({where}\n) FROM observations").fetchall()
    except duckdb.Error as e:
        said = in_words(con, where, reason_of(e))
        raise InputError(f"--where {cut(where)} cannot be applied: {said.rstrip('.')}.") from e
    if rows[0][1] != "BOOLEAN":
        kind = str(rows[0][1]).strip('"')
        raise InputError(
            f"--where {cut(where)} is {kind}, not true or false; compare it with something."
        )


def reason_of(error: Exception) -> str:
    """The first sentence of one of DuckDB's errors, without its excerpt of the statement."""
    return " ".join(re.split(r"\n\s*LINE \d+:", str(error))[0].split())[:500]


def _refused(tree: Any) -> str:
    """What a predicate may not hold and this one does; empty when there is nothing."""
    waiting, joined = [tree], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, dict):
            continue
        waiting += node.values()
        kind = node.get("class")
        if kind is None:
            continue
        if kind not in _CLASSES:
            return _NAMED.get(kind, f"{kind.lower().replace('_', ' ')}, which no predicate needs")
        if kind == "COLUMN_REF":
            names = [str(n) for n in node.get("column_names", ())]
            if hidden := next((n for n in names if denied(n)), None):
                return (
                    f"{hidden}, a column of true places that are hidden: no filter compares with it"
                )
        if kind == "OPERATOR" and not _OPERATORS.fullmatch(str(node.get("type"))):
            return f"{str(node.get('type')).lower().replace('_', ' ')}, which is not allowed"
        if kind == "FUNCTION":
            reason = _refused_call(node)
            if reason:
                return reason
            if node["function_name"] in _JOINS:
                joined += max(1, len(_arguments(node)) - 1)
        if kind == "CAST":
            name = _cast_type(node)
            if name not in TYPES:
                return f"a cast to {name}; known: numbers, text, dates and times"
    if joined > JOINED:
        return f"{joined} joined texts; at most {JOINED} are allowed"
    return ""


def _arguments(call: dict[str, Any]) -> list[Any]:
    """What a call is given; the parser's tree has named it in two ways."""
    return list(call.get("arguments", call.get("children", [])))


def _refused_call(node: dict[str, Any]) -> str:
    name = str(node["function_name"]).lower()
    if node.get("schema") or node.get("catalog"):
        return f"{name}() of a schema or written behind a dot; write {name}(column)"
    if name not in FUNCTIONS:
        near = near_names(name, sorted(FUNCTIONS))
        return f"{name}(), which is not among the functions of a predicate{near}"
    arguments = _arguments(node)
    if name in _REGULAR and len(arguments) > 1:
        pattern = arguments[1].get("expression", arguments[1])
        if pattern.get("class") != "CONSTANT":
            return f"{name}() with a pattern that is no text written out"
    if name == "strftime":  # a part of it, such as %A, gives several letters for two
        given = [a.get("expression", a) for a in arguments]
        texts = [_written_out(a) for a in given if a.get("class") == "CONSTANT"]
        if not texts or max(map(len, texts)) > _LONGEST_FORMAT:
            return f"{name}() without a form of at most {_LONGEST_FORMAT} letters, written out"
    return ""


def _written_out(constant: dict[str, Any]) -> str:
    """The text of a constant; the parser's tree has named it in two ways."""
    return str(constant.get("literal", {}).get("text", constant.get("value", {}).get("value", "")))


def _cast_type(node: dict[str, Any]) -> str:
    """The type that a cast makes, in lower case; the parser's tree has named it in two ways."""
    kind = node.get("type_expr")
    if kind:
        return str(kind.get("type_name")).lower()
    return str(node.get("cast_type", {}).get("id")).lower()


@contextmanager
def bounded(
    con: duckdb.DuckDBPyConnection, what: str, seconds: float | None = None, watched: bool = True
) -> Iterator[None]:
    """Interrupt what a connection does after some seconds; give DuckDB's errors as ours.

    Args:
        con: A cursor that nothing else uses.
        what: The filter, for errors: `--where 'x > 1'`.
        seconds: `SECONDS` when None.
        watched: Whether to interrupt at all; a query of our own needs no thread that watches it.

    Raises:
        InputError: Interrupted, or refused by DuckDB.
    """
    import duckdb

    limit = SECONDS if seconds is None else seconds
    over = threading.Event()

    def stop() -> None:
        over.set()
        con.interrupt()

    timer = threading.Timer(limit, stop)
    timer.daemon = True
    if watched:
        timer.start()
    try:
        yield
    except (duckdb.Error, RuntimeError) as e:
        if over.is_set():
            raise InputError(
                f"{what} takes longer than {limit:g} s and was stopped; ask something simpler, or of fewer rows."
            ) from e
        if not isinstance(e, duckdb.Error):
            raise
        said = in_words(con, what, reason_of(e))
        raise InputError(f"{what} cannot be applied: {said.rstrip('.')}.") from e
    finally:
        timer.cancel()
