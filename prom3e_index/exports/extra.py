"""What an export needs that is not installed with the program: said in one line."""

from __future__ import annotations

from importlib.util import find_spec

from prom3e_index.errors import InputError


def needs(module: str) -> None:
    """Refuse what needs a package that is not there.

    Raises:
        InputError: Says how it is installed.
    """
    if find_spec(module) is None:
        raise InputError(
            f"This format needs {module}, which is not installed: pip install 'prom3e-index[gis]'"
        )
