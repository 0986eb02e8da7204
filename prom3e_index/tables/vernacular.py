"""Common names and words for no taxon at all, told from scientific names by their words and shape.

`nameparser` reads `Red fox` and `Rotfuchs` as a species and a genus, for any two words are a name to it. The shape of
the words tells most: of 1,306 uninomials and 1,740 binomials in tables from Austria none has a first word that ends
as no Latin does, of 1,051 common names of one word two in three do. The words in the lists end as Latin may, or are as
short as codes are (`DEER`, `WOLF`). What is missed is told by the column (`names.names_kind`) or the user's `--map`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_HEADS = set(
    """
fox wolf dog coyote jackal bear raccoon badger otter marten weasel stoat polecat mink skunk cat wildcat bobcat leopard
lion tiger cheetah jaguar ocelot cougar mongoose civet genet hyena deer moose elk reindeer antelope gazelle wildebeest
buffalo cattle cow bull goat sheep boar pig hog peccary horse donkey elephant giraffe hippo squirrel chipmunk marmot
beaver mouse mice rat vole shrew hedgehog mole bat rabbit hare possum kangaroo wallaby koala wombat monkey baboon ape
chimpanzee whale dolphin porpoise seal walrus bird tit chickadee nuthatch treecreeper wren robin thrush redstart
wheatear warbler flycatcher starling crow raven magpie jay jackdaw rook sparrow finch bunting lark pipit wagtail
swallow martin swift kingfisher woodpecker owl hawk eagle buzzard kite falcon harrier osprey vulture kestrel hobby
duck goose swan teal mallard pochard grebe loon heron egret stork crane rail coot moorhen plover lapwing sandpiper
snipe curlew godwit gull tern skua auk puffin pigeon dove cuckoo nightjar hummingbird parrot pheasant partridge quail
grouse ptarmigan turkey pelican cormorant gannet frog toad newt salamander lizard snake viper adder turtle tortoise
crocodile fish trout salmon shark butterfly moth bee bumblebee wasp ant beetle ladybird ladybug dragonfly damselfly
grasshopper cricket spider tick oak beech birch maple pine spruce fir willow poplar ash elm rose grass fern moss
mushroom orchid daisy clover thistle fuchs reh hirsch rotwild wildschwein dachs igel hase maus ratte katze hund
wildkatze luchs biber specht meise fink amsel drossel rotkehlchen star sperling eule kauz ente gans schwan reiher
adler falke taube vogel frosch schlange biene hummel renard loup chien chat cerf chevreuil sanglier blaireau lapin
souris mésange pinson merle rougegorge moineau hibou chouette canard oie cygne aigle faucon oiseau grenouille abeille
papillon chêne hêtre zorro perro gato ciervo jabalí conejo ratón pájaro carbonero mirlo gorrión búho pato águila
halcón abeja mariposa vos hond kat ree hert zwijn egel konijn muis mees vink merel lijster uil eend zwaan reiger valk
bij
""".split()
)
_TAILS = (
    "bird", "tail", "throat", "wing", "headed", "billed", "winged", "tailed", "footed", "eared", "fish", "worm",
    "berry", "wort", "weed", "wood", "thorn", "flower", "pecker", "hopper", "catcher", "vogel", "meise", "fuchs",
    "hirsch", "specht", "kehlchen", "falter", "käfer", "hummel", "blume", "schnepfe", "sänger", "schwein", "fink",
    "mees", "vlinder",
)  # fmt: skip
_LEADS = set(
    """
