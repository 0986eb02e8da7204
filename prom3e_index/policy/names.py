"""Names of taxa as a policy matches them, so that no spelling of a name escapes its rule.

Compared are names in lower case without accents, authors, subgenera and doubled spaces. A row answers to every name in
any of its cells: to `Falco cf. rusticolus` and `Falco rusticolus × F. cherrug` by each binomial, to `Falco rusticolus
islandicus Brehm` by its species too, to a family by the column of that rank. However they are put together, a genus
and an epithet that both stand in its cells are a name of it: `Falco peregrinus/rusticolus`, `rusticolus, Falco`,
`F. rusticolus`. Doubt protects.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise

from prom3e_index.schema import RANKS
from prom3e_index.tables.names import read_name, taxon_text

SYNONYM_COLUMNS = frozenset(
    """
    acceptednameusage acceptedscientificname acceptedname verbatimscientificname originalnameusage
    previousidentifications synonym synonyms parentnameusage higherclassification verbatimidentification taxonname
    canonicalname species genus family taxonid taxonconceptid iconictaxonname taxonspeciesname taxonfamilyname
    taxongenusname speciesguess
    """.split()
)
"""Plain names of further columns that may name a row's taxon."""
_LIGATURES = {"æ": "ae", "œ": "oe", "ß": "ss"}
_PAIR = re.compile(
    r"\b([A-Z][^\W\d_]+)\s+(?:(?:\([^)]*\)|x|cf\.?|aff\.?|nr\.?)\s+)*([a-z][^\W\d_]+(?:-[a-z]+)*)"
)
_BELOW = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SEVERAL = re.compile(r"[;|,]")
_DOUBTS = frozenset("cf aff nr sp spp x subsp ssp var f forma near ex in et and".split())
Names = Mapping[str, frozenset[str]]
"""Rank → the names of a row at it; under `any` those at all ranks; under `words` all words, as `in_words` asks."""
ANY = "any"
WORDS = "words"
"""Under it stand the words of a row's cells; `Falco` besides `falco` where one has a capital, and two words that follow
each other where they are the same, or the first is a letter."""
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")


@lru_cache(1 << 15)
def key(text: str) -> str:
    """A name as it is compared: `Falco  Rusticólus` as `falco rusticolus`."""
    low = "".join(_LIGATURES.get(c, c) for c in text.lower())
    marked = unicodedata.normalize("NFKD", low)
    plain = "".join(c for c in marked if not unicodedata.combining(c)).replace("_", " ")
    return " ".join(re.sub(r"[×✕✖⨯╳†?]", " ", plain).split())


