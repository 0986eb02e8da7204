"""The Darwin Core terms of a record: which there are, and which columns of an index they are taken from.

Source: Darwin Core, https://dwc.tdwg.org/terms/, and what GBIF requires of occurrences,
https://www.gbif.org/data-quality-requirements-occurrences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from prom3e_index.policy.columns import denied

DWC, DC = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/"

RANKED = ("kingdom", "phylum", "class", "order", "family", "genus")
MADE = (
    "occurrenceID", "basisOfRecord", "occurrenceStatus", "scientificName", *RANKED, "taxonRank", "vernacularName",
    "eventDate", "decimalLatitude", "decimalLongitude", "geodeticDatum", "coordinateUncertaintyInMeters",
    "dataGeneralizations", "informationWithheld", "license", "rightsHolder", "recordedBy", "datasetName",
)  # fmt: skip
"""Terms that are made of the fields of an observation, in the order of the columns of `occurrence.txt`."""
REQUIRED = ("occurrenceID", "basisOfRecord", "scientificName", "eventDate")
"""Without these GBIF takes no record."""
_PASSED = """
    recordNumber recordedByID individualCount organismQuantity organismQuantityType sex lifeStage reproductiveCondition
    behavior vitality caste establishmentMeans degreeOfEstablishment pathway georeferenceVerificationStatus
    occurrenceRemarks preparations disposition associatedTaxa associatedReferences associatedOccurrences
    associatedOrganisms associatedSequences otherCatalogNumbers organismID organismName organismScope
    organismRemarks previousIdentifications catalogNumber collectionCode collectionID institutionCode institutionID
    ownerInstitutionCode datasetID eventID parentEventID eventType fieldNumber eventTime startDayOfYear endDayOfYear
    year month day verbatimEventDate habitat samplingProtocol sampleSizeValue sampleSizeUnit samplingEffort fieldNotes
    eventRemarks locationID higherGeographyID higherGeography continent waterBody islandGroup island country countryCode
    stateProvince county municipality locality minimumElevationInMeters maximumElevationInMeters verticalDatum
    minimumDepthInMeters maximumDepthInMeters locationAccordingTo coordinatePrecision georeferencedBy georeferencedDate
    typeStatus identificationID identificationQualifier identifiedBy identifiedByID dateIdentified
    identificationReferences identificationVerificationStatus identificationRemarks taxonID scientificNameID
    acceptedNameUsage nameAccordingTo higherClassification superfamily subfamily tribe subtribe genericName subgenus
    infragenericEpithet specificEpithet infraspecificEpithet cultivarEpithet verbatimTaxonRank scientificNameAuthorship
    nomenclaturalCode taxonomicStatus nomenclaturalStatus taxonRemarks
""".split()
_OF_DUBLIN = ("type", "modified", "language", "accessRights", "bibliographicCitation", "references")
_BY_NAME = {term.lower(): term for term in (*_PASSED, *_OF_DUBLIN)}
BASES = (
    "PreservedSpecimen", "FossilSpecimen", "LivingSpecimen", "MaterialSample", "MaterialEntity", "MaterialCitation",
    "Event", "HumanObservation", "MachineObservation", "Taxon", "Occurrence",
)  # fmt: skip
"""What `basisOfRecord` may say."""
_BASES = {b.lower(): b for b in BASES} | {"observation": "Occurrence"}
MACHINES = ("camtrap-dp", "wildlife-insights", "coco")
"""Formats of tables that machines made: camera traps."""
PERSONS = ("inaturalist", "inaturalist-open-data")
"""Formats of tables that people made."""
WATCHERS = frozenset(
    "recordedby userlogin username userid recordist recorder observer observedby".split()
)
"""Columns that name who observed."""


def plain(name: str) -> str:
    """A column's name as terms are compared: without case, signs and prefix."""
    return re.sub(r"[\W_]+", "", re.sub(r"\A(?:dwc|dcterms|dc|dwciri)[:.]", "", name.lower()))


def address(term: str) -> str:
    """The address of a term."""
    dublin = term in _OF_DUBLIN or term in ("license", "rightsHolder")
    return (DC if dublin else DWC) + term


def passed(columns: Iterable[str]) -> dict[str, str]:
    """Term → the column of a table that has it under the term's own name; private places are none."""
    out: dict[str, str] = {}
    for column in columns:
        term = _BY_NAME.get(plain(column.removeprefix("source_")))
        if term is not None and not denied(column):
            out.setdefault(term, column)
    return out


def basis(text: str | None) -> str | None:
    """A basis of record in the words of the vocabulary: `HUMAN_OBSERVATION` as HumanObservation; None of another."""
    return None if text is None else _BASES.get(plain(text))
