"""Dates as people, cameras, programs and spreadsheets write them; what only the column tells; what is none is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from prom3e_index.tables.dates import DateRules, date_of_parts, learn_dates, read_days


def days_of(text, rules=None):
    return tuple(map(str, read_days(text, rules or DateRules())[:2]))


@pytest.mark.parametrize("text", [
    "7 March 2021", "March 7, 2021", "Mar 7 2021", "7-Mar-21", "7-Mar-2021", "07MAR2021", "2021-Mar-07", "2021 March 7", "Sunday, March 7th 2021", "7th of March 2021",
    "7. März 2021", "So, 7. Mrz. 2021", "7 mars 2021", "dim. 7 mars 2021", "7 de marzo de 2021", "7 de março de 2021", "7 maart 2021", "7 mrt 2021", "7 marzo 2021", "7 marts 2021",
    "7.III.2021", "7 iii 2021", "7-III-2021", "7/III/2021", "7. III. 2021", "7.3.2021", "07.03.2021", "7. 3. 2021", "7.3.21", "07.03.21", "07.03.2021 10:11 Uhr",
    "2021:03:07 10:11:12", "2021:03:07", "2021.03.07", "2021 03 07", "2021/3/7 9:05", "20210307T101112", "20210307101112", "20210307_101112", "202103071011",
    "Sun, 07 Mar 2021 10:11:12 +0200", "Sun Mar 07 2021 10:11:12 GMT+0200 (Central European Summer Time)", "Sun Mar 07 00:00:00 CET 2021", "Sun Mar  7 10:11:12 2021",
    "2021-03-07 10:11:12 UTC", "2021-03-07T10:11:12.123456789Z", "2021-03-07T10:11:12+02:00[Europe/Berlin]", "Mar 7, 2021 10:11 PM", "7 March 2021 at 10:11", "7 March 2021, 10.11 h",
    "2021年3月7日", "2021年03月07日 10:11", "1615111872", "1615111872000", "2021-066", "2021-W09-7", "2021-03-07?", "ca. 7 March 2021", "~2021-03-07",
])  # fmt: skip
def test_one_day_in_many_forms(text):
    assert days_of(text) == ("2021-03-07", "2021-03-07")


@pytest.mark.parametrize("text, first, last", [
    ("March 2021", "2021-03-01", "2021-03-31"), ("2021 March", "2021-03-01", "2021-03-31"), ("III.2021", "2021-03-01", "2021-03-31"), ("3/2021", "2021-03-01", "2021-03-31"),
    ("Feb. 2024", "2024-02-01", "2024-02-29"), ("early March 2021", "2021-03-01", "2021-03-31"), ("Anfang März 2021", "2021-03-01", "2021-03-31"), ("mid-March 2021", "2021-03-01", "2021-03-31"),
    ("2021-03-00", "2021-03-01", "2021-03-31"), ("2021-00-00", "2021-01-01", "2021-12-31"), ("00.03.2021", "2021-03-01", "2021-03-31"), ("00/00/2021", "2021-01-01", "2021-12-31"),
    ("2021-03-XX", "2021-03-01", "2021-03-31"), ("2021-XX-XX", "2021-01-01", "2021-12-31"), ("199X", "1990-01-01", "1999-12-31"), ("18XX", "1800-01-01", "1899-12-31"),
    ("1990s", "1990-01-01", "1999-12-31"), ("ca. 1990", "1990-01-01", "1990-12-31"), ("circa 1990", "1990-01-01", "1990-12-31"), ("1990~", "1990-01-01", "1990-12-31"),
    ("summer 2021", "2021-01-01", "2021-12-31"), ("Sommer 2021", "2021-01-01", "2021-12-31"), ("2021-22", "2021-01-01", "2021-12-31"), ("winter 2021", "2020-12-01", "2022-02-28"),
    ("1-3 May 2021", "2021-05-01", "2021-05-03"), ("1–3.V.2021", "2021-05-01", "2021-05-03"), ("May 1-3, 2021", "2021-05-01", "2021-05-03"), ("1./3. Mai 2021", "2021-05-01", "2021-05-03"),
    ("28.IV.-3.V.2021", "2021-04-28", "2021-05-03"), ("28 April - 3 May 2021", "2021-04-28", "2021-05-03"), ("30 Dec 2020 to 2 Jan 2021", "2020-12-30", "2021-01-02"),
    ("2021-05-01 to 2021-05-03", "2021-05-01", "2021-05-03"), ("2021-05-01 - 2021-05-03", "2021-05-01", "2021-05-03"), ("2021-05-01 bis 2021-05-03", "2021-05-01", "2021-05-03"),
    ("13/05/2021 - 15/05/2021", "2021-05-13", "2021-05-15"), ("12.05.2021 / 14.05.2021", "2021-05-12", "2021-05-14"), ("May-June 2021", "2021-05-01", "2021-06-30"),
    ("2021-05-01 & 2021-05-02", "2021-05-01", "2021-05-02"), ("2021-05-01|2021-05-03", "2021-05-01", "2021-05-03"), ("1990-1995", "1990-01-01", "1995-12-31"), ("between 1990 and 1995", "1990-01-01", "1995-12-31"),
    ("P3D/2021-05-04", "2021-05-01", "2021-05-04"), ("P1M/2021-03-31T10:00Z", "2021-02-28", "2021-03-31"), ("2021-05-01T10:00Z/P1Y2M", "2021-05-01", "2022-07-01"),
    ("2007-03-01T13:00:00Z/2008-05-11T15:30Z", "2007-03-01", "2008-05-11"), ("2007-03-01T13:00Z/2008-05-11", "2007-03-01", "2008-05-11"), ("2007-03-01/2008-05-11T15:30:00.5+02:00", "2007-03-01", "2008-05-11"),
    ("2021-05-01/2021-06-XX", "2021-05-01", "2021-06-30"),
])  # fmt: skip
def test_what_is_longer_than_a_day(text, first, last):
    assert days_of(text) == (first, last)


@pytest.mark.parametrize("text, reason", [
    ("04/05/2021", "'04/05/2021' may be 4 May or 5 April; say --date-order"), ("4-5-2021", "may be 4 May or 5 April"), ("04/05/21", "may be 4 May"), ("04/05/2021 10:11", "may be 4 May"),
    ("Feb-18", "no year of four digits"), ("18 Feb", "no year of four digits"), ("44262", "may be the day 2021-03-07 of a spreadsheet's count"), ("31/31/2021", "no date"), ("0000-00-00", "no date"),
    ("31.02.2021", "no date"), ("30 February 2021", "no date"), ("23/05", "no date"), ("1/2/3", "no date"), ("March", "no date"), ("March March 2021", "no date"), ("Marchy 2021", "no date"),
    ("2021-05-01 & 2021-08-02", "no date"), ("../2005-06-12", "has no begin"), ("3 May 2021 - 1 May 2021", "no date"), ("before 1990", "no date"), ("9999999999", "no date"), ("10000000000000", "no date"),
    ("7 March 2021 and more 3", "no date"), ("7 March 2021 2022", "no date"), ("unknown", "no date"), ("12:30", "no date"),
])  # fmt: skip
def test_what_is_no_date_or_two_is_said(text, reason):
    first, last, why = read_days(text)

    assert (first, last) == (None, None) and reason in why and len(why) < 250


def test_every_day_of_four_years_in_the_forms_of_a_column():
    rules = {
        "dmy": learn_dates(["31/12/2021"]),
        "mdy": learn_dates(["12/31/2021"]),
        "serial": learn_dates(["43831", "45291.75"]),
    }
    day = date(2020, 1, 1)
    while day < date(2024, 1, 1):
        serial = (
            day - date(1900, 1, 1)
        ).days + 2  # a spreadsheet begins with 1 and knows a 29 February 1900
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        forms = [
            (f"{day:%d/%m/%Y}", "dmy"), (f"{day:%m/%d/%Y}", "mdy"), (f"{day.day}/{day.month}/{day.year}", "dmy"), (f"{day:%m-%d-%y}", "mdy"),
            (f"{day:%d.%m.%Y}", "mdy"), (f"{day:%d %b %Y}", "dmy"), (str(serial), "serial"), (f"{serial}.5", "serial"), (str(int(noon.timestamp())), "dmy"),
        ]  # fmt: skip
        for text, kind in forms:
            assert read_days(text, rules[kind]) == (day, day, None), text
        day += timedelta(days=1)


def test_the_column_tells_what_comes_first():
    dmy, mdy = (
        learn_dates([None, "", "04/05/2021", "23/05/2021 10:11"]),
        learn_dates(["04/05/2021", "5-23-21"]),
    )

    assert (dmy.order, mdy.order) == (
        "dmy",
        "mdy",
    ) and "'23/05/2021 10:11' has it (1 date of" in dmy.said[0]
    assert (
        days_of("04/05/2021", dmy)[0] == "2021-05-04"
        and days_of("04/05/2021", mdy)[0] == "2021-04-05"
    )
    assert (
        "has the month first, the column's first dates have the day first"
        in read_days("05/23/2021", dmy)[2]
    )
    assert days_of("04/05/2021 / 06/05/2021", dmy) == ("2021-05-04", "2021-05-06")
    assert learn_dates(["13/05/2021/14/05/2021"]).order == "dmy"


def test_a_column_that_contradicts_itself_tells_nothing():
    rules = learn_dates(["23/05/2021", "05/23/2021", "04/05/2021", "24/05/2021"])

    assert (
        rules.order is None
        and "(2 and 1 such dates)" in rules.said[0]
        and "--date-order" in rules.said[0]
    )
    assert [days_of(t, rules)[0] for t in ("23/05/2021", "05/23/2021", "05/05/2021")] == [
        "2021-05-23",
        "2021-05-23",
        "2021-05-05",
    ]
    assert "may be 4 May" in read_days("04/05/2021", rules)[2]
    nothing = learn_dates(["04/05/2021", "06/07/2021", "05/05/2021", "2021-05-23"])
    assert nothing.order is None and "2 dates such as '04/05/2021'" in nothing.said[0]
    assert learn_dates(["2021-05-23", None]) == DateRules() == learn_dates([])


def test_the_user_tells_what_comes_first():
    rules = learn_dates(["04/05/2021", "23/05/2021"], "mdy")

    assert rules.order == "mdy" and rules.said == ()
    assert days_of("04/05/2021", rules)[0] == days_of("04.05.2021", rules)[0] == "2021-04-05"
    assert "--date-order says the month first" in read_days("23/05/2021", rules)[2]


def test_dots_put_the_day_first_unless_they_do_not():
    assert days_of("04.05.2021", learn_dates(["05/23/2021"]))[0] == "2021-05-04"
    american = learn_dates(["05.23.2021", "04.05.2021"])
    assert (
        days_of("04.05.2021", american)[0] == "2021-04-05"
        and "'05.23.2021' has it" in american.said[0]
    )
    assert "may be 4 May" in read_days("04.05.2021", learn_dates(["05.23.2021", "23.05.2021"]))[2]


def test_numbers_of_a_spreadsheet():
    alone = learn_dates(["44262", None, "44263.25"])
    assert days_of("44262", alone)[0] == "2021-03-07" and "would mean 2025-03-08" in alone.said[0]
    beside = learn_dates(["44262", "2021-05-01", "1 May 2021"])
    assert days_of("44262", beside)[0] == "2021-03-07"
    for others in (["1999-05-01"], ["yesterday"], []):
        assert "do not tell" in read_days("44262", learn_dates(["12345", "44262", *others]))[2]


def test_years_of_two_digits_turn_at_thirty():
    rules = learn_dates(["31/12/19", "31-Dec-30"])

    assert [
        days_of(t, rules)[0][:4] for t in ("31/12/29", "31-Dec-30", "31.12.99", "31/12/00")
    ] == ["2029", "1930", "1999", "2000"]
    assert "2 dates with a year of two digits" in rules.said[-1]


def test_parts_of_a_date_may_be_named():
    assert (
        date_of_parts("2021", "March", "7") == date_of_parts("2021.0", "iii", "07") == "2021-03-07"
    )
    assert date_of_parts("2021", "0", "0") == "2021-00-00" and days_of("2021-00-00") == (
        "2021-01-01",
        "2021-12-31",
    )


HOSTILE = [
    "1" * 10_000_000, " " * 10_000_000, "/" * 99, "1/" * 49, "-" * 99, "1-" * 49, "May " * 24, "1 May " * 16, "2021" * 24, "1.1." * 24, "T" * 99, "10:" * 33, "(" * 99,
    "\ud800", "\x00", "٢٠٢١-٠٥-٠١", "²³ May 2021", "P" + "9" * 90 + "Y", "2021-05-01/P999999Y", "P999999D/2021-05-01", "1-3 May 0000", "31/12/0000", "9999-12-31/P1D",
    "I.I.I", "0001年0月0日", "x" * 99, "ca. " * 20, "2021-W99", "1 & " * 24, "i " * 48,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.timeout(10)
def test_no_text_raises_or_takes_long(text):
    for rules in (
        DateRules(),
        learn_dates([text, text]),
        learn_dates(["44262"]),
        learn_dates([], "dmy"),
    ):
        first, last, reason = read_days(text, rules)
        assert (first is None) == (last is None) == (reason is not None)
    date_of_parts(text, text, text)
