"""Names as the tables of the trade write them: other scripts, brackets, no taxon, and scientific names given twice."""

from __future__ import annotations

import pytest

from prom3e_index.tables import read_observations
from prom3e_index.tables.names import name_kind, read_name


def rows(path):
    return [r for b in read_observations(str(path)).batches() for r in b.to_pylist()]


@pytest.mark.parametrize(
    "name", ["Большая синица", "大山雀", "シジュウカラ", "박새", "القرقف الكبير"]
)
def test_a_name_in_another_script_is_a_common_one_and_stays_as_it_is(tmp_path, name):
    path = tmp_path / "t.csv"
    path.write_text(f"id,scientificName\na,Parus major\nb,{name}\n", encoding="utf-8")

    first, second = rows(path)
    assert (first["text"], second["text"]) == ("Parus major", name)
    assert (second["common_name"], second["scientific_name"]) == (name, None)


def test_letters_that_look_latin_do_not_make_a_name_common():
    assert name_kind("P\u0430rus major") == "scientific"
    assert name_kind("Abies sibirica Лепехин") == "scientific"
    assert name_kind("♂ ♀") == "none"


@pytest.mark.parametrize("name", ["[Parus major]", "(Parus major)", "[Parus] major"])
def test_a_name_in_brackets(name):
    assert read_name(name).canonical == "Parus major"


@pytest.mark.parametrize("name", ["Mystery mystery", "Identity unknown", "No ID", "No bird"])
def test_words_of_platforms_for_no_taxon(name):
    assert name_kind(name) == "nothing"


def test_a_scientific_name_given_as_common_name_too_stays_scientific(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "filename,primary_label,scientific_name,common_name,latitude,longitude\n"
        "a.ogg,1,Ragoniella pulchella,Ragoniella pulchella,1,2\n"
        "b.ogg,gretit1,Parus major,Great Tit,1,2\n"
        "c.ogg,redfox,Red Fox,Red Fox,1,2\n"
    )

    found = [(r["scientific_name"], r["text"]) for r in rows(path)]
    assert found == [
        ("Ragoniella pulchella", "Ragoniella pulchella"),
        ("Parus major", "Parus major"),
        (None, "Red Fox"),
    ]
