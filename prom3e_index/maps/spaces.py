"""The space that serves a model's maps, as validation chose it."""

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
