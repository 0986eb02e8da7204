"""What the cells of a column tell of it where its name does not: media, places, and what it could be mapped to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prom3e_index.policy.columns import private
from prom3e_index.tables.addresses import is_address
from prom3e_index.tables.aliases import PLACE_NAMES, Matched, plain
from prom3e_index.tables.attached import UNSTATED, modality_of, several
from prom3e_index.tables.by_cells import Said, counts, parts_of_names, presences
from prom3e_index.tables.cells import NUMBER
from prom3e_index.tables.dates import read_days
from prom3e_index.tables.dates_by_cells import DATES, dates
from prom3e_index.tables.names import binomial, names_kind
from prom3e_index.tables.places import read_pair
from prom3e_index.tables.places_by_cells import PLACES, places
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.vernacular import latin_shaped

_CELLS = 1000
"""Cells of a column that are looked at."""
_MOST = 0.8
"""Share of them that has to be of one sort."""
_FILES = 20
"""Files that are looked for."""
_NOT_OF_THE_ROW = re.compile(
    r"icon|avatar|logo|defaultphoto|thumb|sono|osci|spectrogram|profile|flag"
)
"""Names of columns of pictures that do not show what was observed."""
_NAMES = re.compile(
    r"species|taxon|scienti|cientif|latin|vernacular|common|label\b|art\b|espece|especie|naam|nombre|nom\b"
)
_LICENCE = re.compile(
    r"creative ?commons|\bcc[ -]?(?:by|0)|public domain|all rights", re.IGNORECASE
)
_SIDES = {
    "latitude": ("breite", "breedte", "bredde"),
    "longitude": ("lange", "laenge", "lengte", "lengde", "langd"),
}
_DIGITS = re.compile(r"[0-9]")
_DATED = re.compile(r"[0-9][./-][0-9]|[0-9]\.?\s+[^\W\d_]+\.?\s+[0-9]{4}")
"""What dates have and no geodetic datum: `3.5.2021`, `3. Mai 2021`."""

_LATIN = re.compile(r"(?:us|a|um|is|i|ae|orum|ens|ans|ex|ix|ax|or|oides|er|os|ops)\Z")
_NO_NAMES = re.compile(
    r"local|site|place|area|region|town|\bort|lieu|lugar|observ|person|note|comment|remark|habitat|host|prey|plant"
)
"""Columns whose words are of places, people and remarks, or of what else was there."""
_PERSON = re.compile(
    r"surname|vorname|nachname|firstname|lastname|forename|prenom|apellido|e?mail\Z|achternaam"
)
_NAMED = {"scientific_name", "species", "common_name", "genus", "text"}
"""Fields that name what was seen."""

Check = Callable[[str], tuple[str | None, str | None]]


@dataclass
class Sniffed:
    """What was learned from the cells of a table.

    Attributes:
        fields: Field → columns, those of the names among them.
        said: What was decided by the cells.
        unused: Column that no field is read from → the field that it looks like.
    """

    fields: dict[str, tuple[str, ...]]
    said: list[str] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)


def sniff(matched: Matched, columns: Iterable[str], sample: Sample, check: Check) -> Sniffed:
    """Look at the cells of the columns that no field is read from.

    Args:
        matched: What the names tell.
        columns: All columns of the table.
        sample: Its first rows.
        check: Looks for a medium's file; see `Rules.media_path`.

    Returns:
        The fields; a column of media is read where the table has none of that kind and one of its files is there or
        is an address, a single column as place where its name says so or most of its cells are one, and the id
        is one that tells rows apart.
    """
    out = Sniffed(dict(matched.fields))
    left = set(matched.convention.leave) if matched.convention else set()
    filled = {f for f, names in out.fields.items() if any(sample.texts(c) for c in names)}
    _choose_id(out, matched, sample)
    _dates_called_datum(out, sample, filled)
    places = tuple(
        c
        for c in matched.singles
        if (plain(c) in PLACE_NAMES and sample.texts(c))
        or _share(sample.texts(c), _is_place) >= _MOST
    )
    if places:
        out.fields["latlon"] = places
    columns = list(columns)
    if matched.convention is None:
        _by_cells(out, columns, sample, filled)
    _names_by_their_cells(out, columns, sample, filled)
    used = {c for names in out.fields.values() for c in names}
    media = {
        p
        for f in ("image", "audio", "sat", UNSTATED)
        for c in out.fields.get(f, ())
        for t in sample.texts(c)[:_CELLS]
        for p in several(t)
    }
    for name in columns:
        if name in used or private(name):
            continue
        texts = sample.texts(name)[:_CELLS]
        kinds = _media_kinds(texts)
        beside = _sibling(name, out.fields) if kinds else None
        if beside is not None:
            field, first = beside
            out.fields[field] = (*out.fields[field], name)
            each = (*out.fields.get("each_medium", ()), first, name)
            out.fields["each_medium"] = tuple(dict.fromkeys(each))
            continue
        if kinds and not _NOT_OF_THE_ROW.search(plain(name)):
            free = not (filled & kinds) and plain(name) not in left and UNSTATED not in filled
            if free and _are_there(texts, check):
                target = next(iter(kinds)) if len(kinds) == 1 else UNSTATED
                out.fields[target] = (*out.fields.get(target, ()), name)
                filled |= kinds
                what = {"image": "photos", "audio": "recordings"}.get(
                    target, "photos and recordings"
                )
                out.said.append(
                    f"{name!r} is read as the column of {what}, for what its cells hold"
                )
            elif not all(p in media for t in texts for p in several(t)):
                out.unused[name] = next(iter(sorted(kinds))) if len(kinds) == 1 else UNSTATED
            continue
        looks = _looks_like(name, texts, filled)
        if looks is not None:
            out.unused[name] = looks
    _taxa_as_columns(out, [c for c in columns if c not in used], sample, filled)
    return out


def _by_cells(out: Sniffed, columns: list[str], sample: Sample, filled: set[str]) -> None:
    """Read what names and cells together tell of a table that has no place, no date or no whole name by its names."""

    def free() -> list[str]:
        used = {c for names in out.fields.values() for c in names}
        return [c for c in columns if c not in used and not private(c)]

    def take(told: Said) -> None:
        for name, found in told.fields.items():
            out.fields[name] = tuple(dict.fromkeys((*out.fields.get(name, ()), *found)))
            filled.add(name)
        out.said += told.said
        out.unused |= dict(told.unused or {})

    if not filled & PLACES and not out.fields.get("latlon"):
        take(places(free(), sample, stated=bool(filled & {"datum", "utm_zone"})))
    if not filled & DATES:
        take(dates(free(), sample))
    if "count" not in filled:
        take(counts(free(), sample))
    if "status" not in filled:
        take(presences(free(), sample))
    if not filled & {"species", "scientific_name", "epithet", "text", "common_name"}:
        genus = next(iter(out.fields.get("genus", ())), None)
        take(parts_of_names(free(), sample, genus))


def _names_by_their_cells(
    out: Sniffed, columns: Iterable[str], sample: Sample, filled: set[str]
) -> None:
    """Read the first column whose cells are nearly all names of species, where no column is called so."""
    columns = list(columns)
    _leave_persons(out, columns, sample, filled)
    if filled & (_NAMED - {"common_name"}):
        return
    used = {c for names in out.fields.values() for c in names}
    free = (
        c for c in columns if c not in used and not _NO_NAMES.search(plain(c)) and not _is_taxon(c)
    )
    found = next((c for c in free if _holds_species(sample.texts(c))), None)
    if found is not None:
        out.fields["scientific_name"] = (*out.fields.get("scientific_name", ()), found)
        filled.add("scientific_name")
        out.said.append(f"{found!r} is read as the column of names, for what its cells hold")


def _leave_persons(out: Sniffed, columns: list[str], sample: Sample, filled: set[str]) -> None:
    """Read no taxon of a column `name` whose cells are none, where another holds species or it is a person's."""
    named = out.fields.get("scientific_name", ())
    if len(named) != 1 or plain(named[0]) != "name" or _holds_species(sample.texts(named[0])):
        return
    others = [c for c in columns if c not in {n for names in out.fields.values() for n in names}]
    species = any(_holds_species(sample.texts(c)) for c in others if not _NO_NAMES.search(plain(c)))
    if species or any(_PERSON.search(plain(c)) for c in columns):
        out.fields["scientific_name"] = ()
        filled.discard("scientific_name")
        out.said.append(
            f"{named[0]!r} is read as no name of a taxon: it seems to be a person's or a place's"
        )


