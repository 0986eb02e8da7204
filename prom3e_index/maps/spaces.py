"""What serves a model's maps, as validation chose it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model
    from prom3e_index.schema import Space

USUAL: Space = "hybrid"
"""Of a model that states none."""


def maps_space(model: Model) -> Space:
    """The space of `[maps]` in a model's `model.toml`."""
    return model.settings.get("maps", {}).get("space", USUAL)  # type: ignore[no-any-return]


def taxon_gamma(model: Model) -> float | None:
    """γ of a taxon's own observations, as validation chose it; None where it did not."""
    found = model.settings.get("maps", {}).get("gamma")
    return None if found is None else float(found)
