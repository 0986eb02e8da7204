"""Darwin Core Archives: read by python-dwca-reader and by our own build, row for row; what may not be published is not."""

from __future__ import annotations

import csv
import io
import re
import uuid
import zipfile
from xml.etree import ElementTree

import pytest
from dwca.read import DwCAReader
from exported import KEY, PUBLISHED, ROWS, SECRET, index_of, table

from prom3e_index import Bundle, Filter
from prom3e_index.exports.eml import About
from prom3e_index.exports.terms import BASES, REQUIRED, address, basis, passed
from prom3e_index.exports.write import write_export
from prom3e_index.licences import code_of

DWC, DC = "http://rs.tdwg.org/dwc/terms/", "http://purl.org/dc/terms/"
ABOUT = About("Birds & <Owls>", "Society of Birds", "birds@example.org")
BY_ID = {r["occurrenceID"]: r for r in ROWS}


@pytest.fixture(scope="module")
def archive(older_index, tmp_path_factory):
    """The archive of `exported.ROWS`, and what was said of it; of an index as earlier versions made it."""
    path = tmp_path_factory.mktemp("archive") / "birds.zip"
    with Bundle.open(older_index) as bundle:
        return path, write_export(bundle, path, about=ABOUT)


@pytest.fixture(scope="module")
def rows(archive):
    """Id → terms and media, as python-dwca-reader has them."""
    with DwCAReader(str(archive[0])) as read:
        assert read.descriptor.core.type == DWC + "Occurrence"
        return {r.id: (r.data, [e.data for e in r.extensions]) for r in read}


def test_an_archive_has_the_rows_that_may_be_published(archive, rows):
    path, done = archive
    assert tuple(rows) == PUBLISHED and done == len(PUBLISHED) and done.licence == "BY-NC"
    left = [n for n in done.notes if n.startswith("left out: ")]
    assert sorted(left) == sorted(f"left out: 1 {why}" for why in (
        "with the licence BY-ND; GBIF takes CC0, BY and BY-NC", "without a licence: all rights are reserved",
        "with a licence that is not known", "without a scientific name", "without a date", "with a date in the future",
    ))  # fmt: skip
    assert done + len(left) == len(ROWS)


def test_terms_say_what_the_table_says(rows):
    for key, (terms, _) in rows.items():
        given = BY_ID[key]
        assert all(terms[address(t)] for t in REQUIRED), key
        assert terms[DWC + "occurrenceID"] == key and terms[DWC + "basisOfRecord"] in BASES
        assert terms[DWC + "scientificName"] == given.get("scientificName", given.get("family"))
        for name, column in (
            ("decimalLatitude", "decimalLatitude"),
            ("decimalLongitude", "decimalLongitude"),
        ):
            assert (terms[DWC + name] or None) == given.get(column) or float(
                terms[DWC + name]
            ) == float(given[column])
        assert terms[DWC + "geodeticDatum"] == ("EPSG:4326" if given.get("decimalLatitude") else "")
        uncertainty = terms[DWC + "coordinateUncertaintyInMeters"]
        stated = float(given.get("coordinateUncertaintyInMeters") or 0)
        assert (float(uncertainty) if uncertainty else 0) == stated and uncertainty != "0"
        assert code_of(terms[DC + "license"]) == code_of(given["license"]) and terms[
            DC + "license"
        ].startswith("http://creativecommons.org/")
        assert terms[DC + "rightsHolder"] == given.get("rightsHolder", "")
    first, last = rows["urn:a:1"][0], rows["urn:a:11"][0]
    assert first[DWC + "occurrenceRemarks"] == '=HYPERLINK("x") says "hello", world'
    assert (first[DWC + "individualCount"], first[DWC + "locality"]) == ("2", "the pond")
    assert (first[DWC + "basisOfRecord"], last[DWC + "basisOfRecord"]) == (
        "HumanObservation",
        "MachineObservation",
    )
    assert rows["urn:a:3"][0][DWC + "taxonRank"] == "family"
    assert [rows[k][0][DWC + "eventDate"] for k in PUBLISHED] == [
        "2024-05-12", "2024-05-13/2024-05-14", "2024-06", "2023-05-12", "2024-05-01T10:30:00Z",
    ]  # fmt: skip


def test_a_hidden_place_stays_hidden(archive, rows):
    """What an older index still holds of it is not written: private columns never, the locality not of that row."""
    hidden = rows["urn:a:2"][0]
    assert hidden[DWC + "locality"] == "" and "27661m" in hidden[DWC + "dataGeneralizations"]
    with zipfile.ZipFile(archive[0]) as z:
        assert not any(SECRET in z.read(n).decode() for n in z.namelist())