northern southern eastern western european eurasian american african asian indian chinese japanese canada common great
greater lesser little large small giant dwarf house wood tree field marsh water sea mountain black white red blue
green grey gray brown golden yellow orange purple pink spotted striped crested collared ringed banded domestic feral
wild true
""".split()
)
"""Words that many common names begin with."""
_LONGEST_CODE = 5
NO_EPITHET = {"cf", "aff", "nr", "sp", "spp", "spec", "species", "indet", "undet", "agg", "sensu", "x", "hybrid",
              "hybr", "hort", "cultivar"}  # fmt: skip
"""Words where an epithet stands in other names."""
_NOTHING = {
    "blank", "empty", "nothing", "no animal", "no animals", "none", "no cv result", "no identification", "unknown",
    "unidentified", "unidentifiable", "undetermined", "unclassified", "unassigned", "not identified", "false trigger",
    "misfire", "noise", "background", "no species", "no detection", "no detections", "nocall", "no call", "setup",
    "set up", "setup pickup", "pickup", "calibration", "test", "leer", "vide", "vacío", "vacio", "leeg", "tom", "vuoto",
    "unbekannt", "inconnu", "desconocido", "onbekend", "animal", "other", "na", "n/a", "cv needed", "cv failed",
    "problem", "bad image", "no image", "ignore", "incertae sedis", "human", "humans", "person", "people", "staff",
    "human camera trapper", "human-camera trapper", "no id", "no bird", "no birds", "mystery mystery",
    "identity unknown", "sonus naturalis", "soundscape", "vehicle", "vehicles", "car", "truck", "motorcycle", "bicycle",
    "timelapse", "time lapse", "cannot identify", "unbestimmt", "unbestimmbar", "nicht bestimmt", "nicht bestimmbar",
    "indet", "undet", "indéterminé", "indeterminé", "indeterminado", "non identifié", "no identificado",
    "não identificado", "sin identificar", "non identificato", "niet gedetermineerd", "okänd", "ukjent", "ukendt",
    "obestämd", "keine", "keines", "kein tier", "keine art", "aucun", "aucune", "ninguno", "ninguna", "nenhum",
    "nessuno", "geen", "ingen", "nichts", "rien", "nada", "total", "totals", "grand total", "subtotal", "sum", "summe",
    "gesamt", "gesamtsumme", "zwischensumme", "insgesamt", "somme", "suma", "soma", "totale", "totaal", "totalt",
}  # fmt: skip
_UNKNOWN = re.compile(
    r"(?:unidentified|unknown|undetermined|indeterminate|unid\.?|unbestimmte[rs]?|non identifiée?)\b",
    re.I,
)
_CITED = re.compile(r"\b[A-Z][a-z]{0,4}\.|\(|,|\bet al\b|\bex\b")
_GENUS_END = re.compile(r"(?:us|a|um|is|es|as|os|ys|[aeiouy]x|nx|ops|on|io|oides|ae|[^aeiou]o)\Z")
_LATIN_END = re.compile(
    rf"{_GENUS_END.pattern}|(?:ns|ps|an|men|[^e]e|i|[^aeioö]u|[aeou]r|[ie]o|iz)\Z"
)
"""How names of genera and higher ranks and nearly all epithets end; many other words do too."""
_TITLED_END = re.compile(rf"(?:{_LATIN_END.pattern})(?<!...an)")
"""The same of a first word before others with capitals (`Passer Domesticus`), but no adjective (`Indian Cobra`)."""
_NO_NAMES = set(
    """
