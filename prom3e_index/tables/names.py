"""Taxonomic names as BioCLIP was trained to read them.

Source: BioCLIP (Stevens et al. 2024), the "taxonomic name" text type: kingdom to genus capitalised,
the epithet in lower case, authorship and infraspecific parts cut, empty ranks dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from prom3e_index.schema import RANKS

_LONGEST = 300
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]|</?[a-zA-Z]{1,3}>")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_UNCLOSED = re.compile(r"[(\[].*$")
_QUOTES = "\"'`´‘’‚‛“”„‟«»"
_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*\Z")
_EPITHET = re.compile(r"(?:\d{1,2}-?)?[^\W\d_]+(?:[-'][^\W\d_]+)*\Z")
"""A word, after an apostrophe or hyphen more; a number may lead, as in `7-punctata`."""

_CROSS = {"×", "x", "✕", "✖", "⨯", "╳", "+"}
_SEVERAL = {"/", "|", "&", "+", "or", "vs", "vs.", "versus"}
_RANK = {
    "ssp", "subsp", "subspecies", "var", "variety", "varietas", "subvar", "f", "fo", "forma", "form", "subf",
    "morph", "morpha", "ab", "aberration", "nothosubsp", "nothovar", "nothossp",
}  # fmt: skip
"""Marks of an infraspecific epithet, without their full stop."""

_SECTION = {"subg", "subgen", "subgenus", "sect", "sectio", "section", "subsect", "ser", "series"}
"""Marks of a division of the genus; the name after it is no epithet."""

_DOUBT = {
    "cf", "cfr", "aff", "nr", "near", "prob", "sp", "spp", "spec", "species", "n", "nov", "gen", "indet", "undet",
    "cv", "hort", "agg", "aggr", "complex", "group", "gr", "s", "sensu", "auct", "auctt", "sp.nov", "n.sp", "c.f",
    "juv", "imm", "ad", "stirps", "hybr", "hybrid",
}  # fmt: skip
_PARTICLES = {
    "de", "del", "della", "der", "den", "des", "di", "do", "dos", "du", "da", "la", "le", "van", "von", "vander",
    "zu", "zur", "et", "ex", "in", "and", "al", "non", "nec", "apud", "emend", "fil", "bis", "y", "e", "ten", "ter",
}  # fmt: skip
"""Words that an author's name or a remark begins with; never an epithet."""

_AUTHORS = {
    "linnaeus", "linnæus", "fabricius", "retzius", "costa", "poda", "spinola", "hara", "matsumura", "silva",
}  # fmt: skip
_LATIN = re.compile(r"(?:us|a|um|is|ii|ae|orum|arum|[aeo]ns|[aio]x|or|oides)\Z")
_NO_NAME = {
    "unknown", "unidentified", "undetermined", "indetermined", "indet", "undet", "unassigned", "unclassified", "sp",
    "spp", "incertae", "biota", "life", "none", "cf", "aff",
}  # fmt: skip
_LEADING = {"candidatus", "ca", "cf", "cfr", "aff", "nr", "near", "prob", "?"}


def _clean(value: str | None) -> str:
    text = unicodedata.normalize("NFC", (value or "")[:_LONGEST]).replace("_", " ")
    return " ".join(_INVISIBLE.sub("", text).split())


def _bare(word: str) -> str:
    return word.rstrip(".,;:").lower()


def _words(name: str) -> list[str]:
    """The words of a name, brackets and enclosing quotes gone, apostrophes all written `'`."""
    text = _clean(name).strip(_QUOTES + " ")
    while _BRACKETS.search(text):
        text = _BRACKETS.sub(" ", text)
    text = re.sub(r"(?<=\w)[’‘`´ʼ](?=\w)", "'", _UNCLOSED.sub("", text))
    return re.sub(r"([×✕✖⨯╳])", r" \1 ", text).split()


def _lower(word: str, shouted: bool) -> str | None:
    """An epithet in lower case, None where a word is none; in a `shouted` name capitals say nothing."""
    ends = word[-1:] in ",;:"
    text = word.rstrip(",;:")
    if shouted:
        text = "" if ends or text.lower() in _AUTHORS else text.lower()
    known = _EPITHET.match(text) and text == text.lower() and len(text) > 1
    return text if known and text not in _PARTICLES and text not in _DOUBT | _RANK else None


def _epithet(words: list[str], shouted: bool, authors: bool) -> str:
    """The first epithet among the words after a genus; empty where it is doubtful, or there is none."""
    at, crossed = 0, False
    while at < len(words):
        word = words[at]
        key = _bare(word)
        if word.lower() in _CROSS:
            at, crossed = at + 1, True
            continue
        if key in _SECTION and word != key.capitalize():
            at += 2
            continue
        if key in _RANK and len(words) > at + 1:
            found = _lower(words[at + 1], shouted)
            if found is not None:  # no species is named: the epithet that is
                return found
        if word[0] in _QUOTES or "?" in word or key in _DOUBT | _RANK:
            return ""
        last = at == len(words) - 1
        stop = word.endswith(".") and last and len(key) > 3
        found = _lower(word.rstrip(".") if stop else word, shouted)
        if found is None and word[0].isupper() and _titled(words[at:], authors):
            found = key
        if found is None:
            return ""
        after = words[at + 1] if not last else ""
        formula = after.lower() in _CROSS and not crossed
        if formula or after.lower() in _SEVERAL or after.startswith(("/", "?")):
            return ""  # a hybrid of two species, or either of two
        return found
    return ""


