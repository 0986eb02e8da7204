"""The section of a page that shows one answer: what was asked, a map, the hits, what is to be known of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.schema import MEDIA
from prom3e_index.search.answered import Answer, Hit
from prom3e_index.search.in_words import explained, sentences, word
from prom3e_index.search.meaning import MEANINGLESS
from prom3e_index.search.spans import span_text, split_span
from prom3e_index.show.escapes import html, on_earth
from prom3e_index.show.maps import Mark, cell_of, map_of
from prom3e_index.show.pictures import picture
from prom3e_index.show.sounds import Sounds

LONGEST = 160
"""Letters of a cell of somebody's table; the rest is cut."""
_NOTE = 600


@dataclass(frozen=True)
class Section:
    """An answer and what is shown of its question.

    Attributes:
        answer: What was found.
        name: Of the question: its row in a table of questions.
        example: The observation of the index that the question was taken from.
        refused: Why there is no answer; `answer` is None then.
    """

    answer: Answer | None
    name: str = ""
    example: Hit | None = None
    refused: str = ""


def cut(value: Any, most: int = LONGEST) -> str:
    """Text from somebody's table for a page: harmless, and no longer than a cell."""
    text = str(value)
    return html(text if len(text) <= most else f"{text[: most - 1]}…")


def section_of(section: Section, sounds: Sounds, has_land: bool, where: str) -> str:
    """The section; `where` is its name within the page."""
    a = section.answer
    if a is None:
        return (
            f"<h2 id='{where}'>{cut(section.name)}</h2><section><p>No answer: "
            f"{cut(section.refused, _NOTE)}</p></section>"
        )
    q, s = a.query, a.search
    title = f"{' + '.join(word(m) for m in q['given'])} → {word(q['target'])}"
    name = f"{cut(section.name)}: " if section.name else ""
    own = section.example is not None  # whose filter leaves the asking observation out
    said = ", ".join(f"{k} {v}" for k, v in q["filters"].items() if not (own and k == "where"))
    filters = f" Filters: {cut(said, _NOTE)}." if said else ""
    filters += " The observation itself is left out." if own else ""
    notes = "".join(
        f"<p class='warn'>{cut(n, _NOTE)}</p>" if n == MEANINGLESS else f"<p>{cut(n, _NOTE)}</p>"
        for n in s["notes"]
    )
    told = "".join(f"<p>{cut(t, _NOTE)}</p>" for t in (sentences(q) if a.hits else []))
    sure = f"<div class='sure'>{told}</div>" if told else ""
    hits = "".join(hit_figure(h, sounds) for h in a.hits)
    return (
        f"<h2 id='{where}'>{name}{html(title)}</h2><section><div class='ask'><div>{_asked(section, sounds)}</div>"
        f"<div>{_map(section, has_land)}<p class='soft'>{len(a.hits)} of {s['eligible']:,} eligible rows; the index "
        f"has {s['rows']:,}.{filters}</p>{sure}{notes}{_how(a)}</div></div><div class='hits'>{hits}</div></section>"
    )


def _how(a: Answer) -> str:
    """What few ask for: what confidence rests on, how it was searched, and ‖σ‖₁."""
    q, s = a.query, a.search
    w = q["weights"]
    more = "".join(f"<p>{cut(t, _NOTE)}</p>" for t in explained(q))
    return (
        f"<details class='small soft'><summary>How it was searched</summary>{more}<p>{cut(s['path'], _NOTE)}. Space "
        f"{html(q['space'])}, δ {w['delta']:g}, γ {w['gamma']:g}, ε {w['epsilon']:g}. ‖σ‖₁ {q['sigma_l1']:g}, "
        f"{html(a.standing)}.</p></details>"
    )


def _asked(section: Section, sounds: Sounds) -> str:
    """What the question showed."""
    assert section.answer is not None  # of a question that was answered
    if section.example is not None:
        given = html(word(next(iter(section.answer.query["given"]), "")))
        return f"<p class='soft'>The {given} of this observation of the index:</p>{hit_figure(section.example, sounds)}"
    shown = []
    for modality, given in section.answer.query["given"].items():
        for value in _each(given):
            source, played = _media(modality, value, sounds)
            label = cut(Path(str(value)).name if source else _value(value))
            image = (
                f"<img alt='{html(word(modality))} of the query' src='{source}'>" if source else ""
            )
            shown.append(f"<div>{image}{played}<p><b>{html(word(modality))}</b> {label}</p></div>")
    return "".join(shown)


