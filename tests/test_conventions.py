"""The exports of the trade are known by their columns: each field has what the file says, whatever it calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prom3e_index.errors import InputError, TableError
from prom3e_index.tables import read_observations
from prom3e_index.tables.aliases import ALIASES, match, plain
from prom3e_index.tables.conventions import CONVENTIONS

MEDIA = ("rec/a.wav", "b.wav", "train_audio/x/c.ogg", "cams/S1/d.JPG", "cams/e.mp4")
EXPORTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "eBird Basic Dataset": (
        "GLOBAL UNIQUE IDENTIFIER\tLAST EDITED DATE\tCOMMON NAME\tSCIENTIFIC NAME\tOBSERVATION COUNT\tLATITUDE\t"
        "LONGITUDE\tOBSERVATION DATE",
        "URN:OBS7\t2024-11-13 14:55:38\tCanada Jay\tPerisoreus canadensis\tX\t53.5\t-99.25\t2024-07-10",
        {"id": "URN:OBS7", "scientific_name": "Perisoreus canadensis", "common_name": "Canada Jay",
         "latitude": 53.5, "longitude": -99.25, "event_date": "2024-07-10", "OBSERVATION COUNT": "X"},
    ),
    "eBird by auk": (
        "checklist_id,common_name,scientific_name,observation_count,latitude,longitude,observation_date",
        "S9,Mallard,Anas platyrhynchos,3,53.5,-99.2,2024-07-12",
        {"id": "S9 Anas platyrhynchos", "event_date": "2024-07-12", "checklist_id": "S9"},
    ),
    "My eBird Data": (
        "Submission ID,Common Name,Scientific Name,Count,State/Province,Location,Latitude,Longitude,Date",
        "S8,Mallard,Anas platyrhynchos,2,BE-VLG,The pond,51.5,4.5,2024-01-02",
        {"id": "S8 Anas platyrhynchos", "latitude": 51.5, "event_date": "2024-01-02", "Location": "The pond"},
    ),
    "Xeno-canto": (
        "id,gen,sp,ssp,en,rec,cnt,loc,lat,lng,type,file,file-name,lic,date,also,sono.small",
        "XC1,Parus,major,newtoni,Great Tit,Ada,Belgium,Park,50.5,4.25,song,https://x.org/1/download,b.wav,"
        "//cc.org/by/4.0/,2023-05-12,Turdus merula,https://x.org/1.png",
        {"id": "XC1", "audio": "b.wav", "image": None, "scientific_name": "Parus major newtoni",
         "species": "Parus major", "common_name": "Great Tit", "license": "//cc.org/by/4.0/", "rights_holder": "Ada",
         "latitude": 50.5, "text": "Parus major", "loc": "Park"},
    ),
    "Xeno-canto by warbleR": (
        "Recording_ID,Genus,Specific_epithet,Subspecies,English_name,Recordist,Latitude,Longitude,Date,sound.files",
        "42,Parus,major,,Great Tit,Ada,50.5,4.25,2023-05-12,b.wav",
        {"id": "42", "audio": "b.wav", "scientific_name": "Parus major", "common_name": "Great Tit",
         "rights_holder": "Ada"},
    ),
    "Macaulay Library": (
        "ML Catalog Number,Format,Common Name,Scientific Name,Recordist,Date,Latitude,Longitude,File",
        "123,Audio,Great Tit,Parus major,Ada,2023-05-12,50.5,4.25,b.wav",
        {"id": "123", "audio": "b.wav", "image": None, "rights_holder": "Ada"},
    ),
    "BirdNET results": (
        "Start (s),End (s),Scientific name,Common name,Confidence,File",
        "3.0,6.0,Parus major,Great Tit,0.91,rec/a.wav",
        {"audio": "rec/a.wav", "start_s": 3.0, "end_s": 6.0, "scientific_name": "Parus major",
         "Confidence": "0.91"},
    ),
    "Raven selection table": (
        "Selection\tView\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tCommon Name\tSpecies Code\tConfidence\t"
        "Begin Path\tFile Offset (s)",
        "1\tSpectrogram 1\t63.5\t66.5\t0\tGreat Tit\tgretit1\t0.8\trec/a.wav\t3.5",
        {"audio": "rec/a.wav", "start_s": 3.5, "end_s": 6.5, "common_name": "Great Tit", "text": "Great Tit"},
    ),
    "Kaleidoscope or BirdNET for it": (
        "INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence",
        ".,rec,a.wav,12,3,Parus major,Great Tit,0.9",
        {"audio": "./rec/a.wav", "start_s": 12.0, "end_s": 15.0},
    ),
    "BirdCLEF": (
        "primary_label,type,latitude,longitude,scientific_name,common_name,author,license,filename",
        "gretit1,['song'],11.25,-2.75,Parus major,Great Tit,Ada,CC BY,x/c.ogg",
        {"audio": "train_audio/x/c.ogg", "rights_holder": "Ada", "primary_label": "gretit1"},
    ),
    "camtrapR record table": (
        "Station,Species,DateTimeOriginal,Date,Time,Directory,FileName",
        "S1,Leopard Cat,2023-05-10 06:30:00,2023-05-10,06:30:00,cams/S1,d.JPG",
        {"image": "cams/S1/d.JPG", "common_name": "Leopard Cat", "text": "Leopard Cat", "scientific_name": None,
         "event_date": "2023-05-10 06:30:00", "Station": "S1"},
    ),
    "Timelapse": (
        "RootFolder,File,RelativePath,DateTime,Species",
        "Survey,d.JPG,cams\\S1,2023-05-10 06:30:00,Vulpes vulpes",
        {"image": "cams/S1/d.JPG", "scientific_name": "Vulpes vulpes", "event_date": "2023-05-10 06:30:00"},
    ),
    "opensoundscape": (
        "file,start_time,end_time,Parus major",
        "rec/a.wav,0.0,3.0,1",
        {"audio": "rec/a.wav", "start_s": 0.0, "end_s": 3.0, "Parus major": "1"},
    ),
    "Arctos": (
        "GUID,SCIENTIFIC_NAME,DEC_LAT,DEC_LONG,BEGAN_DATE,ENDED_DATE",
        "MVZ:Bird:1,Parus major,50.5,4.25,1998-05-01,1998-05-03",
        {"id": "MVZ:Bird:1", "latitude": 50.5, "event_date": "1998-05-01/1998-05-03"},
    ),
    "Movebank": (
        "event-id,timestamp,location-long,location-lat,individual-taxon-canonical-name",
        "7,2020-03-01 10:00:00.000,4.25,50.5,Ciconia ciconia",
        {"id": "7", "longitude": 4.25, "latitude": 50.5, "scientific_name": "Ciconia ciconia"},
    ),
    "Camtrap DP observations": (
        "observationID,deploymentID,eventStart,eventEnd,observationType,scientificName,count",
        "o1,d1,2023-05-01T06:30:00Z,2023-05-01T06:31:00Z,animal,Vulpes vulpes,1",
        {"id": "o1", "scientific_name": "Vulpes vulpes", "deploymentID": "d1"},
    ),
}  # fmt: skip


def read(
    folder: Path, header: str, *lines: str, **options: Any
) -> tuple[list[dict[str, Any]], Any]:
    """The rows of a table that is written beside the files of `MEDIA`, and the table."""
    for name in MEDIA:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    table = read_observations(folder / "t.csv", **options)
    return [r for b in table.batches() for r in b.to_pylist()], table


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_by_its_columns(tmp_path: Path, name: str) -> None:
    header, line, wanted = EXPORTS[name]

    (row,), table = read(tmp_path, header, line)

    assert {k: row[k] for k in wanted} == wanted
    assert f"The columns are those of {name}" in table.said
    assert row["problems"] == []


def test_every_field_of_a_convention_is_known_and_every_name_is_plain() -> None:
    serving = {*ALIASES, "media", "media_kind", "date_span", "duration_s", "begin_s"}
    for export in CONVENTIONS:
        names = [*export.marks, *export.leave, *(n for ns in export.fields.values() for n in ns)]
        assert set(export.fields) <= serving, export.name
        assert [p for n in names for p in n.replace("/", " ").split() if plain(p) != p] == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("OBSERVATION DATE", "observationdate"),
        ("taxon.name", "taxonname"),
        ("file-name", "filename"),
        ("\ufeffLatitude (decimal degrees)", "latitude"),
        ("dwc:decimalLatitude", "decimallatitude"),
        ("http://rs.tdwg.org/dwc/terms/eventDate", "eventdate"),
        ("Depth [m]", "depth"),
        ("(x)", "x"),
        ("学名", "学名"),
    ],
)
def test_names_are_compared_without_what_spelling_may_change(name: str, wanted: str) -> None:
    assert plain(name) == wanted


def test_a_list_of_species_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="SIMPLE_CSV or DWCA"):
        read(
            tmp_path, "taxonKey,acceptedTaxonKey,scientificName,numberOfOccurrences", "1,1,Parus,9"
        )


def test_what_the_user_maps_is_that_field_alone(tmp_path: Path) -> None:
    (row,), table = read(
        tmp_path, "species,place,Titel", "Red Fox,wood,b.wav", columns={"species": "common_name", "titel": "audio"}
    )  # fmt: skip

    assert (row["common_name"], row["audio"], row["scientific_name"]) == ("Red Fox", "b.wav", None)
    assert table.fields["common_name"] == ("species",)
    with pytest.raises(InputError, match="no field 'imag'; did you mean 'image'|imag"):
        match(["a"], {"a": "imag"})


def test_one_table_of_a_package_names_the_folder(tmp_path: Path) -> None:
    table = tmp_path / "observations.csv"
    table.write_text(
        "observationID,deploymentID,observationType,scientificName\no1,d1,animal,Sus scrofa\n"
    )
    assert read_observations(table).said == ["The columns are those of Camtrap DP observations"]

    (tmp_path / "deployments.csv").write_text("deploymentID,latitude,longitude\nd1,1,2\n")
    assert read_observations(table).said[1] == (
        f"deployments.csv beside it has the places: name the folder {tmp_path} to read all tables"
    )
