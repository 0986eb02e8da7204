"""Dates whose year has two digits, and months in the languages of Europe: read as the column tells, or asked for."""

from __future__ import annotations

from datetime import date

import pytest

from prom3e_index.tables.dates import learn_dates, read_days
from prom3e_index.tables.short_years import year_first


def days(cells, order=None):
    rules = learn_dates(cells, order)
    return [str(read_days(c, rules)[0]) for c in cells], rules


@pytest.mark.parametrize(
    "cells, found",
    [
        (["21-05-03", "21-05-28", "22-06-01"], ["2021-05-03", "2021-05-28", "2022-06-01"]),
        (["98/05/13", "99/05/03"], ["1998-05-13", "1999-05-03"]),
        (["21.05.03", "21.06.04 10:30", "22.06.01"], ["2021-05-03", "2021-06-04", "2022-06-01"]),
        (["13/05/21", "03/06/21", "21/06/21"], ["2021-05-13", "2021-06-03", "2021-06-21"]),
        (["13-05-21", "28-06-21", "03-07-21"], ["2021-05-13", "2021-06-28", "2021-07-03"]),
        (["05/13/21", "06/03/21"], ["2021-05-13", "2021-06-03"]),
        (["3/5/21", "21/05/03"], ["2021-05-03", "2003-05-21"]),
    ],
)
def test_the_year_stands_where_the_column_has_it(cells, found):
    assert days(cells)[0] == found


def test_a_year_that_may_be_first_or_last_is_asked_for():
    cells = ["21-05-03", "20-06-04"]
    found, rules = days(cells)

    assert found == ["None", "None"]
    assert "2 dates such as '21-05-03' may have the year first or last" in rules.said[0]
    assert "year first or last" in str(read_days(cells[0], rules)[2])
    assert days(cells, "dmy")[0] == ["2003-05-21", "2004-06-20"]


def test_a_reading_that_is_yet_to_come_is_not_the_columns():
    soon = (date.today().year + 1) % 100

    assert year_first([f"21-05-{soon:02d}"]) is True
    assert year_first([f"{soon:02d}-05-21"]) is False
    assert year_first([]) is False


@pytest.mark.parametrize(
    "text",
    [
        "3 мая 2021", "3 травня 2021", "3 Mayıs 2021", "3. května 2021", "3 maja 2021", "3. mája 2021", "2021. május 3.",
        "3 Μαΐου 2021", "3. toukokuuta 2021", "2021년 5월 3일", "2021年5月3日", "3 mai 2021",
    ],
)  # fmt: skip
def test_months_of_many_languages(text):
    assert read_days(text) == (date(2021, 5, 3), date(2021, 5, 3), None)


def test_a_word_for_two_months_is_none():
    assert read_days("3. listopada 2021")[2] is not None
    assert read_days("3. marraskuuta 2021")[0] == date(2021, 11, 3)
    assert read_days("7-Mar-2021")[0] == date(2021, 3, 7)
