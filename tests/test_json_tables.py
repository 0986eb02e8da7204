"""JSON of any shape the trade writes is rows; one record is in memory, hostile files are refused in a line."""

from __future__ import annotations

import gzip
import json

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import recognise
from prom3e_index.tables.sources import open_source

ROWS = [{"id": "1", "lat": "5.5"}, {"id": "2", "lat": "6.5"}, {"id": "3", "lat": "7.5"}]
TYPED = [{"id": int(r["id"]), "lat": float(r["lat"])} for r in ROWS]
SHAPES = {
    "records": TYPED,
    "wrapped": {"count": 3, "results": TYPED, "facets": []},
    "columns": {"id": {str(i): r["id"] for i, r in enumerate(TYPED)}, "lat": {str(i): r["lat"] for i, r in enumerate(TYPED)}},
    "index": {str(i): r for i, r in enumerate(TYPED)},
    "list": {"id": [1, 2, 3], "lat": [5.5, 6.5, 7.5]},
    "split": {"columns": ["id", "lat"], "index": [0, 1, 2], "data": [[1, 5.5], [2, 6.5], [3, 7.5]]},
    "table": {"schema": {"fields": [{"name": "id"}]}, "data": TYPED},
    "nested": {"response": {"found": 3, "docs": TYPED}},
}  # fmt: skip


def rows(path, size: int = 2):
    source = open_source(path, None)
    return [r for batch in source.batches(size) for r in batch.to_pylist()], source


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_every_shape_gives_the_same_rows(tmp_path, shape, indent):
    (tmp_path / "t.json").write_text(json.dumps(SHAPES[shape], indent=indent))

    found, source = rows(tmp_path / "t.json")

    assert recognise(tmp_path / "t.json") == "json"
    assert found == ROWS and source.facts["rows"] == 3


@pytest.mark.parametrize("packed", [False, True])
def test_lines_lose_only_the_line_that_is_bad(tmp_path, packed):
    text = (
        "\ufeff"
        + "\n".join(
            [*(json.dumps(r) for r in TYPED), "", '{"id": 4,', "[1]", '{"id": NaN, "lat": null}']
        )
        + "\n"
    )
    path = tmp_path / ("t.jsonl.gz" if packed else "t.ndjson")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())

    found, source = rows(path)

    assert found == [*ROWS, {"id": None, "lat": None}]
    assert [line for line, _ in source.rejected] == [5, 6] and source.facts["rows"] == 6
    assert source.format == "jsonl"


def test_nested_objects_are_joined_by_dots_and_lists_stay_json(tmp_path):
    deep = {"g": 1}
    for key in "fedcba":
        deep = {key: deep}
    (tmp_path / "t.json").write_text(
        json.dumps([{"id": 1, "x": {"y": {"z": True}}, "tags": ["é", 2], "ID": "b"}, deep])
    )

    found, source = rows(tmp_path / "t.json")

    assert source.columns == ["id", "x.y.z", "tags", "ID_", "a.b.c.d.e.f.g"]
    assert found[0] == {
        "id": "1",
        "x.y.z": "true",
        "tags": '["é", 2]',
        "ID_": "b",
        "a.b.c.d.e.f.g": None,
    }
    assert found[1]["a.b.c.d.e.f.g"] == "1"


def test_an_inaturalist_answer_has_all_photos_and_sounds_lineage_and_place(tmp_path):
    answer = {"total_results": 300, "page": 1, "per_page": 2, "results": [
        {"id": 9, "uuid": "u", "location": "51.5,4.25", "observed_on": "2023-05-23", "obscured": False,
         "photos": [{"id": 1, "url": "https://x/photos/1/square.jpg"}, {"id": 2, "url": "https://x/photos/2/square.jpeg?3"}],
         "observation_photos": [{"photo": {"url": "https://x/photos/1/square.jpg"}}],
         "sounds": [{"file_url": "https://x/sounds/7.m4a"}], "user": {"login": "ada"},
         "taxon": {"name": "Parus major", "rank": "species", "preferred_common_name": "Great Tit",
                   "default_photo": {"url": "https://x/photos/99/square.jpg"},
                   "ancestors": [{"rank": "kingdom", "name": "Animalia"}, {"rank": "genus", "name": "Parus"}]}},
        {"id": 10, "taxon": None, "photos": [], "geojson": {"type": "Point", "coordinates": [4.5, 51.25]}, "location": None},
    ]}  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps(answer))

    found, source = rows(tmp_path / "t.json")

    assert found[0]["image"] == [
        "https://x/photos/1/medium.jpg",
        "https://x/photos/2/medium.jpeg?3",
    ]
    assert found[0]["audio"] == ["https://x/sounds/7.m4a"]
    assert [found[0][k] for k in ("taxon.name", "kingdom", "genus", "user.login", "location", "obscured")] == [
        "Parus major", "Animalia", "Parus", "ada", "51.5,4.25", "false"]  # fmt: skip
    assert (found[1]["decimalLatitude"], found[1]["decimalLongitude"], found[1]["image"]) == (
        "51.25",
        "4.5",
        None,
    )
    assert "photos" not in source.columns and not any("default_photo" in c for c in source.columns)
    assert source.said == [
        "The file is one page of an answer of 300 records; the other pages are other files."
    ]


