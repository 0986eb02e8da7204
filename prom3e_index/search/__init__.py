"""Queries and answers: the hybrid score, the search, groups, hubs."""