def _other_parent(words: list[str], genus: str) -> bool:
    """Whether a sign of hybrids is followed by another genus: the name is of neither."""
    pairs = zip(words, words[1:], strict=False)
    after = next((b.strip(_QUOTES) for a, b in pairs if a.lower() in _CROSS), "")
    return after[:1].isupper() and not after.endswith(".") and after.capitalize() != genus


def _titled(words: list[str], authors: bool) -> bool:
    """Whether a capitalised word is an epithet (`Felis Catus`) and no author (`Lactarius Persoon`)."""
    word = words[0]
    if not (word.istitle() or word.isupper()) or not _WORD.match(word):
        return False
    if word.lower() in _PARTICLES | _DOUBT | _AUTHORS:
        return False
    if len(words) == 1 and not authors:
        return True
    dated = len(words) > 1 and words[1][0].isdigit()
    return len(words) <= 3 and not dated and bool(_LATIN.search(word.lower()))


def binomial(scientific_name: str | None, *, authors: bool = True) -> tuple[str, str]:
    """Split a scientific name into genus and epithet; either may be empty.

    `Pica hudsonia (Sabine, 1823)` gives `("Pica", "hudsonia")`, `Corvidae` gives `("Corvidae", "")`. Subgenera,
    signs of hybrids, quotes, authors and what follows the first epithet are left out; capitals do not matter.
    The epithet is empty where it is doubtful (`cf.`, `aff.`, `?`, `sp.`) or where two species are named; both are
    where two genera are.

    Args:
        scientific_name: Any text; its accents may be composed or not.
        authors: Whether an author may stand in it; a column `species` has none.
    """
    return _binomial((scientific_name or "")[:_LONGEST], authors)


@lru_cache(1 << 14)
def _binomial(name: str, authors: bool) -> tuple[str, str]:
    words = _words(name)
    doubtful = False
    while words and (words[0].lower() in _CROSS or _bare(words[0]) in _LEADING):
        doubtful |= _bare(words[0]) not in {"candidatus", "ca"} and words[0].lower() not in _CROSS
        words = words[1:]
    if not words:
        return "", ""
    first = words[0].strip(_QUOTES + ",;:")
    doubtful |= "?" in first or words[0][-1] in ",;:"
    genus = first.strip("?")
    short = genus.endswith(".") and len(genus) <= 4
    if not _WORD.match(genus.rstrip(".") if short else genus) or _bare(genus) in _NO_NAME:
        return "", ""
    shouted = "".join(words).isupper() and not short
    if not shouted and _other_parent(words[2:], genus.capitalize()):
        return "", ""
    epithet = "" if doubtful else _epithet(words[1:], shouted, authors)
    return genus.capitalize(), epithet


@lru_cache(1 << 12)
def _rank(value: str | None) -> str:
    """A rank above genus: without author, its first letter a capital."""
    words = _words(value or "")
    if not words or _bare(words[0]) in _NO_NAME:
        return ""
    plain = [w for w in words if w == w.lower() or w == words[0]]
    name = " ".join(plain) if len(plain) == len(words) else words[0]
    return name.rstrip(",;:.").capitalize()


def taxon_text(ranks: Mapping[str, str | None], scientific_name: str | None = None) -> str:
    """Build the text of a taxon: `Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia`.

    Args:
        ranks: Values by rank name; `species` may be a binomial or a bare epithet.
        scientific_name: Used where `genus` or `species` is empty.

    Returns:
        The ranks that are known, single spaces between; without any rank the binomial alone; an
        empty string when nothing is known. Genus and epithet are of one name: where the column
        `genus` has another than the binomial, the binomial's.
    """
    cells = ((ranks.get(r) or "")[:_LONGEST] for r in RANKS)
    return _taxon_text(tuple(cells), (scientific_name or "")[:_LONGEST])


@lru_cache(1 << 14)
def _taxon_text(cells: tuple[str, ...], scientific_name: str) -> str:
    ranks = dict(zip(RANKS, cells, strict=True))
    higher = [_rank(ranks.get(r)) for r in RANKS[:5]]
    higher = ["Animalia" if h == "Metazoa" else h for h in higher]
    own = binomial(ranks.get("genus"))[0]
    species = _clean(ranks.get("species"))
    genus, epithet = binomial(species, authors=False) if species else binomial(scientific_name)
    alone = [w for w in _words(species) if w.lower() not in _CROSS]
    if own and not epithet and len(alone) == 1:  # `species` holds the epithet alone
        word = _lower(alone[0].lower(), False) or ""
        if alone[0] == alone[0].lower() or word not in {own.lower(), *map(str.lower, higher)}:
            genus, epithet = own, word
    elif not own and not epithet and _lower(species, False) == species:
        genus, epithet = "", species
    if own and (not epithet or genus.endswith(".")):
        genus = own
    if not epithet and not own and genus in higher:
        genus = ""  # the name is that of a higher rank
    return " ".join(part for part in (*higher, genus, epithet) if part)