@lru_cache(1 << 15)
def _of_text(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """All names that a cell of names says, and its binomials."""
    found, binomials = {key(text)}, set()
    name = read_name(text)
    if name.genus:
        found.add(key(name.genus))
        if name.epithet:
            binomials.add(key(f"{name.genus} {name.epithet}"))
            found.add(key(name.canonical))
    spaced = re.sub(r"[×✕✖⨯╳†?]", " x ", unicodedata.normalize("NFC", text)).replace("_", " ")
    for genus, epithet in _PAIR.findall(spaced):
        if epithet not in _DOUBTS:
            binomials.add(key(f"{genus} {epithet}"))
    words = key(re.sub(r"\([^)]*\)", " ", spaced)).split()
    if (
        name.genus and words and words[0] == key(name.genus)
    ):  # `Falco cf. rusticolus`, `FALCO RUSTICOLUS`
        for word in words[1:]:
            whole = _BELOW.fullmatch(word.rstrip("."))
            if whole and word.rstrip(".") not in _DOUBTS:
                binomials.add(f"{words[0]} {word}")
    return frozenset(found | binomials), frozenset(binomials)


@lru_cache(1 << 15)
def _words(text: str) -> frozenset[str]:
    found: set[str] = set()
    for part in _SEVERAL.split(_CAMEL.sub(" ", text)):
        found |= {key(w).capitalize() for w in _WORD.findall(part) if w[0].isupper()}
        words = _WORD.findall(key(part))
        found |= {*words, *(f"{a} {b}" for a, b in pairwise(words) if a == b or len(a) == 1)}
    return frozenset(found)


def by_last_word(names: Iterable[str]) -> dict[str, list[str]]:
    """Genera and binomials by the word that a row must have for `in_words` to find them."""
    out: dict[str, list[str]] = {}
    for name in names:
        if len(name.split()) < 3 and (words := _WORD.findall(name)):
            out.setdefault(words[-1], []).append(name)
    return out


def in_words(words: frozenset[str], by_last: Mapping[str, list[str]]) -> set[str]:
    """Those of some names whose genus, or its first letter, and epithet stand in a row, wherever and however.

    Args:
        words: Of the row, as `names_of` gives them.
        by_last: The names, by `by_last_word`.
    """
    return {n for word in words & by_last.keys() for n in by_last[word] if _stands(n, words)}


def _stands(name: str, words: frozenset[str]) -> bool:
    genus, _, epithet = name.partition(" ")
    if not epithet:
        return genus.capitalize() in words
    parts = _WORD.findall(epithet)
    if genus == epithet:
        return f"{genus} {genus}" in words or f"{genus[0]} {genus}" in words
    return words.issuperset(parts) and (genus in words or f"{genus[0]} {parts[0]}" in words)


def names_of(cells: Mapping[str, str | None], others: tuple[str | None, ...] = ()) -> Names:
    """Every name that a row answers to.

    Args:
        cells: Ranks, `scientific_name`, `common_name` and `text` of the row.
        others: Cells of `SYNONYM_COLUMNS`; several names in one are divided by `;`, `|` or `,`.
    """
    out: dict[str, set[str]] = {rank: set() for rank in RANKS}
    species: set[str] = set()
    every: set[str] = set()
    for rank in RANKS:
        text = cells.get(rank)
        if text:
            names, binomials = _of_text(text)
            out[rank] |= {key(text), *(names if rank == "genus" else ())}
            species |= binomials
            every |= names
    texts = [cells.get("scientific_name"), cells.get("common_name"), cells.get("text")]
    for other in others:
        texts += [other, *(_SEVERAL.split(other or ""))]
    for text in texts:
        if text and text.strip():
            names, binomials = _of_text(text.strip())
            every |= names
            species |= binomials
    made = taxon_text({"genus": cells.get("genus"), "species": cells.get("species")},
                      cells.get("scientific_name")).split()  # fmt: skip
    if len(made) > 1:
        species.add(key(" ".join(made[-2:])))
    for word in (cells.get("text") or "").split():  # the lineage that a model reads
        every.add(key(word))
    out["species"] |= species
    out["genus"] |= {s.split()[0] for s in species}
    every |= out["species"] | out["genus"]
    whole = [*cells.values(), *others]
    return {
        **{rank: frozenset(names) for rank, names in out.items()},
        ANY: frozenset(every),
        WORDS: frozenset().union(*(_words(text) for text in whole if text)),
    }


def asked(name: str) -> frozenset[str]:
    """The names by which a policy's taxon is looked for: as written, and without authors."""
    found = read_name(name)
    return frozenset({key(name), *([key(found.canonical)] if found.canonical else ())} - {""})


def alike(name: str, other: str) -> bool:
    """Whether two names that differ may be one of them misspelt: one or two letters apart.

    A genus and a binomial are never alike.
    """
    if len(name.split()) != len(other.split()) or abs(len(name) - len(other)) > 2:
        return False
    most = 1 if min(len(name), len(other)) < 8 else 2
    return edits(name, other, most) <= most


def near_names_of(asked: Iterable[str], known: Iterable[str]) -> dict[str, list[str]]:
    """For each name that is asked for, those of the known ones that are alike.

    Two edits leave one of five pieces of a name as it is, moved by two letters at most; so few pairs are compared.
    """
    pieces: dict[str, list[tuple[str, int]]] = {}
    out: dict[str, list[str]] = {}
    for name in asked:
        out[name] = []
        step = max(1, -(-len(name) // 5))
        for at in range(0, len(name), step):
            pieces.setdefault(name[at : at + step], []).append((name, at))
    lengths = sorted({len(p) for p in pieces})
    for other in known:
        met = {
            name
            for length in lengths
            for at in range(len(other) - length + 1)
            for name, own in pieces.get(other[at : at + length], ())
            if abs(own - at) <= 2
        }
        for name in met:
            if name != other and alike(name, other):
                out[name].append(other)
    return {name: sorted(others) for name, others in out.items()}


def edits(a: str, b: str, most: int) -> int:
    """Letters inserted, left out, replaced, or exchanged with the next, between two texts; at most `most` + 1."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, last[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
