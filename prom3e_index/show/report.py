"""An HTML page of an index and of answers that opens without a network: maps, photos, sounds, whose they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prom3e_index import __version__
from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.errors import InputError
from prom3e_index.search.answered import Answer
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.run import Bundle
from prom3e_index.show.answer_section import Section, section_of
from prom3e_index.show.calibration_section import calibration_section
from prom3e_index.show.endings import told
from prom3e_index.show.escapes import html
from prom3e_index.show.files import write_text
from prom3e_index.show.maps import land
from prom3e_index.show.overview import overview
from prom3e_index.show.pictures import land_map
from prom3e_index.show.recall_section import recall_section
from prom3e_index.show.sounds import Sounds
from prom3e_index.show.style import STYLE

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data: file: 'self'"
)
"""What a browser may load for the page: what is in it, and recordings that lie beside it."""
_START = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
    "<meta name='generator' content='prom3e-index'>"
)
"""How a page begins, and another file does not."""


def page_at(path: Path) -> Path:
    """A path that a page may be written to: nothing is there, or an earlier page, or what is no file.

    Raises:
        InputError: The ending says another kind of file, its folder is not there, or another file would be lost.
    """
    told(path, "html")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(
            f"{path} cannot be written; name a file in a folder that is there: -o report.html."
        )
    if path.is_file():
        try:
            with path.open("rb") as f:
                begins = f.read(len(_START))
        except OSError as e:
            raise InputError(f"{path} is there and cannot be read: {e.strerror}.") from e
        if begins not in (b"", _START.encode()):
            raise InputError(
                f"{path} is there and is no page of this program; give another --output, or take it away first."
            )
    return path


def outside_of(bundle: Bundle, sections: Sequence[Section]) -> set[str]:
    """Files of hits that lie in none of the index's folders; an index of others may name any file of a computer."""
    hits = [h for s in sections for h in (*(s.answer.hits if s.answer else ()), s.example) if h]
    return {
        h.media
        for h in hits
        if h.media is not None
        and not is_remote(h.media)
        and not bundle.segment_of(h.row)[0].folders.below(h.media)
    }


def told_outside(files: Collection[str]) -> str:
    """Say that files are not shown, and how they would be."""
    return (
        f"Of the answers' files {len(files):,} not shown: outside the index's folders of media, as {min(files)}. "
        "If they may be seen by who reads the page, name their folder: --media FOLDER."
    )


def write_report(
    path: Path,
    bundle: Bundle,
    answers: Sequence[Answer | Section],
    records: Sequence[dict[str, Any]] = (),
    raster: Path | None = None,
    said: Sequence[str] = (),
    maps: Sequence[str] = (),
) -> None:
    """Write the page.

    Args:
        path: The HTML file. Everything is inside it but long recordings, which are linked as seen from it.
        bundle: Where the answers come from; what it holds is shown first.
        answers: One section each. Files outside the index's folders of media are named and not shown.
        records: From `recall.recall_table`; the table is left out when empty.
        raster: Climate raster (`.npy`) drawn as the maps' background.
        said: Sentences that stand at the top.
        maps: Sections of maps as HTML, between the answers and the recall.
    """
    sections = [a if isinstance(a, Section) else Section(a) for a in answers]
    outside = outside_of(bundle, sections)
    if outside:
        said = [*said, told_outside(outside)]
    sounds = Sounds(path, outside)
    m = bundle.manifest
    name = bundle.path.resolve().name
    parts = [
        f"{_START}<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='referrer' content='no-referrer'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{html(name)}</title><style>{STYLE}</style></head><body>"
    ]
    background = None if raster is None else land_map(raster)
    has_land = background is not None
    if background is not None:
        parts.append(land(background))
    elif raster is not None:
        said = [
            *said,
            f"The maps are without land: {raster.name} cannot be read as a climate raster.",
        ]
    parts.append(
        f"<main><h1>{html(name)}</h1><p class='soft'>{len(bundle):,} observations, generation {m['generation']}, model "
        f"{html(Path(m['model']['name']).name)}. <span class='mark'>observed</span> the observation has what was "
        "searched for; <span class='mark completed'>completed</span> the model filled it in, which is a guess.</p>"
    )
    if means_nothing(bundle):
        parts.append(f"<p class='warn'>{html(MEANINGLESS)}</p>")
    parts += [f"<p>{html(sentence)}</p>" for sentence in said]
    parts += [overview(bundle, has_land), calibration_section(bundle)]
    parts += [section_of(s, sounds, has_land, f"q{i}") for i, s in enumerate(sections, 1)]
    parts += maps
    if records:
        parts.append(recall_section(list(records)))
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    parts.append(
        f"<p class='soft small'>Made {made} by prom3e-index {__version__}. Photos and sounds belong to those who are "
        "named beside them.</p></main></body></html>"
    )
    write_text(path, "".join(parts))