def _holds_species(texts: list[str]) -> bool:
    """Whether cells are names of species, most of whose epithets end as Latin ones do."""
    some = list(dict.fromkeys(texts[:_CELLS]))
    epithets = [(t, binomial(t)[1]) for t in some]
    known = [e for t, e in epithets if e and (e in t or t.isupper())]  # `Sierra Nevada` is a place
    if len(known) < _MOST * len(some) or names_kind(texts[:_CELLS]) != "scientific":
        return False
    return sum(bool(_LATIN.search(e)) for e in known) >= _MOST * len(known) > 0


def _taxa_as_columns(out: Sniffed, columns: list[str], sample: Sample, filled: set[str]) -> None:
    """Say that a table has a column for each taxon, of which none is read."""
    if filled & _NAMED:
        return
    taxa = [c for c in columns if _is_taxon(c) and _share(sample.texts(c), _is_number) == 1]
    if len(taxa) > 1:
        out.said.append(
            f"{len(taxa):,} columns are named like taxa, such as {taxa[0]!r}; no name is read of them: write a row for "
            "each taxon of a place, with its name in a column"
        )


def _is_taxon(column: str) -> bool:
    """Whether a column is called as a species is, as where no line has names, or each taxon has a column."""
    genus, epithet = binomial(column)
    return bool(epithet) and latin_shaped(genus)


