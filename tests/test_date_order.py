"""`--date-order` tells what the column does not; without it what could be two days is lost and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.indexer.look import look
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.tables import read_observations

TABLE = "id,lat,lon,eventDate\na,1,2,04/05/2021\nb,1,2,06/05/2021\nc,1,2,2021-05-07\n"


def days(path, **settings):
    table = read_observations(path, **settings)
    rows = [r for b in table.batches() for r in b.to_pylist()]
    return (
        [str(r["event_start"]) for r in rows],
        [p for r in rows for p in r["problems"]],
        table.said,
    )


def test_an_order_that_nothing_tells_is_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)

    found, problems, said = days(path)
    assert found == ["None", "None", "2021-05-07"] and len(problems) == 2
    assert all("--date-order" in p["reason"] for p in problems) and "--date-order" in " ".join(said)
    assert days(path, date_order="dmy")[0] == ["2021-05-04", "2021-05-06", "2021-05-07"]
    assert days(path, date_order="mdy")[0] == ["2021-04-05", "2021-06-05", "2021-05-07"]
    with pytest.raises(InputError, match="'ymd'; it must be dmy"):
        read_observations(path, date_order="ymd")


def test_a_look_and_a_build_take_the_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)

    def lost(order):
        found = look(
            BuildConfig(table=str(path), out=Path("x.p3i"), date_order=order), None, lambda *_: None
        )
        return json.dumps(found.as_json()).count("--date-order")

    assert lost(None) > 0 == lost("mdy")
    for words in (["look", str(path), "--strict"], ["look", str(path), "--date-order", "ymd"]):
        assert CliRunner().invoke(app, words).exit_code != 0
    assert (
        CliRunner().invoke(app, ["look", str(path), "--strict", "--date-order", "dmy"]).exit_code
        == 0
    )
