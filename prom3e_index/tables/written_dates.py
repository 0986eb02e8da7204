"""Dates with a month in words, Roman numerals or numbers before the year: `23 May 2023`, `23.V.2023`, `23/05/2023`."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta
from functools import lru_cache

from prom3e_index.tables.day_order import DateRules, Days, Doubt, day_month
from prom3e_index.tables.short_years import full_year

_LANGUAGES = """
january february march april may june july august september october november december
januar februar maerz april mai juni juli august september oktober november dezember
janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
januari februari mars april maj juni juli augusti september oktober november december
januar februar marts april maj juni juli august september oktober november desember
jaenner feber mrz apr mai jun jul aug sept okt nov dez
jan feb mrt apr mei jun jul aug setiembre okt nov des
"""
"""Months in English, German, French, Spanish, Portuguese, Dutch, Italian, Swedish, Danish and Norwegian; others."""
_WHOLE_WORDS = """
stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października - grudnia
styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik - grudzień
ledna února března dubna května června července srpna září října listopadu prosince
leden únor březen duben květen červen červenec srpen září říjen - prosinec
januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra
ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta \
joulukuuta
január február március április május június július augusztus szeptember október november december
ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie
января февраля марта апреля мая июня июля августа сентября октября ноября декабря
январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня
ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου
"""
"""Months in Polish, Czech, Slovak, Turkish, Finnish, Hungarian, Romanian, Russian, Ukrainian and Greek; written in
full, for their first letters are of other months elsewhere. `listopada` is November in Polish and October in Croatian.
"""
_NAMES = [(name, i) for line in _LANGUAGES.split("\n") for i, name in enumerate(line.split(), 1)]


def _folded(word: str) -> str:
    key = unicodedata.normalize("NFKD", word.casefold().replace("ä", "ae").strip("."))
    return "".join(c for c in key if not unicodedata.combining(c))


_WHOLE = {
    _folded(name): i
    for line in _WHOLE_WORDS.split("\n")
    for i, name in enumerate(line.split(), 1)
    if name != "-"
}
_ROMAN = {r: i for i, r in enumerate("i ii iii iv v vi vii viii ix x xi xii".split(), 1)}
_WEEKDAYS = set(
    """
monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun
montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so
lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim
lunes martes miercoles jueves viernes sabado domingo mie jue vie sab dom
lunedi martedi mercoledi giovedi venerdi domenica gio segunda terca quarta quinta sexta seg ter qua qui sex
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo
""".split()
)
_FILLERS = {
    "de",
    "del",
    "of",
    "the",
    "den",
    "le",
    "el",
    "do",
    "da",
    "di",
    "d",
    "am",
    "on",
    "at",
    "um",
    "kl",
}
_WITHIN = re.compile(
    r"(?:early|mid|middle|late|beginning|end|start|anfang|mitte|ende|début|debut|mi|fin|begin|eind|principios|finales)"
    r"(?:\s+(?:of|de|von))?[\s-]+(?=[^\W\d])",
    re.I,
)
_SEASON = re.compile(
    r"(?:(?:in\s+)?(spring|summer|autumn|fall|winter|frühling|frühjahr|sommer|herbst|printemps|été|automne|hiver|primavera|"
    r"verano|otoño|invierno|outono|verão|inverno|lente|zomer|herfst|estate|autunno)\s+(?:of\s+|de\s+)?)(\d{4})",
    re.I,
)
_WINTERS = {"winter", "hiver", "invierno", "inverno"}
_CLOCK = re.compile(
    r"(?:^|(?<=[\s,T]))\d{1,2}(?:(?::\d{2}(?::\d{2}(?:[.,]\d+)?)?|\.\d{2}(?=\s*(?:uhr|h)\b))\s*(?:[ap]\.?m\b\.?|uhr|h\b)?|\s*[ap]\.?m\b\.?|h\d{0,2}\b)"
    r"(?=[\s,Z+\-(]|$)(?:\s*(?:Z|UTC|GMT)?\s*[+-]\d{2}:?\d{2}|\s*Z\b)?",
    re.I,
)
_ZONE = re.compile(
    r"(?<=\s)(?:GMT|UTC|[A-Z]{2,4}T|Z)(?:[+-]\d{1,2}(?::?\d{2})?)?(?=\s|$)|\([^()]*\)\s*$|(?<=\s)[+-]\d{4}$"
)
_NUMBERS = re.compile(r"(\d{1,2})([/.\- ])\s?(\d{1,2})\2\s?(\d{4}|\d{2})", re.ASCII)
_MONTH_YEAR = re.compile(r"(\d{1,2})[/.\-](\d{4})", re.ASCII)
_CHINESE = re.compile(r"(\d{4})\s*[年년](?:\s*(\d{1,2})\s*[月월](?:\s*(\d{1,2})\s*[日일]?)?)?")
_WORD = re.compile(r"\d+(?:st|nd|rd|th|er|º|ª|e)(?![^\W\d_])|\d+|[^\W\d_]+")
_DECADE = re.compile(r"(\d{3})0(?:'?s|er)|(\d{3})[xX]|(\d\d)[xX]{2}")


@lru_cache(1 << 12)
def month_number(word: str) -> int | None:
    """The month of a name, of its first three letters or more, or of a Roman numeral; None where it is none."""
    plain = _folded(word)
    if plain in _ROMAN:
        return _ROMAN[plain]
    if plain in _WHOLE:
        return _WHOLE[plain]
    short = plain.replace("maer", "mar") if plain.startswith("maer") and len(plain) < 5 else plain
    found = {i for name, i in _NAMES if len(short) > 2 and name.startswith(short)}
    return found.pop() if len(found) == 1 else None


def span(year: int, month: int, day: int) -> Days | None:
    """First and last day of a day, month or year; what is 0 is unknown. None where there is no such day."""
    try:
        if not month:
            return date(year, 1, 1), date(year, 12, 31)
        first = date(year, month, day or 1)
    except ValueError:
        return None
    return first, first if day else (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def winter(year: int) -> Days | None:
    """The winter of a year, of either hemisphere, begun in that year or the year before."""
    if not 1 < year < 9999:
        return None
    return date(year - 1, 12, 1), date(year + 1, 3, 1) - timedelta(days=1)


def written(text: str, rules: DateRules) -> Days | None:
    """First and last day of a date with its month in words or before the year, a decade or a season.

    Times of day, zones, days of the week and `ca.` are left out.

    Raises:
        Doubt: It may be two dates; says which.
    """
    shown = repr(text[:60])
    plain = _WITHIN.sub("", text, count=1)
    decade = _DECADE.fullmatch(plain)
    if decade:
        first = int(next(g for g in decade.groups() if g).ljust(4, "0"))
        return (
            (date(first, 1, 1), date(first + (99 if decade[3] else 9), 12, 31)) if first else None
        )
    season = _SEASON.fullmatch(plain)
    if season:
        year = int(season[2])
        return winter(year) if season[1].lower() in _WINTERS else span(year, 0, 0)
    chinese = _CHINESE.match(plain)
    if chinese and not re.search(r"\d", _CLOCK.sub("", plain[chinese.end() :])):
        return span(*(int(g or 0) for g in chinese.groups()))
    if not re.search(r"\d", plain):
        return None
    plain = " ".join(_ZONE.sub(" ", _CLOCK.sub(" ", plain)).split()).strip(" ,;")
    numbers = _NUMBERS.fullmatch(plain)
    if numbers:
        a, b, year = int(numbers[1]), int(numbers[3]), full_year(numbers[4])
        if len(numbers[4]) == 2 and rules.year_first is not False:
            if rules.year_first is None:
                raise Doubt(
                    f"{shown} may have the year first or last; write it with four digits, or say --date-order dmy or "
                    "mdy"
                )
            return span(full_year(numbers[1]), b, int(numbers[4]))
        found = day_month(a, b, year, numbers[2], rules, shown)
        return span(*found) if found else None
    month_year = _MONTH_YEAR.fullmatch(plain)
    if month_year and 0 < int(month_year[1]) <= 12:
        return span(int(month_year[2]), int(month_year[1]), 0)
    return _of_words(plain, shown)


def _of_words(plain: str, shown: str) -> Days | None:
    """A date whose month is a word: `23 May 2023`, `May 23, 2023`, `2023 May 23`, `May 2023`."""
    if not re.fullmatch(r"[\w\s.,\-/’'ºª]+", plain) or "_" in plain:
        return None
    words = [w for w in _WORD.findall(plain) if w.casefold() not in _FILLERS]
    named = [i for i, w in enumerate(words) if w[0].isalpha() and month_number(w)]
    bare = [_bare(w) for w in words]
    if len(named) == 2 and named[0] == 0 and bare[0] in _WEEKDAYS:  # `mar` is a day too, in French
        named = named[1:]
    if len(named) != 1 or len(words) > 5:
        return None
    rest = [w for i, w in enumerate(words) if i != named[0] and bare[i] not in _WEEKDAYS]
    numbers = [re.sub(r"(?<=\d)(?:st|nd|rd|th|er|e|º|ª|a|o)$", "", w.lower()) for w in rest]
    if (
        not all(re.fullmatch(r"\d{1,2}|\d{4}", n, re.ASCII) for n in numbers)
        or not 1 <= len(numbers) <= 2
    ):
        return None
    month = month_number(words[named[0]]) or 0
    full = [n for n in numbers if len(n) == 4]
    if len(numbers) == 1:
        if full:
            return span(int(full[0]), month, 0)
        raise Doubt(
            f"{shown} has no year of four digits: it may be a day of a month or the month of a year"
        )
    if len(full) == 2:
        return None
    year = full[0] if full else numbers[1]
    day = next(n for n in numbers if n is not year)
    return span(full_year(year), month, int(day))


def _bare(word: str) -> str:
    key = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in key if not unicodedata.combining(c))
