"""Evaluation: retrieval, probes and uncertainty, every number with its interval and its rows."""
