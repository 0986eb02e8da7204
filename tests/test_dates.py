"""Dates of observations: every form of ISO 8601, intervals with both ends, and what is none is said."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from prom3e_index.tables import read_observations
from prom3e_index.tables.dates import event_days, read_days


@pytest.mark.parametrize("text, first, last", [
    # Intervals of moments
    ("2024-05-01T10:00:00Z/2024-05-02T01:00:00Z", "2024-05-01", "2024-05-02"), ("2024-05-01 / 2024-05-09", "2024-05-01", "2024-05-09"),
    ("2024-05-01T10:00/03T12:00", "2024-05-01", "2024-05-03"), ("2024-05-01T10:00/12:00", "2024-05-01", "2024-05-01"),
    ("20240501T1000Z/20240503T1000Z", "2024-05-01", "2024-05-03"), ("2024/05/01 10:00/2024/05/03 10:00", "2024-05-01", "2024-05-03"),
    ("2024-05-01T10:00-07:00/2024-06-02T10:00-07:00", "2024-05-01", "2024-06-02"), ("2024-05-01T10:00:00Z/P1DT12H", "2024-05-01", "2024-05-02"),
    # Intervals of days, months, years; shortened ends
    ("2024-05-01/06-03", "2024-05-01", "2024-06-03"), ("2024-05/06", "2024-05-01", "2024-06-30"), ("1998/1999", "1998-01-01", "1999-12-31"),
    ("2024-05-01/2024-06", "2024-05-01", "2024-06-30"), ("20240501/03", "2024-05-01", "2024-05-03"), ("20240501/0603", "2024-05-01", "2024-06-03"),
    ("2024-W18/W19", "2024-04-29", "2024-05-12"), ("2024-123/130", "2024-05-02", "2024-05-09"), ("2024-01-31/P1M", "2024-01-31", "2024-02-29"),
    # One day, week, month, year
    ("20240501", "2024-05-01", "2024-05-01"), ("2024-123", "2024-05-02", "2024-05-02"), ("2024123", "2024-05-02", "2024-05-02"),
    ("2024-W18", "2024-04-29", "2024-05-05"), ("2024W183", "2024-05-01", "2024-05-01"), ("2024.0", "2024-01-01", "2024-12-31"),
    ("20240501.0", "2024-05-01", "2024-05-01"), ("2024/05/01", "2024-05-01", "2024-05-01"), ("2024/5", "2024-05-01", "2024-05-31"),
    ("2024-05-01/", "2024-05-01", "2024-05-01"), ("2024-05-01Z", "2024-05-01", "2024-05-01"), ("2020-W53", "2020-12-28", "2021-01-03"),
    # Times of day, zones and words are left out
    ("2024-05-01T10:00:00.000+02:00", "2024-05-01", "2024-05-01"), ("2024-05-01 10:00 Europe/Vienna", "2024-05-01", "2024-05-01"),
    ("2024-05-01T10:00:00 GMT+0200 (CEST)", "2024-05-01", "2024-05-01"), ("2024-05-01 10 AM", "2024-05-01", "2024-05-01"),
    ("2024-05-01 morning", "2024-05-01", "2024-05-01"),
])  # fmt: skip
def test_forms_of_dates(text, first, last):
    assert tuple(map(str, read_days(text))) == (first, last, "None")


@pytest.mark.parametrize("text, reason", [
    ("2024-05/2024-03", "ends before it begins"), ("2024-05-03/01", "ends before it begins"), ("2024-05-03T10:00/2024-05-01T09:00", "ends before"),
    ("2024-05-01/..", "has no end"), ("../2024-05-01", "has no begin"), ("2024-05-01 - 03", "no date"),
    ("2024-13-01", "no date"), ("2024-02-30", "no date"), ("2023-366", "no date"), ("2024-W54", "no date"), ("05012024", "no date"),
    ("12052024", "no date"), ("202405", "no date"), ("9714557600", "no date"), ("٢٠٢٤-05-01", "no date"), ("2024-05-01/2024-06-xyz", "no date"),
    ("2024-05-01" + "/" * 100_000, "no date"),
])  # fmt: skip
def test_what_is_no_date_is_said(text, reason):
    first, last, why = read_days(text)

    assert (first, last) == (None, None) and reason in why and len(why) < 200
    assert event_days(text) == (None, None)


def test_every_day_of_leap_and_common_years_in_five_forms():
    day = date(2023, 1, 1)
    while day < date(2025, 1, 1):
        year, week, weekday = day.isocalendar()
        forms = [
            day.isoformat(),
            f"{day:%Y%m%d}",
            f"{day:%Y-%j}",
            f"{year}-W{week:02}-{weekday}",
            f"{day:%Y/%m/%d}",
        ]
        assert {read_days(f) for f in forms} == {(day, day, None)}
        after = day + timedelta(days=9)
        assert read_days(f"{day}T23:59:59Z/{after}T00:00:00Z") == (day, after, None)
        day += timedelta(days=1)


def test_dates_of_a_table_and_what_is_lost(tmp_path):
    lines = [
        "1,2024-05-01T10:00:00Z/2024-05-03T10:00:00Z,,,",
        "2,,2024.0,5.0,1.0",
        "3,,2024,5,",
        "4,,,5,1",
        "5,last week,2024,5,1",
        "6,,2024,Mayor,1",
        "7,,,,",
    ]
    (tmp_path / "t.csv").write_text(
        "id,eventDate,year,month,day,lat,lon\n" + "".join(f"{line},1,2\n" for line in lines)
    )
    rows = [r for b in read_observations(tmp_path / "t.csv").batches() for r in b.to_pylist()]
    days = [
        (r["event_start"] and str(r["event_start"]), r["event_end"] and str(r["event_end"]))
        for r in rows
    ]

    assert days == [
        ("2024-05-01", "2024-05-03"),
        ("2024-05-01", "2024-05-01"),
        ("2024-05-01", "2024-05-31"),
        (None, None),
        ("2024-05-01", "2024-05-01"),
        *[(None, None)] * 2,
    ]
    lost = {
        r["id"]: [p["reason"] for p in r["problems"] if p["modality"] == "event_date"] for r in rows
    }
    assert {k for k, reasons in lost.items() if reasons} == {"4", "6"}
    assert "Mayor" in lost["6"][0] and "?-5-1" in lost["4"][0]


@pytest.mark.parametrize("text, first, last", [
    ("2024-05-01", "2024-05-01", "2024-05-01"), ("2024-05", "2024-05-01", "2024-05-31"),
    ("2024", "2024-01-01", "2024-12-31"), ("1940-01-01/1971-12-31", "1940-01-01", "1971-12-31"),
    ("2024-05-01/03", "2024-05-01", "2024-05-03"), ("2008-03-17T12:00:00-07:00", "2008-03-17", "2008-03-17"),
    ("2024/05/01", "2024-05-01", "2024-05-01"), ("2024-13-01", "None", "None"), ("yesterday", "None", "None"),
    ("2024-02", "2024-02-01", "2024-02-29"), ("2024-12", "2024-12-01", "2024-12-31"),
])  # fmt: skip
def test_dates_and_intervals(text, first, last):
    assert tuple(map(str, event_days(text))) == (first, last)
