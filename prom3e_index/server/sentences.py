"""Sentences of the library and the server by a code and their values, so that a page says them in its own language.

They are told in English wherever the program runs. A client of another language finds beside them which sentence it is
and what stands in it, and says it anew; of a sentence that has no code it shows the English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, Field

FORMS = {
    # Of an answer
    "meaningless": "answers mean nothing: model {model} knows only the invented planet of `prom3e-index world`, and "
    "these "
    "observations are not of it",
    "unmeasured": "how much of the exact answer a search finds was not measured; `prom3e-index certify` measures it",
    "averaged": "{n:n} {things:w}, averaged to one",
    "like.more": "asked with {modalities:m} of {ids} and {n:n} more, as the index holds {_}; {_} left out of the hits",
    "like": "asked with {modalities:m} of {ids}, as the index holds {_}; {_} left out of the hits",
    "moved": "moved towards {more:n} marked {_:w} and away from {less:n} marked {_:w} (Rocchio: {_})",
    "moved.more": "moved towards {n:n} marked {_:w} (Rocchio: {_})",
    "moved.less": "moved away from {n:n} marked {_:w} (Rocchio: {_})",
    "name.here": "{typed:q} is in this index ({n:n} {_:w}); asked as {asked:q}",
    "name.several": "{typed:q} is {_} of {name} in this index ({n:n} {_:w}), and of {others:t}, which are asked for "
    "by their "
    "scientific names; asked as {asked:q}",
    "name.common": "{typed:q} is the common name of {name} in this index ({n:n} {_:w}); asked as {asked:q}",
    "name.rank": "{typed:q} is the {rank:w} {name} in this index ({n:n} {_:w}); asked as {asked:q}",
    "name.other": "{typed:q} is a name of {name} in this index ({n:n} {_:w}); asked as {asked:q}",
    "name.species": "{typed:q} is not in this index, its species is; asked as {asked:q}",
    "name.genus.near": "{typed:q} is not in this index, its genus is; nearest: {near}; asked as {asked:q}",
    "name.genus": "{typed:q} is not in this index, its genus is{_}; asked as {asked:q}",
    "name.none.near": "this index has no taxon {typed:q}; nearest: {near}; asked as {_}",
    "name.none": "this index has no taxon {typed:q}{_}; asked as {_}",
    "fewer": "{n:n} of {k:n} hits: no more are eligible",
    "changed": "the index has changed since: it is at generation {n:n} now; ask again",
    "out.date": "{n:n} of {all:n} observations {_:w} no date and are left out",
    "out.place": "{n:n} of {all:n} observations {_:w} no place and are left out",
    "out.name": "{n:n} of {all:n} observations {_:w} no name and are left out",
    "turned": "the place {place} lies outside of all observations and {other} among them: latitude comes first",
    "unobserved": "no observation here has {modality:m}: every hit is what the model makes of it; --target "
    "{modalities:m} is "
    "what there is",
    "none.like": "no observation satisfies the filters but those that the query is like",
    "none": "no observation satisfies the filters",
    "none.each": "each alone leaves rows: {parts}",
    "none.where": "the observations lie at latitudes {south} to {north} and longitudes {west} to {east}: --bbox {_}",
    "none.placeless": "no observation has a place",
    "none.turned": "with latitude and longitude exchanged {n:n} rows are left: {_}",
    "none.dates": "the dates of the observations go from {first} to {last}",
    "none.licences": "licences of the observations: {licences}",
    "none.unlicensed": "the index knows no licences: all rights are reserved (arr)",
    "files.none": "none of the {all:n} files of these hits is there, as {file} is not; where they have moved: {_}",
    "files.some": "{n:n} of the {all:n} files of these hits is there, as {file} is not; where they have moved: {_}",
    "hubs.segments": "the correction against hubs was made segment by segment by an earlier version: scores of two "
    "segments "
    "cannot be compared; run prom3e-index rebuild",
    "beside.model": "the model beside the index is used, {file}: {known} is not there",
    "beside.hub": "the copy of the hub beside the index is used, {file}: {known} is not there",
    "longer": "{file}: longer than {seconds:n} s: only the first {_} s are read",
    "video": "{file}: a video of {seconds:n} s: of its pictures the one at {at:n} s is seen",
    # Why it is not known how likely an answer is right
    "unsure.moved": "it is calibrated for what a query gives, not for one that marks have moved",
    "unsure.model": "it is calibrated with model {model}, not with {other}",
    "unsure.eligible": "{n:n} rows are eligible; {least:n} are needed",
    "unsure.first": "none of the first {n:n} rows has a species",
    "unsure.one": "all eligible rows are of one species",
    "unsure.other": "without names of species nothing says which other {modality:m} is right",
    "unsure.way.one": "no answers to {modality:m} from one were judged",
    "unsure.way.several": "no answers to {modality:m} from several were judged",
    "unsure.way.shown": "no answers to {modality:m} shown were judged",
    "unsure.few": "{n:n} observations could be asked with; {least:n} are needed",
    "unsure.sides": "{right:n} answers were right and {wrong:n} wrong; {least:n} of each are needed",
    "unsure.asked": "all that asked is of one species",
    "unsure.all": "all its observations are of one species",
    "unsure.rows": "it has {n:n} rows; {least:n} are needed",
    "unsure.kin": "{n:n} of its {all:n} rows could ask; {least:n} are needed, each with two modalities and another "
    "observation "
    "of its species",
    "unsure.two": "{n:n} of its {all:n} rows could ask; {least:n} are needed, each with two modalities",
    "unsure.earlier": "the index was built by an earlier version; prom3e-index rebuild calibrates it",
    "unsure.changed": "its rows have changed, and it could not be calibrated anew: {why}",
    # Of a map
    "similarity": "Similarity is no probability: it says where the model finds places like what was asked for.",
    "map.withheld": "No map of it is made: its places are withheld by {why}. A map of other taxa may be.{_}",
    "map.fine": "Cells of {_} are {_} degrees wide; the finest that may be are {finest}: {why}. Give --grid {_}",
    "map.placeless": "The {n:n} observations of {name:q} have no place, or one that is hidden; there is nothing to "
    "map.",
    "map.folder": "A map of where it may live needs an index folder; the store {_} answers queries and filters.{_}",
    # Why something is refused
    "taxon": "No observation is of {name:q}.{_}",
    "taxon.near": "No observation is of {name:q}; nearest: {near}.",
    "upload.gone": "The file is not here: uploads are kept for an hour after they were last used. Send it again.",
    "search.gone": "Searches are kept for a quarter of an hour after they were last looked at. Ask again.",
    "search.none": "No search has this id. Ask anew.",
    "row.none": "The index has no observation in row {row}.",
    "row.outside": "{_:w} names row {row}; the rows of {name} are numbered from 0 to {last}.",
    "row.removed": "{_:w} names row {row}, which was removed from the index.",
    "row.lacks": "like asks by {by:m}, and row {row} has {modalities:m}.",
    "generation": "Generation {asked} is not open; open are {_}. Ask one of these, or without `generation`.",
    "generation.gone": "What was found is no longer there. Ask again.",
    "climate": "Climate values are ({_}), the encoder takes (n, {n:n}).",
    "date": "{date:q} is no date; write 2024-05-01, 2024-05 or 2024.",
    "dates.order": "since={since} lies after until={until}; no day is both.",
    "latitude.turned": "{_:w} has the latitude {value}: outside -90..90 degrees; latitude and longitude look swapped.",
    "latitude": "{_:w} has the latitude {value}: outside -90..90 degrees.",
    "longitude": "{_:w} has the longitude {value}: outside -180..180 degrees.",
    "box": "bbox is {box}: WEST,SOUTH,EAST,NORTH with south ≤ north within ±90, west and east within ±180 are "
    "needed.{_}",
    "waiting": "{n:n} searches wait already. Ask again in {wait:n} s.",
    "moment": "Ask again in a moment.",
    "rate": "Ask again in {wait:n} s.",
    "deadline": "It was stopped after {seconds:n} s. Ask for fewer hits, or with a narrower filter.",
    "ending": "Ask again in a while.",
    "store": "The index is in a vector store, which did not answer as it should. Ask again in a moment; whoever runs "
    "this "
    "server finds more in its log.",
    "disk": "There is no room for what this needs to write. Whoever runs the server can free some, or start it with "
    "TMPDIR on "
    "another disk.",
    "uploads.full": "The room for uploads is taken up. Try again in a minute.",
    "marks.full": "{file} has {size:n} MB; {most:n} MB are the most. Move it away, and a new one is begun.",
    "marks.none": "Of the {n:n} hits none is marked as right. Mark some, or export all.",
    "upload.large": "The file has {size:n} MB or more; {most:n} MB are taken. Send a smaller photo, or the part of "
    "the recording "
    "that matters.",
    "upload.body": "At most {most:n} MB are taken here. Send less.",
    "slow": "The body did not come within {seconds:n} s. Send it again, or a smaller one.",
    "span": "The span goes from {begin:n} s to {end:n} s.",
    "media.neither": "The file is neither a photo nor a recording: {why}.",
    "media.empty": "{_} is empty (0 bytes){_}",
    "media.image": "{_} is no image: it is {_}; it is damaged, or of a kind that is not read: copy it again, or save "
    "it anew",
    "media.format": "{_} is no image of a known format ({formats}), or damaged from its first bytes on; save it as "
    "JPEG or PNG",
    "media.undecoded": "{_} cannot be decoded: {why}",
    "media.sound": "{_} is no sound file that can be decoded ({why}): {_}",
    "media.length": "{_} holds no sound: its length is 0 s",
    "media.samples": "{_} holds no samples",
    "media.silent": "{_} is silent: every sample is zero",
    "media.colour": "{_} has one colour throughout ({_}): nothing to see",
    "media.pixels": "{_} has {wide:n} × {tall:n} pixels, more than {most:n}; shrink it first",
    "media.slow": "{_}: decoding took longer than {seconds:n} s",
    "media.crashed": "{_}: the decoder crashed (exit code {_})",
}  # fmt: skip
"""Each sentence by its code: `{name}` stands for a text, `{name:q}` for one in quotes, `{name:n}` for a number,
`{name:m}` for modalities, `{name:w}` for a word, `{name:t}` for names with how many observations each has; what is
called `_` is not told."""
_PARTS = {
    "n": r"-?\d[\d,]*(?:\.\d+)?",
    "m": r"\w+(?:, \w+)*",
    "q": r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"",
    "w": r"\w+",
    "t": r".+",
}
_SLOT = re.compile(r"\{(\w+)(?::(\w))?\}")
_DIRECTION = re.compile(r"\w+ (?:from one|from several|shown): (?=.)")
"""Before the reason why nothing was fitted for a way of asking."""
_COUNTED = re.compile(r" \([\d,]+ observations?\)")
_LONGEST = 1500
_UNTOLD = "could not be written to the index's"
"""What a refused map says beside its reason where nobody will know of it: no form may leave that out."""


class Sentence(BaseModel):
    """A sentence that a client may say in its own language."""

    text: str = Field(description="As it stands in the answer, in English.")
    code: str = Field(description="Which sentence it is.")
    values: dict[str, str | int | float | list[str]] = Field(
        description="What stands in it: texts, numbers, lists of names."
    )


def coded(texts: Iterable[str | None]) -> list[dict[str, Any]]:
    """What is known of some sentences, as `Sentence` has it; those of no code are left out, each is told once."""
    out = []
    for text in dict.fromkeys(t for t in texts if t):
        found = code_of(text)
        if found is not None:
            out.append({"text": text, "code": found[0], "values": found[1]})
    return out


def code_of(text: str) -> tuple[str, dict[str, Any]] | None:
    """The code of a sentence and its values by name; None where it has none.

    Args:
        text: As the library or the server says it, without folders.
    """
    if len(text) > _LONGEST or _UNTOLD in text:
        return None
    text = _DIRECTION.sub("", text, count=1) if _DIRECTION.match(text) else text
    for code, (form, kinds) in _forms().items():
        found = form.fullmatch(text)
        if found is not None:
            return code, {n: _value(v, kinds[n]) for n, v in found.groupdict().items()}
    return None


@lru_cache(1)
def _forms() -> dict[str, tuple[re.Pattern[str], dict[str, str]]]:
    """The forms as patterns, with the kinds of their values."""
    out = {}
    for code, form in FORMS.items():
        parts, kinds, at = [], {}, 0
        for slot in _SLOT.finditer(form):
            name, kind = slot[1], slot[2] or ""
            part = _PARTS.get(kind, ".*?" if name == "_" else ".+?")
            parts += [re.escape(form[at : slot.start()])]
            parts += [f"(?:{part})" if name == "_" else f"(?P<{name}>{part})"]
            kinds[name], at = kind, slot.end()
        out[code] = re.compile("".join([*parts, re.escape(form[at:])]), re.DOTALL), kinds
    return out


def _value(text: str, kind: str) -> Any:
    if kind == "n":
        plain = text.replace(",", "")
        return float(plain) if "." in plain else int(plain)
    if kind == "q":
        return re.sub(r"\\(['\"\\])", r"\1", text[1:-1])
    if kind == "m":
        return text.split(", ")
    return _COUNTED.sub("", text) if kind == "t" else text
