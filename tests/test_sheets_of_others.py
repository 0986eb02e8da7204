"""A sheet that somebody made for herself: names and dates by what columns hold, slips that cost their own cell."""

from __future__ import annotations

from datetime import date

import pytest

from prom3e_index.errors import InputError
from prom3e_index.tables import read_observations


def read(tmp_path, text, **more):
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = read_observations(path, **more)
    rows = [r for b in table.batches() for r in b.to_pylist()]
    return table, rows


def test_names_and_dates_are_found_by_what_their_columns_hold(tmp_path):
    table, rows = read(
        tmp_path,
        "Nr.;Wiss. Bez.;Datum\n1;Buteo jamaicensis (Gmelin, 1788);2024-05-04\n2;Columba livia;5.5.2024\n"
        "3;Falco sparverius;45418\n4;Falco peregrinus;31.02.2024\n",
    )
    assert table.fields["scientific_name"] == ("Wiss. Bez.",) and "latlon" not in table.fields
    assert [r["text"] for r in rows] == [
        "Buteo jamaicensis", "Columba livia", "Falco sparverius", "Falco peregrinus"
    ]  # fmt: skip
    days = [r["event_start"] for r in rows]
    assert days == [date(2024, 5, 4), date(2024, 5, 5), date(2024, 5, 6), None]
    assert rows[3]["problems"][0]["modality"] == "event_date"
    assert sum("for what its cells hold" in s for s in table.said) == 2


@pytest.mark.parametrize("column, cells", [
    ("Locality", ["Villa rosa", "Santa maria"]), ("Beschreibung", ["Singing loudly", "Seen flying"]),
    ("Tier", ["Red fox", "Roe deer"]), ("Wo", ["Sierra Nevada", "Costa Rica"]), ("Host plant", ["Rosa canina"]),
])  # fmt: skip
def test_words_that_are_no_names_of_species_are_not_read_as_such(tmp_path, column, cells):
    text = f"id,lat,lon,{column}\n" + "".join(f"{i},1,2,{c}\n" for i, c in enumerate(cells))
    table, rows = read(tmp_path, text)
    assert "scientific_name" not in table.fields and all(r["text"] is None for r in rows)


def test_a_column_called_so_comes_before_one_that_holds_names(tmp_path):
    _, rows = read(tmp_path, "Gast,species\nRosa canina,Apis mellifera\n")
    assert rows[0]["text"] == "Apis mellifera"


def test_one_slip_does_not_turn_a_column_of_dates(tmp_path):
    def days(*cells):
        _, rows = read(
            tmp_path,
            "id,species,date\n" + "".join(f"{i},Pica pica,{c}\n" for i, c in enumerate(cells)),
        )
        return [r["event_start"] for r in rows]

    dotted = days("04.05.2023", "05.05.2023", "12.05.2023", "06.13.2023")
    assert dotted[:3] == [date(2023, 5, 4), date(2023, 5, 5), date(2023, 5, 12)]
    slashed = days("04/05/2023", *["23/05/2023"] * 12, "06/13/2023")
    assert slashed[:2] == [date(2023, 5, 4), date(2023, 5, 23)] and slashed[-1] is None
    both = days("04/05/2023", "23/05/2023", "06/13/2023")
    assert both[0] is None
    american = days("04.05.2023", "05.23.2023", "06.13.2023")
    assert american == [date(2023, 4, 5), date(2023, 5, 23), date(2023, 6, 13)]


def test_a_field_may_be_named_as_the_trade_names_it(tmp_path):
    text = "A,B,C,D\nPica pica,51.2,4.4,2024-05-01\n"
    names = ("scientificName", "decimalLatitude", "decimalLongitude", "eventDate")
    _, rows = read(tmp_path, text, columns=dict(zip("ABCD", names, strict=True)))
    assert (rows[0]["text"], rows[0]["latitude"], rows[0]["longitude"]) == ("Pica pica", 51.2, 4.4)
    assert rows[0]["event_start"] == date(2024, 5, 1)
    with pytest.raises(InputError, match="no field 'scientificNam'"):
        read(tmp_path, text, columns={"A": "scientificNam"})
