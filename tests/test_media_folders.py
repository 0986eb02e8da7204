"""A folder of photos and recordings is a table: a row for each, in the order of their paths, with what names tell."""

from __future__ import annotations

import json

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import content, recognise
from prom3e_index.tables.file_names import folder_name, read_name, reads_as_taxon
from prom3e_index.tables.folders import walk
from prom3e_index.tables.sources import open_source


def put(folder, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def rows(path, size: int = 100):
    source = open_source(path, None)
    return [r for batch in source.batches(size) for r in batch.to_pylist()], source


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("20230523_053000.WAV", "2023-05-23T05:30:00"),
        ("20230523T053000Z.flac", "2023-05-23T05:30:00Z"),
        ("20230523T053000+1000_REC.wav", "2023-05-23T05:30:00+1000"),
        ("SM4_20230523_053000.wav", "2023-05-23T05:30:00"),
        ("S4A01234_20230523_053000_000.wav", "2023-05-23T05:30:00"),
        ("SMA-12_0+1_20230523$053000.wav", "2023-05-23T05:30:00"),
        ("IMG_20230523_101112.jpg", "2023-05-23T10:11:12"),
        ("PXL_20230523_101112345.MP.jpg", "2023-05-23T10:11:12"),
        ("20230523101112-RCNX0035.JPG", "2023-05-23T10:11:12"),
        ("2023-05-23 10.11.12.jpg", "2023-05-23T10:11:12"),
        ("IMG-20230523-WA0001.jpg", "2023-05-23"),
        ("WhatsApp Image 2023-05-23 at 10.11.12.jpeg", "2023-05-23T10:11:12"),
        ("WhatsApp Image 2023-05-23 at 9.11.12 PM (1).jpeg", "2023-05-23"),
        ("WhatsApp Image 2023-05-23 at 09.11.12 PM.jpeg", "2023-05-23T21:11:12"),
        ("5E2B1C00.WAV", "2020-01-24T16:32:00Z"),
        ("IMG_0001.jpg", None),
        ("IMG_20231345.jpg", None),
        ("20230230_101112.jpg", None),
        ("DSC12345678.jpg", None),
        ("5E2B1C00.jpg", None),
    ],
)
def test_dates_are_read_from_the_usual_file_names_and_no_others(name, taken):
    assert read_name(name).taken == taken


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("XC123456 - Eurasian Wren - Troglodytes troglodytes.mp3", ("XC123456", "Troglodytes troglodytes", "Eurasian Wren")),
        ("XC900 - Great Tit - Parus major newtoni (1).mp3", ("XC900", "Parus major newtoni", "Great Tit")),
        ("XC123456.mp3", ("XC123456", None, None)),
        ("Troglodytes-troglodytes-123456.mp3", ("XC123456", "Troglodytes troglodytes", None)),
        ("ML123456.wav", ("ML123456", None, None)),
        ("Garden-birds-123456.mp3", (None, None, None)),
    ],
)  # fmt: skip
def test_archive_names_give_number_and_taxon(name, found):
    named = read_name(name)

    assert (named.catalogue, named.scientific_name, named.common_name) == found


def test_folders_are_names_only_where_they_read_as_one():
    latin = ["Parus major", "Bubo bubo", "Panthera tigris altaica", "Corvus corax", "Sus scrofa", "Strix aluco", "Vulpes vulpes"]  # fmt: skip
    no_latin = ["Red fox", "Site alpha", "Roe deer", "Sea otter", "House mouse", "Great tit", "Bank vole", "IMG 01", "Parus"]  # fmt: skip

    assert [n for n in latin if not reads_as_taxon(n)] == []
    assert [n for n in no_latin if reads_as_taxon(n)] == []
    assert folder_name("parus_major", True) == ("Parus major", None)
    assert folder_name("001.Black_footed_Albatross", True) == (None, "Black footed Albatross")
    assert folder_name("Red Fox", False) == (None, "Red Fox")
    assert folder_name("fox", True) == (None, "fox") and folder_name("fox", False) == (None, None)
    for place in ("site a", "100MEDIA", "Camera North", "train", "2023-05-23"):
        assert folder_name(place, False) == (None, None)


