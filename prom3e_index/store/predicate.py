"""`--where` for a store: the part of SQL that its expressions can say too, else a refusal.

What may be said at all is checked by DuckDB's parser over a table of the index's columns, as for a folder; its tree is
then read here. SQL has three truth values: of each predicate two expressions are made, of when it is true and of when
it is false, so that rows without a value satisfy neither it nor its negation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.predicate import check_predicate, cut
from prom3e_index.errors import InputError
from prom3e_index.store.literals import EVERYTHING, NOTHING, every, listed, number, some, text

if TYPE_CHECKING:
    import duckdb

MOST_IN = 200
"""Values of a list that a column of a table is compared with; of ids as many as a predicate holds."""
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_COMPARED = {
    "COMPARE_EQUAL": "==",
    "COMPARE_NOTEQUAL": "!=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_NUMBERS = ("BIGINT", "DOUBLE", "FLOAT", "DECIMAL", "INTEGER")


_MOST_DIGITS = 330
"""Of a number; no double has more."""


@dataclass(frozen=True)
class Column:
    """A column of the observations as the store has it.

    Attributes:
        name: In the observations.
        type: DuckDB's.
        field: The expression of its value.
        known: The expression that is true of rows with a value; None where all have one.
        listed: Whether the store compares it with a list.
    """

    name: str
    type: str
    field: str
    known: str | None
    listed: bool = False

    def both(self, expression: str) -> tuple[str, str]:
        """When a comparison is true, and when it is false."""
        if self.known is None:
            return expression, f"not ({expression})"
        return every([self.known, expression]), every([self.known, f"not ({expression})"])

    @property
    def kind(self) -> str:
        """`number`, `text`, `day` or `truth`; empty for what nothing is compared with."""
        if self.type.startswith(_NUMBERS):
            return "" if "[" in self.type else "number"
        return {"VARCHAR": "text", "DATE": "day", "BOOLEAN": "truth"}.get(self.type, "")


def where_expression(
    con: duckdb.DuckDBPyConnection, where: str, columns: Mapping[str, Column]
) -> str:
    """The expression of a predicate.

    Args:
        con: Where a table `observations` has the columns of the index, by their types.
        where: The predicate.
        columns: As the store has them, by name.

    Raises:
        InputError: It is no predicate, or one that the store cannot answer; says which part, and what would do.
    """
    check_predicate(con, where)
    wrapped = f"SELECT row FROM observations WHERE ({where}\n)\n"
    tree = json.loads(con.execute("SELECT json_serialize_sql(?)", [wrapped]).fetchall()[0][0])
    reader = _Reader(where, {name.lower(): c for name, c in columns.items()})
    return reader.pair(tree["statements"][0]["node"]["where_clause"])[0]


class _Reader:
    def __init__(self, where: str, columns: Mapping[str, Column]) -> None:
        self._where, self._columns = where, columns

    def _refused(self, what: str) -> InputError:
        return InputError(
            f"--where {cut(self._where)} holds {what}, which a store does not answer; it compares columns with values: "
            "=, <>, <, <=, >, >=, BETWEEN, IN, IS NULL, LIKE 'begins%', joined by AND, OR and NOT."
        )

    def pair(self, node: dict[str, Any]) -> tuple[str, str]:
        """When a part is true, and when it is false."""
        kind, form = str(node.get("class")), str(node.get("type"))
        if kind == "CONJUNCTION":
            parts = [self.pair(c) for c in node["children"]]
            true, false = [p[0] for p in parts], [p[1] for p in parts]
            return (
                (every(true), some(false)) if form.endswith("AND") else (some(true), every(false))
            )
        if form == "OPERATOR_NOT":
            true_one, false_one = self.pair(node["children"][0])
            return false_one, true_one
        if form in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            known = self._column(node["children"][0]).known
            without = (NOTHING, EVERYTHING) if known is None else (f"not ({known})", known)
            return without if form == "OPERATOR_IS_NULL" else (without[1], without[0])
        if form in ("COMPARE_IN", "COMPARE_NOT_IN"):
            found = self._among(node["children"])
            return found if form == "COMPARE_IN" else (found[1], found[0])
        if kind == "COMPARISON" and form in _COMPARED:
            return self._compared(node, _COMPARED[form])
        if kind == "BETWEEN":
            column = self._column(node["input"])
            low, high = self._value(node["lower"], column), self._value(node["upper"], column)
            return column.both(f"{column.field} >= {low} and {column.field} <= {high}")
        if kind == "FUNCTION" and node["function_name"] in ("~~", "!~~"):
            found = self._alike(node)
            return found if node["function_name"] == "~~" else (found[1], found[0])
        if kind == "COLUMN_REF":
            column = self._column(node)
            if column.kind != "truth":  # DuckDB makes one of it
                raise self._refused(f"{column.name}, a {column.kind}, where true or false stands")
            return column.both(f"{column.field} == true")
        if kind == "CONSTANT" and node.get("literal", {}).get("kind") == "BOOLEAN":
            whole = (EVERYTHING, NOTHING)
            return whole if node["literal"]["text"].lower() == "true" else (whole[1], whole[0])
        raise self._refused(self._named(node))

    def _named(self, node: dict[str, Any]) -> str:
        kind = str(node.get("class"))
        if kind == "FUNCTION":
            name = str(node["function_name"])
            return f"{name}()" if name.isidentifier() else f"the operator {name}"
        return {"CAST": "a cast", "CASE": "CASE", "CONSTANT": "a value by itself"}.get(
            kind, str(node.get("type")).lower().replace("compare_", "").replace("_", " ")
        )

    def _column(self, node: dict[str, Any]) -> Column:
        if node.get("class") != "COLUMN_REF":
            raise self._refused(f"{self._named(node)} where a column stands")
        column = self._columns.get(str(node["column_names"][-1]).lower())
        if column is None or not column.kind:
            raise self._refused(f"the column {node['column_names'][-1]!r}")
        return column

    def _compared(self, node: dict[str, Any], sign: str) -> tuple[str, str]:
        left, right = node["left"], node["right"]
        if left.get("class") != "COLUMN_REF":
            if right.get("class") != "COLUMN_REF":
                other = right if left.get("class") == "CONSTANT" else left
                raise self._refused(self._named(other))
            left, right, sign = right, left, _SWAPPED[sign]
        column = self._column(left)
        if column.kind == "truth" and sign not in ("==", "!="):
            raise self._refused(f"{sign} of a column of true and false")
        if column.kind == "text" and sign not in ("==", "!=") and not column.listed:
            raise self._refused(f"{sign} between texts")
        value = self._value(right, column)
        if sign == "!=":
            true, false = column.both(f"{column.field} == {value}")
            return false, true
        return column.both(f"{column.field} {sign} {value}")

    def _among(self, children: list[dict[str, Any]]) -> tuple[str, str]:
        column = self._column(children[0])
        values = [self._literal(c, column) for c in children[1:]]
        if column.listed:
            return column.both(f"{column.field} in {listed(values)}")
        if len(values) > MOST_IN:
            raise self._refused(
                f"a list of {len(values):,} values for {column.name}; {MOST_IN} at most, or ids,"
            )
        return column.both(some(f"{column.field} == {self._written(v, column)}" for v in values))

    def _alike(self, node: dict[str, Any]) -> tuple[str, str]:
        given = [a.get("expression", a) for a in node["arguments"]]
        column = self._column(given[0])
        pattern = given[1].get("literal", {}) if given[1].get("class") == "CONSTANT" else {}
        form = str(pattern.get("text", ""))
        begins = form[:-1]
        if column.kind != "text" or pattern.get("kind") != "STRING":
            raise self._refused("LIKE with what is no text")
        if not form.endswith("%") or not begins or any(c in begins for c in '%_\\"'):
            raise self._refused(
                f"LIKE {form!r:.60}; only LIKE 'begins%', without _, is the same for both"
            )
        return column.both(f"{column.field} like {text(form)}")

    def _value(self, node: dict[str, Any], column: Column) -> str:
        return self._written(self._literal(node, column), column)

    def _written(self, value: Any, column: Column) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        return text(value) if isinstance(value, str) else number(value)

    def _literal(self, node: dict[str, Any], column: Column) -> Any:
        """A value that stands in the predicate, as the column has such."""
        if node.get("class") == "CAST" and str(node["type_expr"]["type_name"]).lower() == "date":
            node = node["child"]
        held = node.get("literal") if node.get("class") == "CONSTANT" else None
        if held is None:
            raise self._refused(f"{self._named(node)} where a value stands")
        kind, written = str(held.get("kind")), str(held.get("text"))
        try:
            if column.kind == "text" and kind == "STRING":
                return written
            if column.kind == "number" and kind in ("INTEGER", "NUMERIC", "STRING"):
                exact = Decimal(written)
                if exact.adjusted() > _MOST_DIGITS:  # to write it whole takes minutes
                    raise ValueError
                return int(exact) if exact == exact.to_integral_value() else float(exact)
            if column.kind == "day" and kind == "STRING":
                day = date.fromisoformat(written)
                if day.isoformat() == written:  # Python reads more forms than DuckDB
                    return (day - date(1970, 1, 1)).days
            if column.kind == "truth" and kind in ("BOOLEAN", "STRING"):
                return {"true": True, "false": False}[written.lower()]
        except (ValueError, KeyError, ArithmeticError):
            pass
        raise self._refused(f"{written!r:.60} where {column.name} has a {column.kind}")
