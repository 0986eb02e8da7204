"""Columns read from representations by linear models."""
