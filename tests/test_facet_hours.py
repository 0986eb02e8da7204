"""The hour of a date, where it is of one."""

from __future__ import annotations

from datetime import date

import pytest

from prom3e_index.server.counted import FACETS

DAY = date(2022, 5, 16)


@pytest.mark.parametrize(
    ("text", "last", "hour"),
    [
        ("2022-05-16T04:30:00Z", DAY, "04"),
        ("2022-05-16 23:05:10+02:00", DAY, "23"),
        ("2022-05-16T12:00", DAY, "12"),
        ("2022-05-16T00:20", DAY, "00"),
        ("2022-05-16T08:10/2022-05-16T08:50", DAY, "08"),
        ("2022-05-16 00:00:00-06:00", DAY, None),  # iNaturalist's day without a time
        ("2022-05-16T00:00", DAY, None),
        ("2022-05-16T08:10/2022-05-16T09:50", DAY, None),
        ("2022-05-16T08:10/2022-05-18T08:50", date(2022, 5, 18), None),
        ("2022-05-16", DAY, None),
        ("2022-05-16T25:10", DAY, None),
        ("", DAY, None),
        (None, DAY, None),
    ],
)
def test_an_hour_is_told_where_the_date_is_of_one(text, last, hour):
    columns, read = FACETS["hour"]
    assert set(columns) == {"event_date", "event_start", "event_end"}
    assert read({"event_date": text, "event_start": DAY, "event_end": last}) == hour
    assert read({"event_date": text}) is None
