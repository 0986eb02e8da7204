"""Places as people write them: numbers, signs, letters, grids and datums, one cell or two; what is none is said."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from prom3e_index.tables.places import (
    Place,
    Writing,
    datum_said,
    learn_writing,
    read_grid,
    read_pair,
    read_place,
)


def dms(degrees, minutes=0.0, seconds=0.0):
    return degrees + minutes / 60 + seconds / 3600


LAT, LON = dms(48, 51, 29.6), dms(2, 17, 40.2)


@pytest.mark.parametrize("latitude, longitude, expected", [
    ("48.85822", "2.2945", (48.85822, 2.2945)), ("48,85822", "-2,2945", (48.85822, -2.2945)), ("+48.", ".5", (48, 0.5)),
    ("４８．５", "−２．２５", (48.5, -2.25)), ("–33.85", "151.21 ", (-33.85, 151.21)), ("4.8e1", "2", (48, 2)),
    ("48.5°", "-2.5 deg", (48.5, -2.5)), ("48.5N", "W2.5", (48.5, -2.5)), ("s 33,5", "18,25 e", (-33.5, 18.25)), ("-33.5S", "18.25E", (-33.5, 18.25)),
    ("48°51'29.6\"N", "2°17'40.2\"E", (LAT, LON)), ("48º51′29,6″ N", "002º17′40,2″ W", (LAT, -LON)), ("48° 51’ 29.6’’ S", "2° 17´ 40.2” W", (-LAT, -LON)),
    ("48:51:29.6", "-2:17:40.2", (LAT, -LON)), ("48 51 29.6", "2 17 40.2", (LAT, LON)), ("48d51m29.6s", "2d17m40.2sW", (LAT, -LON)),
    ("N48d51m29.6s", "2d 17m 40.2s E", (LAT, LON)), ("48-51-29.6N", "2-17-40.2E", (LAT, LON)), ("485129.6N", "0021740.2W", (LAT, -LON)),
    ("48 degrees 51 minutes 29.6 seconds north", "2 degrés 17 min 40.2 sec ouest", (LAT, -LON)), ("48� 51' 29.6\" N", "2Â° 17' 40.2\" E", (LAT, LON)),
    ("48 51.5 N", "2 17.25 W", (dms(48, 51.5), -dms(2, 17.25))), ("N 48 51.500", "E 002 17.250", (dms(48, 51.5), dms(2, 17.25))), ("4851.5N", "00217.25E", (dms(48, 51.5), dms(2, 17.25))),
    ("48° 51' Nord", "2° 17' Ost", (dms(48, 51), dms(2, 17))), ("33° Sur", "70° 30' Oeste", (-33, -70.5)), ("12 30 s", "4", (-12.5, 4)), ("48.5 с.ш.", "37,25 в.д.", (48.5, 37.25)),
    ("北纬30.5", "东经 114.25", (30.5, 114.25)), ("90", "-180", (90, -180)),
])  # fmt: skip
def test_two_cells_of_every_form(latitude, longitude, expected):
    found = read_place(latitude, longitude)

    assert found.reason is None and found[:2] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("latitude, longitude, reason", [
    ("1.234.567", "4", "'1.234.567' is no number"), ("1,234.5", "4", "no number"), ("1_0", "4", "no number"), ("٣", "4", "no number"), ("nan", "4", "no number"),
    ("x", "1", "'x' is no number in degrees"), ("1", "", "longitude is missing"), (None, "1", "latitude is missing"), ("91", "0", "latitude 91 is outside"),
    ("144.9", "-37.8", "look swapped"), ("2.3E", "48.5N", "'2.3E' is a longitude in the place of the latitude"), ("-48.5 N", "2", "contradict"),
    ("48°60'N", "2", "60 or more minutes"), ("48 12 61", "2", "60 or more"), ("48.5 30", "2", "fraction before"), ("N48N", "2", "no number"),
    ("48 N", "2 O", "O is east in German"), ("512.345", "44.321", "outside -90..90"), ("33 1 2 3", "4", "no number"), ("48 Q", "2", "no number"),
])  # fmt: skip
def test_what_is_no_place_is_said(latitude, longitude, reason):
    found = read_place(latitude, longitude)

    assert found[:2] == (None, None) and reason in found.reason and len(found.reason) < 200


def test_nothing_is_neither_a_place_nor_a_reason():
    assert (
        read_place(None, "")
        == read_place(" ", None)
        == read_pair("")
        == read_grid(None, " ")
        == Place()
    )


def test_the_letter_o_is_what_the_column_says():
    for others, sign in ((["4° E"], -1), (["3° W", None, ""], 1)):
        writing = learn_writing(["50° N"], [*others, "5° 30' O"])
        assert read_place("50° N", "5° 30' O", writing)[:2] == (50, sign * 5.5)
    assert learn_writing([], ["5 O", "4 E", "3 W"]) == Writing(0) == learn_writing([], ["5 O"])
    assert read_place("50 N", "5 Ost")[1] == 5 == -read_place("50 N", "5 Ouest")[1]


def test_numbers_that_a_spreadsheet_split_into_thousands_are_no_degrees():
    writing = learn_writing(["51,234", "512,345"], ["4,321", "1.234.567"])

    assert read_place("51,234", "4,321") == Place(51.234, 4.321)
    assert (
        "'51,234' may have lost its decimal mark" in read_place("51,234", "4,321", writing).reason
    )
    assert (
        learn_writing(["51,234", "52,3"], ["4,321"]) == Writing()
    )  # degrees to the metre, as they are


@pytest.mark.parametrize("text, expected", [
    ("48.5, 2.25", (48.5, 2.25)), ("48.5,2.25", (48.5, 2.25)), ("(48.5 -2.25)", (48.5, -2.25)), ("[48.5;2.25]", (48.5, 2.25)), ("48.5/2.25", (48.5, 2.25)),
    ("48,5; 2,25", (48.5, 2.25)), ("48,5 2,25", (48.5, 2.25)), ("48,5, 2,25", (48.5, 2.25)), ("48,5,2,25", (48.5, 2.25)),
    ("POINT(2.25 48.5)", (48.5, 2.25)), ("SRID=4326;Point Z (2.25 48.5 12)", (48.5, 2.25)), ('{"type": "Point", "coordinates": [2.25, 48.5]}', (48.5, 2.25)),
    ('{"type":"Feature","geometry":{"type":"Point","coordinates":[2.25,48.5,9]}}', (48.5, 2.25)), ('{"latitude": 48.5, "longitude": 2.25}', (48.5, 2.25)),
    ("48°51'29.6\"N 2°17'40.2\"W", (LAT, -LON)), ("2°17'40.2\"E, 48°51'29.6\"N", (LAT, LON)), ("N48 51.5 E002 17.25", (dms(48, 51.5), dms(2, 17.25))),
    ("48 51 29.6 N 2 17 40.2 E", (LAT, LON)), ("48.5° N / 2.25° W", (48.5, -2.25)), ("lat: 48.5, lon: 2.25", (48.5, 2.25)), ("Longitude 2.25 Latitude 48.5", (48.5, 2.25)),
    ("+48.5-002.25/", (48.5, -2.25)), ("+48.5+002.25+035.0CRSWGS_84/", (48.5, 2.25)), ("geo:48.5,2.25,30;crs=wgs84", (48.5, 2.25)),
    ("https://www.google.com/maps/place/X/@40.1,3.1,15z/data=!3d48.5!4d2.25", (48.5, 2.25)), ("https://www.google.com/maps/@48.5,2.25,15z", (48.5, 2.25)),
    ("https://maps.google.com/?q=48.5%2C2.25&z=3", (48.5, 2.25)), ("https://www.openstreetmap.org/?mlat=48.5&mlon=2.25#map=9/1.0/2.0", (48.5, 2.25)),
])  # fmt: skip
def test_one_cell_that_holds_both(text, expected):
    found = read_pair(text)

    assert found.reason is None and found[:2] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("text", [
    "Antwerp", "Park, North side", "48.5", "12 Main Street", "2023-05-01", "48.5, 2.25, 100", "48.5,2,25", "LINESTRING(4 5, 6 7)", '{"type":"Polygon","coordinates":[[1,2]]}',
    "https://app.example.org/project/2000001/files/1-0", "48.5 N, 3.5 N", "{", '{"lat": 1}', "POINT EMPTY", "1 2 3 4 5 6", "POINT(nan 1)", "geo:1", "144.9, -37.8",
])  # fmt: skip
def test_one_cell_that_holds_none(text):
    found = read_pair(text)

    assert found[:2] == (None, None) and found.reason


def test_what_a_form_leaves_open():
    assert read_pair("geo:48.5,2.25;u=35").uncertainty_m == 35
    assert read_pair("31UDQ4811").uncertainty_m == pytest.approx(math.sqrt(2) * 500, abs=0.1)


def test_squares_of_mgrs_hold_their_middle():
    mgrs = pytest.importorskip("mgrs").MGRS()
    for digits in (0, 1, 2, 3, 4):
        square = "31UDQ" + "48251"[:digits] + "11932"[:digits]
        found = read_pair(square)
        assert mgrs.toMGRS(*found[:2], MGRSPrecision=digits) == square
    assert read_pair("31u dq 48251 11932")[:2] == pytest.approx(
        mgrs.toLatLon("31UDQ4825111932"), abs=1e-9
    )
    assert read_pair("4QFJ12345678")[:2] == read_pair("04Q FJ 1234 5678")[:2] != (None, None)
    assert "no square" in read_pair("31UZZ11").reason


def test_utm_of_both_hemispheres_and_its_bands():
    mgrs = pytest.importorskip("mgrs").MGRS()
    pytest.importorskip("pyproj")
    for zone, hemisphere, east, north in (
        (31, "N", 448251, 5411932),
        (56, "S", 334786, 6252080),
        (1, "N", 500000, 100),
    ):
        place = mgrs.toLatLon(mgrs.UTMToMGRS(zone, hemisphere, east, north))
        assert read_grid(str(east), str(north), f"{zone}{hemisphere}")[:2] == pytest.approx(
            place, abs=2e-5
        )
        assert read_pair(f"UTM {zone}{hemisphere} {east}mE {north}mN") == read_grid(
            f"{east}.0", f"{north}", f"{zone}{hemisphere}"
        )
    assert read_pair("31U 448251 5411932") == read_grid("448 251", "5.411.932", "31 north")
    assert "outside band H" in read_pair("31H 448251 5411932").reason
    assert "may be band S of the north" in read_grid("500000", "3600000", "31S").reason
    assert read_grid("500000", "3600000", "31 north").latitude == pytest.approx(32.5, abs=0.1)
    for zone, reason in (
        ("61N", "no UTM zone"),
        ("x", "no UTM zone"),
        ("31", "no hemisphere"),
        (None, "neither a UTM zone"),
    ):
        assert reason in read_grid("448251", "5411932", zone).reason
    assert (
        "in metres" in read_grid("2.25", "48.5", "31N").reason
        and "no easting" in read_grid("a", "1", "31N").reason
    )


def shifted(latitude, longitude, a, inverse, shift):
    """A place of an ellipsoid in WGS84 after a shift of its centre, by the closed formulas."""
    phi, lam, f = np.radians(latitude), np.radians(longitude), 1 / inverse
    e2 = 2 * f - f * f
    n = a / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    x, y, z = (
        n * np.cos(phi) * np.cos(lam),
        n * np.cos(phi) * np.sin(lam),
        n * (1 - e2) * np.sin(phi),
    )
    x, y, z = x + shift[0], y + shift[1], z + shift[2]
    a, f = 6378137.0, 1 / 298.257223563
    e2, p = 2 * f - f * f, np.hypot(x, y)
    phi = np.arctan2(z, p * (1 - e2))
    for _ in range(9):
        phi = np.arctan2(z + e2 * a / np.sqrt(1 - e2 * np.sin(phi) ** 2) * np.sin(phi), p)
    return np.degrees(phi), np.degrees(np.arctan2(y, x))


def test_stated_datums_are_turned_into_wgs84():
    pytest.importorskip("pyproj")
    expected = shifted(
        51.2, 4.3, 6378388.0, 297.0, (-87, -98, -121)
    )  # ED50 in Europe, good to some 10 m
    for datum in ("ED50", "European Datum 1950", "EPSG:4230", "urn:ogc:def:crs:EPSG::4230", "4230"):
        found = read_place("51.2", "4.3", datum=datum)
        assert (
            found[:2] == pytest.approx(expected, abs=1.5e-4) and abs(found.latitude - 51.2) > 5e-4
        )
        assert "(EPSG:4230) is turned into WGS84" in datum_said(datum)
    for datum in (
        "WGS84",
        "wgs 84",
        "EPSG:4326",
        "ETRS89",
        "NAD83",
        "",
        None,
        "not recorded",
        "http://www.opengis.net/def/crs/EPSG/0/4326",
    ):
        assert (
            read_place("51.2", "4.3", datum=datum) == Place(51.2, 4.3) and datum_said(datum) is None
        )
    assert read_place("51.2", "4.3", datum="Foo 1907") == Place(51.2, 4.3)
    assert "'Foo 1907' is no datum" in datum_said("Foo 1907")
    assert read_pair("SRID=4230;POINT(4.3 51.2)")[:2] == pytest.approx(expected, abs=1.5e-4)


def test_national_grids_are_read_where_their_code_is_named():
    pytest.importorskip("pyproj")
    # The Tower of London: TQ 336 805
    assert read_grid("533600", "180500", datum="27700")[:2] == pytest.approx(
        (51.5081, -0.0762), abs=5e-4
    )
    assert read_place("180500", "533600", datum="EPSG:27700") == read_grid(
        "533600", "180500", datum="27700"
    )
    assert read_place("51.2", "4.3", datum="EPSG:27700") == Place(51.2, 4.3)
    assert "within ±180" in datum_said("EPSG:27700")
    assert "EPSG:4230 in degrees" in read_grid("530334", "180508", datum="EPSG:4230").reason
    assert "unknown to PROJ" in read_grid("530334", "180508", datum="EPSG:99999").reason


def test_without_the_extra_the_message_has_its_line(monkeypatch):
    from prom3e_index.tables import grids

    for name in ("pyproj", "mgrs"):
        monkeypatch.setitem(sys.modules, name, None)
    grids._transformer.cache_clear()
    line = "pip install 'prom3e-index[formats]'"
    assert read_place("51.25", "4.35", datum="ED50") == Place(51.25, 4.35)
    assert line in datum_said("ED50") and "kept as written" in datum_said("ED50")
    for found in (
        read_pair("32U 448252 5411933"),
        read_pair("31UDQ4812"),
        read_grid("530334", "180508", datum="EPSG:27700"),
    ):
        assert line in found.reason
    grids._transformer.cache_clear()


HOSTILE = [
    "1" * 10_000_000, " " * 10_000_000, "N" * 300, "1 " * 190, "°" * 390, "51°" * 100, "-" * 390, "(" * 390, '{"coordinates":' * 20,
    "POINT(" + "1 " * 150, "geo:" + "1," * 150, "http://" + "@1," * 120, "lat" * 120, "N1" * 150, "1," * 190, ";" * 390, "a.b." * 95, "\ud800",
    "\x00", "1d1m" * 90, "E1 " * 120, '{"type":"Point","coordinates":"ab"}', '{"coordinates":[1]}', "[1]", '{"geometry":3}', "{}", "с. " * 90, "1'" * 190,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.timeout(10)
def test_no_text_raises_or_takes_long(text):
    assert read_pair(text).latitude is None and read_place(text, text).latitude is None
    assert read_grid(text, text, text, text).latitude is None
    datum_said(text), learn_writing([text], [text])