def test_a_gbif_answer_keeps_each_medium_by_its_kind(tmp_path):
    media = [{"type": "StillImage", "identifier": "https://x/1"}, {"type": "Sound", "identifier": "https://x/2"},
             {"format": "image/jpeg", "identifier": "https://x/3.jpg"}, {"license": "none"}]  # fmt: skip
    (tmp_path / "t.json").write_text(
        json.dumps({"endOfRecords": True, "offset": 0, "results": [{"key": 5, "media": media}]})
    )

    found, source = rows(tmp_path / "t.json")

    assert found == [
        {"key": "5", "image": ["https://x/1", "https://x/3.jpg"], "audio": ["https://x/2"]}
    ]
    assert source.said == []


def test_a_large_array_is_read_in_order_across_chunks(tmp_path):
    written = [{"id": i, "note": "x" * (i % 977)} for i in range(5000)]
    (tmp_path / "t.json").write_text(json.dumps({"head": 1, "data": written}))

    found, _ = rows(tmp_path / "t.json", 512)

    assert found == [{"id": str(r["id"]), "note": r["note"]} for r in written]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "array of values"),
        ("[]", "holds no record"),
        ('{"a": ', "no valid JSON"),
        ('[{"a": 1}, {"a"', "no valid JSON"),
        ('[{"a": 1}', "is the file cut off"),
        ('[{"a":' * 5000, "nested too deeply"),
        ('{"a":' * 50000, "nested too deeply"),
        (json.dumps({f"c{i}": 1 for i in range(5001)}), "more than 5,000 columns"),
    ],
    ids=lambda v: v[:12],
)
def test_what_is_no_table_is_refused_in_a_line(tmp_path, text, says):
    (tmp_path / "t.json").write_text(text)

    with pytest.raises(TableError, match=says) as caught:
        rows(tmp_path / "t.json")

    assert "\n" not in str(caught.value)


def test_other_encodings_are_read_and_what_is_no_character_is_counted(tmp_path):
    (tmp_path / "wide.json").write_bytes(
        json.dumps([{"id": "é"}], ensure_ascii=False).encode("utf-16")
    )
    (tmp_path / "lone.json").write_text('[{"id": "a\\ud800b", "\\udc00": "x"}, {"id": "ü"}]')
    (tmp_path / "odd.jsonl").write_bytes(
        '{"id": "é"}\n{"id": "ü"}\n{"id": "ö"}\n'.encode() + b'{"id": "\xff"}\n'
    )

    assert rows(tmp_path / "wide.json")[0] == [{"id": "é"}]
    found, source = rows(tmp_path / "lone.json")
    assert found == [{"id": "a\ufffdb", "\ufffd": "x"}, {"id": "ü", "\ufffd": None}]
    assert source.said == ["1 cells hold bytes that are no characters; they stand as \ufffd."]
    found, source = rows(tmp_path / "odd.jsonl")
    assert [r["id"] for r in found] == ["é", "ü", "ö", "\ufffd"] and len(source.said) == 1


def test_annotated_images_are_rows_by_image_and_category(tmp_path):
    stated = {
        "info": {"version": 1}, "licenses": [{"id": 1, "url": "https://cc/by"}],
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "vulpes vulpes", "common_name": "Red Fox", "family": "Canidae"},
                       {"id": 2, "name": "red_deer"}],
        "images": [{"id": "a", "file_name": "c1/a.jpg", "location": 7, "datetime": "2023-05-23 10:00:00", "license": 1, "latitude": 51.5},
                   {"id": "b", "file_name": "c1/b.jpg"}, {"id": "c", "file_name": "c1/c.jpg"}],
        "annotations": [{"id": 1, "image_id": "a", "category_id": 1, "bbox": [0, 0, 1, 1]}, {"id": 2, "image_id": "a", "category_id": 1},
                        {"id": 3, "image_id": "a", "category_id": 2}, {"id": 4, "image_id": "b", "category_id": 0},
                        {"id": 5, "image_id": "zz", "category_id": 1}],
    }  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps(stated))

    found, source = rows(tmp_path / "t.json")

    assert recognise(tmp_path / "t.json") == source.format == "coco"
    assert [(r["id"], r["image"], r["scientificName"], r["vernacularName"], r["observationType"], r["annotations"]) for r in found] == [
        ("a:1", ["c1/a.jpg"], "Vulpes vulpes", "Red Fox", None, "2"), ("a:2", ["c1/a.jpg"], None, "red_deer", None, "1"),
        ("b", ["c1/b.jpg"], None, "empty", "blank", "1"), ("c", ["c1/c.jpg"], None, None, None, "0")]  # fmt: skip
    assert [found[0][k] for k in ("eventDate", "locationID", "license", "latitude", "family")] == [
        "2023-05-23 10:00:00", "7", "https://cc/by", "51.5", "Canidae"]  # fmt: skip
    assert (
        source.said == ["1 annotations name no image of the file and give no row."]
        and source.facts["rows"] == 4
    )


def test_detections_say_what_an_image_shows(tmp_path):
    images = [{"file": "a/1.jpg", "detections": [{"category": "2", "conf": 0.3}, {"category": "1", "conf": 0.9}]},
              {"file": "a/2.jpg", "detections": []}, {"file": "a/3.jpg", "failure": "Failure image access"}]  # fmt: skip
    (tmp_path / "t.json").write_text(
        json.dumps(
            {"images": images, "detection_categories": {"1": "animal", "2": "person"}, "info": {}}
        )
    )

    found, source = rows(tmp_path / "t.json")

    assert [(r["id"], r["image"], r["observationType"], r["confidence"], r["detections"], r["failure"]) for r in found] == [
        ("a/1.jpg", ["a/1.jpg"], "animal", "0.9", "2", None), ("a/2.jpg", ["a/2.jpg"], "blank", None, "0", None),
        ("a/3.jpg", ["a/3.jpg"], "unclassified", None, "0", "Failure image access")]  # fmt: skip
