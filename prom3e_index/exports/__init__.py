"""Observations written for other software: tables, map layers, Darwin Core; with their licences, holders and sources."""
