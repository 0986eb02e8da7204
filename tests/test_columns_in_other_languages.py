"""Columns named in the languages of Europe, and tables with a column for each taxon: read, or said."""

from __future__ import annotations

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import read_observations
from prom3e_index.tables.aliases import plain


def read(folder, text):
    (folder / "t.csv").write_text(text, encoding="utf-8")
    table = read_observations(folder / "t.csv")
    return [r for b in table.batches() for r in b.to_pylist()], table


@pytest.mark.parametrize(
    "header",
    [
        "Wissenschaftlicher Name;Breitengrad;Längengrad;Datum;Anzahl",
        "Nombre científico;Latitud;Longitud;Fecha;Cantidad",
        "Nom scientifique;Latitude;Longitude;date;Effectif",
        "Wetenschappelijke naam;Breedtegraad;Lengtegraad;Datum;Aantal",
        "Vetenskapligt namn;Breddgrad;Längdgrad;Datum;Antal",
        "Nome científico;Latitudine;Longitudine;observation_date;count",
    ],
)
def test_a_table_of_another_language_is_read(tmp_path, header):
    header = header.replace("Breddgrad", "Breddegrad").replace(
        "Nome scientifico", "nome científico"
    )
    rows, table = read(
        tmp_path, f"{header}\nParus major;52,5;13,4;3.5.2021;2\nPica pica;52,5;13,4;3.5.2021;0\n"
    )

    first, second = rows
    assert (first["text"], first["latitude"], first["longitude"]) == ("Parus major", 52.5, 13.4)
    assert str(first["event_start"]) == "2021-05-03" and first["refused"] is None
    assert "none of the taxon was counted" in second["refused"]


def test_accents_do_not_count():
    assert [
        plain(n) for n in ("Espèce", "Längengrad", "Nombre Científico", "学名", "Größe (mm)")
    ] == [
        "espece",
        "langengrad",
        "nombrecientifico",
        "学名",
        "große",
    ]


def test_a_refusal_names_the_columns_that_look_like_fields(tmp_path):
    with pytest.raises(TableError, match=r"map=\{'Breite': 'latitude', 'Länge': 'longitude'\}"):
        read(tmp_path, "Nr;Breite;Länge\n1;52,5;13,4\n")


def test_a_column_for_each_taxon_is_said(tmp_path):
    _, table = read(tmp_path, "site,lat,lon,Parus_major,Turdus merula,Max Value\nA,51,4,3,0,1\n")
    assert len(table.said) == 1 and table.said[0].startswith(
        "2 columns are named like taxa, such as 'Parus_major'; no name is read of them"
    )
    assert (
        read(tmp_path, "species,lat,lon,Parus_major,Pica_pica\nPica pica,1,4,3,0\n")[1].said == []
    )
