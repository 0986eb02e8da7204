"""Several photos of a row in a column each: all are read, whether found or named; a file counts once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prom3e_index.tables import read_observations


def read(folder: Path, text: str, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    for name in ("a.jpg", "b.jpg", "c d.JPG", "s.wav", "t.wav"):
        (folder / name).touch()
    (folder / "t.csv").write_text(text, encoding="utf-8")
    table = read_observations(folder / "t.csv", **options)
    return [r for b in table.batches() for r in b.to_pylist()], table


def photos(row: dict[str, Any]) -> list[str]:
    return [p for p in (row["image"], *(m["path"] for m in row["more"])) if p]


@pytest.mark.parametrize("name", ["Foto {}", "photo{}", "image_{}", "Bild {}"])
def test_numbered_columns_have_a_photo_each(tmp_path: Path, name: str) -> None:
    header = ";".join(name.format(i) for i in (1, 2, 3))
    rows, table = read(
        tmp_path, f"species;{header}\nPica pica;a.jpg;b.jpg;c d.JPG\nParus major;;b.jpg;\n"
    )

    assert [photos(r) for r in rows] == [["a.jpg", "b.jpg", "c d.JPG"], ["b.jpg"]]
    assert table.unused == {} and len(table.fields["image"]) == 3


def test_several_columns_may_be_mapped_to_photos(tmp_path: Path) -> None:
    text = "species,Habitus,Detail\nPica pica,a.jpg,b.jpg\nParus major,,gone.jpg\n"
    rows, _ = read(tmp_path, text, columns={"Habitus": "image", "Detail": "image"})

    assert [photos(r) for r in rows] == [["a.jpg", "b.jpg"], []]
    assert "'gone.jpg' does not exist" in rows[1]["problems"][0]["reason"]


def test_one_that_is_missing_is_a_loss_beside_one_that_is_there(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "species,photo1,photo2,photo3\nPica pica,a.jpg,b.jpg,gone.jpg\n")

    assert photos(row) == ["a.jpg", "b.jpg"]
    assert [p["modality"] for p in row["problems"]] == ["image"]


def test_columns_of_two_known_names_have_both_their_photos(tmp_path: Path) -> None:
    (row,), _ = read(tmp_path, "species,image,photo,sound,wav\nPica pica,a.jpg,b.jpg,s.wav,t.wav\n")

    assert photos(row)[:2] == ["a.jpg", "b.jpg"] and row["audio"] == "s.wav"
    assert {(m["modality"], m["path"]) for m in row["more"]} == {
        ("image", "b.jpg"),
        ("audio", "t.wav"),
    }


def test_the_same_file_twice_is_one_photo(tmp_path: Path) -> None:
    text = f"species,image,imagepath\nPica pica,a.jpg,{tmp_path / 'a.jpg'}\nParus major,a.jpg,./a.jpg\n"
    rows, _ = read(tmp_path, text)

    assert [len(photos(r)) for r in rows] == [1, 1]


def test_an_address_or_a_missing_file_beside_a_photo_is_no_loss(tmp_path: Path) -> None:
    text = "species,image,image_url,photofile\nPica pica,a.jpg,https://e.org/x/1.jpg,old.jpg\n"
    (row,), _ = read(tmp_path, text)

    assert photos(row) == ["a.jpg"] and row["problems"] == []
