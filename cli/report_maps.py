"""What a page says of places: how diverse each is, and where species live."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prom3e_index.diversity.shown import Shown
    from prom3e_index.maps.shown import Asked
    from prom3e_index.search.query import Query
    from prom3e_index.search.run import Bundle
    from prom3e_index.show.answer_section import Section
    from prom3e_index.show.diversity_section import Panel

MOST_ROWS = 1_000_000
"""Rows of an index of which a page has maps: they are in cells within a minute."""
_WORDS = {"image": "photo", "audio": "sound"}


def map_sections(
    bundle: Bundle,
    asked: Sequence[tuple[Query, Section]],
    like: Query,
    show: Callable[..., None],
    truth: Callable[[Shown], Panel] | None = None,
) -> list[str]:
    """The sections, or a sentence of why there is none of them.

    Args:
        bundle: The index.
        asked: The page's questions; of the first photo and the first sound there is a map.
        like: Model, hub and device.
        show: Told of progress.
        truth: What is true of diversity, where it is known.
    """
    import numpy as np

    from prom3e_index.diversity.shown import richness_of
    from prom3e_index.errors import InputError, MismatchError, ModelError, NotCachedError
    from prom3e_index.maps.occurrences import occurrences_of
    from prom3e_index.maps.shown import range_maps
    from prom3e_index.show.diversity_section import no_richness, richness_section
    from prom3e_index.show.ranges_section import Ranges, ranges_section

    index = typed(bundle.path)
    command = f"prom3e-index diversity {index}"
    if len(bundle) > MOST_ROWS:
        why = f"A page maps indexes of up to {MOST_ROWS:,} rows; this one has {len(bundle):,}. A command maps it:"
        remedy = f"prom3e-index map -i {index} --taxon NAME"
        return [no_richness(why, command), ranges_section(Ranges(why=why, remedy=remedy))]
    show("diversity", 0)
    try:
        found = occurrences_of(bundle)
    except InputError as e:  # it has no row
        return [no_richness(str(e), ""), ranges_section(Ranges(why=f"No map is made: {e}"))]
    try:
        shown = richness_of(found, index)
        out = [richness_section(shown.richness, None if truth is None else truth(shown))]
    except InputError as e:
        countable = bool((np.isfinite(found.latitude) & ~found.hidden & (found.species >= 0)).any())
        out = [no_richness(str(e), f"{command} --grid 100km --rarefy 2" if countable else "")]
    show("ranges", 0)
    try:
        ranges = range_maps(bundle, found, _questions(bundle, asked), like, index, show)
    except (MismatchError, ModelError, NotCachedError) as e:
        ranges = Ranges(why=f"No map is made: {e.typed}")
    return [*out, ranges_section(ranges)]


def typed(path: Any) -> str:
    """A file as a reader of the page may type it."""
    try:
        return shlex.quote(str(Path(path).absolute().relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))


def _questions(bundle: Bundle, asked: Sequence[tuple[Query, Section]]) -> list[Asked]:
    """The first question by photo and the first by sound."""
    out: dict[str, Asked] = {}
    for query, section in asked:
        made = _question(bundle, query, section)
        if made is not None:
            out.setdefault(made.how, made)
    return [out[how] for how in _WORDS.values() if how in out]


def _question(bundle: Bundle, query: Query, section: Section) -> Asked | None:
    from prom3e_index.bundle.filters import Filter
    from prom3e_index.maps.shown import Asked

    if section.answer is None:
        return None
    given = next((m for m in _WORDS if m in section.answer.query["given"]), None)
    if given is None:
        return None
    how, plain = _WORDS[given], replace(query, filter=Filter(), group_by=None)
    if section.example is None:
        options = _options(query)
        picture, rights = _shown(query, given)
        name = _named(bundle, query)
        return Asked(plain, how, name, f"A {how} that was asked with.", options, picture, rights)
    hit = section.example
    name = hit.fields.get("scientific_name")
    who = str(hit.fields.get("observation") or hit.fields["id"])[:80]
    words = f"The {how} of observation {who}, which the index holds."
    picture, options = None, ""
    if hit.media is not None and bundle.segment_of(hit.row)[0].folders.below(hit.media):
        from prom3e_index.show.pictures import picture as drawn

        picture = drawn(hit.media, hit.fields.get("start_s") if hit.heard else None)
        span = f"@{hit.fields['start_s']:g}-{hit.fields['end_s']:g}" if hit.media_fragment else ""
        options = f"--{how} {typed(hit.media)}{span}" if picture else ""
    stated = [str(v)[:160] for c in ("license", "rights_holder") if (v := hit.fields.get(c))]
    rights = " · ".join(stated) or "no licence stated"
    return Asked(plain, how, None if name is None else str(name), words, options, picture, rights)


def _named(bundle: Bundle, query: Query) -> str | None:
    """The species that a question names, as the index writes it."""
    for text in query.several().get("text", ()):
        for taxon in bundle.metadata.known_taxa(str(text), bundle.several):
            return str(taxon.name)
    return None


def _options(query: Query) -> str:
    """What a question asks with, as options of `map`; empty where it gives what they do not take."""
    if query.embedding is not None or query.env is not None or query.audio_span is not None:
        return ""
    names = {"image": "photo", "audio": "sound", "sat": "tile", "text": "name"}
    words = [
        f"--{names[m]} {typed(v) if m != 'text' else shlex.quote(str(v))}"
        for m, values in query.several().items()
        if m in names
        for v in values
    ]
    if query.location is not None:
        place = query.location
        at = place if isinstance(place, str) else f"{place[0]:g},{place[1]:g}"
        words.append(f"--place={at}")
    return " ".join(words)


def _shown(query: Query, given: str) -> tuple[str | None, str]:
    from prom3e_index.search.spans import split_span
    from prom3e_index.show.pictures import picture

    values = query.several().get(given, ())
    if not values:
        return None, ""
    file, span = split_span(str(values[0]))
    return picture(str(file), None if span is None else span[0]), file.name
