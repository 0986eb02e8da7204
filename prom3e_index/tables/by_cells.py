"""Columns that mean what no list of names has: read where name and cells agree, said where they leave a doubt.

What is common to it, counts, presences, and genus and epithet apart; see `places_by_cells` and `dates_by_cells`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prom3e_index.tables.records import was_there
from prom3e_index.tables.sample import Sample

CELLS = 1000
"""Cells of a column that are looked at."""
MOST = 0.8
"""Share of them that has to be of one sort."""

_STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae"})
_COUNTS = frozenset(
    "nombre nb nbre ind inds ex stk stuck stuckzahl exemplare quantity menge".split()
)
_PRESENCES = frozenset(
    """
    status detection detected occurrence occurrences found present nachgewiesen gefunden vorhanden detectado detectada
    encontrado encontrada presente detecte detectee trouve waargenomen aangetroffen
    """.split()
)
"""Not `seen`, `observed` or `recorded`: who was heard only is there too."""
_THERE_OR_NOT = re.compile(
    r"presen|présen|absen|ausen|anwesend|abwesend|vorhanden|fehl|aanwezig|afwezig|frånv|närv|frav|tilstede|assen|detect",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"[0-9]{1,7}(?:[.,]0+)?\Z")
_GENERA = re.compile(
    r"(?:gattung|genus|genre|genero|generos|genere|geslacht|slakte|slekt|slaegt|rod|rodzaj|род)\Z"
)
_EPITHETS = re.compile(
    r".*epith.*|epiteto.*|art|artname|species|especie|espece|specie|soort|arte?n|gatunek|druh|вид|taxon"
)
_GENUS = re.compile(r"[A-Z][a-zë-]{2,}\Z")
_EPITHET = re.compile(r"[a-zë-]{3,}\Z")


@dataclass(frozen=True)
class Said:
    """What was decided by the cells.

    Attributes:
        fields: Field → columns that are read from now on.
        said: Sentences on it.
        unused: Column that is not read → the field that it may be.
    """

    fields: Mapping[str, tuple[str, ...]]
    said: tuple[str, ...] = ()
    unused: Mapping[str, str] | None = None


NOTHING = Said({})


def words(name: str) -> list[str]:
    """A column's name in words as they are compared: without units, accents and signs, in lower case."""
    text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", name.lower().translate(_STROKES))
    marked = unicodedata.normalize("NFKD", text)
    folded = "".join(c for c in marked if not "\u0300" <= c <= "\u036f")
    return [w for w in re.split(r"[\W_]+", unicodedata.normalize("NFC", folded)) if w]


def share(texts: Iterable[str], holds: Callable[[str], bool]) -> float:
    """How many of the distinct texts are of a sort, as a share of all; 0 where there are none."""
    some = list(dict.fromkeys(texts))[:CELLS]
    return sum(map(holds, some)) / len(some) if some else 0.0


def counts(columns: Iterable[str], sample: Sample) -> Said:
    """The column of whole numbers whose name says how many, in a language where that word may be another (`Nombre`)."""
    found = [
        c
        for c in columns
        if _COUNTS.issuperset(words(c))
        and share(sample.texts(c), lambda t: _WHOLE.match(t) is not None) == 1
    ]
    return Said({"count": (found[0],)}) if len(found) == 1 else NOTHING


def presences(columns: Iterable[str], sample: Sample) -> Said:
    """The column that says of each row whether the taxon was there: called so, with cells of both kinds and no others.

    A `status` may be many things, so its cells must have words for it, as `absent`.
    """
    found = [
        c
        for c in columns
        if _PRESENCES.issuperset(words(c) or ("",)) and _tells(words(c), sample.texts(c))
    ]
    if len(found) != 1:
        return NOTHING
    said = f"{found[0]!r} is read as whether the taxon was there, for what its cells hold"
    return Said({"status": (found[0],)}, (said,))


def _tells(name: Iterable[str], texts: Iterable[str]) -> bool:
    some = list(dict.fromkeys(texts))[:CELLS]
    in_words = "status" not in name or any(_THERE_OR_NOT.match(t) for t in some)
    return in_words and {was_there(t) for t in some} == {True, False}


def parts_of_names(columns: Iterable[str], sample: Sample, genus: str | None) -> Said:
    """Genus and epithet in two columns of another language, such as `Gattung` and `Art`.

    Args:
        columns: Those that no field is read from.
        sample: The first rows.
        genus: The column of genera, where one is known.
    """
    columns = list(columns)
    genera = [
        c
        for c in columns
        if _GENERA.match("".join(words(c)))
        and share(sample.texts(c), lambda t: _GENUS.match(t) is not None) >= MOST
    ]
    first = genus or (genera[0] if len(genera) == 1 else None)
    epithets = [
        c
        for c in columns
        if c != first
        and _EPITHETS.fullmatch("".join(words(c)))
        and share(sample.texts(c), lambda t: _EPITHET.match(t) is not None) >= MOST
    ]
    if first is None or len(epithets) != 1:
        return NOTHING
    said = f"{first!r} and {epithets[0]!r} are read as genus and epithet, for what their cells hold"
    return Said({"genus": (first,), "epithet": (epithets[0],)}, (said,))
