"""No text of an index tells a hidden place: ids of refused rows, rows without a place, names, texts, degrees with minutes."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pytest
from policies import RULE, birds, built, files_with, quiet, write_policy, write_rows

from prom3e_index.indexer.change import add
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy
from prom3e_index.policy.told_places import (
    IDS,
    TEXTS,
    redacted,
    redacted_sql,
    tells,
    tells_alone,
    tells_alone_sql,
    tells_sql,
)
from prom3e_index.schema import FIELDS
from prom3e_index.search.run import Bundle

TELL = (
    "52 18 47 N 13 26 43 E", "N52d18m47s", "52°18'47\"N", "N 52 18.78", "52 18.78' N", "521847N 0132643E", "52:18:47N",
    "nest_52_18_47_N.jpg", "52º 18", "52\u00a0° 18", "E013-26-43.2", "9_52.3_13.4.jpeg", "at 52,31312 13,44531",
)  # fmt: skip
DO_NOT = (
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "2024-05-12", "seen 12 5 nests", "2024_05_12_E01", "10:12:33", "04:11:00 EST",
    "R12d5", "DSC_0042.jpg", "XC123456", "20240512_041100", "SM4_20240512_041100.wav", "wing 52.4", "", "2 of 3",
)  # fmt: skip


def by_duckdb(sql: str, text: str):
    return duckdb.execute(f"SELECT {sql} FROM (SELECT ? AS cell)", [text]).fetchall()[0][0]


@pytest.mark.parametrize("text", [*TELL, *DO_NOT])
def test_degrees_with_minutes_and_pairs_tell_a_place_however_they_are_written(text):
    unknown = ("NULL::DOUBLE", "NULL::DOUBLE", "0.1")

    assert tells(text, None, None, 0.1) == (text in TELL)
    assert by_duckdb(tells_sql("cell", *unknown), text) == (text in TELL)
    assert tells_alone(text) == by_duckdb(tells_alone_sql("cell"), text) == (text in TELL)
    assert redacted(text) == by_duckdb(redacted_sql("cell"), text)
    assert (redacted(text) != text) == (text in TELL)


def test_texts_are_judged_alike_by_python_and_by_duckdb_and_by_every_pair_of_numbers():
    rng = np.random.default_rng(3)
    lat, lon = 52.3131, -13.4453
    seen = set()
    for _ in range(300):
        written = []
        for side in (abs(lat), abs(lon), 71.2):
            if rng.random() < 0.5:
                off = side + float(rng.choice([0, 0.04, 0.4]))
                written.append(f"{off:.{rng.choice([1, 1, 2, 5])}f}")
        text = " and ".join(map(str, rng.permutation(written)))
        near = [[abs(float(n) - abs(s)) <= 0.1 for s in (lat, lon)] for n in written]
        fine = any(
            any(a) and len(n.partition(".")[2]) > 1 for n, a in zip(written, near, strict=True)
        )
        expected = fine or (any(a for a, _ in near) and any(b for _, b in near))
        seen.add((expected, fine))
        assert tells(text, lat, lon, 0.1) == expected, text
        assert by_duckdb(tells_sql("cell", str(lat), str(lon), "0.1"), text) == expected, text
    assert seen == {(True, True), (True, False), (False, False)}


def test_the_prefix_of_a_doi_is_no_place_and_one_fine_number_alone_may_be():
    for text, told in (("10.15468/dl.ab12", False), ("https://doi.org/10.1234/x.5", False), ("f2_40.12345", True)):  # fmt: skip
        assert tells_alone(text) == by_duckdb(tells_alone_sql("cell"), text) == told


def test_every_text_of_an_observation_is_looked_through_or_is_a_medium():
    texts = {f for f, kind in FIELDS.items() if kind == "VARCHAR"}
    assert {*IDS, *TEXTS, "image", "sat", "audio"} == texts
    assert {"text", "scientific_name", "common_name", "rights_holder", "event_date", "species"} <= set(TEXTS)  # fmt: skip


def told_rows():
    """Rows that tell their places: refused, without a place, in names and texts."""
    rows = birds()
    rows[1]["id"] = "f2_40.12345_-100.45671"
    rows.append({**rows[1], "eventDate": "never"})
    for i, text in enumerate(("52.31312, 13.44531", "52 18 47 N 13 26 43 E", "9_52.3_13.4")):
        rows.append({"id": f"n{i}", "species": "Falco rusticolus", "source": f"nest at {text}"})
    rows.append({"id": "a_52.31312_13.44531", "species": "Falco rusticolus"})
    rows.append({"id": "m", "species": "Falco rusticolus", "image": "m_52.31312_13.44531.jpg"})
    rows[0] |= {"text": "gyrfalcon at 52.31312, 13.44531", "rightsHolder": "Ann 52.31312"}
    rows[2] |= {"scientificName": "Falco rusticolus 33.85673", "commonName": "Gyrfalcon 33.85673"}
    rows[3] |= {"text": "tit at 48.20815, 16.37382"}
    return rows


PLACES = ("52.31312", "13.44531", "40.12345", "100.45671", "33.85673", "52 18 47", "52.3_13.4")


def test_no_text_and_no_refused_id_tells_a_place_of_a_row_that_the_policy_meets(tmp_path):
    index = built(tmp_path, told_rows(), duplicates="first")
    bundle = Bundle.open(index)

    assert files_with(index, *PLACES) == []
    assert check_policy(index).findings == []
    assert files_with(index, "48.20815") != []  # an open row keeps its text
    refused = bundle.sql("SELECT id, reason FROM rejected ORDER BY row_in")
    assert [r[0] for r in refused] == [None] * 3
    assert [r[1].partition(";")[0] for r in refused] == [
        "its id tells the place that is generalised", "duplicate id", "its id tells the place that is generalised",
    ]  # fmt: skip
    assert bundle.sql("SELECT text, has_text, has_loc FROM observations WHERE id = 'f1'") == [(None, False, True)]  # fmt: skip
    assert bundle.sql("SELECT count(source), count(*) FROM observations WHERE id LIKE 'n%'") == [(0, 3)]  # fmt: skip
    ((lost,),) = bundle.sql("SELECT reason FROM lost WHERE modality = 'text'")
    assert lost == "it tells the place that is generalised; leave the place out"
    noted = json.loads((index / "manifest.json").read_text())["source"]["understood"]
    ids = [i for r in [*noted["rejected"], *(r for f in noted["fields"] for r in f["lost"])] for i in r["ids"]]  # fmt: skip
    assert ids and not any(i and "40.12" in i for i in ids)


def test_rows_that_an_update_refuses_leave_no_id_that_tells_a_place(tmp_path):
    index = built(tmp_path, birds())
    rows = [{**birds()[0], "id": "x_52.31312_13.44531"}, birds()[3]]
    table = write_rows(tmp_path / "u.csv", rows)
    policy = read_policy(write_policy(tmp_path, RULE))
    config = BuildConfig(table=str(table), out=index, workers=1, policy=policy)
    add(index, config, quiet, update=True)

    assert Bundle.open(index).sql("SELECT count(*) FROM rejected WHERE reason LIKE 'no obs%'") == [(1,)]  # fmt: skip
    assert files_with(index, "52.31312") == [] and check_policy(index).findings == []


def test_the_check_finds_such_texts_in_an_index_that_has_them(tmp_path):
    index = built(tmp_path, birds())
    with duckdb.connect(str(index / "metadata.duckdb")) as con:
        con.execute("UPDATE observations SET text = 'at 52.31312, 13.44531', rights_holder = 'A 52.31312', "
                    "scientific_name = 'F 52 18 47 N' WHERE id = 'f1'")  # fmt: skip
        con.execute("UPDATE observations SET latitude = NULL, longitude = NULL, source = '1_52.3_13.4' WHERE id = 'f2'")  # fmt: skip
        con.execute("INSERT INTO rejected VALUES (7, NULL, 'f2_40.12345', 'duplicate id')")
    values = json.loads((index / "manifest.json").read_text())
    values["source"]["understood"]["rejected"] = [{"text": "twice", "rows": 1, "ids": ["f_40.12345_1.5"]}]  # fmt: skip
    (index / "manifest.json").write_text(json.dumps(values))
    told = {(f.file, f.row, f.what) for f in check_policy(index).findings}

    for name, row in (("text", 0), ("rights_holder", 0), ("scientific_name", 0), ("source", 1)):
        assert ("metadata.duckdb", row, f"a text in {name} tells a place") in told
    assert ("metadata.duckdb", None, "an id in rejected tells a place") in told
    assert ("manifest.json", None, "what was understood has an id that tells a place") in told
