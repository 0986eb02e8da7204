"""Darwin Core Archives: real ones, and ones that are broken or hostile."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile

import pytest
from conftest import shared

from prom3e_index.errors import TableError
from prom3e_index.tables import read_observations


def rows_of(path):
    table = read_observations(path)
    return [row for batch in table.batches(500) for row in batch.to_pylist()], table


def test_multimedia_extension_gives_the_first_picture():
    archive = shared("data/tables/gbif_download_example.zip")
    rows, _ = rows_of(archive)
    with zipfile.ZipFile(archive) as z:
        media = list(csv.DictReader(io.TextIOWrapper(z.open("multimedia.txt"), "utf-8"), delimiter="\t",
                                    quoting=csv.QUOTE_NONE))  # fmt: skip
        keys = {r["gbifID"] for r in media if r["identifier"]}
    remote = [r for r in rows if any("remote" in p["reason"] for p in r["problems"])]

    assert len(remote) == len(keys)


def test_broken_archives(tmp_path):
    def archive(name, files):
        with zipfile.ZipFile(tmp_path / name, "w") as z:
            for member, text in files.items():
                z.writestr(member, text)
        return tmp_path / name

    core = '<archive xmlns="http://rs.tdwg.org/dwc/text/"><core rowType="x/Occurrence"><files><location>{}</location></files><id index="0"/></core></archive>'
    with pytest.raises(TableError, match="outside the archive"):
        read_observations(
            archive("slip.zip", {"meta.xml": core.format("o.txt"), "../o.txt": "1\n"})
        )
    with pytest.raises(TableError, match="empty or outside"):
        read_observations(archive("loc.zip", {"meta.xml": core.format("../../etc/passwd")}))
    with pytest.raises(TableError, match="names 'occ.txt', which is absent"):
        read_observations(
            archive("gone.zip", {"meta.xml": core.format("occ.txt"), "occur.txt": ""})
        )
    with pytest.raises(TableError, match="not well-formed"):
        read_observations(archive("xml.zip", {"meta.xml": "<archive><core>"}))
    with pytest.raises(TableError, match="document type"):
        read_observations(
            archive("bomb.zip", {"meta.xml": '<!DOCTYPE a [<!ENTITY b "c">]><archive/>'})
        )
    with pytest.raises(TableError, match="0 core tables"):
        read_observations(archive("none.zip", {"meta.xml": "<archive/>"}))
    with tarfile.open(tmp_path / "link.tgz", "w:gz") as t:
        info = tarfile.TarInfo("meta.xml")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        t.addfile(info)
    with pytest.raises(TableError, match="link or device"):
        read_observations(tmp_path / "link.tgz")
    cut = archive("cut.zip", {"meta.xml": core.format("o.txt"), "o.txt": "1\n" * 1000})
    cut.write_bytes(cut.read_bytes()[:-60])
    with pytest.raises(TableError, match="damaged"):
        read_observations(cut)


def test_archive_as_tgz_with_its_own_delimiter_and_encoding(tmp_path):
    meta = (
        '<archive xmlns="http://rs.tdwg.org/dwc/text/"><core encoding="ISO-8859-1" fieldsTerminatedBy="|" '
        'fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence"><files>'
        '<location>occ.txt</location></files><id index="0"/>'
        '<field index="1" term="http://rs.tdwg.org/dwc/terms/scientificName"/>'
        '<field default="CC0" term="http://purl.org/dc/terms/license"/></core></archive>'
    )
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as t:
        for name, data in (
            ("meta.xml", meta.encode()),
            ("occ.txt", "k|n\n1|Nyctea scandiacä\n".encode("latin-1")),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    rows, table = rows_of(tmp_path / "a.tgz")

    assert table.format == "dwca" and rows[0]["id"] == "1"
    assert rows[0]["scientific_name"] == "Nyctea scandiacä" and rows[0]["license"] == "CC0"
