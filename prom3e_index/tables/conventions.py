"""The exports of the trade whose columns the general names would misread, or leave unread; each known by its columns.

Names are as `aliases.plain` writes them: lower case, without blanks, signs, units and prefixes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Convention:
    """One export.

    Attributes:
        name: What people call it.
        marks: Columns that every such table has.
        fields: Field → its columns in order of preference, in place of the general names. `a/b` is a path in two
            columns, `a b` an id of two.
        leave: Columns that mean something else here than their name says elsewhere: no field is read from them.
        beside: A table that lies beside it, where the whole is read by naming the folder.
        refused: Why no observation can be read from such a table; None where they can.
    """

    name: str
    marks: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leave: tuple[str, ...] = ()
    beside: str | None = None
    refused: str | None = None


CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "GBIF species list",
        ("taxonkey", "acceptedtaxonkey", "numberofoccurrences"),
        refused="a row is a taxon and its numberOfOccurrences, no observation; download the occurrences as "
        "SIMPLE_CSV or DWCA",
    ),
    Convention(
        "eBird Basic Dataset",
        ("globaluniqueidentifier", "observationcount", "commonname"),
        {
            "id": ("globaluniqueidentifier",),
            "scientific_name": ("scientificname", "subspeciesscientificname"),
            "event_date": ("observationdate",),
        },
    ),
    Convention(
        "eBird by auk",
        ("checklistid", "observationcount", "scientificname"),
        {"id": ("checklistid scientificname",), "event_date": ("observationdate",)},
    ),
    Convention(
        "My eBird Data",
        ("submissionid", "commonname", "scientificname"),
        {"id": ("submissionid scientificname",), "event_date": ("date",)},
        leave=("location",),
    ),
    Convention(
        "eBird API",
        ("subid", "comname", "sciname"),
        {"id": ("subid sciname",), "event_date": ("obsdt",)},
        leave=("location",),
    ),
    Convention(
        "Xeno-canto",
        ("gen", "sp", "en"),
        {
            "id": ("id", "nr"),
            "audio": ("filename", "file"),
            "genus": ("gen",),
            "epithet": ("sp",),
            "infraspecific": ("ssp",),
            "common_name": ("en",),
            "event_date": ("date",),
            "license": ("lic",),
            "rights_holder": ("rec",),
        },
        leave=("type", "group", "url", "sonosmall", "sonomed", "sonolarge", "sonofull", "oscismall",
               "oscimed", "oscilarge"),
    ),
    Convention(
        "Xeno-canto by warbleR",
        ("recordingid", "specificepithet"),
        {
            "id": ("recordingid",),
            "audio": ("soundfiles", "filename", "audiofile"),
            "common_name": ("englishname", "vernacularname", "commonname"),
            "rights_holder": ("recordist",),
        },
    ),
    Convention(
        "recordings by suwo",
        ("repository", "key", "species"),
        {"id": ("key",), "media": ("downloadedfilename", "soundfiles", "filename", "fileurl"),
         "rights_holder": ("username",)},
    ),
    Convention(
        "Macaulay Library",
        ("mlcatalognumber", "scientificname"),
        {
            "id": ("mlcatalognumber",),
            "media": ("filename", "file", "mediaurl", "asseturl"),
            "media_kind": ("format",),
            "rights_holder": ("recordist", "contributor", "photographer"),
            "event_date": ("date",),
        },
    ),
    Convention(
        "BirdNET results",
        ("start", "end", "scientificname", "confidence"),
        {"audio": ("file", "filepath", "filename"), "start_s": ("start",), "end_s": ("end",)},
    ),
    Convention(
        "Kaleidoscope or BirdNET for it",
        ("infile", "folder", "offset", "duration"),
        {"audio": ("indir/folder/infile", "folder/infile"), "start_s": ("offset",), "duration_s": ("duration",)},
    ),
    Convention(
        "Raven selection table",
        ("selection", "begintime", "endtime"),
        {
            "audio": ("beginpath", "beginfile", "file"),
            "start_s": ("fileoffset", "begintime"),
            "end_s": ("endtime",),
            "begin_s": ("begintime",),
        },
        leave=("view", "channel", "date", "begindate"),
    ),
    Convention(
        "BirdNET-Pi",
        ("sciname", "comname", "confidence", "filename"),
        {"audio": ("filename",), "event_date": ("date",)},
    ),
    Convention(
        "BirdCLEF",
        ("primarylabel", "filename"),
        {"audio": ("filename",), "scientific_name": ("scientificname", "sciname"),
         "common_name": ("commonname", "species"), "rights_holder": ("author",)},
        leave=("species", "type"),
    ),
    Convention(
        "camtrapR record table",
        ("station", "species", "datetimeoriginal", "filename"),
        {"image": ("directory/filename", "filename"), "event_date": ("datetimeoriginal",)},
    ),
    Convention(
        "Timelapse",
        ("file", "relativepath"),
        {"media": ("relativepath/file", "file"), "event_date": ("datetime", "date")},
    ),
    Convention(
        "Camtrap DP observations",
        ("observationid", "deploymentid", "observationtype"),
        {"id": ("observationid",), "date_span": ("eventstart", "eventend")},
        beside="deployments.csv",
    ),
    Convention(
        "Camtrap DP media",
        ("mediaid", "deploymentid", "filepath"),
        {"id": ("mediaid",), "media": ("filepath",), "event_date": ("timestamp",)},
        beside="deployments.csv",
    ),
    Convention(
        "Wildlife Insights images",
        ("imageid", "deploymentid", "witaxonid"),
        {"id": ("imageid",), "image": ("filename",), "epithet": ("species",), "event_date": ("timestamp",),
         "scientific_name": ("scientificname",), "species": ()},
        leave=("location",),
    ),
    Convention(
        "opensoundscape",
        ("file", "starttime", "endtime"),
        {"audio": ("file",), "start_s": ("starttime",), "end_s": ("endtime",)},
    ),
    Convention(
        "Arctos",
        ("guid", "declat", "declong"),
        {"id": ("guid",), "latitude": ("declat",), "longitude": ("declong",),
         "date_span": ("begandate", "endeddate")},
    ),
    Convention(
        "Movebank",
        ("locationlat", "locationlong"),
        {
            "id": ("eventid",),
            "latitude": ("locationlat",),
            "longitude": ("locationlong",),
            "scientific_name": ("individualtaxoncanonicalname",),
            "event_date": ("timestamp",),
        },
    ),
)  # fmt: skip
"""The first whose marks a table has counts."""


def convention(columns: Collection[str]) -> Convention | None:
    """The export that has these columns, given as `aliases.plain` writes them."""
    return next((c for c in CONVENTIONS if all(m in columns for m in c.marks)), None)
