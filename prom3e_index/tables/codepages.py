"""The code page of text that is not UTF-8, told by its characters: which reading gives words that people write."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache

_MOST = 3000
"""Characters that are weighed: more tell no more."""


@dataclass(frozen=True)
class CodePage:
    """A code page.

    Attributes:
        name: As a user knows it.
        codec: As Python does.
        alphabets: Per language its letters that are not ASCII, lower case; of a script of its own the letters by how
            often they are written.
        prior: What its reading has ahead of others where the characters tell little.
    """

    name: str
    codec: str
    alphabets: tuple[str, ...]
    prior: float = 0.0


_WESTERN = (
    "äöüß", "éèêëàâçîïôùûüœæ", "áéíóúñü", "áâãàçéêíóôõúü", "æøåéöä", "åäöéü", "àèéìíîòóùú",
    "éëïóöüèêá", "áéíóúðþæöý", "äõöüšž", "àèéíïóòúüçñ", "éëçïîôâêèûüœáíóúäöß",
)  # fmt: skip
_CENTRAL = (
    "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţșț", "ëç",
)  # fmt: skip
_CYRILLIC = ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґўјљњћџђѓќ",)
_GREEK = ("αοιετσνηυρπκμλωςγδχθφβξζψάίόέήύώϊϋΐΰ",)
_ARABIC = ("الينمورتبةعدسفهكقأحجشطصىخذإزضغآئثءظؤچپگژکی",)
_HEBREW = ("יוהאלתרבמשנדכחקעפטגםסזצןךץף",)
_THAI = ("านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถธศษณญฉภฟฝึืิีุูั่้์็ำๆฎฏฐฑฒฤฬฮ๊๋",)

PAGES = (
    CodePage("Windows-1252", "cp1252", _WESTERN, 0.5),
    CodePage("Windows-1250", "cp1250", _CENTRAL, 0.2),
    CodePage("Windows-1251", "cp1251", _CYRILLIC, 0.2),
    CodePage("Windows-1253", "cp1253", _GREEK),
    CodePage("Windows-1254", "cp1254", ("çğıöşüâîİ",)),
    CodePage("Windows-1255", "cp1255", _HEBREW, 0.2),
    CodePage("Windows-1256", "cp1256", _ARABIC),
    CodePage("Windows-1257", "cp1257", ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž")),
    CodePage("Windows-874", "cp874", _THAI),
    CodePage("Mac Roman", "mac-roman", _WESTERN),
    CodePage("DOS 850", "cp850", _WESTERN),
    CodePage("DOS 852", "cp852", _CENTRAL, -0.1),
    CodePage("KOI8-R", "koi8-r", _CYRILLIC),
    CodePage("DOS 866", "cp866", _CYRILLIC),
    CodePage("Mac Cyrillic", "mac-cyrillic", _CYRILLIC, -0.2),
    CodePage("ISO 8859-2", "iso8859-2", _CENTRAL),
    CodePage("ISO 8859-5", "iso8859-5", _CYRILLIC, -0.1),
)
_EAST = (
    ("GBK", "gb18030", "gb2312", 0xB0, 0xD7),
    ("Big5", "cp950", "big5", 0xA4, 0xC6),
    ("Shift-JIS", "cp932", "shift_jis", 0x88, 0x97),
    ("EUC-JP", "euc_jp", "euc_jp", 0xB0, 0xCF),
    ("EUC-KR", "cp949", "euc_kr", 0xB0, 0xC8),
)
EASTERN = tuple(codec for _, codec, *_ in _EAST)
"""Codecs of code pages whose characters are of two bytes and more."""
_INSIDE = "’'·-‐\xad"
_OPENING = "“„‘‚«»‹¿¡’–"
_CLOSING = "”“’‘»«›…°™®ºª"
_AROUND = "—–…()[]\"'²³©"
_CONSONANTS = frozenset("нтсрвлкмдпгбзчйхжшцщфтвстνσςτρπκμλγχθδφβξζψ")
_SIGNS = frozenset("°–—’‘“”…€£×±µ½¼¾²³«»©®·ºª¿¡§•™„†′″")


def guess(data: bytes) -> tuple[str, str]:
    """The code page of some lines.

    Args:
        data: Lines of which each holds a byte above 127.

    Returns:
        Its name and its codec: `("GBK", "gb18030")`. Windows-1252 where nothing else reads better.
    """
    found = [(_weigh_page(data, p), p.name, p.codec) for p in PAGES]
    found += [(_weigh_east(data, *page), page[0], page[1]) for page in _EAST]
    best = max(found, key=lambda f: f[0])
    return best[1], best[2]


def _weigh_page(data: bytes, page: CodePage) -> float:
    """How much the characters of a reading are those of words, per character that is not ASCII."""
    text = data.decode(page.codec, "replace")[:_MOST]
    letters: Counter[str] = Counter()
    score = 0.0
    total = pairs = run = 0
    for i, c in enumerate(text):
        if c < "\x80":
            pairs = pairs if c.isalpha() else 0
            run = 0
            continue
        total += 1
        before, after = text[i - 1 : i] if i else "", text[i + 1 : i + 2]
        if c == "\ufffd":
            score -= 8
        elif c == "µ":
            score += 2 if after in ("m", "g", "l", "") else -2
        elif c.isalpha() or unicodedata.category(c) in ("Mn", "Mc"):
            letters[c if len(c.lower()) > 1 else c.lower()] += 1
            score += _fits(c, before, after)
            latin = _script(c) == "L"
            pairs += latin and before >= "\x80" and before.isalpha()
            if latin and pairs > 1 and before >= "\x80":
                score -= 3
            run = run + 1 if c.lower() in _CONSONANTS else 0
            if run > 3:
                score -= 2
        else:
            run = 0
            score += _sign(c, before, after)
    if not total:
        return 0.0
    return (score + _known(letters, page.alphabets)) / total + page.prior * min(1.0, 8 / total)


def _fits(c: str, before: str, after: str) -> float:
    """Whether a letter may stand between two characters."""
    if unicodedata.category(c) == "Mn":
        return 0.0 if before and before.isalpha() and _script(before) == _script(c) else -5.0
    if before.isdigit() or after.isdigit():
        return -1.5
    if any(x.isalpha() and _script(x) != _script(c) for x in (before, after)):
        return -6.0
    if c.isupper() and before.isalpha():
        return -5.0 if before.islower() else -0.5
    if c.islower() and after.isupper():
        return -5.0
    return 0.0


def _sign(c: str, before: str, after: str) -> float:
    """Whether a sign may stand where it does."""
    if unicodedata.category(c) in ("Cc", "Cn", "Co"):
        return -8.0
    if c == "\xa0":
        return 0.5 if not (before.isalpha() and after.isalpha()) else -1.0
    if before.isalpha() and after.isalpha():
        return 3.0 if c in _INSIDE else 0.5 if c in "–—…" else -5.0
    if before.isalpha() or after.isalpha():
        known = c in (_OPENING if after.isalpha() else _CLOSING)
        return 3.0 if known else 1.0 if c in _AROUND else -1.5
    return 3.0 if c in _SIGNS else -0.5


def _known(letters: Counter[str], alphabets: tuple[str, ...]) -> float:
    """Points for letters of the one language that has most of them; frequent ones of a long alphabet count more."""
    best = -1e9
    for alphabet in alphabets:
        long = len(alphabet) > 20
        points = 0.0
        for letter, n in letters.items():
            at = alphabet.find(letter)
            if at >= 0:
                points += n * (3.5 - 3.0 * at / len(alphabet) if long else 3.0)
            else:
                points -= 1.5 * n
        best = max(best, points)
    return best


@cache
def _script(c: str) -> str:
    """The script of a letter, by the first letter of its Unicode name's first word."""
    name = unicodedata.name(c, "?")
    return "L" if name.startswith(("LATIN", "FEMININE", "MASCULINE")) else name.partition(" ")[0]


