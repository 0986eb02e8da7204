"""Bulk work: plan, embed, infer, build, verify."""
