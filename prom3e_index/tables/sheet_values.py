"""Cells of a spreadsheet that show no value: formulas that were never computed, and errors such as `#N/A`."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
_ERROR = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\bt\s*=\s*["']e["']""")
_NEVER = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>|</(?:\w+:)?c>)"
)
Chunks = Callable[[zipfile.ZipFile, str], Iterator[bytes]]


def without_values(path: Path, sheet: str, chunks: Chunks) -> list[str]:
    """Sentences on the cells of an XLSX sheet that hold a formula without its value, or an error; none of others."""
    with zipfile.ZipFile(path) as z:
        member = _member(z, sheet)
        if member is None:
            return []
        never = errors = 0
        for data in chunks(z, member):
            never += len(_NEVER.findall(data))
            errors += len(_ERROR.findall(data))
    said = []
    if never:
        said.append(
            f"{never:,} cells hold formulas that were never computed, and are read as empty: open the file in a "
            "spreadsheet program and save it"
        )
    if errors:
        said.append(f"{errors:,} cells hold errors such as #N/A, and are read as empty")
    return said


def _member(z: zipfile.ZipFile, sheet: str) -> str | None:
    """The member of a workbook that is the sheet of that name."""
    names = set(z.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    tags = (
        _SHEET.findall(z.read("xl/workbook.xml")),
        _RELATION.findall(z.read("xl/_rels/workbook.xml.rels")),
    )
    own = next((_attribute(t, "id") for t in tags[0] if _attribute(t, "name") == sheet), None)
    target = next((_attribute(t, "Target") for t in tags[1] if _attribute(t, "Id") == own), None)
    if own is None or target is None:
        return None
    member = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return member if member in names else None


def _attribute(tag: bytes, name: str) -> str | None:
    found = re.search(rf"""[\s:]{name}\s*=\s*(["'])(.*?)\1""".encode(), tag)
    return None if found is None else unescape(found[2].decode("utf-8", "replace"))