@cache
def _usual(codec: str, first: int, last: int) -> frozenset[str]:
    """The characters of a standard's first level: those that are written often."""
    out = set()
    for lead in range(first, last + 1):
        for trail in range(0x40, 0xFF):
            try:
                out.add(bytes((lead, trail)).decode(codec))
            except UnicodeDecodeError:
                continue
    return frozenset(out)


def _weigh_east(data: bytes, name: str, codec: str, standard: str, first: int, last: int) -> float:
    """How many characters of a reading are usual in the language of its standard."""
    text = data.decode(codec, "replace")[:_MOST]
    usual = _usual(standard, first, last)
    score = 0.0
    total = kana = 0
    for i, c in enumerate(text):
        if c < "\x80":
            continue
        total += 1
        before, after = text[i - 1 : i], text[i + 1 : i + 2]
        if c == "\ufffd":
            score -= 8
        elif c in usual:
            score += 3
        elif "\u3041" <= c <= "\u30fc":  # kana
            kana += 1
            score += 3 if name in ("Shift-JIS", "EUC-JP") else -3
        elif "\uff66" <= c <= "\uff9d":  # narrow kana: bytes that are single
            score += 2 if "\uff66" <= (before or after) <= "\uff9f" else -5
        elif "\u3000" <= c <= "\u303f" or "\uff01" <= c <= "\uff5e" or c in "·—…“”‘’×°":
            score += 1.5
        else:
            score -= 1
        if c >= "\u2e80" and ("a" <= before <= "z" or "a" <= after <= "z"):
            score -= 1.5
    if not total:
        return 0.0
    if name == "EUC-JP" and kana:
        score += 0.5 * total  # what is no Japanese has kana by chance only
    if name == "EUC-KR":  # its syllables are the first of the Chinese characters too
        share = sum("\uac00" <= c <= "\ud7a3" for c in text) / total
        score += 0.5 * total if share > 0.9 and total >= 3 else -total
    return score / total
