"""Which licences are allowed: what `--licence-allow` says."""

from __future__ import annotations

from collections.abc import Iterable

from prom3e_index.errors import InputError, near_names
from prom3e_index.licences.codes import CODES, UNKNOWN, code_of


def allowed_codes(given: str | Iterable[str]) -> tuple[str, ...]:
    """The codes that are named, in the order of `CODES`.

    Args:
        given: `cc0,by,by-nc`, or a list of such names, in any spelling that licences have in tables; `arr` stands for
            none, `unknown` for one that is none of the known.

    Raises:
        InputError: Not one name, or one that is no licence; names the nearest.
    """
    if not isinstance(given, str) and not isinstance(given, Iterable):
        raise InputError(
            f"--licence-allow is {given!r:.60}; it is names of licences, as cc0,by,by-nc."
        )
    parts = given.split(",") if isinstance(given, str) else [str(g) for g in given]
    names = [p.strip() for p in parts if p.strip()]
    if not names:
        raise InputError(f"--licence-allow names no licence; known: {', '.join(CODES)}.")
    found = set()
    for name in names:
        code = code_of(name)
        if code == UNKNOWN and name.lower() != UNKNOWN:
            near = near_names(name, CODES)
            raise InputError(
                f"--licence-allow has {name[:60]!r}, which is no licence; known: {', '.join(CODES)}{near}."
            )
        found.add(code)
    return tuple(c for c in CODES if c in found)
