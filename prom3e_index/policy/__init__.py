"""Sensitive species: which rows a policy generalises, to which cells, and what of them is left out."""
