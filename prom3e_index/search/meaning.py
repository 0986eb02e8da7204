"""Whether an index's answers mean anything: a model that knows only the invented planet is asked about others."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakKeyDictionary

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.taxa import quoted
from prom3e_index.world.names import of_planet

MEANINGLESS = (
    "answers mean nothing: model mini knows only the invented planet of `prom3e-index world`, and these observations "
    "are not of it"
)
"""What every answer of such an index says first."""
_NAMED = ("kingdom", "text", "scientific_name", "species", "genus", "family")
_kept: WeakKeyDictionary[BundleFolder, bool] = WeakKeyDictionary()


def means_nothing(bundle: BundleFolder) -> bool:
    """Whether the index's model is `mini` and its observations are not the planet's.

    The manifest says it since `planet` is noted there; of earlier indexes the names are looked at, once.
    """
    noted = bundle.manifest.get("planet")
    if noted is not None:
        return not noted
    if Path(bundle.manifest["model"]["name"]).name != "mini":
        return False
    if bundle not in _kept:
        held = [quoted(c) for c in _NAMED if c in bundle.columns]
        first = f"split_part(coalesce({', '.join([*held, 'NULL'])})::VARCHAR, ' ', 1)"
        named = bundle.sql(f"SELECT {first}, count(*) FROM observations GROUP BY ALL")
        _kept[bundle] = not of_planet((str(n or ""), int(count)) for n, count in named)
    return _kept[bundle]
