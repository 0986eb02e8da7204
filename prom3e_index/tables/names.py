"""Taxonomic names as BioCLIP was trained to read them.

Source: BioCLIP (Stevens et al. 2024), the "taxonomic name" text type: kingdom to genus capitalised,
the epithet in lower case, authorship and infraspecific parts cut, empty ranks dropped. Names are parsed by GBIF's
own parser (`nameparser`); what only its readers could know of capitals is put right before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from prom3e_index.schema import RANKS
from prom3e_index.tables.vernacular import (
    NO_EPITHET,
    is_code,
    latin_shaped,
    looks_common,
    says_nothing,
    second_species,
    two_names,
)

_LONGEST = 300
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]|</?[a-zA-Z]{1,3}>")
_QUOTES = "\"'`´‘’‚‛“”„‟«»"
_QUOTED = re.compile(rf"\A[{_QUOTES}]([^\W\d_]+)[{_QUOTES}]\s")
_WHOLLY = re.compile(r"\[[^\[\]]*\]\Z|\([^\W\d_]+ [a-z][^(),\d]*\)\Z")
"""A name all in brackets; `(Sabine, 1823)` is an author."""
_CROSSES = re.compile(r"\s*[×✕✖⨯╳]\s*")
_SIGNS = {"×", "x", "X", "+"}
_EPITHET = re.compile(r"(?:\d{1,2}-?)?[^\W\d_]+(?:[-'][^\W\d_]+)*\Z")
_GENUS = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*\.?\Z")
_EITHER = re.compile(r"\s*/\s*|\s+(?:or|vs\.?|versus|[&|+](?!\s+al\b))\s+")
_BINOMIAL = re.compile(r"[^\W\d_]+\.?\s+[^\W\d_A-Z]{2,}")
_LATIN = re.compile(r"(?:us|a|um|is|ii|ae|orum|arum|[aeo]ns|[aio]x|or|oides)\Z")
_NO_NAME = {
    "unknown", "unidentified", "undetermined", "indetermined", "indet", "undet", "unassigned", "unclassified", "sp",
    "spp", "incertae", "biota", "life", "none", "cf", "aff", "blank", "empty", "nothing",
}  # fmt: skip
_NO_EPITHETS = {"linnaeus", "fabricius", "retzius", "costa", "poda", "spinola", "silva"}
_NOT_BELOW = {"juv", "imm", "ad", "male", "female"}
_DOUBT = re.compile(r"\?|\b(?:cf|cfr|aff|nr|near|prob)\b", re.IGNORECASE)
_RANK_AFTER = re.compile(r"\s+(?:family|order|class|genus|phylum)\Z", re.IGNORECASE)
"""`Felidae Family`, as camera-trap platforms write."""


class Name(NamedTuple):
    """A scientific name in its parts; those that it lacks are empty.

    Attributes:
        genus: Genus, or a name of a higher rank where it stands alone.
        epithet: Of the species; empty where it is doubtful, or there are two.
        infraspecific: Epithet below the species.
        doubtful: Whether the name was given with `cf.`, `?` or as either of two.
    """

    genus: str = ""
    epithet: str = ""
    infraspecific: str = ""
    doubtful: bool = False

    @property
    def canonical(self) -> str:
        """The name without authors: `Parus major`, `Parus major minor`, `Paridae`."""
        return " ".join(p for p in (self.genus, self.epithet, self.infraspecific) if p)


NO_NAME = Name()


def _clean(value: str | None) -> str:
    text = unicodedata.normalize("NFC", (value or "")[:_LONGEST]).replace("_", " ")
    return " ".join(_INVISIBLE.sub("", text).split())


def _quieter(words: list[str]) -> list[str]:
    """A name in capitals with small letters where they belong; authors before a year or with a dot keep theirs."""
    out = [words[0].capitalize()]
    for at, word in enumerate(words[1:], 1):
        after = words[at + 1] if at + 1 < len(words) else ""
        author = (
            word[-1:] == "."
            and len(word) > 1
            or word[0] in "(&"
            or word[-1] in ",)"
            or after[:4].isdigit()
        )
        kept = author or word.strip("(),.") in ("LINNAEUS", "FABRICIUS") or word.isdigit()
        out.append(
            re.sub(r"[^\W\d_]+", lambda m: m[0].capitalize(), word) if kept else word.lower()
        )
    return out


def _spelt(name: str, authors: bool) -> str:
    """A name as the parser reads it: quotes off, one sign of hybrids, capitals where they belong."""
    text = _QUOTED.sub(r"\1 ", name.lstrip("†‡*") + " ").strip()
    if text[:1] in _QUOTES and text[-1:] in _QUOTES or _WHOLLY.match(text):
        text = text[1:-1]
    text = _CROSSES.sub(" × ", text)
    text = re.sub(r"(?<=\w)[’‘`´ʼ](?=\w)", "'", text)
    words = text.split()
    if not words:
        return ""
    letters = [w for w in words if w.lower() != "x" and w != "×" and any(c.isalpha() for c in w)]
    if len(words[0]) > 2 and all(w.isupper() for w in letters) and ":" not in text:
        lead = 1 if words[0] in _SIGNS else 0
        words[lead:] = _quieter(words[lead:])
    at = 1 if words[0] in _SIGNS else 0
    first = words[at].strip(_QUOTES) if len(words) > at else ""
    if first.isalpha() and first.islower() and first not in NO_EPITHET | _NO_NAME | {"candidatus"}:
        words[at] = words[at].capitalize()
    if len(words) > at + 1:
        second = words[at + 1]
        capital = first.isalpha() and second.isalpha() and len(second) > 1 and second[0].isupper()
        twice = second.lower() == first.lower()
        if (
            capital
            and first.lower() != "candidatus"
            and (twice or _titled(words[at + 1 :], authors))
        ):
            words[at + 1] = second.lower()
    return " ".join(words)


def _titled(words: list[str], authors: bool) -> bool:
    """Whether a capitalised word is an epithet (`Felis Catus`) and no author (`Lactarius Persoon`)."""
    word = words[0].lower()
    if word in NO_EPITHET or word in _NO_EPITHETS:
        return False
    if len(words) == 1 and not authors:
        return True
    dated = len(words) > 1 and words[1][0].isdigit()
    return (
        len(words) <= 3
        and not dated
        and bool(_LATIN.search(word))
        or words[0].isupper()
        and len(words) == 1
    )


@lru_cache(1 << 15)
def read_name(name: str | None, authors: bool = True) -> Name:
    """Read a scientific name of any form: authors, subgenera, hybrids, capitals, ranks below the species, doubt.

    Args:
        name: Any text; of a long one the first 300 letters count.
        authors: Whether an author may stand in it; a column `species` has none.

    Returns:
        Its parts; all empty where it is no name of one taxon: a code, a virus, two genera, `unidentified bird`.
    """
    from nameparser import Informal, UnparsableNameError, parse

    both = two_names(name or "")
    given = _RANK_AFTER.sub("", _clean(both[0] if both else name))
    if is_code(given):
        return NO_NAME
    text = _spelt(given, authors)
    if not text:
        return NO_NAME
    either = _EITHER.split(text, maxsplit=1)
    if len(either) == 2 and either[1][:1].isalpha():
        genus, other = read_name(either[0], authors).genus, either[1].split()[0]
        if other[0].islower():
            return Name(genus, doubtful=True)
        if _BINOMIAL.match(either[1]) or len(either[0].split()) == 1:
            same = bool(genus) and genus.startswith(other.rstrip("."))
            return Name(genus, doubtful=True) if same else NO_NAME
    if (apart := second_species(text)) is not None:
        genus = read_name(apart[0], authors).genus
        return Name(genus, doubtful=True) if genus == apart[1] else NO_NAME
    try:
        found = parse(text)
    except UnparsableNameError as e:
        return _of_formula(text) if getattr(e, "name_type", "") == "FORMULA" else NO_NAME
    except (ValueError, TypeError, UnicodeError):  # what no text of UTF-8 is
        return NO_NAME
    if isinstance(found, Informal):
        return Name(_part(found.taxon, _GENUS).capitalize())
    genus = _part(found.genus or found.uninomial, _GENUS)
    if not genus or genus.lower().rstrip(".") in _NO_NAME:
        return NO_NAME
    doubtful = bool(found.epithet_qualifier) or bool(_DOUBT.search(text))
    epithet, below = (
        _part(p, _EPITHET).lower() for p in (found.specific_epithet, found.infraspecific_epithet)
    )
    if not epithet and below:  # no species is named: the epithet that is
        epithet, below = below, ""
    if doubtful or len(epithet) < 2 or epithet in NO_EPITHET:
        epithet = below = ""
    return Name(genus.capitalize(), epithet, "" if below in _NOT_BELOW else below, doubtful)


def _part(word: str | None, form: re.Pattern[str]) -> str:
    """A part of a name without the quotes and brackets that doubt it; empty where it is none."""
    plain = (word or "").strip(_QUOTES + "[]() ")
    return plain if form.match(plain) else ""


def _of_formula(text: str) -> Name:
    """A hybrid of two species: of their genus, if it is one."""
    first, *others = re.split(r"\s+[×xX]\s+", text)
    genus = read_name(first).genus
    for other in others:
        word = (other.split() or [""])[0].strip(_QUOTES)
        if word[:1].isupper() and not word.endswith(".") and word.capitalize() != genus:
            return NO_NAME
    return Name(genus, doubtful=True)


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
    found = read_name((scientific_name or "")[:_LONGEST], authors)
    return found.genus, found.epithet


Kind = Literal["scientific", "common", "nothing", "none"]


def name_kind(text: str | None, genus: str | None = None, known: Collection[str] = ()) -> Kind:
    """Tell what a name is, by its words and what stands beside it.

    Args:
        text: The name.
        genus: Of the same row, where a column has it: a name that begins with it is scientific.
        known: Common names of the same table, in lower case.

    Returns:
        `scientific`; `common` (`Red Fox`); `nothing`, where it says that there is no taxon (`Blank`, `unidentified`);
        `none`, where it is no name at all (a code, a number).
    """
    name = _clean(text)
    if not name or says_nothing(name):
        return "nothing"
    if genus and name.lower().startswith(_clean(genus).lower()):
        return "scientific"
    if two_names(text or "") is not None:
        return "scientific"
    if name.lower() in known or looks_common(name):
        return "common"
    if genus and name.islower() and " " not in name:
        return "scientific"  # the epithet alone
    return "scientific" if read_name(name).genus else "none"


def names_kind(texts: Iterable[str | None], known: Collection[str] = ()) -> Kind | None:
    """Tell what a column of names holds, by a sample of it: `scientific`, `common`, or None where it is mixed.

    A single word counts only where nothing else tells: `Rotfuchs` is common among words that do not end as Latin.
    """
    counts = dict.fromkeys(("scientific", "common", "latin", "other"), 0)
    for text in {t for t in texts if t}:
        kind = name_kind(text, known=known)
        if (
            kind in ("scientific", "common")
            and len(text.split()) == 1
            and text.lower() not in known
        ):
            kind_of_one = "latin" if latin_shaped(text) else "other"
            counts[kind_of_one] += 1
        elif kind in counts:
            counts[kind] += 1
    for one, other in (("scientific", "common"), ("latin", "other")):
        if counts[one] + counts[other]:
            share = counts[one] / (counts[one] + counts[other])
            return "scientific" if share >= 0.8 else "common" if share <= 0.2 else None
    return None


@lru_cache(1 << 12)
def _rank(value: str | None) -> str:
    """A rank above genus: without author, its first letter a capital."""
    text = _clean(value)
    words = text.split()
    if not words or words[0].rstrip(".,;:").lower() in _NO_NAME:
        return ""
    if all(w == w.lower() or w == words[0] for w in words) and len(words) > 1:
        return re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text).rstrip(",;:. ").capitalize()
    return read_name(words[0]).genus or words[0].strip(_QUOTES + ",;:.").capitalize()


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
    species = _scientific(ranks.get("species"), own)
    scientific_name = _scientific(scientific_name, own)
    genus, epithet = binomial(species, authors=False) if species else binomial(scientific_name)
    alone = [w for w in _CROSSES.sub(" × ", species).split() if w not in _SIGNS]
    if own and not epithet and len(alone) == 1:  # `species` holds the epithet alone
        word = _epithet(alone[0].lower())
        if alone[0] == alone[0].lower() or word not in {own.lower(), *map(str.lower, higher)}:
            genus, epithet = own, word
    elif not own and not epithet and species and _epithet(species) == species:
        genus, epithet = "", species
    if own and (not epithet or genus.endswith(".")):
        genus = own
    if not epithet and not own and genus in higher:
        genus = ""  # the name is that of a higher rank
    return " ".join(part for part in (*higher, genus, epithet) if part)


def _scientific(name: str | None, genus: str) -> str:
    """A name that may be one of a taxon; empty where it is a common name or says that there is none."""
    return "" if name_kind(name, genus) in ("common", "nothing") else _clean(name)


def _epithet(word: str) -> str:
    """An epithet in small letters, empty where a word is none."""
    known = _EPITHET.match(word) and word == word.lower() and len(word) > 1
    return word if known and word not in NO_EPITHET and word not in _NO_NAME else ""
