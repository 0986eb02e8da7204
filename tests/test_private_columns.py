"""Without a policy: private and verbatim places enter no index, and what a source says of hidden places is honoured."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from policies import built, files_with, rows_of, write_rows
from processes import program

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.policy.columns import denied, names_place, private, tells_place
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.show.maps import cell_of
from prom3e_index.show.report import write_report
from prom3e_index.tables import read_observations

TRUE = (47.98765, 11.23456)


def inaturalist(n: int = 4) -> list[dict[str, object]]:
    """An owner's export: row 1 open, 2 obscured as the source draws it, 3 private, 4 obscured with its true place."""
    marks = [
        ("open", "open", 12),
        ("obscured", "", 27661),
        ("private", "", 12),
        ("", "obscured", 8),
    ]
    rows = []
    for i, (own, taxon, accuracy) in enumerate(marks[:n], 1):
        hidden = own != "open"
        place = (
            (48.07 + i / 10, 11.31)
            if accuracy > 1000
            else (TRUE[0] + i / 100, TRUE[1] if hidden else 12.5)
        )
        rows.append({
            "id": i, "scientific_name": "Parus major", "latitude": place[0], "longitude": place[1],
            "public_positional_accuracy": accuracy, "geoprivacy": own, "taxon_geoprivacy": taxon,
            "coordinates_obscured": str(hidden).lower(), "private_latitude": TRUE[0] if hidden else "",
            "private_longitude": TRUE[1] if hidden else "", "private_place_guess": "Behind 7 Mill Lane" if hidden else "",
            "place_guess": "Mill Lane", "observed_on": "2024-05-01", "user_login": "ann", "notes": "seen",
        })  # fmt: skip
    return rows


def test_private_columns_are_in_no_file_and_no_way_leads_to_them(tmp_path):
    index = built(tmp_path, inaturalist(), None)
    bundle = Bundle.open(index)
    export, report = tmp_path / "out.csv", tmp_path / "r.html"
    assert program("export", export, "-i", index).returncode == 0
    write_report(report, bundle, [bundle.search(Query(text="Parus major", target="loc", k=4))])

    assert files_with(index, "47.98765", "11.23456", "Mill Lane", "private_", "place_guess") == [
        "manifest.json"
    ]
    said = (index / "manifest.json").read_text()
    assert not any(
        t in said for t in ("47.98", "11.23", "Mill Lane")
    )  # it names the columns that it left out
    for page in (export, report):
        assert not any(
            t in page.read_text() for t in ("47.98765", "11.23456", "Mill Lane", "private_")
        )
    with pytest.raises(InputError, match="private_latitude"):
        bundle.search(Query(text="Parus major", filter=Filter(where="private_latitude > 0")))
    assert check_policy(index).found == 0 and bundle.manifest.get("policy") is None


def test_marks_of_inaturalist_are_honoured(tmp_path):
    found = rows_of(built(tmp_path, inaturalist(), None), "latitude, longitude, coordinate_uncertainty_m, obscured, "
                    "place_level, information_withheld")  # fmt: skip

    assert found["1"] == (TRUE[0] + 0.01, 12.5, 12, False, None, None)
    assert found["2"] == (48.27, 11.31, 27661, True, None, None)  # as the source drew it
    assert found["3"] == (
        None,
        None,
        None,
        True,
        "withhold",
        "Coordinates hidden at the request of the observer",
    )
    assert (
        found["4"][:2] == (48.1, 11.3)
        and found["4"][3:5] == (True, "0.2deg")
        and found["4"][2] > 13_000
    )


def test_a_private_column_is_no_field(tmp_path):
    table = write_rows(tmp_path / "t.csv", inaturalist())
    with pytest.raises(InputError, match="places that their source hides"):
        read_observations(table, {"private_latitude": "latitude"})
    rows = [
        {k: v for k, v in r.items() if k not in ("latitude", "longitude")} for r in inaturalist()
    ]
    other = write_rows(tmp_path / "u.csv", rows)
    read = read_observations(other)
    batch = next(iter(read.batches()))
    assert not any(v is not None for v in batch.column("latitude").to_pylist())
    assert not [c for c in read.unused if private(c)]


