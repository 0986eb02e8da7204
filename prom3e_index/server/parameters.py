"""Parameters of addresses: those that `/openapi.json` names, each as often as it says; others are refused in words.

One that is misspelt would be left out without a word, and a filter that is left out answers something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request

from prom3e_index.errors import near_names
from prom3e_index.server.problems import Problem

MOST = 2000
"""Parameters of one address; more than the lists of rows that are taken hold together."""
PAGE = "/"
"""The page reads its own address: a link to it opens, whatever a version of it has written there."""
_SAID: Mapping[str, Mapping[str, bool]] = {"/static/{name:path}": {"v": False}}
"""Of addresses that are not described: the names that are taken, and whether more than once."""


async def known_parameters(request: Request) -> None:
    """Let pass what names only parameters that its address has.

    Raises:
        Problem: 400, one is unknown, or is given more than once where there can be one.
    """
    query = request.scope["query_string"]
    route = getattr(request.scope.get("route"), "path", "")
    if not query or route == PAGE:
        return
    known = _SAID.get(route)
    if known is None:
        known = _described(request.app).get((request.method, route), {})
    given = Counter(_names(query))
    for name, times in given.items():
        if name not in known:
            raise _unknown(name, list(known))
        if times > 1 and not known[name]:
            raise Problem(
                400, "parameter", "A parameter is given more than once",
                f"{name} is given {times} times; give it once.", name,
            )  # fmt: skip


def _names(query: bytes) -> list[str]:
    try:
        parts = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST)
    except ValueError as e:
        raise Problem(
            400, "parameter", "Too many parameters",
            f"The address has more than {MOST:,} parameters. Give fewer.",
        ) from e  # fmt: skip
    return [name for name, _ in parts]


def _unknown(name: str, known: list[str]) -> Problem:
    near = near_names(name, known)
    there = f"known: {', '.join(sorted(known))}" if known else "this address has none"
    return Problem(
        400, "parameter", "No such parameter", f"There is no parameter {name[:60]!r}; {there}{near}.", name[:60],
        near.removeprefix("; nearest: ").split(", ") if near else (),
    )  # fmt: skip


def _described(app: Any) -> dict[tuple[str, str], dict[str, bool]]:
    """By method and address: the names of parameters, and whether they are lists; read once of the description."""
    held: dict[tuple[str, str], dict[str, bool]] | None = getattr(app.state, "parameters", None)
    if held is None:
        held = {
            (method.upper(), path): {
                p["name"]: _is_list(p["schema"])
                for p in operation.get("parameters", ())
                if p["in"] == "query"
            }
            for path, methods in app.openapi()["paths"].items()
            for method, operation in methods.items()
        }
        app.state.parameters = held
    return held


def _is_list(schema: Mapping[str, Any]) -> bool:
    return any(s.get("type") == "array" for s in (schema, *schema.get("anyOf", ())))