def test_media_are_those_with_an_address_and_a_licence(rows, archive):
    assert rows["urn:a:1"][1] == [
        {DC + "type": "StillImage", DC + "format": "image/jpeg", DC + "identifier": "https://example.org/1.jpg",
         DC + "license": "http://creativecommons.org/publicdomain/zero/1.0/legalcode", DC + "rightsHolder": 'Ann "the Owl" Ö',
         DC + "creator": 'Ann "the Owl" Ö'}
    ]  # fmt: skip
    assert all(not media for key, (_, media) in rows.items() if key != "urn:a:1")
    assert "left out of the media: 1 without a licence that is known" in archive[1].notes


def test_the_documents_say_what_it_is(archive):
    with zipfile.ZipFile(archive[0]) as z:
        assert z.testzip() is None and len(set(z.namelist())) == len(z.namelist())
        eml = ElementTree.fromstring(z.read("eml.xml"))
        attribution = list(csv.DictReader(io.StringIO(z.read("ATTRIBUTION.csv").decode())))
        derived, rights = z.read("derived_dataset.csv").decode(), z.read("rights.txt").decode()
        cited = z.read("citations.txt").decode()
        members = set(z.namelist())
    assert members == {"occurrence.txt", "multimedia.txt", "meta.xml", "eml.xml", "citations.txt", "rights.txt", "ATTRIBUTION.csv",
                       "CITATION.txt", "derived_dataset.csv"}  # fmt: skip
    said = {
        n: " ".join("".join(e.itertext()) for e in eml.iter(n))
        for n in ("title", "organizationName", "electronicMailAddress", "pubDate")
    }
    assert said["title"] == "Birds & <Owls>" and said["organizationName"] == " ".join(
        ["Society of Birds"] * 3
    )
    assert said["electronicMailAddress"].count("birds@example.org") == 3 and said["pubDate"]
    for part in (
        "abstract",
        "creator",
        "metadataProvider",
        "contact",
        "intellectualRights",
        "language",
        "keywordSet",
    ):
        found = eml.find(f".//{part}")
        assert found is not None and "".join(found.itertext()).strip(), part
    assert [u.get("url") for u in eml.iter("ulink")] == [
        "http://creativecommons.org/licenses/by-nc/4.0/legalcode"
    ]
    assert {e.tag: float(e.text) for e in eml.find(".//boundingCoordinates")} == {
        "westBoundingCoordinate": -179.99, "eastBoundingCoordinate": 179.99, "northBoundingCoordinate": 48.21, "southBoundingCoordinate": -33.5,
    }  # fmt: skip
    assert (
        sum(int(r["rows"]) for r in attribution) == len(PUBLISHED)
        and sum(int(r["photos"]) for r in attribution) == 1
    )
    assert (
        derived == f"datasetKey,count\n{KEY},2\n"
        and "Licence of the whole: BY-NC" in rights
        and KEY in cited
    )
    assert any(r["rights_holder"] == "'@Cleo" for r in attribution)  # no formula


def test_our_own_build_reads_it_back_row_for_row(archive, opened, tmp_path):
    path, _ = archive
    again = index_of(path, tmp_path / "again.p3i")
    columns = "id, scientific_name, kingdom, family, common_name, latitude, longitude, event_start, event_end, rights_holder, obscured, source"
    wanted = {
        r[0]: r for r in opened.sql(f"SELECT {columns} FROM observations") if r[0] in PUBLISHED
    }
    with Bundle.open(again) as bundle:
        found = {r[0]: r for r in bundle.sql(f"SELECT {columns} FROM observations")}
        licences = dict(bundle.sql("SELECT id, license FROM observations"))
        uncertain = dict(bundle.sql("SELECT id, coordinate_uncertainty_m FROM observations"))
    wanted["urn:a:3"] = (
        *wanted["urn:a:3"][:1],
        "Corvidae",
        *wanted["urn:a:3"][2:],
    )  # a name of a family is a name there
    assert found == wanted
    assert {k: code_of(v) for k, v in licences.items()} == {
        k: code_of(BY_ID[k]["license"]) for k in PUBLISHED
    }
    assert uncertain == {
        k: float(BY_ID[k].get("coordinateUncertaintyInMeters") or 0) or None for k in PUBLISHED
    }


def test_a_filter_and_nothing_make_archives_too(opened, tmp_path):
    done = write_export(opened, tmp_path / "a.zip", chosen=Filter(licence_allow="cc0"))
    with DwCAReader(str(tmp_path / "a.zip")) as read:
        assert [r.id for r in read] == ["urn:a:2", "urn:a:11"]
    assert done.licence == "CC0"
    done = write_export(opened, tmp_path / "b.zip", chosen=Filter(where="false"))
    with DwCAReader(str(tmp_path / "b.zip")) as read:
        assert list(read) == [] and done == 0
    assert "no observation satisfies the filters" in done.notes and done.licence is None