@pytest.mark.parametrize(
    ("columns", "uncertainty", "expected"),
    [
        ({"institutionCode": "iNaturalist"}, "27661.0", True),
        ({"institutionCode": "iNaturalist"}, "9999", False),
        ({"institutionCode": "iNaturalist"}, "10000", True),
        ({"institutionCode": "iNaturalist"}, "", False),
        ({"institutionCode": "NHMUK"}, "27661", False),
        ({"datasetName": "iNaturalist research-grade observations"}, "27661", True),
        ({"datasetKey": "50c9509d-22c7-4a22-a47d-8c48425ef4a7"}, "28000", True),
        (
            {
                "institutionCode": "NHMUK",
                "dataGeneralizations": "Coordinates rounded to 0.1 degree",
            },
            "50",
            True,
        ),
        ({"institutionCode": "NHMUK", "informationWithheld": "Observer's name"}, "50", False),
    ],
)
def test_rows_of_gbif_that_were_drawn_are_known(tmp_path, columns, uncertainty, expected):
    with (tmp_path / "t.tsv").open("w", newline="") as f:
        out = csv.writer(f, delimiter="\t")
        out.writerow(["gbifID", "scientificName", "decimalLatitude", "decimalLongitude", "coordinateUncertaintyInMeters",
                      *columns])  # fmt: skip
        out.writerow(
            ["1", "Parus major (Linnaeus, 1758)", "48.1", "11.2", uncertainty, *columns.values()]
        )
    batch = next(iter(read_observations(tmp_path / "t.tsv").batches()))

    assert batch.column("obscured").to_pylist() == [expected]


def test_names_of_columns_in_any_spelling():
    never = "private_latitude privateLongitude PRIVATE_PLACE_GUESS place_guess verbatimLocality dwc:verbatimLatitude " \
            "footprintWKT source_place_guess http://rs.tdwg.org/dwc/terms/verbatimCoordinates georeferenceRemarks " \
            "trueLatitude latitude_true lat_private Coordinates_Private LonExact decLat_orig exact_lng original_coordinates " \
            "unobscured_decimal_longitude"  # fmt: skip
    tells = "locality county url Latitude2 UTM_Easting gridReference geohash elevation bio_12 deploymentID eventID h3 x"
    unknown = "notes related template POINT_X Fundort wc2.1_5m_bio_1 annual_precip trap_id habitat"
    neither = (
        "geoprivacy species weight country countryCode stateProvince dataset verbatimEventDate"
    )
    assert all(denied(n) and tells_place(n) for n in never.split())
    assert all(tells_place(n) and not denied(n) for n in tells.split())
    assert all(tells_place(n) and not names_place(n) for n in unknown.split())
    assert not any(tells_place(n) for n in neither.split())
    assert not any(denied(n) for n in ("private", "originalLatinName", "inexact_latin"))


def test_hidden_places_are_drawn_as_their_cells_and_are_no_places_of_training_or_validation(
    tmp_path,
):
    from prom3e_index.evaluation.sources import open_source

    rows = inaturalist()
    index = built(tmp_path, rows, None)
    page = tmp_path / "r.html"
    write_report(page, Bundle.open(index), [])
    south, west, north, east = cell_of(48.27, 11.31, None)

    assert np.allclose((south, west, north, east), (48.2, 11.2, 48.4, 11.4))
    assert page.read_text().count("rows in this cell") == 2
    source = open_source(index, Bundle.open(index).modalities, 512)
    read = source.read(source.numbers)
    place = list(source.modalities).index("loc")
    assert {i: bool(p) for i, p in zip(read.ids, read.present[:, place], strict=True)} == {
        "1": True, "2": False, "3": False, "4": False,
    }  # fmt: skip
