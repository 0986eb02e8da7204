"""The media rows of an archive: which file each names, and of what kind it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from prom3e_index.tables.kinds import kind_of
from prom3e_index.tables.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_LINKS = ("identifier", "accessuri", "goodqualityaccessuri")
_STATED = (
    ("audio", ("sound", "audio")),
    ("video", ("video", "movingimage")),
    ("image", ("image", "photo")),
    ("other", ("text", "html", "pdf", "dataset", "json", "xml")),
)


@dataclass
class MediaTable:
    """A table of media, each belonging to a row of another.

    Attributes:
        source: Its rows.
        key: Position of the column that says what a medium belongs to.
        own: Column that names the occurrence itself, where the key names its event.
        without_link: Media rows that name no file, so far.
        other: Media rows of other kinds: documents, web pages.
    """

    source: Source
    key: int
    own: str | None = None
    without_link: int = 0
    other: int = 0
    links: list[str] = field(init=False)
    described: list[str] = field(init=False)
    page: str | None = field(init=False)

    def __post_init__(self) -> None:
        lower = {c.lower(): c for c in reversed(self.source.columns)}
        self.links = [lower[n] for n in _LINKS if n in lower]
        self.described = [lower[n] for n in ("type", "format") if n in lower]
        self.page = lower.get("references")
        self.own = lower.get("occurrenceid") if self.own is None else self.own

    def batches(self, number: int) -> Iterator[pa.RecordBatch]:
        """Columns `extension` (the number given), `n`, `of_row`, `own`, `link`, `kind`: image, audio or video."""
        import pyarrow as pa

        self.without_link = self.other = 0
        at = 0
        for batch in self.source.read(1 << 14):
            cells = dict(zip(self.source.columns, batch.columns, strict=True))
            nothing = [None] * batch.num_rows
            own = cells[self.own].to_pylist() if self.own else nothing
            keys = batch.column(self.key).to_pylist()
            out: list[tuple[int, int, str | None, str | None, str, str]] = []
            pages = cells[self.page].to_pylist() if self.page else nothing
            links = [
                _first(row)
                for row in zip(*(_texts(cells, c) for c in self.links), nothing, strict=True)
            ]
            said = zip(*(_texts(cells, c) for c in self.described), nothing, strict=True)
            for i, (link, page, words) in enumerate(zip(links, pages, said, strict=True)):
                if link is None and page and kind_of(page):
                    link = page
                if link is None:
                    self.without_link += 1
                    continue
                kind = medium_kind(link, " ".join(w for w in words if w))
                if kind == "other":
                    self.other += 1
                    continue
                out.append((number, at + i, keys[i], own[i], link, kind))
            at += batch.num_rows
            names = ("extension", "n", "of_row", "own", "link", "kind")
            kinds = (pa.int32(), pa.int64(), *[pa.string()] * 4)
            columns = list(zip(*out, strict=True)) or [()] * 6
            yield pa.record_batch(
                [pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=names
            )


def _texts(cells: dict[str, Any], name: str) -> list[str | None]:
    return list(cells[name].to_pylist())


def _first(texts: tuple[str | None, ...]) -> str | None:
    return next((t.strip() for t in texts if t and t.strip()), None)


@lru_cache(1 << 10)
def _stated(words: str) -> str | None:
    return next((k for k, names in _STATED if any(n in words.lower() for n in names)), None)


def medium_kind(link: str, words: str = "") -> str:
    """`image`, `audio`, `video` or `other`, by what is said of a medium, else by its ending; else a photo."""
    stated = _stated(words) if words else None
    ending = kind_of(link)
    if stated == "other" and ending is not None:
        stated = None
    return stated or ending or "image"


def split_links(cell: str | None) -> tuple[list[str], list[str]]:
    """Photos and recordings of a cell that lists media (`associatedMedia`), apart by `|`, `;`, blank or comma."""
    images: list[str] = []
    sounds: list[str] = []
    for link in _pieces((cell or "").strip()):
        kind = medium_kind(link)
        if kind != "other" and link not in images and link not in sounds:
            (sounds if kind == "audio" else images).append(link)
    return images, sounds


def _pieces(cell: str) -> list[str]:
    """The links of a cell; a blank or comma divides only where each piece is an address."""
    pieces = [cell]
    for mark in ("|", ";"):
        pieces = [p.strip() for piece in pieces for p in piece.split(mark)]
    out: list[str] = []
    for piece in pieces:
        words = piece.replace(",", " ").split()
        many = len(words) > 1 and all("://" in w for w in words)
        out += words if many else [piece]
    return [p for p in out if p]