male female adult adults subadult juvenile juveniles immature pair flock group singing song call calling drumming nest
egg eggs larva larvae pupa tadpole caterpillar imago track tracks scat feather skull roadkill dead alive captive wild
leaf leaves flower flowers fruit fruits seed bark winter summer spring autumn plumage
""".split()
)
"""What people write behind a name that is no other name."""
_NO_LETTERS = re.compile("(?![ëïæœ])[à-ſ]")
"""Latin letters that no scientific name has."""
_CODE = re.compile(r"[A-Z]{4,6}|[a-z]{4}|[a-z]{5,6}[0-9]?")
_BRACKETED = re.compile(r"(.+?)\s*[(\[]([^()\[\]]+(?:\([^()]*\)[^()\[\]]*)?)[)\]]\Z")
_BETWEEN = tuple(map(re.compile, (r"\s+[-–—|/=]\s+", r"\s*[|;_–—]\s*", r"\s*/\s*", r":\s+")))
_SPECIES = re.compile(r"([A-Z][a-z-]+)(?: \([A-Z][a-z]+\))? ([a-z][a-z-]{2,})(?![\w.])")
_SECOND = re.compile(
    r"(?:\s*[,;]\s+|\s+(?:and|und|et|y|e|en|och|og)\s+)([A-Z][a-zë-]{2,})\s+([a-zë-]{3,})(?=[\s,;]|\Z)"
)
_AUTHOR = re.compile(r"[.&\d]|\b(?:et|ex|in)\b|\A(?:de|la|le|du|des|van|von|ter|st)\b", re.I)


def says_nothing(text: str) -> bool:
    """Whether a name says that there is no taxon, or none that is known: `Blank`, `empty`, `No CV Result`."""
    plain = " ".join(re.split(r"[\s_\-]+", text[:200].strip(" .?!()[]\"'").lower()))
    return plain in _NOTHING or bool(_UNKNOWN.match(plain))


def _foreign(text: str) -> bool:
    """Whether a name begins with a word of another script than Latin; look-alikes within a Latin word do not count."""
    words = text.split()
    letters = [c for c in words[0] if c.isalpha()] if words else []
    return bool(letters) and not any("LATIN" in unicodedata.name(c, "") for c in letters)


def looks_common(text: str) -> bool:
    """Whether a name is a common one by its words: `Red Fox`, `Pallas's Gull`, `Black-headed Gull`, `Rotfuchs`."""
    if _foreign(text[:200]):
        return True
    if re.search(r"\d|:", text[:200]):
        return False
    plain = re.sub(r"\([^()]*\)?|\[[^\[\]]*\]?", " ", text[:200].replace("_", " "))
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", plain)
    return bool(words) and (_worded(plain, words) or _shaped(text[:200], plain.split()))


def _worded(plain: str, words: list[str]) -> bool:
    """Whether one of its words is of common names alone; of a species with its authors those of the species."""
    species = _SPECIES.match(plain)
    if species and latin_shaped(species[1]) and _LATIN_END.search(species[2]):
        words = words[:2]  # the author may be Wolf or Rose
    lower = [w.lower() for w in words]
    if lower[0] in _LEADS and len(words) > 1:
        return True
    if any(w in _HEADS for w in lower) or any(w.endswith(("'s", "’s")) for w in lower):
        return True
    return any(w.endswith(_TAILS) and w not in _TAILS for w in lower) or "ß" in plain


def _shaped(text: str, words: list[str]) -> bool:
    """Whether its words are no Latin by their letters and endings, or have capitals and no author."""
    first, *rest = (w.strip("-'’\"`´‘“”.,;?!") for w in words)
    begin, second = first.lower(), rest[0] if rest else ""
    odd = _NO_LETTERS.search(begin) is not None
    if rest and all(w[:1].isupper() for w in (first, *rest)):
        ends = _LATIN_END if text.isupper() else _GENUS_END
        latin = latin_shaped(first) or (_TITLED_END.search(begin) and ends.search(rest[-1].lower()))
        return not _CITED.search(text) and (odd or not latin) and begin != second.lower()
    if latin_shaped(first) or not begin.replace("-", "").isalpha():
        return False
    if not rest:
        odd |= not _LATIN_END.search(begin)
        code = len(first) <= _LONGEST_CODE - (not text.isupper())
        return not code and (odd or not text.isupper() and re.search("-[A-Z]", first) is not None)
    if first.islower() and second[:1].isupper():  # `echte Trameten`
        return len(first) > 4 and not _CITED.search(text)
    if not second.islower() or len(second) < 4 or second in NO_EPITHET:
        return False
    return (
        len(first) > 2 and begin != second and (odd or not _LATIN_END.search(second))
    )  # `Sabal palmetto`


def latin_shaped(word: str) -> bool:
    """Whether one word alone ends as names of genera and higher ranks do."""
    return bool(_GENUS_END.search(word.lower()))


def is_code(text: str) -> bool:
    """Whether one word alone is a code of a few capitals, as `GRTI` and `GRETI`; in small letters see `are_codes`."""
    short = text.isupper() and text.isalpha() and len(text) <= _LONGEST_CODE
    return short and text.lower() not in _HEADS and not latin_shaped(text)


def are_codes(texts: Iterable[str]) -> bool:
    """Whether a column holds codes: three or more words, most of one length, few of which end as Latin (`AMRO`).

    Those in small letters are codes where one has no vowel or a number: `lion, puma, kudu` are none.
    """
    words = {w for t in texts if not says_nothing(w := t.strip())}
    some = [w for w in words if _CODE.fullmatch(w)]
    lengths = Counter(len(w.rstrip("0123456789")) for w in some)
    alike = (
        len(some) >= 3
        and len(some) >= 0.9 * len(words)
        and max(lengths.values()) >= 0.75 * len(some)
    )
    latin, common = sum(map(latin_shaped, some)), sum(w.lower() in _HEADS for w in some)
    sure = any(w.isupper() or w[-1].isdigit() or not re.search("[aeiouy]", w) for w in some)
    return alike and sure and latin <= 0.75 * len(some) and common < len(some) / 2


def two_names(text: str) -> tuple[str, str] | None:
    """The scientific and the common name of a text that gives both, in either order; None of any other text.

    `Great tit (Parus major)`, `Parus major_Great Tit`, `Kohlmeise - Parus major`. A capitalised word in brackets or
    after a comma may be an author: it is a common name by its words alone.
    """
    name = text[:300].strip()
    found = _BRACKETED.match(name)
    if found:
        return _sorted(found[1], found[2], cited=True)
    for mark in _BETWEEN:
        parts = mark.split(name)
        if len(parts) == 2:
            return _sorted(parts[0], parts[1], either="/" in mark.pattern and "/" in name)
    one, _, other = name.partition(", ")
    return _sorted(one, other, cited=True) if other and ", " not in other else None


def _sorted(
    one: str, other: str, cited: bool = False, either: bool = False
) -> tuple[str, str] | None:
    """The two names of which one is scientific; `either` may be a doubt between two taxa (`Betula pendula / Acer`)."""
    one, other = (" ".join(p.replace("_", " ").split()) for p in (one, other))
    for scientific, common in ((one, other), (other, one)):
        species = _SPECIES.match(scientific)
        if (
            not species
            or looks_common(species[0])
            or _SPECIES.match(common)
            and not looks_common(common)
        ):
            continue
        words = common.split()
        if not words or not common[:1].isalpha() or says_nothing(common):
            continue
        if any(w.lower() in _NO_NAMES for w in words):
            continue
        author = cited and scientific is one
        if author and (_AUTHOR.search(common) or len(words) == 1 and not _worded(common, words)):
            continue
        single = len(words) == 1 and common.istitle() and not latin_shaped(common) and not either
        if looks_common(common) or single:
            return scientific, common
    return None


def second_species(text: str) -> tuple[str, str] | None:
    """What stands before a second species, and its genus: `Parus major, Pica pica`; None where there is no second.

    It is a word with a capital and one without, both shaped as Latin is, or of the genus that the text begins with;
    authors (`Abies alba Mill., Gard. Dict.`) are none.
    """
    found = _SECOND.search(text)
    if found is None:
        return None
    same = text.split(maxsplit=1)[0] == found[1]
    if not same and not all(latin_shaped(w.capitalize()) for w in found.groups()):
        return None
    return text[: found.start()], found[1]
