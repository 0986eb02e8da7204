"""The demo world: an invented planet with real files. Every name, place and licence is made up."""

from prom3e_index.world.write import write_world

__all__ = ["write_world"]
