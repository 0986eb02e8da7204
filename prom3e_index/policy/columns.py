"""Which columns of a table tell a place that is hidden: those that no index holds, and those emptied row by row.

The deny-list stands here and nowhere else; builds, exports and `policy check` ask it. Names are compared without case,
blanks, signs, accents and prefixes, as `tables.aliases` does.

Sources: iNaturalist's export (`private_*`, `place_guess`); Darwin Core's location class; ALA's Sensitive Data Service
(which terms it empties); Chapman 2020, Best Practices for Generalizing Sensitive Species Occurrence Data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from prom3e_index.errors import InputError, near_names

_DENIED = frozenset(
    """
    placeguess verbatimlatitude verbatimlongitude verbatimcoordinates verbatimlocality verbatimcoordinatesystem
    verbatimsrs verbatimelevation verbatimdepth footprintwkt footprintsrs footprintspatialfit pointradiusspatialfit
    georeferenceremarks georeferencesources georeferenceprotocol locationremarks
    """.split()
)
_PLACE_WORD = "(?:lat|lon|lng|place|loc|coord|geo|position|point|address)"
_PRIVATE = re.compile(rf"private.*{_PLACE_WORD}|{_PLACE_WORD}.*private")
"""A true place that its source hides; `geoprivacy` and `private` alone are marks, and stay."""
_AXIS, _TRUE = (
    "(?:decimal|dec)?(?:lat|latitude|lon|long|lng|longitude|coords?|coordinates?)",
    "(?:true|exact|unobscured|orig|original)",
)
_UNHIDDEN = re.compile(rf"{_TRUE}{_AXIS}|{_AXIS}{_TRUE}")
"""Coordinates as they were before they were hidden, in whole names: `exact_lat`, `Longitude (original)`."""
_COARSE = frozenset(
    """
    country countrycode countryname continent stateprovince state province placecountryname placestatename
    placeadmin1name geodeticdatum datum geoprivacy taxongeoprivacy coordinatesobscured obscured informationwithheld
    datageneralizations coordinateprecision coordinateuncertaintyinmeters coordinateuncertaintym
    publicpositionalaccuracy positionalaccuracy publisher license licence placelevel institutioncode
    """.split()
)
"""What tells of a place no more than a country or a state, or of its hiding."""
_PLACES = re.compile(
    r"lat(?:itude|deg)?[0-9]?\Z|\A(?:lat|lon|lng|long|x|y|east|north|where)\Z|latitud|longitud|lon(?:deg)?[0-9]?\Z"
    r"|lng|breitengrad|laengengrad|langengrad|breedtegraad|lengtegraad|breddegrad|lengdegrad"
    r"|coord|locali|location|place|(?<!oppo)site|station|deployment|plot|transect|geohash|geom|wkt|footprint|georef"
    r"|gps|utm|mgrs|easting|northing|grid|geopoint|position|county|municip|distric|gemeinde|commune|village"
    r"|\A(?:city|town|island|islandgroup|address|street|zip|reserve|park|region|bioregion|ecoregion|mountain|section)\Z"
    r"|postcode|postalcode|plz|waterbody|watershed|catchment|elevation|altitude|depth|\Abio[0-9]{1,2}\Z"
    r"|\Ah3|s2cell|olc|pluscode|\Atile|quad|landmark|checklist|samplingevent|submission|eventid|eventcode|fieldnumber"
    r"|url|uri|http|link|references|permalink|occurrencedetails"
)
_DATES = re.compile(
    r"date|time|\Aday\Z|dayof(?:year|week|month)|observedon|created|updated|modified|hour|\Adatum\Z|fecha|moment"
    r"|\A(?:start|end)day|julian|\A(?:doy|jday|yday|yearday|ordinalday|dow|weekday|week|weekno|weeknumber|weeknum"
    r"|weekofyear|isoweek|kw|kalenderwoche|woche|tag|wochentag|jour|semaine|dia|semana|giorno|settimana|dag|dagnr|uke)\Z"
)
_HARMLESS = re.compile(
    r"""
    # record and identifiers
    type | modified | language | basisofrecord | institutioncode | collectioncode | ownerinstitutioncode
    | datasetname | datasetid | datasetkey | dataset | source | institution | institutionid | gbifid
    | occurrenceid | catalognumber | uuid | id | key | issues? | year | month | week | doy
    | (?:event|obs|observation)?(?:start|begin|end)s? | hascoordinate | hasgeospatialissues
    | (?:file)?mediatype | publishingcountry | statecode | cnt | publishingorgkey | installationkey
    | lastparsed | lastcrawled | lastinterpreted | protocol | license | licence | lic | rights | rightsholder
    | accessrights | copyright | publisher | oauthapplicationid
    # taxon and identification
    | (?:accepted|original|verbatim|parent)?(?:scientific)?name(?:usage|authorship|id|published(?:in)?)*
    | (?:accepted)?scientificname(?:authorship|id)? | canonicalname | vernacularname | commonname | englishname
    | sciname
    | (?:accepted|super|sub|infra|taxon)*(?:domain|kingdom|phylum|class|order|family|tribe|genus|species
    |section|variety|form|genericname)(?:key|name|id|guess)?
    | (?:infrageneric|specific|infraspecific|cultivar)?epithet
    | (?:iconic|accepted|community|wi)?taxon[a-z0-9]* | nameaccordingto(?:id)? | nomenclaturalstatus
    | typifiedname | soort | naam | subspecies(?:common|scientific)name | speciescode | taxonomicstatus
    | taxonomicorder | higherclassification | nomenclaturalcode | typestatus | category | exoticcode
    | iucnredlistcategory | redlist(?:category|status)? | gen | sp | ssp | en | group | rank
    | identifiedby(?:id)? | identificationid | identificationqualifier | identificationverificationstatus
    | dateidentified | previousidentifications | verbatimidentification | determiner | qualitygrade
    | captive(?:cultivated)? | cultivated | num(?:ber)?(?:of)?identification(?:dis)?agreements
    | identifications[a-z]* | classifiedby | capturemethod | favescount | commentscount | votes
    | (?:cv)?confidence | score | probability | accuracyclass
    | classification(?:method|probability|confidence)? | validated | verified | approved | reviewed
    | verification(?:status)?
    # who and what was seen
    | recordedby(?:id)? | observers? | observer(?:id|name) | recordist | rec | collectors? | photographers?
    | recorder | creator | author | user[a-z]* | numberobservers | nobservers
    | (?:individual|observation|organism)?(?:counts?|number|quantity)(?:type|unit)? | n | howmany | abundance
    | adults? | juveniles? | males? | females? | chicks? | young | eggs?
    | (?:clutch|brood|group|flock|litter)size | sex | age | agesex | ageclass | (?:life)?stage
    | reproductivecondition | caste | behaviou?r(?:code)? | breeding(?:code|category|status)? | vitality
    | alive | dead | plumage | moult | molt | colou?r(?:morph)? | morph | form | establishmentmeans
    | degreeofestablishment | pathway | occurrencestatus | presence | absence | organism(?:name|scope)
    | preparations | disposition | causeofdeath
    | (?:body|total|head|wing|tail|tarsus|tarsal|bill|beak|culmen|ear|foot|hindfoot|leg|snout|vent|standard
    |fork|stem|leaf|flower|fruit|seed|egg|shell|cap|trunk|fat|muscle)*(?:length|width|weight|mass|span|score|diameter|size|chord|index|wing|tail|tarsus|bill|beak|dbh|fat)(?:mm|cm|m|g|kg|inmm|incm|ing|inkg)?
    # how it was seen and recorded
    | samplingprotocol | samplesize(?:value|unit) | samplingeffort | effort(?:hours|minutes)?
    | (?:duration|length)(?:minutes|min|s)? | protocol(?:name|code|type) | observationtype | allspeciesreported
    | hasmedia | animalseen | birdseen | playbackused | method | recordingquality | quality | q | songtype
    | calltype | vocali[sz]ation(?:type)? | soundtype | samplerate | smp | bitrate | bitdepth | channels
    | frequency | (?:low|high|min|max|peak)(?:freq|frequency)(?:hz|khz)? | snr | split | fold
    | (?:primary|secondary)?labels? | rating | isblank | channel | selection | view | mic | numberofobjects
    """,
    re.VERBOSE,
)
"""Whole names of columns that tell no place, besides those of dates: what was seen, by whom, how sure, how recorded."""
_ADDRESS, _APART = re.compile(r"[/#]"), re.compile(r"[\W_]+")
_PREFIX = re.compile(r"\A(?:dwc|dwciri|dcterms|dc|ac|gbif|inat|taxon)[:.]")


@lru_cache(1 << 12)
def plain(name: str) -> str:
    """A column's name as it is compared: `dwc:verbatim_Locality` as `verbatimlocality`."""
    text = unicodedata.normalize("NFKD", name.strip().strip("\ufeff").lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    if "://" in text:
        text = _ADDRESS.split(text.rstrip("/#"))[-1]
    return _APART.sub("", _PREFIX.sub("", text)) or text


def private(name: str) -> bool:
    """Whether a column holds true places that their source hides; such a one is read by nothing."""
    return _PRIVATE.search(plain(name)) is not None


def denied(name: str) -> bool:
    """Whether a column is held by no index and written by no export: private places, and places as first written."""
    own = plain(name.removeprefix("source_"))
    return own in _DENIED or _UNHIDDEN.fullmatch(own) is not None or private(own)


def names_place(name: str) -> bool:
    """Whether a column tells where a row is, by its name."""
    own = plain(name.removeprefix("source_"))
    return denied(name) or (own not in _COARSE and _PLACES.search(own) is not None)


def tells_place(name: str) -> bool:
    """Whether a column may tell where a row is; it is emptied in rows that are generalised.

    Every column may but those whose names are known to tell of something else: names of places are endless.
    """
    own = plain(name.removeprefix("source_"))
    if names_place(name):
        return True
    return not (own in _COARSE or _DATES.search(own) or _HARMLESS.fullmatch(own))


def tells_day(name: str) -> bool:
    """Whether a column may tell the day of a row; it is emptied in rows whose dates are given by the month."""
    return _DATES.search(plain(name.removeprefix("source_"))) is not None


def checked_kept(names: Iterable[str], columns: Iterable[str]) -> frozenset[str]:
    """The columns that a user keeps in generalised rows, as `--keep-column` names them, in plain form.

    Args:
        names: As they were given.
        columns: Of the table.

    Raises:
        InputError: There is no such column, or it is one that no index may hold.
    """
    known = list(columns)
    by = {plain(c): c for c in known}
    for name in names:
        if denied(name):
            raise InputError(
                f"--keep-column {name}: that column is on the list of those that no index holds, private places and "
                "places as first written; leave the option out."
            )
        if plain(name) not in by:
            raise InputError(f"The table has no column {name!r}{near_names(name, known)}.")
    return frozenset(plain(n) for n in names)
