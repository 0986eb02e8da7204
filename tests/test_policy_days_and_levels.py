"""Dates by the month tell no day; every tile of a generalised row goes; a level is this program's own word, said once."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest
from PIL import Image
from policies import RULE, birds, quiet, write_policy, write_rows
from policy_plans import planned

from prom3e_index.indexer.build import build
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.cells import LEVELS, NAMES
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.run import Bundle

MONTH = RULE + 'date = "month"\n'
PLACE = {"latitude": 52.31312, "longitude": 13.44531}
FALCON = {"species": "Falco rusticolus", **PLACE}


def test_no_column_text_or_id_tells_the_day_of_a_date_by_the_month(tmp_path):
    told = {"doy": "133", "week": "19", "weekday": "Sunday", "julianDay": "2460443", "KW": "19", "startDay": "12",
            "plumage": "seen 12 May 2024", "sex": "am 12.5.2024", "moult": "x_20240512_7", "age": "May 12, late"}  # fmt: skip
    kept = {"behavior": "fine", "clutchSize": "3", "form": "in May 2024", "rating": "12"}
    day = {**FALCON, "eventDate": "2024-05-12"}
    rows = [{"id": "a", **day, **told, **kept}, {"id": "b", **day, "species": "Parus major", **told, **kept}]  # fmt: skip
    rows += [
        {"id": i, **day} for i in ("2024-05-12-a", "cam_20240512", "12.05.2024/3", "20240513", "n1")
    ]
    found = planned(tmp_path, rows, MONTH)

    assert list(found.rows) == ["a", "b", "20240513", "n1"]
    row = found.rows["a"]
    assert (row["event_date"], row["event_start"], row["event_end"]) == (
        "2024-05", date(2024, 5, 1), date(2024, 5, 31))  # fmt: skip
    assert {k: row[k] for k in told} == dict.fromkeys(told)
    assert {k: row[k] for k in kept} == kept
    assert {k: found.rows["b"][k] for k in (*told, *kept)} == {**told, **kept}
    assert [r[1] for r in found.rejected] == [None] * 3
    assert {r[3] for r in found.rejected} == {
        "its id tells the day of a date that is given by the month; give the row another id"
    }
    assert "3 rows are refused since their ids tell the place or the day" in found.said


def test_both_ends_of_a_span_are_days_and_names_of_media_are_said(tmp_path):
    for name in ("IMG_20240603.jpg", "plain.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    rows = [{"id": "a", **FALCON, "eventDate": "2024-05-12/2024-06-03", "behavior": "left on 3 June"},
            {"id": "b", **FALCON, "eventDate": "2024-06-03", "image": "IMG_20240603.jpg"},
            {"id": "c", **FALCON, "eventDate": "2024-06-04", "image": "plain.jpg"},
            {"id": "d", **FALCON, "eventDate": "", "behavior": "3 June"}]  # fmt: skip
    found = planned(tmp_path, rows, MONTH)

    assert (found.rows["a"]["behavior"], found.rows["a"]["event_date"]) == (None, "2024-05/2024-06")
    assert found.rows["d"]["behavior"] == "3 June" and found.rows["d"]["event_date"] is None
    assert found.rows["b"]["image"] == "IMG_20240603.jpg"
    assert "1 of their media have names that tell the day; they stay as they are" in found.said


@pytest.mark.parametrize("level", NAMES[1:])
def test_the_tile_of_a_generalised_row_goes_at_every_level(tmp_path, level):
    Image.new("RGB", (8, 8)).save(tmp_path / "tile.png")
    rows = [{"id": "a", **FALCON, "sat": "tile.png"}, {"id": "b", **PLACE, "species": "Parus major", "sat": "tile.png"}]  # fmt: skip
    found = planned(tmp_path, rows, RULE.replace("0.1deg", level))

    assert [found.rows[k]["sat"] for k in "ab"] == [None, "tile.png"]
    assert found.done["tiles"] == 1


def test_a_column_place_level_of_the_table_is_not_taken_for_a_level(tmp_path):
    rows = [
        {"id": "a", **FALCON, "place_level": "county"},
        {"id": "b", **PLACE, "species": "Parus major", "place_level": "county"},
        {"id": "c", **PLACE, "species": "Parus major", "place_level": "0.1deg"},
        {"id": "d", **PLACE, "species": "Parus major", "place_level": ""},
    ]
    found = planned(tmp_path, rows)
    assert found.levels() == {"a": "0.1deg", "b": None, "c": None, "d": None}
    assert [r["source_place_level"] for r in found.rows.values()] == ["county", "county", "0.1deg", None]  # fmt: skip
    none = planned(tmp_path, [dict(r, source_place_level="x") for r in rows[1:]], None)
    assert "place_level" not in none.rows["b"]
    assert none.rows["b"]["source_source_place_level"] == "county"
    renamed = [
        {("Place_Level" if k == "place_level" else k): v for k, v in r.items()} for r in rows
    ]
    assert planned(tmp_path, renamed).rows == found.rows
    mixed = [*rows[:2], {**rows[2], "obscured": "true", "coordinateUncertaintyInMeters": 9000}]
    kept = planned(tmp_path, mixed).rows
    assert [(r["place_level"], r["source_place_level"]) for r in kept.values()] == [
        ("0.1deg", "county"), (None, "county"), ("0.1deg", None)]  # fmt: skip


@pytest.mark.parametrize("level", ["100m", "1km", "0.1deg", "0.2deg", "1deg"])
def test_rows_generalised_again_at_their_level_stay_as_they_are(tmp_path, level):
    rule = RULE.replace("0.1deg", level)
    once = planned(
        tmp_path, [{"id": "a", **FALCON, "coordinateUncertaintyInMeters": 30}], rule
    ).rows["a"]
    lat, lon, half = (float(v[0]) for v in LEVELS[level].centres(*np.array([[52.31312], [13.44531]])))  # fmt: skip
    assert (once["latitude"], once["longitude"], once["coordinate_uncertainty_m"]) == (lat, lon, half + 30)  # fmt: skip
    told = {"id": "a", "species": "Falco rusticolus", "latitude": lat, "longitude": lon, "obscured": "true",
            "coordinateUncertaintyInMeters": half + 30, "place_level": level}  # fmt: skip

    def uncertainty(**change):
        return planned(tmp_path, [{**told, **change}], rule).rows["a"]["coordinate_uncertainty_m"]

    assert uncertainty() == half + 30
    assert uncertainty(coordinateUncertaintyInMeters="") == half
    assert uncertainty(coordinateUncertaintyInMeters=3) == half
    # not its centre, or not stated as such: the true place may be anywhere within both
    assert uncertainty(latitude=lat + 1e-5) == half * 2 + 30
    assert uncertainty(place_level="", obscured="") == half * 2 + 30
    assert uncertainty(obscured="") == half * 2 + 30


def test_embeddings_of_places_that_are_left_out_are_noted_row_by_row(tmp_path):
    rows = [{k: v for k, v in r.items()} for r in birds()]
    rows[1] |= {"latitude": "", "longitude": ""}
    table = write_rows(tmp_path / "t.csv", rows)
    npz = tmp_path / "e.npz"
    encode_to_npz(BuildConfig(table=str(table), out=npz, model="mini", workers=1), quiet)
    index = tmp_path / "i.p3i"
    policy = read_policy(write_policy(tmp_path))
    build(BuildConfig(table=str(npz), out=index, model="mini", policy=policy), quiet)
    bundle = Bundle.open(index)

    assert bundle.sql(
        "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o USING (row) ORDER BY 1, 2"
    ) == [(k, "loc", "its embedding tells the true place of a row that is generalised") for k in ("f1", "f3")]  # fmt: skip
    manifest = json.loads((index / "manifest.json").read_text())
    assert "embeddings of loc, env, sat of these rows are left out" in " ".join(
        manifest["source"]["understood"]["said"]
    )
    assert manifest["segments"][0]["counts"]["files_lost"] == 2
