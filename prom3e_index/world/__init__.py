"""The demo world: an invented planet with real files. Every name and place is made up."""

from prom3e_index.world.write import write_world

__all__ = ["write_world"]
