"""Parameters of addresses: those that `/openapi.json` names, each as often as it says; others are refused in words.

So are whole numbers in another form than they are written in: `1_0`, `+1` and ` 1` would be taken for 10 and 1.

One that is misspelt would be left out without a word, and a filter that is left out answers something else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi import Request

from prom3e_index.errors import near_names
from prom3e_index.server.problems import Problem

MOST = 2000
"""Parameters of one address; more than the lists of rows that are taken hold together."""
PAGE = "/"
"""The page reads its own address: a link to it opens, whatever a version of it has written there."""
_WHOLE = re.compile("-?[0-9]+")


class Parameter(NamedTuple):
    """What is known of a parameter.

    Attributes:
        many: Whether it may be given more than once.
        whole: Whether it is a whole number.
        path: Whether it is a part of the path.
    """

    many: bool = False
    whole: bool = False
    path: bool = False


_SAID: Mapping[str, Mapping[str, Parameter]] = {"/static/{name:path}": {"v": Parameter()}}
"""Of addresses that are not described: the names that are taken."""


async def known_parameters(request: Request) -> None:
    """Let pass what names only parameters that its address has.

    Raises:
        Problem: 400, one is unknown, or is given more than once where there can be one.
    """
    query = request.scope["query_string"]
    route = getattr(request.scope.get("route"), "path", "")
    if route == PAGE:
        return
    known = _SAID.get(route)
    if known is None:
        known = _described(request.app).get((request.method, route), {})
    given = _parts(query) if query else []
    for name, times in Counter(n for n, _ in given).items():
        if name not in known or known[name].path:
            raise _unknown(name, [n for n, p in known.items() if not p.path])
        if times > 1 and not known[name].many:
            raise Problem(
                400, "parameter", "A parameter is given more than once",
                f"{name} is given {times} times; give it once.", name,
            )  # fmt: skip
    for name, value in (*given, *request.scope.get("path_params", {}).items()):
        if name in known and known[name].whole and not _WHOLE.fullmatch(value):
            raise Problem(
                422, "request", "The request is not as it must be",
                f"{name} is {value[:60]!r}; it must be a whole number, in digits alone.", name,
            )  # fmt: skip


def _parts(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST)
    except ValueError as e:
        raise Problem(
            400, "parameter", "Too many parameters",
            f"The address has more than {MOST:,} parameters. Give fewer.",
        ) from e  # fmt: skip


def _unknown(name: str, known: list[str]) -> Problem:
    near = near_names(name, known)
    there = f"known: {', '.join(sorted(known))}" if known else "this address has none"
    return Problem(
        400, "parameter", "No such parameter", f"There is no parameter {name[:60]!r}; {there}{near}.", name[:60],
        near.removeprefix("; nearest: ").split(", ") if near else (),
    )  # fmt: skip


def _described(app: Any) -> dict[tuple[str, str], dict[str, Parameter]]:
    """By method and address: the parameters by their names; read once of the description."""
    held: dict[tuple[str, str], dict[str, Parameter]] | None = getattr(
        app.state, "parameters", None
    )
    if held is None:
        held = {
            (method.upper(), path): {
                p["name"]: _parameter(p["schema"], p["in"])
                for p in operation.get("parameters", ())
                if p["in"] in ("query", "path")
            }
            for path, methods in app.openapi()["paths"].items()
            for method, operation in methods.items()
        }
        app.state.parameters = held
    return held


def _parameter(schema: Mapping[str, Any], where: str) -> Parameter:
    kinds = [schema, *schema.get("anyOf", ())]
    of = [k["items"] if "items" in k else k for k in kinds]
    many = any(k.get("type") == "array" for k in kinds)
    return Parameter(many, any(k.get("type") == "integer" for k in of), where == "path")
