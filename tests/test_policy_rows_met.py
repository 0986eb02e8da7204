"""No row escapes the rule that means it by the way in which its name, its country, or its observers are written."""

from __future__ import annotations

import pytest
from policies import RULE
from policy_plans import planned

from prom3e_index.errors import InputError
from prom3e_index.policy.countries import country_of
from prom3e_index.policy.names import WORDS, by_last_word, in_words, names_of

PLACE = {"latitude": 52.31312, "longitude": 13.44531}
FALCON = {"species": "Falco rusticolus", **PLACE}
ALIKE = "one or two letters apart"


def test_a_name_misspelt_in_some_rows_alone_stops_the_build(tmp_path):
    rows = [{"id": "a", **FALCON}, {"id": "b", **PLACE, "species": "Falco rusticolis"}]
    with pytest.raises(InputError, match=ALIKE) as caught:
        planned(tmp_path, rows)
    assert "rule 1 (Falco rusticolus), nearest: 'falco rusticolis'" in caught.value.typed

    synonym = planned(tmp_path, rows, RULE + 'synonyms = ["Falco rusticolis"]\n')
    assert synonym.levels() == {"a": "0.1deg", "b": "0.1deg"}
    both = planned(tmp_path, rows, RULE + 'distinct = ["Falco  Rusticolis"]\n')
    assert both.levels() == {"a": "0.1deg", "b": None}
    assert planned(tmp_path, rows, RULE + "absent = true\n").levels() == both.levels()
    with pytest.raises(InputError, match=ALIKE):
        planned(tmp_path, rows, RULE + 'distinct = ["Falco peregrinus"]\n')


def test_every_rule_with_names_alike_is_told_at_once(tmp_path):
    rows = [{"id": str(i), **PLACE, "species": name} for i, name in enumerate(
        ["Parus major", "Parus minor", "Falco rusticolus", "Falco rusticolis", "Aquila heliaca"])]  # fmt: skip
    with pytest.raises(InputError) as caught:
        planned(tmp_path, rows, RULE + '[[rule]]\ntaxon = "Parus major"\nlevel = "1km"\n')

    assert "'falco rusticolis'; rule 2 (Parus major), nearest: 'parus minor'." in caught.value.typed


def test_a_misspelt_cell_of_a_row_that_its_rule_meets_all_the_same_stops_nothing(tmp_path):
    rows = [
        {"id": "a", **FALCON, "scientificName": "Falco rusticolis"},
        {"id": "b", **PLACE, "species": "Parus major"},
    ]
    assert planned(tmp_path, rows).levels() == {"a": "0.1deg", "b": None}


SPELLINGS = (
    "F. rusticolus", "F rusticolus", "Falco peregrinus/rusticolus", "rusticolus, Falco", "Falco sp. (rusticolus)",
    "Falco-rusticolus", "FalcoRusticolus", "Falco cherrug or rusticolus", "Falco rusticolus/peregrinus", "Falco|rusticolus",
)  # fmt: skip


@pytest.mark.parametrize("rank", ["", 'rank = "species"\n'])
def test_a_name_is_met_however_it_is_put_together(tmp_path, rank):
    rows = [{"id": "0", **FALCON}]
    rows += [{"id": n, **PLACE, "scientificName": n} for n in SPELLINGS]
    others = ("Falco peregrinus", "Falco sp.", "Parus rusticolus", "G. rusticolus", "Falco")
    rows += [{"id": n, **PLACE, "scientificName": n} for n in others]
    found = planned(tmp_path, rows, RULE + rank)

    expected = {n: "0.1deg" for n in ("0", *SPELLINGS)} | dict.fromkeys(others)
    assert found.levels() == expected


def test_words_of_a_name_that_are_the_same_must_follow_each_other():
    by_last = by_last_word(["buteo buteo", "vanessa c-album", "falco", "buteo", "a b c"])

    def met(**cells):
        return in_words(names_of(cells)[WORDS], by_last)

    assert met(scientific_name="Buteo lagopus") == {"buteo"}
    assert met(scientific_name="Buteo lagopus", genus="Buteo") == {"buteo"}
    assert met(scientific_name="B. buteo") == {"buteo buteo"}
    assert met(scientific_name="Buteo-buteo vulpinus") == {"buteo buteo", "buteo"}
    assert met(genus="Vanessa", text="C-album") == {"vanessa c-album"}
    assert met(scientific_name="Vanessa album") == set()
    assert met(scientific_name="Falco-rusticolus") == {"falco"}
    assert met(scientific_name="Meleagris falco") == set() == met()


def test_a_country_in_other_letters_is_the_same_and_doubt_protects(tmp_path):
    codes = {"two": "IS", "three": "ISL", "small": " is ", "else": "DE", "else3": "DEU", "none": "", "name": "Iceland",
             "no": "XX"}  # fmt: skip
    rows = [{"id": key, "countryCode": code, **FALCON} for key, code in codes.items()]
    found = planned(tmp_path, rows, RULE + 'countries = ["IS"]\n')

    assert {k for k, level in found.levels().items() if level is None} == {"else", "else3"}
    assert (
        "2 rows whose countryCode is no code of ISO 3166 count as within the rules' countries; as 'Iceland', 'XX'"
        in found.said
    )
    known = planned(tmp_path, rows[:6], RULE + 'countries = ["ISL"]\n')
    assert known.levels() == {k: v for k, v in found.levels().items() if k in known.rows}
    assert "ISO 3166" not in known.said


def test_codes_of_countries():
    assert [country_of(c) for c in ("GB", "gbr", "UK", "EL", "GRC", " fr ", "XK", "XKX")] == [
        "GB", "GB", "GB", "GR", "GR", "FR", "XK", "XK"]  # fmt: skip
    assert [country_of(c) for c in ("", "ZZ", "Iceland", "A", "GBRR")] == [None] * 5