def test_a_row_for_each_medium_at_any_depth_and_the_rest_is_counted(tmp_path):
    put(tmp_path, "b/Vulpes vulpes/IMG_20230523_101112.JPG", "a/20230523_053000.WAV", "z.jpg", "a/._z.jpg",
        "Thumbs.db", "a/@eaDir/z.jpg", "z.xmp", "notes.txt", "obs.csv", "r/1.CR2", "r/1.JPG", "r/2.dng", "v.mp4")  # fmt: skip

    found, source = rows(tmp_path, 2)

    assert recognise(tmp_path) == source.format == "media-folder"
    assert [r["id"] for r in found] == sorted(r["id"] for r in found) == [
        "a/20230523_053000.WAV", "b/Vulpes vulpes/IMG_20230523_101112.JPG", "r/1.JPG", "r/2.dng", "v.mp4", "z.jpg"]  # fmt: skip
    assert [r["audio"] for r in found] == ["a/20230523_053000.WAV", None, None, None, None, None]
    assert [r["image"] for r in found] == [None, *(r["id"] for r in found[1:])]
    assert [r["eventDate"] for r in found][:3] == [
        "2023-05-23T05:30:00",
        "2023-05-23T10:11:12",
        None,
    ]
    assert [r["scientificName"] for r in found] == [None, "Vulpes vulpes", None, None, None, None]
    assert [r["folder"] for r in found] == ["a", "b/Vulpes vulpes", "r", "r", None, None]
    said = " ".join(source.said)
    for sentence in ("1 raw photos lie beside a JPEG", "2 hidden files were passed over", "1 sidecars", "1 folders that are",
                     "2 other files were passed over (1 .txt, 1 .csv). To read a table name it: obs.csv",
                     "2 of 6 files have a date", "1 of 6 files have a scientific name, from their folder or name: 'Vulpes vulpes' (1)"):  # fmt: skip
        assert sentence in said, sentence
    assert source.facts["rows"] == 6


def test_a_folder_is_another_table_once_a_photo_is_added(tmp_path):
    put(tmp_path, "a.jpg")
    before = content(tmp_path)
    put(tmp_path, "b.jpg")

    assert content(tmp_path) != before


def test_a_folder_without_media_says_what_it_holds_and_one_too_large_is_refused(tmp_path):
    (tmp_path / "e").mkdir()
    with pytest.raises(TableError, match="it holds nothing"):
        recognise(tmp_path / "e")
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")

    assert walk(tmp_path, 3).files == ["a.jpg", "b.jpg", "c.jpg"]
    with pytest.raises(TableError, match="more than 2 files"):
        walk(tmp_path, 2)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_of_an_image_folder_names_files_relative_to_itself(tmp_path, kind):
    put(tmp_path, "train/fox/1.png", "train/fox/2.png", "test/3.wav")
    for split, names in (("train", ["fox/1.png"]), ("test", ["3.wav"])):
        table = [{"file_name": n, "latitude": i} for i, n in enumerate(names, 1)]
        text = (
            "file_name,latitude\n" + "".join(f"{r['file_name']},{r['latitude']}\n" for r in table)
            if kind == "csv"
            else "".join(json.dumps(r) + "\n" for r in table)
        )
        (tmp_path / split / f"metadata.{kind}").write_text(text)

    found, source = rows(tmp_path)

    assert source.format == "imagefolder" and source.facts["rows"] == 2
    assert [r["file_name"] for r in found] == ["test/3.wav", "train/fox/1.png"]
    assert [(r["image"], r["audio"]) for r in found] == [
        (None, ["test/3.wav"]),
        (["train/fox/1.png"], None),
    ]
    assert any("1 media files are named by no metadata" in s for s in source.said)


def test_a_table_that_names_the_media_of_its_folder_is_read_instead(tmp_path):
    put(tmp_path, "photos/A.JPG", "photos/b.jpg", "sounds/c.wav")
    (tmp_path / "obs.csv").write_text("id,image,latitude\nx,photos\\a.jpg,51.5\ny,,50.5\n")
    (tmp_path / "codes.csv").write_text("code,meaning\n1,rare\n")

    found, source = rows(tmp_path, 1)

    assert [(r["id"], r["latitude"]) for r in found] == [("x", "51.5"), ("y", "50.5")]
    assert source.said[0].startswith("obs.csv in the folder names its media, so it is read")
    assert (
        "2 of 3 media in the folder are named by no row of the table and give no row."
        in source.said
    )
    before = content(tmp_path)
    (tmp_path / "obs.csv").write_text("id,image,latitude\nx,photos/a.jpg,51.25\n")
    assert content(tmp_path) != before
    (tmp_path / "more.csv").write_text("id,audio\nz,sounds/c.wav\n")
    assert len(rows(tmp_path)[0]) == 3  # two tables name media, so neither is chosen
