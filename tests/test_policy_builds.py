"""A build with a policy knows generalised places alone: in its table, arrays, texts, names of files and reasons."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest
from PIL import Image
from policies import (
    OPEN,
    RULE,
    TRUE,
    birds,
    built,
    files_with,
    log_of,
    quiet,
    rows_of,
    write_policy,
    write_rows,
)
from told_files import told_photo

from prom3e_index.errors import InputError
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.policy_explain import explain
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.run import Bundle
from prom3e_index.world import planet


def test_places_dates_texts_tiles_and_climates_of_met_rows_go_and_others_stay(tmp_path):
    Image.effect_noise((256, 256), 60).convert("RGB").save(tmp_path / "tile.png")
    told_photo(tmp_path / "photo.jpg", place=TRUE["f1"], taken="2024:05:01 08:25:38", seed=1)
    (tmp_path / "nest_52.3131_13.4453.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes())
    rows = birds()
    for row in rows:
        row |= {
            "locality": "Old wood", "behavior": "nest near 52.3131 N" if row["id"] == "f1" else "seen well", "county": "C",
            "url": "https://example.org/1", "country": "DE", "coordinateUncertaintyInMeters": 30, "sat": "tile.png",
            "elevation": 0.1, **{f"bio_{i}": 0.2 for i in range(1, 20)}, "time": "2024-05-01T05:00", "weight": 1.25,
        }  # fmt: skip
    rows[0]["image"], rows[1]["image"] = "photo.jpg", "nest_52.3131_13.4453.jpg"
    rows[1] |= {"latitude": TRUE["f1"][0], "longitude": TRUE["f1"][1]}
    index = built(tmp_path, rows, RULE + 'date = "month"\nreason = "2.2 nests"')
    found = rows_of(index, "latitude, longitude, coordinate_uncertainty_m, obscured, event_date, event_start, event_end, "
                           "sat, has_sat, has_env, image, place_level")  # fmt: skip
    texts = rows_of(
        index, "locality, behavior, county, url, country, time, weight, elevation, bio_7"
    )

    assert found["f1"] == (52.35, 13.45, 30 + 6516, True, "2024-05", date(2024, 5, 1), date(2024, 5, 31), None, False, False,
                           "photo.jpg", "0.1deg")  # fmt: skip
    assert found["f2"][:2] == (52.35, 13.45) and found["f2"][-2] is None
    assert found["p1"][:4] == (*OPEN["p1"], 30, False) and found["p1"][7:10] == (
        "tile.png",
        True,
        True,
    )
    assert texts["f1"] == (None, None, None, None, "DE", None, 1.25, None, None)
    assert texts["f3"][1] == "seen well" and texts["p1"][:5] == (
        "Old wood",
        "seen well",
        "C",
        "https://example.org/1",
        "DE",
    )
    assert rows_of(index, "data_generalizations, information_withheld", "id = 'f1'")["f1"] == (
        "Coordinates generalised from the stored value to the centre of a 0.1 degree cell, policy 'unnamed' sha256 "
        f"{json.loads((index / 'manifest.json').read_text())['policy']['sha256'][:12]} (2.2 nests)", None,
    )  # fmt: skip
    assert files_with(index, "52.313", "13.445") == []
    (lost,) = Bundle.open(index).sql("SELECT reason FROM lost WHERE modality = 'image'")
    assert lost[0] == "its file name tells the place that is generalised; name it otherwise"


def test_what_is_encoded_is_the_cell_and_its_climate(tmp_path):
    np.save(tmp_path / "c.npy", planet.raster())
    rows = birds({"f1": (63.21, -34.81), "f2": (59.41, 85.31)})
    index = built(tmp_path, rows, climate=tmp_path / "c.npy")
    bundle, model = Bundle.open(index), Model.open("mini")
    centres = np.array([[63.25, -34.85], [59.45, 85.35]])
    raster = planet.raster()
    size = 180 / raster.shape[0]
    cells = raster[
        ((90 - centres[:, 0]) / size).astype(int), ((centres[:, 1] + 180) / size).astype(int)
    ]

    expected = model.encoder("loc").encode(centres.astype(np.float32))
    assert np.abs(np.asarray(bundle.embeddings("loc")[:2], np.float32) - expected).max() < 1e-3
    expected = model.encoder("env").encode(cells.astype(np.float32))
    assert np.abs(np.asarray(bundle.embeddings("env")[:2], np.float32) - expected).max() < 1e-3


def test_a_withheld_row_has_no_place_and_takes_none_of_its_photo(tmp_path):
    told_photo(tmp_path / "p.jpg", place=TRUE["f1"], taken="2024:05:01 08:25:38", seed=1)
    rows = birds()
    rows[0] |= {"image": "p.jpg", "latitude": "", "longitude": "", "eventDate": ""}
    rows[1] |= {"species": "Falco rusticolus", "latitude": "999.12345"}
    index = built(tmp_path, rows, RULE.replace("0.1deg", "withhold"))
    found = rows_of(
        index,
        "latitude, has_loc, has_image, place_level, information_withheld, data_generalizations",
    )

    assert found["f1"][:4] == (None, False, True, "withhold")
    assert found["f1"][4].startswith("Coordinates withheld, policy") and found["f1"][5] is None
    assert found["f3"][:2] == (None, False) and found["p1"][1]
    assert files_with(index, "52.313", "999.12345", "33.8567") == []


def test_a_place_from_exif_is_generalised_too(tmp_path):
    told_photo(tmp_path / "p.jpg", place=TRUE["f1"], taken="2024:05:01 08:25:38", seed=1)
    rows = birds()
    rows[0] |= {"image": "p.jpg", "latitude": "", "longitude": ""}
    index = built(tmp_path, rows)

    assert rows_of(index, "latitude, longitude, place_level")["f1"] == (52.35, 13.45, "0.1deg")


def test_the_strictest_of_rules_regions_months_countries_and_the_default_holds(tmp_path):
    rows = birds()
    for row, code in zip(rows, ["DE", "", "AU", "AT", "US", "NZ"], strict=True):
        row["countryCode"] = code
    rows[2]["eventDate"] = ""
    (tmp_path / "r.geojson").write_text(
        json.dumps({"type": "Polygon", "coordinates": [[[16, 48], [17, 48], [17, 49], [16, 49]]]})
    )
    text = 'default = "0.001deg"\n' + RULE + (
        '[[rule]]\ntaxon = "Falco"\nrank = "genus"\nlevel = "1deg"\nmonths = [6]\n'
        '[[rule]]\ntaxon = "Falco rusticolus"\nlevel = "withhold"\ncountries = ["is", "FR"]\n'
        '[[rule]]\ntaxon = "Parus major"\nlevel = "10km"\npolygon = "r.geojson"\n'
        '[[rule]]\nlevel = "100m"\nbbox = [160, -50, 175, -40]\n'
        '[[rule]]\nlevel = "1km"\nbbox = [15, 5, 25, 15]\n'
    )  # fmt: skip
    level = {k: v[0] for k, v in rows_of(built(tmp_path, rows, text), "place_level").items()}

    assert level == {
        "f1": "0.1deg",
        "f2": "withhold",
        "f3": "1deg",
        "p1": "10km",
        "p2": "1km",
        "p3": "0.001deg",
    }


def test_companions_of_the_day_are_generalised_and_counted(tmp_path):
    rows = birds()
    for row in rows:
        row |= {"recordedBy": "Ann", "eventDate": "2024-05-03"}
    rows[1]["recordedBy"], rows[4]["recordedBy"], rows[5]["eventDate"] = (
        "Bo | ANN",
        "Cy",
        "2024-05-04",
    )
    rows[2]["eventDate"] = ""
    index = built(tmp_path, rows, RULE + 'companions = "day"')
    level = {k: v[0] for k, v in rows_of(index, "place_level").items()}
    (line,) = log_of(index)

    assert level == {
        "f1": "0.1deg",
        "f2": "0.1deg",
        "f3": "0.1deg",
        "p1": "0.1deg",
        "p2": None,
        "p3": None,
    }
    (rule,) = line["policy"]["rules"]
    assert (rule["rows"], rule["companions"]) == (3, 1)
    assert json.loads((index / "manifest.json").read_text())["policy"]["rows"] == {
        "open": 2,
        "0.1deg": 4,
    }
    said = json.loads((index / "manifest.json").read_text())["source"]["understood"]["said"]
    assert "policy: 1 rows have no observer or no day, so their companions cannot be told" in said


def test_kept_columns_stay_and_those_of_the_deny_list_never(tmp_path):
    rows = [{**r, "locality": "Wood", "county": "C", "place_guess": "Wood 7"} for r in birds()]
    index = built(tmp_path, rows, keep_columns=("county",))

    assert rows_of(index, "locality, county")["f1"] == (None, "C")
    assert "place_guess" not in Bundle.open(index).columns
    for name, said in (
        ("place_guess", "list of those that no index holds"),
        ("countie", "nearest: county"),
    ):
        with pytest.raises(InputError, match=said):
            built(tmp_path, rows, name="other", keep_columns=(name,))


def test_an_id_that_tells_the_place_is_refused_and_not_repeated(tmp_path):
    rows = birds()
    rows[1]["id"] = "40.12345/-100.45671"
    index = built(tmp_path, rows)
    ((key, reason),) = Bundle.open(index).sql("SELECT id, reason FROM rejected")

    assert key is None and "its id tells the place" in reason
    assert list(rows_of(index, "row")) == ["f1", "f3", "p1", "p2", "p3"]
    assert files_with(index, "40.12345") == []


def test_embeddings_given_with_the_rows_lose_those_of_places(tmp_path):
    table = write_rows(tmp_path / "t.csv", birds())
    encode_to_npz(
        BuildConfig(table=str(table), out=tmp_path / "e.npz", model="mini", workers=1), quiet
    )
    policy = read_policy(write_policy(tmp_path))
    from prom3e_index.indexer.build import build

    config = BuildConfig(
        table=str(tmp_path / "e.npz"), out=tmp_path / "i.p3i", model="mini", policy=policy
    )
    build(config, quiet)
    bundle = Bundle.open(tmp_path / "i.p3i")
    found = {
        r[0]: r[1:] for r in bundle.sql("SELECT id, has_loc, has_text, latitude FROM observations")
    }

    assert found["f1"] == (False, True, 52.35) and found["p1"] == (True, True, OPEN["p1"][0])
    assert not np.asarray(bundle.embeddings("loc")[:3]).any()


def test_explain_says_what_would_be_and_writes_nothing(tmp_path):
    rows = [{**r, "locality": "Wood", "private_latitude": 1.5} for r in birds()]
    table = write_rows(tmp_path / "t.csv", rows)
    policy = read_policy(write_policy(tmp_path, RULE + 'companions = "day"\nreason = "2.2"'))
    before = sorted(tmp_path.iterdir())
    said = "\n".join(explain(BuildConfig(table=str(table), out=tmp_path / "none"), policy))

    assert "rule 1 (Falco rusticolus) → 0.1deg: 3 rows and 0 companions; 2.2" in said
    assert "0.1deg: 3 rows, to the centre of a 0.1 degree cell; as 'f1', 'f2', 'f3'" in said
    assert "columns that no index holds: private_latitude" in said
    assert "emptied in generalised rows: locality" in said
    assert sorted(tmp_path.iterdir()) == before
    assert not any(str(v)[:5] in said for place in TRUE.values() for v in place)


def test_rows_that_this_program_exported_keep_their_places_and_levels(tmp_path):
    from prom3e_index.exports.write import write_export

    rows = birds()
    rows[0] |= {"coordinatesObscured": "true", "coordinateUncertaintyInMeters": 50}
    index = built(tmp_path, rows, RULE.replace("0.1deg", "0.01deg"))
    write_export(Bundle.open(index), tmp_path / "out.csv")
    from prom3e_index.indexer.build import build

    again = tmp_path / "again.p3i"
    build(BuildConfig(table=str(tmp_path / "out.csv"), out=again, model="mini", workers=1), quiet)
    what = (
        "latitude, longitude, coordinate_uncertainty_m, obscured, place_level, data_generalizations"
    )

    assert rows_of(again, what) == rows_of(index, what)
    assert [v[4] for v in rows_of(again, what).values()] == [
        "0.2deg",
        "0.01deg",
        "0.01deg",
        None,
        None,
        None,
    ]


def test_an_index_without_a_hidden_place_has_no_columns_of_policies_and_no_log(tmp_path):
    for name, policy in (
        ("none", None),
        ("unmet", '[[rule]]\ntaxon = "Aquila chrysaetos"\nlevel = "1km"\n'),
    ):
        index = built(tmp_path, birds(), policy, name=name)
        assert not {"place_level", "data_generalizations", "information_withheld"} & set(
            Bundle.open(index).columns
        )
        assert (index / "policy.log.jsonl").is_file() == (policy is not None)
