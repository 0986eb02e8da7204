"""Darwin Core Archives: the observations that may be published, as GBIF and its like take them.

Source: Darwin Core text guide, https://dwc.tdwg.org/text/, and GBIF's Simple Multimedia extension,
http://rs.gbif.org/extension/gbif/1.0/multimedia.xml.
"""

from __future__ import annotations

import contextlib
import json
import mimetypes
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from prom3e_index.exports.attribution import Attribution, text_column
from prom3e_index.exports.eml import About, eml, meta
from prom3e_index.exports.occurrences import Occurrences, is_address
from prom3e_index.exports.rows import Rows
from prom3e_index.licences import NONE, UNKNOWN, code_of, licence_columns, url_of
from prom3e_index.schema import FIELDS
from prom3e_index.show.files import replacing
from prom3e_index.tables.aliases import ALIASES, plain

if TYPE_CHECKING:
    import pyarrow as pa

_DC = "http://purl.org/dc/terms/"
MEDIA = ("type", "format", "identifier", "license", "rightsHolder", "creator")
"""Columns of `multimedia.txt` after the id."""
_TYPES = {"image": "StillImage", "audio": "Sound"}
_FORMS = {**_TYPES, "video": "MovingImage"}
"""By the first half of a file's type, where its address tells it: tables have sounds and films among their pictures."""
_LEVEL = 6
_HAVE = ("has_image", "has_audio")
"""Of photos and sounds those are counted that are in the archive."""


@dataclass
class Archive:
    """What an archive holds, and what it does not.

    Attributes:
        attribution: Of the occurrences that are in it.
        left_out: Reason → observations that are not.
        media_left_out: Reason → photos and sounds that are not.
        media: Photos and sounds in it.
        unsaid: Columns that are no Darwin Core term.
        merged: Rows that are further photos or windows of an occurrence before them.
    """

    attribution: Attribution
    left_out: Counter[str] = field(default_factory=Counter)
    media_left_out: Counter[str] = field(default_factory=Counter)
    media: int = 0
    unsaid: tuple[str, ...] = ()
    merged: int = 0

    def said(self) -> list[str]:
        """Sentences on what is not in it."""
        said = [f"left out: {rows:,} {reason}" for reason, rows in self.left_out.most_common()]
        if self.merged:
            said.append(f"{self.merged:,} rows are further photos or windows of these occurrences")
        said += [
            f"left out of the media: {n:,} {reason}"
            for reason, n in self.media_left_out.most_common()
        ]
        if self.unsaid:
            few = ", ".join(self.unsaid[:8]) + (", …" if len(self.unsaid) > 8 else "")
            said.append(f"no Darwin Core term, so not written: {few}")
        return said


def write_archive(rows: Rows, path: Path, about: About) -> Archive:
    """Write the rows as an archive: occurrences, their media, who holds what, and how to cite.

    A row is an occurrence; further photos and windows of an observation are media of one. Rows that cannot be
    published are left out and counted: without id, name or date, or under another licence than CC0, BY and BY-NC.

    Args:
        rows: The rows.
        path: The zip.
        about: What it says of itself.

    Returns:
        What is in it, and what is not.
    """
    occurrences = Occurrences(rows)
    made = Archive(Attribution(rows.bundle, path.name), unsaid=occurrences.unsaid)
    with (
        replacing(path) as new,
        tempfile.TemporaryFile(dir=new.parent if new != path else None) as media,
        zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as z,
    ):
        media.write(_line(["coreid", *MEDIA]))
        with z.open(_member("occurrence.txt"), "w", force_zip64=True) as core:
            core.write(_line(occurrences.terms))
            _write_rows(rows, occurrences, made, core, media)
        media.seek(0)
        with z.open(_member("multimedia.txt"), "w", force_zip64=True) as out:
            while part := media.read(1 << 20):
                out.write(part)
        texts = dict(made.attribution.texts())
        texts["meta.xml"] = meta(occurrences.terms, [_DC + t for t in MEDIA])
        texts["eml.xml"] = eml(about, made.attribution, made.said())
        texts["citations.txt"] = made.attribution.citation_txt()
        texts["rights.txt"] = (
            f"Licence of the whole: {made.attribution.said()}.\nEach record has its own.\n"
        )
        for name, text in texts.items():
            z.writestr(_member(name), text)
    return made


