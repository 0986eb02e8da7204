"""The documents of a Darwin Core Archive: what it is of (`eml.xml`), and what is in it (`meta.xml`).

Sources: the GBIF profile of the Ecological Metadata Language, http://rs.gbif.org/schema/eml-gbif-profile/1.1/, and the
Darwin Core text guide, https://dwc.tdwg.org/text/.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

import prom3e_index
from prom3e_index.exports.attribution import Attribution
from prom3e_index.exports.terms import address
from prom3e_index.licences import url_of

OCCURRENCE = "http://rs.tdwg.org/dwc/terms/Occurrence"
MULTIMEDIA = "http://rs.gbif.org/terms/1.0/Multimedia"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NOT_STATED = "not stated"
_TITLES = {
    "CC0": "Public Domain (CC0 1.0)",
    "BY": "Creative Commons Attribution (CC-BY) 4.0 License",
    "BY-NC": "Creative Commons Attribution Non Commercial (CC-BY-NC) 4.0 License",
}


@dataclass(frozen=True)
class About:
    """What the archive says of itself, where somebody says it.

    Attributes:
        title: Of the data set; the index's name when None.
        publisher: Person or organisation that publishes it and is responsible.
        contact: Their address for mail.
    """

    title: str | None = None
    publisher: str | None = None
    contact: str | None = None

    def lacking(self) -> list[str]:
        """The options that say what GBIF asks of a data set, and that were not given."""
        return [
            f"--{name}" for name in ("title", "publisher", "contact") if not getattr(self, name)
        ]


def xml(text: str) -> str:
    """Text within an element; what XML cannot hold is left out."""
    return escape(_ILLEGAL.sub("", text))


def eml(about: About, counted: Attribution, left_out: Sequence[str]) -> str:
    """The metadata of an archive: title, publisher, licence of the whole, where and how many."""
    bundle = counted.bundle
    day = datetime.now(UTC).date()
    index = bundle.path.name
    title = about.title or f"Observations of the index {index}"
    party = f"<organizationName>{xml(about.publisher or NOT_STATED)}</organizationName>"
    if about.contact:
        party += f"<electronicMailAddress>{xml(about.contact)}</electronicMailAddress>"
    whole = counted.licence or "CC0"
    licence = whole if whole in _TITLES else counted.of_records() or "CC0"
    rights = (
        f"<para>This work is licensed under a <ulink url={quoteattr(url_of(licence) or '')}>"
        f"<citetitle>{_TITLES.get(licence, licence)}</citetitle></ulink>.</para>"
    )
    paragraphs = [
        f"{counted.rows:,} occurrences of the index {index}, written by prom3e-index {prom3e_index.__version__}. What "
        "the program's model completed is not among them.",
        f"Licence of the whole: {counted.said()}. The licence of each record, photo and sound stands with it.",
        *(
            [
                f"GBIF names no {whole} for a data set; the licence named below is that of the records alone."
            ]
            if licence != whole
            else []
        ),
        *left_out,
    ]
    policy = bundle.manifest.get("policy")
    if isinstance(policy, dict) and policy.get("name"):
        paragraphs.append(
            f"Places are generalised by the policy {policy['name']}; dataGeneralizations says how, record by record."
        )
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"{bundle.manifest['source'].get('table')}#{title}")
    where = ""
    box = counted.extent.box
    if box is not None:
        sides = zip(("west", "south", "east", "north"), box, strict=True)
        bounds = {
            name: f"<{name}BoundingCoordinate>{value}</{name}BoundingCoordinate>"
            for name, value in sides
        }
        order = "".join(bounds[n] for n in ("west", "east", "north", "south"))
        where = (
            "<coverage><geographicCoverage><geographicDescription>The box of all places"
            f"</geographicDescription><boundingCoordinates>{order}</boundingCoordinates>"
            "</geographicCoverage></coverage>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1" xmlns:dc="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="eml://ecoinformatics.org/eml-2.1.1 '
        f'http://rs.gbif.org/schema/eml-gbif-profile/1.1/eml.xsd" packageId="{key}/v1.0" system="http://gbif.org" '
        'scope="system" xml:lang="eng">\n'
        f"<dataset>\n<alternateIdentifier>{key}</alternateIdentifier>\n"
        f'<title xml:lang="eng">{xml(title)}</title>\n<creator>{party}</creator>\n'
        f"<metadataProvider>{party}</metadataProvider>\n<pubDate>{day}</pubDate>\n<language>eng</language>\n"
        f"<abstract>{''.join(f'<para>{xml(p)}</para>' for p in paragraphs)}</abstract>\n"
        "<keywordSet><keyword>Occurrence</keyword><keywordThesaurus>GBIF Dataset Type Vocabulary: "
        "http://rs.gbif.org/vocabulary/gbif/dataset_type.xml</keywordThesaurus></keywordSet>\n"
        f"<intellectualRights>{rights}</intellectualRights>\n{where}\n<contact>{party}</contact>\n</dataset>\n"
        "</eml:eml>\n"
    )


def meta(core: Sequence[str], media: Sequence[str]) -> str:
    """The description of the tables: the first column of each is the id."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">\n'
        f"{_table('core', OCCURRENCE, 'occurrence.txt', 'id', map(address, core), 0)}"
        f"{_table('extension', MULTIMEDIA, 'multimedia.txt', 'coreid', media, 1)}"
        "</archive>\n"
    )


def _table(tag: str, row: str, file: str, key: str, terms: Iterable[str], first: int) -> str:
    fields = "".join(f'    <field index="{first + i}" term="{t}"/>\n' for i, t in enumerate(terms))
    return (
        f'  <{tag} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" '
        f'ignoreHeaderLines="1" rowType="{row}">\n    <files><location>{file}</location></files>\n'
        f'    <{key} index="0"/>\n{fields}  </{tag}>\n'
    )
