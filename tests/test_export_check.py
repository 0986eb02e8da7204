"""`export --check` names each fault that is seeded, and no other; a sound table has none."""

from __future__ import annotations

import sys

import pytest
from exported import index_of, table

import prom3e_index
from prom3e_index import Bundle, Filter
from prom3e_index.errors import InputError
from prom3e_index.exports.check import Fault, faults
from prom3e_index.exports.rows import Rows

SOUND = {
    "occurrenceID": "ok", "scientificName": "Pica pica", "decimalLatitude": "48.21", "decimalLongitude": "16.37", "eventDate": "2024-05-12",
    "license": "CC0", "coordinateUncertaintyInMeters": "30", "basisOfRecord": "HumanObservation", "countryCode": "AT",
    "individualCount": "2", "coordinatePrecision": "0.01", "geodeticDatum": "WGS84",
}  # fmt: skip
SEEDED: dict[str, tuple[dict[str, str], str]] = {
    "no-name": ({"scientificName": ""}, "without a scientific name"),
    "no-date": ({"eventDate": ""}, "without a date"),
    "future": ({"eventDate": "2999-01-01"}, "with a date in the future"),
    "old": ({"eventDate": "1599-12-31"}, "with a date before 1600"),
    "no-licence": ({"license": ""}, "without a licence: all rights are reserved"),
    "strange": ({"license": "ask me"}, "with a licence that is not known"),
    "nd": ({"license": "CC BY-ND"}, "with the licence BY-ND; GBIF takes CC0, BY and BY-NC"),
    "rounded": ({"decimalLatitude": "48", "decimalLongitude": "16"},
                "with coordinates rounded to whole degrees, and no uncertainty that says so"),
    "zero-m": ({"coordinateUncertaintyInMeters": "0"}, "with an uncertainty of 0 m or less"),
    "wide": ({"coordinateUncertaintyInMeters": "9000000"}, "with an uncertainty beyond 5,000 km"),
    "basis": ({"basisOfRecord": "a photo"}, "with a basisOfRecord that is none"),
    "country": ({"countryCode": "Austria"}, "with a countryCode that is none of ISO 3166"),
    "count": ({"individualCount": "many"}, "with an individualCount that is no whole number"),
    "precise": ({"coordinatePrecision": "25"}, "with a coordinatePrecision outside 0 to 1"),
    "datum": ({"geodeticDatum": ""}, "with a place without a geodetic datum"),
    "nowhere": ({"decimalLatitude": "0", "decimalLongitude": "0"}, "with a place that is none, and was not read"),
    "turned": ({"decimalLatitude": "116.3", "decimalLongitude": "48.2"}, "with a place that is none, and was not read"),
    "when": ({"eventDate": "yesterday"}, "with a date that is none, and was not read"),
    "how-far": ({"coordinateUncertaintyInMeters": "far"}, "with an uncertainty that is no distance, and was not read"),
}  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A sound row and one for each fault."""
    folder = tmp_path_factory.mktemp("faults")
    rows = [SOUND, *({**SOUND, "occurrenceID": key, **wrong} for key, (wrong, _) in SEEDED.items())]
    return index_of(table(folder / "t.csv", rows, tuple(SOUND)), folder / "i.p3i")


def test_each_seeded_fault_is_named_with_its_row(index):
    with Bundle.open(index) as bundle:
        found = {f.what: f for f in faults(Rows.chosen(bundle))}
    for key, (_, what) in SEEDED.items():
        assert key in found[what].ids, key
    expected: dict[str, int] = {}
    for _, what in SEEDED.values():
        expected[what] = expected.get(what, 0) + 1
    expected["without a date"] += 1  # the one that could not be read
    assert {what: f.rows for what, f in found.items()} == expected


def test_sound_rows_have_none(index):
    with Bundle.open(index) as bundle:
        assert faults(Rows.chosen(bundle, Filter(where="id = 'ok'"))) == []
        assert faults(Rows.chosen(bundle, Filter(where="false"))) == []


def test_an_id_of_two_observations_is_a_fault(tmp_path):
    """Where the index goes by another column, occurrenceID may stand twice."""
    rows = [{**SOUND, "key": k, "occurrenceID": o} for k, o in (("a", "x"), ("b", "y"), ("c", "x"))]
    source = table(tmp_path / "t.csv", rows, ("key", *SOUND))
    with Bundle.open(index_of(source, tmp_path / "i.p3i", columns={"key": "id"})) as bundle:
        (found,) = faults(Rows.chosen(bundle))
    assert (found.what, found.rows, found.ids) == ("with the occurrenceID of another", 1, ["c"])


def test_a_fault_in_words():
    assert str(Fault("without a date", 1, ["a"])) == "1 without a date: a"
    assert str(Fault("without a date", 1200, ["a", "b", "c"], "left out of an archive")) == (
        "1,200 without a date: a, b, c, …; left out of an archive"
    )


def test_the_command_exits_with_1_and_writes_nothing(index, tmp_path, monkeypatch, capsys):
    from prom3e_index.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", "export", "-i", str(index), *words])
        with pytest.raises(SystemExit) as stop:
            app.main()
        return stop.value.code or 0, *capsys.readouterr()

    code, out, err = call("a.zip", "--check")
    assert (
        code == 1
        and out.count("FAULT ") == len({w for _, w in SEEDED.values()})
        and "nothing was written" in err
    )
    assert not list(tmp_path.iterdir())
    code, out, _ = call("--check", "--where", "id = 'ok'")
    assert code == 0 and "1 rows, no fault" in out and not list(tmp_path.iterdir())
    code, out, _ = call("a.zip", "--check", "--where", "id = 'ok'", "--title", "T")
    assert code == 0 and (tmp_path / "a.zip").is_file() and "1 rows in a.zip" in out


def test_python_refuses_with_every_fault_named(index, tmp_path):
    with pytest.raises(
        InputError, match="20 rows have faults.*with a date in the future: future.*before 1600"
    ):
        prom3e_index.export(tmp_path / "a.zip", index, check=True)
    assert not list(tmp_path.iterdir())
    assert prom3e_index.export(index=index, where="id = 'ok'", check=True) == 1
    assert prom3e_index.export(tmp_path / "a.zip", index, where="id = 'ok'", check=True) == 1
