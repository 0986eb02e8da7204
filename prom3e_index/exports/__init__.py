"""Observations written for other software: tables, map layers, Darwin Core; with licences, holders and sources."""