def test_further_photos_are_media_of_one_occurrence(tmp_path):
    from PIL import Image

    for name in "ab":
        Image.new("RGB", (64, 64), (1, 200, ord(name))).save(tmp_path / f"{name}.png")
    head = ("occurrenceID", "scientificName", "eventDate", "license", "image", "associatedMedia")
    row = dict(
        zip(
            head,
            (
                "o1",
                "Pica pica",
                "2024",
                "CC0",
                "a.png;b.png",
                "https://x.org/a.png | https://x.org/b.png",
            ),
            strict=True,
        )
    )
    alone = dict(
        zip(
            head,
            ("o2", "Pica pica", "2024", "CC0", "", "https://x.org/c.mp3 | https://x.org/d.mp4"),
            strict=True,
        )
    )
    index = index_of(table(tmp_path / "t.csv", [row, alone], head), tmp_path / "i.p3i")
    with Bundle.open(index) as bundle:
        rows = bundle.rows
        done = write_export(bundle, tmp_path / "a.zip")
    with DwCAReader(str(tmp_path / "a.zip")) as read:
        found = {
            r.id: sorted((e.data[DC + "identifier"], e.data[DC + "type"]) for e in r.extensions)
            for r in read
        }
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        holders = list(csv.DictReader(io.StringIO(z.read("ATTRIBUTION.csv").decode())))
    assert (
        done == 2
        and set(found) == {"o1", "o2"}
        and found["o1"] == [(f"https://x.org/{n}.png", "StillImage") for n in "ab"]
        and found["o2"]
        == [("https://x.org/c.mp3", "Sound"), ("https://x.org/d.mp4", "MovingImage")]
    )
    assert [sum(int(h[kind]) for h in holders) for kind in ("photos", "sounds")] == [3, 1]
    assert rows == 3 and "1 rows are further photos or windows of these occurrences" in done.notes


def test_ids_that_were_made_are_no_row_numbers(tmp_path):
    head = ("scientificName", "eventDate", "license", "latitude", "longitude")
    cells = [
        dict(zip(head, ("Pica pica", "2024", "CC0", "1.5", f"{i}.5"), strict=True))
        for i in range(3)
    ]
    index = index_of(table(tmp_path / "t.csv", cells, head), tmp_path / "i.p3i")
    ids = []
    for name in ("a.zip", "b.zip"):
        with Bundle.open(index) as bundle:
            write_export(bundle, tmp_path / name)
        with DwCAReader(str(tmp_path / name)) as read:
            ids.append([r.id for r in read])
    assert ids[0] == ids[1] and len(set(ids[0])) == 3
    for made in ids[0]:
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made) and uuid.UUID(made[9:]).version == 5


def test_names_of_terms_and_bases_are_known_in_any_case():
    assert passed(["Sex", "dwc:lifeStage", "LOCALITY", "place_guess", "verbatimLocality", "source_type", "weather"]) == {
        "sex": "Sex", "lifeStage": "dwc:lifeStage", "locality": "LOCALITY", "type": "source_type",
    }  # fmt: skip
    assert [basis(t) for t in ("HUMAN_OBSERVATION", "machineobservation", "Observation", "a photo", None)] == [
        "HumanObservation", "MachineObservation", "Occurrence", None, None,
    ]  # fmt: skip


def test_how_a_source_asks_to_be_cited_is_kept_and_told(archive, tmp_path):
    """Of a GBIF download the DOI stands in citations.txt; it is in what is exported later, of added rows too."""
    from plain_index import quiet, without_measuring

    from prom3e_index.indexer.change import add
    from prom3e_index.indexer.work import BuildConfig

    asked = (
        "GBIF.org (26 November 2026) GBIF Occurrence Download https://doi.org/10.15468/dl.abcdef"
    )
    first = table(tmp_path / "t.csv", ROWS[:2])
    index = index_of(first, tmp_path / "i.p3i")
    with zipfile.ZipFile(archive[0]) as old, zipfile.ZipFile(tmp_path / "more.zip", "w") as new:
        for name in old.namelist():
            text = f"Please cite:\n{asked}\n" if name == "citations.txt" else old.read(name)
            new.writestr(name, text)
    with without_measuring():
        add(index, BuildConfig(table=str(tmp_path / "more.zip"), out=index), quiet)
    with Bundle.open(index) as bundle:
        assert bundle.manifest["source"]["citations"] == ["Please cite:", asked]
        done = write_export(bundle, tmp_path / "a.csv")
    assert asked in done.beside[1].read_text().splitlines() and done == 5
