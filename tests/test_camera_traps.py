"""Camera traps: packages and downloads of several tables are read as one, and what has no row is counted."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import content, read_observations, recognise, source_files
from prom3e_index.tables.sources import open_source

DEPLOYMENTS = """deploymentID,locationName,latitude,longitude,coordinateUncertainty
d1,Oak,51.5,4.25,100
d2,Pond,50.5,5.25,20
d3,Never,49.5,6.25,20
"""
MEDIA = """mediaID,deploymentID,timestamp,filePath,fileName,fileMediatype
m1,d1,2024-05-31T08:00:00+02:00,media/a.jpg,a.jpg,image/jpeg
m2,d1,2024-05-31T08:00:05+02:00,media/b.jpg,b.jpg,image/jpeg
m3,d1,2024-05-31T08:00:09+02:00,media/c.wav,c.wav,audio/wav
m4,d2,2024-06-01T23:59:59Z,https://x.example/assets/m4/file,far.jpg,image/jpeg
m5,d2,2024-06-02T12:00:00Z,media/alone.jpg,alone.jpg,image/jpeg
"""
OBSERVATIONS = """observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,scientificName,count
o1,d1,,e1,2024-05-31T06:00:00Z,2024-05-31T06:00:10Z,event,animal,Vulpes vulpes,2
o2,d1,m2,e1,2024-05-31T08:00:05+02:00,2024-05-31T08:00:05+02:00,media,animal,Vulpes vulpes,1
o3,d2,m4,e2,2024-06-01T23:59:59Z,2024-06-01T23:59:59Z,media,blank,,
o4,d9,,e9,2024-06-05T00:00:00Z,2024-06-05T00:00:01Z,event,human,,1
"""
PACKAGE = {
    "title": "Oaks",
    "resources": [
        {"name": n, "path": f"{n}.csv"} for n in ("deployments", "media", "observations")
    ],
    "licenses": [{"name": "CC0-1.0", "scope": "data"}, {"name": "CC-BY-4.0", "scope": "media"}],
    "taxonomic": [
        {
            "scientificName": "Vulpes vulpes",
            "family": "Canidae",
            "vernacularNames": {"nld": "vos", "eng": "red fox"},
        }
    ],
}


def package(folder: Path, stated: dict | None = PACKAGE, **tables: str) -> Path:
    folder.mkdir()
    whole = {"deployments": DEPLOYMENTS, "media": MEDIA, "observations": OBSERVATIONS, **tables}
    for name, text in whole.items():
        (folder / f"{name}.csv").write_text(text)
    if stated is not None:
        (folder / "datapackage.json").write_text(json.dumps(stated))
    return folder


def rows(path: Path, size: int = 100) -> tuple[list[dict], object]:
    source = open_source(path, None)
    found = [r for batch in source.batches(size) for r in batch.to_pylist()]
    return found, source


def test_a_package_is_one_row_per_observation_with_place_names_licence_and_all_media(tmp_path):
    folder = package(tmp_path / "p")
    (folder / "media").mkdir()
    (folder / "media" / "far.jpg").write_bytes(b"x")

    found, source = rows(folder)

    assert recognise(folder) == source.format == "camtrap-dp"
    assert [r["id"] for r in found] == ["o1", "o2", "o3", "o4"]
    assert [r["image"] for r in found] == [
        ["media/a.jpg", "media/b.jpg"],
        ["media/b.jpg"],
        ["media/far.jpg"],
        None,
    ]
    assert [r["audio"] for r in found] == [["media/c.wav"], None, None, None]
    assert [(r["decimalLatitude"], r["decimalLongitude"], r["locationName"]) for r in found] == [
        ("51.5", "4.25", "Oak"), ("51.5", "4.25", "Oak"), ("50.5", "5.25", "Pond"), (None, None, None)]  # fmt: skip
    assert [r["eventDate"] for r in found][:2] == [
        "2024-05-31T06:00:00Z/2024-05-31T06:00:10Z", "2024-05-31T08:00:05+02:00"]  # fmt: skip
    assert [(r["scientificName"], r["vernacularName"], r["family"]) for r in found] == [
        ("Vulpes vulpes", "red fox", "Canidae")] * 2 + [(None, None, None)] * 2  # fmt: skip
    assert [r["observationType"] for r in found] == ["animal", "animal", "blank", "human"]
    assert [r["license"] for r in found] == ["CC-BY-4.0", "CC-BY-4.0", "CC-BY-4.0", "CC0-1.0"]
    assert {r["datasetName"] for r in found} == {"Oaks"}
    assert source.facts["rows"] == 4
    said = " ".join(source.said)
    for sentence in (
        "1 media with an address", "1 media are named by no observation", "1 observations have no medium",
        "1 observations name no known deployment", "1 deployments have no observation",
        "2 observations are of event level",
    ):  # fmt: skip
        assert sentence in said


def test_the_same_package_as_zip_and_as_its_json_gives_the_same_rows(tmp_path):
    folder = package(tmp_path / "p")
    whole, _ = rows(folder)
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as z:
        for p in sorted(folder.iterdir()):
            z.write(p, f"export/{p.name}")
        z.writestr("export/media/a.jpg", b"x")

    by_json, _ = rows(folder / "datapackage.json", 1)
    by_zip, source = rows(tmp_path / "p.zip", 2)

    assert by_json == by_zip == whole
    assert source.media == folder and any(
        "1 photos and recordings lie inside p.zip" in s for s in source.said
    )


def test_version_0_1_joins_by_sequence(tmp_path):
    media = MEDIA.replace("timestamp,", "sequenceID,timestamp,")
    for n, s in (("m1", "s1"), ("m2", "s1"), ("m3", "s2"), ("m4", "s3"), ("m5", "s4")):
        deployment = "d1" if n < "m4" else "d2"
        media = media.replace(f"{n},{deployment},", f"{n},{deployment},{s},")
    observations = (
        "observationID,deploymentID,sequenceID,mediaID,timestamp,observationType,scientificName\n"
        "a,d1,s1,,2020-01-01T00:00:00Z,animal,Sus scrofa\nb,d2,s4,m4,2020-01-02T00:00:00Z,animal,Meles meles\n"
    )
    found, _ = rows(package(tmp_path / "p", None, media=media, observations=observations))

    assert [r["image"] for r in found] == [
        ["media/a.jpg", "media/b.jpg"],
        ["https://x.example/assets/m4/file"],
    ]
    assert [r["eventDate"] for r in found] == ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]


def test_a_package_is_known_by_the_bytes_of_all_its_tables(tmp_path):
    folder = package(tmp_path / "p")

    names = [p.name for p in source_files(folder)]
    before = content(folder)
    (folder / "deployments.csv").write_text(DEPLOYMENTS.replace("51.5", "51.6"))

    assert names == ["datapackage.json", "deployments.csv", "media.csv", "observations.csv"]
    assert content(folder) != before


@pytest.mark.parametrize("path", ["../else.csv", "/etc/passwd", "C:/x.csv", 7])
def test_a_table_outside_the_package_is_refused(tmp_path, path):
    stated = {"resources": [{"name": "media", "path": path}]}
    folder = package(tmp_path / "p", stated)

    with pytest.raises(TableError, match="leaves the package"):
        open_source(folder, "camtrap-dp")


def test_a_package_without_media_table_says_which_is_absent(tmp_path):
    folder = package(tmp_path / "p")
    (folder / "media.csv").unlink()

    with pytest.raises(TableError, match="without media.csv"):
        rows(folder)


IMAGES = """project_id,deployment_id,image_id,filename,location,is_blank,class,order,family,genus,species,common_name,timestamp,license
1,A,i1,a.jpg,https://w.example/i1,0,Mammalia,Carnivora,Canidae,Vulpes,vulpes,Red Fox,2023-05-10 06:30:00,CC-BY
1,B,i2,,https://w.example/i2,0,Mammalia,Carnivora,Felidae,,,Felidae Family,2023-05-11 06:31:00,CC-BY
1,A,i3,c.jpg,https://w.example/i3,1,Blank,Blank,Blank,Blank,Blank,Blank,2023-05-12 06:31:00,CC0
1,Z,i4,d.jpg,https://w.example/i4,0,No CV Result,No CV Result,No CV Result,No CV Result,No CV Result,No CV Result,2023-05-13 06:31:00,CC0
1,A,i5,e.jpg,https://w.example/i5,0,Mammalia,Primates,Hominidae,Homo,sapiens,Human,2023-05-14 06:31:00,CC0
"""
PLACES = "project_id,deployment_id,placename,longitude,latitude\n1,A,North,4.5,51.5\n1,B,South,5.5,50.5\n1,A,Twice,9,9\n"


@pytest.mark.parametrize("given", ["folder", "zip", "table"])
def test_wildlife_insights_images_take_place_from_deployments_and_taxa_only_where_they_are(
    tmp_path, given
):
    (tmp_path / "w").mkdir()
    (tmp_path / "w/images_2000001.csv").write_text(IMAGES)
    (tmp_path / "w/deployments.csv").write_text(PLACES)
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as z:
        for p in (tmp_path / "w").iterdir():
            z.write(p, p.name)
    path = {
        "folder": tmp_path / "w",
        "zip": tmp_path / "w.zip",
        "table": tmp_path / "w/images_2000001.csv",
    }[given]

    found, source = rows(path)

    assert source.format == "wildlife-insights" and source.facts["rows"] == 5
    assert [r["id"] for r in found] == ["i1", "i2", "i3", "i4", "i5"]
    assert [r["image"] for r in found] == [
        ["a.jpg"],
        ["https://w.example/i2"],
        ["c.jpg"],
        ["d.jpg"],
        ["e.jpg"],
    ]
    assert [(r["decimalLatitude"], r["decimalLongitude"]) for r in found] == [
        ("51.5", "4.5"), ("50.5", "5.5"), ("51.5", "4.5"), (None, None), ("51.5", "4.5")]  # fmt: skip
    assert [r["scientificName"] for r in found] == ["Vulpes vulpes", "Felidae", None, None, None]
    assert [r["vernacularName"] for r in found] == [
        "Red Fox", "Felidae Family", "Blank", "No CV Result", "Human"]  # fmt: skip
    assert [r["observationType"] for r in found] == [
        "animal",
        "animal",
        "blank",
        "unclassified",
        "human",
    ]
    assert "location" not in source.columns
    assert any("1 rows name no deployment" in s for s in source.said)


def test_what_camera_traps_say_instead_of_a_taxon_is_no_name_and_is_told_of_its_row(tmp_path):
    (tmp_path / "images.csv").write_text(
        IMAGES + "1,A,i6,f.jpg,u,0,,,,,,Time Lapse,2023-05-14 06:31:00,CC0\n"
        "1,A,i7,g.jpg,u,0,,,,,,Cannot Identify,2023-05-14 06:31:00,CC0\n"
        "1,A,i8,h.jpg,u,0,Blank,,,,,,2023-05-14 06:31:00,CC0\n"
    )
    (tmp_path / "deployments.csv").write_text(PLACES)
    (tmp_path / "coco.json").write_text(
        json.dumps(
            {"images": [{"id": n, "file_name": f"{n}.jpg"} for n in ("a", "b")], "info": {},
             "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "red_deer"}],
             "annotations": [{"id": i, "image_id": n, "category_id": i} for i, n in enumerate("ab")]}
        )
    )  # fmt: skip

    told = {}
    for path in (tmp_path / "images.csv", tmp_path / "coco.json"):
        for batch in read_observations(path).batches(3):
            for r in batch.to_pylist():
                reasons = [p["reason"] for p in r["problems"] if p["modality"] == "text"]
                told[r["id"]] = (r["text"], reasons)

    words = {"i3": "Blank", "i4": "No CV Result", "i5": "Human", "i6": "Time Lapse", "i7": "Cannot Identify",
             "i8": "Blank", "a": "empty"}  # fmt: skip
    for key, word in words.items():
        assert told[key] == (None, [f"{word!r} names no taxon"])
    assert told["i1"][1] == told["i2"][1] == told["b"][1] == [] and told["b"][0] == "red_deer"


def test_wildlife_insights_sequences_have_all_their_images(tmp_path):
    (tmp_path / "sequences.csv").write_text(
        "project_id,deployment_id,sequence_id,class,order,family,genus,species,common_name,start_time,end_time,group_size\n"
        "1,A,s1,Mammalia,Carnivora,Canidae,Vulpes,vulpes,Red Fox,2023-05-10 06:30:00,2023-05-10 06:30:09,2\n"
        "1,B,s2,Mammalia,,,,,Mammal,2023-05-11 06:30:00,2023-05-11 06:30:00,1\n"
    )
    (tmp_path / "images.csv").write_text(
        "deployment_id,image_id,sequence_id,filename,location,timestamp\n"
        "A,i2,s1,2.jpg,u2,2023-05-10 06:30:09\nA,i1,s1,1.jpg,u1,2023-05-10 06:30:00\nB,i3,s9,3.jpg,u3,2023-05-11 06:30:00\n"
    )
    (tmp_path / "deployments.csv").write_text(PLACES)

    found, source = rows(tmp_path)

    assert [(r["id"], r["image"], r["scientificName"]) for r in found] == [
        ("s1", ["1.jpg", "2.jpg"], "Vulpes vulpes"), ("s2", None, "Mammalia")]  # fmt: skip
    assert [r["eventDate"] for r in found] == [
        "2023-05-10T06:30:00/2023-05-10T06:30:09",
        "2023-05-11 06:30:00",
    ]
    assert any("1 images belong to no sequence" in s for s in source.said)


def test_media_of_an_event_are_those_of_its_deployment_within_its_time(tmp_path):
    """As every medium compared with every event; events of seconds, of months, and of none."""
    rng = np.random.default_rng(4)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    taken = [(f"m{i}", f"d{rng.integers(3)}", int(rng.integers(40_000_000))) for i in range(300)]
    events = []
    for i in range(60):
        since = int(rng.integers(-1_000_000, 41_000_000))
        events.append(
            (
                f"o{i}",
                f"d{rng.integers(3)}",
                since,
                since + int(rng.choice([0, 5, 90_000, 9_000_000])),
            )
        )
    at = lambda s: (start + timedelta(seconds=s)).isoformat()  # noqa: E731
    media = "mediaID,deploymentID,timestamp,filePath,fileName,fileMediatype\n" + "".join(
        f"{m},{d},{at(s)},{m}.jpg,{m}.jpg,image/jpeg\n" for m, d, s in taken
    )
    observations = (
        OBSERVATIONS.splitlines()[0]
        + "\n"
        + "".join(
            f"{o},{d},,,{at(a)},{at(b)},event,animal,Vulpes vulpes,1\n" for o, d, a, b in events
        )
    )

    found, _ = rows(package(tmp_path / "p", None, media=media, observations=observations))

    for row, (_, deployment, since, till) in zip(found, events, strict=True):
        expected = sorted((s, m) for m, d, s in taken if d == deployment and since <= s <= till)
        assert row["image"] == ([f"{m}.jpg" for _, m in expected] or None)


def test_a_package_is_built_and_its_index_says_how_it_asks_to_be_cited(tmp_path):
    import prom3e_index

    folder = package(tmp_path / "p")
    prom3e_index.build(folder, tmp_path / "i.p3i", model="mini", kind="exact")

    with prom3e_index.Bundle.open(tmp_path / "i.p3i") as bundle:
        cited, counts = bundle.manifest["source"]["citations"], bundle.manifest["counts"]
        assert all(isinstance(c, str) for c in cited)
        assert counts["rows_in"] == counts["rows_indexed"] + counts["rows_rejected"] > 0