def _share(texts: list[str], holds: Callable[[str], bool]) -> float:
    some = list(dict.fromkeys(texts[:_CELLS]))
    return sum(map(holds, some)) / len(some) if some else 0.0


def _is_number(text: str) -> bool:
    return re.fullmatch(NUMBER, text) is not None


def _is_place(text: str) -> bool:
    return read_pair(text).latitude is not None


def _sibling(name: str, fields: dict[str, tuple[str, ...]]) -> tuple[str, str] | None:
    """Field and first column of media of the same name but for the number after it: `Foto 2` of `Foto 1` or `Foto`."""
    stem = re.sub(r"[0-9]+\Z", "", plain(name))
    if stem == plain(name):
        return None
    known = ((f, c) for f in ("image", "audio", UNSTATED) for c in fields.get(f, ()))
    return next(((f, c) for f, c in known if re.sub(r"[0-9]+\Z", "", plain(c)) == stem), None)


def _media_kinds(texts: list[str]) -> set[str]:
    """The modalities of a column most of whose cells end as media do; none of another column."""
    kinds: list[set[str | None]] = [{modality_of(p) for p in several(t)} for t in texts]
    known = [k for k in kinds if k and None not in k]
    if not known or len(known) < _MOST * len(kinds):
        return set()
    return {m for k in known for m in k if m is not None}


def _are_there(texts: list[str], check: Check) -> bool:
    paths = list(dict.fromkeys(p for t in texts for p in several(t)))
    step = max(1, len(paths) // _FILES)
    return any(is_address(p) or check(p)[0] is not None for p in paths[::step])


def _looks_like(name: str, texts: list[str], filled: set[str]) -> str | None:
    """A field without a column that this one could be."""
    if not texts:
        return None
    known = plain(name)
    if "license" not in filled and _share(texts, lambda t: bool(_LICENCE.search(t))) >= _MOST:
        return "license"
    if not filled & {"event_date", "date_parts", "date_span", "verbatim_date"} and (
        re.search(r"date|time|day|dato|datum|fecha|jour|\bdata\b|\btag\b", known)
        and _share(texts, lambda t: read_days(t)[0] is not None) >= _MOST
    ):
        return "event_date"
    if not filled & {"scientific_name", "species", "common_name"} and _NAMES.search(known):
        kind = names_kind(texts)
        if kind is not None:
            return "scientific_name" if kind == "scientific" else "common_name"
    if not filled & {"latitude", "latlon", "grid"}:
        side = next(
            (
                s
                for s, words in _SIDES.items()
                if known.startswith((s[:3], s[:4])) or known in words
            ),
            None,
        )
        if side is not None and _share(texts, lambda t: bool(_DIGITS.search(t))) >= _MOST:
            return side
    if (
        "rights_holder" not in filled
        and re.search(
            r"observ(?:er|ator|ateur|ador)|recordist|photograph|recorder|beobachter|waarnemer",
            known,
        )
        and not all(t.isdecimal() for t in texts)
    ):
        return "rights_holder"
    return None


def _dates_called_datum(out: Sniffed, sample: Sample, filled: set[str]) -> None:
    """Read as dates what German, Dutch and Scandinavian tables call `Datum`."""
    for name in out.fields.get("datum", ()):
        if not any(_DATED.search(t) for t in sample.texts(name)):
            continue
        out.fields["datum"] = tuple(c for c in out.fields["datum"] if c != name)
        if not filled & {"event_date", "date_parts", "date_span", "verbatim_date"}:
            out.fields["event_date"] = (*out.fields.get("event_date", ()), name)
            filled.add("event_date")
            out.said.append(f"{name!r} is read as the column of dates, for what its cells hold")


def _choose_id(out: Sniffed, matched: Matched, sample: Sample) -> None:
    """Put the id first that tells rows apart, as far as the first rows show."""
    names = out.fields.get("id", ())
    if len(names) < 2:
        return
    sets = matched.by.get("datasetkey")
    several_sets = sets is not None and len(set(sample.texts(sets))) > 1
    gbif = matched.by.get("gbifid")
    cells = {c: sample.column(c) for c in names}
    rows = len(cells[names[0]])
    whole = [c for c in names if None not in cells[c] and len(set(cells[c])) == rows]
    if several_sets and gbif in whole and names[0] != gbif:
        chosen, why = gbif, f"the table is of several data sets ({sets})"
    elif (
        whole
        and names[0] not in whole
        and len(set(sample.texts(names[0]))) < len(sample.texts(names[0]))
    ):
        chosen, why = whole[0], "it repeats"
    else:
        return
    out.fields["id"] = (chosen, *(c for c in names if c != chosen))
    out.said.append(f"{chosen!r} is the id, not {names[0]!r}: {why}")
