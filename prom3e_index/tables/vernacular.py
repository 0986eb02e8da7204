"""Common names and words for no taxon at all, told from scientific names by their words and shape.

No list can hold all common names. These words are heads of many (`Red Fox`, `Roe Deer`, `Buchfink`), and none of
them is a genus or an epithet; what they miss is told by the column (`names.names_kind`) or the user's `--map`.
"""

from __future__ import annotations

import re
import unicodedata

_HEADS = set(
    """
fox wolf dog coyote jackal bear raccoon badger otter marten weasel stoat polecat mink skunk cat wildcat bobcat leopard
lion tiger cheetah jaguar ocelot cougar mongoose civet genet hyena deer moose elk reindeer antelope gazelle
wildebeest buffalo cattle cow bull goat sheep boar pig hog peccary horse donkey elephant giraffe hippo
squirrel chipmunk marmot beaver mouse mice rat vole shrew hedgehog mole bat rabbit hare possum kangaroo wallaby
koala wombat monkey baboon ape chimpanzee whale dolphin porpoise seal walrus
bird tit chickadee nuthatch treecreeper wren robin thrush redstart wheatear warbler flycatcher starling crow raven
magpie jay jackdaw rook sparrow finch bunting lark pipit wagtail swallow martin swift kingfisher woodpecker owl hawk
eagle buzzard kite falcon harrier osprey vulture kestrel hobby duck goose swan teal mallard pochard grebe loon heron
egret stork crane rail coot moorhen plover lapwing sandpiper snipe curlew godwit gull tern skua auk puffin pigeon
dove cuckoo nightjar hummingbird parrot pheasant partridge quail grouse ptarmigan turkey pelican cormorant gannet
frog toad newt salamander lizard snake viper adder turtle tortoise crocodile alligator fish trout salmon shark
butterfly moth bee bumblebee wasp ant beetle ladybird ladybug dragonfly damselfly grasshopper cricket spider tick
oak beech birch maple pine spruce fir willow poplar ash elm rose grass fern moss mushroom orchid daisy clover thistle
fuchs reh hirsch rotwild wildschwein dachs igel hase maus ratte katze hund wildkatze luchs biber specht meise fink amsel
drossel rotkehlchen star sperling eule kauz ente gans schwan reiher adler falke taube vogel frosch schlange biene hummel
renard loup chien chat cerf chevreuil sanglier blaireau lapin souris mésange pinson merle rougegorge moineau hibou
chouette canard oie cygne aigle faucon oiseau grenouille abeille papillon chêne hêtre
zorro perro gato ciervo jabalí conejo ratón pájaro carbonero mirlo gorrión búho pato águila halcón abeja mariposa
vos hond kat ree hert zwijn egel konijn muis mees vink merel lijster uil eend gans zwaan reiger valk vogel bij
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
northern southern eastern western european eurasian american african asian canada common great greater lesser little
large small giant dwarf house wood tree field marsh water sea mountain black white red blue green grey gray brown golden
yellow orange purple pink spotted striped crested collared ringed banded domestic feral wild true
""".split()
)
"""Words that many common names begin with."""
_NOTHING = {
    "blank", "empty", "nothing", "no animal", "no animals", "none", "no cv result", "no identification", "unknown",
    "unidentified", "unidentifiable", "undetermined", "unclassified", "unassigned", "not identified", "false trigger",
    "misfire", "noise", "background", "no species", "no detection", "no detections", "nocall", "no call", "setup",
    "set up", "setup pickup", "pickup", "calibration", "test", "leer", "vide", "vacío", "vacio", "leeg", "tom", "vuoto",
    "unbekannt", "inconnu", "desconocido", "onbekend", "animal", "other", "na", "n/a", "cv needed", "cv failed",
    "problem", "bad image", "no image", "ignore", "incertae sedis", "human", "humans", "person", "people", "staff",
    "human camera trapper", "human-camera trapper", "no id", "no bird", "no birds", "mystery mystery",
    "identity unknown", "sonus naturalis", "soundscape", "vehicle", "vehicles", "car", "truck", "motorcycle", "bicycle",
    "timelapse", "time lapse", "cannot identify",
}  # fmt: skip
_UNKNOWN = re.compile(
    r"(?:unidentified|unknown|undetermined|indeterminate|unid\.?|unbestimmte[rs]?|non identifiée?)\b",
    re.I,
)
_CITED = re.compile(r"\b[A-Z][a-z]{0,4}\.|\(|,|\bet al\b|\bex\b")
_GENUS_END = re.compile(r"(?:us|a|um|is|es|as|os|ys|[aeiouy]x|nx|ops|on|io|oides|ae|[^aeiou]o)\Z")


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
    if not words:
        return False
    lower = [w.lower() for w in words]
    if lower[0] in _LEADS and len(words) > 1:
        return True
    if any(w in _HEADS for w in lower) or any(w.endswith(("'s", "’s")) for w in lower):
        return True
    if any(w.endswith(_TAILS) and w not in _TAILS for w in lower) or "ß" in plain:
        return True
    titled = len(words) > 1 and all(w[0].isupper() for w in words)
    return (
        titled
        and not _CITED.search(text[:200])
        and not any(_GENUS_END.search(w) for w in lower[:1])
    )


def latin_shaped(word: str) -> bool:
    """Whether one word alone ends as names of genera and higher ranks do."""
    return bool(_GENUS_END.search(word.lower()))
