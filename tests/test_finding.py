"""Media are found as people write their paths; several candidates are no answer; nothing outside is read unasked."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from prom3e_index.tables import listing, read_observations
from prom3e_index.tables.finding import Finder
from prom3e_index.tables.kinds import kind_of


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


TREE = (
    "photos/site a/IMG_0001.JPG", "photos/site b/IMG_0002.jpeg", "audio/20240531_052500.WAV", "flat.tif", "100% sure.png",
    "weird\\name.jpg", "deep/er/still/owl at dawn.flac", unicodedata.normalize("NFD", "vögel/Grünspecht.mp3"),
)  # fmt: skip


@pytest.mark.parametrize("text, path, how", [
    ("photos/site a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", None),
    ("weird\\name.jpg", "weird\\name.jpg", None),
    ("100% sure.png", "100% sure.png", None),
    ("photos\\site a\\IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "Windows"),
    (".\\photos\\Site A\\img_0001.jpg", "photos/site a/IMG_0001.JPG", "Windows"),
    ("D:\\survey\\photos\\site a\\IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("D:/survey\\photos/site a\\IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("\\\\server\\share\\site a\\IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("audio/20240531_052500.wav", "audio/20240531_052500.WAV", "case"),
    ("Audio/20240531_052500.Wav ", "audio/20240531_052500.WAV", "case"),
    ("photos/site b/IMG_0002.JPG", "photos/site b/IMG_0002.jpeg", "case"),
    ('"photos/site b/IMG_0002.jpeg"', "photos/site b/IMG_0002.jpeg", "case"),
    ("flat.TIFF", "flat.tif", "case"),
    ("photos/site%20a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "percent-encoded"),
    ("file:photos/site%20a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "file://"),
    ("file:///C:/data/photos/site%20a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("vögel/Grünspecht.mp3", TREE[-1], "accents"),
    ("/Users/anna/photos/site a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("/photos/site a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("/Users/anna/birds/flat.tif", "flat.tif", "elsewhere"),
    ("../photos/site a/IMG_0001.JPG", "photos/site a/IMG_0001.JPG", "elsewhere"),
    ("still/owl at dawn.flac", "deep/er/still/owl at dawn.flac", "elsewhere"),
    ("owl at dawn.flac", "deep/er/still/owl at dawn.flac", "elsewhere"),
    ("photos/../flat.tif", "flat.tif", "case"),
])  # fmt: skip
def test_a_path_finds_its_file_and_how_is_said(tmp_path, text, path, how):
    finder = Finder(files(tmp_path, *TREE))

    assert finder.find(text) == (path, None)
    assert (tmp_path / path).is_file()
    assert [how in s and ": 1, the first" in s for s in finder.said] == ([] if how is None else [True])  # fmt: skip


@pytest.mark.parametrize("text, words", [
    ("photos/site a/IMG_0002.JPG", "a file of this name is 'photos/site b/IMG_0002.jpeg', in another folder"),
    ("photos/site c/IMG_0001.JPG", "a file of this name is 'photos/site a/IMG_0001.JPG', in another folder"),
    ("photos/site c/IMG_0009.JPG", "'photos' has no folder 'site c'; nearest: 'site "),
    ("photos/site a/IMG_0003.JPG", "does not exist under {root}; nearest: 'IMG_0001.JPG'"),
    ("audio/20240531_052500.flac", "nearest: '20240531_052500.WAV'"),
    ("photos/site a", "is a folder, no file"), ("/no/such/thing.jpg", "does not exist under {root}"),
    ("data:image/png;base64,AAAA", "written into the cell"), ("a\0b.jpg", "no path"), (".", "is a folder"),
])  # fmt: skip
def test_what_is_not_there_says_what_comes_nearest(tmp_path, text, words):
    path, reason = Finder(files(tmp_path, *TREE)).find(text)

    assert path is None and reason.startswith("'") and words.format(root=tmp_path) in reason


def test_several_candidates_are_no_answer(tmp_path):
    files(tmp_path, "a/x/01.wav", "b/x/01.wav", "b/y/02.wav", "Name.jpg", "nAME.jpg")
    finder = Finder(tmp_path)

    for text in ("/old/x/01.wav", "01.wav", "name.jpg"):
        path, reason = finder.find(text)
        assert path is None and "not guessed" in reason and "--media" in reason
    assert finder.find("Name.jpg") == ("Name.jpg", None)
    assert finder.find("/old/y/02.wav") == ("b/y/02.wav", None)


def test_a_counters_name_is_not_taken_from_another_folder(tmp_path):
    """Cameras and recorders number alike: `IMG_0001` of one site is not that of another."""
    files(
        tmp_path,
        "IMG_0001.JPG",
        "2022/a/IMG_0007.JPG",
        "SITE1_20240531.wav",
        "later/SITE2_20240531.wav",
    )
    finder = Finder(tmp_path)

    assert finder.find("2022/a/IMG_0007.JPG")[0] == "2022/a/IMG_0007.JPG"
    assert finder.find("2023/a/IMG_0007.JPG")[0] is None  # that folder is another year's
    assert finder.find("D:\\one\\IMG_0001.JPG")[0] == "IMG_0001.JPG"
    assert finder.find("D:\\two\\IMG_0001.JPG")[0] is None  # the other card's
    assert finder.find("D:\\one\\IMG_0001.JPG")[0] == "IMG_0001.JPG"
    assert finder.find("/raid/x/SITE2_20240531.wav")[0] == "later/SITE2_20240531.wav"
    path, reason = finder.find("/raid/y/SITE2_20240531.wav")
    assert path is None and "is that of '/raid/x/SITE2_20240531.wav'" in reason


def test_nothing_outside_is_read_unless_asked(tmp_path):
    media = files(tmp_path / "media", "in.jpg")
    files(tmp_path, "out/secret.jpg")
    (media / "link.jpg").symlink_to(tmp_path / "out/secret.jpg")
    (media / "folder").symlink_to(tmp_path / "out")
    (media / "round").symlink_to(media / "round")
    (media / "own.jpg").symlink_to("in.jpg")
    os.mkfifo(media / "pipe.jpg")
    texts = ["../out/secret.jpg", str(tmp_path / "out/secret.jpg"), "link.jpg", "folder/secret.jpg", "FOLDER/SECRET.jpg",
             "/dev/zero", "round", "round/x.jpg", "pipe.jpg", "/x/y/secret.jpg"]  # fmt: skip
    closed, opened = Finder(media), Finder(media, allow_outside=True)

    assert [closed.find(t)[0] for t in texts] == [None] * len(texts)
    for text in texts[:3]:
        assert "--allow-outside" in closed.find(text)[1]
        assert opened.find(text) == (text, None)
    assert opened.find("folder/secret.jpg") == ("folder/secret.jpg", None)
    assert [opened.find(t)[0] for t in ("/dev/zero", "round", "pipe.jpg")] == [None] * 3
    assert closed.find("own.jpg") == ("own.jpg", None)
    assert closed.find(str(media / "in.jpg")) == (str(media / "in.jpg"), None)


def test_placeholders_of_a_cloud_are_named(tmp_path):
    files(tmp_path, ".IMG_0001.HEIC.icloud")

    assert "iCloud" in Finder(tmp_path).find("IMG_0001.HEIC")[1]


def test_the_folder_is_bounded(tmp_path, monkeypatch):
    files(tmp_path, *(f"d{i}/{i}.txt" for i in range(9)), "z/last_of_all_x.wav")
    monkeypatch.setattr(listing, "MOST_FOUND", 9)
    monkeypatch.setattr(listing, "MOST_LISTED", 3)
    finder = Finder(tmp_path)

    assert finder.find("/old/last_of_all_x.wav")[0] is None
    assert any("more than" in s for s in finder.said)
    assert [finder.find(f"d{i}/{i}.txt")[0] for i in range(9)] == [f"d{i}/{i}.txt" for i in range(9)]  # fmt: skip
    assert finder.find("z/last_of_all_x.wav")[0] == "z/last_of_all_x.wav"


def test_a_table_says_once_what_it_says_of_its_media(tmp_path):
    files(tmp_path, "a.WAV", "b.wav")
    (tmp_path / "t.csv").write_text("id,audio\n1,a.wav\n2,b.wav\n3,c.wav\n")
    table = read_observations(tmp_path / "t.csv")
    for _ in range(2):  # read twice, counted once
        rows = [row for batch in table.batches() for row in batch.to_pylist()]
    said = [s for s in table.said if "letter case" in s or "differ" in s]

    assert [r["audio"] for r in rows] == ["a.WAV", "b.wav", None]
    assert len(said) == 1 and ": 1, the first 'a.wav' → 'a.WAV'" in said[0]
    assert rows[2]["problems"][0]["reason"].startswith("'c.wav' does not exist")


@pytest.mark.parametrize("name, kind", [
    ("a.JPG", "image"), ("b.heic", "image"), ("x/c.CR2", "image"), ("d.wav ", "audio"), ("e.Mp3", "audio"), ("f.MOV", "video"),
    ("https://x.org/p/1.jpeg?width=3&f=a.mp3#x", "image"), ("g.txt", None), ("jpg", None), ("", None), ("h.tar.gz", None),
])  # fmt: skip
def test_kinds_are_told_by_endings(name, kind):
    assert kind_of(name) == kind
