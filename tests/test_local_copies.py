"""Addresses find the copies that lie beside the table, and only those; what is left is listed as remote."""

from __future__ import annotations

import pytest
from test_finding import files

from prom3e_index.tables.finding import Finder

S3 = "https://inaturalist-open-data.s3.amazonaws.com/photos"


@pytest.mark.parametrize("held, address, path", [
    (["photos/123/medium.jpg"], f"{S3}/123/medium.jpg", 0),
    (["x/123/medium.jpeg", "x/124/medium.jpg"], f"{S3}/123/medium.jpg?1545", 0),
    (["photos/123/original.jpg"], f"{S3}/123/medium.jpg", 0),
    (["photos/123/square.jpg", "photos/123/large.jpg"], f"{S3}/123/medium.jpg", 1),
    (["12.jpg", "123.jpg", "1234.jpg"], f"{S3}/123/medium.jpg", 1),
    (["a/123_medium.jpg"], f"{S3}/123/medium.jpg", 0),
    (["123-large.jpeg"], "http://static.inaturalist.org/photos/123/square.jpeg?99", 0),
    (["snd/4567.m4a"], "https://static.inaturalist.org/sounds/4567.m4a?1699", 0),
    (["XC123456 - Great Tit - Parus major.mp3", "XC1234567.mp3"], "//xeno-canto.org/123456/download", 0),
    (["XC123456.wav", "XC123456.png"], "https://xeno-canto.org/123456", 0),
    (["123456.mp3"], "https://www.xeno-canto.org/123456/download", 0),
    (["XC123456-a.mp3"], "https://xeno-canto.org/sounds/uploaded/ABC/XC123456-other%20name.mp3", 0),
    (["a/ML98765.mp3"], "https://cdn.download.ams.birds.cornell.edu/api/v1/asset/98765/mp3", 0),
    (["98765.jpg"], "https://macaulaylibrary.org/asset/98765", 0),
    (["m/IMG 1.jpg"], "https://x.org/m/IMG%201.jpg", 0),
    (["x.org/gallery/b.jpg"], "http://x.org/gallery/b.jpg", 0),
    (["Turdus_merula_77.jpg"], "www.museum.org/a/b/Turdus_merula_77.jpg", 0),
    (["media/2f1a9c33e0.jpg"], "https://api.gbif.org/v1/image/cache/occurrence/77/media/2f1a9c33e0", 0),
    (["B100154321.jpg"], "https://herbarium.org/view.php?size=2&code=B100154321", 0),
    (["cams/d1/IMG_0001.JPG"], "gs://project/cams/d1/IMG_0001.JPG", 0),
])  # fmt: skip
def test_an_address_finds_its_copy(tmp_path, held, address, path):
    finder = Finder(files(tmp_path, *held))

    assert finder.find(address) == (held[path], None)
    assert finder.said[0].startswith("Addresses that local copies were found for: 1, the first '")


@pytest.mark.parametrize("held, address", [
    (["medium.jpg"], f"{S3}/123/medium.jpg"), (["photos/124/medium.jpg"], f"{S3}/123/medium.jpg"),
    (["IMG_0001.JPG"], "https://x.org/deployment7/IMG_0001.JPG"), (["20240531_052500.WAV"], "https://x.org/20240531/a.wav"),
    (["XC1234567.mp3"], "https://xeno-canto.org/123456/download"), (["XC123456.txt"], "https://xeno-canto.org/123456"),
    ([], "s3://bucket/a.jpg"), ([], "https://x.org/it%27s.jpg"), (["download.mp3"], "https://x.org/9/download.mp3"),
])  # fmt: skip
def test_what_may_be_another_is_remote(tmp_path, held, address):
    finder = Finder(files(tmp_path, *held))
    path, reason = finder.find(address)

    assert path is None and reason.startswith(f"'{address}' is remote and not fetched")
    assert finder.said == []


def test_what_is_left_is_an_address_that_can_be_fetched(tmp_path):
    finder = Finder(tmp_path)
    for text in ("//x.org/o'neil/1.jpg", "www.x.org/o'neil/1.jpg", "https://x.org/o'neil/1.jpg "):
        assert "x.org/o%27neil/1.jpg' is remote and not fetched;" in finder.find(text)[1]
        assert finder.find(text)[1].startswith("'https://")


def test_two_copies_are_not_guessed_and_one_copy_is_not_two(tmp_path):
    files(tmp_path, "XC123456.mp3", "XC123456.wav", "Turdus_a.jpg")
    finder = Finder(tmp_path)
    path, reason = finder.find("https://xeno-canto.org/123456")

    assert path is None and "'XC123456.mp3' or 'XC123456.wav'" in reason
    assert finder.find("https://x.org/1/Turdus_a.jpg")[0] == "Turdus_a.jpg"
    assert finder.find("https://x.org/2/Turdus_a.jpg")[0] is None
    assert finder.find("https://x.org/1/Turdus_a.jpg")[0] == "Turdus_a.jpg"
