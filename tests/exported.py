"""A table with everything that an export must take care of, its index, and the exports read by other software."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from plain_index import reseal, without_measuring

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

KEY = "3ea36590-9b79-46a8-9300-c9ef0bfed7b8"
HEAD = (
    "occurrenceID", "scientificName", "kingdom", "family", "vernacularName", "decimalLatitude", "decimalLongitude",
    "coordinateUncertaintyInMeters", "eventDate", "license", "rightsHolder", "image", "photo_license", "basisOfRecord",
    "datasetKey", "individualCount", "occurrenceRemarks", "locality", "dataGeneralizations", "note", "private_latitude",
)  # fmt: skip
SECRET = "48.2123456"
ROWS: list[dict[str, str]] = [
    dict(occurrenceID="urn:a:1", scientificName="Ardea cinerea", kingdom="Animalia", family="Ardeidae", decimalLatitude="48.21",
         decimalLongitude="16.37", coordinateUncertaintyInMeters="25.5", eventDate="2024-05-12", license="CC_BY_4_0",
         rightsHolder='Ann "the Owl" Ö', image="https://example.org/1.jpg", photo_license="CC0", basisOfRecord="HUMAN_OBSERVATION",
         datasetKey=KEY, individualCount="2", occurrenceRemarks='=HYPERLINK("x")\tsays\n"hello", world', locality="the pond",
         private_latitude=SECRET),
    dict(occurrenceID="urn:a:2", scientificName="Pica pica", decimalLatitude="-33.5", decimalLongitude="-179.99",
         coordinateUncertaintyInMeters="27661", eventDate="2024-05-13/2024-05-14",
         license="http://creativecommons.org/publicdomain/zero/1.0/legalcode", rightsHolder="Bob", datasetKey=KEY,
         locality="the nest", dataGeneralizations="Coordinate uncertainty increased to 27661m", private_latitude=SECRET),
    dict(occurrenceID="urn:a:3", family="Corvidae", decimalLatitude="0.00001", decimalLongitude="179.99", eventDate="2024-06",
         license="cc-by-nc", rightsHolder="Bob", image="https://example.org/3.png", photo_license="all rights reserved"),
    dict(occurrenceID="urn:a:4", scientificName="Pica pica", eventDate="12 May 2023", license="CC BY 4.0", rightsHolder="@Cleo"),
    dict(occurrenceID="urn:a:5", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", eventDate="2024", license="CC BY-ND 4.0", rightsHolder="Bob"),
    dict(occurrenceID="urn:a:6", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", eventDate="2024", rightsHolder="Bob"),
    dict(occurrenceID="urn:a:7", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", eventDate="2024", license="ask me"),
    dict(occurrenceID="urn:a:8", vernacularName="some bird", decimalLatitude="1.5", decimalLongitude="2.5", eventDate="2024", license="CC0"),
    dict(occurrenceID="urn:a:9", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", license="CC0"),
    dict(occurrenceID="urn:a:10", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", eventDate="2999-01-01", license="CC0"),
    dict(occurrenceID="urn:a:11", scientificName="Pica pica", decimalLatitude="1.5", decimalLongitude="2.5", coordinateUncertaintyInMeters="0", eventDate="2024-05-01T10:30:00Z", license="CC0",
         basisOfRecord="MachineObservation"),
]  # fmt: skip
PUBLISHED = ("urn:a:1", "urn:a:2", "urn:a:3", "urn:a:4", "urn:a:11")
"""Ids of the rows that an archive has."""


def table(path: Path, rows: list[dict[str, str]], head: tuple[str, ...] = HEAD) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, head, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def index_of(source: Path, out: Path, **settings: Any) -> Path:
    """An index of a table, without a certificate."""
    with without_measuring():
        build(BuildConfig(table=str(source), out=out, model="mini", **settings))
    return out


@pytest.fixture(scope="session")
def exported_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of `ROWS`."""
    folder = tmp_path_factory.mktemp("exported")
    return index_of(table(folder / "t.csv", ROWS), folder / "i.p3i")


@pytest.fixture(scope="session")
def older_index(exported_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as versions without policies made it: with a private column, and the locality of the obscured row."""
    import duckdb

    index = tmp_path_factory.mktemp("older") / "i.p3i"
    shutil.copytree(exported_index, index)
    with duckdb.connect(str(index / "metadata.duckdb")) as con:
        con.execute("ALTER TABLE observations ADD COLUMN private_latitude VARCHAR")
        con.execute(f"UPDATE observations SET private_latitude = '{SECRET}'")
        con.execute("UPDATE observations SET locality = 'the nest' WHERE id = 'urn:a:2'")
    values = json.loads((index / "manifest.json").read_text())
    values.pop("policy", None)
    (index / "manifest.json").write_text(json.dumps(values))
    reseal(index, "metadata.duckdb")
    return index


@pytest.fixture
def opened(exported_index: Path) -> Bundle:
    """The same, opened."""
    return Bundle.open(exported_index)
