"""An index by whatever names it: the path of a folder, or the address of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.search.run import Bundle
from prom3e_index.store.address import is_address
from prom3e_index.store.opened import StoreBundle


def open_index(path: str | Path, **options: Any) -> Bundle:
    """An index folder or a store, whichever a path or an address names; options as `open` of either takes them.

    A store searches itself, whatever `gpu` is.

    Raises:
        InputError: An earlier generation of a store.
    """
    if is_address(path):
        if options.pop("at", None) is not None:
            raise InputError(f"{path} answers as it is now, not as of an earlier generation.")
        options.pop("gpu", None)
        return StoreBundle.open(path, **options)
    return Bundle.open(path, **options)
