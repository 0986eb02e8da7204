"""Cells of a table: numbers, places, flags, climate and headers; what is none of these is refused and said."""

from __future__ import annotations

import numpy as np
import pytest

from prom3e_index.errors import TableError
from prom3e_index.schema import CLIMATE_COLUMNS
from prom3e_index.tables import read_observations
from prom3e_index.tables.normalise import coordinates, is_true, number


def rows_of(path):
    return [r for b in read_observations(path).batches() for r in b.to_pylist()]


@pytest.mark.parametrize("text, value", [
    ("1", 1.0), (" -1.5 ", -1.5), ("+.5", 0.5), ("1e3", 1000.0), ("7.", 7.0), (np.float64(2.5), 2.5), (3, 3.0),
])  # fmt: skip
def test_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", [
    "1_0", "٣", "１２", "inf", "-Infinity", "nan", "1e400", "0x10", "1,5", "", "e5", ".", "1 2", "−5",
])  # fmt: skip
def test_what_only_python_takes_for_a_number_is_none(text):
    with pytest.raises(ValueError, match="is no number"):
        number(text)
    if text.strip() and text != "nan":
        assert "is no number in degrees" in coordinates(text, "1")[2]


@pytest.mark.parametrize("value", ["true", "TRUE", "t", "1", 1, 1.0, True, np.True_, "yes", "Y"])
def test_flags_that_say_yes(value):
    assert is_true(value)


@pytest.mark.parametrize(
    "value", ["false", "0", "no", "", None, False, 0, 0.0, np.False_, "NaN", "open"]
)
def test_flags_that_do_not(value):
    assert not is_true(value)


def test_a_place_takes_both_numbers_from_one_pair_of_columns(tmp_path):
    (tmp_path / "t.csv").write_text(
        "id,decimalLatitude,lat,decimalLongitude,lon\n1,1,10,2,20\n2,,10,2,20\n3,1,,,20\n4,1,,2,\n5,,,,\n"
    )
    rows = rows_of(tmp_path / "t.csv")

    assert [(r["latitude"], r["longitude"]) for r in rows] == [
        (1, 2), (10, 20), (None, None), (1, 2), (None, None),
    ]  # fmt: skip
    assert [len(r["problems"]) for r in rows] == [0, 0, 1, 0, 0]
    (tmp_path / "mixed.csv").write_text("id,decimalLatitude,lon\n1,1,20\n")
    assert [(r["latitude"], r["longitude"]) for r in rows_of(tmp_path / "mixed.csv")] == [(1, 20)]
    (tmp_path / "half.csv").write_text("id,lat\n1,1\n")
    assert "longitude is missing" in rows_of(tmp_path / "half.csv")[0]["problems"][0]["reason"]
    given = read_observations(tmp_path / "t.csv", {"lat": "latitude"})
    assert given.fields["latitude"] == ("lat",) and len(given.fields["longitude"]) == 1


def test_an_uncertainty_that_is_none_is_said(tmp_path):
    (tmp_path / "t.csv").write_text(
        "id,lat,lon,coordinateUncertaintyInMeters\n1,1,2,30\n2,1,2,-5\n3,1,2,5 leagues\n4,1,2,\n"
    )
    rows = rows_of(tmp_path / "t.csv")

    assert [r["coordinate_uncertainty_m"] for r in rows] == [30, None, None, None]
    assert [[p["modality"] for p in r["problems"]] for r in rows] == [
        [], ["coordinate_uncertainty_m"], ["coordinate_uncertainty_m"], [],
    ]  # fmt: skip


def climate(path, rows):
    lines = [",".join(["id", "lat", "lon", *CLIMATE_COLUMNS])]
    lines += [",".join(map(str, [i, 1, 2, *row])) for i, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")
    return rows_of(path)


def test_raw_climate_is_no_scaled_climate(tmp_path):
    scaled = np.round(np.random.default_rng(0).normal(size=(30, 20)), 3)
    raw = np.abs(scaled) * 400
    raw[3] = 1.5  # looks scaled, in a table that is not
    rows = climate(tmp_path / "raw.csv", raw)
    assert all(r["env"] is None for r in rows)
    assert all("is no scaled value" in r["problems"][0]["reason"] for r in rows)
    assert "--climate FILE" in rows[3]["problems"][0]["reason"]
    scaled[7, 12] = 950  # one row of a table that is scaled
    rows = climate(tmp_path / "scaled.csv", scaled)
    assert [r["env"] is None for r in rows] == [i == 7 for i in range(30)]
    assert f"{CLIMATE_COLUMNS[12]} 950" in rows[7]["problems"][0]["reason"]
    assert np.allclose(rows[0]["env"], scaled[0])
    scaled[7, 12] = 26  # the wettest places of the earth
    assert all(r["env"] is not None for r in climate(tmp_path / "wet.csv", scaled))


@pytest.mark.parametrize("header, words", [
    ("id,lat,lon," + "x" * 200_000, "cannot be split into column names"),
    (",".join(f"c{i}" for i in range(5_001)), "5,001 columns; at most 5,000"),
    (",".join(["c"] * 40_000), "40,000 columns; at most 5,000"), ("id," + "y" * (1 << 20), "longer than"),
])  # fmt: skip
def test_headers_that_are_none(tmp_path, header, words):
    (tmp_path / "t.csv").write_text(header + "\n1,2,3\n")
    with pytest.raises(TableError, match=words):
        read_observations(tmp_path / "t.csv")


def test_five_thousand_columns_of_one_name(tmp_path):
    names = ["lat", "lon", *["c"] * 4_998]
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * 5_000) + "\n")
    columns = read_observations(tmp_path / "t.csv").columns

    assert columns[2:6] == ["c", "c_", "c__", "c___"] and len(set(columns)) == 5_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_document_type_is_refused_in_every_encoding(tmp_path, encoding):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "o.csv">]><archive><core><files>'
        '<location>&b;</location></files><id index="0"/></core></archive>'
    )
    (tmp_path / "o.csv").write_text("1,2\n")
    (tmp_path / "meta.xml").write_bytes(text.encode(encoding))
    with pytest.raises(TableError, match="document type"):
        read_observations(tmp_path)
    plain = text.replace('<!DOCTYPE a [<!ENTITY b "o.csv">]>', "").replace("&b;", "o.csv")
    (tmp_path / "meta.xml").write_bytes(
        plain.replace("</core>", '<field index="1" term="x/scientificName"/></core>').encode(
            encoding
        )
    )
    assert read_observations(tmp_path).columns == ["coreid", "scientificName"]


def test_a_name_that_names_no_taxon_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("id,scientificName\n1,Pica pica\n2,BOLD:ACD2286\n3,\n")
    rows = rows_of(tmp_path / "t.csv")

    assert [r["text"] for r in rows] == ["Pica pica", None, None]
    assert [len(r["problems"]) for r in rows] == [0, 1, 0]
    assert "'BOLD:ACD2286' is not the name of one taxon" in rows[1]["problems"][0]["reason"]
