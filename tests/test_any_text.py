"""No text of a cell raises: places, dates and names give a value or say why there is none."""

from __future__ import annotations

import math
from datetime import date

import pytest

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

from prom3e_index.tables.dates import date_of_parts, learn_dates, read_days  # noqa: E402
from prom3e_index.tables.names import binomial, name_kind, names_kind, read_name, taxon_text  # noqa: E402
from prom3e_index.tables.places import datum_said, learn_writing, read_grid, read_pair, read_place  # noqa: E402

PLACES = [
    *"0123456789.,;:+-°'\"NSEWOnsewo() /",
    "POINT",
    "geo:",
    "31U",
    "EPSG:",
    "lat",
    "north",
    "−",
    "′",
    "{",
    "}",
    '"lat":',
    "d",
    "m",
    "s",
    "@",
    "º",
]
DATES = [
    *"0123456789.,:/-T Z&|~?X",
    "May",
    "mars",
    "IV",
    "P1",
    "D",
    "2021",
    "W",
    " to ",
    "年",
    "月",
    "summer ",
    "ca. ",
    "45069",
    "GMT",
    "am",
]
NAMES = [
    *"abcxyzABCXÄé.,()[]'\"&/?0123×† -",
    "Parus ",
    "major ",
    " × ",
    " x ",
    "cf. ",
    "sp. ",
    "subsp. ",
    "Linnaeus",
    ", 1758",
    "Great ",
    "Tit",
    "BOLD:",
    "Candidatus ",
]


def words(parts):
    """Texts of the pieces that such cells have, and any other text."""
    return st.one_of(
        st.lists(st.sampled_from(parts), max_size=24).map("".join), st.text(max_size=40)
    )


common = hypothesis.settings(max_examples=250, deadline=None, derandomize=True)


@common
@hypothesis.given(words(PLACES), words(PLACES), words(PLACES))
def test_places(one, other, datum):
    writing = learn_writing([one], [other])
    for found in (
        read_place(one, other, writing, datum),
        read_pair(one, writing, datum),
        read_grid(one, other, datum, other),
        read_pair(f"{one} {other}"),
    ):
        place = found.latitude is not None
        assert place == (found.longitude is not None) and not (place and found.reason)
        assert not place or (
            math.isfinite(found.latitude)
            and abs(found.latitude) <= 90
            and abs(found.longitude) <= 180
        )
    datum_said(datum)


@common
@hypothesis.given(st.lists(words(DATES), min_size=1, max_size=4))
def test_dates(texts):
    for rules in (learn_dates(texts), learn_dates(texts, "dmy"), learn_dates(texts, "mdy")):
        for text in texts:
            first, last, reason = read_days(text, rules)
            assert (first is None) == (last is None) == (reason is not None)
            assert first is None or date.min <= first <= last
    date_of_parts(*(texts * 3)[:3])


@common
@hypothesis.given(words(NAMES), words(NAMES))
def test_names(one, other):
    found = read_name(one)
    assert not (found.epithet and not found.genus) and not (
        found.infraspecific and not found.epithet
    )
    genus, epithet = binomial(one)
    assert (genus, epithet) == (found.genus, found.epithet) and epithet == epithet.lower()
    assert name_kind(one, genus=other) in ("scientific", "common", "nothing", "none")
    names_kind([one, other, None])
    assert taxon_text({"species": one, "genus": other, "family": one}, other) == " ".join(
        taxon_text({"species": one, "genus": other, "family": one}, other).split()
    )
