"""Grids over the Earth: regions, cells, outlines, masks, and the files that maps are written into."""