def _each(given: Any) -> list[Any]:
    """The files or names of a modality, one by one; a place or a climate is one."""
    several = isinstance(given, list) and any(isinstance(v, str) for v in given)
    return given if several else [given]


def _media(modality: str, value: Any, sounds: Sounds) -> tuple[str | None, str]:
    """A picture of a file that a query gives, and its player; of a recording from the second on that it asks for."""
    if modality not in MEDIA or value == "embedding":
        return None, ""
    if modality != "audio":
        return _picture(str(value), None), ""
    file, span = split_span(str(value))
    source = _picture(str(file), None if span is None else span[0])
    fragment = None if span is None else f"t={span[0]:g},{span[1]:g}"
    return source, sounds.player(str(file), fragment) if source else ""


@lru_cache(512)
def _picture(file: str, start_s: float | None) -> str | None:
    return picture(file, start_s)


def _value(value: Any) -> str:
    if isinstance(value, list):
        more = ", …" if len(value) > 4 else ""
        return ", ".join(f"{v:.3f}" for v in value[:4]) + more
    return str(value)


def hit_figure(h: Hit, sounds: Sounds) -> str:
    """An observation with its picture or spectrogram, its player, what it is, and whose it is."""
    f = h.fields
    remote = h.media is not None and is_remote(h.media)
    outside = h.media in sounds.outside
    hidden = remote or outside
    source = None if hidden else _picture(h.media or "", f.get("start_s") if h.heard else None)
    name = f.get("scientific_name") or f.get("common_name") or "no name"
    missing = "only an address" if remote else "file not there" if h.media else "no file"
    if outside:
        missing = f"not shown: {cut(h.media)} is outside the index's folders of media"
    image = (
        f"<img alt='{cut(name)}' src='{source}' loading='lazy'>"
        if source
        else f"<div class='none'>{missing}</div>"
    )
    if h.heard and h.media and source:
        image += sounds.player(h.media, h.media_fragment)
        if h.media_fragment:
            image += html(span_text(f["start_s"], f["end_s"]))
    common = (
        f"{cut(f['common_name'])}<br>" if f.get("common_name") and f.get("scientific_name") else ""
    )
    rights = " · ".join(cut(v) for v in (f.get("license"), f.get("rights_holder")) if v)
    rights = rights or "no licence stated"
    obscured = " (place obscured)" if f.get("obscured") else ""
    rank = (
        f"<b>{h.rank}.</b> {h.score:.3f} <span class='mark {h.kind}'>{h.kind}</span><br>"
        if h.rank
        else ""
    )
    return (
        f"<figure>{image}<figcaption>{rank}<i>{cut(name)}</i><br>{common}{cut(f.get('observation') or f['id'])}"
        f"{obscured}<br><span class='soft'>{cut(f.get('event_date') or '')} {rights}</span></figcaption></figure>"
    )


def _map(section: Section, has_land: bool) -> str:
    a = section.answer
    assert a is not None  # of a question that was answered
    marks = []
    for h in reversed(a.hits):
        here = _place(h.fields.get("latitude"), h.fields.get("longitude"))
        if here is not None:
            name = h.fields.get("scientific_name") or h.fields["id"]
            kind = "guessed" if h.completed else "observed"
            level = h.fields.get("place_level")
            cell = cell_of(*here, level) if h.fields.get("obscured") else None
            marks.append(Mark(*here, f"{h.rank}. {str(name)[:LONGEST]}", h.rank, kind, cell=cell))
    given = a.query["given"].get("loc")
    asked = _place(*given[:2]) if isinstance(given, list | tuple) else None
    if section.example is not None:
        asked = _place(*(section.example.fields.get(c) for c in ("latitude", "longitude")))
    return map_of(marks, "map of hits", asked, has_land)


def _place(latitude: Any, longitude: Any) -> tuple[float, float] | None:
    return (float(latitude), float(longitude)) if on_earth(longitude, latitude) else None