def _member(name: str) -> zipfile.ZipInfo:
    """A member whose time tells nothing: the same rows give the same bytes."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def _links(cells: Sequence[str | None]) -> list[str]:
    """The addresses in the cells of a row, each once, else its file."""
    found: dict[str, None] = {}
    for cell in cells:
        text = (cell or "").strip()
        parts = re.split(r"[|;]", text)
        if text.startswith("["):
            with contextlib.suppress(ValueError, RecursionError):
                parts = [p for p in json.loads(text) if isinstance(p, str)]
        found |= {part.strip(): None for part in parts if is_address(part.strip())}
    own = cells[0]
    return list(found) or ([own] if own else [])


def _line(cells: Sequence[str]) -> bytes:
    return ("\t".join(cells) + "\n").encode()


def _write_rows(
    rows: Rows,
    occurrences: Occurrences,
    made: Archive,
    core: IO[bytes],
    media: IO[bytes],
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    items = _Media(made, licence_columns(rows.columns))
    known: dict[int, tuple[bool, int]] = {}
    """Occurrences so far, by the hash of their ids: whether each is in the archive, and the hash of its source's id."""
    for batch in rows.batches():
        terms = occurrences.columns(batch)
        ids = terms["occurrenceID"].to_pylist()
        first = np.zeros(len(ids), bool)
        written = np.zeros(len(ids), bool)
        own = occurrences.ids(batch).to_pylist()
        for i, (name, reason) in enumerate(
            zip(ids, occurrences.reasons(batch, terms), strict=True)
        ):
            mine = hash(own[i])
            key = hash(name)
            if name is None or key not in known:
                first[i] = reason is None
                if reason is not None:
                    made.left_out[reason] += 1
                if name is not None:
                    known[key] = reason is None, mine
            elif known[key][1] != mine:
                made.left_out["whose id differs from another's in blanks alone"] += 1
                continue
            else:
                made.merged += 1
            written[i] = name is not None and known[key][0]
        kept = batch.filter(pa.array(first))
        made.attribution.add(kept.select([n for n in kept.schema.names if n not in _HAVE]))
        lines = pc.binary_join_element_wise(
            *(terms[t] for t in occurrences.terms),
            "\t",
            null_handling="replace",
            null_replacement="",
        ).filter(pa.array(first))
        if len(lines):
            core.write(("\n".join(lines.to_pylist()) + "\n").encode())
        mask = pa.array(written)
        for line in items.lines(batch.filter(mask), terms["occurrenceID"].filter(mask)):
            media.write(line)


class _Media:
    """The media of occurrences, each once."""

    def __init__(self, made: Archive, licences: dict[str, tuple[str, ...]]) -> None:
        self._made, self._licences = made, licences
        self._seen: set[int] = set()

    def lines(self, batch: pa.RecordBatch, ids: pa.Array) -> Iterator[bytes]:
        """Lines of `multimedia.txt`: photos and sounds that have an address and a licence."""
        holders, records, sources = (
            text_column(batch, [c]).to_pylist() for c in ("rights_holder", "license", "source")
        )
        names = ids.to_pylist()
        licences = {
            m: text_column(batch, self._licences.get(m, ("license",))).to_pylist() for m in _TYPES
        }
        for column_of, kind in _TYPES.items():
            cells = [
                text_column(batch, [c]).to_pylist()
                for c in (column_of, *self._linked(batch, column_of))
            ]
            links = map(_links, zip(*cells, strict=True))
            for i, own in enumerate(links):
                for link in own:
                    mime = mimetypes.guess_type(link.partition("?")[0])[0] or ""
                    form = _FORMS.get(mime.partition("/")[0], kind)
                    modality = "audio" if form == "Sound" else "image"
                    stated = licences[modality][i]
                    if not self._new(names[i], link) or not self._free(link, stated):
                        continue
                    self._made.media += 1
                    self._made.attribution.add_medium(
                        holders[i], records[i], sources[i], modality, code_of(stated)
                    )
                    who = " ".join((holders[i] or "").split())
                    yield _line([names[i], form, mime, link, url_of(stated) or "", who, who])

    def _linked(self, batch: pa.RecordBatch, modality: str) -> list[str]:
        """Columns of the index's table that may hold addresses of such media."""
        known = {*ALIASES[modality], "associatedmedia"}
        return [
            c
            for c in batch.schema.names
            if c not in FIELDS and plain(c.removeprefix("source_")) in known
        ]

    def _free(self, link: str, licence: str | None) -> bool:
        """Whether others can open a medium and may use it; counts why not."""
        if not is_address(link):
            self._made.media_left_out["files without an address on the web"] += 1
            return False
        if code_of(licence) in (NONE, UNKNOWN):
            self._made.media_left_out["without a licence that is known"] += 1
            return False
        return True

    def _new(self, name: Any, link: str) -> bool:
        key = hash((name, link))
        new = key not in self._seen
        self._seen.add(key)
        return new
